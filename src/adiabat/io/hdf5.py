"""HDF5 files from strangers: no link leads out of them, and what they claim is checked before it is read."""

import contextlib
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py

from adiabat.base import DataError
from adiabat.base.files import write_error
from adiabat.io.arrays import FREE_BYTES, MAX_COMPRESSION

# A chunk is read as a whole, whatever part of it is wanted.
MAX_CHUNK_BYTES = 64 * 2**20
# Room for HDF5's own tables [bytes].
_SPARE_DISK = 1 << 17
# Filters that do not change the size.
_PLAIN_FILTERS = {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


def own(file: h5py.Group, path: str, kind: type) -> Any:
    """What stands at `path`, in this file: nothing is read through links or storage that lead elsewhere.

    Raises:
        ValueError: nothing, a link, or another kind of thing.
    """
    node: Any = file
    for part in path.split("/"):
        if not isinstance(node.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{path} is missing or a link")
        node = node[part]
    if not isinstance(node, kind) or (isinstance(node, h5py.Dataset) and (node.external or node.is_virtual)):
        raise ValueError(f"{path} is not what it should be")
    return node


def numbers_at(
    file: h5py.Group, path: str, shape: tuple[int | None, ...], partial: bool = False
) -> h5py.Dataset:
    """The dataset of numbers at `path`, of the shape asked for (`None` stands for any extent).

    Args:
        file: where to look.
        path: within it.
        shape: the extents.
        partial: rows may never have been written; whoever reads them has to know their number otherwise.

    Raises:
        ValueError: no numbers, another shape, or fewer bytes in the file than its head claims.
    """
    dataset = own(file, path, h5py.Dataset)
    found = dataset.shape or ()
    fits = len(found) == len(shape) and all(w in (None, h) for w, h in zip(shape, found, strict=True))
    if dataset.dtype.kind not in "fiu" or not fits:
        expected = ", ".join("any" if extent is None else str(extent) for extent in shape)
        raise ValueError(f"{path} holds {dataset.dtype} of shape {found}, expected numbers of ({expected})")
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if chunk > MAX_CHUNK_BYTES:
        raise ValueError(f"{path} is stored in pieces of {chunk:,} bytes")
    claimed, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    filters = dataset.id.get_create_plist()
    kinds = {filters.get_filter(number)[0] for number in range(filters.get_nfilters())}
    believable = stored if kinds <= _PLAIN_FILTERS else max(FREE_BYTES, MAX_COMPRESSION * stored)
    if claimed > believable and not partial:
        raise ValueError(f"{path} holds less than its header says")
    return dataset


def reserve(file: h5py.File, path: Path, datasets: Iterable[h5py.Dataset], size: int) -> None:
    """Takes the disk space for `size` bytes more in these datasets, or fails before HDF5 does, which would
    not survive it. What is not used is cut off by `trim_hdf5`.

    Raises:
        OSError: there is no such space.
    """
    chunks = sum(math.prod(dataset.chunks or ()) * dataset.dtype.itemsize for dataset in datasets)
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, file.id.get_filesize() + size + chunks + _SPARE_DISK)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def damage(path: str | os.PathLike, what: str) -> Iterator[None]:
    """Turns what h5py says of a broken file, or one of another kind, into a `DataError`."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, OverflowError, MemoryError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(
            f"{path} is not a readable {what}: {reason}", "it is damaged, or another program wrote it"
        ) from error


@contextlib.contextmanager
def write_failures(path: Path) -> Iterator[None]:
    """Turns a failed write, which HDF5 reports in words, into a `DataError`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        match = re.search(r"errno = (\d+)", str(error))
        code = int(match[1]) if match else getattr(error, "errno", None)
        raise write_error(OSError(code, os.strerror(code) if code else str(error)), path) from error
