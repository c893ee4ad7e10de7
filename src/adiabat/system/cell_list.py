"""The table of neighbors of a large structure on the CPU, by C++ that is compiled once on each machine."""

import ctypes
import logging
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np

from adiabat.base.machine import usable_threads
from adiabat.base.native import FAILURES, compiled_library, reason
from adiabat.system.system import cell_heights

logger = logging.getLogger(__name__)

# From so many on, threads share a list; with fewer it is nearly done when a second thread begins.
_MANY_ATOMS = 2000
# Rows are padded to a multiple of this many neighbors, so that a few more do not force a recompilation.
CAPACITY_STEP = 4
# One atom of a plausible condensed structure never sees as many; beyond it the cell or the unit is wrong.
MAX_NEIGHBORS = 4096
# Two nuclei nearer than this [Å] are one atom entered twice.
SAME_PLACE = 1e-3


class Table(NamedTuple):
    """The arrays of the same names of `Neighbors`."""

    index: np.ndarray
    shift: np.ndarray
    mask: np.ndarray
    reverse: np.ndarray


def just_enough(neighbors: int, columns: int = 0) -> int:
    """Columns of a table for so many neighbors of an atom, and so many at least."""
    return max(columns, max(1, -(-neighbors // CAPACITY_STEP)) * CAPACITY_STEP)


def has_one_image(box: np.ndarray, radius: float, pbc: tuple[bool, bool, bool] = (True, True, True)) -> bool:
    """Whether no atom of a box [Å] has two images of another within `radius` [Å]."""
    heights = cell_heights(box)
    return all(height > 2 * radius for height, repeats in zip(heights, pbc, strict=True) if repeats)


def table_by_cells(
    positions: np.ndarray, box: np.ndarray, pbc: tuple[bool, bool, bool], radius: float, columns: int = 0
) -> Table | None:
    """All pairs nearer than a radius.

    Args:
        positions: [Å], also outside of the box, shape (n_atoms, 3).
        box: three vectors that are not in one plane [Å], shape (3, 3).
        pbc: along which of them the box repeats.
        radius: [Å].
        columns: of the table, at least.

    Returns:
        None where not `has_one_image`, where there is no C++ compiler, and for structures that
        `neighbor_list` refuses.

    Raises:
        MemoryError: more pairs than fit.
    """
    n_atoms = len(positions)
    if not has_one_image(box, radius, pbc) or (library := _library()) is None:
        return None
    given = [np.ascontiguousarray(array, np.float64) for array in (positions, box, np.linalg.inv(box))]
    given += [cell_heights(box), np.asarray(pbc, np.int32)]
    most, nearest = np.zeros(1, np.int64), np.zeros(1)
    threads = usable_threads() if n_atoms >= _MANY_ATOMS else 1
    found = library.adiabat_find_pairs(
        n_atoms, *map(_address, given), radius, threads, *map(_address, (most, nearest))
    )
    if found is None:
        raise MemoryError("the neighbor list does not fit into the memory")
    if most[0] > MAX_NEIGHBORS or nearest[0] < SAME_PLACE:
        library.adiabat_fill_table(found, n_atoms, 0, 1, *(None,) * 4)
        return None
    shape = (n_atoms, just_enough(int(most[0]), columns))
    table = Table(
        index=np.empty(shape, np.int32),
        shift=np.empty((*shape, 3), np.float32),
        mask=np.empty(shape, bool),
        reverse=np.empty(shape, np.int32),
    )
    library.adiabat_fill_table(found, *shape, threads, *map(_address, table))
    return table


@cache
def _library() -> Any:
    """None, and a sentence in the log, where there is no C++ compiler or it fails."""
    assert __package__
    try:
        library = ctypes.CDLL(str(compiled_library(__package__, "cell_list", jax.__version__)[0]))
    except FAILURES as error:
        logger.info("neighbor lists are made by vesin, some ten times slower than by C++: %s", reason(error))
        return None
    integer, address = ctypes.c_int64, ctypes.c_void_p
    find, fill = library.adiabat_find_pairs, library.adiabat_fill_table
    find.argtypes = [integer, *[address] * 5, ctypes.c_double, integer, *[address] * 2]
    fill.argtypes = [address, *[integer] * 3, *[address] * 4]
    find.restype, fill.restype = address, None
    return library


def _address(array: np.ndarray) -> int:
    return array.ctypes.data
