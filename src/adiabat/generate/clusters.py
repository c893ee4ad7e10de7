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
    sizes = np.bincount(member)
    positions = whole_molecules(np.asarray(system.positions)[None], bonds, cell)[0]
    longest = bond_lengths(positions[None], bonds).max(initial=0.0)
    if len(find_bonds(numbers, positions)) < len(bonds) or 2 * longest > cell_heights(cell).min():
        return []  # bonds lead on and on from cell to cell
    centers = np.stack([np.bincount(member, weights=axis) for axis in positions.T], axis=1) / sizes[:, None]
    shifts = (np.array(list(np.ndindex(3, 3, 3))) - 1) @ cell
    found = []
    for middle in rng.permutation(len(sizes))[:count]:
        nearest, image = _nearest(centers[:, None] + shifts - centers[middle], sizes)
        atoms = [np.flatnonzero(member == one) for one in nearest]
        placed = [positions[own] + shifts[k] for own, k in zip(atoms, image, strict=True)]
        cluster = System.create(numbers[np.concatenate(atoms)], np.concatenate(placed))
        if cluster.n_atoms <= LARGEST:
            found.append(cluster)
    return found


def _nearest(arms: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The molecules of a cluster, and which image of each.

    Args:
        arms: from the middle to every image of every molecule [Å], shape (n_molecules, n_images, 3).
        sizes: atoms of each molecule, shape (n_molecules,).
    """
    order = np.argsort(np.linalg.norm(arms, axis=-1).ravel(), kind="stable")
    nearest, image = np.unravel_index(order, arms.shape[:2])
    several = max(2, int(np.searchsorted(np.cumsum(sizes[nearest]), MOST_ATOMS, side="right")))
    return nearest[:several], image[:several]


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
