"""A strict reader of (extended) XYZ that names the frame it stumbles over.

ASE's reader accepts a key given twice, drops columns that the header does not declare, stops silently at a
blank line, and believes any number of atoms. For training data each of these is an error, so this one is our
own; names and values agree with ASE's.
"""

import functools
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import ase.data
import numpy as np

from adiabat.base import DataError
from adiabat.io.comment_line import LOGICAL, parse_comment
from adiabat.io.frame import Frame, location, make_frame

MAX_LINE = 2**20  # bytes of a comment line
MIN_ROW = 8  # bytes of the shortest possible atom line, "H 0 0 0\n"
DEFAULT_PROPERTIES = "species:S:1:pos:R:3"
# The names that ASE gives to these columns.
COLUMN_NAMES = {"force": "forces", "mass": "masses"}


def iterate_extxyz(path: Path) -> Iterator[tuple[Frame, int]]:
    """The frames of an (extended) XYZ file, one after the other, each with the bytes read so far.

    Raises:
        DataError: anything that is not as the format has it; the message names file and frame.
    """
    with path.open("rb") as handle:
        size = os.fstat(handle.fileno()).st_size
        for index in itertools.count():
            where = location(path, index)
            header = _next_line(handle, where)
            if header is None:
                if index == 0:
                    raise DataError(f"{path}: holds no structure (empty file)")
                return
            n_atoms = _n_atoms(header, size - handle.tell(), where)
            comment = handle.readline(MAX_LINE)
            if len(comment) == MAX_LINE:
                raise DataError(f"{where}: the comment line is longer than {MAX_LINE:,} bytes")
            rows = list(itertools.islice(handle, n_atoms))
            if len(rows) < n_atoms:
                raise DataError(
                    f"{where}: has {len(rows)} of {n_atoms} atoms, then the file ends (truncated?)",
                    "copy the file again, or remove this frame",
                )
            yield _parse_frame(comment, rows, path, index), handle.tell()


def _next_line(handle: IO[bytes], where: str) -> bytes | None:
    """The next line that is not blank, None at the end of the file."""
    while line := handle.readline(4096):
        if len(line) == 4096:
            break
        if line.strip():
            return line
    if line:
        raise DataError(
            f"{where}: expected the number of atoms, found {line[:40]!r}...", "is it an XYZ file?"
        )
    return None


def _n_atoms(header: bytes, remaining: int, where: str) -> int:
    text = header.strip()
    if not text.isdigit() or len(text) > 18:
        raise DataError(
            f"{where}: expected the number of atoms, found {header[:60].decode(errors='replace').strip()!r}",
            "an XYZ frame is: the number of atoms, a comment line, one line for each atom",
        )
    n_atoms = int(text)
    if n_atoms == 0:
        raise DataError(f"{where}: has no atoms")
    if n_atoms * MIN_ROW > remaining + MIN_ROW:
        raise DataError(
            f"{where}: announces {n_atoms:,} atoms, but only {remaining:,} bytes follow (truncated?)",
            "copy the file again, or remove this frame",
        )
    return n_atoms


def _parse_frame(comment: bytes, rows: list[bytes], path: Path, index: int) -> Frame:
    where = location(path, index)
    try:
        line = comment.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: the comment line is not UTF-8 text", "is it a text file?") from error
    is_extended = "Properties=" in line or "Lattice=" in line
    info = _comment_of(line, is_extended, where)
    properties = info.pop("Properties", DEFAULT_PROPERTIES)
    layout = _layout(properties) if isinstance(properties, str) else ()
    if not layout:
        raise DataError(
            f"{where}: cannot understand Properties={str(properties)[:80]!r}", f"as {DEFAULT_PROPERTIES}"
        )
    columns = _parse_columns(rows, layout, "Properties=" in line, where)
    lattice, pbc = info.pop("Lattice", None), info.pop("pbc", None)
    if lattice is not None and np.shape(lattice) != (3, 3):
        raise DataError(f"{where}: Lattice must be nine numbers")
    positions = columns.pop("pos", columns.pop("positions", None))
    numbers = _atomic_numbers(columns, where)
    if positions is None:
        raise DataError(f"{where}: Properties={properties} has no column pos:R:3")
    return make_frame(
        numbers,
        positions,
        cell=lattice,
        pbc=_periodicity(pbc, lattice is not None and is_extended, where),
        masses=columns.pop("masses", None),
        info=info,
        arrays=columns,
        source=path,
        index=index,
    )


def _periodicity(pbc: Any, has_lattice: bool, where: str) -> Any:
    if pbc is None:
        return has_lattice
    flags = np.ravel(pbc).tolist()
    if len(flags) not in (1, 3) or not all(flag in (0, 1) for flag in flags):
        raise DataError(f"{where}: pbc={pbc!r} must be three of T and F")
    return tuple(bool(flag) for flag in flags * (3 // len(flags)))


def _atomic_numbers(columns: dict[str, np.ndarray], where: str) -> np.ndarray:
    """The atomic numbers from the column `species` or `Z`."""
    symbols = columns.pop("species", columns.pop("symbols", None))
    numbers = columns.pop("Z", columns.pop("numbers", None))
    if symbols is None:
        if numbers is None:
            raise DataError(f"{where}: no column says which elements the atoms are (species:S:1)")
        return numbers
    table = {symbol: _number_of(symbol, where) for symbol in dict.fromkeys(symbols)}
    return np.array([table[symbol] for symbol in symbols])


def _number_of(symbol: str, where: str) -> int:
    """The atomic number of a chemical symbol; a number is taken as it is (some codes write Z there)."""
    if symbol.isdigit() and symbol.isascii() and len(symbol) < 4:
        return int(symbol)
    number = ase.data.atomic_numbers.get(symbol.capitalize())
    if not number:
        raise DataError(f"{where}: {symbol[:20]!r} is not a chemical element")
    return number


@functools.lru_cache(maxsize=64)
def _layout(properties: str) -> tuple[tuple[str, str, int], ...]:
    """(name, type, columns) of each field of `name:type:columns:...`; nothing when it is not of this form."""
    fields = properties.split(":")
    names = [COLUMN_NAMES.get(name, name) for name in fields[::3]]
    kinds, counts = fields[1::3], fields[2::3]
    valid = (
        len(fields) % 3 == 0
        and len(set(names)) == len(names)
        and all(kind in ("R", "I", "S", "L") for kind in kinds)
        and all(count.isdigit() and count.isascii() and 0 < int(count[:5]) < 10_000 for count in counts)
    )
    return tuple(zip(names, kinds, map(int, counts), strict=True)) if valid else ()


def _comment_of(line: str, is_extended: bool, where: str) -> dict[str, Any]:
    """What the second line says; in a plain XYZ file it may be any text."""
    try:
        return parse_comment(line, where) if "=" in line else {"comment": line} if line else {}
    except DataError:
        if is_extended:
            raise
        return {"comment": line}


def _parse_columns(
    rows: list[bytes], properties: Sequence, strict: bool, where: str
) -> dict[str, np.ndarray]:
    """The table of atoms, split into its named columns."""
    width = sum(count for _, _, count in properties)
    table = [row.split() for row in rows]
    for atom, row in enumerate(table):
        if len(row) != width and (strict or len(row) < width):
            raise DataError(f"{where}, atom {atom}: the line has {len(row)} columns, expected {width}")
    columns, start = {}, 0
    for name, kind, count in properties:
        words = [row[start : start + count] for row in table]
        start += count
        try:
            values = _converted(words, kind)
        except (ValueError, OverflowError, UnicodeDecodeError) as error:
            raise DataError(
                f"{where}: column {name}: {_bad_word(words, kind)} is not what {kind} means"
            ) from error
        columns[name] = values[:, 0] if count == 1 else values
    return columns


def _converted(words: list[list[bytes]], kind: str) -> np.ndarray:
    if kind == "R":
        return np.array([[float(word) for word in row] for row in words])
    if kind == "I":
        return np.array([[int(word) for word in row] for row in words], dtype=np.int64)
    text = [[word.decode("utf-8") for word in row] for row in words]
    if kind == "L":
        if not all(word in LOGICAL for row in text for word in row):
            raise ValueError("not a logical")
        return np.array([[LOGICAL[word] for word in row] for row in text])
    return np.array(text)


def _bad_word(words: list[list[bytes]], kind: str) -> str:
    for atom, row in enumerate(words):
        try:
            _converted([row], kind)
        except (ValueError, OverflowError):
            return f"atom {atom}: {b' '.join(row)[:60].decode(errors='replace')!r}"
    return "a value"
