"""Clusters of whole molecules, cut out of liquids and molecular crystals."""

import numpy as np

from adiabat.analysis import bond_lengths, find_bonds, molecules, whole_molecules
from adiabat.generate.filters import geometry_fault
from adiabat.system import System, cell_heights

# A molecule gets its nearest neighbors as long as there are so many atoms at most, and one at least. What is
# larger than the second number takes a labeler too long.
MOST_ATOMS, LARGEST = 20, 60
# A proton is pushed to so many lengths of its bond at most: to the next molecule, where a hydrogen bond leads
# there.
PUSHED = 1.7


def cut_clusters(system: System, count: int, rng: np.random.Generator) -> list[System]:
    """Molecules of a periodic structure, drawn at random, each with those that are nearest to it.

    Args:
        system: periodic along all directions.
        count: at most so many clusters.
        rng: draws the molecules.

    Returns:
        Neutral structures without a cell, of up to 20 atoms, or two molecules of up to 60. None where there
        are no molecules, as in a metal or a network, and where one has an odd number of electrons, as most
        ions and all radicals have.
    """
    if not system.is_periodic or system.charge or system.spin:
        return []
    numbers, cell = np.asarray(system.numbers), np.asarray(system.cell)
    bonds = find_bonds(numbers, np.asarray(system.positions), cell)
    member = molecules(system.n_atoms, bonds)
    if np.any(np.bincount(member, weights=numbers) % 2):
        return []
    positions = whole_molecules(np.asarray(system.positions)[None], bonds, cell)[0]
    longest = bond_lengths(positions[None], bonds).max(initial=0.0)
    if len(find_bonds(numbers, positions)) < len(bonds) or 2 * longest > cell_heights(cell).min():
        return []  # bonds lead on and on from cell to cell
    sizes = np.bincount(member)
    centers = np.stack([np.bincount(member, weights=axis) for axis in positions.T], axis=1) / sizes[:, None]
    shifts = (np.array(list(np.ndindex(3, 3, 3))) - 1) @ cell
    found = (
        _cluster(numbers, positions, member, centers[:, None] + shifts - centers[middle], shifts)
        for middle in rng.permutation(len(sizes))[:count]
    )
    return [cluster for cluster in found if cluster.n_atoms <= LARGEST]


def _cluster(
    numbers: np.ndarray, positions: np.ndarray, member: np.ndarray, arms: np.ndarray, shifts: np.ndarray
) -> System:
    """The molecules whose images are nearest to the middle, `arms` (n_molecules, n_shifts, 3) from it [Å]."""
    order = np.argsort(np.linalg.norm(arms, axis=-1).ravel(), kind="stable")
    nearest, image = np.unravel_index(order, arms.shape[:2])
    n_atoms = np.cumsum(np.bincount(member)[nearest])
    several = max(2, int(np.searchsorted(n_atoms, MOST_ATOMS, side="right")))
    chosen = [np.flatnonzero(member == one) for one in nearest[:several]]
    placed = [positions[atoms] + shifts[k] for atoms, k in zip(chosen, image[:several], strict=True)]
    return System.create(numbers[np.concatenate(chosen)], np.concatenate(placed))


def pushed_protons(systems: list[System], rng: np.random.Generator) -> list[System]:
    """The structures with one proton each on its way from its molecule, at random along its bond; fewer where
    atoms would collide or none is bonded.

    Frames of dynamics hardly ever show one, and a network that was not told what it costs lets it go.
    """
    found = []
    for system in systems:
        numbers, positions = np.asarray(system.numbers), np.array(system.positions)
        bonds = find_bonds(numbers, positions)
        directed = np.concatenate([bonds, bonds[:, ::-1]])
        directed = directed[(numbers[directed[:, 0]] > 1) & (numbers[directed[:, 1]] == 1)]
        if not len(directed):
            continue
        heavy, proton = directed[rng.integers(len(directed))]
        positions[proton] += rng.uniform(0.0, PUSHED - 1) * (positions[proton] - positions[heavy])
        if geometry_fault(numbers, positions, pieces=len(numbers)) is None:
            found.append(system.moved(positions))
    return found
