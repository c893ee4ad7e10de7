"""The section on a free energy along one or two variables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adiabat.report import figures
from adiabat.report.cards import Card, Chart, Columns, Facts, Figure, Section, Series, Table, Text, Verdict
from adiabat.report.formatting import number, with_error
from adiabat.sampling.bins import goes_around

_BAR = "good when the last third changed it by less than k_B T / 4 and its error is below k_B T / 2"


def free_energy_section(
    found: Mapping[str, Any],
    axes: Sequence[np.ndarray],
    free_energy: np.ndarray,
    error: np.ndarray,
    *,
    labels: Sequence[str],
    periods: Sequence[float | None],
    states: Sequence[tuple[str, Mapping[str, tuple[float, float]]]] = (),
) -> Section:
    """What to say of a free energy.

    Args:
        found: what `adiabat.tasks.free_energy.free_energy` returns.
        axes: the middles of the bins, one array for each variable.
        free_energy: [kJ/mol], infinite where no frame was; an axis for each variable.
        error: standard errors [kJ/mol], of the same shape.
        labels: the variables with units.
        periods: by which they repeat, None for those that do not.
        states: names, and intervals by the name of the variable, their lower ends first.
    """
    facts = {
        "method": found["method"],
        "temperature": f"{number(found['temperature_k'])} K",
        "trajectories": number(found["trajectories"]),
        "frames": number(found["frames"]),
        "worth as many of equal weight": number(found["n_effective"]),
    }
    cards: list[Card] = [Facts(facts), *([Text(f"This is {found['note']}.")] if "note" in found else [])]
    if len(axes) == 1:
        cards.append(_line(axes[0], free_energy, error, labels[0]))
    else:
        cards += _surfaces(found, axes, free_energy, error, labels, periods, states)
    rows = found.get("differences", [])
    if rows:
        cards.append(_differences(rows))
    name, value = "Profile" if len(axes) == 1 else "Surface", found["verdict"].partition(":")[0]
    if "difference_kj_per_mol" in found:
        name = "Difference"
        value = with_error(found["difference_kj_per_mol"], found["difference_kj_per_mol_error"], "kJ/mol")
    elif rows:
        name, value = "Differences", f"{sum(row['converged'] for row in rows)} of {len(rows)} converged"
    status = "good" if found["converged"] else "poor"
    verdict = Verdict(name, value, status, _BAR, found["verdict"])
    return Section("Free energy", cards, verdicts=[verdict])


def _line(axis: np.ndarray, free_energy: np.ndarray, error: np.ndarray, label: str) -> Chart:
    band = (free_energy - 2 * error, free_energy + 2 * error)
    return Chart(
        {label: axis},
        [Series("free energy", free_energy, 0, band=band)],
        "free energy [kJ/mol]",
        f"Free energy along {label}",
        title="Free energy",
        caption="Above the lowest bin. The band is two standard errors.",
    )


def _surfaces(
    found: Mapping[str, Any],
    axes: Sequence[np.ndarray],
    free_energy: np.ndarray,
    error: np.ndarray,
    labels: Sequence[str],
    periods: Sequence[float | None],
    states: Sequence[tuple[str, Mapping[str, tuple[float, float]]]],
) -> list[Card]:
    """The surface, its errors and its minima."""
    x, y = axes
    shared: dict[str, Any] = {"around": (goes_around(x, periods[0]), goes_around(y, periods[1]))}
    minima = found["minima"]
    marks = [(*one["at"], str(place + 1)) for place, one in enumerate(minima)]
    boxes = [box for name, ranges in states for box in _boxes(name, ranges, found["variable"], axes, periods)]
    names = f"{labels[0]} and {labels[1]}"
    surface = figures.Surface(
        x, y, free_energy, (labels[0], labels[1], "free energy [kJ/mol]"), marks=marks, boxes=boxes, **shared
    )
    errors = figures.Surface(x, y, error, (labels[0], labels[1], "standard error [kJ/mol]"), **shared)
    pictures = [
        Figure(
            figures.surface(surface),
            f"Free energy along {names}",
            "Above the lowest bin; nothing where no frame was. Crosses are the "
            "minima below" + (", broken lines the states." if boxes else "."),
        ),
        Figure(
            figures.surface(errors, smooth=False),
            f"Standard error of the free energy along {names}",
            "Standard error of each bin; nothing where it has too few frames to know one.",
        ),
    ]
    table = Table(
        ["minimum", *labels, "free energy [kJ/mol]", "lowest way out [kJ/mol]"],
        [
            [
                place + 1,
                *map(number, one["at"]),
                with_error(one["free_energy_kj_per_mol"], one["free_energy_kj_per_mol_error"]),
                number(one["exit_kj_per_mol"]),
            ]
            for place, one in enumerate(minima)
        ],
        "Minima, to the width of a bin. The lowest way out is the height of the pass to a lower minimum.",
    )
    none = Text("No minimum is deeper than its error: run longer, or take fewer bins.")
    return [Columns(pictures), table if minima else none]


def _boxes(
    name: str,
    ranges: Mapping[str, tuple[float, float]],
    variables: Sequence[str],
    axes: Sequence[np.ndarray],
    periods: Sequence[float | None],
) -> list[tuple[float, float, float, float, str]]:
    """Where a state is on the surface; in several parts where it goes through an end. A state that other
    variables bound as well is no part of the surface."""
    if not set(ranges) <= set(variables):
        return []
    parts = []
    for variable, axis, period in zip(variables, axes, periods, strict=True):
        first, last = figures.ends(axis)
        low, high = ranges.get(variable, (first, last))
        shifts = [0.0]
        if period is not None and np.isfinite([low, high]).all():
            # From the first turn on that reaches the bins.
            shifts = [period * (np.floor((first - low) / period) + turn) for turn in (0, 1)]
        clipped = [(max(low + shift, first), min(high + shift, last)) for shift in shifts]
        parts.append([(a, b) for a, b in clipped if a < b])
    return [(left, right, low, high, name) for left, right in parts[0] for low, high in parts[1]]


def _differences(rows: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        ["state", "compared with", "difference [kJ/mol]", "changed by the last third", "transitions", ""],
        [
            [
                row["state"],
                row["compared_with"],
                with_error(row["difference_kj_per_mol"], row["difference_kj_per_mol_error"]),
                number(row["last_third_kj_per_mol"]),
                number(row.get("transitions")),
                row["verdict"],
            ]
            for row in rows
        ],
        "How much higher the free energy of each state is.",
    )
