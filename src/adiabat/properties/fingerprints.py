"""Fingerprints of molecules and how alike two of them are."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse

RADIUS, BITS = 2, 2048


def fingerprints(smiles: Sequence[str], *, stereo: bool = True) -> Iterator[Any]:
    """How often each circular environment of radius 2 occurs, hashed to 2,048 places (ECFP4 with counts:
    Rogers and Hahn 2010, doi 10.1021/ci100050t), as RDKit's vectors."""
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(RADIUS, includeChirality=stereo, fpSize=BITS)
    for text in smiles:
        yield generator.GetCountFingerprint(Chem.MolFromSmiles(text))


def count_morgan(smiles: Sequence[str], *, stereo: bool = True) -> np.ndarray:
    """The same as an array.

    Returns:
        shape (n_molecules, 2048), uint16.
    """
    found = np.zeros((len(smiles), BITS), np.uint16)
    for row, counts in enumerate(fingerprints(smiles, stereo=stereo)):
        for place, count in counts.GetNonzeroElements().items():
            found[row, place] = count
    return found


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


def nearest(
    queries: np.ndarray, known: np.ndarray, count: int = 1, block: int = 1024
) -> tuple[np.ndarray, np.ndarray]:
    """The most alike among known molecules, in blocks that bound the memory.

    Returns:
        their numbers and similarities, shapes (n_queries, count), the most alike first; of equally alike
        ones the first.
    """
    count = min(count, len(known))
    index, found = np.empty((len(queries), count), int), np.empty((len(queries), count))
    for start in range(0, len(queries), block):
        rows = slice(start, start + block)
        alike = similarities(queries[rows], known)
        order = np.argsort(-alike, axis=1, kind="stable")[:, :count]
        index[rows], found[rows] = order, np.take_along_axis(alike, order, axis=1)
    return index, found
