"""Arrays and a JSON header in one safetensors file, with a hash over every byte of it.

Any safetensors reader opens such a file. It holds numbers and text only: reading one runs no code.
"""

import contextlib
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base.errors import AdiabatError, DataError
from adiabat.base.files import atomic_write

FORMAT = "adiabat-1"
MAX_BYTES = 16 * 2**30
MAX_HEADER_BYTES = 32 * 2**20
_HASH = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_NO_HASH = "0" * 64
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
_CODES = {np.dtype(text): code for code, text in _DTYPES.items()}
_IMPOSTORS = {
    b"PK": "a zip or npz file",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a npy file",
    b"\x80": "a pickle",
}


class DamagedArchiveError(DataError):
    """The file is not what `write_archive` once wrote."""


def write_archive(
    path: str | os.PathLike, kind: str, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]
) -> None:
    """Writes arrays and header to `path`, replacing it at once; the same content gives the same bytes.

    Args:
        path: where to.
        kind: what the file holds, such as "model"; `read_archive` asks for the same.
        arrays: of booleans, integers and floats of 16 to 64 bits.
        header: what JSON can hold.

    Raises:
        DataError: the disk is full or the folder read-only.
    """
    atomic_write(path, pack(kind, arrays, header))


def read_archive(path: str | os.PathLike, kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header that `write_archive` wrote.

    Raises:
        DamagedArchiveError: damaged at any byte, or not an archive at all.
        DataError: no such file, of another kind or format, or too large.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = _check_start(path, start, size)
            content = start + file.read(length)
            _check_extent(path, content, size)
            content += file.read(size - len(content))
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "not enough memory"
        missing = isinstance(error, FileNotFoundError)
        raise DataError(
            f"cannot read {path}: {reason}", f"the current folder is {Path.cwd()}" if missing else None
        ) from error
    return unpack(content, kind, source=str(path))


@contextlib.contextmanager
def understood(path: str | os.PathLike, what: str) -> Iterator[None]:
    """Within it, an archive that does not hold what it should is a `DataError` that names the file.

    Args:
        path: of the archive.
        what: it should be, such as "a model".
    """
    try:
        yield
    except AdiabatError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"{path} is not {what} this version can read: {error!r}") from error


def pack(kind: str, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> bytes:
    """The bytes of the archive."""
    values = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in values.items():
        if array.dtype.newbyteorder("<") not in _CODES:
            raise TypeError(f"an archive cannot hold the array {name!r} of type {array.dtype}")
    names = sorted(
        values, key=lambda name: (-values[name].dtype.itemsize, name)
    )  # wide types first: all aligned
    entries: dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "kind": kind,
            "header": json.dumps(header, sort_keys=True, ensure_ascii=True),
            "sha256": _NO_HASH,
        }
    }
    offset = 0
    for name in names:
        array = values[name]
        code = _CODES[array.dtype.newbyteorder("<")]
        entries[name] = {"dtype": code, "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % 8)
    data = [np.ascontiguousarray(values[n], dtype=_DTYPES[entries[n]["dtype"]]).tobytes() for n in names]
    start = len(text).to_bytes(8, "little")
    digest = hashlib.sha256()
    for part in (start, text, *data):
        digest.update(part)
    place = f'"sha256":"{_NO_HASH}"'.encode()
    text = text.replace(place, f'"sha256":"{digest.hexdigest()}"'.encode(), 1)
    return b"".join((start, text, *data))


def unpack(
    content: bytes, kind: str, source: str = "archive"
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header in `content`; raises `DataError` as `read_archive` does."""
    length = _check_start(source, content[:8], len(content))
    text, data = content[8 : 8 + length], memoryview(content)[8 + length :]
    stored = _HASH.findall(text)
    if len(stored) != 1:
        raise _damaged(source, "it holds no hash; it may be a safetensors file of another program")
    digest = hashlib.sha256(content[:8])
    digest.update(text.replace(stored[0], _NO_HASH.encode(), 1))
    digest.update(data)
    if digest.hexdigest() != stored[0].decode():
        raise _damaged(source, "its hash does not match its content")
    entries = _json(text, source)
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        found = metadata.get("format") if isinstance(metadata, dict) else None
        raise DataError(
            f"{source} is of format {found!r}, not {FORMAT!r}", hint="upgrade adiabat to read newer files"
        )
    if metadata.get("kind") != kind:
        raise DataError(f"{source} holds a {metadata.get('kind')!r}, expected a {kind!r}")
    header = _json(str(metadata.get("header", "")).encode(), source)
    return {name: _array(name, entry, data, source) for name, entry in entries.items()}, header


def _check_start(path: str | Path, start: bytes, size: int) -> int:
    """The length of the JSON text, from the first eight bytes of a file of `size` bytes."""
    for magic, what in _IMPOSTORS.items():
        if start.startswith(magic) and int.from_bytes(start, "little") > MAX_HEADER_BYTES:
            raise _damaged(path, f"it is {what}")
    if size < 8 or len(start) < 8:
        raise _damaged(path, f"it has only {size} bytes")
    length = int.from_bytes(start, "little")
    if not 2 <= length <= MAX_HEADER_BYTES or 8 + length > size:
        raise _damaged(path, f"its header claims {length} bytes; the file has {size}")
    if size > MAX_BYTES:
        raise DataError(
            f"{path} has {size / 2**30:.1f} GiB; archives are at most {MAX_BYTES / 2**30:.0f} GiB"
        )
    return length


def _check_extent(path: Path, content: bytes, size: int) -> None:
    """Refuses a file whose arrays do not fill it exactly, before the rest is read."""
    ends = [0]
    for entry in _json(content[8:], str(path)).values():
        if isinstance(entry, dict) and isinstance(entry.get("data_offsets"), list):
            ends += [end for end in entry["data_offsets"] if isinstance(end, int)]
    if len(content) + max(ends) != size:
        raise _damaged(path, f"it should have {len(content) + max(ends)} bytes and has {size}: truncated?")


def _array(name: str, entry: Any, data: memoryview, source: str) -> np.ndarray:
    """One array, its claims checked against the bytes that are there before anything is allocated."""
    try:
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        shape = tuple(entry["shape"])
        begin, end = entry["data_offsets"]
        sizes = (begin, end, *shape)
        fits = (
            all(type(n) is int and n >= 0 for n in sizes) and begin <= end <= len(data) and len(shape) <= 32
        )
        if not fits or math.prod(shape) * dtype.itemsize != end - begin:
            raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(source, f"array {name!r} does not fit its description") from error
    return np.frombuffer(data[begin:end], dtype=dtype).reshape(shape).copy()


def _json(text: bytes, source: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(source, "its header is not JSON") from error
    if not isinstance(value, dict):
        raise _damaged(source, "its header is not a JSON object")
    return value


def _damaged(path: str | Path, why: str) -> DamagedArchiveError:
    return DamagedArchiveError(
        f"{path} is damaged or not an adiabat archive: {why}", hint="use a copy, or make it again"
    )
