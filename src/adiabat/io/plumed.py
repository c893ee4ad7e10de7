"""Tables in the format of PLUMED's COLVAR and HILLS files (doi 10.1016/j.cpc.2013.09.018).

They are in PLUMED's units: ps, nm, kJ/mol, rad; in memory there are fs, Å, eV, rad.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adiabat.base import DataError
from adiabat.base.files import atomic_write, write_errors
from adiabat.base.units import KJ_PER_MOL

COLVAR, HILLS = "COLVAR", "HILLS"
# What one of our units is in PLUMED's.
_FACTORS = {"fs": 1e-3, "Å": 0.1, "Å^2": 0.01, "eV": 1 / KJ_PER_MOL}
_UNITS = "# units: time ps, length nm, energy kJ/mol, angle rad"
_PI = {"pi": math.pi, "-pi": -math.pi, "+pi": math.pi, "2pi": 2 * math.pi}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: a word.
        unit: of the values in memory; "" for numbers without one.
        period: by which they repeat, around zero; None if they do not.
    """

    name: str
    unit: str = ""
    period: float | None = None


@dataclass(frozen=True)
class PlumedTable:
    """What a file holds, in the file's units.

    Attributes:
        columns: values by name, each of shape (n_rows,), in the order of the file.
        settings: what the file says of them, as text, such as `min_phi`.
    """

    columns: dict[str, np.ndarray]
    settings: dict[str, str]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise DataError(f"the table has no column {name!r}", f"it has {', '.join(self.columns)}")
        return self.columns[name]

    def period(self, name: str) -> float | None:
        """By which a column repeats; None if it does not.

        Raises:
            DataError: its bounds are no numbers.
        """
        ends = [self.settings.get(f"{end}_{name}") for end in ("min", "max")]
        return None if None in ends else _number(str(ends[1])) - _number(str(ends[0]))


class PlumedWriter:
    """Writes a table from its beginning, and appends to it.

    Args:
        path: the file, which is replaced.
        columns: the first is the time.
        settings: written below the names.
        rows: to begin with, shape (n_rows, n_columns), in the units of the columns.

    Raises:
        DataError: the file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        columns: Sequence[Column],
        settings: Mapping[str, str] | None = None,
        rows: np.ndarray | None = None,
    ):
        self.path = Path(path)
        self._factors = np.array([plumed_unit(column.unit) for column in columns])
        lines = ["#! FIELDS " + " ".join(column.name for column in columns)]
        lines += [f"#! SET {name} {value}" for name, value in (settings or {}).items()]
        for column in columns:
            if column.period is not None:
                lines += [f"#! SET min_{column.name} {_bound(-0.5 * column.period)}"]
                lines += [f"#! SET max_{column.name} {_bound(0.5 * column.period)}"]
        lines.append(_UNITS)  # a comment, which PLUMED passes over
        start = np.zeros((0, len(columns))) if rows is None else rows
        self.n_rows = len(start)
        atomic_write(self.path, "".join(f"{line}\n" for line in lines) + self._text(start))

    def append(self, rows: np.ndarray) -> None:
        """Adds rows at the end.

        Raises:
            DataError: the disk is full.
        """
        if len(rows):
            with write_errors(self.path), self.path.open("a", encoding="utf-8") as file:
                file.write(self._text(rows))
            self.n_rows += len(rows)

    def _text(self, rows: np.ndarray) -> str:
        scaled = np.asarray(rows) * self._factors
        return "".join(f" {' '.join(f'{value:.12g}' for value in row)}\n" for row in scaled)


def plumed_unit(unit: str) -> float:
    """What one of a unit in memory is in the unit that PLUMED has for it."""
    return _FACTORS.get(unit, 1.0)


def read_plumed(path: str | os.PathLike) -> PlumedTable:
    """A COLVAR or HILLS file of PLUMED or of adiabat, in the file's units.

    A last line that breaks off, as a killed program leaves it, is left out.

    Raises:
        DataError: the file cannot be read, has no names of columns, or a line does not fit them.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not a text'}") from error
    names: list[str] = []
    settings: dict[str, str] = {}
    rows: list[list[float]] = []
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words[:2] == ["#!", "FIELDS"]:
            # A program that went on with a file writes them again.
            if names and names != words[2:]:
                raise DataError(f"{path}, line {number}: the columns change", "split the file there")
            names = words[2:]
        elif words[:2] == ["#!", "SET"] and len(words) > 3:
            settings[words[2]] = " ".join(words[3:])
        elif words and not words[0].startswith("#"):
            if number == len(lines) and not line.endswith("\n"):
                break
            rows.append(_row(words, names, path, number))
    if not names:
        raise DataError(f"{path} has no line '#! FIELDS ...'", "it is no COLVAR or HILLS file")
    values = np.array(rows, np.float64).reshape(len(rows), len(names))
    return PlumedTable({name: values[:, k].copy() for k, name in enumerate(names)}, settings)


def _row(words: list[str], names: list[str], path: str | os.PathLike, number: int) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise DataError(f"{path}, line {number}: {' '.join(words)[:60]!r} are no numbers") from error
    if len(values) != len(names):
        raise DataError(f"{path}, line {number} has {len(values)} numbers for {len(names)} columns")
    return values


def _number(text: str) -> float:
    try:
        return _PI[text] if text in _PI else float(text)
    except ValueError as error:
        raise DataError(f"{text!r} is no number") from error


def _bound(value: float) -> str:
    for text, number in (("-pi", -math.pi), ("pi", math.pi)):
        if abs(value - number) < 1e-12:
            return text
    return f"{value:.12g}"
