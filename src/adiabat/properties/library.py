"""Libraries of molecules, read as streams: memory does not grow with their size."""

import csv
import gzip
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from adiabat.base import ConfigError, DataError, UnsupportedError

# A longer record of an SD file, or line of another, is no molecule, and could be meant to fill the memory.
MAX_RECORD = 1 << 20
_BATCH = 1024
_FORMATS = (".smi", ".smiles", ".txt", ".csv", ".tsv", ".sdf", ".parquet")


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
    """Whether a file is called like one that `read_library` reads."""
    path = Path(path)
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower() in _FORMATS


def read_library(
    path: str | Path, *, smiles: str = "smiles", name: str | None = None, start: int = 0
) -> Iterator[Entry]:
    """The molecules of a file, one after the other: SMILES (one a line, then perhaps a name), CSV, TSV, SDF
    or Parquet, also compressed by gzip. What cannot be read becomes an entry that says why.

    Args:
        path: the file.
        smiles: the column of SMILES strings, of tables.
        name: the column of names, of tables.
        start: entries to leave out, which were done before.

    Raises:
        DataError: no such file, or one that ends too early or is no such file at all.
        UnsupportedError: another kind of file.
        ConfigError: a column that a table does not have.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    zipped = path.suffix.lower() == ".gz"
    kind = (path.with_suffix("") if zipped else path).suffix.lower()
    if kind not in _FORMATS:
        raise UnsupportedError(
            f"{path.name} is none of the files that libraries come in", f"they end in {', '.join(_FORMATS)}"
        )
    try:
        for entry in _entries(path, kind, zipped, smiles, name):
            if entry.row > start:
                yield entry
    except (EOFError, OSError, gzip.BadGzipFile, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read to its end: {error}") from error


def _entries(path: Path, kind: str, zipped: bool, smiles: str, name: str | None) -> Iterator[Entry]:
    if kind == ".parquet":
        yield from _of_parquet(path, smiles, name)
        return
    with cast("BinaryIO", gzip.open(path) if zipped else path.open("rb")) as file:
        if kind == ".sdf":
            yield from _of_sdf(file)
        elif kind in (".csv", ".tsv"):
            yield from _of_csv(file, "," if kind == ".csv" else "\t", smiles, name, path)
        else:
            yield from _of_lines(file)


def _lines(file: BinaryIO) -> Iterator[str]:
    """Lines with their ends; one that is too long comes as its beginning."""
    text = io.TextIOWrapper(file, "utf-8-sig", "replace", newline="")
    while line := text.readline(MAX_RECORD):
        yield line
        while len(line) == MAX_RECORD and not line.endswith(("\r", "\n")):
            line = text.readline(MAX_RECORD)


def _of_lines(file: BinaryIO) -> Iterator[Entry]:
    row = 0
    for line in _lines(file):
        if not line.strip() or line.startswith("#"):
            continue
        row += 1
        first, _, rest = line.strip().partition("\t" if "\t" in line else " ")
        yield Entry(row, first, rest.strip())


def _of_csv(file: BinaryIO, delimiter: str, smiles: str, name: str | None, path: Path) -> Iterator[Entry]:
    csv.field_size_limit(MAX_RECORD)
    reader = csv.reader(_lines(file), delimiter=delimiter)
    header = next(reader, [])
    column, named = _columns(header, smiles, name, path)
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


def _of_parquet(path: Path, smiles: str, name: str | None) -> Iterator[Entry]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _columns(file.schema_arrow.names, smiles, name, path)
            row = 0
            wanted = [smiles, *([name] if name else [])]
            for batch in file.iter_batches(_BATCH, columns=wanted):
                names = batch[name].to_pylist() if name else [""] * len(batch)
                for text, label in zip(batch[smiles].to_pylist(), names, strict=True):
                    row += 1
                    yield Entry(row, _text(text), _text(label))
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} cannot be read to its end: {str(error).splitlines()[0]}") from error


def _columns(header: list[str], smiles: str, name: str | None, path: Path) -> tuple[int, int | None]:
    for wanted in filter(None, (smiles, name)):
        if wanted not in header:
            columns = ", ".join(map(repr, header[:30])) or "none"
            raise ConfigError(f"{path} has no column {wanted!r}", f"its columns are {columns}")
    return header.index(smiles), None if name is None else header.index(name)


def sd_records(file: BinaryIO) -> Iterator[tuple[list[str], int]]:
    """The lines of each record of an SD file up to $$$$, and how many characters it has; of one with more
    than `MAX_RECORD` only the beginning."""
    lines: list[str] = []
    size = 0
    for line in _lines(file):
        if line.startswith("$$$$"):
            yield lines, size
            lines, size = [], 0
            continue
        size += len(line)
        if size <= MAX_RECORD:
            lines.append(line.rstrip("\r\n"))
    if any(line.strip() for line in lines):
        yield lines, size


def _of_sdf(file: BinaryIO) -> Iterator[Entry]:
    """The coordinates are not kept."""
    for row, (lines, size) in enumerate(sd_records(file), start=1):
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
