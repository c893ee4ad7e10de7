"""Sections on binding affinities: how ligands are ranked, beside scores that know nothing of the protein."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adiabat.properties.affinity.docking import VINA
from adiabat.properties.affinity.model import BOTH
from adiabat.report import figures
from adiabat.report.cards import Columns, Facts, Figure, Findings, Section, Table, Text, Verdict
from adiabat.report.formatting import number
from adiabat.report.molecules import drawings

if TYPE_CHECKING:
    from adiabat.properties.affinity import LeftOut, SeriesTest
    from adiabat.properties.table import Rejected

_SHOWN, _DRAWN, _MESSAGES = 200, 8, 30
_SOURCES = ("affinity-bootstrap", "kendall")


def training_test_sections(left_out: "LeftOut", summary: Mapping[str, Any]) -> list[Section]:
    """How a model ranks the ligands of targets that it has not seen.

    Args:
        left_out: scores of each target by models without it.
        summary: of the training, as `adiabat affinity train` makes it.
    """
    by_target = summary["tau_by_target"]
    rows = [
        [
            name,
            *(_tau(by_target[target.name][name]) for target in left_out.series),
            _tau(summary["tau"][name]),
        ]
        for name in left_out.scores
    ]
    counts = [f"{target.name} ({len(target.values)} ligands)" for target in left_out.series]
    caption = (
        "Kendall's tau with 95 % intervals of a bootstrap over ligands. Each target was ranked by models "
        "that had seen none of its ligands. The first three use the pose; the others know nothing "
        "of the protein."
    )
    against = _against(summary["better_than"], BOTH)
    panels = [
        figures.Parity(target.name, target.values - target.values.mean(), scores - scores.mean())
        for target, scores in zip(left_out.series, left_out.scores[BOTH], strict=True)
    ]
    svg = figures.parity(panels, "pK, less the mean of the target", "pK", per_unit=1.0)
    lead = (
        "The intervals are for these targets with other ligands. Other targets differ by more: with so few, "
        "nobody knows how well a new one will be ranked."
    )
    cards = [Table(["score", *counts, "mean"], rows, caption), against]
    return [
        Section("Targets left out", cards, _null_verdict(summary, BOTH), lead, _SOURCES),
        Section("Scores and measured values", [Figure(svg, "scores against measured values of each target")]),
    ]


def scoring_sections(rows: Sequence[Mapping[str, str]], summary: Mapping[str, Any]) -> list[Section]:
    """Ligands of a target in their order.

    Args:
        rows: of the table, the best first.
        summary: of the scoring.
    """
    absolute = "pK" in rows[0]
    shown = [_ranked(row, absolute) for row in rows[:_SHOWN]]
    table = Table(list(shown[0]), [list(row.values()) for row in shown])
    meaning = (
        f"pK comes from a line through {summary['n_known']} known ligands of this target; its interval is "
        "that of a bootstrap."
        if absolute
        else "This is an order and nothing more: absolute values need five known ligands of this target."
    )
    legends = [f"{row['rank']}. {row['name']}" for row in rows[:_DRAWN]]
    svg = drawings([row["smiles"] for row in rows[:_DRAWN]], legends)
    ours = summary["ranked_by"]
    errors, sources = "left-out targets were off", ()
    if ours == VINA:
        errors = "the published standard error, of complexes of many targets, calls for"
        sources = ("vina-error",)
    lead = (
        f"The score is that of {ours} in units of pK, less the mean of these ligands; its interval is as "
        f"wide as {errors}."
    )
    sources = (*_SOURCES, *sources)
    cards: list[Any] = [Text(meaning), table, Figure(svg, "the best ligands", "The best by the score.")]
    verdicts = _null_verdict(summary, ours) if "tau" in summary else _elsewhere(summary)
    sections = [Section("Ranking", cards, verdicts, lead, sources)]
    if "tau" in summary:
        taus = [[name, _tau(found)] for name, found in summary["tau"].items()]
        caption = "Kendall's tau on the known ligands of this target, with 95 % intervals of a bootstrap."
        test = [Table(["score", "tau"], taus, caption), _against(summary["better_than"], ours)]
        sections.append(Section("On the known ligands", test))
    failing = sum(bool(row["failed checks"]) for row in rows)
    if failing:
        text = f"{failing} of {len(rows)} fail a check of their geometry: their scores are worth little."
        sections[0] = Section(
            "Ranking", [Findings([("warning", "poses", text)]), *cards], verdicts, lead, sources
        )
    return sections


def series_sections(test: "SeriesTest", summary: Mapping[str, Any]) -> list[Section]:
    """How the ligands of a target are ranked by each other.

    Args:
        test: of ligands that were left out.
        summary: of the training, as `adiabat affinity series` makes it.
    """
    from adiabat.properties.affinity.own_series import MODEL

    rows = [[name, _tau(found)] for name, found in summary["tau"].items()]
    caption = (
        "Kendall's tau of pairs that were left out together, with 95 % intervals of a bootstrap over "
        f"ligands; {summary['tested']}."
    )
    svg = figures.parity(
        [figures.Parity("left out", test.values, test.scores[MODEL])], "pK", "pK", per_unit=1.0
    )
    cards = [
        Table(["score", "tau"], rows, caption),
        _against(summary["better_than"], MODEL),
        Figure(svg, "predicted against measured pK of ligands left out"),
    ]
    lead = f"Of {summary['n_ligands']} ligands. The model file is read by `adiabat property predict`."
    return [Section("Ranking", cards, _null_verdict(summary, MODEL), lead, _SOURCES)]


def docking_sections(rows: Sequence[Mapping[str, str]], summary: Mapping[str, Any]) -> list[Section]:
    """Docked poses with their checks, and how often known poses were found.

    Args:
        rows: of the table.
        summary: of the docking.
    """
    columns = [name for name in rows[0] if name != "smiles" and any(row[name] for row in rows)]
    table = Table(columns, [[row[name] for name in columns] for row in rows[:_SHOWN]])
    share = summary["passes_all_checks"]
    verdicts = [
        Verdict(
            "First poses that pass all checks",
            f"{share:.0%}",
            "good" if share >= 0.9 else "fair" if share >= 0.5 else "poor",
            "good from 90 %",
            "bonds, angles, rings, clashes, box, as PoseBusters checks them",
        )
    ]
    cards: list[Any] = []
    if "redocked" in summary:
        found = summary["redocked"]
        boxes = {
            name: f"{one['share']:.0%} ({one['lower']:.0%}–{one['upper']:.0%}) of {one['n']}, "
            f"median {number(one['median_rmsd'])} Å"
            for name, one in found.items()
        }
        cards.append(Facts(boxes, title="Known poses found within 2 Å"))
        first = found["Vina's first pose"]
        verdicts.append(
            Verdict(
                "Known poses found",
                f"{first['share']:.0%} within 2 Å",
                "good" if first["share"] >= 0.8 else "fair" if first["share"] >= 0.5 else "poor",
                "good from 80 %",
                f"{first['n']} ligands, 95 % interval {first['lower']:.0%} to {first['upper']:.0%}",
            )
        )
    sources = ("vina", "posebusters")
    return [Section("Poses", [*cards, table], verdicts, citations=sources)]


def notes_section(notes: Mapping[str, Sequence[str]], rejected: "Sequence[tuple[str, Rejected]]") -> Section:
    """What was done to the input, and what was left out with the reason, by target."""
    messages = [("info", target, text) for target, texts in notes.items() for text in texts]
    messages += [("warning", f"{target}: {one.text} is left out", one.reason) for target, one in rejected]
    if not messages:
        return Section("Input", [Text("Everything was used as it is.")])
    cards: list[Any] = [Findings(messages[:_MESSAGES])]
    if len(messages) > _MESSAGES:
        cards.append(Text(f"And {len(messages) - _MESSAGES} more, see rejected.csv."))
    return Section("Input", cards)


def _ranked(row: Mapping[str, str], absolute: bool) -> dict[str, str]:
    """A ligand as people read it."""

    def within(name: str) -> str:
        value, *ends = (float(row[f"{name}{end}"]) for end in ("", " lower", " upper"))
        return _within(value, *ends)

    made = {"ligand": row["name"], "rank": row["rank"], "score": within("score")}
    if absolute:
        made |= {name: within(name) for name in ("pK", "dG [kcal/mol]")}
    measured = row["measured pK"]
    made["measured pK"] = number(float(measured)) if measured else ""
    return made | {"failed checks": row["failed checks"]}


def _tau(found: Mapping[str, float]) -> str:
    return _within(found["value"], found["lower"], found["upper"])


def _within(value: float, lower: float, upper: float) -> str:
    """To the hundredth: no tau or pK is known better."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.2f} ({lower:.2f} to {upper:.2f})".replace("-", "−")


def _against(better: Mapping[str, Mapping[str, float]], ours: str) -> Columns:
    facts = {name: f"{_tau(found)}, p {number(found['p_value'], 2)}" for name, found in better.items()}
    return Columns([Facts(facts, title=f"Tau of {ours} less that of")])


def _null_verdict(summary: Mapping[str, Any], ours: str) -> list[Verdict]:
    """Whether a score beats the best of those that know nothing of the protein."""
    tau, better = summary["tau"][ours], summary["better_than"]
    best = max(better, key=lambda name: summary["tau"][name]["value"])
    gain = better[best]
    status = "good" if gain["lower"] > 0 else "fair" if tau["lower"] > 0 and gain["value"] > 0 else "poor"
    said = "better" if gain["lower"] > 0 else "not shown to be better" if gain["value"] > 0 else "no better"
    return [
        Verdict(
            f"Kendall's tau of {ours}",
            _tau(tau),
            status,
            "good when better than every null model, p < 0.05",
            f"{said} than {best} ({number(summary['tau'][best]['value'])}): difference {_tau(gain)}",
        )
    ]


def _elsewhere(summary: Mapping[str, Any]) -> list[Verdict]:
    """What is known when nothing of this target is: how left-out targets were ranked."""
    found = summary.get("tau_on_other_targets")
    if not found:
        return [
            Verdict(
                "Kendall's tau",
                "not known",
                "poor",
                "good only by five known ligands of this target",
                f"nothing says how well {summary['ranked_by']} orders these ligands",
            )
        ]
    return [
        Verdict(
            "Kendall's tau on targets left out in training",
            _tau(found),
            "fair" if found["lower"] > 0 else "poor",
            "fair when above zero; good only by known ligands of this target",
            "nothing is known of this target",
        )
    ]
