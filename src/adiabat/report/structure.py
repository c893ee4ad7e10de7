"""Cards on structure: bonds against the training data, radial distributions, diffusion."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from adiabat import analysis
from adiabat.base import DataError
from adiabat.report import figures
from adiabat.report.cards import Chart, Facts, Figure, Series, Status, Table, Verdict
from adiabat.report.elements import is_metal
from adiabat.report.formatting import number, with_error
from adiabat.report.motion import Motion

_UNITS = {"bond": "Å", "angle": "°", "torsion": "°"}
_MAX_PANELS = 12
_OUTSIDE_BAR = 0.01
_MAX_REFERENCES = 2000
_SHORTEST_DIFFUSION = 5.0  # ps; before that atoms rattle in their cages


def bond_cards(
    title: str,
    motion: Motion,
    reference_positions: Sequence[np.ndarray] | None,
    reference_cells: Sequence[np.ndarray] | None,
) -> tuple[list[Any], list[Verdict]]:
    """Distributions of bonds, angles and torsions beside those of the training frames, with a verdict."""
    references, cells = _references(motion, reference_positions, reference_cells)
    if references is None or is_metal(motion.numbers).all() or not np.isfinite(motion.positions).all():
        return [], []
    found = analysis.bond_statistics(motion.numbers, motion.positions, references, motion.cell, cells)
    if not found:
        return [], []
    panels = [
        figures.Histogram(
            f"{one.label} ({one.n_coordinates})",
            edges,
            [reference, density],
            f"{one.kind} [{_UNITS[one.kind]}]",
        )
        for one in found[:_MAX_PANELS]
        for edges, density, reference in [one.histograms()]
    ]
    svg = figures.histograms(panels, ["training data", "simulation"])
    caption = f"Bonds, angles and torsions by element, against {number(len(references))} training frames."
    if len(found) > _MAX_PANELS:
        caption += f" The first {_MAX_PANELS} of {len(found)} kinds; the table has all."
    cards = [
        Figure(svg, "Histograms of internal coordinates, simulation and training data", caption),
        _table(found),
    ]
    return cards, [_bond_verdict(title, found)]


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


def liquid_cards(motion: Motion) -> list[Any]:
    """Radial distribution functions and diffusion of a periodic system; nothing for a molecule."""
    if motion.cell is None or not np.isfinite(motion.positions).all():
        return []
    half = motion.n_frames // 5
    pairs = analysis.radial_distribution(motion.numbers, motion.positions[half:], motion.cell[half:])
    lines = [
        Series(pair.label, pair.g, k % 7, band=(pair.g - 2 * pair.error, pair.g + 2 * pair.error))
        for k, pair in enumerate(pairs[:7])
    ]
    if not lines:
        return []
    chart = Chart(
        {"distance [Å]": pairs[0].distance},
        lines,
        "g(r)",
        "Radial distribution functions of the pairs of elements",
        title="Radial distribution functions",
        y_max=_highest(motion, pairs),
        caption="Bands are two standard errors from five blocks; the first fifth of the run is left out.",
    )
    rows = [_peak(pair) for pair in pairs]
    table = Table(
        ["pair", "peak [Å]", "height", "minimum [Å]", "coordination"],
        rows,
        "Of the highest peak; g(r) counts bonded pairs too. Coordination: second atoms up to the minimum.",
    )
    return [chart, table, *_diffusion(motion)]


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


def _peak(pair: analysis.RadialDistribution) -> list[str]:
    top = int(np.argmax(pair.g))
    after = pair.g[top:]
    # The minimum is sought until g first rises above 1 again, so that noise at long range does not win.
    ends = np.flatnonzero((after[1:] >= 1) & (np.minimum.accumulate(after)[1:] < 1))
    stop = int(ends[0]) + 1 if len(ends) else len(after)
    bottom = top + int(np.argmin(after[: max(stop, 1)]))
    shown = (pair.distance[top], pair.g[top], pair.distance[bottom], pair.coordination[bottom])
    return [pair.label, *(number(float(value)) for value in shown)]


def _diffusion(motion: Motion) -> list[Facts]:
    from ase.data import atomic_masses, chemical_symbols

    masses = atomic_masses[motion.numbers]
    center = (motion.positions * masses[:, None]).sum(axis=1, keepdims=True) / masses.sum()
    steady = slice(motion.n_frames // 5, None)
    if np.ptp(motion.picoseconds[steady]) < _SHORTEST_DIFFUSION:
        return []
    facts = {}
    for element in np.unique(motion.numbers):
        mine = (motion.positions - center)[steady][:, motion.numbers == element]
        try:
            found = analysis.diffusion_coefficient(motion.time[steady], mine)
        except DataError:  # too few frames to say anything
            return []
        facts[chemical_symbols[int(element)]] = with_error(found.mean, found.error, "cm²/s")
    length = number(float(np.ptp(motion.picoseconds[steady])))
    return [Facts(facts, title=f"Self-diffusion over {length} ps, not corrected for the size of the cell")]
