"""The neighbor list made where a GPU has the positions: every pair of atoms is looked at."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from adiabat.system.neighbors import CAPACITY_STEP, MAX_NEIGHBORS, SAME_PLACE, Neighbors
from adiabat.system.system import System, cell_heights

# So many squared are the pairs, of which each takes a few bytes.
MOST_ATOMS = 16_384


def is_for_device(system: System, radius: float) -> bool:
    """Whether `device_neighbor_list` can make the list of this structure, and there is a device to gain by
    it: a GPU, a cell with room for a sphere of `radius` [Å], not too many atoms."""
    if jax.default_backend() == "cpu" or not all(system.pbc) or system.n_atoms > MOST_ATOMS:
        return False
    return has_one_image(np.asarray(system.cell), radius)


def has_one_image(cell: np.ndarray, radius: float) -> bool:
    """Whether no atom of this periodic cell [Å] has two images of another within `radius` [Å]."""
    return bool(cell_heights(cell).min() > 2 * radius)


def device_neighbor_list(
    system: System, cutoff: float, skin: float = 0.0, columns: int = 0
) -> Neighbors | None:
    """All pairs within `cutoff + skin` of a structure that is periodic in each direction and `has_one_image`.

    The table is that of `neighbor_list`, entry by entry, but of device arrays.

    Args:
        system: one structure; coordinates may lie outside the cell.
        cutoff: [Å].
        skin: extra radius [Å].
        columns: of the table, at least.

    Returns:
        None where `neighbor_list` would refuse the structure.
    """
    radius = float(cutoff) + float(skin)
    with jax.enable_x64(True):
        positions = jnp.asarray(system.positions, jnp.float64)
        cell = jnp.asarray(system.cell, jnp.float64)
        inverse = jnp.linalg.inv(cell)
        most, nearest = (x.item() for x in _most_and_nearest(positions, cell, inverse, radius))
        if most > MAX_NEIGHBORS or nearest < SAME_PLACE**2:
            return None
        columns = max(columns, max(1, -(-most // CAPACITY_STEP)) * CAPACITY_STEP)
        index, shift, mask, reverse = _table(positions, cell, inverse, radius, columns)
        return Neighbors(
            index=index,
            shift=shift,
            mask=mask,
            reverse=reverse,
            overflow=jnp.asarray(False),
            reference_positions=positions,
            reference_cell=cell,
            cutoff=radius,
        )


def _pairs(first, second, cell, inverse):
    """Lattice shift and squared distance of the nearest images of two sets of atoms.

    Written out by component, so that XLA keeps nothing of the size of all pairs in between.
    """
    difference = [second[axis] - first[axis] for axis in range(3)]
    shift = [-jnp.round(sum(difference[a] * inverse[a, b] for a in range(3))) for b in range(3)]
    vector = [difference[b] + sum(shift[a] * cell[a, b] for a in range(3)) for b in range(3)]
    return shift, sum(x * x for x in vector)


def _all_pairs(positions, cell, inverse, radius):
    """Whether atoms i and j are near, and their squared distance; infinite for i = j."""
    columns = positions.T
    _, squares = _pairs(columns[:, :, None], columns[:, None, :], cell, inverse)
    own = jnp.arange(len(positions))
    squares = jnp.where(own[:, None] == own, jnp.inf, squares)
    return squares < radius**2, squares


@jax.jit
def _most_and_nearest(positions, cell, inverse, radius):
    """The largest number of neighbors, and the smallest squared distance."""
    near, squares = _all_pairs(positions, cell, inverse, radius)
    return jnp.max(jnp.sum(near, axis=1, dtype=jnp.int32)), jnp.min(squares)


@partial(jax.jit, static_argnames="columns")
def _table(positions, cell, inverse, radius, columns):
    """Index, shift, mask and reverse of a table of so many columns, which must be enough."""
    n_atoms = len(positions)
    near, _ = _all_pairs(positions, cell, inverse, radius)
    counted = jnp.cumsum(near, axis=1, dtype=jnp.int32)  # of neighbors up to and with j
    wanted = jnp.arange(1, columns + 1, dtype=jnp.int32)
    found = jax.vmap(lambda row: jnp.searchsorted(row, wanted))(counted).astype(jnp.int32)
    mask = found < n_atoms
    own = jnp.arange(n_atoms, dtype=jnp.int32)[:, None]
    index = jnp.where(mask, found, own)
    shift, _ = _pairs(
        [positions[:, axis][:, None] for axis in range(3)],
        [positions[:, axis][index] for axis in range(3)],
        cell,
        inverse,
    )
    shift = jnp.where(mask[..., None], jnp.stack(shift, axis=-1), 0).astype(jnp.float32)
    unused = own * columns + jnp.arange(columns, dtype=jnp.int32)
    reverse = jnp.where(mask, index * columns + counted[index, own] - 1, unused)
    return index, shift, mask, reverse
