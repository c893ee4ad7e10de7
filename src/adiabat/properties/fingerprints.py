"""Fingerprints of molecules and how alike two of them are."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse

RADIUS, BITS = 2, 2048
# Counts without the zeros, shape (n_molecules, n_places).
Counts = sparse.csr_array
# [bytes]
_DENSE = 1 << 26


def fingerprints(smiles: Sequence[str], *, stereo: bool = True) -> Iterator[Any]:
    """How often each circular environment of radius 2 occurs, hashed to 2,048 places (ECFP4 with counts:
    Rogers and Hahn 2010, doi 10.1021/ci100050t), as RDKit's vectors."""
    from rdkit import Chem

    for text in smiles:
        yield _generator(stereo).GetCountFingerprint(Chem.MolFromSmiles(text))


def count_morgan(smiles: Sequence[str], *, stereo: bool = True) -> np.ndarray:
    """The same as an array.

    Returns:
        shape (n_molecules, 2048), uint16.
    """
    from rdkit import Chem

    return sparse_counts(map(Chem.MolFromSmiles, smiles), stereo=stereo).toarray()


def sparse_counts(mols: Iterable[Any], *, stereo: bool = True) -> Counts:
    """The same of RDKit's molecules, without the zeros."""
    # Hashes, which RDKit takes a quarter longer to turn into places.
    return folded(_generator(stereo).GetSparseCountFingerprints(list(mols)), BITS)


def folded(vectors: Iterable[Any], size: int) -> Counts:
    """RDKit's vectors of counts as one array, shape (n_molecules, size), uint16.

    Args:
        vectors: their elements are numbered by places, or hashes to be divided among these.
        size: how many places.
    """
    found = [one.GetNonzeroElements() for one in vectors]
    ends = np.cumsum([0, *map(len, found)])
    hashes = np.fromiter(itertools.chain.from_iterable(found), np.int64, ends[-1])
    counts = np.fromiter(itertools.chain.from_iterable(one.values() for one in found), np.uint16, ends[-1])
    whole = Counts((counts, (hashes % size).astype(np.int32), ends), shape=(len(found), size))
    whole.sum_duplicates()
    return whole


@cache
def _generator(stereo: bool) -> Any:
    from rdkit.Chem import rdFingerprintGenerator

    return rdFingerprintGenerator.GetMorganGenerator(RADIUS, includeChirality=stereo, fpSize=BITS)


def environments(mol: Any, *, stereo: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """What the counts of a fingerprint are counts of.

    Args:
        mol: an RDKit molecule.
        stereo: as of `fingerprints`.

    Returns:
        the place of each circular environment, shape (n_environments,), and the atoms in it, shape
        (n_environments, n_atoms).
    """
    return environments_of(_generator(stereo), mol)


def environments_of(generator: Any, mol: Any) -> tuple[np.ndarray, np.ndarray]:
    """The same of one of RDKit's generators of circular environments."""
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator

    output = rdFingerprintGenerator.AdditionalOutput()
    output.AllocateBitInfoMap()
    generator.GetCountFingerprint(mol, additionalOutput=output)
    places, inside = [], []
    for place, found in output.GetBitInfoMap().items():
        for center, radius in found:
            bonds = Chem.FindAtomEnvironmentOfRadiusN(mol, radius, center)
            atoms = np.zeros(mol.GetNumAtoms(), bool)
            atoms[center] = True
            for bond in map(mol.GetBondWithIdx, bonds):
                atoms[[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]] = True
            places.append(place)
            inside.append(atoms)
    return np.array(places, int), np.array(inside, bool).reshape(len(places), mol.GetNumAtoms())


def similarities(one: np.ndarray | Counts, other: np.ndarray | Counts) -> np.ndarray:
    """Tanimoto's coefficient of counts, sum of minima over sum of maxima (Ralaivola et al. 2005,
    doi 10.1016/j.neunet.2005.07.009).

    Args:
        one: counts, shape (n, n_places).
        other: counts, shape (m, n_places).

    Returns:
        shape (n, m), from 0 to 1; two molecules without any environment are alike.
    """
    first, second = Counts(one), Counts(other)
    levels = int(max(first.data.max(initial=0), second.data.max(initial=0)))
    # min(a, b) is how many of 1, 2, 3 ... neither exceeds: a scalar product of numbers written in tallies.
    common = (_tallies(first, levels) @ _tallies(second, levels).T).toarray().astype(float)
    union = _totals(first)[:, None] + _totals(second) - common
    return np.divide(common, union, out=np.ones_like(common), where=union > 0)


def _totals(counts: Counts) -> np.ndarray:
    """Of each molecule, shape (n_molecules,)."""
    return np.asarray(counts.sum(axis=1, dtype=float))


def _tallies(counts: Any, levels: int) -> sparse.csr_matrix:
    """Each count n, or the levels where it is more, as n ones, shape (n_molecules, n_places * levels)."""
    found = np.minimum(counts.data, levels).astype(int)
    ends = np.cumsum(found)
    begins = ends - found
    places = np.repeat(counts.indices * levels - begins, found) + np.arange(found.sum())
    ones = np.ones(len(places), np.float32)
    shape = counts.shape[0], counts.shape[1] * levels
    return sparse.csr_matrix((ones, places, np.append(0, ends)[counts.indptr]), shape=shape)


class Known:
    """Fingerprints that others are compared with again and again.

    Args:
        counts: shape (n_known, n_places).
    """

    def __init__(self, counts: np.ndarray):
        self.counts, own = counts, Counts(counts)
        self._totals = _totals(own)
        self._levels = max(1, int(own.data.max(initial=0)))
        tallies: Any = _tallies(own, self._levels)
        # What no known molecule has is in common with none.
        used = np.unique(tallies.indices)
        small = np.uint8 if self._totals.max(initial=0) < 256 else np.uint16
        self._used = len(used)
        self._column = np.full(tallies.shape[1], -1)
        self._column[used] = np.arange(len(used))
        common = tallies[:, used].T.astype(small)
        # Sums of dense rows are several times faster than a product of sparse matrices, while they fit.
        dense = len(used) * len(counts) * np.dtype(small).itemsize <= _DENSE
        self._tallies = common.toarray(order="C") if dense else common.tocsr()

    def similarities(self, queries: np.ndarray | Counts) -> np.ndarray:
        """As `similarities(queries, counts)`."""
        counts: Any = Counts(queries)
        tallies, n_queries = _tallies(counts, self._levels), counts.shape[0]
        rows = np.repeat(np.arange(n_queries), np.diff(tallies.indptr))
        column = self._column[tallies.indices]
        rows, column = rows[column >= 0], column[column >= 0]
        shape = n_queries, self._used
        ones = np.ones(len(rows), self._tallies.dtype)
        common = sparse.csr_matrix((ones, (rows, column)), shape=shape) @ self._tallies
        common = (common.toarray() if sparse.issparse(common) else common).astype(float)
        union = _totals(counts)[:, None] + self._totals - common
        return np.divide(common, union, out=np.ones_like(common), where=union > 0)


def nearest(
    queries: np.ndarray | Counts, known: "np.ndarray | Known", count: int = 1, block: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """The most alike among known molecules, in blocks that bound the memory.

    Returns:
        their numbers and similarities, shapes (n_queries, count), the most alike first; of equally alike
        ones the first.
    """
    known = known if isinstance(known, Known) else Known(known)
    count = min(count, len(known.counts))
    n_queries: int = Counts(queries).shape[0]  # pyright: ignore[reportOptionalSubscript]
    index, found = np.empty((n_queries, count), int), np.empty((n_queries, count))
    for start in range(0, n_queries, block):
        alike = known.similarities(queries[start : start + block])
        rows = np.arange(len(alike))
        for k in range(count):
            best = alike.argmax(axis=1)
            index[start + rows, k], found[start + rows, k] = best, alike[rows, best]
            alike[rows, best] = -1.0
    return index, found
