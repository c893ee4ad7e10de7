"""The neighbor lists of several moving structures in one table."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from adiabat.dynamics.verlet_list import VerletList
from adiabat.system import Batch, Neighbors, System, batch_systems

_STRICTER = 1e-9  # Å


class VerletLists:
    """The neighbor lists of all replicas in one table; each is made anew at its own time, those of beads all
    at once, since they go the same way.

    Args:
        systems: the structures, for their elements and periodic directions.
        cutoff: how far the potential sees [Å].
        skin: [Å].
        beads: whether the systems are beads of one ring.
    """

    def __init__(self, systems: Sequence[System], cutoff: float, skin: float, beads: bool = False):
        self.systems, self.beads = list(systems), beads
        self.lists = [VerletList(cutoff, skin) for _ in systems]
        self.neighbors: Neighbors | None = None

    @property
    def skin(self) -> list[float]:
        """Of each list [Å]."""
        return [one.skin for one in self.lists]

    @skin.setter
    def skin(self, values: list[float]) -> None:
        for one, value in zip(self.lists, values, strict=True):
            one.skin = float(value)

    @property
    def capacity(self) -> list[int]:
        """Columns of each list."""
        return [one.capacity for one in self.lists]

    @capacity.setter
    def capacity(self, values: list[int]) -> None:
        for one, value in zip(self.lists, values, strict=True):
            one.capacity = int(value)

    @property
    def builds(self) -> int:
        """How many lists were made."""
        return sum(one.builds for one in self.lists)

    def of(self, number: int) -> Neighbors:
        """The list of one replica."""
        near = self.lists[number].neighbors
        assert near is not None
        return near

    def build(self, batch: Batch) -> Neighbors:
        """All lists at the positions of the batch.

        Raises:
            DataError: as `neighbor_list`.
        """
        for one, system in zip(self.lists, self._split(batch), strict=True):
            one.build(system)
        return self._join()

    def rebuild(self, step: int, good: Batch, refused: Batch) -> Neighbors:
        """The lists that do not hold every pair at the refused positions, made anew at the good ones."""
        pairs = zip(self._split(good), self._split(refused), strict=True)
        for number, (before, after) in enumerate(pairs):
            one = self.lists[number]
            if self.beads or not self._is_complete(number, after):
                one.rebuild(step, before, after)
        return self._join()

    def _is_complete(self, number: int, system: System) -> bool:
        near = self.of(number)
        same_cell = np.array_equal(np.asarray(near.reference_cell), np.asarray(system.cell))
        # A bit more strict than the step that was refused, whose rounding differs.
        return bool(near.is_complete(system, self.lists[number].cutoff + _STRICTER, same_cell))

    def _split(self, batch: Batch) -> list[System]:
        positions, cells = np.asarray(batch.positions), np.asarray(batch.cell)
        ends = np.cumsum([system.n_atoms for system in self.systems])
        pieces = np.split(positions, ends[:-1])
        return [
            eqx.tree_at(lambda s: (s.positions, s.cell), system, (piece, cell))
            for system, piece, cell in zip(self.systems, pieces, cells, strict=True)
        ]

    def _join(self) -> Neighbors:
        lists = [jax.tree.map(np.asarray, one.neighbors) for one in self.lists]
        there = [
            eqx.tree_at(
                lambda s: (s.positions, s.cell), system, (near.reference_positions, near.reference_cell)
            )
            for system, near in zip(self.systems, lists, strict=True)
        ]
        _, near = batch_systems(
            there,
            lists,
            n_atoms=sum(system.n_atoms for system in there),
            n_systems=len(there),
            max_neighbors=max(near.max_neighbors for near in lists),
        )
        self.neighbors = jax.tree.map(jnp.asarray, near)
        assert self.neighbors is not None
        return self.neighbors
