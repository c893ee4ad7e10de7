"""Torsions turned to any angle, and bonds stretched or pressed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from adiabat.generate.surface import Array
from adiabat.system import System

# In sums of covalent radii: nearer is a bond; nearer still a double bond, which heat does not turn. (A
# peptide's C-N, 0.93, and the single bonds of a conjugated chain, 0.95, turn; C=C, 0.88, does not.)
BONDED = 1.3
DOUBLE = 0.915


@dataclass(frozen=True)
class Bond:
    """Two bonded atoms.

    Attributes:
        start, end: the atoms.
        side: the atoms on the end's side, the end included; None when the bond is in a ring.
    """

    start: int
    end: int
    side: np.ndarray | None

    def turned(self, positions: Array, angle: float) -> Array:
        """Positions [Å] with the end's side rotated about the bond by `angle` [radian]; of no ring."""
        if self.side is None:
            raise ValueError("a bond in a ring does not turn")
        positions = positions.copy()
        axis = positions[self.end] - positions[self.start]
        axis /= np.linalg.norm(axis)
        arm = positions[self.side] - positions[self.end]
        # Rodrigues' rotation formula.
        along = np.outer(arm @ axis, axis)
        turned = along + (arm - along) * np.cos(angle) + np.cross(axis, arm) * np.sin(angle)
        positions[self.side] = positions[self.end] + turned
        return positions

    def stretched(self, positions: Array, factor: float) -> Array:
        """Positions [Å] with the bond scaled by `factor`; of a ring the whole molecule scales."""
        positions = positions.copy()
        if self.side is None:
            center = positions.mean(axis=0)
            return center + (positions - center) * factor
        positions[self.side] += (factor - 1) * (positions[self.end] - positions[self.start])
        return positions


def bonds(system: System) -> list[Bond]:
    """The bonds of a structure: atoms nearer than 1.3 sums of their covalent radii."""
    positions = np.asarray(system.positions)
    radii = covalent_radii[np.asarray(system.numbers)]
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    near = np.triu(distances < BONDED * (radii[:, None] + radii), 1)
    return [Bond(int(i), int(j), _side(near, int(i), int(j))) for i, j in np.argwhere(near)]


def turnable_bonds(system: System) -> list[Bond]:
    """Bonds in no ring, longer than double bonds, with a neighbor off their line on both sides."""
    positions = np.asarray(system.positions)
    radii = covalent_radii[np.asarray(system.numbers)]
    found = bonds(system)
    near: dict[int, set[int]] = {index: set() for index in range(system.n_atoms)}
    for bond in found:
        near[bond.start].add(bond.end)
        near[bond.end].add(bond.start)

    def turns(bond: Bond) -> bool:
        i, j = bond.start, bond.end
        double = np.linalg.norm(positions[i] - positions[j]) < DOUBLE * (radii[i] + radii[j])
        ends = [(i, near[i] - {j}, j), (j, near[j] - {i}, i)]
        return bond.side is not None and not double and all(_bent(positions, *end) for end in ends)

    return [bond for bond in found if turns(bond)]


def turned_at_random(positions: Array, turnable: Sequence[Bond], rng: np.random.Generator) -> Array:
    """Positions [Å] with one or two of these bonds, as far as there are any, turned to any angle."""
    for index in rng.permutation(len(turnable))[: rng.integers(1, 3)]:
        positions = turnable[index].turned(positions, rng.uniform(-np.pi, np.pi))
    return positions


def _side(near: np.ndarray, i: int, j: int) -> np.ndarray | None:
    """The atoms on j's side of the bond i-j; None when a ring leads back to i."""
    graph = near.copy()
    graph[i, j] = False
    order = breadth_first_order(csr_array(graph), j, directed=False, return_predecessors=False)
    return None if i in order else np.asarray(order)


def _bent(positions: Array, end: int, others: set[int], partner: int) -> bool:
    """True when something on this end of a bond leaves its line, so that turning the bond moves it."""
    axis = positions[partner] - positions[end]
    for other in others:
        arm = positions[other] - positions[end]
        sine = np.linalg.norm(np.cross(axis, arm)) / (np.linalg.norm(axis) * np.linalg.norm(arm))
        if sine > 0.2:
            return True
    return False
