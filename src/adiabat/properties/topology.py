"""Indices of connectivity and shape of many molecules at once."""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from adiabat.properties.environments import Side


class Paths(NamedTuple):
    """Sums over the paths of two, three and four bonds of the product of a number of their atoms.

    Attributes:
        two, three, four: shape (n_molecules,).
    """

    two: np.ndarray
    three: np.ndarray
    four: np.ndarray


def paths(side: Side, numbers: np.ndarray) -> Paths:
    """In closed form, for molecules without rings of three or four atoms: there no path meets itself.

    Args:
        side: the molecules.
        numbers: of the atoms, shape (n_atoms,).
    """

    def at(index: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.bincount(index, values, minlength=len(numbers))

    def pairs(edges: np.ndarray) -> np.ndarray:
        """Products of the numbers of two different edges that come to an atom, summed."""
        return (at(side.target, edges) ** 2 - at(side.target, edges**2)) / 2

    def of_molecules(index: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.bincount(side.molecule[index], values, minlength=len(side.sizes))

    atoms = np.arange(len(numbers))
    start, end = side.source, side.target
    around = at(end, numbers[start])
    beyond = around[start] - numbers[end]  # what an edge's atom has but for the edge's other atom
    three = numbers[start] * numbers[end] * beyond * beyond[np.arange(len(start)) ^ 1] / 2
    return Paths(
        of_molecules(atoms, numbers * pairs(numbers[start])),
        of_molecules(start, three),
        of_molecules(atoms, numbers * pairs(numbers[start] * beyond)),
    )


def has_small_rings(side: Side) -> np.ndarray:
    """Whether a molecule has rings of three or four atoms, shape (n_molecules,)."""
    count = len(side.atoms)
    bonded: Any = sparse.csr_matrix(
        (np.ones(len(side.source), np.int32), (side.source, side.target)), (count,) * 2
    )
    twice = (bonded @ bonded).tocoo()
    four = twice.row[(twice.row != twice.col) & (twice.data > 1)]
    three = twice.tocsr().multiply(bonded).nonzero()[0]
    found = np.zeros(len(side.sizes), bool)
    found[side.molecule[np.concatenate([four, three])]] = True
    return found


def shapes(side: Side, first: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Kappa 2 and 3 and the flexibility phi (Hall and Kier 1991, doi 10.1002/9780470125793.ch9), of molecules
    without small rings.

    Args:
        side: the molecules.
        first: kappa 1, shape (n_molecules,).
        alpha: Hall and Kier's, likewise.

    Returns:
        shape (3, n_molecules).
    """
    counts, size = paths(side, np.ones(len(side.atoms))), side.sizes
    odd = size % 2 == 1
    long = (size + alpha - np.where(odd, 1, 2)) * (size + alpha - 3) ** 2
    second = _ratio((size + alpha - 1) * (size + alpha - 2) ** 2, counts.two + alpha)
    return np.stack([second, _ratio(long, counts.three + alpha), first * second / size])


def _ratio(above: np.ndarray, root: np.ndarray) -> np.ndarray:
    return np.divide(above, root**2, out=np.zeros_like(root), where=root != 0)
