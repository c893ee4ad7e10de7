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
# Dense matrices are quicker for columns that a greater share of molecules has; of at most so many bytes.
_FREQUENT, _DENSE = 0.2, 1 << 26
# Molecules compared at a time.
_BLOCK = 256


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
    first: Any = Counts(one)
    second: Any = Counts(other)
    if first.shape[0] < second.shape[0]:
        return Known(first).similarities(second).T
    return Known(second).similarities(first)


class Known:
    """Fingerprints that others are compared with again and again.

    Args:
        counts: shape (n_known, n_places).
    """

    def __init__(self, counts: np.ndarray | Counts):
        own: Any = Counts(counts)
        self.n_known: int = own.shape[0]
        self._totals = _totals(own)
        self._most = own.max(axis=0).toarray().astype(int) if self.n_known else np.zeros(own.shape[1], int)
        self._starts = np.cumsum(self._most) - self._most
        rows, columns = self._tallies(own)
        often = np.bincount(columns, minlength=self._most.sum())
        # Products of dense matrices for what many have, as far as they fit: of sparse ones for the rest.
        order = np.argsort(-often, kind="stable")
        fits = _DENSE // (4 * max(1, self.n_known))
        self._n_dense = min(int((often > _FREQUENT * self.n_known).sum()), fits)
        self._places = np.empty(len(often), int)
        self._places[order] = np.arange(len(often))
        places = self._places[columns]
        dense = places < self._n_dense
        self._frequent = _ones((self.n_known, self._n_dense), rows[dense], places[dense], np.float32)
        rare = np.bincount(rows[~dense], minlength=self.n_known)
        # What they have in common is at most what one of them has.
        small = np.min_scalar_type(rare.max(initial=0))
        where = rows[~dense], places[~dense] - self._n_dense
        shape = self.n_known, len(often) - self._n_dense
        self._rare: Any = sparse.csr_array((np.ones(len(where[0]), small), where), shape=shape)

    def similarities(self, queries: np.ndarray | Counts) -> np.ndarray:
        """As `similarities(queries, counts)`."""
        counts: Any = Counts(queries)
        found = np.empty((counts.shape[0], self.n_known))
        for start in range(0, len(found), _BLOCK):
            self._compare(counts[start : start + _BLOCK], found[start : start + _BLOCK])
        return found

    def _compare(self, counts: Any, found: np.ndarray) -> None:
        """The same of some, written into an array."""
        rows, columns = self._tallies(counts)
        places = self._places[columns]
        dense = places < self._n_dense
        frequent = _ones((len(found), self._n_dense), rows[dense], places[dense], np.float32)
        shape = self._rare.shape[1], len(found)
        rare = _ones(shape, places[~dense] - self._n_dense, rows[~dense], self._rare.dtype)
        common = frequent @ self._frequent.T
        common += (self._rare @ rare).T
        totals = _totals(counts)
        union = totals[:, None] + self._totals
        union -= common
        np.divide(common, union, out=found, where=union > 0)
        found[np.ix_(totals == 0, self._totals == 0)] = 1.0

    def _tallies(self, counts: Any) -> tuple[np.ndarray, np.ndarray]:
        """Each count n, or the most that is known where it is more, as n ones: the molecules and the columns
        that have them. min(a, b) is how many of 1, 2, 3 ... neither exceeds: a scalar product of tallies."""
        found = np.minimum(counts.data, self._most[counts.indices])
        ends = np.cumsum(found)
        columns = np.repeat(self._starts[counts.indices] - ends + found, found) + np.arange(found.sum())
        each = np.diff(np.append(0, ends)[counts.indptr])
        return np.repeat(np.arange(len(each)), each), columns


def _totals(counts: Counts) -> np.ndarray:
    """Of each molecule, shape (n_molecules,)."""
    return np.asarray(counts.sum(axis=1, dtype=float))


def _ones(shape: tuple[int, int], rows: np.ndarray, columns: np.ndarray, dtype: Any) -> np.ndarray:
    """One there and zero elsewhere."""
    found = np.zeros(shape, dtype)
    found[rows, columns] = 1
    return found


def nearest(
    queries: np.ndarray | Counts, known: "np.ndarray | Known", count: int = 1, block: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """The most alike among known molecules, in blocks that bound the memory.

    Returns:
        their numbers and similarities, shapes (n_queries, count), the most alike first; of equally alike
        ones the first.
    """
    known = known if isinstance(known, Known) else Known(known)
    count = min(count, known.n_known)
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
