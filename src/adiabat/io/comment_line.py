"""The comment line of extended XYZ: `key=value` pairs, from text to values and back."""

import functools
import json
import re
from typing import Any

import numpy as np

from adiabat.base import DataError

_PAIR = re.compile(
    r"""\s*(?P<key>"(?:\\.|[^"\\])*"|[^\s=]+)
        (?:\s*=\s*(?P<value>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\{[^{}]*\}|\[[^\[\]]*\]|(?:\\.|[^\s\\])*))?""",
    re.VERBOSE,
)
_CLOSING = {'"': '"', "'": "'", "{": "}", "[": "]"}
LOGICAL = {"T": True, "F": False, "true": True, "false": False, "True": True, "False": False}
LOGICAL |= {"TRUE": True, "FALSE": False}


def parse_comment(line: str, where: str) -> dict[str, Any]:
    """The `key=value` pairs of a comment line, with values as numbers, arrays, flags or text.

    Raises:
        DataError: a key given twice, an open quote, damaged JSON, a Lattice that is not nine numbers.
    """
    info: dict[str, Any] = {}
    position = 0
    while match := _PAIR.match(line, position):
        if match.end() == position:
            break
        position = match.end()
        key, value = _unquoted(match["key"]), match["value"]
        if value is None:
            info.setdefault(key, True)
            continue
        if key in info:
            raise DataError(f"{where}: the comment line gives {key!r} twice", "remove one of them")
        if value[:1] in _CLOSING and (len(value) < 2 or value[-1] != _CLOSING[value[0]]):
            raise DataError(f"{where}: the value of {key!r} has a quote that does not close: {value[:40]}")
        info[key] = _parse_value(key, _unquoted(value), where)
    return info


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and _CLOSING.get(text[0]) == text[-1]
    body = text[1:-1] if quoted else text
    return re.sub(r"\\(.)", r"\1", body) if "\\" in body else body


def _parse_value(key: str, text: str, where: str) -> Any:
    if text.startswith("_JSON "):
        try:
            value = json.loads(text[6:])
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: {key}: damaged JSON ({str(error)[:80]})") from error
        return numeric_array(value)
    value = _plain_value(text)
    if key == "Lattice":
        if not isinstance(value, np.ndarray) or value.shape != (9,) or value.dtype.kind not in "if":
            raise DataError(f"{where}: Lattice must be nine numbers, found {text[:80]!r}")
        return value.reshape(3, 3).astype(float)
    return value


def _plain_value(text: str) -> Any:
    words = text.replace(",", " ").split()
    if not words:
        return text
    if all(word in LOGICAL for word in words):
        flags = [LOGICAL[word] for word in words]
        return flags[0] if len(flags) == 1 else np.array(flags)
    for kind in (int, float):
        try:
            numbers = np.array([kind(word) for word in words])
        except (ValueError, OverflowError):
            continue
        if numbers.dtype.kind in "if":
            return numbers[0].item() if len(words) == 1 else numbers
    return text


def numeric_array(value: Any) -> Any:
    """Lists of numbers as an array, anything else as it is."""
    if not isinstance(value, list):
        return value
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        return value
    return array if array.dtype.kind in "ifb" else value


def format_entry(key: str, value: Any) -> str:
    """`key=value`, in the simplest form that reads back as the same value."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, np.generic):
        value = value.item()
    name = _quoted(key)
    if isinstance(value, bool):
        return f"{name}={'T' if value else 'F'}"
    if isinstance(value, (int, float)):
        return f"{name}={value!r}"
    if isinstance(value, np.ndarray):
        if key in ("stress", "virial") or (value.ndim == 1 and value.size > 1 and value.dtype.kind in "fi"):
            return f'{name}="{format_numbers(value)}"'
        value = value.tolist()
    if isinstance(value, str) and not _changes_when_read(value):
        return f"{name}={_quoted(value)}"
    try:
        return f"{name}={_quoted('_JSON ' + json.dumps(value, default=to_list))}"
    except (TypeError, ValueError) as error:
        raise DataError(
            f"cannot write {key!r}: {type(value).__name__} is no number, text, list or table"
        ) from error


def to_list(value: Any) -> Any:
    """Numpy values inside lists and tables, for JSON."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not plain data")


@functools.lru_cache(maxsize=256)
def _changes_when_read(text: str) -> bool:
    """True for text that would come back as something else: numbers, flags, line breaks."""
    return not text.isprintable() or _plain_value(text) is not text or not text or text.startswith("_JSON ")


def _quoted(text: str) -> str:
    if re.fullmatch(r"[\w.+:/-]+", text, re.ASCII):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def format_numbers(values: np.ndarray) -> str:
    return " ".join(map(repr, values.reshape(-1).tolist()))
