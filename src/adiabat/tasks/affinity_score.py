"""`adiabat affinity score`: the ligands of a target ranked by their poses."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import ConfigError
from adiabat.base.files import atomic_write
from adiabat.base.runs import RunFolder
from adiabat.properties.affinity import Calibrated, calibrate, failed_checks, load_affinity_model, ordering
from adiabat.properties.affinity.calibrate import LEAST_KNOWN
from adiabat.properties.affinity.model import BOTH, AffinityModel
from adiabat.properties.affinity.values import KCAL_PER_PK, check_varied
from adiabat.tasks.affinity_files import Target, judged, plain_scores, read_target
from adiabat.tasks.affinity_train import REJECTED, SCORES
from adiabat.tasks.precision import enable
from adiabat.tasks.property_files import as_csv, cell
from adiabat.tasks.train import REPORT_NAME


@dataclass(frozen=True, eq=False)
class Scoring:
    """Ligands ranked.

    Attributes:
        target: protein, ligands and what is known of them.
        scores: ours and those of null models by name, shape (n_ligands,) each.
        by: the name of the one that ranks.
        half_width: of its interval, less the mean of the series [pK].
        calibrated: affinities, where at least five are known.
        failed: checks that each pose does not pass.
        summary: what it all says, as JSON holds it.
        folder: of the run.
    """

    target: Target
    scores: dict[str, np.ndarray]
    by: str
    half_width: float
    calibrated: Calibrated | None
    failed: list[list[str]]
    summary: dict[str, Any]
    folder: Path

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / REPORT_NAME

    @property
    def relative(self) -> np.ndarray:
        """The score that ranks less the mean of the series [pK], shape (n_ligands,)."""
        return self.scores[self.by] - self.scores[self.by].mean()


def score_affinity(
    model: str | os.PathLike,
    protein: str | os.PathLike,
    ligands: str | os.PathLike,
    *,
    out: str | os.PathLike,
    values: str | os.PathLike | None = None,
    value: str | None = None,
    unit: str | None = None,
    name: str = "name",
    level: float = 0.9,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> Scoring:
    """Ranks ligands by their poses and writes a run folder with a table and a report. With at least five
    known affinities of the target there are absolute values, by a line through these; else only an order.

    Args:
        model: an affinity model or its run folder.
        protein: PDB file.
        ligands: SD file of poses in the coordinates of the protein.
        out: the run folder.
        values: a table of known affinities; without one `value` is a property in the SD file.
        value: the column or property of known affinities.
        unit: of the values, or the column that has the unit of each.
        name: the column of the ligands' names in the table.
        level: share of true values that intervals are to hold.
        seed: of the bootstrap.
        resume: take up a run that was broken off; it begins again, and ends with the same numbers.
        force: start over in a folder that holds a run.

    Raises:
        ConfigError: values without a unit, a column that does not exist.
        DataError: files that cannot be read, ligands outside of the pocket, known affinities that are equal.
    """
    environment = enable()
    if not 0 < level < 1:
        raise ConfigError(f"an interval holds a share between 0 and 1, not {level}")
    given = {"model": model, "protein": protein, "ligands": ligands, "values": values}
    config: dict[str, Any] = {key: os.fspath(path) for key, path in given.items() if path is not None}
    config |= {key: text for key, text in (("value", value), ("unit", unit)) if text is not None}
    config |= {"name": name, "level": level, "seed": seed}
    with RunFolder.create(
        out, "affinity-score", config, resume=resume, force=force, makes=(SCORES, REJECTED)
    ) as run:
        run.note(**environment)
        found = load_affinity_model(model)
        target = read_target(protein, ligands, values=values, value=value, unit=unit, names=name)
        scoring = score_target(found, target, run.path, level=level, seed=seed)
        atomic_write(run.path / SCORES, scores_csv(scoring))
        atomic_write(run.path / REJECTED, as_csv(["row", "ligand", "reason"], target.rejected))
        run.result(**scoring.summary)
        _report(run, scoring)
        return scoring


def score_target(
    model: AffinityModel, target: Target, folder: Path, *, level: float = 0.9, seed: int = 0
) -> Scoring:
    """Ranks the ligands of a target by a model, and calibrates where enough is known."""
    elsewhere = model.summary.get("tau", {}).get(BOTH)
    scores, width = model.score(target.complexes), model.half_width(level)
    return ranked(target, scores, BOTH, width, folder, elsewhere=elsewhere, level=level, seed=seed)


def ranked(
    target: Target,
    scores: Mapping[str, np.ndarray],
    by: str,
    half_width: float,
    folder: Path,
    *,
    elsewhere: Mapping[str, float] | None = None,
    level: float = 0.9,
    seed: int = 0,
) -> Scoring:
    """Ranks the ligands of a target by a score, and calibrates where enough is known.

    Args:
        target: with its ligands in the poses that are scored.
        scores: by name [pK], more is better, shape (n_ligands,) each.
        by: the one that ranks; null models among the others are judged beside it.
        half_width: of its interval [pK].
        folder: of the run.
        elsewhere: Kendall's tau of the score on other targets, where it is known.
        level: share of true values that intervals are to hold.
        seed: of the bootstrap.

    Raises:
        DataError: known affinities that are equal.
    """
    values = target.values
    known = ~np.isnan(values)
    n_known = int(known.sum())
    check_varied(values, "the known ligands")
    calibrated = calibrate(scores[by], values, level=level, seed=seed) if n_known >= LEAST_KNOWN else None
    summary: dict[str, Any] = {
        "n_ligands": len(values),
        "n_known": n_known,
        "n_rejected": len(target.rejected),
        "ranked_by": by,
        "answer": "pK" if calibrated else f"only an order: fewer than {LEAST_KNOWN} known affinities",
        "tau_on_other_targets": elsewhere,
    }
    if calibrated:
        orders = {key: [ordering(one[known])] for key, one in scores.items()}
        taus, better = judged([values[known]], orders, by, seed)
        summary |= {"tau": plain_scores(taus), "better_than": plain_scores(better)}
    failed = [failed_checks(one) for one in target.complexes]
    return Scoring(target, dict(scores), by, half_width, calibrated, failed, summary, folder)


def rows_of(scoring: Scoring) -> list[dict[str, str]]:
    """The table, the best ligand first."""
    order = np.argsort(-scoring.relative, kind="stable")
    values, width = scoring.target.values, scoring.half_width
    rows = []
    for rank, k in enumerate(order.tolist(), start=1):
        ligand, own = scoring.target.complexes[k].ligand, float(scoring.relative[k])
        row = {"rank": str(rank), "name": ligand.name, "smiles": ligand.smiles}
        row |= {"score": cell(own), "score lower": cell(own - width), "score upper": cell(own + width)}
        if scoring.calibrated is not None:
            row |= _absolute(scoring.calibrated, k)
        row |= {"measured pK": cell(float(values[k])), "failed checks": "; ".join(scoring.failed[k])}
        row |= {key: cell(float(those[k])) for key, those in scoring.scores.items() if key != scoring.by}
        rows.append(row)
    return rows


def scores_csv(scoring: Scoring) -> str:
    """The same as text."""
    return table_csv(rows_of(scoring))


def table_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of the same keys as text."""
    return as_csv(list(rows[0]), [list(row.values()) for row in rows])


def _absolute(calibrated: Calibrated, k: int) -> dict[str, str]:
    value, lower, upper = (float(part[k]) for part in calibrated[:3])
    energies = {"": value, " lower": upper, " upper": lower}
    return {
        "pK": cell(value),
        "pK lower": cell(lower),
        "pK upper": cell(upper),
        **{f"dG [kcal/mol]{end}": cell(-KCAL_PER_PK * one) for end, one in energies.items()},
    }


def _report(run: RunFolder, scoring: Scoring) -> None:
    from adiabat.report import Page, provenance_sections
    from adiabat.report.affinity import notes_section, scoring_sections

    page = Page("Ligands ranked", f"{len(scoring.failed)} ligands of {scoring.target.name}")
    page.add(*scoring_sections(rows_of(scoring), scoring.summary))
    notes = {scoring.target.name: scoring.target.notes}
    page.add(notes_section(notes, [(scoring.target.name, one) for one in scoring.target.rejected]))
    page.add(*provenance_sections(run.provenance))
    page.write(run.path / REPORT_NAME)
