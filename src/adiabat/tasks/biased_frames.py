"""What the runs of `adiabat md` say of variables and their bias, trajectory by trajectory."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.base.runs import RunFolder

if TYPE_CHECKING:
    from adiabat.io.trajectory import Trajectory
    from adiabat.sampling import AbstractVariable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BiasedFrames:
    """One trajectory.

    Attributes:
        run: its folder.
        settings: of the simulation, as the folder has them.
        temperature: [K].
        times: [fs], shape (n_frames,).
        values: of variables by name, shape (n_frames,).
        units: of the variables by name.
        periods: by which they repeat, None for those that do not.
        bias: to weigh frames by [eV], shape (n_frames,).
        work: of changing the bias until then [eV], shape (n_frames,).
    """

    run: Path
    settings: dict[str, Any]
    temperature: float
    times: np.ndarray
    values: dict[str, np.ndarray]
    units: dict[str, str]
    periods: dict[str, float | None]
    bias: np.ndarray
    work: np.ndarray

    @property
    def spring(self) -> dict[str, Any]:
        """The settings of the bias."""
        return self.settings.get("bias", {"kind": "none"})


def read_frames(
    run: Path, extra: "Sequence[AbstractVariable]", temperature: float | None
) -> list[BiasedFrames]:
    """The trajectories of a run; of exchanging replicas the frames at one temperature.

    Args:
        run: a folder of `adiabat md`.
        extra: variables to compute beside those that were recorded.
        temperature: of the frames to take [K]; all by default, of exchanging replicas those at the lowest.

    Raises:
        DataError: no such run, or one without frames.
        ConfigError: a run of another task, or at no temperature.
    """
    from adiabat.dynamics import at_temperature
    from adiabat.io.trajectory import read_trajectory
    from adiabat.sampling.read_run import trajectory_files

    folder = RunFolder.open(run)
    if folder.task != "md":
        raise ConfigError(f"{run} is a run of {folder.task!r}", "give runs of adiabat md")
    if folder.status != "finished":
        logger.warning("the run in %s is not finished (%s)", run, folder.status)
    every = folder.config.get("replicas")
    each: list[dict[str, Any]] = every if isinstance(every, list) else [folder.config]
    integrators = [one.get("integrator", {}) for one in each]
    if any(one.get("kind") == "velocity_verlet" for one in integrators):
        raise ConfigError(f"{run} was simulated at constant energy", "free energies need a thermostat")
    if any(one.get("kind") == "path_integral" for one in integrators):
        raise ConfigError(f"{run} has quantum nuclei", "free energies are there for classical ones")
    kelvins = [float(one["temperature"]) for one in integrators]
    biased = each[0].get("bias", {"kind": "none"})["kind"] != "none"
    files = trajectory_files(run)
    exchanging = bool(folder.config.get("exchange_every"))
    trajectories = [read_trajectory(file) for file in files] if extra or exchanging or not biased else []
    if exchanging:
        lowest = kelvins[0] if folder.config.get("solute") else min(kelvins)
        if folder.config.get("solute") and temperature is not None and abs(temperature - lowest) > 1e-6:
            raise ConfigError(
                f"only the frames of {run} at {lowest:g} K have the true potential",
                "at the others it is scaled for the solute: leave --temperature out",
            )
        kelvins = [lowest if temperature is None else temperature]
        trajectories = [at_temperature(trajectories, kelvins[0])]
        each = each[:1]
    if biased:
        rows = _recorded(
            run, files, each[0]["bias"]["kind"], kelvins[0] if temperature is None else temperature
        )
        rows = [_of_frames(rows[0], trajectories[0])] if exchanging else rows
    else:
        length = min(map(len, trajectories))  # a killed run may have written more of one replica
        rows = [({}, {}, {}, np.zeros(length), np.zeros(length), one.times[:length]) for one in trajectories]
    if not all(len(times) for *_, times in rows):
        raise DataError(f"{run} has no frames yet", "let it run longer")
    found = []
    for number, (values, units, periods, bias, work, times) in enumerate(rows):
        computed = _computed(extra, trajectories[number]) if extra else {}
        computed = {name: column[: len(times)] for name, column in computed.items()}
        for name in computed.keys() & values.keys():
            _check_same(run, name, computed[name] - values[name], periods[name])
        found.append(
            BiasedFrames(
                run=run,
                settings=each[number],
                temperature=kelvins[number],
                times=times,
                values=values | computed,
                units=units | {one.name: one.unit for one in extra},
                periods=periods | {one.name: one.period for one in extra},
                bias=bias,
                work=work,
            )
        )
    chosen = [one for one in found if temperature is None or abs(one.temperature - temperature) < 1e-6]
    if not chosen:
        there = ", ".join(f"{kelvin:g}" for kelvin in sorted(set(kelvins)))
        raise ConfigError(f"{run} has no frames at {temperature:g} K", f"it has some at {there} K")
    return chosen


def _recorded(run: Path, files: list[Path], kind: str, temperature: float) -> list[tuple[Any, ...]]:
    """Of each trajectory values, units, periods, bias, work and times."""
    from adiabat.io.plumed import COLVAR, plumed_unit, read_plumed
    from adiabat.io.trajectory import TrajectoryReader
    from adiabat.sampling import read_biased_run

    read = read_biased_run(run, temperature if kind == "metadynamics" else None)
    with TrajectoryReader(files[0]) as reader:
        units = {name: reader.units[name] for name in read.values}
    table = read_plumed(files[0].with_name(COLVAR))
    periods = {
        name: period if (period := table.period(name)) is None else period / plumed_unit(unit)
        for name, unit in units.items()
    }
    return [
        (
            {name: rows[k] for name, rows in read.values.items()},
            units,
            periods,
            read.bias[k],
            read.work[k],
            read.times,
        )
        for k in range(len(read.bias))
    ]


def _of_frames(row: tuple[Any, ...], trajectory: "Trajectory") -> tuple[Any, ...]:
    """As a row of `_recorded`, of the frames that exchanging replicas have at one temperature."""
    from adiabat.sampling.bias import BIAS, WORK

    values, units, periods, *_ = row
    seen = trajectory.observables
    return {name: seen[name] for name in values}, units, periods, seen[BIAS], seen[WORK], trajectory.times


def _check_same(run: Path, name: str, apart: np.ndarray, period: float | None) -> None:
    """Raises ConfigError where what was computed of the frames is not what was recorded under its name."""
    if period is not None:
        apart = apart - period * np.round(apart / period)
    if np.abs(apart).max(initial=0.0) > 1e-3:
        raise ConfigError(
            f"{run} has recorded another variable {name!r}", "give the one in the file another name"
        )


def _computed(extra: "Sequence[AbstractVariable]", trajectory: "Trajectory") -> dict[str, np.ndarray]:
    from adiabat.sampling import values_along

    for variable in extra:
        variable.check(trajectory.template)
    columns = values_along(extra, trajectory).T
    if not np.isfinite(columns).all():
        raise DataError("a variable is not finite in some frames")
    return dict(zip([variable.name for variable in extra], columns, strict=True))
