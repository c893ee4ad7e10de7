"""Who is near whom: a dense, receiver-major list, and gathers over it whose derivatives are gathers too."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from adiabat.base import DataError
from adiabat.system.system import System

# Rows are padded to a multiple of this many neighbors, so that a few more do not force a recompilation.
CAPACITY_STEP = 4
# One atom of a plausible condensed structure never sees as many; beyond it the cell or the unit is wrong.
MAX_NEIGHBORS = 4096


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
    """

    index: Int[Array, "n_atoms max_neighbors"]
    shift: Float[Array, "n_atoms max_neighbors 3"]
    mask: Bool[Array, "n_atoms max_neighbors"]
    reverse: Int[Array, "n_atoms max_neighbors"]
    overflow: Bool[Array, ""]
    reference_positions: Float[Array, "n_atoms 3"]
    reference_cell: Float[Array, "*n_systems 3 3"]
    cutoff: float = eqx.field(static=True)

    @property
    def max_neighbors(self) -> int:
        """Columns of the table."""
        return self.index.shape[1]

    def vectors(
        self, positions: Float[Array, "n_atoms 3"], atom_cells: Float[Array, "... 3 3"]
    ) -> Float[Array, "n_atoms max_neighbors 3"]:
        """r_j + shift·cell - r_i of each edge [Å]; unused entries get a vector longer than the cut-off."""
        neighbors = gather(positions, self.index, self.reverse)
        translation = jnp.einsum("nka,nab->nkb", self.shift.astype(positions.dtype), jnp.broadcast_to(
            atom_cells, (positions.shape[0], 3, 3)).astype(positions.dtype))
        vectors = neighbors + translation - positions[:, None, :]
        outside = jnp.asarray([1.5 * self.cutoff + 1.0, 0.0, 0.0], dtype=positions.dtype)
        return jnp.where(self.mask[..., None], vectors, outside)


@jax.custom_vjp
def gather(
    values: Float[Array, "n_atoms *features"],
    index: Int[Array, "n_atoms max_neighbors"],
    reverse: Int[Array, "n_atoms max_neighbors"],
) -> Float[Array, "n_atoms max_neighbors *features"]:
    """The values of each atom's neighbors; its derivative is a gather as well, to every order."""
    return values[index]


@jax.custom_vjp
def _swap(
    values: Float[Array, "n_atoms max_neighbors *features"], reverse: Int[Array, "n_atoms max_neighbors"]
) -> Float[Array, "n_atoms max_neighbors *features"]:
    """Each edge's value replaced by its reverse edge's: a permutation that is its own inverse."""
    return values.reshape((-1, *values.shape[2:]))[reverse]


def _gather_forward(values, index, reverse):
    return gather(values, index, reverse), reverse


def _gather_backward(reverse, cotangent):
    # The sum over edges that point to j runs over the reverses of the edges that leave j. An unused entry
    # (i, k) points to i and is its own reverse, so it is counted where it was read.
    return _swap(cotangent, reverse).sum(axis=1), None, None


gather.defvjp(_gather_forward, _gather_backward)
_swap.defvjp(lambda values, reverse: (_swap(values, reverse), reverse),
             lambda reverse, cotangent: (_swap(cotangent, reverse), None))


def neighbor_list(system: System, cutoff: float, skin: float = 0.0, capacity: int | None = None) -> Neighbors:
    """All pairs within `cutoff + skin`, periodic images included, as host arrays.

    The list is exact for any cell, also one smaller than the cut-off, and in a fixed order (by j, then by
    shift), so that the same structure always gives the same bits.

    Args:
        system: one structure; coordinates may lie outside the cell.
        cutoff: [Å].
        skin: extra radius [Å]; the list stays complete until an atom has moved `skin / 2`.
        capacity: columns of the table; just enough (a multiple of 4) by default.

    Returns:
        The list; `overflow` is set, and edges are missing, when an atom has more neighbors than `capacity`.

    Raises:
        DataError: two atoms at the same place, or more than 4096 neighbors of one atom.
    """
    import vesin

    radius = float(cutoff) + float(skin)
    n_atoms = system.n_atoms
    positions = np.asarray(system.positions, dtype=np.float64)
    cell = np.asarray(system.cell, dtype=np.float64)
    finder = vesin.NeighborList(cutoff=radius, full_list=True, n_threads=1)
    box = cell if all(system.pbc) else _filled_cell(cell, system.pbc)
    i, j, shift, distance = finder.compute(positions, box, periodic=list(system.pbc), quantities="ijSd")
    if len(distance) and distance.min() < 1e-3:
        edge = int(distance.argmin())
        raise DataError(
            f"atoms {i[edge]} and {j[edge]} are at the same place ({distance[edge]:.1e} Å apart)",
            "remove the duplicate atom, or check the cell and the unit of the positions (Å)",
        )
    order = np.lexsort((shift[:, 2], shift[:, 1], shift[:, 0], j, i))
    i, j, shift = i[order].astype(np.int64), j[order].astype(np.int64), shift[order].astype(np.int64)
    counts = np.bincount(i, minlength=n_atoms)
    needed = int(counts.max(initial=0))
    if needed > MAX_NEIGHBORS:
        raise DataError(
            f"an atom has {needed} neighbors within {radius:g} Å: the structure is far too dense",
            "check that the cell and the positions are in Å",
        )
    columns = capacity if capacity is not None else max(1, -(-needed // CAPACITY_STEP)) * CAPACITY_STEP
    slot = np.arange(len(i)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = slot < columns
    # An edge is dropped together with its reverse: the table stays symmetric even when it overflows.
    back = _reverse_edges(i, j, shift)
    kept &= kept[back]
    flat = i * columns + slot
    index = np.repeat(np.arange(n_atoms)[:, None], columns, axis=1)
    shifts = np.zeros((n_atoms * columns, 3))
    mask = np.zeros(n_atoms * columns, dtype=bool)
    reverse = np.arange(n_atoms * columns)
    index.reshape(-1)[flat[kept]] = j[kept]
    shifts[flat[kept]] = shift[kept]
    mask[flat[kept]] = True
    reverse[flat[kept]] = flat[back[kept]]
    return Neighbors(
        index=index.astype(np.int32),  # pyright: ignore[reportArgumentType]
        shift=shifts.reshape(n_atoms, columns, 3).astype(np.float32),  # pyright: ignore[reportArgumentType]
        mask=mask.reshape(n_atoms, columns),  # pyright: ignore[reportArgumentType]
        reverse=reverse.reshape(n_atoms, columns).astype(np.int32),  # pyright: ignore[reportArgumentType]
        overflow=np.asarray(needed > columns),  # pyright: ignore[reportArgumentType]
        reference_positions=positions,  # pyright: ignore[reportArgumentType]
        reference_cell=cell,  # pyright: ignore[reportArgumentType]
        cutoff=radius,
    )


def _filled_cell(cell: np.ndarray, pbc: tuple[bool, bool, bool]) -> np.ndarray:
    """The cell with unit vectors, orthogonal to the periodic ones, along the directions that do not repeat."""
    filled = np.where(np.asarray(pbc)[:, None], cell, 0.0)
    for axis in np.flatnonzero(~np.asarray(pbc)):
        _, _, basis = np.linalg.svd(filled)
        filled[axis] = basis[-1]
    return filled


def _reverse_edges(i: np.ndarray, j: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """For each edge (i, j, shift), sorted as such, the number of the edge (j, i, -shift)."""
    backward = np.lexsort((-shift[:, 2], -shift[:, 1], -shift[:, 0], i, j))
    # The k-th edge in the order of (j, i, -shift) is the reverse of edge k in the order of (i, j, shift).
    back = np.empty(len(i), dtype=np.int64)
    back[backward] = np.arange(len(i))
    return back
