"""Several structures concatenated and padded to a fixed size, for networks and trainers."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from adiabat.base import DataError
from adiabat.system.neighbors import Neighbors
from adiabat.system.system import System


class Batch(eqx.Module):
    """Structures concatenated along the atoms; a frozen pytree.

    Attributes:
        numbers: atomic numbers, 0 for padding, shape (n_atoms,).
        positions: [Å], shape (n_atoms, 3).
        masses: [amu], 0 for padding, shape (n_atoms,).
        cell: rows are lattice vectors [Å], shape (n_systems, 3, 3); in the batches of `batch_systems` zero
            along directions that do not repeat.
        charge: total charges [e], shape (n_systems,).
        mask: True for real atoms, shape (n_atoms,).
        system_index: the structure each atom belongs to, shape (n_atoms,); padding belongs to the last one.
        system_mask: True for real structures, shape (n_systems,).
        periodic: True for those that repeat along all three directions, shape (n_systems,).
        pbc: along which lattice vectors all of them repeat; None where that is not known or not the same.
    """

    numbers: Int[Array, " n_atoms"]
    positions: Float[Array, "n_atoms 3"]
    masses: Float[Array, " n_atoms"]
    cell: Float[Array, "n_systems 3 3"]
    charge: Int[Array, " n_systems"]
    mask: Bool[Array, " n_atoms"]
    system_index: Int[Array, " n_atoms"]
    system_mask: Bool[Array, " n_systems"]
    periodic: Bool[Array, " n_systems"]
    pbc: tuple[bool, bool, bool] | None = eqx.field(static=True, default=None)

    @property
    def n_atoms(self) -> int:
        """Number of atoms of all systems, padding included."""
        return self.numbers.shape[0]

    @property
    def n_systems(self) -> int:
        """Number of structures, padding included."""
        return self.cell.shape[0]

    @property
    def is_periodic(self) -> bool:
        """True when all are known to repeat along all three directions."""
        return self.pbc is not None and all(self.pbc)

    @property
    def volume(self) -> Float[Array, " n_systems"]:
        """Volumes of the cells [Å^3]; zero for a structure that is not periodic along all directions."""
        return jnp.abs(jnp.linalg.det(self.cell))

    def strained(self, strain: Float[Array, "n_systems 3 3"]) -> "Batch":
        """Each structure with its positions and cell mapped by x -> x (1 + strain)."""
        deformation = jnp.eye(3, dtype=strain.dtype) + strain
        positions = self.mapped(self.positions, deformation)
        return eqx.tree_at(lambda b: (b.positions, b.cell), self, (positions, self.cell @ deformation))

    def mapped(
        self, vectors: Float[Array, "n_atoms 3"], matrices: Float[Array, "n_systems 3 3"]
    ) -> Float[Array, "n_atoms 3"]:
        """A vector of each atom times the matrix of its system."""
        return jnp.einsum("na,nab->nb", vectors, self.spread(matrices))

    def atom_cells(self) -> Float[Array, "n_atoms 3 3"]:
        """The cell each atom lives in."""
        return self.spread(self.cell)

    def sum_atoms(self, values: Float[Array, "n_atoms ..."]) -> Float[Array, "n_systems ..."]:
        """The sum over the atoms of each system."""
        real = jnp.expand_dims(self.mask, range(1, values.ndim))
        counted = jnp.where(real, values, 0)
        if jax.default_backend() == "cpu":
            return jax.ops.segment_sum(counted, self.system_index, self.n_systems, indices_are_sorted=True)
        # To repeat itself, a GPU scatters by sorting and some twenty kernels; this is one that goes over all.
        own = self.system_index == jnp.arange(self.n_systems)[:, None]
        return jnp.sum(jnp.where(jnp.expand_dims(own, range(2, values.ndim + 1)), counted, 0), axis=1)

    def numbering(self) -> Int[Array, " n_atoms"]:
        """The number of each atom within its system."""
        return jnp.arange(self.n_atoms) - self._firsts()[self.system_index]

    def numbered(self, numbers: Int[Array, "..."]) -> Int[Array, "n_systems ..."]:
        """Where the atoms are that have these numbers within their system, for each system; for padding what
        it is for the first."""
        firsts = jnp.where(self.system_mask, self._firsts(), 0)
        return jnp.expand_dims(firsts, range(1, numbers.ndim + 1)) + numbers

    def _firsts(self) -> Int[Array, " n_systems"]:
        """Where each system begins."""
        # Unrolled: each turn of a loop costs a GPU several kernels.
        return jnp.searchsorted(self.system_index, jnp.arange(self.n_systems), method="scan_unrolled")

    def spread(self, values: Float[Array, "n_systems ..."]) -> Float[Array, "n_atoms ..."]:
        """The value of its system for each atom."""
        return values[self.system_index]


def batch_systems(
    systems: Sequence[System],
    neighbors: Sequence[Neighbors],
    *,
    n_atoms: int,
    n_systems: int,
    max_neighbors: int,
) -> tuple[Batch, Neighbors]:
    """One batch of host arrays with its neighbor list, padded to the sizes given.

    Args:
        systems: the structures.
        neighbors: their lists, all of one cut-off.
        n_atoms: atoms of the batch, padding included.
        n_systems: structures of the batch, padding included.
        max_neighbors: columns of the table.

    Raises:
        DataError: the structures do not fit.
    """
    total = sum(system.n_atoms for system in systems)
    widest = max(n.max_neighbors for n in neighbors)
    if total > n_atoms or len(systems) > n_systems or widest > max_neighbors:
        raise DataError(
            f"{len(systems)} structures of {total} atoms with {widest} neighbors do not fit a batch of "
            f"{n_systems} structures, {n_atoms} atoms, {max_neighbors} neighbors"
        )
    numbers = np.zeros(n_atoms, np.int32)
    positions, masses = np.zeros((n_atoms, 3)), np.zeros(n_atoms)
    cell, charge = np.zeros((n_systems, 3, 3)), np.zeros(n_systems, np.int32)
    periodic = np.zeros(n_systems, bool)
    system_index = np.full(n_atoms, n_systems - 1, np.int32)
    index = np.repeat(np.arange(n_atoms, dtype=np.int32)[:, None], max_neighbors, axis=1)
    shift = np.zeros((n_atoms, max_neighbors, 3), np.float32)
    edge_mask = np.zeros((n_atoms, max_neighbors), bool)
    reverse = np.arange(n_atoms * max_neighbors, dtype=np.int32).reshape(n_atoms, max_neighbors)
    order = np.arange(n_atoms, dtype=np.int32)
    start = 0
    for number, (system, near) in enumerate(zip(systems, neighbors, strict=True)):
        stop, columns = start + system.n_atoms, near.max_neighbors
        rows = slice(start, stop)
        numbers[rows] = system.numbers
        positions[rows], masses[rows] = system.positions, system.masses
        cell[number], charge[number] = np.where(np.array(system.pbc)[:, None], system.cell, 0), system.charge
        periodic[number] = system.is_periodic
        system_index[rows] = number
        index[rows, :columns] = np.asarray(near.index) + start
        shift[rows, :columns] = near.shift
        edge_mask[rows, :columns] = near.mask
        atom, slot = np.divmod(np.asarray(near.reverse), columns)
        reverse[rows, :columns] = (atom + start) * max_neighbors + slot
        order[rows] = np.asarray(near.order) + start
        start = stop
    batch = Batch(
        numbers=numbers,  # pyright: ignore[reportArgumentType]
        positions=positions,  # pyright: ignore[reportArgumentType]
        masses=masses,  # pyright: ignore[reportArgumentType]
        cell=cell,  # pyright: ignore[reportArgumentType]
        charge=charge,  # pyright: ignore[reportArgumentType]
        mask=numbers > 0,  # pyright: ignore[reportArgumentType]
        system_index=system_index,  # pyright: ignore[reportArgumentType]
        system_mask=np.arange(n_systems) < len(systems),  # pyright: ignore[reportArgumentType]
        periodic=periodic,  # pyright: ignore[reportArgumentType]
    )
    # A list says of its own structure alone how far it reaches: of one that has all pairs, everywhere.
    shortest = min(near.cutoff for near in neighbors)
    radii = np.full(n_systems, shortest)
    radii[: len(neighbors)] = [near.cutoff for near in neighbors]
    joined = Neighbors(
        index=index,  # pyright: ignore[reportArgumentType]
        shift=shift,  # pyright: ignore[reportArgumentType]
        mask=edge_mask,  # pyright: ignore[reportArgumentType]
        reverse=reverse,  # pyright: ignore[reportArgumentType]
        overflow=np.asarray(any(bool(n.overflow) for n in neighbors)),  # pyright: ignore[reportArgumentType]
        reference_positions=positions,  # pyright: ignore[reportArgumentType]
        reference_cell=cell,  # pyright: ignore[reportArgumentType]
        cutoff=shortest,
        order=order,  # pyright: ignore[reportArgumentType]
        radii=radii,  # pyright: ignore[reportArgumentType]
    )
    return batch, joined
