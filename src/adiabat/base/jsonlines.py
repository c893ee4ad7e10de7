"""JSON as every program reads it, and files of one JSON object a line that survive a crash."""

import dataclasses
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base.errors import DataError
from adiabat.base.files import atomic_write, write_error

MAX_LINE_BYTES = 16 * 2**20


def plain(value: Any) -> Any:
    """What JSON can hold of `value`: arrays as lists, paths as text, None where a number is not finite."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (np.integer, np.bool_)):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "__array__"):
        return plain(np.asarray(value).tolist())
    return str(value)


def dumps(value: Any, indent: int | None = None) -> str:
    """`value` as strict JSON text."""
    return json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


class LineFile:
    """A file that grows by whole lines: a line that does not fit on the disk is taken back.

    Args:
        path: made at the first `append`.
    """

    def __init__(self, path: Path):
        self.path = path
        self._descriptor: int | None = None

    def append(self, values: Mapping[str, Any]) -> None:
        """Adds one line; raises `DataError` when the disk is full."""
        line = (dumps(values) + "\n").encode()
        start = None
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            start = os.fstat(self._descriptor).st_size
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            if self._descriptor is not None and start is not None:
                os.ftruncate(self._descriptor, start)
            raise write_error(error, self.path) from error

    def keep(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Keeps the lines whose values are `wanted`, in order, and drops a torn last line."""
        self.close()
        if self.path.exists():
            lines = [dumps(values) + "\n" for values in read_lines(self.path) if wanted(values)]
            atomic_write(self.path, "".join(lines))

    def close(self) -> None:
        """Closes the file; `append` opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def read_lines(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The objects in a file of JSON lines; a last line that a crash tore off is left out.

    Raises:
        DataError: no such file, or another line is not a JSON object.
    """
    lines: list[dict[str, Any]] = []
    try:
        with open(path, "rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES):
                number += 1
                if not line.endswith(b"\n") and not file.read(1):
                    break  # torn: every complete line ends so
                lines.append(_object(line, path, number))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    return lines


def _object(line: bytes, path: str | os.PathLike, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
        if isinstance(value, dict):
            return value
    except (ValueError, RecursionError):
        pass
    raise DataError(f"{path}, line {number} is not a JSON object: {line[:60]!r}")
