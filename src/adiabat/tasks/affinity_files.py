"""What the tasks on binding affinities read and write alike."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import ConfigError
from adiabat.properties.affinity import (
    Complex,
    Difference,
    Known,
    Ordering,
    Protein,
    compare_orderings,
    make_complexes,
    mean_kendall,
    read_known,
    read_ligands,
    read_protein,
)
from adiabat.properties.affinity.ligands import Ligand, hydrogen_notes
from adiabat.properties.affinity.nulls import NULLS
from adiabat.properties.affinity.values import UNITS, known_of
from adiabat.properties.evaluate import Score
from adiabat.properties.table import Rejected


@dataclass(frozen=True, eq=False)
class Target:
    """A protein with its ligands, as files have them.

    Attributes:
        name: of the target.
        protein: its atoms.
        complexes: the ligands that lie in it.
        rejected: those that do not, records that cannot be read, and values that cannot be used.
        known: measured affinities, if any were given.
        notes: what was done to them all, in sentences.
    """

    name: str
    protein: Protein
    complexes: list[Complex]
    rejected: list[Rejected]
    known: Known | None
    notes: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Of the ligands."""
        return [one.ligand.name for one in self.complexes]

    @property
    def values(self) -> np.ndarray:
        """pK of the ligands, NaN where it is not known, shape (n_ligands,)."""
        if self.known is None:
            return np.full(len(self.complexes), np.nan)
        return self.known.of(self.names)


def read_target(
    protein: str | os.PathLike,
    ligands: str | os.PathLike,
    *,
    name: str = "",
    values: str | os.PathLike | None = None,
    value: str | None = None,
    unit: str | None = None,
    names: str = "name",
) -> Target:
    """Reads a target.

    Args:
        protein: PDB file.
        ligands: SD file of poses in the coordinates of the protein.
        name: of the target.
        values: a table of affinities; without one, `value` is a property in the SD file.
        value: the column or property of affinities; without it nothing is known of the ligands.
        unit: of the values, or the column that has the unit of each.
        names: the column of the ligands' names in the table.

    Raises:
        ConfigError: values without a unit, or a column that is not there.
        DataError: files that cannot be read, or ligands that do not lie in the protein.
    """
    check_values(values, value, unit)
    atoms = read_protein(Path(protein))
    found, unread = read_ligands(Path(ligands))
    complexes, outside, notes = make_complexes(atoms, found)
    known = None
    if value is not None and unit is not None:
        if values is None:
            known = _of_properties(found, value, unit, os.fspath(ligands))
        else:
            known = read_known(Path(values), value=value, unit=unit, name=names)
    rejected = [*unread, *outside, *(known.rejected if known else ())]
    notes = (*notes, *hydrogen_notes(found), *(known.notes if known else ()))
    if known:
        notes = (*notes, *strangers(known, [ligand.name for ligand in found]))
    return Target(name or Path(protein).stem, atoms, complexes, rejected, known, notes)


def check_values(values: str | os.PathLike | None, value: str | None, unit: str | None) -> None:
    """Refuses half of what known affinities are given by.

    Raises:
        ConfigError: values without a unit, or a table without the column.
    """
    if value is not None and unit is None:
        raise ConfigError(
            f"{value!r} is given without a unit",
            f"say --unit: one of {', '.join(UNITS)}, or a column of units",
        )
    if value is None and values is not None:
        raise ConfigError(f"the column of affinities in {values} is not given", "name it by --value")


def judged(
    values: Sequence[np.ndarray], orders: Mapping[str, Sequence[Ordering]], ours: str, seed: int = 0
) -> tuple[dict[str, Score], dict[str, Difference]]:
    """Kendall's tau of each score over several series, and of ours less that of each null model.

    Args:
        values: pK of each series, NaN where it is not known.
        orders: by the name of the score, of each series.
        ours: the score that is to be better.
        seed: of the bootstrap.
    """
    taus = {name: mean_kendall(values, those, seed) for name, those in orders.items()}
    better = {
        name: compare_orderings(values, orders[ours], orders[name], seed) for name in orders if name in NULLS
    }
    return taus, better


def plain_scores(found: Mapping[str, Score] | Mapping[str, Difference]) -> dict[str, Any]:
    """As JSON holds them."""
    return {name: dict(one._asdict()) for name, one in found.items()}


def _of_properties(ligands: Sequence[Ligand], value: str, unit: str, source: str) -> Known:
    """Affinities and perhaps units from the data of SD records."""
    with_value = [ligand for ligand in ligands if value in ligand.properties]
    if not with_value:
        there = sorted({key for ligand in ligands for key in ligand.properties})
        raise ConfigError(
            f"no ligand of {source} has a property {value!r}", f"there are {', '.join(there[:20]) or 'none'}"
        )
    units = [unit if unit in UNITS else ligand.properties.get(unit, "") for ligand in with_value]
    if not any(units):
        raise ConfigError(f"{unit!r} is neither a unit nor a property", f"units are {', '.join(UNITS)}")
    return known_of(
        [ligand.name for ligand in with_value],
        [ligand.properties[value] for ligand in with_value],
        units,
        source,
    )


def strangers(known: Known, names: Sequence[str]) -> tuple[str, ...]:
    """Says so where affinities belong to no ligand: names may be written in another way.

    Raises:
        ConfigError: all of them.
    """
    missing = [name for name in known.values if name not in names]
    if len(missing) == len(known.values):
        raise ConfigError(
            f"none of the names of the affinities is that of a ligand: {missing[0]!r} against {names[0]!r}",
            "the column --name has to hold the names of the ligands, which are the titles of SD records",
        )
    return (f"{len(missing)} affinities belong to no ligand, such as {missing[0]}",) if missing else ()
