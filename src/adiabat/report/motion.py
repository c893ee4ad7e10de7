"""A trajectory as the report needs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.constants

from adiabat.base import DataError
from adiabat.report.formatting import number
from adiabat.system import repeating_cell

_BOLTZMANN = scipy.constants.Boltzmann / scipy.constants.e  # eV/K


@dataclass(frozen=True)
class Motion:
    """Frames and energies of one simulation.

    Attributes:
        numbers: atomic numbers, shape (n_atoms,).
        positions: not wrapped [Å], shape (n_frames, n_atoms, 3).
        cell: [Å], shape (n_frames, 3, 3), with rows of zeros along directions that do not repeat; None for a
            molecule.
        time: [fs], shape (n_frames,).
        masses: [amu], shape (n_atoms,); None for the standard ones.
        potential: [eV], shape (n_frames,), or None; so are the next three.
        kinetic: [eV].
        conserved: what the integrator should keep constant [eV].
        temperature: [K].
        target_temperature: of the thermostat [K]; None without one.
        relaxation_time: in which the thermostat brings the kinetic energy back [fs]; None where nobody knows.
        friction: of a thermostat on the momentum of each atom [1/fs]; None without one.
        velocities: [Å/fs], shape (n_frames, n_atoms, 3), or None.
        dipoles: [e Å], shape (n_frames, 3), or None.
        quantum_kinetic: kinetic energy of quantum nuclei [eV], shape (n_frames,); None of classical ones.
            Positions are then those of the centroids.
        beads: of quantum nuclei, positions whose distribution is that of the atoms [Å], like `positions`.
        is_biased: whether a bias was added to the potential.
        variables: collective variables that were recorded, by their names with units, shapes (n_frames,).
        rungs: the temperature that each frame was made at [K], shape (n_frames,), where replicas swap them.
        is_bead: whether these are the frames of one bead of path integrals.
        is_collected: whether they are of one temperature, of whatever replica was there: an ensemble in no
            order of time.
        has_times: whether somebody said when the frames are; `time` is their numbers otherwise.
        is_torn: whether atoms that cross a face of the cell come back at the other one, and go too far from
            one frame to the next for the positions to be put together.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray | None
    time: np.ndarray
    masses: np.ndarray | None = None
    potential: np.ndarray | None = None
    kinetic: np.ndarray | None = None
    conserved: np.ndarray | None = None
    temperature: np.ndarray | None = None
    target_temperature: float | None = None
    relaxation_time: float | None = None
    friction: float | None = None
    velocities: np.ndarray | None = None
    dipoles: np.ndarray | None = None
    quantum_kinetic: np.ndarray | None = None
    beads: np.ndarray | None = None
    is_biased: bool = False
    variables: Mapping[str, np.ndarray] = field(default_factory=dict)
    rungs: np.ndarray | None = None
    is_bead: bool = False
    is_collected: bool = False
    has_times: bool = True
    is_torn: bool = False

    @classmethod
    def of(
        cls,
        trajectory: Any,
        numbers: Any,
        target_temperature: float | None = None,
        relaxation_time: float | None = None,
    ) -> "Motion":
        """From an `adiabat.io.Trajectory`, or anything with the attributes of this class.

        Raises:
            DataError: no frames, or arrays whose shapes do not go together.
        """
        numbers = np.asarray(numbers, dtype=np.int64)
        masses = getattr(trajectory, "masses", None)
        if hasattr(trajectory, "observables"):
            found = trajectory.observables
            series = [
                found.get(name) for name in ("potential_energy", "kinetic_energy", "conserved", "temperature")
            ]
            cell = repeating_cell(trajectory.cells, trajectory.template.pbc)
            time, masses = trajectory.times, np.asarray(trajectory.template.masses)
        else:
            series = [
                getattr(trajectory, name, None)
                for name in ("potential", "kinetic", "conserved", "temperature")
            ]
            cell, time = getattr(trajectory, "cell", None), trajectory.time
        observed = getattr(trajectory, "observables", {})
        positions = np.asarray(trajectory.positions, dtype=np.float64)
        time = np.asarray(time, dtype=np.float64)
        if len(positions) == 0 or positions.shape != (len(time), len(numbers), 3):
            raise DataError(
                f"a trajectory of {len(time)} times and {len(numbers)} atoms cannot have positions of shape "
                f"{positions.shape}"
            )
        arrays = [None if values is None else np.asarray(values, dtype=np.float64) for values in series]
        return cls(
            numbers,
            positions,
            _cells(cell, len(time)),
            time,
            masses,
            *arrays,
            target_temperature=target_temperature,
            relaxation_time=relaxation_time,
            velocities=getattr(trajectory, "velocities", None),
            dipoles=getattr(trajectory, "dipoles", None),
            quantum_kinetic=observed.get("quantum_kinetic_energy"),
            is_biased={"bias", "work"} <= observed.keys(),
            rungs=observed.get("target_temperature"),
        )

    @property
    def is_mixed(self) -> bool:
        """Whether the frames are of several temperatures."""
        return self.rungs is not None and bool(np.ptp(self.rungs) > 0)

    @property
    def is_equilibrium(self) -> bool:
        """Whether each frame counts alike in an average at equilibrium."""
        return not (self.is_biased or self.is_mixed)

    @property
    def is_trajectory(self) -> bool:
        """Whether one frame follows from the one before by the motion of the atoms alone."""
        return self.is_equilibrium and self.has_times and not (self.is_bead or self.is_collected)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.time)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @property
    def is_bulk(self) -> bool:
        """Whether it repeats along all directions, so that it has a density."""
        return self.cell is not None and bool(np.all(np.abs(np.linalg.det(self.cell)) > 1e-6))

    @property
    def picoseconds(self) -> np.ndarray:
        """Time [ps], shape (n_frames,)."""
        return self.time / 1000

    @property
    def length(self) -> str:
        """Of the whole, as "4 ps", or as "400 frames" where nobody said when they are."""
        return (
            f"{number(float(np.ptp(self.picoseconds)))} ps" if self.has_times else f"{self.n_frames} frames"
        )

    def when(self, frame: int) -> str:
        """When a frame was, as "0.3 ps" or "frame 12"."""
        return f"{number(float(self.picoseconds[frame]))} ps" if self.has_times else f"frame {frame}"

    @property
    def degrees_of_freedom(self) -> int:
        """That the temperature was computed with, 2 K / (k T); 3 n_atoms without a kinetic energy."""
        if self.kinetic is None or self.temperature is None or not np.any(self.temperature > 0):
            return 3 * self.n_atoms
        warm = self.temperature > 0
        return round(float(np.median(2 * self.kinetic[warm] / (_BOLTZMANN * self.temperature[warm]))))

    def thinned(self, limit: int) -> np.ndarray:
        """Indices of at most `limit` evenly spaced frames, the first and the last among them."""
        return np.unique(np.linspace(0, self.n_frames - 1, limit, dtype=int))


def _cells(cell: Any, n_frames: int) -> np.ndarray | None:
    if cell is None:
        return None
    cells = np.broadcast_to(np.asarray(cell, dtype=np.float64), (n_frames, 3, 3))
    return cells if cells[0].any() else None
