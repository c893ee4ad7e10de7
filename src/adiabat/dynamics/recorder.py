"""Where the recorded frames of a simulation go: a file, or memory."""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from adiabat.base import ConfigError
from adiabat.dynamics.chunk import Frames
from adiabat.dynamics.joined import BEAD, REPLICA
from adiabat.io.plumed import COLVAR, Column, PlumedWriter
from adiabat.io.trajectory import Trajectory, TrajectoryWriter, read_trajectory
from adiabat.system import System

UNITS = {
    "potential_energy": "eV",
    "kinetic_energy": "eV",
    "conserved": "eV",
    "temperature": "K",
    "pressure": "GPa",
    "quantum_kinetic_energy": "eV",
    "primitive_kinetic_energy": "eV",
    "target_temperature": "K",
}
_SWAPPED = "target_temperature"
# Frames are handed to the file in pieces of about this size [bytes]: HDF5 takes milliseconds for any piece.
_PIECE_BYTES = 1 << 23


class Recorder:
    """Collects the frames of one run; a context manager.

    Args:
        template: the structure.
        path: of the trajectory file; frames stay in memory without it.
        n_frames: keep this many of the file that is there; 0 begins a new one.
        names: the observables that frames have, of `UNITS`.
        measured: what else they have; it is written to the file COLVAR beside the trajectory, too, with the
            temperature of each row where replicas swap temperatures.

    Attributes:
        n_frames: recorded so far.

    Raises:
        ConfigError: something measured is called as what all frames have.
    """

    def __init__(
        self,
        template: System,
        path: Path | None,
        n_frames: int,
        names: Sequence[str],
        measured: Sequence[Column] = (),
    ):
        self.template = template
        self.n_frames = n_frames
        self._names = list(names)
        if taken := sorted({*UNITS, "time"} & {column.name for column in measured}):
            raise ConfigError(f"every frame has a {taken[0]!r} already", "give the variable another name")
        self._pieces: list[Trajectory] = []
        self._writer = None
        if path is not None and n_frames:
            self._writer = TrajectoryWriter.resume(path, n_frames)
        elif path is not None:
            self._writer = TrajectoryWriter.create(
                path,
                template,
                {name: UNITS[name] for name in self._names} | {c.name: c.unit for c in measured},
            )
        self._table = None
        if path is not None and measured:
            swapped = [Column(_SWAPPED, UNITS[_SWAPPED])] if _SWAPPED in self._names else []
            columns = [Column("time", "fs"), *measured, *swapped]
            self._tabled = [column.name for column in columns[1:]]
            there = self._columns(read_trajectory(path)) if n_frames else None
            self._table = PlumedWriter(path.with_name(COLVAR), columns, rows=there)

    def add(self, frames: Frames, count: int) -> None:
        """Takes the first `count` frames of a buffer.

        Raises:
            DataError: the disk is full.
        """
        if count == 0:
            return
        rows = jax.tree.map(lambda x: np.array(np.asarray(x)[:count]), frames)
        observables = {name: getattr(rows.info, name) for name in self._names} | rows.info.measured
        piece = Trajectory(
            template=self.template,
            steps=rows.info.step,
            times=rows.info.time,
            positions=rows.positions,
            velocities=rows.velocities,
            cells=rows.cell,
            observables=observables,
        )
        self._pieces.append(piece)
        if self._table is not None:
            self._table.append(self._columns(piece))
        self.n_frames += count
        if sum(piece.positions.nbytes for piece in self._pieces) > _PIECE_BYTES:
            self._flush()

    def sync(self) -> None:
        """Returns when the disk has every frame.

        Raises:
            DataError: the disk is full.
        """
        if self._writer is not None:
            self._flush()
            self._writer.sync()

    def in_memory(self) -> Trajectory | None:
        """The frames, unless they are in a file."""
        return Trajectory.joined(self._pieces) if self._writer is None else None

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind)

    def _columns(self, frames: Trajectory) -> np.ndarray:
        """Rows of the table."""
        values = [frames.times, *(frames.observables[name] for name in self._tabled)]
        return np.stack(values, axis=1).astype(np.float64)

    def _flush(self) -> None:
        if self._writer is not None and self._pieces:
            self._writer.append(Trajectory.joined(self._pieces))
            self._pieces = []


class Recorders:
    """Hands each replica its share of the frames.

    Args:
        each: of the replicas.
        centroid: takes the means over replicas that are the beads of a ring.
    """

    def __init__(self, each: list[Recorder], centroid: Recorder | None = None):
        self.each, self.centroid = each, centroid
        ends = np.cumsum([one.template.n_atoms for one in each])
        self._rows = [slice(end - one.template.n_atoms, end) for end, one in zip(ends, each, strict=True)]

    @property
    def label(self) -> str:
        """What each one is called."""
        return REPLICA if self.centroid is None else BEAD

    @property
    def n_frames(self) -> int:
        """Recorded so far, of each."""
        return self.each[0].n_frames

    def add(self, frames: Frames, count: int) -> None:
        """Takes the first `count` frames of a buffer."""
        frames = jax.tree.map(np.asarray, frames)
        shares = [self._share(frames, number) for number in range(len(self.each))]
        for one, share in zip(self.each, shares, strict=True):
            one.add(share, count)
        if self.centroid is not None:
            self.centroid.add(jax.tree.map(_mean, *shares), count)

    def sync(self) -> None:
        """Returns when the disk has every frame."""
        for one in self.each + ([] if self.centroid is None else [self.centroid]):
            one.sync()

    def in_memory(self) -> None:
        """Nothing: each has its own."""

    def _share(self, frames: Frames, number: int) -> Frames:
        rows = self._rows[number]
        return Frames(
            # Step and time are those of all.
            info=jax.tree.map(lambda x: x if x.ndim == 1 else x[:, number], frames.info),
            positions=frames.positions[:, rows],
            velocities=frames.velocities[:, rows],
            cell=frames.cell[:, number],
        )


def _mean(first: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Summed in double precision; whole numbers are the same for all."""
    if first.dtype.kind == "i":
        return first
    return np.mean([first, *others], axis=0, dtype=np.float64).astype(first.dtype)
