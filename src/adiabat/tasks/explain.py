"""`adiabat explain`: what atoms and fragments bring to a predicted property, drawn on the molecules."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.base.files import check_out
from adiabat.base.progress import progress
from adiabat.explain import Explanation, explain, held_out_skill
from adiabat.explain.explanation import LEAST_SKILL
from adiabat.properties.domain import VERDICTS
from adiabat.properties.library import is_library
from adiabat.properties.model import PropertyModel, load_property_model
from adiabat.tasks.precision import enable
from adiabat.tasks.property_molecules import Asked, asked_parts, usable

# More would be a page that no one reads, and that no browser likes.
COUNT = 20


def explain_properties(
    model: str | os.PathLike,
    molecules: str | os.PathLike | Sequence[str],
    *,
    out: str | os.PathLike | None = None,
    smiles: str = "smiles",
    count: int = COUNT,
    level: float = 0.9,
    force: bool = False,
) -> list[dict[str, Any]]:
    """Explains what a property model says of molecules, and draws it.

    Args:
        model: a property model or its run folder.
        molecules: a SMILES string or several, or a file (.smi, .csv, .tsv, .parquet, .sdf, also .gz).
        out: an HTML page to write.
        smiles: the column of molecules in a table.
        count: of a file the first so many.
        level: the share of true values that intervals are to hold.
        force: replace the page.

    Returns:
        for each molecule `smiles`, `error`, and where there is none `domain`, `nearest`, `methods` and
        `targets`: of each the `prediction` with `lower` and `upper` (None of classes), `baseline`, `atoms`,
        `fragments`, `residual` and `doubts`, see `Explanation`.

    Raises:
        DataError: no such file, a damaged one, or none of the molecules could be explained.
        ConfigError: a column is missing, or no molecule is asked for.
    """
    enable()
    if count < 1:
        raise ConfigError(f"{count} molecules cannot be explained", "ask for one or more")
    if out is not None:
        check_out(out, force)
    found = load_property_model(model)
    _ = found.of_molecules  # refuses those of reactions
    asked = next(asked_parts(found, _given(molecules), smiles, count), Asked([], {}))
    known, index, reasons, _ = usable(found, asked)
    if not index:
        first = f": {next(iter(reasons.values()))}" if reasons else ""
        raise DataError(f"none of the {len(asked.texts)} molecules can be explained{first}")
    explanations = []
    with progress("explaining", total=len(index), unit="molecules") as bar:
        for row in range(len(index)):
            explanations.append(explain(found, known, row, level=level))
            bar.advance(1)
    if out is not None:
        _report(Path(out), found, explanations, [(asked.texts[k], why) for k, why in reasons.items()])
    rows = [{"smiles": text, "error": reasons.get(k, "")} for k, text in enumerate(asked.texts)]
    for k, one in zip(index, explanations, strict=True):
        rows[k] |= _told(one)
    return rows


@contextlib.contextmanager
def explaining(
    models: Sequence[PropertyModel], *, level: float = 0.9, total: int | None = None
) -> Iterator[Callable[[str], list[Explanation]]]:
    """Gives a function from a SMILES string to what each model has to say of it, each molecule once; a model
    that cannot read it has nothing to say. How far it is is shown.

    Args:
        models: of molecules, without further columns.
        level: of the intervals.
        total: how many molecules it will be asked for, if that is known.
    """
    with progress("explaining", total=total, unit="molecules") as bar:

        @cache
        def why(smiles: str) -> list[Explanation]:
            asked = Asked([smiles], {})
            known = [(model, *usable(model, asked)[:2]) for model in models]
            found = [explain(model, molecule, level=level) for model, molecule, index in known if index]
            bar.advance()
            return found

        yield why


def _given(molecules: str | os.PathLike | Sequence[str]) -> str | os.PathLike | Sequence[str]:
    """A string is a file where there is one, or where it is called like one; else SMILES."""
    if isinstance(molecules, str) and not os.path.isfile(molecules) and not is_library(molecules):
        return [molecules]
    return molecules


def _told(one: Explanation) -> dict[str, Any]:
    said = one.prediction
    sums = one.fragment_sums
    targets = {}
    for k, target in enumerate(one.targets):
        targets[target.name] = {
            "unit": target.unit,
            "prediction": float(said.values[0, k]),
            "lower": None if target.is_class else float(said.lower[0, k]),
            "upper": None if target.is_class else float(said.upper[0, k]),
            "baseline": float(one.baseline[k]),
            "atoms": one.atoms[:, k].tolist(),
            "fragments": [
                {
                    "smiles": name,
                    "atoms": np.flatnonzero(one.fragment == n).tolist(),
                    "contribution": float(one.fragments[n, k]),
                    "sum_of_atoms": float(sums[n, k]),
                }
                for n, name in enumerate(one.fragment_smiles)
            ],
            "residual": float(np.abs(one.residuals[:, k]).max()),
            "doubts": list(one.doubts[k]),
        }
    return {
        "standardized": one.smiles,
        "domain": VERDICTS[said.placed.verdict[0]],
        "nearest": [neighbor._asdict() for neighbor in one.neighbors],
        "methods": dict(one.methods),
        "targets": targets,
    }


def _report(
    path: Path, model: PropertyModel, found: Sequence[Explanation], rejected: Sequence[tuple[str, str]]
) -> None:
    from adiabat.report import Page, explanation_sections

    names = ", ".join(target.name for target in model.targets)
    page = Page(f"What makes {names}", f"{len(found)} molecules")
    skills = [held_out_skill(model, target) for target in model.targets]
    page.add(*explanation_sections(found, skills, LEAST_SKILL, rejected))
    page.write(path)
