"""`adiabat property optimize`: molecules improved by what property models say of them."""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import ConfigError
from adiabat.base.files import atomic_write
from adiabat.base.runs import RunFolder
from adiabat.properties.domain import VERDICTS
from adiabat.properties.filters import Filters
from adiabat.properties.library import read_library
from adiabat.properties.model import load_property_model
from adiabat.properties.optimize import (
    Fragments,
    Limits,
    ModelScores,
    Objective,
    Optimization,
    Search,
    optimize_molecules,
    scores_of,
)
from adiabat.tasks.explain import explaining
from adiabat.tasks.precision import enable
from adiabat.tasks.property_files import PLACE, as_csv, cell
from adiabat.tasks.train import REPORT_NAME

CANDIDATES = "candidates.csv"
_LISTED, _BEST = 1000, 10
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_OBJECTIVE = re.compile(
    rf"(?P<name>[^=<>]+?)\s*(?:=\s*(?P<word>maximize|minimize)"
    rf"|(?P<sign>=|>=|<=)\s*(?P<low>{_NUMBER})(?:\s*\.\.\s*(?P<high>{_NUMBER}))?)"
)


@dataclass(frozen=True)
class Improvement:
    """A finished search.

    Attributes:
        found: the molecules.
        scores: the models that were asked.
        folder: of the run.
    """

    found: Optimization
    scores: ModelScores
    folder: Path

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / REPORT_NAME


def optimize_by_models(
    start: Sequence[str],
    *,
    models: Sequence[str | os.PathLike],
    objectives: Sequence[str],
    out: str | os.PathLike,
    weights: Sequence[float] = (),
    scaffold: str | None = None,
    similarity: float = 0.0,
    heavy_atoms: int = 60,
    most_sa: float | None = None,
    rules: Sequence[str] = (),
    forbidden: Sequence[str] = (),
    required: Sequence[str] = (),
    fragments: str | os.PathLike | None = None,
    evaluations: int = 1000,
    caution: float = 1.0,
    outside: bool = False,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> Improvement:
    """Improves molecules and writes a run folder with a table of candidates and a report.

    Args:
        start: SMILES.
        models: property models or their run folders.
        objectives: each a target of a model and what it should be, see `read_objective`.
        out: the run folder.
        weights: of the objectives, in the same order; by default equal.
        scaffold: a part that every molecule has to have, as SMILES or SMARTS.
        similarity: at least, to the nearest molecule of the start.
        heavy_atoms: at most.
        most_sa: synthetic accessibility at most, from 1 (easy) to 10.
        rules: pains, brenk, nih, lipinski, veber.
        forbidden: SMARTS.
        required: SMARTS.
        fragments: a file of molecules whose groups may be put in.
        evaluations: how many molecules the models are asked for.
        caution: each value is taken by its worst within so many standard errors.
        outside: propose molecules outside of what the models know, too.
        seed: of everything random.
        resume: go on with the run in the folder; `evaluations` may be another.
        force: start over in a folder that holds a run.

    Raises:
        ConfigError: an objective that cannot be read, or limits that nothing keeps.
        DataError: a molecule or a file that cannot be read.
        Interrupted: stopped by a signal; the run can be resumed.
    """
    environment = enable()
    if weights and len(weights) != len(objectives):
        raise ConfigError(f"{len(weights)} weights are given for {len(objectives)} objectives")
    asked = [
        read_objective(text, weight)
        for text, weight in zip(objectives, weights or [1.0] * len(objectives), strict=True)
    ]
    filters = Filters(rules=rules, forbidden=forbidden, required=required, most_sa=most_sa)
    scores = scores_of([load_property_model(path) for path in models], asked)
    limits = Limits(
        scaffold=scaffold,
        least_similarity=similarity,
        most_heavy_atoms=heavy_atoms,
        filters=filters,
        domains=() if outside else scores.domains,
    )
    search = Search(evaluations=evaluations, caution=caution)
    parts = None if fragments is None else Fragments(one.smiles for one in read_library(Path(fragments)))
    config: dict[str, Any] = {
        "start": list(start),
        "models": [os.fspath(path) for path in models],
        "objectives": list(objectives),
        "weights": [objective.weight for objective in asked],
        "similarity": similarity,
        "heavy_atoms": heavy_atoms,
        "rules": list(rules),
        "forbidden": list(forbidden),
        "required": list(required),
        "evaluations": evaluations,
        "caution": caution,
        "seed": seed,
    }
    config |= {"scaffold": scaffold} if scaffold else {}
    config |= {"outside": True} if outside else {}
    config |= {"most_sa": most_sa} if most_sa is not None else {}
    config |= {"fragments": os.fspath(fragments)} if fragments is not None else {}
    with RunFolder.create(
        out,
        "optimize",
        config,
        resume=resume,
        force=force,
        may_change=("evaluations",),
        makes=(CANDIDATES,),
    ) as run:
        run.note(**environment)
        found = optimize_molecules(
            start,
            scores,
            asked,
            limits=limits,
            search=search,
            fragments=parts,
            folder=run.path / "checkpoints",
            seed=seed,
        )
        atomic_write(run.path / CANDIDATES, candidates_csv(found, scores))
        run.result(**summary_of(found, scores))
        _report(run, found, scores)
    return Improvement(found, scores, run.path)


def read_objective(text: str, weight: float = 1.0) -> Objective:
    """`NAME=maximize`, `NAME=minimize`, `NAME=3`, `NAME=3..5`, `NAME>=3` or `NAME<=3`.

    Raises:
        ConfigError: anything else.
    """
    match = _OBJECTIVE.fullmatch(text.strip())
    if match is None or (match["high"] and match["sign"] != "="):
        raise ConfigError(
            f"{text!r} is not an objective", "say logS=maximize, logS=minimize, logS=-3..-1, or 'logS>=-3'"
        )
    name = match["name"]
    if match["word"]:
        return Objective(name, "maximize" if match["word"] == "maximize" else "minimize", weight)
    low = float(match["low"])
    if match["sign"] == "=":
        return Objective(name, (low, float(match["high"])) if match["high"] else low, weight)
    return Objective(name, (low, math.inf) if match["sign"] == ">=" else (-math.inf, low), weight)


def candidates_csv(found: Optimization, scores: ModelScores) -> str:
    """The best molecules with values, intervals, errors, desirability, domain, whether on the front, parents
    and edit."""
    names = [objective.name for objective in found.objectives]
    front, total, archive = set(found.front()), found.total, found.archive
    header = [
        "smiles",
        *(f"{name}{end}" for name in names for end in ("", " lower", " upper", " error")),
        "desirability",
        *PLACE,
        "front",
        "edit",
        "parents",
    ]
    rows = []
    best = found.best(_LISTED)
    trust = scores.trust(found, best)
    for row, k in enumerate(best):
        said = archive.mean[k], trust.lower[row], trust.upper[row], archive.spread[k]
        values = [cell(array[j]) for j in range(len(names)) for array in said]
        place = [VERDICTS[trust.verdict[row]], f"{trust.similarity[row]:.3f}", trust.nearest[row]]
        origin = archive.origins[archive.smiles[k]]
        last = ["yes" if k in front else "no", origin.edit, " ".join(origin.parents)]
        rows.append([archive.smiles[k], *values, cell(total[k]), *place, *last])
    return as_csv(header, rows)


def summary_of(found: Optimization, scores: ModelScores) -> dict[str, Any]:
    """The best molecules with their values, ends of intervals (none of classes) and domain, as JSON holds
    them."""
    names = [objective.name for objective in found.objectives]
    total, archive = found.total, found.archive
    index = found.best(_BEST)
    trust = scores.trust(found, index)
    best = []
    for row, k in enumerate(index):
        one = {"smiles": archive.smiles[k], "desirability": total[k]}
        for j, name in enumerate(names):
            one[name] = float(archive.mean[k, j])
            if np.isfinite(trust.lower[row, j]):
                one |= {f"{name} lower": trust.lower[row, j], f"{name} upper": trust.upper[row, j]}
        best.append(one | {"domain": VERDICTS[trust.verdict[row]]})
    return {"n_evaluated": len(archive), "n_front": len(found.front()), "ended": found.done, "best": best}


def _report(run: RunFolder, found: Optimization, scores: ModelScores) -> None:
    from adiabat.report import Page, candidate_sections, provenance_sections

    page = Page("Improved molecules", f"{len(found.archive)} molecules evaluated")
    with explaining(scores.models) as why:
        page.add(*candidate_sections(found, why=why, trust=partial(scores.trust, found)))
    page.add(*provenance_sections(run.provenance))
    page.write(run.path / REPORT_NAME)
