"""Who is near whom: a dense, receiver-major list."""

from typing import TYPE_CHECKING

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from adiabat.base import DataError
from adiabat.system.cell_list import MAX_NEIGHBORS, SAME_PLACE, Table, just_enough, table_by_cells
from adiabat.system.edges import gather, squared_lengths
from adiabat.system.order import FEW_ATOMS, working_order
from adiabat.system.system import System, cell_heights

if TYPE_CHECKING:
    from adiabat.system.batch import Batch


# Of the grid of vesin.
_MOST_CELLS = 1e5


class Neighbors(eqx.Module):
    """For each atom i the atoms j within `cutoff`, in a table of `max_neighbors` columns.

    Attributes:
        index: j of each edge, shape (n_atoms, max_neighbors); unused entries point to i itself.
        shift: lattice translations of j, whole numbers, shape (n_atoms, max_neighbors, 3).
        mask: True where an edge is real, shape (n_atoms, max_neighbors).
        reverse: flat position, in 0 .. n_atoms*max_neighbors-1, of the edge from j back to i;
            an unused entry is its own reverse. This makes a permutation of all entries.
        overflow: True when the capacity asked for was too small and edges are missing.
        reference_positions: the positions [Å] the list was made for, shape (n_atoms, 3).
        reference_cell: the cell [Å] the list was made for, shape (3, 3).
        cutoff: radius [Å] of the list, skin included.
        order: of the atoms, such that those that follow each other are near each other, shape (n_atoms,):
            what works on them in turn finds what it needs in the cache. It changes no result.
        hops: how many edges away the nearest atom is whose energy is asked for, shape (n_atoms,); None if all
            are. A network may leave out rounds of messages that no such energy depends on.
        inner: a list of the same positions and skin with a shorter cut-off, for a potential that sees less
            far.
        radii: of the lists of a batch, which may differ [Å], shape (n_systems,); `cutoff` is the shortest.
            None of a single structure.
    """

    index: Int[Array, "n_atoms max_neighbors"]
    shift: Float[Array, "n_atoms max_neighbors 3"]
    mask: Bool[Array, "n_atoms max_neighbors"]
    reverse: Int[Array, "n_atoms max_neighbors"]
    overflow: Bool[Array, ""]
    reference_positions: Float[Array, "n_atoms 3"]
    reference_cell: Float[Array, "*n_systems 3 3"]
    cutoff: float = eqx.field(static=True)
    order: Int[Array, " n_atoms"]
    hops: Int[Array, " n_atoms"] | None = None
    inner: "Neighbors | None" = None
    radii: Float[Array, " n_systems"] | None = None

    @property
    def max_neighbors(self) -> int:
        """Columns of the table."""
        return self.index.shape[1]

    def vectors(
        self, positions: Float[Array, "n_atoms 3"], atom_cells: Float[Array, "... 3 3"]
    ) -> Float[Array, "n_atoms max_neighbors 3"]:
        """r_j + shift·cell - r_i of each edge [Å]; unused entries get a vector longer than the cut-off."""
        neighbors = gather(positions, self.index, self.reverse)
        shift = self.shift.astype(positions.dtype)
        cells = atom_cells.astype(positions.dtype)[:, None]
        # Written out: XLA:CPU fuses three products, but calls a matrix multiplication for each atom.
        translation = sum(shift[..., axis, None] * cells[..., axis, :] for axis in range(3))
        vectors = neighbors + translation - positions[:, None, :]
        outside = jnp.asarray([self._beyond, 0.0, 0.0], dtype=positions.dtype)
        return jnp.where(self.mask[..., None], vectors, outside)

    def squared_distances(
        self, positions: Float[Array, "n_atoms 3"], atom_cells: Float[Array, "... 3 3"]
    ) -> Float[Array, "n_atoms max_neighbors"]:
        """|r_j + shift·cell - r_i|^2 of each edge [Å^2]; unused entries are beyond the cut-off. Forces from
        it cost a fraction of those from `vectors`."""
        squared = squared_lengths(positions, atom_cells, self.index, self.shift, self.reverse)
        return jnp.where(self.mask, squared, self._beyond**2)

    @property
    def _beyond(self) -> float:
        return 1.5 * self.cutoff + 1.0

    def distances(self) -> Float[np.ndarray, "n_atoms max_neighbors"]:
        """Of all edges of one structure [Å], infinite where there is none; for host arrays."""
        positions, cell = np.asarray(self.reference_positions), np.asarray(self.reference_cell)
        vectors = positions[self.index] + np.asarray(self.shift) @ cell - positions[:, None]
        return np.where(self.mask, np.linalg.norm(vectors, axis=-1), np.inf)

    def widened(self, columns: int) -> "Neighbors":
        """The same list, of host arrays, in a table of more columns."""
        n_atoms, old = self.index.shape
        extra = ((0, 0), (0, columns - old))
        own = np.arange(n_atoms, dtype=np.int32)[:, None]
        atom, slot = np.divmod(np.asarray(self.reverse), old)
        reverse = np.arange(n_atoms * columns, dtype=np.int32).reshape(n_atoms, columns)
        reverse[:, :old] = atom * columns + slot
        index = np.repeat(own, columns, axis=1)
        index[:, :old] = self.index
        wide = (index, np.pad(self.shift, (*extra, (0, 0))), np.pad(self.mask, extra), reverse)
        return eqx.tree_at(lambda n: (n.index, n.shift, n.mask, n.reverse), self, wide)

    def is_complete(
        self, system: "System | Batch", cutoff: float, same_cell: bool = True
    ) -> Bool[Array, "*n_systems"]:
        """Whether no pair nearer than `cutoff` [Å] can be missing from this list, for each structure.

        With F the deformation from the reference cell to the present one, and d the longest way of an atom
        beyond it, a pair that was farther than the list's radius is now farther than
        (1 - |F - 1|) radius - 2 d.

        Args:
            system: the structure, or all of a batch, where its atoms and its cell are now.
            cutoff: [Å].
            same_cell: the cell is known to be the reference, which saves the deformation.
        """
        radius = self.cutoff if self.radii is None else system.spread(self.radii)
        if same_cell:
            moved = system.positions - self.reference_positions
        else:
            deformation = jnp.linalg.solve(self.reference_cell, jnp.asarray(system.cell))
            moved = system.positions - system.mapped(self.reference_positions, deformation)
            strain = jnp.linalg.norm(deformation - jnp.eye(3), axis=(-2, -1))
            radius = system.spread(1.0 - strain) * radius
        held = 2.0 * jnp.sqrt(jnp.sum(moved**2, axis=-1)) <= radius - cutoff
        return system.sum_atoms((~held).astype(jnp.int32)) == 0


def neighbor_list(
    system: System, cutoff: float, skin: float = 0.0, capacity: int | None = None, columns: int = 0
) -> Neighbors:
    """All pairs within `cutoff + skin`, periodic images included, as host arrays.

    The list is exact for any cell, also one smaller than the cut-off, and in an order that depends on the
    structure alone (by j, then as the cells are visited), so that the same structure always gives the same
    bits.

    Args:
        system: one structure; coordinates may lie outside the cell.
        cutoff: [Å].
        skin: extra radius [Å]; the list stays complete until an atom has moved `skin / 2`.
        capacity: columns of the table; just enough (a multiple of 4) by default.
        columns: likewise, at least, where there is no such limit.

    Returns:
        The list; `overflow` is set, and edges are missing, when an atom has more neighbors than `capacity`.

    Raises:
        DataError: two atoms at the same place, or more than 4096 neighbors of one atom.
    """
    radius = float(cutoff) + float(skin)
    positions = np.asarray(system.positions, dtype=np.float64)
    cell = np.asarray(system.cell, dtype=np.float64)
    # A few atoms need no box beside their cell: to find one would take longer than their list.
    boxed = all(system.pbc) or len(positions) > FEW_ATOMS
    box, by_cells = filled_cell(cell, system.pbc) if boxed else cell, boxed and capacity is None
    table = table_by_cells(positions, box, system.pbc, radius, columns) if by_cells else None
    overflow = False
    if table is None:
        table, overflow = _table(positions, cell, system.pbc, radius, capacity, columns)
    return Neighbors(
        **table._asdict(),
        overflow=np.asarray(overflow),  # pyright: ignore[reportArgumentType]
        reference_positions=positions,  # pyright: ignore[reportArgumentType]
        reference_cell=cell,  # pyright: ignore[reportArgumentType]
        cutoff=radius,
        order=working_order(positions, box, system.pbc),  # pyright: ignore[reportArgumentType]
    )


def _table(
    positions: np.ndarray,
    cell: np.ndarray,
    pbc: tuple[bool, bool, bool],
    radius: float,
    capacity: int | None = None,
    columns: int = 0,
) -> tuple[Table, bool]:
    """The table, and whether edges are missing."""
    n_atoms = len(positions)
    i, j, shift, back = _directed_edges(positions, cell, pbc, radius)
    counts = np.bincount(i, minlength=n_atoms)
    needed = int(counts.max(initial=0))
    if needed > MAX_NEIGHBORS:
        raise DataError(
            f"an atom has {needed} neighbors within {radius:g} Å: the structure is far too dense",
            "check that the cell and the positions are in Å",
        )
    columns = just_enough(needed, columns) if capacity is None else capacity
    flat = i * columns + np.arange(len(i)) - np.repeat(np.cumsum(counts) - counts, counts)
    if needed > columns:
        # An edge is dropped together with its reverse: the table stays symmetric even when it overflows.
        kept = flat < (i + 1) * columns
        kept &= kept[back]
        i, j, shift, flat, reversed_flat = i[kept], j[kept], shift[kept], flat[kept], flat[back][kept]
    else:
        reversed_flat = flat[back]
    index = np.repeat(np.arange(n_atoms, dtype=np.int32), columns)
    shifts = np.zeros((n_atoms * columns, 3), dtype=np.float32)
    mask = np.zeros(n_atoms * columns, dtype=bool)
    reverse = np.arange(n_atoms * columns, dtype=np.int32)
    index[flat] = j
    shifts[flat] = shift
    mask[flat] = True
    reverse[flat] = reversed_flat
    shape = (n_atoms, columns)
    table = Table(
        index.reshape(shape), shifts.reshape(*shape, 3), mask.reshape(shape), reverse.reshape(shape)
    )
    return table, needed > columns


def _directed_edges(
    positions: np.ndarray, cell: np.ndarray, pbc: tuple[bool, bool, bool], radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """i, j and lattice shift of each edge, sorted by i and j, and the number of the edge that points back."""
    first, second, shift, distance = pairs_within(positions, cell, pbc, radius)
    if len(distance) and distance.min() < SAME_PLACE:
        edge = int(distance.argmin())
        raise DataError(
            f"atoms {first[edge]} and {second[edge]} are at the same place ({distance[edge]:.1e} Å apart)",
            "remove the duplicate atom, or check the cell and the unit of the positions (Å)",
        )
    # Each pair is found once: it and its reverse stand half a list apart, before both sorts and after.
    i = np.concatenate([first, second]).astype(np.uint32)
    j = np.concatenate([second, first]).astype(np.uint32)
    order = _sorted(j, len(positions))
    order = order[_sorted(i[order], len(positions))]
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    pairs = len(first)
    back = place[np.where(order < pairs, order + pairs, order - pairs)]
    lattice = shift.astype(np.float32)
    return (
        i[order].astype(np.int64),
        j[order].astype(np.int32),
        np.concatenate([lattice, -lattice])[order],
        back,
    )


def _sorted(numbers: np.ndarray, limit: int) -> np.ndarray:
    """The order in which whole numbers below a limit ascend, equal ones as they stand: by their halves,
    because numpy sorts 16-bit integers, and no longer ones, by radix."""
    order = np.argsort(numbers.astype(np.uint16), kind="stable")
    if limit <= 1 << 16:
        return order
    return order[np.argsort((numbers >> 16)[order].astype(np.uint16), kind="stable")]


def pairs_within(
    positions: np.ndarray, cell: np.ndarray, pbc: tuple[bool, bool, bool], radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """i, j, lattice shift and distance [Å] of each pair within a radius [Å], found once.

    Raises:
        DataError: so large and flat a structure that no grid of cells suits it.
    """
    # vesin walks through cells as small as the molecule as far as the radius: a minute for water and 1000 Å.
    if not any(pbc) and np.linalg.norm(np.ptp(positions, axis=0)) < radius:
        first, second = np.triu_indices(len(positions), 1)
        distance = np.linalg.norm(positions[second] - positions[first], axis=1)
        return first, second, np.zeros((len(first), 3)), distance
    import vesin

    finder = vesin.NeighborList(cutoff=radius, full_list=False, n_threads=1)
    box = cell if all(pbc) else filled_cell(cell, pbc)
    check_grid(positions, box, pbc, radius)
    first, second, shift, distance = finder.compute(positions, box, periodic=list(pbc), quantities="ijSd")
    return first, second, shift, distance


def check_grid(positions: np.ndarray, box: np.ndarray, pbc: tuple[bool, bool, bool], radius: float) -> None:
    """Raises DataError where vesin would end the process: it makes its grid of cells coarser along all
    directions alike until it has few enough, and would be left with none along the shortest."""
    fractions = positions @ np.linalg.inv(box)
    extent = np.where(pbc, 1.0, np.ptp(fractions, axis=0)) * cell_heights(box)
    cells = np.maximum(np.floor(extent / radius), 1.0)
    if cells.min() < 2 * np.cbrt(cells.prod() / _MOST_CELLS) and cells.prod() > _MOST_CELLS:
        raise DataError(
            f"the structure extends over {' x '.join(f'{length:.4g}' for length in extent)} Å: too far, for "
            "so flat a one, to look for neighbors in",
            "check that the cell and the positions are in Å, and take empty space out of the cell",
        )


def filled_cell(cell: np.ndarray, pbc: tuple[bool, bool, bool]) -> np.ndarray:
    """The cell [Å] with unit vectors, normal to the periodic ones, along the directions that do not repeat.

    Args:
        cell: rows are lattice vectors [Å], shape (3, 3).
        pbc: along which of them the system repeats.
    """
    filled = np.where(np.asarray(pbc)[:, None], cell, 0.0)
    for axis in np.flatnonzero(~np.asarray(pbc)):
        _, _, basis = np.linalg.svd(filled)
        filled[axis] = basis[-1]
    return filled
