"""Tables of the embedded-atom method in the files of DYNAMO: setfl and funcfl."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import ase.data
import numpy as np

from adiabat.base import DataError

# Of files somebody else made: no real table comes near.
_MOST_BYTES = 200_000_000
_MOST_POINTS = 1_000_000
# e^2 [eV Å] in the unit of Z(r), as DYNAMO and LAMMPS have it: 27.2 eV times 0.529 Å.
_COULOMB = 27.2 * 0.529


class Tables(NamedTuple):
    """What such a file holds, as `EmbeddedAtom` takes it."""

    elements: tuple[int, ...]
    embedding: np.ndarray
    density: np.ndarray
    pair: np.ndarray
    density_step: float
    distance_step: float
    cutoff: float


def read_dynamo(path: str | os.PathLike) -> Tables:
    """The tables in a setfl file (`.eam.alloy`) or a funcfl file (`.eam`, one element).

    They are told apart by their third and fourth lines: a funcfl file has the sizes of its tables in the
    third, a setfl file the symbols of its elements in the fourth.

    Raises:
        DataError: not such a file, or damaged; the message names the line.
    """
    file = _File(Path(path))
    return _funcfl(file) if file.looks_like_funcfl() else _setfl(file)


class _Grid(NamedTuple):
    densities: int
    density_step: float
    distances: int
    distance_step: float
    cutoff: float


class _File:
    """The words of a text file in order, each known by its line."""

    def __init__(self, path: Path):
        self.path = path
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise DataError(f"{path} has more than {_MOST_BYTES // 10**6} MB: no table is as large")
            self.lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
        self.at = 0

    def fail(self, line: int, message: str) -> NoReturn:
        """Raise a DataError about a line, counted from 0."""
        raise DataError(
            f"{self.path}, line {line + 1}: {message}",
            "expected a table of the embedded-atom method, setfl (.eam.alloy) or funcfl (.eam)",
        )

    def looks_like_funcfl(self) -> bool:
        """Whether sizes of tables stand in the third line, and no symbols of elements in the fourth."""
        sizes, after = ([*self.lines, "", "", "", ""][line].split() for line in (2, 3))
        named = len(after) > 1 and after[1] in ase.data.atomic_numbers
        return len(sizes) >= 5 and all(math.isfinite(_float(word)) for word in sizes[:5]) and not named

    def words(self, at_least: int) -> list[str]:
        """The words of the next line."""
        line = self.at
        if line >= len(self.lines):
            self.fail(line, "the file ends too early")
        self.at += 1
        found = self.lines[line].split()
        if len(found) < at_least:
            self.fail(line, f"expected {at_least} words, found {len(found)}")
        return found

    def grid(self) -> _Grid:
        """The line that says how long the tables are."""
        words = self.words(5)
        densities, distances = (self.whole(words[k], 5, _MOST_POINTS) for k in (0, 2))
        steps = [self.number(words[k]) for k in (1, 3, 4)]
        if min(steps) <= 0:
            self.fail(self.at - 1, "steps and cut-off must be positive")
        density_step, distance_step, cutoff = steps
        if cutoff > distances * distance_step * 1.001:
            self.fail(
                self.at - 1,
                f"the cut-off {cutoff:g} Å lies beyond the table's {distances} x {distance_step:g} Å",
            )
        return _Grid(densities, density_step, distances, distance_step, cutoff)

    def number(self, word: str) -> float:
        """A finite number of the line read last."""
        value = _float(word)
        if not math.isfinite(value):
            self.fail(self.at - 1, f"{word[:40]!r} is not a finite number")
        return value

    def whole(self, word: str, least: int, most: int) -> int:
        """A whole number of the line read last."""
        if not (word.isascii() and word.isdigit() and len(word) < 10 and least <= int(word) <= most):
            self.fail(self.at - 1, f"expected a whole number of {least} to {most}, found {word[:40]!r}")
        return int(word)

    def table(self, length: int) -> np.ndarray:
        """The next numbers, on as many lines as they take."""
        values: list[float] = []
        while len(values) < length:
            values += [self.number(word) for word in self.words(0)]
        if len(values) > length:
            self.fail(self.at - 1, f"a table of {length} numbers should end with this line")
        return np.array(values)


def _setfl(file: _File) -> Tables:
    file.at = 3  # comments
    words = file.words(2)
    n = file.whole(words[0], 1, 50)
    symbols = words[1 : n + 1]
    if len(symbols) != n or len(set(symbols)) != n:
        file.fail(file.at - 1, f"expected the symbols of {n} different elements")
    unknown = [symbol for symbol in symbols if symbol not in ase.data.atomic_numbers]
    if unknown:
        file.fail(file.at - 1, f"{unknown[0][:20]!r} is no element")
    grid = file.grid()
    embedding, density = [], []
    for _ in symbols:
        file.words(2)  # atomic number, mass, lattice
        embedding.append(file.table(grid.densities))
        density.append(file.table(grid.distances))
    pair = np.zeros((n, n, grid.distances))
    for i, j in _lower_triangle(n):
        pair[i, j] = pair[j, i] = file.table(grid.distances)
    numbers = tuple(ase.data.atomic_numbers[symbol] for symbol in symbols)
    return _tables(numbers, np.array(embedding), np.array(density), pair, grid)


def _funcfl(file: _File) -> Tables:
    file.at = 1  # a comment
    number = file.whole(file.words(2)[0], 1, 118)
    grid = file.grid()
    embedding = file.table(grid.densities)
    charge = file.table(grid.distances)
    density = file.table(grid.distances)
    return _tables((number,), embedding[None], density[None], _COULOMB * charge[None, None] ** 2, grid)


def _tables(
    numbers: tuple[int, ...], embedding: np.ndarray, density: np.ndarray, pair: np.ndarray, grid: _Grid
) -> Tables:
    return Tables(numbers, embedding, density, pair, grid.density_step, grid.distance_step, grid.cutoff)


def _lower_triangle(n: int) -> Iterator[tuple[int, int]]:
    return ((i, j) for i in range(n) for j in range(i + 1))


def _float(word: str) -> float:
    """A number as C or Fortran writes it; not a number if it is none."""
    try:
        return float(word.replace("D", "E").replace("d", "e")) if "_" not in word else math.nan
    except ValueError:
        return math.nan
