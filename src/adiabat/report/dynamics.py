"""Sections on a simulation: whether it can be believed, and what it shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from adiabat import analysis
from adiabat.base.units import BOLTZMANN
from adiabat.report.cards import Chart, Columns, Facts, Frame, Section, Series, Status, Text, Verdict, Viewer
from adiabat.report.elements import is_metal
from adiabat.report.formatting import number, with_error
from adiabat.report.measurements import Measurements
from adiabat.report.motion import Motion
from adiabat.report.structure import bond_cards, hydrogen_bond_cards, liquid_cards
from adiabat.report.vibrations import vibration_cards

DRIFT_BAR = 1e-4  # eV/atom/ns, without a thermostat: it warms by about 0.4 K in a nanosecond
_WARMING_BAR = 1e-3  # of the temperature, that the drift may make of it against the thermostat
_MAX_POINTS = 1500
_MAX_VIEWER_FRAMES = 300
_MAX_VIEWER_VALUES = 300_000  # coordinates; 0.8 MB in the page


def dynamics_sections(
    *,
    title: str,
    numbers: Any,
    trajectory: Any,
    target_temperature: float | None = None,
    reference_positions: Sequence[np.ndarray] | None = None,
    reference_cells: Sequence[np.ndarray] | None = None,
    n_atoms: int | None = None,
    measurements: Measurements | None = None,
) -> list[Section]:
    """What to say of one simulation.

    Args:
        title: such as "NVE at 300 K".
        numbers: atomic numbers, shape (n_atoms,).
        trajectory: an `adiabat.io.Trajectory`, or an object with `positions` (n_frames, n_atoms, 3) [Å] and
            `time` (n_frames,) [fs] and, each of shape (n_frames,) or None, `potential`, `kinetic`,
            `conserved` [eV] and `temperature` [K]; `cell` (3, 3) or (n_frames, 3, 3) [Å] when it is periodic;
            `velocities` [Å/fs] like the positions, and `dipoles` (n_frames, 3) [e Å].
        target_temperature: of the thermostat [K]; None for NVE.
        reference_positions: training frames of the same atoms in the same order [Å], each (n_atoms, 3);
            others are left out.
        reference_cells: their cells [Å], each (3, 3); needed for the comparison of a periodic system.
        n_atoms: to divide the drift by; the number of atoms by default.
        measurements: of the same motion, so that nothing is computed twice; then `trajectory` is not used.

    Raises:
        DataError: a trajectory without frames, or of arrays that do not go together.
    """
    measured = measurements or Measurements(Motion.of(trajectory, numbers, target_temperature))
    motion = measured.motion
    verdicts = _ensemble(title, measured)
    energy, verdict = _energy(title, motion, n_atoms or motion.n_atoms)
    verdicts += verdict
    temperature, verdict = _temperature(title, motion)
    verdicts += verdict
    whole, verdict = _stability(title, motion)
    verdicts += verdict
    cards: list[Any] = [Facts(_facts(measured) | whole), *map(Text, measured.warnings)]
    charts = [*energy, *temperature]
    charts += _variables(title, motion)
    cards += [Columns(charts)] if len(charts) > 1 else charts
    cards.append(_viewer(title, motion))
    bonds, verdict_on_bonds = bond_cards(title, measured, reference_positions, reference_cells)
    cards += bonds
    verdicts += verdict_on_bonds
    liquid, verdict = liquid_cards(title, measured)
    cards += liquid + hydrogen_bond_cards(measured)
    verdicts += verdict
    spectra, verdict = vibration_cards(title, measured)
    cards += spectra
    verdicts += verdict
    return [Section(title, cards, verdicts=verdicts, citations=_citations(measured, bool(verdict_on_bonds)))]


def _citations(measured: Measurements, is_compared: bool) -> list[str]:
    used = {
        "jensen-shannon": is_compared,
        "rdf": bool(measured.radial),
        "diffusion": bool(measured.diffusion),
        "green-kubo": bool(measured.diffusion_from_velocities),
        "fluctuations": measured.heat_capacity is not None,
        "hydrogen-bonds": measured.hydrogen_bonds is not None,
        "states": bool(measured.vibrations),
        "infrared": measured.infrared is not None,
    }
    always = ["inefficiency", "trend", "equilibration", "blocking", "ensemble", "stability", "radii"]
    return always + [name for name, is_used in used.items() if is_used]


def _ensemble(title: str, measured: Measurements) -> list[Verdict]:
    """Of frames that do not count alike, that they do not."""
    motion = measured.motion
    if motion.is_equilibrium:
        return []
    value = " and ".join(["biased"] * motion.is_biased + ["of several temperatures"] * motion.is_mixed)
    bar = "good when each frame counts alike in an average at one temperature"
    return [Verdict(f"Ensemble, {title}", value, "fair", bar, measured.warnings[0])]


def _facts(measured: Measurements) -> dict[str, str]:
    motion = measured.motion
    facts = {
        **({"length": motion.length} if motion.has_times else {}),
        "frames": number(motion.n_frames),
        "atoms": number(motion.n_atoms),
    }
    if measured.density is not None:
        found = measured.density
        is_fixed = found.error < 1e-9 * found.mean
        facts["density"] = (
            f"{number(found.mean)} g/cm³" if is_fixed else with_error(found.mean, found.error, "g/cm³")
        )
    if measured.heat_capacity is not None:
        found, unit = measured.heat_capacity, BOLTZMANN * motion.n_atoms
        facts["heat capacity (constant volume, classical)"] = with_error(
            found.mean / unit, found.error / unit, "k per atom"
        )
    return facts


def _energy(title: str, motion: Motion, n_atoms: int) -> tuple[list[Chart], list[Verdict]]:
    if motion.conserved is None or motion.n_frames < 3 or not np.isfinite(motion.conserved).all():
        return [], []
    drift = analysis.energy_drift(motion.time, motion.conserved, n_atoms)
    shown = motion.thinned(_MAX_POINTS)
    to_mev = 1000 / n_atoms
    relative = (motion.conserved - drift.intercept) * to_mev
    trend = drift.slope * motion.picoseconds  # eV/atom/ns = meV/atom/ps
    trend = trend - trend[0]
    text = with_error(drift.slope, drift.error, "eV/atom/ns")
    chart = Chart(
        {"time [ps]": motion.picoseconds[shown]},
        [Series("conserved energy", relative[shown], 0), Series("linear fit", trend[shown], 1, dashed=True)],
        "change [meV/atom]",
        f"Conserved energy against time; it drifts by {text}",
        title="Conserved energy",
        caption=f"Drift {text}; fluctuation around the line {number(1000 * drift.fluctuation)} meV/atom. "
        + (
            "The error counts that the energy wanders: the errors of single steps add up to a random walk."
            if np.isfinite(drift.error)
            else "There are too few frames to judge it by."
        ),
        follows=title,
    )
    return [chart], [_drift_verdict(title, motion, drift, n_atoms, text)]


def _drift_verdict(title: str, motion: Motion, drift: analysis.Drift, n_atoms: int, text: str) -> Verdict:
    """By its interval, not by its middle; with a thermostat by how much warmer the drift makes the system.

    The thermostat takes out what the drift brings when the kinetic energy K is off by dK, with
    dK / relaxation time = drift: the same share of the temperature as of K.
    """
    bar, unit, name = DRIFT_BAR, 1.0, f"good below {number(DRIFT_BAR)} eV/atom/ns"
    kelvin, relaxation = motion.target_temperature, motion.relaxation_time
    if kelvin and relaxation:
        kinetic = 0.5 * motion.degrees_of_freedom * BOLTZMANN * kelvin
        bar, unit = _WARMING_BAR * kelvin, 1e-6 * relaxation * n_atoms * kelvin / kinetic
        name = f"good when the thermostat keeps within {100 * _WARMING_BAR:g} % of {number(kelvin)} K with it"
    low, high = (unit * max(abs(drift.slope) + side * 2 * drift.error, 0.0) for side in (-1, 1))
    length = f"two standard errors over {number(drift.length / 1000)} ps"
    known = f" ({number(high, 2)} K at most)" if unit != 1 else ""
    status: Status = "unknown"
    remark = f"the run is too short to tell: ± {number(2 * unit * drift.error)} by {length}"
    if not np.isfinite(drift.error):
        remark = "too few frames to judge"
    elif high <= bar:
        status, remark = "good", f"below the bar by {length}{known}"
    elif low > 10 * bar:
        status, remark = "poor", f"more than ten times the bar by {length}"
    elif low > bar:
        status, remark = "fair", f"above the bar by {length}"
    return Verdict(f"Energy drift, {title}", text, status, name, remark)


def _temperature(title: str, motion: Motion) -> tuple[list[Chart], list[Verdict]]:
    series = motion.temperature
    if series is None or motion.n_frames < 8 or not np.isfinite(series).all():
        return [], []
    found = analysis.temperature_statistics(series, motion.degrees_of_freedom)
    shown = motion.thinned(_MAX_POINTS)
    mean = analysis.running_mean(series)
    error = 2 * _running_error(series)
    band = ((mean - error)[shown], (mean + error)[shown])
    lines = [
        Series("instantaneous", series[shown], 6),
        Series("running mean ± 2 block errors", mean[shown], 0, band=band),
    ]
    target = None if motion.is_mixed else motion.target_temperature
    if target is not None:
        lines.append(Series("target", np.full(len(shown), target), 1, dashed=True))
    chart = Chart(
        {"time [ps]": motion.picoseconds[shown]},
        lines,
        "temperature [K]",
        f"Temperature against time; mean {number(found.mean)} K",
        title="Temperature",
        caption=_temperature_caption(motion, found),
        follows=title,
    )
    if target is None:
        return [chart], []
    status, remark = _temperature_status(found, target)
    value = with_error(found.mean, found.error, "K")
    verdict = Verdict(
        f"Temperature, {title}", value, status, f"good within 1 % of {number(target)} K", remark
    )
    return [chart], [verdict]


def _variables(title: str, motion: Motion) -> list[Chart]:
    """Of each collective variable of a bias where it was, as points: some jump from one end to the other."""
    shown = motion.thinned(_MAX_POINTS)
    return [
        Chart(
            {"time [ps]": motion.picoseconds[shown]},
            [Series(name, values[shown], color % 7, points=True)],
            name,
            f"{name} against time",
            title=name,
            follows=title,
        )
        for color, (name, values) in enumerate(motion.variables.items())
    ]


def _temperature_caption(motion: Motion, found: analysis.TemperatureStatistics) -> str:
    mean = with_error(found.mean, found.error, "K")
    begin, count = number(float(motion.picoseconds[found.start])), number(found.n_effective)
    canonical = found.canonical_fluctuation
    ratio = number(found.fluctuation / canonical) if canonical > 0 else "–"
    return (
        f"Mean {mean} from {begin} ps on ({count} independent values); "
        f"fluctuation {number(found.fluctuation)} K, {ratio} times the canonical one of "
        f"{motion.degrees_of_freedom} degrees of freedom."
    )


def _running_error(series: np.ndarray) -> np.ndarray:
    """Block error of the mean of everything up to each value, from 40 of them."""
    ends = np.unique(np.geomspace(8, len(series), 40).astype(int))
    errors = [analysis.block_average(series[:end]).error for end in ends]
    return np.interp(np.arange(1, len(series) + 1), ends, errors)


def _temperature_status(found: analysis.TemperatureStatistics, target: float) -> tuple[Status, str]:
    off = abs(found.mean - target)
    uncertain = 2 * found.error
    if uncertain > 0.03 * target and off <= uncertain:
        return "unknown", f"the run is too short to tell: ± {number(uncertain)} K by two standard errors"
    away = f"{number(100 * off / target)} % off; two standard errors are {number(100 * uncertain / target)} %"
    if off <= max(0.01 * target, uncertain):
        return "good", away
    return ("fair" if off <= 0.03 * target else "poor"), away


def _stability(title: str, motion: Motion) -> tuple[dict[str, str], list[Verdict]]:
    if not np.isfinite(motion.positions).all():
        first = int(np.argmin(np.isfinite(motion.positions).all(axis=(1, 2))))
        value = f"broke at {motion.when(first)}"
        return {}, [Verdict(f"Stability, {title}", value, "poor", "good when all positions are finite")]
    length = motion.length
    if is_metal(motion.numbers).all():
        bar = "good when all positions are finite: there are no molecules to watch"
        return {}, [Verdict(f"Stability, {title}", f"{length} stable", "good", bar)]
    found = analysis.fragmentation(motion.numbers, motion.positions, motion.cell)
    pieces = int(found.n_fragments[0])
    what = "1 molecule" if pieces == 1 else f"{pieces} molecules"
    facts = {"pieces": what}
    if len(found.rearranged):
        facts["bonds made or broken"] = _bond_names(motion.numbers, found.rearranged)
    bar = "good when no molecule falls apart or merges"
    if found.changed is not None:
        value = f"changed at {motion.when(found.changed)}"
        remark = f"from {pieces} to {int(found.n_fragments[-1])} pieces at the end"
        return facts, [Verdict(f"Stability, {title}", value, "poor", bar, remark)]
    remark = (
        f"{what} in all of {len(found.frames)} frames looked at; rarer events than one in {length} go unseen"
    )
    remark += "; under a bias, which may keep them whole or break them" if motion.is_biased else ""
    remark += "; at several temperatures" if motion.is_mixed else ""
    return facts, [Verdict(f"Stability, {title}", f"{length} stable", "good", bar, remark)]


def _bond_names(numbers: np.ndarray, bonds: np.ndarray, limit: int = 4) -> str:
    from ase.data import chemical_symbols

    names = [
        f"{chemical_symbols[numbers[i]]}{i}–{chemical_symbols[numbers[j]]}{j}" for i, j in bonds.tolist()
    ]
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _viewer(title: str, motion: Motion) -> Viewer:
    limit = int(np.clip(_MAX_VIEWER_VALUES // (3 * motion.n_atoms), 2, _MAX_VIEWER_FRAMES))
    shown = motion.thinned(limit)
    positions = np.nan_to_num(motion.positions[shown])
    cells = None if motion.cell is None else motion.cell[shown]
    if cells is not None and not is_metal(motion.numbers).all():
        bonds = analysis.find_bonds(motion.numbers, positions[0], cells[0])
        positions = analysis.whole_molecules(positions, bonds, cells)
    elif cells is None:
        positions = positions - positions.mean(axis=1, keepdims=True)
    frames = [
        Frame(
            position,
            f"{time:.3f} ps" if motion.has_times else motion.when(int(shown[k])),
            motion.numbers if k == 0 else None,
            None if cells is None else cells[k],
        )
        for k, (position, time) in enumerate(zip(positions, motion.picoseconds[shown], strict=True))
    ]
    return Viewer(
        frames,
        f"The trajectory in three dimensions, {len(frames)} frames",
        name=title,
        times=motion.picoseconds[shown].tolist(),
        play=True,
        title="Trajectory",
        caption=f"{len(frames)} of {number(motion.n_frames)} frames. Bonds are drawn by distance in every "
        "frame; the charts mark the time shown.",
    )
