"""Sections on a screened library: the best molecules drawn, the front, different ones, what was left out."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.properties.calibration import widening
from adiabat.properties.optimize import Objective
from adiabat.report.cards import Columns, Facts, Findings, Section, Table, Text, Verdict
from adiabat.report.explanations import reason_figures
from adiabat.report.formatting import number, with_error
from adiabat.report.molecules import drawing

if TYPE_CHECKING:
    import pyarrow

    from adiabat.explain import Explanation

# Of the front and of the different ones so many are drawn; all are in candidates.csv.
_DRAWN = 24
_SOURCES = (
    "Derringer and Suich 1980, doi:10.1080/00224065.1980.11980968",
    "Gobbi and Lee 2003, doi:10.1021/ci025554v",
    "Benjamini and Yekutieli 2005, doi:10.1198/016214504000001907",
    "conformal",
)


def screening_sections(
    *,
    counts: Mapping[str, int],
    best: "pyarrow.Table",
    front: "pyarrow.Table",
    different: "pyarrow.Table",
    objectives: Sequence[Objective],
    units: Mapping[str, str],
    places: Sequence[tuple[str, ...]],
    reasons: Sequence[tuple[int, str, str]],
    explained: "Sequence[Sequence[Explanation]]" = (),
    level: float = 0.9,
) -> list[Section]:
    """What a screening found.

    Args:
        counts: of rows read, rejected, left out and predicted.
        best, front, different: molecules with their values, in this order.
        objectives: what was wished for.
        units: of the targets.
        places: the columns of each model's domain: verdict, similarity, nearest.
        reasons: row, SMILES string and reason of some that were rejected.
        explained: the first of the best, each by every model.
        level: share of true values that intervals hold of molecules that are picked blindly.
    """
    verdicts = zip(*(best[place[0]].to_pylist() for place in places), strict=True)
    inside = sum(set(one) == {"inside"} for one in verdicts)
    share = inside / max(1, len(best))
    verdict = Verdict(
        "Best molecules inside of the domain",
        f"{inside} of {len(best)}",
        "good" if share >= 0.9 else "fair" if share >= 0.5 else "poor",
        "good when nine in ten are, of every model",
        "outside of it intervals are guesses of guesses",
    )
    wishes = {one.name: _goal(one) for one in objectives}
    sections = [
        Section(
            "Best molecules",
            [
                Facts({key.replace("_", " "): f"{value:,}" for key, value in counts.items()}, "Molecules"),
                Facts(wishes, "Wished for"),
                _table(best, units, places)
                if len(best)
                else Text("All predicted molecules lie outside of the domain; --outside ranks them as well."),
                *_picked(best, counts["predicted"], units, level),
            ],
            [verdict],
            "By desirability: how many of its training set's standard deviations the worst value within the "
            "asked-for uncertainty is better than zero, or falls short of the goal.",
            _SOURCES,
        )
    ]
    if explained:
        sections.append(_reasons(best, explained, wishes))
    if len(objectives) > 1 and len(front):
        lead = "Molecules that no other is better than in everything."
        sections.append(Section("Pareto front", [_table(front.slice(0, _DRAWN), units, places)], lead=lead))
    if len(different):
        lead = "The most desirable of each kind: less alike than the limit to all above."
        shown = different.slice(0, _DRAWN)
        sections.append(Section("Different ones", [_table(shown, units, places)], lead=lead))
    if reasons:
        told = [("info", f"row {row}: {text or 'no molecule'}", reason) for row, text, reason in reasons]
        lead = "The first rows that could not be used; all are in rejected.csv."
        sections.append(Section("Left out", [Findings(told)], lead=lead))
    return sections


def _picked(best: "pyarrow.Table", predicted: int, units: Mapping[str, str], level: float) -> list[Text]:
    """What picking does to intervals; nothing of classes, which have sets."""
    has_errors = any(np.isfinite(best[f"{name} error"].to_numpy()).any() for name in units)
    if not has_errors or not len(best) < predicted:
        return []
    times = float(widening(level, len(best) / predicted))
    return [
        Text(
            f"An interval holds {level:.0%} of true values of molecules that are picked blindly. These "
            f"{len(best):,} were picked out of {predicted:,} for their values, some of them because the "
            "models err in their favor: expect more of them to be worse than their intervals say. To hold "
            f"{level:.0%} of the picked, intervals and errors would have to be {times:.1f} times as wide."
        )
    ]


def _reasons(
    best: "pyarrow.Table", explained: "Sequence[Sequence[Explanation]]", wanted: Mapping[str, str]
) -> Section:
    """Why the models like the first molecules."""
    cards = []
    for rank, (row, found) in enumerate(zip(best.to_pylist(), explained, strict=False), 1):
        cards += [Text(f"{rank}. {row['name']} {row['smiles']}"), Columns(reason_figures(found, wanted))]
    lead = "What atoms bring to each value; adiabat explain shows more of one molecule."
    return Section("Why the models like them", cards, lead=lead)


def _table(table: "pyarrow.Table", units: Mapping[str, str], places: Sequence[tuple[str, ...]]) -> Table:
    columns = ["molecule", "row", *(f"{name} [{unit}]" if unit else name for name, unit in units.items())]
    columns += ["desirability", *(name for place in places for name in place[:2])]
    rows, pictures = [], []
    for row in table.to_pylist():
        values = [_value(row, name) for name in units]
        known = [cell for place in places for cell in (row[place[0]], number(row[place[1]]))]
        title = f"{row['name']} {row['smiles']}".strip()
        rows.append([title, row["row"], *values, number(row["desirability"]), *known])
        pictures.append(drawing(row["smiles"]))
    return Table(columns, rows, "Values with standard errors; intervals are in candidates.csv.", pictures)


def _value(row: Mapping[str, Any], name: str) -> str:
    error = row[f"{name} error"]
    return with_error(row[name], error) if error and error > 0 else number(row[name])


def _goal(objective: Objective) -> str:
    goal = objective.goal
    return (
        goal
        if isinstance(goal, str)
        else " to ".join(map(number, goal if isinstance(goal, tuple) else [goal]))
    )
