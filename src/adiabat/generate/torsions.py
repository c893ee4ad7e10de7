"""Torsions turned to any angle, and bonds stretched or pressed."""

import numpy as np
from ase.data import covalent_radii
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from adiabat.generate.surface import Array
from adiabat.system import System

# In sums of covalent radii: nearer is a bond; nearer still a double bond, which heat does not turn. (A
# peptide's C-N, 0.93, and the single bonds of a conjugated chain, 0.95, turn; C=C, 0.88, does not.)
BONDED = 1.25
DOUBLE = 0.915


def bonds(system: System) -> list[tuple[int, int]]:
    """Pairs of atoms nearer than 1.25 sums of their covalent radii."""
    positions = np.asarray(system.positions)
    radii = covalent_radii[np.asarray(system.numbers)]
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    near = distances < BONDED * (radii[:, None] + radii)
    return [(int(i), int(j)) for i, j in np.argwhere(np.triu(near, 1))]


def moving_side(system: System, i: int, j: int) -> np.ndarray | None:
    """The atoms on j's side of the bond i-j, j included; None when a ring leads back to i."""
    pairs = [pair for pair in bonds(system) if set(pair) != {i, j}]
    rows, columns = np.array(pairs, dtype=int).reshape(-1, 2).T
    graph = csr_array((np.ones(len(pairs)), (rows, columns)), shape=(system.n_atoms, system.n_atoms))
    order = breadth_first_order(graph, j, directed=False, return_predecessors=False)
    return None if i in order else np.asarray(order)


def turnable_bonds(system: System) -> list[tuple[int, int]]:
    """Bonds in no ring, longer than double bonds, with a neighbor off their line on both sides."""
    pairs = bonds(system)
    near: dict[int, set[int]] = {index: set() for index in range(system.n_atoms)}
    for i, j in pairs:
        near[i].add(j)
        near[j].add(i)
    positions = np.asarray(system.positions)
    radii = covalent_radii[np.asarray(system.numbers)]
    found = []
    for i, j in pairs:
        if np.linalg.norm(positions[i] - positions[j]) < DOUBLE * (radii[i] + radii[j]):
            continue
        ends = [(i, near[i] - {j}, j), (j, near[j] - {i}, i)]
        if moving_side(system, i, j) is not None and all(_bent(positions, *end) for end in ends):
            found.append((i, j))
    return found


def turned(system: System, bond: tuple[int, int], angle: float) -> Array:
    """Positions [Å] with one side of a bond rotated about it by `angle` [radian]."""
    i, j = bond
    positions = np.array(system.positions)
    side = moving_side(system, i, j)
    if side is None:
        raise ValueError(f"bond {bond} is in a ring")
    axis = positions[j] - positions[i]
    axis /= np.linalg.norm(axis)
    arm = positions[side] - positions[j]
    # Rodrigues' rotation formula.
    along = np.outer(arm @ axis, axis)
    positions[side] = (
        positions[j] + along + (arm - along) * np.cos(angle) + np.cross(axis, arm) * np.sin(angle)
    )
    return positions


def stretched(system: System, bond: tuple[int, int], factor: float) -> Array:
    """Positions [Å] with a bond scaled by `factor`: one side moves; of a ring the whole molecule scales."""
    i, j = bond
    positions = np.array(system.positions)
    side = moving_side(system, i, j)
    if side is None:
        center = positions.mean(axis=0)
        return center + (positions - center) * np.sqrt(factor)
    positions[side] += (factor - 1) * (positions[j] - positions[i])
    return positions


def _bent(positions: Array, end: int, others: set[int], partner: int) -> bool:
    """True when something on this end of a bond leaves its line, so that turning the bond moves it."""
    axis = positions[partner] - positions[end]
    for other in others:
        arm = positions[other] - positions[end]
        sine = np.linalg.norm(np.cross(axis, arm)) / (np.linalg.norm(axis) * np.linalg.norm(arm))
        if sine > 0.2:
            return True
    return False
