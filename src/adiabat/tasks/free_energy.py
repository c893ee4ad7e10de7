"""`adiabat free-energy`: free energies along one or two variables, out of simulations."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base import ConfigError, DataError, did_you_mean
from adiabat.tasks import precision
from adiabat.tasks.biased_frames import BiasedFrames, read_frames
from adiabat.tasks.free_energy_files import check_files, write_files
from adiabat.tasks.free_energy_numbers import minima, numbers, profile_lists
from adiabat.tasks.regions import (
    Interval,
    Pair,
    Region,
    Regions,
    State,
    ascending,
    by_variable,
    check_variable,
    compared,
    read_states,
)
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

# Along one variable, and along each of two.
_BINS = {1: 60, 2: 36}

type Found = tuple[FreeEnergyProfile, list[Pair], list[FreeEnergyDifference]]


def free_energy(
    runs: Sequence[str | os.PathLike],
    *,
    variable: str | Sequence[str] | None = None,
    seen: str | os.PathLike | None = None,
    states: Regions = (),
    temperature: float | None = None,
    bins: int | None = None,
    limits: Region | None = None,
    skip: float | None = None,
    seed: int = 0,
    out: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """The free energy along one or two variables, and the differences between states, with error bars by a
    bootstrap over blocks and a verdict on convergence.

    Frames of a run with OPES, metadynamics, one restraint or no bias are weighed; several restraints are
    umbrella windows, joined by MBAR; of steered runs Jarzynski's equality is applied to the work.

    Args:
        runs: folders of `adiabat md`, with or without replicas; several of windows or steered runs.
        variable: the name of one that was recorded or is in `seen`, or the names of two; the first of `seen`,
            or the first recorded, by default.
        seen: a TOML file with tables `[[variables]]`, which are computed along the trajectories.
        states: of several each is compared with the first, a single one with all else. Each is an interval
            of the variable, in its unit (Å, rad), or intervals of any variables by their names:
            `{"phi": (-2.6, -0.8), "psi": (-0.5, 3.1)}`. Of a variable that repeats an interval may go through
            its end, as from 2.1 to -2.1 or to 4.2. States by their names have these in the result.
        temperature: of the frames that are taken where replicas have several [K]; of exchanging ones the
            lowest by default.
        bins: of the profile along each variable, two or more; 60 along one, 36 along each of two by default.
        limits: of the profile, as a state, those of a variable that repeats through its end as well; by
            default all values.
        skip: share of each trajectory to leave out at its beginning; by default a fifth, of metadynamics a
            third.
        seed: of the bootstrap.
        out: files: the profile as a table (.csv) or as arrays (.npz), a page with drawings (.html).
        force: replace existing files.

    Returns:
        `method`, `variable`, its `unit`, `temperature_k`, `trajectories`, `frames`, `n_effective`; with
        states, and of steered runs, `difference_kj_per_mol` with its `..._error`, `transitions` and
        `last_third_kj_per_mol`, what the last third changed, of states that have names, and of more than two,
        in a list `differences` with `state`, `compared_with`, `converged` and `verdict` of each; `converged`
        and `verdict`, of the differences or else of the profile; `lowest_at`; `note`; `out`; and `profile`:
        `value`, `free_energy_kj_per_mol` and its `error_kj_per_mol`, None where no frame was or too few.

        Of two variables `variable`, `unit`, `lowest_at` and `value` are lists of two, energies and errors
        have a list for each value of the first, and `minima` (see `adiabat.sampling.free_energy_minima`) have
        `at`, `free_energy_kj_per_mol`, its `..._error`, and `exit_kj_per_mol`, None where no way out of it to
        a lower one was seen.

    Raises:
        DataError: a run cannot be read or is too short, or no frame is in a state.
        ConfigError: runs or settings that do not go together.
        UnsupportedError: the structures lack an atom that a variable looks at.
        MissingDependencyError: windows need pymbar.
    """
    files = [out] if isinstance(out, str | os.PathLike) else list(out or ())
    check_files(files, force)
    if skip is not None and not 0 <= skip < 1:
        raise ConfigError(f"a share of {skip:g} cannot be left out", "as --skip 0.2")
    places = [Path(run).resolve() for run in runs]
    for run, place in zip(runs, places, strict=True):
        if places.count(place) > 1:
            raise ConfigError(f"{run} is given twice", "its frames would count twice: give each run once")
    precision.enable()
    extra = [] if seen is None else read_variables(seen)
    for one in extra:
        if sum(other.name == one.name for other in extra) > 1:
            raise ConfigError(f"{seen} has two variables {one.name!r}", "give each a name of its own")
    asked = [variable] if isinstance(variable, str) else list(variable or ())
    _check_number(asked)
    frames = [one for run in runs for one in read_frames(Path(run), extra, temperature)]
    kind = _kind(frames)
    names = _chosen(frames, asked or [one.name for one in extra[:1]])
    first = frames[0]
    options: dict[str, Any] = {"temperature": first.temperature, "seed": seed}
    if kind == "moving_restraint":
        method, divided = "work of steered runs", []
        profile, pairs, differences = _steered(frames, names, states, **options)
    else:
        divided = read_states(states, names, frames)
        share = _SKIPPED.get(kind, 0.2) if skip is None else skip
        kept = [_later(one, share) for one in frames]
        options |= {"bins": _BINS[len(names)] if bins is None else bins, "limits": _box(kept, names, limits)}
        estimate, method = (
            (_joined, "MBAR") if kind == "restraint" and len(frames) > 1 else (_weighed, _METHODS[kind])
        )
        profile, pairs, differences = estimate(kept, names, divided, **options)
    units, periods = [first.units[name] for name in names], [first.periods[name] for name in names]
    found = {
        "method": method,
        "variable": names[0] if len(names) == 1 else names,
        "unit": units[0] if len(names) == 1 else units,
        "temperature_k": first.temperature,
        "trajectories": len(frames),
        "frames": sum(len(one.times) for one in frames),
        **numbers(profile, pairs, differences),
        **minima(profile, first.temperature, periods),
        "profile": profile_lists(profile),
        **({"note": _STEERED} if kind == "moving_restraint" else {}),
    }
    write_files(files, found, profile, divided, periods)
    if out is None:
        return found
    return found | {"out": str(files[0]) if len(files) == 1 else list(map(str, files))}


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


def _check_number(names: Sequence[str]) -> None:
    """Raises ConfigError of more variables than a profile has, or where one is there twice."""
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"the variable {name!r} is given twice", "give two different ones, or one")
    if len(names) > max(_BINS):
        raise ConfigError(
            f"a free energy is along one or two variables, not {len(names)}: {', '.join(names)}",
            "choose with --variable; a --state may have intervals of any variables",
        )


def _chosen(frames: list[BiasedFrames], names: Sequence[str]) -> list[str]:
    """The names of the variables.

    Raises:
        ConfigError: a run does not have one.
    """
    recorded = list(frames[0].values)
    if not recorded:
        raise ConfigError(
            f"{frames[0].run} has recorded no variables", "describe one in a file: --variables FILE.toml"
        )
    found = list(names) or recorded[:1]
    for name in found:
        check_variable(frames, name)
    return found


def _limits(
    limits: Region | None, names: Sequence[str], periods: Mapping[str, float | None]
) -> dict[str, Interval]:
    """Those that were given, by the names of the variables, and all of what repeats.

    Raises:
        ConfigError: of another variable, or between which nothing is.
    """
    given = {} if limits is None else by_variable(limits, names, "a profile")
    for name in given:
        if name not in names:
            raise ConfigError(f"the profile is not along {name!r}", did_you_mean(name, names))
    given = {name: ascending(ends, periods[name]) for name, ends in given.items()}
    for low, high in given.values():
        if not -np.inf < low < high < np.inf:
            raise ConfigError(f"a profile from {low:g} to {high:g} has no bins", 'as --limits "0, 1"')
    repeating = {name: period for name in names if (period := periods[name]) is not None}
    return {name: (-0.5 * period, 0.5 * period) for name, period in repeating.items()} | given


def _later(frames: BiasedFrames, share: float) -> BiasedFrames:
    """Without so much of the beginning."""
    rows = slice(int(share * len(frames.times)), None)
    return replace(
        frames,
        times=frames.times[rows],
        values={name: column[rows] for name, column in frames.values.items()},
        bias=frames.bias[rows],
        work=frames.work[rows],
    )


def _box(frames: list[BiasedFrames], names: Sequence[str], limits: Region | None) -> list[Interval]:
    """The limits of a profile along each variable.

    Raises:
        ConfigError: they make no sense.
        DataError: it would have nothing in it.
    """
    ends = _limits(limits, names, frames[0].periods)
    if not any(len(one.times) for one in frames):
        raise DataError("no frames are left", "leave a smaller share out, or run longer")
    found, inside = [], np.full(sum(len(one.times) for one in frames), True)
    for name in names:
        every = np.concatenate([one.values[name] for one in frames])
        lowest, highest = float(every.min()), float(every.max())
        if name not in ends and lowest == highest:
            raise DataError(f"{name!r} is {lowest:g} in all frames: it has no profile")
        low, high = ends.get(name, (lowest, highest))
        every = _from(low, every, frames[0].periods[name])
        within = (every >= low) & (every <= high)
        if not within.any():
            raise DataError(
                f"no frame is between {low:g} and {high:g}: {name!r} went from {lowest:.4g} to {highest:.4g}",
                "choose other --limits",
            )
        inside &= within
        found.append((low, high))
    if not inside.any():
        raise DataError(
            f"no frame has both {' and '.join(map(repr, names))} within the limits", "choose other --limits"
        )
    return found


def _along(
    values: Mapping[str, np.ndarray],
    names: Sequence[str],
    limits: Sequence[Interval],
    periods: Mapping[str, float | None],
) -> np.ndarray:
    """The variables of a profile, within its limits where they repeat, shape (..., d)."""
    ends = zip(names, limits, strict=True)
    return np.stack([_from(low, values[name], periods[name]) for name, (low, _) in ends], axis=-1)


def _from(low: float, column: np.ndarray, period: float | None) -> np.ndarray:
    """Values in the period that begins at a limit, of a variable that repeats."""
    return column if period is None else column - period * np.floor((column - low) / period)


def _looked_at(names: Sequence[str], states: Sequence[State]) -> list[str]:
    """All variables that a profile and states are of."""
    return list(dict.fromkeys([*names, *(name for state in states for name in state.ranges)]))


def _weighed(
    frames: list[BiasedFrames],
    names: Sequence[str],
    states: list[State],
    *,
    bins: int,
    limits: list[Interval],
    temperature: float,
    seed: int,
) -> Found:
    """Frames with the weight exp(bias / k_B T)."""
    from adiabat.sampling import free_energy_difference, free_energy_profile

    values = {name: np.stack([one.values[name] for one in frames]) for name in _looked_at(names, states)}
    bias = np.stack([one.bias for one in frames])
    settings: dict[str, Any] = {"temperature": temperature, "skip": 0.0, "seed": seed}
    along = _along(values, names, limits, frames[0].periods)
    profile = free_energy_profile(along, bias, bins=bins, limits=limits, **settings)
    pairs = compared(states, values)
    return profile, pairs, [free_energy_difference(*pair.members, bias, **settings) for pair in pairs]


def _joined(
    frames: list[BiasedFrames],
    names: Sequence[str],
    states: list[State],
    *,
    bins: int,
    limits: list[Interval],
    temperature: float,
    seed: int,
) -> Found:
    """Umbrella windows."""
    from adiabat.sampling import JoinedWindows, Window

    held = [one["name"] for one in frames[0].settings["variables"]]
    if any([v["name"] for v in one.settings["variables"]] != held for one in frames):
        raise ConfigError("the windows are on several variables", "give those on the same variables")
    periods = [frames[0].periods[variable] for variable in held]
    values = {
        name: np.concatenate([one.values[name] for one in frames]) for name in _looked_at(names, states)
    }
    pairs = compared(states, values)
    joined = JoinedWindows(
        [np.stack([one.values[v] for v in held], axis=1) for one in frames],
        [Window(one.spring["centers"], one.spring["stiffness"], periods) for one in frames],
        temperature,
        seed=seed,
    )
    along = _along(values, names, limits, frames[0].periods)
    profile = joined.profile(along, bins=bins, limits=limits)
    return profile, pairs, [joined.difference(*pair.members) for pair in pairs]


def _steered(
    frames: list[BiasedFrames], names: Sequence[str], states: Regions, *, temperature: float, seed: int
) -> Found:
    """Runs whose springs moved in the same way."""
    from adiabat.sampling import steered_difference, steered_profile

    first, name = frames[0], names[0]
    if len(names) > 1:
        raise ConfigError(
            "steered runs follow one line: they know no surface", f"choose one: --variable {name}"
        )
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
    return profile, [], [steered_difference(work[:, -1], temperature, seed=seed)]
