"""Sections on the data a model was trained on."""

from collections.abc import Mapping, Sequence
from typing import Any

from adiabat.report.cards import Columns, Facts, Findings, Section, Status, Table, Verdict
from adiabat.report.formatting import number

_LEVELS = {"error": 0, "warning": 1, "info": 2}


def data_sections(description: Mapping[str, Any], findings: Sequence[Any]) -> list[Section]:
    """What to say of the data.

    Args:
        description: what `adiabat.data.describe` returns, or several of them by the name of the set.
        findings: of the preflight: objects with `level`, `title` and `detail`, or mappings with these
            keys. Without any nothing is said about checks: none may have been made.
    """
    one = "n_structures" in description
    sets = {"data": description} if one else {k: v for k, v in description.items() if isinstance(v, Mapping)}
    cards: list[Any] = []
    if sets:
        cards.append(_sets_table(sets))
        details = [_counts(name, entry, single=one) for name, entry in sets.items()]
        cards += [Columns(shown) for shown in details if shown]
    found = sorted((_finding(finding) for finding in findings), key=lambda item: _LEVELS.get(item[0], 2))
    if found:
        cards.append(Findings(found))
    return [Section("Data", cards, verdicts=[_verdict(found)] if found else [])]


def _verdict(found: Sequence[tuple[str, str, str]]) -> Verdict:
    errors = sum(level == "error" for level, _, _ in found)
    warnings = sum(level == "warning" for level, _, _ in found)
    status: Status = "poor" if errors else "fair" if warnings else "good"
    counted = [(errors, "error"), (warnings, "warning")]
    shown = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counted if count]
    value = ", ".join(shown) or "no warnings"
    bar = "good without errors and warnings of the checks before training"
    return Verdict(
        "Data", value, status, bar, "checks of units, signs, duplicates, outliers, consistency and leakage"
    )


def _sets_table(sets: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for name, entry in sets.items():
        sizes = list(entry.get("sizes") or [])
        force, energy = entry.get("force_ev_per_ang") or {}, entry.get("energy_per_atom_ev") or {}
        rows.append([
            name,
            number(entry.get("n_structures")),
            "–" if not sizes else number(sizes[0]) if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}",
            ", ".join(map(str, entry.get("elements") or [])) or "–",
            number(entry.get("periodic")),
            number(entry.get("with_forces")),
            number(energy.get("std")),
            number(force.get("rms")),
            number(force.get("max")),
        ])  # fmt: skip
    columns = [
        "set",
        "structures",
        "atoms",
        "elements",
        "periodic",
        "with forces",
        "energy spread",
        "RMS force",
    ]
    columns.append("largest force")
    caption = "Energies in eV per atom above the references of the elements, forces in eV/Å."
    return Table(columns, rows, caption)


def _counts(name: str, entry: Mapping[str, Any], single: bool) -> list[Facts]:
    cards = []
    for key, title in (
        ("formulas", "Formulas"),
        ("groups", "Groups"),
        ("sources", "Sources"),
        ("charges", "Charges"),
    ):
        counts = entry.get(key) or {}
        if key == "charges" and set(counts) <= {"0"}:
            continue
        if counts:
            items = dict(list(counts.items())[:12])
            if len(counts) > 12:
                items["…"] = f"and {len(counts) - 12} more"
            cards.append(Facts(items, title=title if single else f"{title}, {name}"))
    return cards


def _finding(finding: Any) -> tuple[str, str, str]:
    if isinstance(finding, Mapping):
        return (
            str(finding.get("level", "info")),
            str(finding.get("title", "")),
            str(finding.get("detail", "")),
        )
    return str(finding.level), str(finding.title), str(finding.detail)
