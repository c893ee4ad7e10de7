"""Sections on molecules that were improved: the best ones, and how each came about."""

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from adiabat.properties.domain import VERDICTS
from adiabat.properties.optimize import Optimization, Step, Trust
from adiabat.properties.optimize.objectives import weights
from adiabat.report.cards import Columns, Figure, Section, Table, Text, Verdict
from adiabat.report.explanations import reason_figures
from adiabat.report.formatting import interval, number, with_error

if TYPE_CHECKING:
    from rdkit.Chem import Mol

    from adiabat.explain import Explanation

_SIZE = 260, 190
_SECONDS = 1
_DESIRABLE = (
    "Desirability says how well a value is as wished: 1 within the goal, less by one for each scale (the "
    "standard deviation among the first molecules) that the value is away from it. What is to be maximized "
    "or minimized has no goal: its desirability is the value in such scales. Each value is taken by its "
    "worst within the uncertainties named above; with several objectives it is the weighted mean."
)
_SELECTED = (
    " Intervals are wider than those of a molecule picked blindly: the k-th best of n was chosen because its "
    "errors may be in its favor, and its interval leaves out 10 % times k/n (Benjamini and Yekutieli 2005, "
    "doi:10.1198/016214504000001907). A value farther out than all measured ones is at least as "
    "uncertain as it is far out. Domain: inside where the model knows molecules as alike as nine in ten of "
    "its own are to each other, outside where it knows none, at the border in between."
)
_SOURCES = (
    "Jensen 2019, doi:10.1039/C8SC05372C",
    "Derringer and Suich 1980, doi:10.1080/00224065.1980.11980968",
)


def candidate_sections(
    found: Optimization,
    count: int = 10,
    shown: int = 3,
    why: "Callable[[str], Sequence[Explanation]] | None" = None,
    trust: Callable[[Sequence[int]], Trust] | None = None,
) -> list[Section]:
    """What a search for better molecules found.

    Args:
        found: the search.
        count: how many of the best, and of the front, are listed.
        shown: of how many of the best the steps are shown that led to them.
        why: explains a molecule by each model; without, what atoms bring is not shown.
        trust: how far models know molecules (`ModelScores.trust`), where the scores are those of models.
    """
    best = found.best(count)
    if not best:
        return [Section("Best molecules", [Text("No molecule keeps the limits and could be scored.")])]
    total = found.total
    # The start counts also where it breaks a limit: that may be why it was to be improved.
    values = found.desirabilities @ weights(found.objectives)
    start = [values[k] for k, round_ in enumerate(found.archive.rounds) if round_ == found.archive.rounds[0]]
    gain = total[best[0]] - np.nanmax([*start, -np.inf])
    verdict = Verdict(
        "Best molecule",
        f"{number(gain)} more desirable than the start" if np.isfinite(gain) else number(total[best[0]]),
        "good" if gain > 0 else "poor",
        "good when something better than the start was found",
        f"values as the scores say, each judged by its worst within {found.caution:g} uncertainties",
    )
    pictures = [
        _figure(found.archive.smiles[k], f"{rank + 1}. desirability {number(total[k])}")
        for rank, k in enumerate(best[:4])
    ]
    sections = [
        Section(
            "Best molecules",
            [Columns(pictures), _table(found, best, trust), Text(_DESIRABLE)],
            [verdict, *([_known(trust(best))] if trust else [])],
            f"{len(found.archive)} molecules were evaluated; {found.done}.",
            _SOURCES,
        )
    ]
    if len(found.objectives) > 1:
        front = sorted(found.front(), key=lambda k: -total[k])[:count]
        lead = "Molecules that no other is better than in everything, the most desirable first."
        sections.append(Section("Pareto front", [_table(found, front, trust)], lead=lead))
    return sections + [_history(found, k, rank, why) for rank, k in enumerate(best[:shown])]


def main_line(steps: list[Step]) -> list[Step]:
    """Of all ancestors of the last molecule those that it has most in common with: one line, the earliest
    first."""
    from adiabat.properties.fingerprints import count_morgan, similarities

    known = {step.smiles: step for step in steps}
    line = [steps[-1]]
    while line[-1].origin.parents:
        parents = line[-1].origin.parents
        alike = similarities(count_morgan([line[-1].smiles]), count_morgan(parents))[0]
        line.append(known[parents[int(alike.argmax())]])
    return line[::-1]


def _table(found: Optimization, index: list[int], trust: Callable[[Sequence[int]], Trust] | None) -> Table:
    columns = ["molecule", *(objective.name for objective in found.objectives), "desirability"]
    total = found.total
    rows = [[found.archive.smiles[k], *_values(found, k), number(total[k])] for k in index]
    caption = "Values with their uncertainties; desirability is the weighted mean."
    if trust is not None:
        known = trust(index)
        names = [objective.name for objective in found.objectives]
        shown = [j for j in range(len(names)) if np.isfinite(known.lower[:, j]).any()]
        columns += [*(f"{names[j]}, 90 % interval" for j in shown), "domain"]
        for k, row in enumerate(rows):
            row += [interval(float(known.lower[k, j]), float(known.upper[k, j])) for j in shown]
            row.append(f"{VERDICTS[known.verdict[k]]}, {known.similarity[k]:.2f} alike to {known.nearest[k]}")
        caption += _SELECTED
    return Table(columns, rows, caption)


def _known(trust: Trust) -> Verdict:
    """How many of the best are known to the models."""
    inside = int((trust.verdict == VERDICTS.index("inside")).sum())
    outside = int((trust.verdict == VERDICTS.index("outside")).sum())
    return Verdict(
        "Domain of the best",
        f"{inside} of {len(trust.verdict)} inside, {outside} outside",
        "poor" if outside else "good" if inside == len(trust.verdict) else "fair",
        "good when the models know molecules like all of them; poor when they do not know one",
        "values of molecules outside are guesses: measure before believing them",
    )


def _values(found: Optimization, k: int) -> list[str]:
    mean, spread = found.archive.mean[k], found.archive.spread[k]
    return [
        with_error(value, error) if error > 0 else number(float(value))
        for value, error in zip(mean.tolist(), spread.tolist(), strict=True)
    ]


def _history(
    found: Optimization, k: int, rank: int, why: "Callable[[str], Sequence[Explanation]] | None"
) -> Section:
    """Each step with what changed, what that did to the values, and why the models like it."""
    smiles = found.archive.smiles[k]
    line = main_line(found.archive.lineage(smiles))
    figures = [_figure(line[0].smiles, f"Start. {_said(found, line[0].smiles)}")]
    for before, step in itertools.pairwise(line):
        other = [parent for parent in step.origin.parents if parent != before.smiles]
        with_it = f" with {other[0]}" if other else ""
        caption = f"{step.origin.edit}{with_it}. {_said(found, step.smiles, before.smiles)}"
        figures.append(_figure(step.smiles, caption, before.smiles))
    lead, cards = "Marked is what the molecule before does not have.", [Columns(figures)]
    if why is not None:
        lead += " Beside it what atoms bring to each value."
        wanted = [objective.name for objective in found.objectives]
        cards = [
            Columns([figure, *reason_figures(why(step.smiles), wanted)])
            for figure, step in zip(figures, line, strict=True)
        ]
    return Section(f"How number {rank + 1} came about", cards, lead=lead)


def _said(found: Optimization, smiles: str, before: str = "") -> str:
    """The values of a molecule, and how much its desirability rose."""
    places = {name: k for k, name in enumerate(found.archive.smiles)}
    if smiles not in places:
        return "Not evaluated: a step in between."
    k, names = places[smiles], [objective.name for objective in found.objectives]
    text = ", ".join(f"{name} {value}" for name, value in zip(names, _values(found, k), strict=True))
    if before not in places:
        return f"{text}."
    changes = found.desirabilities[k] - found.desirabilities[places[before]]
    parts = ", ".join(f"{name} {change:+.2f}" for name, change in zip(names, changes, strict=True))
    return f"{text}. Change of desirability: {parts}."


def _figure(smiles: str, caption: str, before: str = "") -> Figure:
    from rdkit import Chem

    mol = Chem.MolFromSmiles(smiles)
    marked = changed_atoms(Chem.MolFromSmiles(before), mol) if before else []
    return Figure(_drawing(mol, marked), f"structure of {smiles}", caption)


def changed_atoms(before: "Mol", after: "Mol") -> list[int]:
    """Atoms of a molecule that are not in its largest common substructure with another."""
    from rdkit import Chem
    from rdkit.Chem import rdFMCS

    common = rdFMCS.FindMCS([before, after], timeout=_SECONDS, ringMatchesRingOnly=True)
    pattern = Chem.MolFromSmarts(common.smartsString) if common.numAtoms else None
    kept = set(after.GetSubstructMatch(pattern)) if pattern is not None else set()
    return [atom.GetIdx() for atom in after.GetAtoms() if atom.GetIdx() not in kept]


def _drawing(mol: "Mol", marked: list[int]) -> str:
    from rdkit.Chem.Draw import rdMolDraw2D

    canvas = rdMolDraw2D.MolDraw2DSVG(*_SIZE)
    canvas.drawOptions().clearBackground = False
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, mol, highlightAtoms=marked)
    canvas.FinishDrawing()
    text = canvas.GetDrawingText()
    # The declaration belongs to a file of its own, not into a page.
    return text[text.index("<svg") :]
