"""Sections on why a property model says what it says of molecules."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.properties.domain import VERDICTS
from adiabat.report.cards import Columns, Facts, Figure, Findings, Section, Table, Verdict
from adiabat.report.contributions import contribution_drawing, signed
from adiabat.report.formatting import interval, number
from adiabat.report.molecules import drawing, drawings

if TYPE_CHECKING:
    from adiabat.explain import Explanation, Skill

_SOURCES = (
    "L. S. Shapley, Contributions to the Theory of Games II, 307 (1953), "
    "doi:10.1515/9781400881970-018: contributions that add up.",
    "M. Sundararajan et al., ICML (2017), arXiv:1703.01365: integrated gradients.",
    "S. M. Lundberg et al., Nat. Mach. Intell. 2, 56 (2020), doi:10.1038/s42256-019-0138-9: Shapley values "
    "of trees.",
    "J. Degen et al., ChemMedChem 3, 1503 (2008), doi:10.1002/cmdc.200800178: where molecules are cut.",
)
# The strongest color is at least this share of the spread of the target: what is nothing looks like nothing.
_LEAST_LIMIT = 0.1
# Of a molecule among many so many fragments are told, those that bring most.
_FRAGMENTS = 3


def explanation_sections(
    found: "Sequence[Explanation]",
    skills: "Sequence[Skill | None]",
    least: "dict[str, float]",
    rejected: Sequence[tuple[str, str]] = (),
) -> list[Section]:
    """A section for each molecule.

    Args:
        found: of one model.
        skills: of the model, for each target.
        least: of each figure of merit, below which the model is weak.
        rejected: molecules that could not be read, and why.
    """
    sections = [_of_molecule(one, number_) for number_, one in enumerate(found, 1)]
    if found:
        sections[0] = Section(
            sections[0].title,
            sections[0].cards,
            [_verdict(t, skill, least) for t, skill in zip(found[0].targets, skills, strict=True)],
            sections[0].lead,
            _SOURCES,
        )
    if rejected:
        items = [("error", text, reason) for text, reason in rejected]
        sections.append(Section("Not explained", [Findings(items)]))
    return sections


def reason_figures(found: "Sequence[Explanation]", wanted: Collection[str]) -> list[Figure]:
    """One molecule, once for each wanted target: its atoms colored by what they bring, and below what the
    strongest fragments bring. Where that would mean nothing the molecule is plain, and the reason below.

    Args:
        found: of one molecule by several models.
        wanted: names of targets.
    """
    return [_reason(one, k) for one in found for k, target in enumerate(one.targets) if target.name in wanted]


def _reason(one: "Explanation", k: int) -> Figure:
    name, unit = one.targets[k].name, _unit(one, k)
    said = f"{name} {number(float(one.prediction.values[0, k]))} {unit}".strip()
    if one.doubts[k]:
        why = f"{said}. What atoms bring is not shown: {'; '.join(one.doubts[k])}."
        return Figure(drawing(one.smiles), f"structure of {one.smiles}", why)
    most = np.argsort(-np.abs(one.fragments[:, k]), kind="stable")[:_FRAGMENTS]
    parts = ", ".join(f"{one.fragment_smiles[n]} {signed(float(one.fragments[n, k]))}" for n in most)
    base = number(float(one.baseline[k]))
    return _of_atoms(one, k, f"{said}, of which {base} without any atom. Most is brought by {parts}.")


def _of_atoms(one: "Explanation", k: int, caption: str) -> Figure:
    atoms, name = one.atoms[:, k], one.targets[k].name
    return Figure(
        contribution_drawing(one.smiles, atoms, _limit(one, k, atoms), _unit(one, k)),
        f"atoms of {one.smiles} colored by what they bring to {name}",
        caption,
    )


def _limit(one: "Explanation", k: int, values: np.ndarray) -> float:
    """Of the strongest color."""
    return max(float(np.abs(values).max()), _LEAST_LIMIT * one.targets[k].scale, 1e-12)


def _verdict(target: Any, skill: "Skill | None", least: "dict[str, float]") -> Verdict:
    if skill is None:
        return Verdict(f"Model of {target.name}", "–", "unknown", "its file does not say how good it is")
    name = "R²" if skill.figure == "R2" else skill.figure
    bar = least[skill.figure]
    return Verdict(
        f"{name} of {target.name}",
        number(skill.value),
        "good" if skill.value >= bar else "poor",
        f"drawn from {bar:g} on: what a weak model has learned is not chemistry",
        f"of its {skill.source}",
    )


def _of_molecule(one: "Explanation", rank: int) -> Section:
    cards: list[Any] = []
    for k in range(len(one.targets)):
        cards += _of_target(one, k)
    cards.append(_neighbors(one))
    return Section(f"{rank}. {one.smiles}", cards)


def _of_target(one: "Explanation", k: int) -> list[Any]:
    target, unit = one.targets[k], _unit(one, k)
    facts = Facts(_facts(one, k), title=target.name)
    if one.doubts[k]:
        hidden = f"What atoms bring to {target.name} is not shown"
        return [Findings([("warning", hidden, reason) for reason in one.doubts[k]]), facts]
    by_fragment = one.fragments[one.fragment, k]
    first = {int(np.flatnonzero(one.fragment == n)[0]): str(n + 1) for n in range(len(one.fragments))}
    figures = [
        _of_atoms(one, k, f"Atoms: what each brings to {target.name}."),
        Figure(
            contribution_drawing(one.smiles, by_fragment, _limit(one, k, by_fragment), unit, first),
            f"fragments of {one.smiles} colored by what they bring to {target.name}",
            f"Fragments, numbered as in the table: what each brings to {target.name}.",
        ),
    ]
    return [Columns(figures), Columns([_table(one, k, unit), facts])]


def _facts(one: "Explanation", k: int) -> dict[str, str]:
    said, unit = one.prediction, _unit(one, k)
    facts = {"prediction": f"{number(float(said.values[0, k]))} {unit}".strip()}
    lower, upper = float(said.lower[0, k]), float(said.upper[0, k])
    if one.targets[k].is_class:
        facts["possible, nine in ten"] = f"{lower:g}" if lower == upper else "0 and 1"
    else:
        facts["interval"] = interval(lower, upper)
    place, alike = VERDICTS[said.placed.verdict[0]], said.placed.similarity[0]
    facts["domain"] = f"{place}, {alike:.2f} alike to the nearest"
    facts["without any atom"] = f"{number(float(one.baseline[k]))} {unit}".strip()
    for name, residual in zip(("atoms", "fragments"), one.residuals[:, k], strict=True):
        facts[f"{name} add up to within"] = f"{abs(float(residual)):.1e} {unit}".strip()
    if (sampled := one.errors[:, k]).any():
        facts["standard error of atoms"] = f"up to {number(float(sampled.max()), 2)} {unit}".strip()
    return facts | {f"atoms, {kind}": method for kind, method in one.methods.items()}


def _table(one: "Explanation", k: int, unit: str) -> Table:
    order = np.argsort(-np.abs(one.fragments[:, k]), kind="stable")
    sums = one.fragment_sums[:, k]
    rows: list[list[str]] = [
        [f"{n + 1}  {one.fragment_smiles[n]}", signed(float(one.fragments[n, k])), signed(float(sums[n]))]
        for n in order
    ]
    base = float(one.baseline[k])
    rows.append(["without any atom", signed(base), signed(base)])
    rows.append(["prediction", *(signed(base + float(part.sum())) for part in (one.fragments[:, k], sums))])
    return Table(
        ["fragment", f"Shapley value [{unit or 'probability'}]", "sum of its atoms"],
        rows,
        "What each fragment brings, on average over all orders in which fragments come, and the sum of its "
        "atoms in the drawing. Where the two differ much, neither is to be relied on.",
    )


def _neighbors(one: "Explanation") -> Figure:
    legends = [f"{neighbor.similarity:.2f} alike" for neighbor in one.neighbors]
    svg = drawings([neighbor.smiles for neighbor in one.neighbors], legends)
    caption = "The most alike molecules of the training set."
    return Figure(svg, f"the nearest to {one.smiles} of the training set", caption)


def _unit(one: "Explanation", k: int) -> str:
    return "" if one.targets[k].is_class else one.targets[k].unit
