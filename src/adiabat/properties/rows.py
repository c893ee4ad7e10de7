"""Rows of tables, read as streams: memory does not grow with the size of a file."""

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from adiabat.base import ConfigError, DataError, UnsupportedError

# A longer row, or line of another file, is no molecule, and could be meant to fill the memory.
MAX_RECORD = 1 << 20
_BATCH = 1024
# Characters of a row that cannot be read that are shown.
_SHOWN = 200
# Instead of a file: standard input.
STDIN = Path("-")
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
# What decoding makes of bytes that are not UTF-8.
_UNREADABLE = "\ufffd"


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        number: in the file, the header being row 0.
        cells: of the columns that were asked for, as written; empty strings where there is an error.
        error: why it cannot be read, or empty.
        raw: where there is an error the beginning of the row as it is written, as far as it can be read.
        others: cells of all other columns by name, where they were asked for; else None.
    """

    number: int
    cells: Sequence[str]
    error: str = ""
    raw: str = ""
    others: Mapping[str, str] | None = None


def read_rows(path: Path, names: Sequence[str], *, others: bool = False) -> Iterator[Row]:
    """Columns of a table, a row after the other: Parquet, tab-separated (.tsv, .tab, or another name and a
    tab in its header) or else CSV, by commas or semicolons, text also compressed by gzip. A row that cannot
    be read says why, and the rest goes on.

    Args:
        path: the file, or a pipe with a name; "-" is standard input.
        names: of the columns.
        others: whether the cells of all other columns are wanted too.

    Raises:
        DataError: no such file, one that ends too early, that is not UTF-8, or has two columns of one name.
        UnsupportedError: Parquet in a stream.
        ConfigError: a column that the file does not have.
    """
    check_there(path)
    kind = suffix_of(path)
    with readable(called := name_of(path)), opened(path) as file:
        start = file.peek(len(PARQUET))
        if kind == ".parquet" or (not kind and start.startswith(PARQUET)):
            check_ended(file, called)
            yield from rows_of_parquet(file, names, called, others=others)
            return
        lines = text_lines(cast("BinaryIO", gzip.GzipFile(fileobj=file)) if start.startswith(GZIP) else file)
        first = list(itertools.islice(lines, 1))
        tabs = kind in (".tsv", ".tab") or (kind != ".csv" and "\t" in "".join(first))
        lines = itertools.chain(first, lines)
        yield from rows_of_text(lines, "\t" if tabs else ",", names, called, others=others)


def suffix_of(path: Path) -> str:
    """How the name of a file ends, but for .gz."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def name_of(path: str | Path) -> str:
    """How a file is spoken of."""
    return "standard input" if Path(path) == STDIN else str(path)


def check_there(path: Path) -> None:
    """Refuses what nothing can be read from.

    Raises:
        DataError: no such file, or a folder.
    """
    if path != STDIN and (not path.exists() or path.is_dir()):
        raise DataError(f"there is no file {path}")


def check_ended(file: BinaryIO, called: str) -> None:
    """Refuses a stream as a Parquet file.

    Raises:
        UnsupportedError: it is one.
    """
    if not file.seekable():
        raise UnsupportedError(
            f"{called}: Parquet is read from its end, and a stream has none before it is over",
            "give the file itself, or another format",
        )


def opened(path: Path) -> io.BufferedReader:
    """The file, a pipe with a name, or standard input, to be read once."""
    return open(0, "rb", closefd=False) if path == STDIN else path.open("rb")


@contextmanager
def readable(called: str) -> Iterator[None]:
    """Says which file it is that cannot be read to its end."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, EOFError, OSError, zlib.error, csv.Error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{called} cannot be read to its end: {reason}") from error


def text_lines(file: BinaryIO) -> Iterator[str]:
    """Lines with their ends; one that is too long comes as its beginning."""
    text = io.TextIOWrapper(file, "utf-8-sig", "replace", newline="")
    while line := text.readline(MAX_RECORD):
        yield line
        while len(line) == MAX_RECORD and not line.endswith(("\r", "\n")):
            line = text.readline(MAX_RECORD)


def rows_of_text(
    lines: Iterable[str], delimiter: str, names: Sequence[str], called: str, *, others: bool = False
) -> Iterator[Row]:
    """As `read_rows`, from lines with a header; `called` is how errors speak of the file."""
    csv.field_size_limit(MAX_RECORD)
    lines = iter(lines)
    first = next(lines, "")
    delimiter = _separator(first, delimiter, names)
    reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter)
    header = next(reader, [])
    columns = _columns(header, names, called)
    rest = {name: k for k, name in enumerate(header) if name not in names} if others else {}
    number, before = 0, reader.line_num
    while (cells := _cells(reader)) is not None:
        where = f"lines {before + 1} to {reader.line_num}: " if reader.line_num > before + 1 else ""
        before = reader.line_num
        if not cells:
            continue
        number += 1
        error = _problem(cells, len(header), delimiter)
        found = [""] * len(names) if error else [cells[column] for column in columns]
        if not error and any(_UNREADABLE in cell for cell in found):
            error = "it is not written in UTF-8"
        if error:
            raw = "" if isinstance(cells, str) else delimiter.join(cells)[:_SHOWN]
            yield Row(number, found, f"{where}{error}", raw, dict.fromkeys(rest, "") if others else None)
        else:
            yield Row(number, found, others={name: cells[k] for name, k in rest.items()} if others else None)


def _separator(first: str, delimiter: str, names: Sequence[str]) -> str:
    """Semicolons, as of ChEMBL and of Excel in many countries, where the first line has the columns by these
    alone."""
    try:
        headers = {mark: next(csv.reader([first], delimiter=mark), []) for mark in (delimiter, ";")}
    except csv.Error:
        return delimiter
    return next((mark for mark, header in headers.items() if set(names) <= set(header)), delimiter)


def _problem(cells: list[str] | str, count: int, delimiter: str) -> str:
    if isinstance(cells, str):
        return f"{cells}; is there a quotation mark without a second?"
    if len(cells) == count:
        return ""
    comma = delimiter == "," and any(
        one.isdigit() and other.isdigit()
        for one, other in zip((cell[-1:] for cell in cells), (cell[:1] for cell in cells[1:]), strict=False)
    )
    hint = "; decimals are written with a point" if comma and len(cells) > count else ""
    return f"{len(cells)} cells, the header has {count}{hint}"


def _cells(reader: Iterator[list[str]]) -> list[str] | str | None:
    """Of the next record, or what is wrong with it; None at the end."""
    try:
        return next(reader, None)
    except csv.Error as error:
        return str(error)


def rows_of_parquet(
    file: BinaryIO, names: Sequence[str], called: str, *, others: bool = False
) -> Iterator[Row]:
    """As `read_rows`, from a file that can be read from its end."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(file) as table:
        header = table.schema_arrow.names
        _columns(header, names, called)
        rest = [name for name in dict.fromkeys(header) if name not in names] if others else []
        number, width = 0, len(names)
        for batch in table.iter_batches(_BATCH, columns=list(dict.fromkeys([*names, *rest]))):
            for cells in zip(*(batch[name].to_pylist() for name in [*names, *rest]), strict=True):
                number += 1
                texts = [_text(cell) for cell in cells]
                more = dict(zip(rest, texts[width:], strict=True)) if others else None
                yield Row(number, texts[:width], others=more)


def _columns(header: list[str], names: Sequence[str], called: str) -> list[int]:
    if any(_UNREADABLE in name for name in header):
        raise DataError(f"{called} is not written in UTF-8", "save it as CSV UTF-8")
    if missing := [name for name in names if name not in header]:
        columns = ", ".join(map(repr, header[:30])) or "none"
        hint = f"its first row names the columns {columns}"
        if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
            hint += "; cells are separated by commas or semicolons, those of .tsv by tabs"
        raise ConfigError(f"{called} has no column {', '.join(map(repr, missing))}", hint)
    if repeated := [name for name in names if header.count(name) > 1]:
        raise DataError(f"{called} has several columns {repeated[0]!r}", "rename them")
    return [header.index(name) for name in names]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)
