"""From the rows of a table to one row for each molecule."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from adiabat.base import AdiabatError, DataError
from adiabat.properties.standardize import Standardizer
from adiabat.properties.table import Rejected, Table, is_class, written

# Rows of one molecule farther apart than this many robust standard deviations of the column are in conflict.
CONFLICT = 0.5
# Limits are looked at beside so many exact values or more; they are odd so many of their ranges beyond them,
# where up to this share of all are; else where they are beyond so many.
_FEWEST, _FAR, _FEW, _ABSURD = 10, 3.0, 0.05, 1000.0
_AS_OFTEN = "as often in the class as not"


class Conflict(NamedTuple):
    """Rows that say different things of one molecule.

    Attributes:
        smiles: of the molecule.
        target: what they are of.
        rows: all that say something of it.
        values: theirs.
        limits: of which the true value is below (-1) or above (1), as of `Table`.
    """

    smiles: str
    target: str
    rows: tuple[int, ...]
    values: tuple[float, ...]
    limits: tuple[int, ...]

    @property
    def written(self) -> tuple[str, ...]:
        """The values as a table has them."""
        return tuple(map(written, self.values, self.limits))


@dataclass(frozen=True)
class Curation:
    """What was made of a table.

    Attributes:
        table: one row for each molecule, with standardized SMILES; rows that could not be used are in
            `table.rejected`.
        merged: how many rows were joined with another of the same molecule.
        changed: how many SMILES stand for another molecule than was written: a salt, a charge.
        conflicts: where rows disagree; the median is taken, of contradicting limits nothing.
    """

    table: Table
    merged: int
    changed: int
    conflicts: tuple[Conflict, ...]


def curate(
    table: Table,
    standardize: Callable[[str], str],
    *,
    keep: tuple[str, ...] = (),
    changes: Callable[[str, str], bool] = Standardizer().changes,
) -> Curation:
    """Standardizes molecules and joins the rows of each: `rewritten`, then `joined`.

    Args:
        table: as read.
        standardize: a canonical SMILES of one; raises for what cannot be used.
        keep: names of columns that tell measurements of one molecule apart.
        changes: whether the second SMILES stands for something else than was written in the first; by default
            for another molecule.

    Raises:
        DataError: no molecule is left.
    """
    return joined(rewritten(table, standardize, changes=changes), keep=keep)


def rewritten(
    table: Table,
    standardize: Callable[[str], str],
    *,
    changes: Callable[[str, str], bool] = Standardizer().changes,
) -> Curation:
    """All rows that can be used, each with its standardized SMILES.

    Args:
        table, standardize, changes: as of `curate`.

    Raises:
        DataError: no molecule is left.
    """
    rejected, names, rows = list(table.rejected), [], []
    changed = 0
    for row, text in enumerate(table.smiles):
        try:
            smiles = standardize(text)
        except AdiabatError as error:
            rejected.append(Rejected(int(table.rows[row]), text, error.message))
            continue
        changed += changes(text, smiles)
        names.append(smiles)
        rows.append(row)
    if not rows:
        why = f"row {rejected[0].row}: {rejected[0].reason}"
        raise DataError(f"none of the {len(table)} molecules can be used; {why}")
    table = replace(table.taken(rows), smiles=tuple(names), rejected=_sorted(rejected))
    return Curation(table, 0, changed, ())


def joined(found: Curation, *, keep: tuple[str, ...] = ()) -> Curation:
    """One row for each molecule.

    A value is the median of those measured, a class that of most rows; limits count only where nothing else
    is known, the tightest of them. A molecule that is as often in a class as it is not, or in another, is
    left out, as is one that is below a limit and above a higher one. Rows that differ in a column of `keep`
    (a solvent, a temperature) are different measurements.

    Args:
        found: as of `rewritten`.
        keep: names of columns that tell measurements of one molecule apart.
    """
    table = found.table
    places: dict[tuple[str, ...], list[int]] = {}
    for row, smiles in enumerate(table.smiles):
        places.setdefault((smiles, *(str(table.columns[name][row]) for name in keep)), []).append(row)
    widths = np.array([_width(column) for column in np.where(table.limits == 0, table.values, np.nan).T])
    groups = list(places.values())
    done = table.taken([rows[0] for rows in groups])
    values, limits, conflicts = done.values.copy(), done.limits.copy(), list(found.conflicts)
    undecided: dict[int, str] = {}
    classes = [is_class(column[~np.isnan(column)]) for column in table.values.T]
    several = [list(own.values()) for own in table.several.values()]
    among = set().union(*several)
    for number, ((smiles, *_), rows) in enumerate(places.items()):
        for target, name in enumerate(table.targets):
            known, signs = table.values[rows, target], table.limits[rows, target]
            values[number, target], limits[number, target] = _joined(known, signs)
            if classes[target] and target not in among and values[number, target] == 0.5:
                values[number, target] = np.nan
                undecided[number] = _AS_OFTEN
            elif len(rows) > 1 and np.isnan(values[number, target]) and not np.isnan(known).all():
                undecided[number] = "limits contradict each other"
            if _apart(known, signs) > CONFLICT * widths[target]:
                said = np.flatnonzero(~np.isnan(known))
                numbers = tuple(int(table.rows[rows[k]]) for k in said)
                own = tuple(known[said].tolist()), tuple(signs[said].tolist())
                conflicts.append(Conflict(smiles, name, numbers, *own))
        for own in several:
            votes = np.nansum(table.values[np.ix_(rows, own)], axis=0)
            most = votes == votes.max()
            if votes.any() and most.sum() > 1:
                values[number, own] = np.nan
                undecided[number] = _AS_OFTEN
            elif votes.any():
                values[number, own] = most
    lost = [number for number in sorted(undecided) if np.isnan(values[number]).all()]
    rejected = list(table.rejected)
    for number in lost:
        row = groups[number][0]
        rejected.append(Rejected(int(table.rows[row]), table.smiles[row], undecided[number]))
    done = replace(done, values=values, limits=limits, rejected=_sorted(rejected))
    done = done.taken(np.delete(np.arange(len(groups)), lost))
    merged = found.merged + len(table) - len(groups)
    return Curation(done, merged, found.changed, tuple(conflicts))


def odd_limits(table: Table, known: Table | None = None) -> list[Rejected]:
    """Rows with a limit that cannot be meant, and would spoil what is learned of all others: one in a column
    of 0 and 1, which is a class; or one beyond all exact values by more than three times what these span, as
    of a slip of the pen or another unit. Where more than one in twenty values are so far out they are no
    slips: only those beyond by a thousand times are then odd.

    Args:
        table: whose rows are looked at.
        known: of the same targets, whose exact values say what is usual; by default the table itself.
    """
    found = {}
    for values, limits, (usual, exact), name in zip(
        table.values.T, table.limits.T, _exact(known or table), table.targets, strict=True
    ):
        if len(exact) < _FEWEST or np.ptp(exact) == 0:
            continue
        low, high = float(exact.min()), float(exact.max())
        beyond = limits * (values - np.where(limits > 0, high, low)) / (high - low)
        few = np.count_nonzero(beyond > _FAR) <= max(1, _FEW * np.count_nonzero(~np.isnan(values)))
        far = beyond > (_FAR if few else _ABSURD)
        for k in np.flatnonzero((limits != 0) & (usual | far)):
            what = (
                "its exact values are 0 and 1, a class" if usual else f"exact values are {low:g} to {high:g}"
            )
            reason = f"{name} is {written(values[k], limits[k])}, which cannot be meant: {what}"
            found.setdefault(k, Rejected(int(table.rows[k]), table.smiles[k], reason))
    return [found[k] for k in sorted(found)]


def _exact(table: Table) -> list[tuple[bool, np.ndarray]]:
    """The exact values of each target, and whether they are a class."""
    values = [column[known] for column, known in zip(table.values.T, table.measured.T, strict=True)]
    return [(is_class(one), one) for one in values]


def _sorted(rejected: list[Rejected]) -> tuple[Rejected, ...]:
    return tuple(sorted(rejected, key=lambda one: one.row))


def _width(values: np.ndarray) -> float:
    """Robust standard deviation, from the quartiles; infinite where there are fewer than four values."""
    measured = values[~np.isnan(values)]
    if len(measured) < 4:
        return np.inf
    low, high = np.percentile(measured, [25, 75])
    return float(high - low) / 1.349 or float(np.std(measured)) or np.inf


def _apart(values: np.ndarray, signs: np.ndarray) -> float:
    """By how much the highest that a true value must be above, or be, is higher than the lowest that it must
    be below, or be."""
    measured = ~np.isnan(values)
    least, most = values[measured & (signs >= 0)], values[measured & (signs <= 0)]
    return float(least.max() - most.min()) if least.size and most.size else 0.0


def _joined(values: np.ndarray, signs: np.ndarray) -> tuple[float, int]:
    """One value of several; NaN of limits that contradict each other."""
    measured = ~np.isnan(values)
    if (exact := measured & (signs == 0)).any():
        return float(np.median(values[exact])), 0
    if _apart(values, signs) > 0:
        return np.nan, 0
    if (below := measured & (signs < 0)).any():
        return float(values[below].min()), -1
    if (above := measured & (signs > 0)).any():
        return float(values[above].max()), 1
    return np.nan, 0
