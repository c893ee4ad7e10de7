"""Atoms of many molecules side by side, and which of them have equal surroundings."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from adiabat.properties.graphs import Graph


class Side(NamedTuple):
    """Molecules side by side; bond k is the edges 2 k and 2 k + 1, one in either direction.

    Attributes:
        atoms: features, shape (n_atoms, n_atom_features), uint8.
        bonds: features, shape (n_bonds, n_bond_features), uint8.
        source: the atom each edge leaves, shape (n_edges,).
        target: the atom each edge comes to, shape (n_edges,).
        molecule: to which each atom belongs, ascending, shape (n_atoms,).
        sizes: atoms of each molecule, shape (n_molecules,).
    """

    atoms: np.ndarray
    bonds: np.ndarray
    source: np.ndarray
    target: np.ndarray
    molecule: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, graphs: Sequence[Graph]) -> "Side":
        """Graphs joined; at least one."""
        sizes = np.array([len(one.atoms) for one in graphs])
        first = np.repeat(np.cumsum(sizes) - sizes, [len(one.ends) for one in graphs])
        ends = np.concatenate([one.ends for one in graphs]) + first[:, None]
        return cls(
            np.concatenate([one.atoms for one in graphs]),
            np.concatenate([one.bonds for one in graphs]),
            ends.ravel(),
            ends[:, ::-1].ravel(),
            np.repeat(np.arange(len(graphs)), sizes),
            sizes,
        )

    def arriving(self, edges: np.ndarray) -> np.ndarray:
        """Sums over the edges that come to each atom, of numbers of 64 bits that may overflow."""
        order = np.argsort(self.target, kind="stable")
        total = np.concatenate([np.zeros(1, edges.dtype), np.cumsum(edges[order])])
        stop = np.cumsum(np.bincount(self.target, minlength=len(self.atoms)))
        return total[stop] - total[np.concatenate([[0], stop[:-1]])]


def coded(rows: np.ndarray) -> np.ndarray:
    """One number of 64 bits for each different row of zeros and ones.

    Args:
        rows: shape (n, n_features), uint8.
    """
    return rows.astype(np.uint64) @ _weights(rows.shape[1])


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Numbers of 64 bits scattered (the last step of SplitMix64: Steele, Lea and Flood 2014,
    doi 10.1145/2714064.2660195)."""
    found = numbers + np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))


@cache
def _weights(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 2**64, count, np.uint64, endpoint=False)
