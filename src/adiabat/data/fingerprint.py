"""Numbers that tell structures apart: equal for copies, also turned or with the atoms in another order."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from adiabat.system import System
from adiabat.system.neighbors import pairs_within

# Ranges [Å] of the pair functions, and where they end.
WIDTHS = (0.35, 0.7, 1.4)
CUTOFF = 5.0
MAX_NEIGHBORS = 300
# Relative difference below which two structures count as the same: text files keep six to eight digits.
TOLERANCE = 1e-6


def fingerprint(system: System) -> np.ndarray:
    """A vector that does not change when the structure is moved, turned, wrapped or its atoms permuted.

    Sums over all pairs within 5 Å of exp(-r / width) with two weightings by the atomic numbers, and the
    composition; it differs between structures that differ by more than about 1e-5 Å, save for coincidences.

    Returns:
        Shape (8,).
    """
    distances, i, j = pair_distances(system, CUTOFF)
    numbers = np.asarray(system.numbers, dtype=np.float64)
    # Smooth at the cut-off, where text rounding would otherwise add or drop a pair.
    fade = (1 - (distances / CUTOFF) ** 2) ** 3
    sums = [
        np.sum(np.exp(-distances / w) * fade * weight)
        for w in WIDTHS
        for weight in (1.0, np.sqrt(numbers[i] * numbers[j]))
    ]
    return np.array([len(numbers), numbers.sum() + 1e-3 * np.sum(numbers**2), *sums])


def pair_distances(system: System, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distances [Å] of all pairs within the cut-off, each pair once, and their two atoms.

    Where atoms are denser than in any material (positions in nm), the cut-off is drawn in.
    """
    positions = np.asarray(system.positions)
    cutoff = min(cutoff, _affordable_cutoff(system))
    if not any(system.pbc) and system.n_atoms <= 64:
        i, j = np.triu_indices(system.n_atoms, 1)
        distances = np.linalg.norm(positions[i] - positions[j], axis=1)
        near = distances < cutoff
        return distances[near], i[near], j[near]
    i, j, _, distances = pairs_within(positions, np.asarray(system.cell, np.float64), system.pbc, cutoff)
    return distances, i.astype(np.int64), j.astype(np.int64)


def _affordable_cutoff(system: System) -> float:
    """The radius [Å] in which an atom has MAX_NEIGHBORS others at the mean density."""
    if all(system.pbc):
        volume = abs(np.linalg.det(np.asarray(system.cell)))
    else:
        volume = np.prod(np.ptp(np.asarray(system.positions), axis=0) + 1.0)
    return float((3 * MAX_NEIGHBORS * volume / (4 * np.pi * system.n_atoms)) ** (1 / 3))


def duplicate_groups(prints: np.ndarray) -> np.ndarray:
    """The number of the group each structure belongs to; copies of a structure share one, shape (n,).

    Args:
        prints: fingerprints, shape (n, 8).
    """
    if not len(prints):
        return np.zeros(0, dtype=np.int64)
    scale = TOLERANCE * (np.abs(prints) + 1e-3)
    # Along one coordinate copies are neighbors: only runs of nearly equal values are compared in full.
    order = np.argsort(prints[:, 3], kind="stable")
    first, second = [], []
    step = 1
    active = np.arange(len(order) - 1)
    while len(active):
        a, b = order[active], order[active + step]
        same = np.all(np.abs(prints[a] - prints[b]) <= scale[a], axis=1)
        first.append(a[same])
        second.append(b[same])
        near = prints[b, 3] - prints[a, 3] <= scale[a, 3]
        step += 1
        active = active[near & (active + step < len(order))]
    edges = (
        np.concatenate(first) if first else np.zeros(0, int),
        np.concatenate(second) if second else np.zeros(0, int),
    )
    graph = coo_array((np.ones(len(edges[0])), edges), shape=(len(prints), len(prints)))
    return connected_components(graph, directed=False)[1]
