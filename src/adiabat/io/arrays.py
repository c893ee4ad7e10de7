"""Numpy files from strangers: sizes are checked before anything is read, pickled objects are refused."""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from adiabat.base import DataError

# A zip entry may declare any size in a few bytes. Beyond this many bytes it must be believable: coordinates
# compress by a factor of two or three, so fifty is generous.
FREE_BYTES = 128 * 2**20
MAX_COMPRESSION = 50


def load_npy(path: Path) -> np.ndarray:
    """The array in a `.npy` file.

    Raises:
        DataError: not a numpy file, truncated, or holding Python objects.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            return _read_array(handle, size, str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


class NpzFile:
    """A `.npz` file whose members are read one by one, each checked before its memory is taken.

    Args:
        path: the file.

    Raises:
        DataError: not a zip file, or the members declare far more bytes than the file can hold.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
            packed = path.stat().st_size
        except (OSError, zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
            raise DataError(
                f"{path}: not a readable .npz file ({error})",
                "a .npz file is a zip archive of arrays, written by numpy.savez; write this one again",
            ) from error
        declared = sum(member.file_size for member in members)
        if declared > max(FREE_BYTES, MAX_COMPRESSION * packed):
            raise DataError(
                f"{path}: declares {declared:,} bytes in a file of {packed:,} bytes; refused as a zip bomb",
                "save the arrays again with numpy.savez (uncompressed)",
            )
        self._sizes = {
            m.filename.removesuffix(".npy"): m.file_size for m in members if m.filename.endswith(".npy")
        }

    @property
    def names(self) -> list[str]:
        """The arrays in the file."""
        return list(self._sizes)

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def __getitem__(self, name: str) -> np.ndarray:
        """The array `name`, read now; a DataError when it is damaged, pickled or absent."""
        where = f"{self.path}: {name}"
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as handle:
                return _read_array(handle, self._sizes[name], where)
        except KeyError:
            raise DataError(f"{where}: not in the file, which holds {', '.join(self.names)}") from None
        except (
            OSError,
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            RuntimeError,
            NotImplementedError,
            UnicodeDecodeError,
        ) as error:
            raise DataError(f"{where}: damaged ({error})", "copy or download the file again") from error


def _read_array(handle: IO[bytes], size: int, where: str) -> np.ndarray:
    """One array in npy format from a stream that holds `size` bytes."""
    readers: dict[tuple[int, int], Callable] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(handle)
        shape, fortran, dtype = readers[version](handle)
    except (ValueError, KeyError, EOFError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise DataError(
            f"{where}: not a numpy array file ({str(error)[:120]})", "write it with numpy.save or numpy.savez"
        ) from error
    if dtype.hasobject:
        raise DataError(
            f"{where}: holds pickled Python objects, which adiabat never loads",
            "save plain numbers, numpy.asarray(values, dtype=float); frames of several sizes go into extxyz",
        )
    count = 1
    for extent in shape:
        count *= int(extent)
    needed, available = count * dtype.itemsize, size - handle.tell()
    if min(shape, default=0) < 0 or needed != available:
        raise DataError(
            f"{where}: shape {shape} of {dtype} needs {needed:,} bytes, {available:,} are there (truncated?)"
        )
    data = handle.read(needed)
    if len(data) != needed:
        raise DataError(f"{where}: truncated, {len(data):,} of {needed:,} bytes")
    values = np.frombuffer(data, dtype=dtype, count=count)
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)


def as_numbers(values: np.ndarray, shape: tuple[int | None, ...], where: str) -> np.ndarray:
    """`values` in float64, of the shape asked for (`None` stands for any extent) and finite.

    Raises:
        DataError: things that are no numbers, a wrong shape, NaN or infinity (the frame is named).
    """
    if values.dtype.kind not in "fiu":
        raise DataError(f"{where}: expected numbers, found {values.dtype}")
    matches = values.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, values.shape, strict=True)
    )
    if not matches:
        expected = ", ".join("any" if extent is None else str(extent) for extent in shape)
        raise DataError(f"{where}: has shape {values.shape}, expected ({expected})")
    numbers = values.astype(np.float64)
    bad = ~np.isfinite(numbers)
    if bad.any():
        frame = int(np.argwhere(bad)[0][0])
        raise DataError(f"{where}: {int(bad.sum())} values are not finite, the first in frame {frame}")
    return numbers
