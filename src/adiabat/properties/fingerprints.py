"""Fingerprints of molecules and how alike two of them are."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse

RADIUS, BITS = 2, 2048
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

    return _counted(map(Chem.MolFromSmiles, smiles), len(smiles), stereo)


def count_morgan_of(mols: Sequence[Any]) -> np.ndarray:
    """The same of RDKit's molecules, with stereochemistry."""
    return _counted(mols, len(mols), stereo=True)


def _counted(mols: Iterable[Any], n: int, stereo: bool) -> np.ndarray:
    found = np.zeros((n, BITS), np.uint16)
    for row, mol in enumerate(mols):
        found[row] = _generator(stereo).GetCountFingerprintAsNumPy(mol)
    return found


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
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator

    output = rdFingerprintGenerator.AdditionalOutput()
    output.AllocateBitInfoMap()
    _generator(stereo).GetCountFingerprint(mol, additionalOutput=output)
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


def similarities(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Tanimoto's coefficient of counts, sum of minima over sum of maxima (Ralaivola et al. 2005,
    doi 10.1016/j.neunet.2005.07.009).

    Args:
        one: counts, shape (n, n_places).
        other: counts, shape (m, n_places).

    Returns:
        shape (n, m), from 0 to 1; two molecules without any environment are alike.
    """
    totals, columns = one.sum(axis=1, dtype=float), other.sum(axis=1, dtype=float)
    levels = int(max(one.max(initial=0), other.max(initial=0)))
    # min(a, b) is how many of 1, 2, 3 ... neither exceeds: a scalar product of numbers written in tallies.
    common = (_tallies(one, levels) @ _tallies(other, levels).T).toarray().astype(float)
    union = totals[:, None] + columns - common
    return np.divide(common, union, out=np.ones_like(common), where=union > 0)


def _tallies(counts: np.ndarray, levels: int) -> sparse.csr_matrix:
    """Each count n as n ones, shape (n_molecules, n_places * levels)."""
    rows, places = np.nonzero(counts)
    found = counts[rows, places].astype(int)
    within = np.arange(found.sum()) - np.repeat(np.cumsum(found) - found, found)
    where = np.repeat(rows, found), np.repeat(places * levels, found) + within
    shape = len(counts), counts.shape[1] * levels
    return sparse.csr_matrix((np.ones(len(within), np.float32), where), shape=shape)


class Known:
    """Fingerprints that others are compared with again and again.

    Args:
        counts: shape (n_known, n_places).
    """

    def __init__(self, counts: np.ndarray):
        self.counts = counts
        self._totals = counts.sum(axis=1, dtype=float)
        self._levels = max(1, int(counts.max(initial=0)))
        tallies: Any = _tallies(counts, self._levels)
        # What no known molecule has is in common with none.
        used = np.unique(tallies.indices)
        small = np.uint8 if self._totals.max(initial=0) < 256 else np.uint16
        self._used = len(used)
        self._column = np.full(tallies.shape[1], -1)
        self._column[used] = np.arange(len(used))
        common = tallies[:, used].T.astype(small)
        # Sums of dense rows are several times faster than a product of sparse matrices, while they fit.
        dense = len(used) * len(counts) * np.dtype(small).itemsize <= _DENSE
        self._tallies = common.toarray() if dense else common.tocsr()

    def similarities(self, queries: np.ndarray) -> np.ndarray:
        """As `similarities(queries, counts)`."""
        tallies = _tallies(np.minimum(queries, self._levels), self._levels)
        rows = np.repeat(np.arange(len(queries)), np.diff(tallies.indptr))
        column = self._column[tallies.indices]
        rows, column = rows[column >= 0], column[column >= 0]
        shape = len(queries), self._used
        ones = np.ones(len(rows), self._tallies.dtype)
        common = sparse.csr_matrix((ones, (rows, column)), shape=shape) @ self._tallies
        common = (common.toarray() if sparse.issparse(common) else common).astype(float)
        union = queries.sum(axis=1, dtype=float)[:, None] + self._totals - common
        return np.divide(common, union, out=np.ones_like(common), where=union > 0)


def nearest(
    queries: np.ndarray, known: "np.ndarray | Known", count: int = 1, block: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """The most alike among known molecules, in blocks that bound the memory.

    Returns:
        their numbers and similarities, shapes (n_queries, count), the most alike first; of equally alike
        ones the first.
    """
    known = known if isinstance(known, Known) else Known(known)
    count = min(count, len(known.counts))
    index, found = np.empty((len(queries), count), int), np.empty((len(queries), count))
    for start in range(0, len(queries), block):
        alike = known.similarities(queries[start : start + block])
        rows = np.arange(len(alike))
        for k in range(count):
            best = alike.argmax(axis=1)
            index[start + rows, k], found[start + rows, k] = best, alike[rows, best]
            alike[rows, best] = -1.0
    return index, found
