"""`adiabat free-energy`: free energies along a variable, out of simulations."""

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base import ConfigError, DataError, did_you_mean
from adiabat.base.files import atomic_write, check_out
from adiabat.base.units import KJ_PER_MOL
from adiabat.tasks import precision
from adiabat.tasks.biased_frames import BiasedFrames, read_frames
from adiabat.tasks.variables import read_variables

if TYPE_CHECKING:
    from adiabat.sampling import FreeEnergyDifference, FreeEnergyProfile

_STEERED = (
    "the difference between the first and the last center of the springs, with the springs in place, "
    "for runs that began in equilibrium at the first"
)
# By which share of a trajectory to leave out.
_SKIPPED = {"metadynamics": 1 / 3}
_METHODS = {
    "none": "counting",
    "restraint": "reweighting",
    "opes": "reweighting",
    "metadynamics": "reweighting",
}

type Found = tuple[FreeEnergyProfile, FreeEnergyDifference | None]


def free_energy(
    runs: Sequence[str | os.PathLike],
    *,
    variable: str | None = None,
    seen: str | os.PathLike | None = None,
    states: Sequence[tuple[float, float]] = (),
    temperature: float | None = None,
    bins: int = 60,
    limits: tuple[float, float] | None = None,
    skip: float | None = None,
    seed: int = 0,
    out: str | os.PathLike | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """The free energy along a variable, and the difference between two states, with error bars by a bootstrap
    over blocks and a verdict on convergence.

    Frames of a run with OPES, metadynamics, one restraint or no bias are weighed; several restraints are
    umbrella windows, joined by MBAR; of steered runs Jarzynski's equality is applied to the work.

    Args:
        runs: folders of `adiabat md`, with or without replicas; several of windows or steered runs.
        variable: the name of one that was recorded or is in `seen`; the first of `seen`, or the first
            recorded, by default.
        seen: a TOML file with tables `[[variables]]`, which are computed along the trajectories.
        states: an interval of the variable, which is compared with all else, or two, of which the second is
            compared with the first, in the unit of the variable (Å, rad). Of a variable that repeats an
            interval may go through its end, as from 2.1 to -2.1 or to 4.2.
        temperature: of the frames that are taken where replicas have several [K]; of exchanging ones the
            lowest by default.
        bins: of the profile, two or more.
        limits: of the profile, in the unit of the variable; by default all values.
        skip: share of each trajectory to leave out at its beginning; by default a fifth, of metadynamics a
            third.
        seed: of the bootstrap.
        out: a CSV file for the profile.
        force: replace an existing file.

    Returns:
        `method`, `variable`, its `unit`, `temperature_k`, `trajectories`, `frames`, `n_effective`; with
        states, and of steered runs, `difference_kj_per_mol` with its `..._error`, `transitions` and
        `last_third_kj_per_mol`, what the last third changed; `converged` and `verdict`, of the difference or
        else of the profile; `lowest_at`; `note`; `out`; and `profile`: `value`, `free_energy_kj_per_mol` and
        its `error_kj_per_mol`, None where no frame was or too few.

    Raises:
        DataError: a run cannot be read or is too short, or no frame is in a state.
        ConfigError: runs or settings that do not go together.
        UnsupportedError: the structures lack an atom that a variable looks at.
        MissingDependencyError: windows need pymbar.
    """
    if out is not None:
        check_out(out, force)
    if skip is not None and not 0 <= skip < 1:
        raise ConfigError(f"a share of {skip:g} cannot be left out", "as --skip 0.2")
    if limits is not None and not -np.inf < limits[0] < limits[1] < np.inf:
        raise ConfigError(f"a profile from {limits[0]:g} to {limits[1]:g} has no bins", 'as --limits "0, 1"')
    places = [Path(run).resolve() for run in runs]
    for run, place in zip(runs, places, strict=True):
        if places.count(place) > 1:
            raise ConfigError(f"{run} is given twice", "its frames would count twice: give each run once")
    precision.enable()
    extra = [] if seen is None else read_variables(seen)
    for one in extra:
        if sum(other.name == one.name for other in extra) > 1:
            raise ConfigError(f"{seen} has two variables {one.name!r}", "give each a name of its own")
    frames = [one for run in runs for one in read_frames(Path(run), extra, temperature)]
    kind = _kind(frames)
    name = _chosen(frames, variable or (extra[0].name if extra else None))
    first = frames[0]
    options = {"temperature": first.temperature, "seed": seed}
    if kind == "moving_restraint":
        method = "work of steered runs"
        profile, difference = _steered(frames, name, states, **options)
    else:
        period = first.periods[name]
        if limits is None and period is not None:
            limits = (-0.5 * period, 0.5 * period)
        share = _SKIPPED.get(kind, 0.2) if skip is None else skip
        members = [_interval(*ends, period) for ends in states]
        kept = [slice(int(share * len(one.times)), None) for one in frames]
        _check_limits(name, [one.values[name][rows] for one, rows in zip(frames, kept, strict=True)], limits)
        estimate, method = (
            (_joined, "MBAR") if kind == "restraint" and len(frames) > 1 else (_weighed, _METHODS[kind])
        )
        profile, difference = estimate(frames, name, kept, members, bins=bins, limits=limits, **options)
    if out is not None:
        _write(out, profile, f"{name} [{first.units[name]}]" if first.units[name] else name)
    return {
        "method": method,
        "variable": name,
        "unit": first.units[name],
        "temperature_k": first.temperature,
        "trajectories": len(frames),
        "frames": sum(len(one.times) for one in frames),
        **_numbers(profile, difference),
        **({"note": _STEERED} if kind == "moving_restraint" else {}),
        **({} if out is None else {"out": str(out)}),
    }


def _kind(frames: list[BiasedFrames]) -> str:
    """The kind of bias that all have, of runs that may be put together.

    Raises:
        ConfigError: of several kinds or at several temperatures; several runs that are none of windows.
    """
    kinds = sorted({one.spring["kind"] for one in frames})
    if len(kinds) > 1:
        raise ConfigError(f"these runs are under several kinds of bias: {', '.join(kinds)}")
    kelvins = sorted({one.temperature for one in frames})
    if len(kelvins) > 1:
        shown = ", ".join(f"{kelvin:g}" for kelvin in kelvins)
        raise ConfigError(f"these frames are at several temperatures: {shown} K", "choose one: --temperature")
    (kind,) = kinds
    if len({one.run for one in frames}) > 1 and kind not in ("restraint", "moving_restraint"):
        raise ConfigError(
            f"the frames of each run (bias: {kind}) have weights of their own",
            "give one run; several walkers are made by --replicas",
        )
    if kind not in (*_METHODS, "moving_restraint"):
        raise ConfigError(f"it is not known how to weigh frames under the bias {kind!r}")
    return kind


def _chosen(frames: list[BiasedFrames], name: str | None) -> str:
    """The name of the variable.

    Raises:
        ConfigError: a run does not have it.
    """
    names = list(frames[0].values)
    if not names:
        raise ConfigError(
            f"{frames[0].run} has recorded no variables", "describe one in a file: --variables FILE.toml"
        )
    found = name or names[0]
    for one in frames:
        if found not in one.values:
            raise ConfigError(f"{one.run} has no variable {found!r}", did_you_mean(found, one.values))
    return found


def _check_limits(name: str, values: list[np.ndarray], limits: tuple[float, float] | None) -> None:
    """Raises DataError where a profile would have nothing in it."""
    every = np.concatenate(values)
    if not len(every):
        raise DataError("no frames are left", "leave a smaller share out, or run longer")
    lowest, highest = every.min(), every.max()
    if limits is None and lowest == highest:
        raise DataError(f"{name!r} is {lowest:g} in all frames: it has no profile")
    low, high = limits or (lowest, highest)
    if not np.any((every >= low) & (every <= high)):
        raise DataError(
            f"no frame is between {low:g} and {high:g}: {name!r} went from {lowest:.4g} to {highest:.4g}",
            "choose other --limits",
        )


def _interval(low: float, high: float, period: float | None) -> Callable[[np.ndarray], np.ndarray]:
    """Whether values are in an interval, of a variable that repeats modulo its period."""
    if low == high or (low > high and (period is None or not np.isfinite([low, high]).all())):
        raise ConfigError(
            f"a state from {low:g} to {high:g} is empty", 'write the lower end first, as --state "-1.5, 0"'
        )
    if period is None or not np.isfinite([low, high]).all():
        return lambda values: (values >= low) & (values <= high)
    width = high - low if low < high else (high - low) % period
    if width >= period:
        raise ConfigError(f"a state from {low:g} to {high:g} is everything: it repeats after {period:.4g}")
    return lambda values: (values - low) % period <= width


def _two_states(
    values: np.ndarray, members: Sequence[Callable[[np.ndarray], np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Whether values are in the first and in the second state."""
    inside = [one(values) for one in members]
    first, second = inside if len(inside) == 2 else (~inside[0], inside[0])
    if np.any(first & second):
        raise ConfigError("the two states overlap", "give intervals that have no value in common")
    return first, second


def _weighed(
    frames: list[BiasedFrames],
    name: str,
    kept: list[slice],
    members: list[Any],
    *,
    bins: int,
    limits: tuple[float, float] | None,
    temperature: float,
    seed: int,
) -> Found:
    """Frames with the weight exp(bias / k_B T)."""
    from adiabat.sampling import free_energy_difference, free_energy_profile

    values = np.stack([one.values[name][rows] for one, rows in zip(frames, kept, strict=True)])
    bias = np.stack([one.bias[rows] for one, rows in zip(frames, kept, strict=True)])
    settings: dict[str, Any] = {"temperature": temperature, "skip": 0.0, "seed": seed}
    profile = free_energy_profile(
        values[..., None], bias, bins=bins, limits=None if limits is None else [limits], **settings
    )
    if not members:
        return profile, None
    return profile, free_energy_difference(*_two_states(values, members), bias, **settings)


def _joined(
    frames: list[BiasedFrames],
    name: str,
    kept: list[slice],
    members: list[Any],
    *,
    bins: int,
    limits: tuple[float, float] | None,
    temperature: float,
    seed: int,
) -> Found:
    """Umbrella windows."""
    from adiabat.sampling import JoinedWindows, Window

    held = [one["name"] for one in frames[0].settings["variables"]]
    if any([v["name"] for v in one.settings["variables"]] != held for one in frames):
        raise ConfigError("the windows are on several variables", "give those on the same variables")
    periods = [frames[0].periods[variable] for variable in held]
    values = np.concatenate([one.values[name][rows] for one, rows in zip(frames, kept, strict=True)])
    states = _two_states(values, members) if members else None
    joined = JoinedWindows(
        [
            np.stack([one.values[v][rows] for v in held], axis=1)
            for one, rows in zip(frames, kept, strict=True)
        ],
        [Window(one.spring["centers"], one.spring["stiffness"], periods) for one in frames],
        temperature,
        seed=seed,
    )
    profile = joined.profile(values, bins=bins, limits=None if limits is None else [limits])
    return profile, None if states is None else joined.difference(*states)


def _steered(
    frames: list[BiasedFrames], name: str, states: Sequence[Any], *, temperature: float, seed: int
) -> Found:
    """Runs whose springs moved in the same way."""
    from adiabat.sampling import steered_difference, steered_profile

    first = frames[0]
    if states:
        raise ConfigError("steered runs are not divided into states", "leave --state out")
    held = [one["name"] for one in first.settings["variables"]]
    if name not in held:
        raise ConfigError(f"the springs were not on {name!r}", did_you_mean(name, held))
    if any(one.spring != first.spring for one in frames):
        raise ConfigError("the runs were steered in several ways", "give those with the same springs")
    length = min(len(one.times) for one in frames)
    step = first.times[:length] / first.settings["integrator"]["timestep"]
    share = step / first.spring["steps"]
    if share[-1] < 1 - 1e-9:
        raise ConfigError(
            f"the springs have gone {100 * share[-1]:.0f} % of their way",
            "go on with the runs: adiabat md --resume",
        )
    where = held.index(name)
    start, end = first.spring["start"][where], first.spring["end"][where]
    on_the_way = slice(int(np.searchsorted(share, 1 - 1e-9)) + 1)
    work = np.stack([one.work[:length][on_the_way] for one in frames])
    centers = start + np.minimum(share[on_the_way], 1.0) * (end - start)
    profile = steered_profile(centers, work, temperature, seed=seed)
    return profile, steered_difference(work[:, -1], temperature, seed=seed)


def _numbers(profile: "FreeEnergyProfile", difference: "FreeEnergyDifference | None") -> dict[str, Any]:
    (axis,) = profile.axes
    found: dict[str, Any] = {"n_effective": profile.n_effective}
    judged = profile
    if difference is not None:
        judged = difference
        found |= {
            "difference_kj_per_mol": difference.value / KJ_PER_MOL,
            "difference_kj_per_mol_error": difference.error / KJ_PER_MOL,
            "last_third_kj_per_mol": difference.drift / KJ_PER_MOL,
        }
        found |= {} if difference.transitions is None else {"transitions": difference.transitions}
    return found | {
        "lowest_at": float(axis[np.argmin(profile.free_energy)]),
        "converged": judged.converged,
        "verdict": judged.verdict,
        "profile": {
            "value": axis.tolist(),
            "free_energy_kj_per_mol": _finite(profile.free_energy / KJ_PER_MOL),
            "error_kj_per_mol": _finite(profile.error / KJ_PER_MOL),
        },
    }


def _write(path: str | os.PathLike, profile: "FreeEnergyProfile", name: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name, "free energy [kJ/mol]", "error [kJ/mol]"])
    for row in zip(*profile.axes, profile.free_energy / KJ_PER_MOL, profile.error / KJ_PER_MOL, strict=True):
        writer.writerow([f"{value:.6g}" for value in row])
    atomic_write(path, text.getvalue())


def _finite(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
