"""The neighbor list made where a GPU has the positions: of all pairs, or of atoms in cells that touch."""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from adiabat.system.cell_list import CAPACITY_STEP, MAX_NEIGHBORS, SAME_PLACE, has_one_image, just_enough
from adiabat.system.neighbors import Neighbors
from adiabat.system.system import System, cell_heights

# So many squared are the pairs, of which each takes a few bytes.
_MOST_OF_ALL_PAIRS = 16_384
# A box with as many cells in each direction is looked at cell by cell, each with the 26 around it.
_FEWEST_CELLS = 4


def is_for_device(system: System, radius: float) -> bool:
    """Whether `device_neighbor_list` can make the list of this structure, and there is a device to gain by
    it: a GPU, a box with room for a sphere of `radius` [Å]."""
    if jax.default_backend() == "cpu" or not all(system.pbc):
        return False
    box = np.asarray(system.cell)
    if _cells(box, radius) is None and system.n_atoms > _MOST_OF_ALL_PAIRS:
        return False
    return has_one_image(box, radius)


def device_neighbor_list(
    system: System, cutoff: float, skin: float = 0.0, columns: int = 0
) -> Neighbors | None:
    """All pairs within `cutoff + skin` of a structure that is periodic in each direction and `has_one_image`.

    The table is that of `neighbor_list`, entry by entry, but of device arrays.

    Args:
        system: one structure; coordinates may lie outside the box.
        cutoff: [Å].
        skin: extra radius [Å].
        columns: of the table, at least.

    Returns:
        None where `neighbor_list` would refuse the structure.
    """
    radius = float(cutoff) + float(skin)
    with jax.enable_x64(True):
        positions = jnp.asarray(system.positions, jnp.float64)
        box = jnp.asarray(system.cell, jnp.float64)
        inverse = jnp.linalg.inv(box)
        cells, room = _cells(np.asarray(system.cell), radius), 0
        if cells is not None:
            crowd = int(_crowd(positions, inverse, cells))
            room = -(-crowd // CAPACITY_STEP) * CAPACITY_STEP
        search = partial(_search, positions, box, inverse, radius, cells=cells, room=room)
        most, nearest = (x.item() for x in search(columns=None))
        if most > MAX_NEIGHBORS or nearest < SAME_PLACE**2:
            return None
        columns = just_enough(most, columns)
        index, shift, mask, reverse = search(columns=columns)
        return Neighbors(
            index=index,
            shift=shift,
            mask=mask,
            reverse=reverse,
            overflow=jnp.asarray(False),
            reference_positions=positions,
            reference_cell=box,
            cutoff=radius,
            order=jnp.arange(len(positions), dtype=jnp.int32),  # nothing on a GPU asks for another
        )


def _cells(box: np.ndarray, radius: float) -> tuple[int, int, int] | None:
    """Numbers of cells in each direction, none thinner than the radius; None if the box is too small."""
    a, b, c = (int(height // radius) for height in cell_heights(box))
    return (a, b, c) if min(a, b, c) >= _FEWEST_CELLS else None


def _places(positions, inverse, cells):
    """Of each atom, the cell that it is in, shape (n_atoms, 3)."""
    fractions = positions @ inverse
    fractions -= jnp.floor(fractions)
    numbers = jnp.asarray(cells)
    return jnp.minimum((fractions * numbers).astype(jnp.int32), numbers - 1)  # a fraction may round to one


def _flat(places, cells):
    """The number of a cell."""
    return (places[..., 0] * cells[1] + places[..., 1]) * cells[2] + places[..., 2]


@partial(jax.jit, static_argnames="cells")
def _crowd(positions, inverse, cells):
    """The largest number of atoms in a cell."""
    return jnp.max(jnp.bincount(_flat(_places(positions, inverse, cells), cells), length=math.prod(cells)))


def _around(positions, inverse, cells, room):
    """Atoms in the cell of each atom and in those that touch it; -1 where a cell has `room` for more."""
    n_atoms = len(positions)
    places = _places(positions, inverse, cells)
    cell = _flat(places, cells)
    order = jnp.argsort(cell).astype(jnp.int32)
    counts = jnp.bincount(cell, length=math.prod(cells))
    slots = (jnp.cumsum(counts) - counts)[:, None] + jnp.arange(room)
    members = jnp.where(jnp.arange(room) < counts[:, None], order[jnp.minimum(slots, n_atoms - 1)], -1)
    steps = jnp.asarray(list(itertools.product((-1, 0, 1), repeat=3)))
    around = _flat((places[:, None] + steps) % jnp.asarray(cells), cells)
    return members[around].reshape(n_atoms, -1)


def _pairs(first, second, box, inverse):
    """Lattice shift and squared distance of the nearest images of two sets of atoms.

    Written out by component, so that XLA keeps nothing of the size of all pairs in between.
    """
    difference = [second[axis] - first[axis] for axis in range(3)]
    shift = [-jnp.round(sum(difference[a] * inverse[a, b] for a in range(3))) for b in range(3)]
    vector = [difference[b] + sum(shift[a] * box[a, b] for a in range(3)) for b in range(3)]
    return shift, sum(x * x for x in vector)


@partial(jax.jit, static_argnames=("cells", "room", "columns"))
def _search(positions, box, inverse, radius, *, cells, room, columns):
    """The largest number of neighbors and the smallest squared distance where `columns` is None; else index,
    shift, mask and reverse of a table of so many columns, which must be enough."""
    n_atoms = len(positions)
    own = jnp.arange(n_atoms, dtype=jnp.int32)[:, None]
    others = own.T if cells is None else _around(positions, inverse, cells, room)

    def shifts_and_squares(index):
        first = [positions[:, axis][:, None] for axis in range(3)]
        return _pairs(first, [positions[:, axis][index] for axis in range(3)], box, inverse)

    squares = jnp.where((others == own) | (others < 0), jnp.inf, shifts_and_squares(others)[1])
    near = squares < radius**2
    if columns is None:
        return jnp.max(jnp.sum(near, axis=1, dtype=jnp.int32)), jnp.min(squares)

    wanted = jnp.arange(1, columns + 1, dtype=jnp.int32)
    counted = jnp.cumsum(near, axis=1, dtype=jnp.int32)
    found = jax.vmap(lambda row: jnp.searchsorted(row, wanted))(counted).astype(jnp.int32)
    mask = wanted <= counted[:, -1:]
    if cells is not None:
        inside = jnp.minimum(found, others.shape[1] - 1)
        found = jnp.sort(jnp.where(mask, jnp.take_along_axis(others, inside, axis=1), n_atoms), axis=1)
    else:
        found = jnp.where(mask, found, n_atoms)
    index = jnp.where(mask, found, own)
    shift = jnp.stack(shifts_and_squares(index)[0], axis=-1)
    shift = jnp.where(mask[..., None], shift, 0).astype(jnp.float32)
    unused = own * columns + jnp.arange(columns, dtype=jnp.int32)
    reverse = jnp.where(mask, index * columns + _rank(found, index, own), unused)
    return index, shift, mask, reverse


def _rank(rows, index, value):
    """Where `value` stands in those rows of an ascending table that `index` names, by bisection."""
    low, high = jnp.zeros_like(index), jnp.full_like(index, rows.shape[1])
    for _ in range(rows.shape[1].bit_length()):
        middle = (low + high) // 2
        below = rows[index, jnp.minimum(middle, rows.shape[1] - 1)] < value
        low, high = jnp.where(below, middle + 1, low), jnp.where(below, high, middle)
    return low
