"""Cards on structure: bonds, radial distributions, structure factor, diffusion, hydrogen bonds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from adiabat import analysis
from adiabat.report import figures
from adiabat.report.cards import Chart, Columns, Facts, Figure, Series, Status, Table, Text, Verdict
from adiabat.report.elements import is_metal
from adiabat.report.formatting import number, with_error
from adiabat.report.measurements import SLOWED_BAR, Measurements
from adiabat.report.motion import Motion

_UNITS = {"bond": "Å", "angle": "°", "torsion": "°"}
_MAX_PANELS = 12
_OUTSIDE_BAR = 0.01
_MAX_REFERENCES = 2000


def bond_cards(
    title: str,
    measured: Measurements,
    reference_positions: Sequence[np.ndarray] | None,
    reference_cells: Sequence[np.ndarray] | None,
) -> tuple[list[Any], list[Verdict]]:
    """Distributions of bonds, angles and torsions; with training frames beside theirs, and with a verdict."""
    motion = measured.motion
    references, cells = _references(motion, reference_positions, reference_cells)
    if is_metal(motion.numbers).all() or not np.isfinite(motion.positions).all():
        return [], []
    if references is None:
        found = measured.internals
    else:
        frames = motion.positions if motion.beads is None else motion.beads
        found = analysis.bond_statistics(motion.numbers, frames, references, motion.cell, cells)
    if not found:
        return [], []
    panels = []
    for one in found[:_MAX_PANELS]:
        edges, density, reference = one.histograms()
        both = [density] if references is None else [reference, density]
        label = f"{one.kind} [{_UNITS[one.kind]}]"
        name, band = f"{one.label} ({one.n_coordinates})", 2 * one.histogram_error()
        panels.append(figures.Histogram(name, edges, both, label, band))
    svg = figures.histograms(
        panels, ["simulation"] if references is None else ["training data", "simulation"]
    )
    caption = "Bonds, angles and torsions by element"
    caption += "." if references is None else f", against {number(len(references))} training frames."
    caption += " Bands are two standard errors from five blocks."
    if len(found) > _MAX_PANELS:
        caption += f" The first {_MAX_PANELS} of {len(found)} kinds; the table has all."
    cards = [Figure(svg, "Histograms of internal coordinates", caption)]
    if references is None:
        return [*cards, _plain_table(found)], []
    return [*cards, _table(found)], [_bond_verdict(title, found)]


def _references(
    motion: Motion, positions: Sequence[np.ndarray] | None, cells: Sequence[np.ndarray] | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Training frames of the same size (m, n_atoms, 3) and their cells (m, 3, 3), at most 2000."""
    if positions is None or (motion.cell is not None and cells is None):
        return None, None
    same = [k for k, frame in enumerate(positions) if np.shape(frame) == (motion.n_atoms, 3)]
    if len(same) < 2:
        return None, None
    kept = [same[k] for k in np.unique(np.linspace(0, len(same) - 1, _MAX_REFERENCES, dtype=int))]
    frames = np.array([np.asarray(positions[k], dtype=np.float64) for k in kept])
    if motion.cell is None or cells is None:
        return frames, None
    return frames, np.array([np.asarray(cells[k], dtype=np.float64) for k in kept])


def _table(found: Sequence[analysis.Distribution]) -> Table:
    rows = []
    for one in found:
        unit = _UNITS[one.kind]
        rows.append([
            f"{one.kind} {one.label}",
            number(one.n_coordinates),
            f"{number(one.mean, 4)} ± {number(one.deviation)} {unit}",
            f"{number(one.reference_mean, 4)} ± {number(one.reference_deviation)} {unit}",
            number(one.divergence),
            f"{100 * one.outside:.2f} %",
        ])  # fmt: skip
    columns = ["coordinate", "number", "simulation", "training data", "divergence", "outside"]
    caption = (
        "Mean ± standard deviation. Divergence: Jensen-Shannon, 0 equal, 1 disjoint; training data sampled "
        "more broadly than the simulation differ without harm. Outside: share of values beyond their range."
    )
    return Table(columns, rows, caption)


def _plain_table(found: Sequence[analysis.Distribution]) -> Table:
    rows = [
        [
            f"{one.kind} {one.label}",
            number(one.n_coordinates),
            number(one.mean, 4) if one.kind == "torsion" else with_error(one.mean, one.average.error),
            f"{number(one.deviation)} {_UNITS[one.kind]}",
        ]
        for one in found
    ]
    caption = "Means with standard errors, in Å and °; torsions are many-valued, and have none."
    return Table(["coordinate", "number", "mean", "standard deviation"], rows, caption)


def _bond_verdict(title: str, found: Sequence[analysis.Distribution]) -> Verdict:
    judged = [one for one in found if one.kind in ("bond", "angle")] or list(found)
    worst = max(judged, key=lambda one: one.outside)
    share = float(np.mean([one.outside for one in judged]))
    status: Status = "good" if worst.outside <= _OUTSIDE_BAR else "fair" if worst.outside <= 0.1 else "poor"
    bar = f"good when at most {100 * _OUTSIDE_BAR:g} % of each kind leave the range of the training data"
    trust = (
        f"most for {worst.kind} {worst.label}: {100 * worst.outside:.2f} %; out there the model extrapolates"
    )
    return Verdict(f"Bonds and angles, {title}", f"{100 * (1 - share):.2f} % inside", status, bar, trust)


def liquid_cards(title: str, measured: Measurements) -> tuple[list[Any], list[Verdict]]:
    """Radial distributions, structure factor and diffusion of a periodic system, and whether the thermostat
    let it diffuse; nothing for a molecule."""
    pairs = measured.radial
    if not pairs:
        return [], []
    lines = [
        Series(pair.label, pair.g, k % 7, band=(pair.g - 2 * pair.error, pair.g + 2 * pair.error))
        for k, pair in enumerate(pairs[:7])
    ]
    chart = Chart(
        {"distance [Å]": pairs[0].distance},
        lines,
        "g(r)",
        "Radial distribution functions of the pairs of elements",
        title="Radial distribution functions",
        y_max=_highest(measured.motion, pairs),
        caption="Bands are two standard errors from five blocks; the first fifth of the run is left out.",
    )
    rows = [_peak(pair) for pair in pairs]
    table = Table(
        ["pair", "peak [Å]", "height", "minimum [Å]", "coordination"],
        rows,
        "Of the highest peak; g(r) counts bonded pairs too. Coordination: second atoms up to the minimum.",
    )
    cards = [Columns([chart, _structure_factor(measured)]), table, *_diffusion(measured)]
    return cards, _diffusion_verdict(title, measured)


def _diffusion_verdict(title: str, measured: Measurements) -> list[Verdict]:
    """Of a run with friction: how much of what slows diffusion is the thermostat's."""
    if not measured.slowed:
        return []
    name, share = max(measured.slowed.items(), key=lambda item: item[1])
    status: Status = "good" if share <= SLOWED_BAR else "fair" if share <= 4 * SLOWED_BAR else "poor"
    bar = f"good when the thermostat slows it by at most {100 * SLOWED_BAR:g} %"
    trust = (
        f"most for {name}, with a friction of {measured.motion.friction:g} 1/fs beside k T / (m D); "
        "velocity_rescaling and nve have none"
    )
    return [Verdict(f"Diffusion, {title}", f"slowed by about {number(100 * share, 2)} %", status, bar, trust)]


def _structure_factor(measured: Measurements) -> Chart:
    found = measured.structure_factor
    assert found is not None
    return Chart(
        {"q [1/Å]": found.wavevector},
        [Series("all atoms", found.s, 0, band=(found.s - 2 * found.error, found.s + 2 * found.error))],
        "S(q)",
        "Structure factor of all atoms",
        title="Structure factor",
        caption="Summed over the wave vectors that fit the cell, each atom counted alike; the first is "
        f"{number(float(found.wavevector[0]))} 1/Å. Experiments weight the elements differently.",
    )


def _highest(motion: Motion, pairs: Sequence[analysis.RadialDistribution]) -> float:
    """Where to end the axis: in a liquid of molecules the bonded pairs would flatten all the rest."""
    assert motion.cell is not None
    member = analysis.molecules(
        motion.n_atoms, analysis.find_bonds(motion.numbers, motion.positions[0], motion.cell[0])
    )
    molecular = 1 < np.bincount(member).max() < motion.n_atoms / 2
    reach = 2 * analysis.BOND_SCALE * analysis.bonded_radii(motion.numbers).max() if molecular else 0.0
    beyond = [pair.g[pair.distance > reach] for pair in pairs]
    return 1.1 * max(1.0, *(float(g.max(initial=0.0)) for g in beyond))


def first_peak(pair: analysis.RadialDistribution) -> tuple[float, float, float, float] | None:
    """Place of the highest peak [Å], its height, the minimum after it [Å], the coordination up to there; None
    where half of a small cell does not reach to it."""
    top = int(np.argmax(pair.g))
    if top in (0, len(pair.g) - 1):
        return None
    after = pair.g[top:]
    # The minimum is sought until g first rises above 1 again, so that noise at long range does not win.
    ends = np.flatnonzero((after[1:] >= 1) & (np.minimum.accumulate(after)[1:] < 1))
    stop = int(ends[0]) + 1 if len(ends) else len(after)
    bottom = top + int(np.argmin(after[: max(stop, 1)]))
    shown = (pair.distance[top], pair.g[top], pair.distance[bottom], pair.coordination[bottom])
    return tuple(float(value) for value in shown)  # pyright: ignore[reportReturnType]


def _peak(pair: analysis.RadialDistribution) -> list[str]:
    return [pair.label, *(number(value) for value in first_peak(pair) or [None] * 4)]


def _diffusion(measured: Measurements) -> list[Chart | Facts | Text]:
    if not measured.diffusion:
        return []
    more = measured.finite_size
    facts = {}
    for name, found in measured.diffusion.items():
        facts[name] = with_error(found.mean, found.error, "cm²/s")
        if more is not None:
            facts[f"{name}, corrected"] = with_error(found.mean + more, found.error, "cm²/s")
        if name in measured.diffusion_from_velocities:
            other = measured.diffusion_from_velocities[name]
            facts[f"{name}, from velocities"] = with_error(other.mean, other.error, "cm²/s")
    length = number(float(np.ptp(measured.time)) / 1000)
    if more is not None:
        text = (
            f"Corrected for the size of the cell (Yeh and Hummer): {number(more)} cm²/s more, with the "
            f"viscosity of {number(measured.viscosity)} mPa s that was given. That of the model may differ."
        )
    elif measured.viscosity is not None:
        text = "Not corrected for the size of the cell: the formula of Yeh and Hummer needs a cubic cell."
    else:
        text = (
            "Not corrected for the size of the cell, which slows diffusion (small ones by a tenth or more): "
            "give the viscosity of the liquid to adiabat analyze (--viscosity)."
        )
    return [_displacements(measured), Facts(facts, title=f"Self-diffusion over {length} ps"), Text(text)]


def _displacements(measured: Measurements) -> Chart:
    found = measured.displacements
    lines = [
        Series(name, one.value, k % 7, band=(one.value - 2 * one.error, one.value + 2 * one.error))
        for k, (name, one) in enumerate(found.items())
    ]
    return Chart(
        {"time [ps]": next(iter(found.values())).lag / 1000},
        lines,
        "mean squared displacement [Å²]",
        "Mean squared displacement against time, by element",
        title="Mean squared displacement",
        caption="About the center of mass; the slope over six is the diffusion coefficient where the line is "
        "straight. Bands are two standard errors from five blocks.",
    )


def hydrogen_bond_cards(measured: Measurements) -> list[Any]:
    """How many hydrogen bonds there are and how long they last, where there are any."""
    found = measured.hydrogen_bonds
    if found is None or found.per_molecule.mean == 0:
        return []
    molecules = "1 molecule" if found.n_molecules == 1 else f"{number(found.n_molecules)} molecules"
    facts = {"per molecule": with_error(found.per_molecule.mean, found.per_molecule.error)}
    caption = "A hydrogen bond: donor and acceptor (N, O, F) within 3.5 Å, at most 30° off the line."
    if len(found.correlation) == 0:
        return [Facts(facts, title=f"Hydrogen bonds of {molecules}"), Text(caption)]
    if found.lifetime is not None:
        life, spacing = found.lifetime, found.lag[1]
        facts["lifetime"] = with_error(life.mean / 1000, life.error / 1000, "ps")
        caption += " Lifetime: when the chance to find a bond again has fallen to 1/e, broken between or not."
        if life.mean < 3 * spacing:
            caption += f" Frames every {number(float(spacing))} fs are too far apart to tell it well."
    else:
        caption += " The run is too short for their lifetime."
    low, high = (found.correlation + 2 * side * found.correlation_error for side in (-1, 1))
    chart = Chart(
        {"time [ps]": found.lag / 1000},
        [Series("still or again there", found.correlation, 0, band=(low, high))],
        "correlation",
        "Autocorrelation of the hydrogen bonds",
        title="Hydrogen bonds",
        caption=caption,
    )
    return [Facts(facts, title=f"Hydrogen bonds of {molecules}"), chart]
