"""`adiabat affinity series`: a model of the ligands of one target, from what was measured of them."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import DataError
from adiabat.base.files import atomic_write
from adiabat.base.runs import RunFolder
from adiabat.properties import Standardizer, Table, curate
from adiabat.properties.affinity import Known, SeriesTest, judge_series, read_known
from adiabat.properties.affinity.own_series import LEAST_LIGANDS, MODEL, PARTS, REPETITIONS
from adiabat.properties.affinity.values import check_varied
from adiabat.properties.evaluate import scores
from adiabat.properties.model import MODEL_NAME, fit_property_model, save_property_model
from adiabat.properties.molecules import Molecules
from adiabat.properties.table import read_strings
from adiabat.tasks.affinity_files import judged, plain_scores
from adiabat.tasks.affinity_train import REJECTED, SCORES
from adiabat.tasks.precision import enable
from adiabat.tasks.property_files import as_csv, cell
from adiabat.tasks.train import REPORT_NAME


@dataclass(frozen=True, eq=False)
class SeriesTraining:
    """A finished training on one series.

    Attributes:
        test: how its ligands are ranked by models that had not seen them.
        summary: what it says, as JSON holds it.
        folder: of the run; its model is one of `adiabat property predict`.
    """

    test: SeriesTest
    summary: dict[str, Any]
    folder: Path

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / REPORT_NAME


def train_series(
    data: str | os.PathLike,
    *,
    out: str | os.PathLike,
    value: str,
    unit: str,
    smiles: str = "smiles",
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> SeriesTraining:
    """Learns the affinities of a series from the ligands alone, says how well it ranks ligands that it has
    not seen beside null models, and writes a run folder with a property model, a table and a report.

    Args:
        data: a table of ligands.
        out: the run folder.
        value: its column of affinities.
        unit: of the values, or the column that has the unit of each.
        smiles: the column of SMILES strings.
        seed: of everything random.
        resume: take up a run that was broken off; it begins again, and ends with the same numbers.
        force: start over in a folder that holds a run.

    Raises:
        ConfigError: a column or unit that does not exist.
        DataError: a file that cannot be read, fewer than ten ligands, or equal affinities.
    """
    environment = enable()
    config = {"data": os.fspath(data), "smiles": smiles, "value": value, "unit": unit, "seed": seed}
    with RunFolder.create(
        out, "affinity-series", config, resume=resume, force=force, makes=(SCORES, REJECTED)
    ) as run:
        run.note(**environment)
        standardizer = Standardizer()
        known = read_known(Path(data), value=value, unit=unit, name=smiles)
        table = _curated(Path(data), known, smiles, standardizer)
        values = table.values[:, 0]
        check_varied(values, os.fspath(data))
        atomic_write(run.path / REJECTED, as_csv(["row", "smiles", "reason"], table.rejected))
        test = judge_series(table.smiles, values, seed=seed)
        orders = {name: [order] for name, order in test.orders.items()}
        taus, better = judged([values], orders, MODEL, seed)
        molecules = Molecules(table.smiles)
        model, validation = fit_property_model(
            table, molecules, kinds=[MODEL], standardizer=standardizer, seed=seed
        )
        left_out = scores(values, validation.values["stack"][:, 0], is_class=False, seed=seed)
        summary = {
            "n_ligands": len(values),
            "n_rejected": len(table.rejected),
            "tested": f"{REPETITIONS} times {PARTS} parts, pairs that were left out together",
            "tau": plain_scores(taus),
            "better_than": plain_scores(better),
            "cross_validation": {table.targets[0]: {name: one.value for name, one in left_out.items()}},
        }
        # What `property predict` and its report read of every model.
        save_property_model(run.path / MODEL_NAME, replace(model, summary=summary))
        atomic_write(run.path / SCORES, _scores_csv(table, test))
        run.result(**summary)
        _report(run, table, test, summary, known)
        return SeriesTraining(test, summary, run.path)


def _curated(path: Path, known: Known, smiles: str, standardizer: Standardizer) -> Table:
    """Standardized molecules with the medians of their pK.

    Raises:
        DataError: too few of them.
    """
    texts = read_strings(path, [smiles]).columns[smiles]
    first = {text.strip(): row for row, text in reversed(list(enumerate(texts, start=1)))}
    values = np.array(list(known.values.values()))[:, None]
    table = Table(
        smiles=tuple(known.values),
        rows=np.array([first[text] for text in known.values]),
        targets=("pK",),
        values=values,
        limits=np.zeros(values.shape, np.int8),
        units=("",),
        rejected=known.rejected,
    )
    found = curate(table, standardizer).table
    if len(found) < LEAST_LIGANDS:
        why = f"; row {found.rejected[0].row}: {found.rejected[0].reason}" if found.rejected else ""
        raise DataError(
            f"{path} has {len(found)} different ligands with an affinity, at least {LEAST_LIGANDS} are needed"
            f"{why}"
        )
    return found


def _scores_csv(table: Table, test: SeriesTest) -> str:
    rows = [
        [
            table.rows[k],
            text,
            cell(test.values[k]),
            *(cell(float(those[k])) for those in test.scores.values()),
        ]
        for k, text in enumerate(table.smiles)
    ]
    return as_csv(["row", "smiles", "pK", *test.scores], rows)


def _report(run: RunFolder, table: Table, test: SeriesTest, summary: dict[str, Any], known: Known) -> None:
    from adiabat.report import Page, provenance_sections
    from adiabat.report.affinity import notes_section, series_sections

    page = Page("Ligands of one target", f"{len(table)} ligands, ranked by each other")
    page.add(*series_sections(test, summary))
    page.add(notes_section({"the series": known.notes}, [("the series", one) for one in table.rejected]))
    page.add(*provenance_sections(run.provenance))
    page.write(run.path / REPORT_NAME)
