"""Trajectories in the H5MD format: written frame by frame, safe against a crash, read by other programs too.

The file is written in HDF5's single-writer-multiple-reader mode, in which what is on disk is complete at
every
moment: a process may be killed while it writes, and another may read what is there.
"""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from adiabat.base import DataError
from adiabat.base.files import atomic_path
from adiabat.io.h5md import checksums, frame_datasets, lay_out, read_template
from adiabat.io.hdf5 import damage, reserve, write_failures
from adiabat.io.unclosed import open_hdf5, trim_hdf5
from adiabat.io.write import write_extxyz
from adiabat.system import System

_KIND = "trajectory of adiabat"


@dataclass(frozen=True)
class Trajectory:
    """Frames of one structure, as host arrays.

    Attributes:
        template: the structure, at the positions of the start.
        steps: shape (n_frames,).
        times: [fs], shape (n_frames,).
        positions: [Å], shape (n_frames, n_atoms, 3), float32; not wrapped into the cell.
        velocities: [Å/fs], shape (n_frames, n_atoms, 3), float32.
        cells: [Å], shape (n_frames, 3, 3).
        observables: scalars by name, each of shape (n_frames,): `potential_energy`, `kinetic_energy`,
            `conserved` [eV], `temperature` [K], and `pressure` [GPa] where it is defined.
    """

    template: System
    steps: np.ndarray
    times: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    cells: np.ndarray
    observables: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, frames: slice) -> "Trajectory":
        return Trajectory(
            self.template,
            self.steps[frames],
            self.times[frames],
            self.positions[frames],
            self.velocities[frames],
            self.cells[frames],
            {name: values[frames] for name, values in self.observables.items()},
        )

    def system(self, frame: int) -> System:
        """The structure at one frame."""
        old = self.template
        return System.create(
            np.asarray(old.numbers),
            self.positions[frame].astype(np.float64),
            cell=self.cells[frame],
            pbc=old.pbc,
            masses=np.asarray(old.masses),
            charge=old.charge,
            spin=old.spin,
        )

    def systems(self) -> list[System]:
        """The structure at every frame."""
        return [self.system(frame) for frame in range(len(self))]

    def write_extxyz(self, path: str | os.PathLike) -> None:
        """Writes the frames as extended XYZ, with their energies, velocities [Å/fs], step and time [fs].

        Raises:
            DataError: the file cannot be written.
        """
        results = (
            {"energy": e, "velocities": v} for e, v in zip(self._energies(), self.velocities, strict=True)
        )
        info = ({"step": int(s), "time": float(t)} for s, t in zip(self.steps, self.times, strict=True))
        write_extxyz(path, (self.system(frame) for frame in range(len(self))), results, info)

    def _energies(self) -> list[float | None]:
        return list(self.observables.get("potential_energy", [None] * len(self)))

    @classmethod
    def joined(cls, parts: "list[Trajectory]") -> "Trajectory":
        """Several pieces of one run, one after the other."""
        return cls.combined(parts, np.concatenate)

    @classmethod
    def combined(
        cls, parts: "Sequence[Trajectory]", combine: Callable[[list[np.ndarray]], np.ndarray]
    ) -> "Trajectory":
        """Frames of several trajectories of the same atoms: `combine` is given the same array of each, with a
        leading axis of frames, and says which go into the new one."""
        names = parts[0].observables

        def join(get: Any) -> np.ndarray:
            return combine([get(part) for part in parts])

        return cls(
            parts[0].template,
            join(lambda t: t.steps),
            join(lambda t: t.times),
            join(lambda t: t.positions),
            join(lambda t: t.velocities),
            join(lambda t: t.cells),
            {name: join(lambda t, name=name: t.observables[name]) for name in names},
        )


class TrajectoryWriter:
    """Appends frames to an H5MD file; a context manager.

    Args:
        path: of a file made by `create` or `resume`.
    """

    def __init__(self, path: Path):
        self.path = path
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_LATEST)
        # Opened for one writer and many readers from the start: there is no moment in which a crash locks
        # the file.
        flags = h5py.h5f.ACC_RDWR | h5py.h5f.ACC_SWMR_WRITE
        self._file = h5py.File(h5py.h5f.open(os.fsencode(path), flags, fapl=access))
        self._datasets = dict(frame_datasets(self._file))
        self.n_frames = self._datasets["step"].shape[0]

    @classmethod
    def create(
        cls,
        path: str | os.PathLike,
        template: System,
        observables: Mapping[str, str],
        start: Trajectory | None = None,
    ) -> "TrajectoryWriter":
        """Begins a file, or replaces the one that is there.

        Args:
            path: the file.
            template: the structure.
            observables: names of the scalars of each frame, with their units.
            start: frames to begin with.

        Raises:
            DataError: the file cannot be written.
        """
        target = Path(path)
        with write_failures(target), atomic_path(target) as temporary:
            with h5py.File(temporary, "w", libver="v110") as file:
                lay_out(file, template, observables)
            if start is not None:
                with cls(temporary) as writer:
                    writer.append(start)
        return cls(target)

    @classmethod
    def resume(cls, path: str | os.PathLike, n_frames: int) -> "TrajectoryWriter":
        """Opens a file that a run left behind, however it ended, with its first `n_frames` frames.

        Raises:
            DataError: the file is missing, damaged, or has fewer frames.
        """
        with TrajectoryReader(path) as reader:
            if len(reader) < n_frames:
                raise DataError(
                    f"{path} has {len(reader)} frames, but the checkpoint was made after frame {n_frames}",
                    "the file was changed since; start over with --force",
                )
            kept = reader.read(stop=n_frames)
            units = reader.units
        return cls.create(path, kept.template, units, kept)

    def append(self, frames: Trajectory) -> None:
        """Adds frames at the end.

        Raises:
            DataError: the disk is full; what was written before stays readable.
        """
        rows = _rows(frames)
        with write_failures(self.path):
            size = sum(array.nbytes for array in rows.values())
            reserve(self._file, self.path, self._datasets.values(), size)
            for name, dataset in self._datasets.items():
                dataset.resize(self.n_frames + len(frames), axis=0)
                dataset[self.n_frames :] = rows[name]
            self.n_frames += len(frames)
            self._file.flush()

    def sync(self) -> None:
        """Returns when the disk has everything."""
        with write_failures(self.path):
            self._file.flush()
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Closes the file, and gives the space back that was taken in advance."""
        with write_failures(self.path):
            self._file.close()
            trim_hdf5(self.path)

    def __enter__(self) -> "TrajectoryWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After a failure the file is as good as it gets: the reason must not be hidden by another.
        with contextlib.suppress(*(() if kind is None else (DataError,))):
            self.close()


class TrajectoryReader:
    """Reads an H5MD file written by adiabat, also while it is being written; a context manager.

    Args:
        path: the file.

    Raises:
        DataError: it is missing, damaged or of another kind.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if not self.path.is_file():
            raise DataError(f"there is no trajectory {path}")
        with damage(self.path, _KIND):
            self._file = open_hdf5(self.path)
            try:
                self._datasets = dict(frame_datasets(self._file))
                self._length = min(len(dataset) for dataset in self._datasets.values())
                self.template = read_template(self._file)
                self._check_shapes()
            except BaseException:
                self._file.close()
                raise

    def __len__(self) -> int:
        return self._length

    @property
    def units(self) -> dict[str, str]:
        """Names and units of the observables."""
        with damage(self.path, _KIND):
            return {
                name.removeprefix("observables/"): str(dataset.attrs["unit"])
                for name, dataset in self._datasets.items()
                if name.startswith("observables/")
            }

    def read(self, start: int = 0, stop: int | None = None, stride: int = 1) -> Trajectory:
        """Frames `start` to `stop`, every `stride`-th.

        Raises:
            DataError: a frame does not have its checksum.
        """
        frames = slice(*slice(start, stop, stride).indices(len(self)))
        with damage(self.path, _KIND):
            rows = {name: dataset[frames] for name, dataset in self._datasets.items()}
        trajectory = Trajectory(
            self.template,
            rows["step"],
            rows["time"],
            rows["position"],
            rows["velocity"],
            rows["cell"],
            {n.removeprefix("observables/"): rows[n] for n in rows if n.startswith("observables/")},
        )
        wrong = np.flatnonzero(checksums(rows) != rows["checksum"])
        if len(wrong):
            number = frames.start + int(wrong[0]) * frames.step
            raise DataError(f"frame {number} of {self.path} is damaged", "its checksum does not match")
        return trajectory

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> "TrajectoryReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_shapes(self) -> None:
        # A header may claim more than the file holds; unwritten data would be allocated as zeros.
        n_atoms = self.template.n_atoms
        shapes = {"position": (n_atoms, 3), "velocity": (n_atoms, 3), "cell": (3, 3)}
        for name, dataset in self._datasets.items():
            if dataset.shape[1:] != shapes.get(name, ()) or dataset.dtype.kind not in "fiu":
                raise ValueError(f"{name} has shape {dataset.shape} and type {dataset.dtype}")
            if dataset.id.get_storage_size() < dataset.size * dataset.dtype.itemsize:
                raise ValueError(f"{name} holds less than its header says")


def read_trajectory(path: str | os.PathLike) -> Trajectory:
    """All frames of an H5MD file written by adiabat.

    Raises:
        DataError: it is missing, damaged or of another kind.
    """
    with TrajectoryReader(path) as reader:
        return reader.read()


def _rows(frames: Trajectory) -> dict[str, np.ndarray]:
    rows = {
        "step": frames.steps,
        "time": frames.times,
        "position": frames.positions,
        "velocity": frames.velocities,
        "cell": frames.cells,
    } | {f"observables/{name}": values for name, values in frames.observables.items()}
    rows = {name: np.ascontiguousarray(values) for name, values in rows.items()}
    rows["step"] = rows["step"].astype(np.int64)
    for name in rows:
        if name not in ("step", "position", "velocity"):
            rows[name] = rows[name].astype(np.float64)
    return rows | {"checksum": checksums(rows)}
