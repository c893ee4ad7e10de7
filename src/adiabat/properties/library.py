"""Libraries of molecules, read as streams: memory does not grow with their size."""

import gzip
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from adiabat.base import ConfigError, UnsupportedError, did_you_mean
from adiabat.properties.rows import (
    GZIP,
    MAX_RECORD,
    PARQUET,
    STDIN,
    Row,
    check_ended,
    check_there,
    name_of,
    opened,
    readable,
    rows_of_parquet,
    rows_of_text,
    suffix_of,
    text_lines,
)
from adiabat.properties.standardize import with_known_hands

KINDS = ("smi", "csv", "tsv", "sdf", "parquet")
_SUFFIXES = {f".{kind}": kind for kind in KINDS} | dict.fromkeys((".smiles", ".cxsmiles", ".txt"), "smi")
# What may follow a SMILES string in bars, such as that a center is of a racemate.
_EXTENDED = re.compile(r"(\S+ \|[^|]*\|)\s*(.*)")
_DELIMITERS = {"csv": ",", "tsv": "\t"}
# What the column of SMILES strings is called where nobody says.
_SMILES = "smiles"
# The line of an SD record that counts its atoms tells its version, in which others of the kinds do not end.
_COUNTS, _VERSIONS = 3, ("V2000", "V3000")
# How many atoms and bonds a record of version 3000 announces; what version 2000 can is harmless.
_ANNOUNCED = re.compile(r"M +V30 +COUNTS +(\d+) +(\d+)", re.IGNORECASE)


class Entry(NamedTuple):
    """One molecule of a library.

    Attributes:
        row: its number in the file, from 1.
        smiles: as written; of a row of a table that cannot be read its beginning.
        name: of the molecule, or empty.
        error: why it cannot be read, or empty.
        others: cells of all other columns of a table by name, where they were asked for; else None.
    """

    row: int
    smiles: str
    name: str = ""
    error: str = ""
    others: Mapping[str, str] | None = None


def is_library(path: str | Path) -> bool:
    """Whether a file is called like one that `read_library` reads, or is standard input."""
    path = Path(path)
    return path == STDIN or suffix_of(path) in _SUFFIXES


def read_library(
    path: str | Path,
    *,
    smiles: str = _SMILES,
    name: str | None = None,
    kind: str | None = None,
    others: bool = False,
) -> Iterator[Entry]:
    """The molecules of a file or a stream, one after the other: SMILES (one a line, then perhaps a name),
    CSV, TSV, SDF or Parquet, also compressed by gzip. What cannot be read becomes an entry that says why. A
    .csv or .tsv without names of columns, whose rows begin with molecules, is read as SMILES and names.

    Args:
        path: the file, or a pipe with a name; "-" is standard input.
        smiles: the column of SMILES strings, of tables.
        name: the column of names, of tables.
        kind: smi, csv, tsv, sdf or parquet; by default as the file is called, and where that says nothing
            by its first lines: an SD record, a table with the column, or else SMILES.
        others: whether the cells of all other columns of a table are wanted too.

    Raises:
        DataError: no such file, or one that ends too early or is no such file at all.
        UnsupportedError: another kind of file, or Parquet in a stream.
        ConfigError: a column that a table does not have, or no such kind.
    """
    path = Path(path)
    check_there(path)
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"there is no format {kind!r}", did_you_mean(kind, KINDS))
    given, kind = kind, kind or _said(path)
    called, columns = name_of(path), [smiles, *([name] if name else [])]
    with readable(called), opened(path) as file:
        start = file.peek(len(PARQUET))
        if kind == "parquet" or (not kind and start.startswith(PARQUET)):
            check_ended(file, called)
            yield from _of_rows(rows_of_parquet(file, columns, called, others=others))
            return
        unpacked = gzip.GzipFile(fileobj=file) if start.startswith(GZIP) else file
        lines = text_lines(cast("BinaryIO", unpacked))
        first = list(itertools.islice(lines, 0 if given else _COUNTS + 1))
        if not given and kind in _DELIMITERS and columns == [_SMILES] and _is_bare(first):
            kind = "smi"
        kind = kind or _guessed(first, smiles)
        lines = itertools.chain(first, lines)
        if kind == "sdf":
            yield from _of_sdf(lines)
        elif kind in _DELIMITERS:
            yield from _of_rows(rows_of_text(lines, _DELIMITERS[kind], columns, called, others=others))
        else:
            yield from _of_lines(lines)


def _of_rows(rows: Iterable[Row]) -> Iterator[Entry]:
    for row in rows:
        yield Entry(row.number, row.cells[0] or row.raw, "".join(row.cells[1:]), row.error, row.others)


def _said(path: Path) -> str | None:
    """The kind of file that a path is called like; None where it has no ending."""
    suffix = suffix_of(path)
    if suffix and suffix not in _SUFFIXES:
        raise UnsupportedError(
            f"{path.name} is none of the files that libraries come in", f"they end in {', '.join(_SUFFIXES)}"
        )
    return _SUFFIXES.get(suffix)


def _guessed(first: list[str], smiles: str) -> str:
    """The kind of file that begins with these lines."""
    if len(first) > _COUNTS and first[_COUNTS].rstrip().endswith(_VERSIONS):
        return "sdf"
    for kind, delimiter in (*_DELIMITERS.items(), ("csv", ";")):
        if smiles in (cell.strip('"') for line in first[:1] for cell in line.rstrip("\r\n").split(delimiter)):
            return kind
    return "smi"


_BLANK = re.compile("[ ,]")


def _is_bare(first: list[str]) -> bool:
    """Whether a table begins with molecules in place of the names of its columns."""
    from rdkit import Chem, rdBase

    if _guessed(first, _SMILES) != "smi":
        return False
    with rdBase.BlockLogs():
        return bool(first) and all(Chem.MolFromSmiles(_parted(line)[0] or "?") for line in first[:2])


def _parted(line: str) -> tuple[str, str]:
    """A SMILES string and what follows. A comma is in none: it ends one, as in a table without a header."""
    line = line.strip()
    if "|" in line and "\t" not in line and (extended := _EXTENDED.fullmatch(line)):
        return extended[1], extended[2]
    first, *rest = line.split("\t", 1) if "\t" in line else _BLANK.split(line, 1)
    return first, rest[0].strip() if rest else ""


def _of_lines(lines: Iterable[str]) -> Iterator[Entry]:
    row = 0
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        row += 1
        yield Entry(row, *_parted(line))


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


def record_problem(record: Sequence[str], size: int) -> str:
    """Why a record of `sd_records` must not be given to RDKit, which makes room for as many atoms as it
    announces, or empty."""
    if size > MAX_RECORD:
        return f"the record is longer than {MAX_RECORD} characters"
    # A line of version 3000 may go on in the next.
    for found in _ANNOUNCED.finditer(re.sub(r"-\s*\n *M +V30 ?", "", "\n".join(record))):
        if (count := max(map(int, found.groups()))) > len(record):
            return f"it announces {count} atoms or bonds in {len(record)} lines"
    return ""


def _of_sdf(text: Iterable[str]) -> Iterator[Entry]:
    """The coordinates are not kept."""
    for row, (lines, size) in enumerate(sd_records(text), start=1):
        yield _of_record(lines, size, row)


def _of_record(lines: list[str], size: int, row: int) -> Entry:
    from rdkit import Chem, rdBase

    name = lines[0].strip() if lines else ""
    if problem := record_problem(lines, size):
        return Entry(row, "", name, problem)
    blocks = itertools.takewhile(lambda line: not line.startswith(">"), lines)
    if sum(line.startswith("M  END") for line in blocks) > 1:
        return Entry(row, "", name, "several molecules without $$$$ between them")
    with rdBase.BlockLogs():
        mol = Chem.MolFromMolBlock("\n".join(lines))
    if mol is None:
        return Entry(row, "", name, "RDKit cannot read the record")
    return Entry(row, Chem.MolToSmiles(with_known_hands(mol)), name)
