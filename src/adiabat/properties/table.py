"""Tables of molecules with measured values, as files have them."""

import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.properties.rows import name_of, read_rows

# What tables write where nothing was measured.
_ABSENT = {"", "na", "n/a", "n.a.", "nan", "<na>", "none", "null", "-", "?", "nd", "n.d."}
_ABSENT |= {"#n/a", "#div/0!", "#value!", "#num!", "#ref!", "#null!", "#name?"}  # of spreadsheets
# Words for what is not in a class; of other two, the first in the alphabet.
_NO = {"no", "n", "false", "f", "negative", "neg", "inactive", "low", "fail", "failed", "absent", "off"}
_NOT = ("in", "im", "un", "non", "non-", "non ", "not ", "not-")
# A column of more words holds names, no classes; of fewer molecules a class is not learned.
MAX_CLASSES, FEWEST_OF_CLASS = 20, 5
# Tables that are held in memory whole.
MAX_ROWS, MAX_CHARACTERS = 1_000_000, 1 << 28
_QUANTITY = re.compile(r"[<>=≤≥~±+-]*\s*\d[\d.,]*\s*(%|°?[a-zµμ]+(/[a-zµμ]+)?)?")
_CENSORED = re.compile(r"^\s*(<=|>=|<|>|≤|≥)\s*(.+)$")
# What databases write beside a value, some in quotation marks, and among them what makes a limit of it.
_LIMITS = {"<", ">", "<=", ">=", "≤", "≥", "<<", ">>"}
_RELATIONS = {"=", "~", "", *_LIMITS}
# So many rows are looked at for such a column.
_LOOKED_AT = 10_000


class Rejected(NamedTuple):
    """A row that is left out: its number in the file, the header being row 0, its text and why."""

    row: int
    text: str
    reason: str


@dataclass(frozen=True)
class Table:
    """Molecules and what was measured of them.

    Attributes:
        smiles: of each molecule, as it was written or standardized.
        rows: numbers in the file, shape (n_molecules,).
        targets: names of the values.
        values: shape (n_molecules, n_targets); NaN where nothing was measured.
        limits: -1 where the true value is below the one given (`<`), 1 above it, else 0; same shape.
        units: of the targets, as they were given; kept, never converted.
        columns: further columns by name: inputs, groups, dates.
        rejected: rows of the file that are not here.
        words: of columns that are written as two words (inactive, active), the one for 0 and the one for 1.
            A column of more words is a target of 0 and 1 for each of them, called by `class_name`.
    """

    smiles: tuple[str, ...]
    rows: np.ndarray
    targets: tuple[str, ...]
    values: np.ndarray
    limits: np.ndarray
    units: tuple[str, ...] = ()
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    rejected: tuple[Rejected, ...] = ()
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.smiles)

    @property
    def measured(self) -> np.ndarray:
        """Where a value was measured, and is not a limit, shape (n_molecules, n_targets)."""
        return ~np.isnan(self.values) & (self.limits == 0)

    @property
    def several(self) -> dict[str, dict[str, int]]:
        """Of each column of more than two words, which target each of the words is."""
        places = {name: place for place, name in enumerate(self.targets)}
        found = {
            column: {word: places[name] for word in words if (name := class_name(column, word)) in places}
            for column, words in self.words.items()
            if len(words) > 2
        }
        return {column: own for column, own in found.items() if own}

    def taken(self, index: np.ndarray | Sequence[int]) -> "Table":
        """The molecules with these numbers, in this order."""
        index = np.asarray(index, int)
        return replace(
            self,
            smiles=tuple(self.smiles[k] for k in index),
            rows=self.rows[index],
            values=self.values[index],
            limits=self.limits[index],
            columns={name: column[index] for name, column in self.columns.items()},
        )

    def of_targets(self, names: Sequence[str]) -> "Table":
        """Only these values, of the molecules that have any of them."""
        columns = [self.targets.index(name) for name in names]
        values = self.values[:, columns]
        found = replace(
            self,
            targets=tuple(names),
            values=values,
            limits=self.limits[:, columns],
            units=tuple(self.units[k] for k in columns) if self.units else (),
        )
        return found.taken(np.flatnonzero(~np.isnan(values).all(axis=1)))


def class_name(column: str, word: str) -> str:
    """How the target is called that says whether a molecule is in one of several classes."""
    return f"{column}: {word}"


def read_table(
    path: str | Path,
    *,
    smiles: str,
    targets: Sequence[str],
    columns: Sequence[str] = (),
    units: Sequence[str] = (),
    words: Mapping[str, tuple[str, ...]] | None = None,
    positive: Sequence[str] = (),
    relations: Sequence[str] = (),
) -> Table:
    """A CSV, TSV or Parquet file, also compressed by gzip, with a header.

    A row without any value, or with one that is not a number, is left out and named in `rejected`; the rest
    goes on. `<5`, `> 10`, `≤3` are limits. A target of two words instead of numbers, such as inactive and
    active, is a class of 0 and 1; one of up to twenty, such as low, medium and high, is a target of 0 and 1
    for each. Rows of a word that fewer than five have are left out.

    Args:
        path: the file.
        smiles: the column of SMILES strings.
        targets: the columns of measured values.
        columns: further columns to keep.
        units: of the targets.
        words: of targets that are classes of words, as of `Table`; by default as they are found.
        positive: the word for 1 of targets of two words, where that is not the one without a negation.
        relations: of each target the column that has the sign of its limits, in the same order: <, >, = as
            of ChEMBL.

    Raises:
        DataError: no such file, a damaged one, no row that can be used, or a target of one word or of more
            than twenty.
        ConfigError: a column that the file does not have; another number of units or relations than of
            targets; a positive word that no target of two words has.
    """
    for what, given in (("units", units), ("columns of relations", relations)):
        if given and len(given) != len(targets):
            raise ConfigError(f"{len(targets)} targets need as many {what}, got {len(given)}")
    if not targets:
        raise ConfigError("there is no column of measured values", "name one by --target")
    strings, errors, raw = read_strings(Path(path), [smiles, *targets, *relations, *columns])
    for name, relation in zip(targets, relations, strict=False):
        strings[name] = list(map(_related, strings[relation], strings[name]))
    if words is None:
        found = {name: _words(name, strings[name]) for name in targets}
        words = _with_positive({name: own for name, own in found.items() if own}, positive)
    columns_of, given = list(targets), dict(zip(targets, units, strict=True)) if units else {}
    targets = []
    for name in columns_of:
        own = words.get(name, ())
        errors = [a or b for a, b in zip(errors, _unknown(own, strings[name]), strict=True)]
        numbers = _as_numbers(name, own, strings[name])
        strings |= numbers
        targets += numbers
    units = [given.get(name, "") for name in targets] if units else ()
    values = np.full((len(strings[smiles]), len(targets)), np.nan)
    limits = np.zeros(values.shape, np.int8)
    rejected: list[Rejected] = []
    kept: list[int] = []
    for row, text in enumerate(strings[smiles]):
        cells = [strings[name][row] for name in targets]
        if errors[row]:
            rejected.append(Rejected(row + 1, text or raw[row], errors[row]))
            continue
        try:
            found = [measured_value(cell) for cell in cells]
        except ValueError as error:
            rejected.append(Rejected(row + 1, text, str(error)))
            continue
        values[row], limits[row] = zip(*found, strict=True)
        if np.isnan(values[row]).all():
            rejected.append(Rejected(row + 1, text, "no value"))
        else:
            kept.append(row)
    whole = Table(
        smiles=tuple(strings[smiles]),
        rows=np.arange(1, len(values) + 1),
        targets=tuple(targets),
        values=values,
        limits=limits,
        units=tuple(units),
        columns={name: np.array(strings[name], dtype=str) for name in columns},
        rejected=tuple(rejected),
        words=dict(words),
    )
    if not kept:
        why = f"row {rejected[0].row}: {rejected[0].reason}" if rejected else "it has no rows"
        cell, hint = strings[targets[0]][0] if rejected else "", None
        if any(character.isalpha() for character in cell):
            is_number = looks_like_number(cell)
            hint = "leave units out of the cells" if is_number else "write classes as 0 and 1"
        raise DataError(f"{path} has no molecule with a value; {why}", hint)
    return whole.taken(kept)


def _related(relation: str, cell: str) -> str:
    """A cell with the sign that stands beside it."""
    sign = _sign(relation)
    if sign in ("", "=", "~") or cell.strip().lower() in _ABSENT or _CENSORED.match(cell):
        return cell
    return f"{sign[0] if sign in ('<<', '>>') else sign}{cell}"


def _sign(cell: str) -> str:
    return cell.strip().strip("'\"").strip()


def columns_of_relations(path: str | os.PathLike, names: Sequence[str]) -> tuple[str, ...]:
    """Other columns of a table that hold the signs of limits, such as Standard Relation of ChEMBL: nothing
    but <, >, = and the like in its first ten thousand rows, and one < or > at least. None of a stream, which
    can be read once only.

    Args:
        path: the file.
        names: of the columns that are asked for.

    Raises:
        DataError, ConfigError: as of `read_table`.
    """
    path = Path(path)
    found: dict[str, set[str]] | None = None
    for row in itertools.islice(read_rows(path, names, others=True), _LOOKED_AT) if path.is_file() else ():
        if row.error or row.others is None:
            continue
        signs = {name: _sign(cell) for name, cell in row.others.items()}
        found = {name: set() for name in signs} if found is None else found
        found = {name: own | {signs[name]} for name, own in found.items() if signs[name] in _RELATIONS}
    return tuple(name for name, own in (found or {}).items() if own & _LIMITS)


def _as_numbers(name: str, words: Sequence[str], cells: list[str]) -> dict[str, list[str]]:
    """The targets of a column, with 0 and 1 instead of its words."""
    if not words:
        return {name: cells}
    lower = [cell.strip().lower() for cell in cells]
    if len(words) == 2:
        number = {words[0].lower(): "0", words[1].lower(): "1"}
        return {name: [number.get(word, cell) for word, cell in zip(lower, cells, strict=True)]}
    return {
        class_name(name, word): ["" if one in _ABSENT else str(int(one == word.lower())) for one in lower]
        for word in words
    }


def _unknown(words: Sequence[str], cells: Sequence[str]) -> list[str]:
    """Why a cell of a column of words cannot be read, or empty."""
    known = {word.lower() for word in words} | _ABSENT | ({"0", "1"} if len(words) == 2 else set())
    if not words:
        return [""] * len(cells)
    shown = " and ".join(map(repr, words)) if len(words) < 4 else f"{words[0]!r}, {words[1]!r}, ..."
    return [
        "" if cell.strip().lower() in known else f"{cell.strip()!r} is none of the classes {shown}"
        for cell in cells
    ]


def _with_positive(words: dict[str, tuple[str, ...]], positive: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """With these words for 1."""
    found = dict(words)
    for word in positive:
        owners = [
            name
            for name, own in found.items()
            if len(own) == 2 and word.strip().lower() in [one.lower() for one in own]
        ]
        if not owners:
            two = [f"{name!r} has {own[0]!r} and {own[1]!r}" for name, own in found.items() if len(own) == 2]
            raise ConfigError(
                f"no target of two words has the word {word!r}", "; ".join(two) or "there is no such target"
            )
        for name in owners:
            no, yes = found[name]
            found[name] = (no, yes) if yes.lower() == word.strip().lower() else (yes, no)
    return found


def _words(name: str, cells: Sequence[str]) -> tuple[str, ...] | None:
    """What a column without any number says of molecules that are not in the class, and of those that are;
    or the several classes."""
    present = {cell.strip().lower(): cell.strip() for cell in reversed(cells)}
    words = sorted(present.keys() - _ABSENT)
    if words == ["+"] and "-" in present:
        return "-", "+"
    if not words or any(_is_value(word) or looks_like_number(word) for word in words):
        return None
    if len(words) == 1:
        raise DataError(f"all of {name!r} are {present[words[0]]!r}: there is nothing to learn")
    if len(words) > 2:
        counts = Counter(cell.strip().lower() for cell in cells)
        often = [word for word in words if counts[word] >= FEWEST_OF_CLASS]
        if not 2 <= len(often) <= MAX_CLASSES:
            shown = ", ".join(repr(present[word]) for word in words[:4]) + (", ..." if len(words) > 4 else "")
            raise DataError(
                f"{name!r} has {len(words)} different words ({shown}), {len(often)} of them in "
                f"{FEWEST_OF_CLASS} rows or more; classes are 2 to {MAX_CLASSES} such words",
                "name the column of the values by --target; join rare classes",
            )
        words = often
    if len(words) > 2:
        return tuple(present[word] for word in words)
    first, second = words
    signed = first.endswith("+") and second == first.removesuffix("+") + "-"
    if signed or second in _NO or second in [prefix + first for prefix in _NOT]:
        first, second = second, first
    return present[first], present[second]


def looks_like_number(text: str) -> bool:
    """Whether it is no word, but a number with more than there should be: 1,5 and <10 uM and 20 %."""
    return _QUANTITY.fullmatch(text.strip().lower()) is not None


def _is_value(text: str) -> bool:
    try:
        measured_value(text)
    except ValueError:
        return False
    return True


def measured_value(cell: str) -> tuple[float, int]:
    """A value and whether it is a limit."""
    text = cell.strip()
    if text.lower() in _ABSENT:
        return np.nan, 0
    sign = 0
    if found := _CENSORED.match(text):
        sign, text = (-1 if found[1] in "<=≤" else 1), found[2]
    try:
        value = float(text)
    except ValueError:
        comma = "; write decimals with a point" if re.fullmatch(r"[+-]?\d+,\d+", text.strip()) else ""
        raise ValueError(f"{cell!r} is not a number{comma}") from None
    if not np.isfinite(value):
        raise ValueError(f"{cell!r} is not a finite number")
    return value, sign


def written(value: float, limit: int) -> str:
    """A value as a table has it: 5, <5 or >5."""
    return f"{('', '>', '<')[limit]}{value:.6g}"


def is_class(values: np.ndarray) -> bool:
    """Whether measured values say that molecules are in a class or are not: each is 0 or 1."""
    return set(np.unique(values).tolist()) <= {0.0, 1.0}


class Strings(NamedTuple):
    """Columns of a table as they are written.

    Attributes:
        columns: by name; absent cells are empty strings.
        errors: of each row, why it cannot be read, or empty; its cells are then empty.
        raw: of each such row its beginning as it is written.
    """

    columns: dict[str, list[str]]
    errors: list[str]
    raw: list[str]


def read_strings(path: Path, names: Sequence[str]) -> Strings:
    """Columns of a table that is held in memory whole.

    Raises:
        DataError: no such file, a damaged one, or two columns of one name.
        ConfigError: a column that the file does not have.
        UnsupportedError: more than a million rows, or than 2^28 characters in the columns.
    """
    names = list(dict.fromkeys(names))
    columns: dict[str, list[str]] = {name: [] for name in names}
    errors: list[str] = []
    raw: list[str] = []
    for row in bounded(read_rows(path, names), path, lambda row: sum(map(len, row.cells))):
        errors.append(row.error)
        raw.append(row.raw)
        for name, cell in zip(names, row.cells, strict=True):
            columns[name].append(cell)
    return Strings(columns, errors, raw)


def bounded[T](rows: Iterable[T], path: Path, size: Callable[[T], int]) -> Iterator[T]:
    """The rows, up to as many as may be held in memory.

    Args:
        rows: of the file.
        path: the file.
        size: characters of a row.

    Raises:
        UnsupportedError: more than that.
    """
    total = 0
    for number, row in enumerate(rows, start=1):
        total += size(row)
        if number > MAX_ROWS or total > MAX_CHARACTERS:
            raise UnsupportedError(
                f"{name_of(path)} is too large to be read at once: more than {MAX_ROWS} rows, or "
                f"{MAX_CHARACTERS} characters in the columns asked for",
                "take a part of it; adiabat screen reads files of any size",
            )
        yield row
