"""What a measured value depends on beside the molecule: a temperature, an assay, a solvent."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adiabat.base import AdiabatError, ConfigError, DataError
from adiabat.base.units import parse
from adiabat.properties.descriptors import descriptor_names, descriptors
from adiabat.properties.embedding import embedding, embedding_digest, embedding_width
from adiabat.properties.quantum import QUANTUM_NAMES, quantum
from adiabat.properties.standardize import Standardizer
from adiabat.properties.table import looks_like_number

if TYPE_CHECKING:
    from adiabat.data.labelers import LabelCache

MAX_LEVELS = 50
# Shares of numbers in a column of numbers: with any others, and with numbers that have a unit.
_NUMBERS, _SOME_NUMBERS = 0.9, 0.5
# Names of columns of temperatures in °C; and what is colder than nearly all liquids [K].
_CELSIUS = re.compile(r"°\s*C|℃|celsius|deg\w*[ _.]?C\b|[\[(_,/ ]C[\])]?$", re.IGNORECASE)
_COLDEST = 150.0


class Input(NamedTuple):
    """A column that is given along with each molecule.

    Attributes:
        name: of the column.
        kind: a "number", a "temperature", one of several "levels", a "molecule" as SMILES (a solvent), known
            by its descriptors, or what is computed of the molecule itself: "quantum" by GFN2-xTB, "embedding"
            by the learned potential that comes with adiabat.
        levels: the words of the column, sorted; of an embedding, which potential it was.
    """

    name: str
    kind: str
    levels: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many numbers it becomes."""
        return {
            "number": 1,
            "temperature": 1,
            "levels": len(self.levels),
            "molecule": len(descriptor_names()),
            "quantum": len(QUANTUM_NAMES),
            "embedding": embedding_width() if self.kind == "embedding" else 0,
        }[self.kind]

    @property
    def is_computed(self) -> bool:
        """Whether it needs no column but the molecule."""
        return self.kind in _COMPUTED


_COMPUTED = {"quantum": quantum, "embedding": embedding}
# Where what is computed is kept, see `keeping`.
_kept: ContextVar["LabelCache | None"] = ContextVar("kept", default=None)


def computed_inputs(*, xtb: bool, embedding: bool) -> tuple[Input, ...]:
    """What is computed of molecules, for all that models are given beside them."""
    found = (Input("GFN2-xTB", "quantum"),) if xtb else ()
    return (*found, Input("learned potential", "embedding", (embedding_digest(),))) if embedding else found


def compute(inputs: Sequence[Input], molecule: str) -> None:
    """Computes what is computed of a standardized molecule, and remembers it.

    Raises:
        AdiabatError: what cannot be.
    """
    for one in inputs:
        if one.is_computed:
            _computed(one, molecule)


@contextmanager
def keeping(path: str | os.PathLike) -> Iterator[None]:
    """Writes what is computed of molecules meanwhile into a file, and takes what is there from it: what was
    broken off does not compute it again.

    Args:
        path: of a file of JSON lines; made where there is none.

    Raises:
        DataError: it cannot be written, or the disk is full.
    """
    from adiabat.data.labelers import LabelCache

    with LabelCache(path) as kept:
        before = _kept.set(kept)
        try:
            yield
        finally:
            _kept.reset(before)


def _computed(one: Input, molecule: str) -> tuple[float, ...]:
    """What is computed of a standardized molecule."""
    kept, key = _kept.get(), " ".join([one.kind, *one.levels, molecule])
    if kept is None:
        return _COMPUTED[one.kind](molecule)
    known = (kept.get(key) or {}).get("values")
    if not (isinstance(known, list) and len(known) == one.width):
        known = list(_COMPUTED[one.kind](molecule))
        kept.put(key, {"values": known})
    return tuple(known)


def with_molecules(
    inputs: Sequence[Input], columns: Mapping[str, Sequence[str]], molecules: Sequence[str]
) -> dict[str, Sequence[str]]:
    """The columns with those of what is computed, which hold the standardized molecules themselves."""
    return {**columns, **{one.name: molecules for one in inputs if one.is_computed}}


def find_inputs(
    columns: Mapping[str, Sequence[str]],
    names: Sequence[str],
    molecules: Sequence[str] = (),
    temperatures: Sequence[str] = (),
) -> tuple[Input, ...]:
    """What the columns are: molecules and temperatures where the caller says so, numbers if all cells are,
    else levels.

    Args:
        columns: cells by name.
        names: of the inputs.
        molecules: which of them are SMILES strings.
        temperatures: which of them are temperatures, in K or with their unit (25 °C). They are known by
            1000 K/T, in which the logarithms of rate and equilibrium constants are about linear (Arrhenius,
            van 't Hoff).

    Raises:
        DataError: an empty cell, more than 50 different words, one word throughout, or temperatures without a
            unit that are most likely in °C.
    """
    return tuple(
        _input(
            name,
            [cell.strip() for cell in columns[name]],
            "molecule" if name in molecules else "temperature" if name in temperatures else "",
        )
        for name in names
    )


def bad_cells(
    columns: Mapping[str, Sequence[str]],
    names: Sequence[str],
    molecules: Sequence[str] = (),
    temperatures: Sequence[str] = (),
) -> dict[int, str]:
    """Cells of training that are not what their column is of, by their place, with the reason: no
    temperature, no molecule, or no number where nearly all others are one. A column of nine in ten numbers,
    or of numbers and numbers with a unit, is one of numbers.

    Args:
        columns, names, molecules, temperatures: as of `find_inputs`.
    """
    found: dict[int, str] = {}
    for name in names:
        cells = [cell.strip() for cell in columns[name]]
        kind = "molecule" if name in molecules else "temperature" if name in temperatures else "number"
        if kind == "number" and not _of_numbers(cells):
            continue
        reasons = {}
        for cell in dict.fromkeys(cells):
            try:
                _encoded(Input(name, kind), [cell])
            except DataError as error:
                reasons[cell] = error.message
        found |= {k: reasons[cell] for k, cell in enumerate(cells) if cell in reasons and k not in found}
    return found


def _of_numbers(cells: Sequence[str]) -> bool:
    """Whether a column is one of numbers, with slips."""
    other = [cell for cell in cells if not _is_number(cell)]
    share = 1 - len(other) / len(cells)
    return share >= _NUMBERS or (share >= _SOME_NUMBERS and all(map(looks_like_number, other)))


def encode(
    inputs: Sequence[Input],
    columns: Mapping[str, Sequence[str]],
    count: int,
    rows: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """The columns as numbers, shape (count, n_numbers), float32.

    Args:
        inputs: of the model.
        columns: cells as they are written, by name.
        count: how many there are of each.
        rows: numbers of the cells in their file, for errors.

    Raises:
        ConfigError: a column is not there, or an embedding is by another potential.
        DataError: a cell that its column did not have in training; also, like
            the others of `quantum` and `embedding`, a molecule that one of them cannot treat.
    """
    missing = [one.name for one in inputs if one.name not in columns]
    if missing:
        raise ConfigError(f"the model needs a column {missing[0]!r}", "it was trained with one")
    parts = [_encoded(one, columns[one.name], rows) for one in inputs]
    return np.concatenate([np.zeros((count, 0), np.float32), *parts], axis=1)


def _input(name: str, cells: list[str], kind: str) -> Input:
    if "" in cells:
        raise DataError(f"the column {name!r} has empty cells", "an input must be known for each molecule")
    words = sorted(set(cells))
    if kind == "molecule":
        return Input(name, kind, tuple(words))
    if len(words) == 1:
        raise DataError(f"the column {name!r} says {words[0]!r} of all molecules", "it is no input then")
    if kind:
        _check_kelvin(name, words)
        return Input(name, kind)
    if all(map(_is_number, words)):
        return Input(name, "number")
    if len(words) > MAX_LEVELS:
        raise DataError(
            f"the column {name!r} has {len(words)} different words, at most {MAX_LEVELS}",
            "numbers must be without units; a solvent is given as SMILES by --solvent",
        )
    return Input(name, "levels", tuple(words))


def _check_kelvin(name: str, cells: Sequence[str]) -> None:
    """Refuses temperatures without a unit that are most likely in °C: so the name says, or they are all lower
    than liquids are.

    Raises:
        DataError: such.
    """
    bare = [float(cell) for cell in cells if _is_number(cell)]
    if bare and (_CELSIUS.search(name) or max(bare) < _COLDEST):
        raise DataError(
            f"the column {name!r} has temperatures of {min(bare):g} to {max(bare):g} without a unit, which "
            "would be K",
            'write the unit into the cells, "25 °C" or "25 K"',
        )


def _encoded(one: Input, cells: Sequence[str], rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
    if one.kind == "embedding" and one.levels != (embedding_digest(),):
        raise ConfigError(
            "the model was trained with another learned potential than comes with this adiabat",
            "train it again, or install the version of adiabat that it was trained with",
        )
    found = np.zeros((len(cells), one.width), np.float32)
    known: dict[str, Any] = {}
    for row, cell in enumerate(text.strip() for text in cells):
        where = "" if rows is None else f"row {rows[row]}: "
        if one.kind == "number":
            if not _is_number(cell):
                raise DataError(f"{where}{one.name} is {cell!r}, not a number")
            found[row] = float(cell)
        elif one.kind == "temperature":
            found[row] = _reciprocal(cell, f"{where}{one.name}")
        elif one.kind == "levels":
            if cell not in one.levels:
                said = f"{where}{one.name} is {cell!r}, which training did not have"
                raise DataError(said, f"the model knows {', '.join(one.levels)}")
            found[row, one.levels.index(cell)] = 1.0
        else:
            if cell not in known:
                if one.is_computed:
                    known[cell] = _computed(one, cell)
                else:
                    known[cell] = _of_molecule(cell, f"{where}{one.name}")
            found[row] = known[cell]
    return found


def _of_molecule(text: str, name: str) -> np.ndarray:
    try:
        return descriptors([Standardizer(salts=True, charges=True)(text)])[0]
    except AdiabatError as error:
        raise DataError(f"{name}: {error.message}") from error


def _reciprocal(cell: str, name: str) -> float:
    """1000 K/T of a temperature in K, or with its unit."""
    try:
        temperature = parse(cell, "temperature")
    except ConfigError as error:
        raise DataError(f"{name}: {error.message}", error.hint) from error
    if temperature <= 0:
        raise DataError(f"{name} is {cell}, a temperature is above 0 K")
    return 1000 / temperature


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
