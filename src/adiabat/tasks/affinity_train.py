"""`adiabat affinity train`: from the ligands of several targets to a model that ranks those of another."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.base.files import atomic_write
from adiabat.base.progress import progress
from adiabat.base.runs import RunFolder
from adiabat.properties.affinity import (
    AffinityModel,
    LeftOut,
    Series,
    fit_affinity_model,
    ordering,
    save_affinity_model,
)
from adiabat.properties.affinity.model import BOTH, MODEL_NAME
from adiabat.properties.affinity.training import Recipe
from adiabat.properties.affinity.values import check_varied
from adiabat.properties.table import read_strings
from adiabat.tasks.affinity_files import Target, judged, plain_scores, read_target
from adiabat.tasks.precision import enable
from adiabat.tasks.property_files import as_csv, cell
from adiabat.tasks.train import REPORT_NAME

SCORES, REJECTED = "scores.csv", "rejected.csv"


@dataclass(frozen=True)
class AffinityTraining:
    """A finished training of an affinity model.

    Attributes:
        model: learned from all targets.
        left_out: what models that had not seen a target say of its ligands.
        folder: of the run.
    """

    model: AffinityModel
    left_out: LeftOut
    folder: Path

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / REPORT_NAME


def train_affinity(
    data: str | os.PathLike,
    *,
    out: str | os.PathLike,
    value: str,
    unit: str,
    name: str = "name",
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> AffinityTraining:
    """Learns from several targets, tests on each without having seen it, beside scores that know nothing of
    the protein, and writes a run folder with model, scores and report.

    Args:
        data: a table with the columns `target`, `protein` (PDB), `ligands` (SD file of poses), and perhaps
            `values` (a table of affinities); files are sought beside it.
        out: the run folder.
        value: the column of affinities, or the property in the SD files where there is no table of values.
        unit: of the values, or the column that has the unit of each.
        name: the column of the ligands' names.
        seed: of everything random.
        resume: take up a run that was broken off; it begins again, and ends with the same numbers.
        force: start over in a folder that holds a run.

    Raises:
        ConfigError: a column or unit that does not exist.
        DataError: files that cannot be read, or too few targets or ligands.
    """
    environment = enable()
    config = {"data": os.fspath(data), "value": value, "unit": unit, "name": name, "seed": seed}
    makes = (SCORES, REJECTED)
    with RunFolder.create(out, "affinity-train", config, resume=resume, force=force, makes=makes) as run:
        run.note(**environment)
        targets = read_targets(Path(data), value=value, unit=unit, name=name)
        rejected = [(t.name, one.row, one.text, one.reason) for t in targets for one in t.rejected]
        atomic_write(run.path / REJECTED, as_csv(["target", "row", "ligand", "reason"], rejected))
        series = [series_of(target) for target in targets]
        recipe = Recipe()
        with progress("learning", total=recipe.steps, unit="steps") as bar:
            model, left_out = fit_affinity_model(series, seed=seed, recipe=recipe, on_steps=bar.advance)
        summary = summary_of(left_out, seed) | {"n_rejected": len(rejected)}
        model = replace(model, summary=summary)
        save_affinity_model(run.path / MODEL_NAME, model)
        atomic_write(run.path / SCORES, left_out_csv(left_out))
        run.result(**summary)
        _report(run, targets, model, left_out)
        return AffinityTraining(model, left_out, run.path)


def read_targets(path: Path, *, value: str, unit: str, name: str) -> list[Target]:
    """The targets that a table names, files beside it.

    Raises:
        ConfigError: a column that is not there, a target that is named twice.
        DataError: files that cannot be read.
    """
    try:
        columns, errors, _ = read_strings(path, ["target", "protein", "ligands", "values"])
    except ConfigError as error:
        if "'values'" not in error.message:
            raise
        columns, errors, _ = read_strings(path, ["target", "protein", "ligands"])
        columns["values"] = [""] * len(columns["target"])
    if bad := [f"row {row}: {error}" for row, error in enumerate(errors, start=1) if error]:
        raise DataError(f"{path} cannot be read: {bad[0]}")
    if len(set(columns["target"])) < len(columns["target"]):
        raise ConfigError(f"{path} names a target twice", "all ligands of a target come in one SD file")
    rows = zip(*(columns[key] for key in ("target", "protein", "ligands", "values")), strict=True)
    return [
        read_target(
            path.parent / protein,
            path.parent / ligands,
            name=target,
            values=path.parent / values if values else None,
            value=value,
            unit=unit,
            names=name,
        )
        for target, protein, ligands, values in rows
    ]


def series_of(target: Target) -> Series:
    """The ligands with a known affinity.

    Raises:
        DataError: there is none, or all are equal.
    """
    values = target.values
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        raise DataError(f"{target.name} has no ligand with an affinity")
    check_varied(values, target.name)
    return Series(target.name, tuple(target.complexes[k] for k in known), values[known])


def summary_of(left_out: LeftOut, seed: int = 0) -> dict[str, Any]:
    """Kendall's tau of each score, of each target and of their mean, and ours against the nulls."""
    values = [target.values for target in left_out.series]
    orders = {name: [ordering(one) for one in scores] for name, scores in left_out.scores.items()}
    taus, better = judged(values, orders, BOTH, seed)
    by_target = {
        target.name: plain_scores(
            judged([values[k]], {name: [those[k]] for name, those in orders.items()}, BOTH, seed)[0]
        )
        for k, target in enumerate(left_out.series)
    }
    return {
        "n_targets": len(values),
        "n_ligands": sum(map(len, values)),
        "tau": plain_scores(taus),
        "tau_by_target": by_target,
        "better_than": plain_scores(better),
    }


def left_out_csv(left_out: LeftOut) -> str:
    """All ligands with what was measured and what models say that had not seen their target."""
    rows = [
        [
            target.name,
            one.ligand.name,
            one.ligand.smiles,
            cell(target.values[k]),
            *_cells(left_out.scores, t, k),
        ]
        for t, target in enumerate(left_out.series)
        for k, one in enumerate(target.complexes)
    ]
    return as_csv(["target", "name", "smiles", "pK", *left_out.scores], rows)


def _cells(scores: Mapping[str, Sequence[np.ndarray]], target: int, ligand: int) -> list[str]:
    return [cell(float(those[target][ligand])) for those in scores.values()]


def _report(run: RunFolder, targets: Sequence[Target], model: AffinityModel, left_out: LeftOut) -> None:
    from adiabat.report import Page, provenance_sections
    from adiabat.report.affinity import notes_section, training_test_sections

    page = Page(
        "Binding affinity", f"{len(left_out.series)} targets, {len(model.values)} ligands in their poses"
    )
    notes = {target.name: target.notes for target in targets}
    rejected = [(target.name, one) for target in targets for one in target.rejected]
    page.add(*training_test_sections(left_out, model.summary), notes_section(notes, rejected))
    page.add(*provenance_sections(run.provenance))
    page.write(run.path / REPORT_NAME)
