"""Libraries of molecules, read as streams: memory does not grow with their size."""

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from adiabat.base import ConfigError, DataError, UnsupportedError, did_you_mean

# A longer record of an SD file, or line of another, is no molecule, and could be meant to fill the memory.
MAX_RECORD = 1 << 20
_BATCH = 1024
KINDS = ("smi", "csv", "tsv", "sdf", "parquet")
_SUFFIXES = {f".{kind}": kind for kind in KINDS} | {".smiles": "smi", ".txt": "smi"}
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
# The line of an SD record that counts its atoms tells its version, in which others of the kinds do not end.
_COUNTS, _VERSIONS = 3, ("V2000", "V3000")
# Instead of a file: standard input.
STDIN = Path("-")


class Entry(NamedTuple):
    """One molecule of a library.

    Attributes:
        row: its number in the file, from 1.
        smiles: as written; empty where it cannot be read.
        name: of the molecule, or empty.
        error: why it cannot be read, or empty.
    """

    row: int
    smiles: str
    name: str = ""
    error: str = ""


def is_library(path: str | Path) -> bool:
    """Whether a file is called like one that `read_library` reads, or is standard input."""
    path = Path(path)
    return (
        path == STDIN
        or (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower() in _SUFFIXES
    )


def library_name(path: str | Path) -> str:
    """How a library is spoken of."""
    return "standard input" if Path(path) == STDIN else str(path)


def check_library(path: str | Path) -> None:
    """Refuses what nothing can be read from.

    Raises:
        DataError: no such file, or a folder.
    """
    path = Path(path)
    if path != STDIN and (not path.exists() or path.is_dir()):
        raise DataError(f"there is no file {path}")


def read_library(
    path: str | Path, *, smiles: str = "smiles", name: str | None = None, kind: str | None = None
) -> Iterator[Entry]:
    """The molecules of a file or a stream, one after the other: SMILES (one a line, then perhaps a name),
    CSV, TSV, SDF or Parquet, also compressed by gzip. What cannot be read becomes an entry that says why.

    Args:
        path: the file, or a pipe with a name; "-" is standard input.
        smiles: the column of SMILES strings, of tables.
        name: the column of names, of tables.
        kind: smi, csv, tsv, sdf or parquet; by default as the file is called, and where that says nothing
            by its first lines: an SD record, a table with the column, or else SMILES.

    Raises:
        DataError: no such file, or one that ends too early or is no such file at all.
        UnsupportedError: another kind of file, or Parquet in a stream.
        ConfigError: a column that a table does not have, or no such kind.
    """
    path = Path(path)
    check_library(path)
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"there is no format {kind!r}", did_you_mean(kind, KINDS))
    kind = kind or _said(path)
    called = library_name(path)
    try:
        with _opened(path) as file:
            start = file.peek(len(_PARQUET))
            if kind == "parquet" or (not kind and start.startswith(_PARQUET)):
                yield from _of_parquet(file, smiles, name, called)
                return
            unpacked = gzip.GzipFile(fileobj=file) if start.startswith(_GZIP) else file
            lines = text_lines(cast("BinaryIO", unpacked))
            first = list(itertools.islice(lines, 0 if kind else _COUNTS + 1))
            kind = kind or _guessed(first, smiles)
            lines = itertools.chain(first, lines)
            if kind == "sdf":
                yield from _of_sdf(lines)
            elif kind in _DELIMITERS:
                yield from _of_csv(lines, _DELIMITERS[kind], smiles, name, called)
            else:
                yield from _of_lines(lines)
    except (EOFError, OSError, zlib.error, csv.Error) as error:
        raise DataError(f"{called} cannot be read to its end: {error}") from error


def _said(path: Path) -> str | None:
    """The kind of file that a path is called like; None where it has no ending."""
    suffix = _suffix(path)
    if suffix and suffix not in _SUFFIXES:
        raise UnsupportedError(
            f"{path.name} is none of the files that libraries come in", f"they end in {', '.join(_SUFFIXES)}"
        )
    return _SUFFIXES.get(suffix)


def _suffix(path: Path) -> str:
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def _guessed(first: list[str], smiles: str) -> str:
    """The kind of file that begins with these lines."""
    if len(first) > _COUNTS and first[_COUNTS].rstrip().endswith(_VERSIONS):
        return "sdf"
    for kind, delimiter in _DELIMITERS.items():
        if smiles in (cell.strip('"') for line in first[:1] for cell in line.rstrip("\r\n").split(delimiter)):
            return kind
    return "smi"


def _opened(path: Path) -> io.BufferedReader:
    return open(0, "rb", closefd=False) if path == STDIN else path.open("rb")


def text_lines(file: BinaryIO) -> Iterator[str]:
    """Lines with their ends; one that is too long comes as its beginning."""
    text = io.TextIOWrapper(file, "utf-8-sig", "replace", newline="")
    while line := text.readline(MAX_RECORD):
        yield line
        while len(line) == MAX_RECORD and not line.endswith(("\r", "\n")):
            line = text.readline(MAX_RECORD)


def _of_lines(lines: Iterable[str]) -> Iterator[Entry]:
    row = 0
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        row += 1
        first, _, rest = line.strip().partition("\t" if "\t" in line else " ")
        yield Entry(row, first, rest.strip())


def _of_csv(
    lines: Iterable[str], delimiter: str, smiles: str, name: str | None, called: str
) -> Iterator[Entry]:
    csv.field_size_limit(MAX_RECORD)
    reader = csv.reader(lines, delimiter=delimiter)
    header = next(reader, [])
    column, named = _columns(header, smiles, name, called)
    row, before = 0, reader.line_num
    while (cells := _cells(reader)) is not None:
        where = f"lines {before + 1} to {reader.line_num}: " if reader.line_num > before + 1 else ""
        before = reader.line_num
        if not cells:
            continue
        row += 1
        if isinstance(cells, str):
            yield Entry(row, "", error=f"{where}{cells}; is there a quotation mark without a second?")
        elif len(cells) != len(header):
            yield Entry(row, "", error=f"{where}{len(cells)} cells, the header has {len(header)}")
        else:
            yield Entry(row, cells[column], "" if named is None else cells[named])


def _cells(reader: Iterator[list[str]]) -> list[str] | str | None:
    """Of the next record, or what is wrong with it; None at the end."""
    try:
        return next(reader, None)
    except csv.Error as error:
        return str(error)


def _of_parquet(file: BinaryIO, smiles: str, name: str | None, called: str) -> Iterator[Entry]:
    import pyarrow
    import pyarrow.parquet

    if not file.seekable():
        raise UnsupportedError(
            f"{called}: Parquet is read from its end, and a stream has none before it is over",
            "give the file itself, or another format",
        )
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            _columns(table.schema_arrow.names, smiles, name, called)
            row = 0
            wanted = [smiles, *([name] if name else [])]
            for batch in table.iter_batches(_BATCH, columns=wanted):
                names = batch[name].to_pylist() if name else [""] * len(batch)
                for text, label in zip(batch[smiles].to_pylist(), names, strict=True):
                    row += 1
                    yield Entry(row, _text(text), _text(label))
    except pyarrow.ArrowException as error:
        raise DataError(f"{called} cannot be read to its end: {str(error).splitlines()[0]}") from error


def _columns(header: list[str], smiles: str, name: str | None, called: str) -> tuple[int, int | None]:
    for wanted in filter(None, (smiles, name)):
        if wanted not in header:
            columns = ", ".join(map(repr, header[:30])) or "none"
            raise ConfigError(f"{called} has no column {wanted!r}", f"its columns are {columns}")
    return header.index(smiles), None if name is None else header.index(name)


def sd_records(text: Iterable[str]) -> Iterator[tuple[list[str], int]]:
    """The lines of each record of an SD file up to $$$$, and how many characters it has; of one with more
    than `MAX_RECORD` only the beginning.

    Args:
        text: the lines of the file with their ends.
    """
    lines: list[str] = []
    size = 0
    for line in text:
        if line.startswith("$$$$"):
            yield lines, size
            lines, size = [], 0
            continue
        size += len(line)
        if size <= MAX_RECORD:
            lines.append(line.rstrip("\r\n"))
    if any(line.strip() for line in lines):
        yield lines, size


def _of_sdf(text: Iterable[str]) -> Iterator[Entry]:
    """The coordinates are not kept."""
    for row, (lines, size) in enumerate(sd_records(text), start=1):
        yield _of_record(lines, size, row)


def _of_record(lines: list[str], size: int, row: int) -> Entry:
    from rdkit import Chem, rdBase

    name = lines[0].strip() if lines else ""
    if size > MAX_RECORD:
        return Entry(row, "", name, f"the record is longer than {MAX_RECORD} characters")
    blocks = itertools.takewhile(lambda line: not line.startswith(">"), lines)
    if sum(line.startswith("M  END") for line in blocks) > 1:
        return Entry(row, "", name, "several molecules without $$$$ between them")
    with rdBase.BlockLogs():
        mol = Chem.MolFromMolBlock("\n".join(lines))
    if mol is None:
        return Entry(row, "", name, "RDKit cannot read the record")
    return Entry(row, Chem.MolToSmiles(mol), name)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
