"""Measured affinities on one scale: pK, minus the decadic logarithm of a dissociation constant in mol/L."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import constants

from adiabat.base import ConfigError, DataError
from adiabat.base.errors import did_you_mean
from adiabat.properties.table import Rejected, columns_of_relations, measured_value, read_strings

TEMPERATURE = 298.15
"""At which free energies are turned into constants [K]."""
KCAL_PER_PK = constants.R * TEMPERATURE * math.log(10) / (1e3 * constants.calorie)
"""Of binding free energy in one unit of pK, 1.364 kcal/mol."""

_MOLAR = {"M": 1.0, "mM": 1e-3, "uM": 1e-6, "µM": 1e-6, "μM": 1e-6, "nM": 1e-9, "pM": 1e-12}
_LOGARITHMS = ("pK", "pKd", "pKi", "pIC50", "pEC50")
_ENERGIES = {"kcal/mol": KCAL_PER_PK, "kJ/mol": KCAL_PER_PK * constants.calorie}
UNITS = (*_MOLAR, *_LOGARITHMS, *_ENERGIES)
# From a hydrogen bond in water to more than biotin and streptavidin (pK 14).
_POSSIBLE = 0.0, 16.0


@dataclass(frozen=True)
class Known:
    """Measured affinities of ligands.

    Attributes:
        values: pK by the name of the ligand.
        rejected: rows that are left out.
        notes: what was done to the values, in sentences.
    """

    values: dict[str, float]
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, names: Sequence[str]) -> np.ndarray:
        """The values of ligands, NaN where there is none, shape (n_ligands,)."""
        return np.array([self.values.get(name, np.nan) for name in names])


def to_pk(value: float, unit: str) -> float:
    """An affinity as pK: -log10 of a concentration in mol/L, or -dG / (R T ln 10) at 298.15 K.

    Args:
        value: a constant of dissociation or inhibition, its negative logarithm, or a free energy of binding.
        unit: M, mM, uM, nM, pM; pK, pKd, pKi, pIC50, pEC50; kcal/mol, kJ/mol.

    Raises:
        ConfigError: another unit.
        DataError: a concentration that is not positive, or a pK outside of 0 to 16.
    """
    if unit in _MOLAR:
        if not value > 0:
            raise DataError(f"{value:g} {unit} is no concentration", "it must be positive")
        found = -math.log10(value * _MOLAR[unit])
    elif unit in _LOGARITHMS:
        found = value
    elif unit in _ENERGIES:
        found = -value / _ENERGIES[unit]
    else:
        raise ConfigError(f"{unit!r} is no unit of an affinity", did_you_mean(unit, UNITS))
    if not _POSSIBLE[0] <= found <= _POSSIBLE[1]:
        sign = "; free energies of binding are negative" if unit in _ENERGIES and value > 0 else ""
        raise DataError(f"{value:g} {unit} is pK {found:.3g}, which no ligand has", f"is it the unit?{sign}")
    return found


def read_known(path: str | Path, *, value: str, unit: str, name: str = "name") -> Known:
    """Affinities from a table (CSV, TSV or Parquet). What cannot be used is left out with the reason; of
    several values of a ligand the median in pK is taken.

    Args:
        path: the file.
        value: its column of values.
        unit: of all values, or the column that has the unit of each.
        name: the column of names, as the ligands' file has them.

    Raises:
        DataError: no such file, or no row that can be used.
        ConfigError: a column or unit that does not exist.
    """
    by_row = unit not in UNITS
    try:
        columns, errors, _ = read_strings(Path(path), [name, value, *([unit] if by_row else [])])
    except ConfigError as error:
        if by_row and f"no column {unit!r}" in error.message:
            raise ConfigError(
                f"{unit!r} is neither a unit of an affinity nor a column of {path}",
                f"units are {', '.join(UNITS)}",
            ) from error
        raise
    units = columns[unit] if by_row else [unit] * len(columns[name])
    known = known_of(columns[name], columns[value], units, str(path), errors)
    told = tuple(
        f"the column {column} has signs of limits (< or >) and is not looked at: all values count as exact; "
        "limits cannot be ranked, leave such rows out"
        for column in columns_of_relations(path, list(columns))
    )
    return replace(known, notes=(*told, *known.notes))


def known_of(
    names: Sequence[str],
    cells: Sequence[str],
    units: Sequence[str],
    source: str,
    errors: Sequence[str] = (),
) -> Known:
    """The same from cells as they are written; `source` is named in errors. What could not be read has one of
    `errors`."""
    found: dict[str, list[float]] = {}
    rejected: list[Rejected] = []
    for row, (name, cell, unit) in enumerate(zip(names, cells, units, strict=True), start=1):
        try:
            if errors and errors[row - 1]:
                raise ValueError(errors[row - 1])
            number, limit = measured_value(cell)
            if math.isnan(number):
                continue
            if limit:
                raise ValueError(f"{cell!r} is a limit, which cannot be ranked")
            value = to_pk(number, unit.strip())
            found.setdefault(name.strip(), []).append(value)
        except (ValueError, DataError, ConfigError) as error:
            rejected.append(Rejected(row, name, getattr(error, "message", str(error))))
    if not found:
        why = f"row {rejected[0].row}: {rejected[0].reason}" if rejected else "all its cells are empty"
        raise DataError(f"{source} has no affinity that can be used; {why}", f"units are {', '.join(UNITS)}")
    return Known({n: float(np.median(v)) for n, v in found.items()}, tuple(rejected), _notes(found, units))


def check_varied(values: np.ndarray, what: str) -> None:
    """Refuses values that nothing can be ranked by.

    Args:
        values: pK, shape (n_ligands,); NaN where there is none.
        what: the ligands, for the message.

    Raises:
        DataError: all values are equal.
    """
    known = values[~np.isnan(values)]
    if len(known) > 1 and np.ptp(known) == 0:
        raise DataError(f"all affinities of {what} are {known[0]:g}: there is nothing to rank")


def _notes(found: Mapping[str, Sequence[float]], units: Sequence[str]) -> tuple[str, ...]:
    used = sorted({unit.strip() for unit in units})
    notes = []
    if set(used) - {"pK"}:
        notes.append(f"affinities in {', '.join(used)} became pK = -log10(K in mol/L)")
    if set(used) & set(_ENERGIES):
        notes.append(f"free energies became pK = -dG / (R T ln 10) at {TEMPERATURE} K")
    if repeated := [name for name, values in found.items() if len(values) > 1]:
        notes.append(f"of several values the median was taken: {', '.join(repeated[:5])}")
    if set(used) & {"pIC50", "pEC50"}:
        notes.append("IC50 and EC50 depend on the assay: only values of one assay can be compared")
    return tuple(notes)
