"""The motion in a run or a file, with what its settings say of it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base import DataError
from adiabat.base.runs import RunFolder

if TYPE_CHECKING:
    from adiabat.io.trajectory import Trajectory
    from adiabat.report.motion import Motion


def read_motion(path: Path) -> "Motion":
    """A trajectory file of ours, or the frames of any structure file.

    Raises:
        DataError: it cannot be read, or its frames are of different systems.
    """
    from adiabat.io import is_hdf5

    if is_hdf5(path):
        return trajectory_motion(path)
    return _frames_motion(path)


def trajectory_motion(path: Path) -> "Motion":
    """The motion in a `trajectory.h5`; of one that stands where a run left it, with what the run's settings
    say, and of path integrals with the positions of beads.

    Raises:
        DataError: it is missing, empty, damaged or of another kind.
    """
    from adiabat.dynamics.joined import BEAD
    from adiabat.io.trajectory import read_trajectory
    from adiabat.report.motion import Motion

    trajectory = read_trajectory(path)
    if not len(trajectory):
        raise DataError(f"{path} has no frames yet", "let the run go on, as with --resume")
    integrator = settings_of(path).get("integrator", {})
    kelvin = None if integrator.get("kind") == "velocity_verlet" else integrator.get("temperature")
    motion = Motion.of(trajectory, trajectory.template.numbers, kelvin, relaxation_time(integrator))
    return dataclasses.replace(
        motion,
        friction=integrator.get("friction"),
        is_bead=path.parent.name.startswith(f"{BEAD}-"),
        beads=_beads_in_turn(path, motion.n_frames),
        variables=variables_of(path, trajectory),
    )


def variables_of(path: Path, trajectory: "Trajectory") -> dict[str, np.ndarray]:
    """The collective variables beside what all frames have, by their names with the units in a file."""
    from adiabat.dynamics.recorder import UNITS
    from adiabat.io.trajectory import TrajectoryReader
    from adiabat.sampling.bias import BIAS, WORK

    with TrajectoryReader(path) as reader:
        units = reader.units
    return {
        f"{name} [{units[name]}]" if units[name] else name: series
        for name, series in trajectory.observables.items()
        if name not in {*UNITS, BIAS, WORK}
    }


def settings_of(path: Path) -> Mapping[str, Any]:
    """Of the run of `adiabat md` that left a trajectory behind, those of its replica among them; empty where
    the file stands alone."""
    for folder in (path.parent, path.parent.parent):
        try:
            run = RunFolder.open(folder)
        except DataError:
            continue
        if run.task != "md":
            return {}
        number = path.parent.name.rpartition("-")[2]
        several = run.config.get("replicas", [])
        if folder != path.parent and number.isdecimal() and int(number) < len(several):
            return {**run.config, **several[int(number)]}
        return run.config
    return {}


def title_of(settings: Mapping[str, Any]) -> str:
    """What a run of these settings is of, as "NVT at 300 K"."""
    integrator = settings.get("integrator", {})
    ensemble = "NVE" if integrator.get("kind") == "velocity_verlet" else "NVT"
    ensemble = "NPT" if "barostat" in settings else ensemble
    ensemble = "Path integrals" if "beads" in integrator else ensemble
    kelvin, bias = integrator.get("temperature"), settings.get("bias")
    bias = f", under {bias['kind']}" if bias else ""
    return ensemble + (f" at {kelvin:g} K" if kelvin else "") + bias


def _beads_in_turn(path: Path, n_frames: int) -> np.ndarray | None:
    """In each frame the positions of one of the beads beside a trajectory of centroids, which all have the
    same distribution [Å], shape (n_frames, n_atoms, 3); None where there are none."""
    from adiabat.dynamics.joined import BEAD
    from adiabat.io.trajectory import read_trajectory

    files = sorted(path.parent.glob(f"{BEAD}-*/{path.name}"))
    if not files:
        return None
    found = None
    for number, file in enumerate(files):
        positions = read_trajectory(file).positions[:n_frames]
        found = np.array(positions, dtype=np.float64) if found is None else found
        found[number :: len(files)] = positions[number :: len(files)]
    return found


def relaxation_time(integrator: Mapping[str, Any]) -> float | None:
    """In which a thermostat brings the kinetic energy back [fs]."""
    friction = integrator.get("friction")
    return 0.5 / friction if friction else integrator.get("relaxation_time")


def _frames_motion(path: Path) -> "Motion":
    from adiabat.analysis import unwrapped
    from adiabat.io import read_frames
    from adiabat.report.motion import Motion
    from adiabat.system import repeating_cell

    frames = read_frames(path)
    first = frames[0].system
    for frame in frames:
        if not np.array_equal(frame.system.numbers, first.numbers):
            raise DataError(
                f"{frame.where} has other atoms than the first: this is not the trajectory of one system",
                "give a file whose frames have the same atoms in the same order",
            )
    times = [frame.info.get("time") for frame in frames]
    known = all(isinstance(time, (int, float)) for time in times)
    positions = np.array([np.asarray(frame.system.positions, np.float64) for frame in frames])
    cell = repeating_cell(np.array([frame.system.cell for frame in frames]), first.pbc)
    whole = positions if cell is None else unwrapped(positions, cell)
    return Motion(
        numbers=np.asarray(first.numbers, dtype=np.int64),
        positions=positions if whole is None else whole,
        cell=cell,
        time=np.array(times, dtype=np.float64) if known else np.arange(len(frames), dtype=np.float64),
        masses=np.asarray(first.masses),
        velocities=_all([frame.arrays.get("velocities") for frame in frames]) if known else None,
        dipoles=_all([frame.info.get("dipole") for frame in frames]) if known else None,
        has_times=known,
        is_torn=whole is None,
    )


def _all(values: list[Any]) -> np.ndarray | None:
    """One array of what every frame has."""
    if any(value is None for value in values):
        return None
    return np.array([np.asarray(value, dtype=np.float64) for value in values])
