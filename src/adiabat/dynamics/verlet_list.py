"""A neighbor list with a skin that is made anew only when atoms have moved too far."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from adiabat.system import Neighbors, System, neighbor_list
from adiabat.system.cell_list import CAPACITY_STEP
from adiabat.system.device_neighbors import device_neighbor_list, is_for_device

DEFAULT_SKIN = 0.5
"""[Å]. A network works on every edge of the table, so a wide skin costs more than the rebuilds it saves."""
# Room for so many more neighbors than an atom has at first, lest a fluctuation recompiles: a tenth was too
# little for two hours of water, and a table that is a fifth wider costs the kernel 1 %. On a GPU each column
# costs its share.
_SPARE, _SPARE_ON_GPU = 0.2, 0.1
# Up to this many times the neighbors within cut-off and skin, a molecule takes all its pairs and never
# rebuilds.
_ALL_PAIRS = 1.3
_ALL_PAIRS_RADIUS = 1000.0


class VerletList:
    """Keeps the neighbor list of one moving structure (Verlet 1967, doi 10.1103/PhysRev.159.98).

    The list reaches `cutoff + skin`, so it holds every pair until an atom has moved `skin / 2`. The table
    keeps its number of columns as long as the neighbors fit, so that compiled code can be used again. A
    molecule whose atoms nearly all see each other gets all pairs, once and for all.

    Args:
        cutoff: how far the potential sees [Å].
        skin: [Å].
        capacity: columns of the table to begin with.
        inner_cutoff: of a second list with the same skin [Å], `Neighbors.inner`, where that is shorter.
    """

    def __init__(
        self,
        cutoff: float,
        skin: float = DEFAULT_SKIN,
        capacity: int = 0,
        inner_cutoff: float | None = None,
    ):
        self.cutoff = float(cutoff)
        self.skin = float(skin)
        self.capacity = capacity
        self.inner = None
        if inner_cutoff is not None and inner_cutoff < cutoff:
            self.inner = VerletList(inner_cutoff, skin)
        self.neighbors: Neighbors | None = None
        self._pbc: tuple[bool, ...] = ()
        self._outrun_at = -1
        self.builds = 0

    def build(self, system: System) -> Neighbors:
        """The list of this structure, of device arrays; the table only ever gets wider.

        Raises:
            DataError: as `neighbor_list`.
        """
        near = None
        if is_for_device(system, self.cutoff + self.skin):
            near = device_neighbor_list(system, self.cutoff, self.skin, self.capacity)
        if near is None:
            # Whether all pairs are taken is decided by the structure alone, so that a list made again from
            # the same positions is the same.
            columns = self.capacity if any(system.pbc) else 0
            near = neighbor_list(system, self.cutoff, self.skin, columns=columns)
        others = system.n_atoms - 1
        if not any(system.pbc) and others <= _ALL_PAIRS * near.max_neighbors:
            near = neighbor_list(system, self.cutoff, _ALL_PAIRS_RADIUS - self.cutoff)
        if near.max_neighbors > self.capacity:
            # A first list that fits every pair needs no more.
            share = _SPARE if jax.default_backend() == "cpu" else _SPARE_ON_GPU
            crowded = max(1, round(share * near.max_neighbors / CAPACITY_STEP)) * CAPACITY_STEP
            spare = 0 if near.cutoff == _ALL_PAIRS_RADIUS else crowded
            self.capacity = near.max_neighbors + spare
        if near.max_neighbors < self.capacity:
            near = near.widened(self.capacity)
        self.builds += 1
        near = jax.tree.map(jnp.asarray, near)
        if self.inner is not None and near.cutoff != _ALL_PAIRS_RADIUS:
            self.inner.skin = self.skin
            near = dataclasses.replace(near, inner=self.inner.build(system))
        self.neighbors, self._pbc = near, tuple(system.pbc)
        return near

    def update(self, system: System) -> Neighbors:
        """The list as it is if it still holds every pair of this structure, a new one otherwise."""
        near = self.neighbors
        if near is None or near.reference_positions.shape != np.shape(system.positions):
            return self.build(system)
        same_cell = np.array_equal(np.asarray(near.reference_cell), np.asarray(system.cell))
        same = same_cell and self._pbc == tuple(system.pbc)
        moved = np.asarray(system.positions) - np.asarray(near.reference_positions)
        if same and 2 * np.sqrt(np.max(np.sum(moved**2, axis=1))) <= near.cutoff - self.cutoff:
            return near
        return self.build(system)

    def rebuild(self, step: int, good: System, refused: System) -> Neighbors:
        """A new list at the last good positions, those of a step, because `refused` ones were beyond the last
        list; with twice the skin where one did not last for a step."""
        if step == self._outrun_at:
            self.skin = 2 * self.skin if self.skin > 0 else DEFAULT_SKIN
        self._outrun_at = step
        return self.build(good)
