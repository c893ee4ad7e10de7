"""What follows from the frames of a simulation, computed once for the page and for the command line."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adiabat import analysis
from adiabat.base import DataError, UnsupportedError
from adiabat.base.units import BOLTZMANN, FEMTOSECOND
from adiabat.report.elements import is_metal
from adiabat.report.motion import Motion

_SHORTEST_DIFFUSION = 5.0  # ps; before that atoms rattle in their cages
_LONGEST_STEP = 20.0  # fs between velocities that are still related
_SHORTEST_SPECTRUM = 750.0  # fs: lines 200 1/cm wide
_FEWEST_VALUES = 50  # independent ones, for a variance with an error that can be believed
_CM2_PER_S = 0.1  # Å^2/fs in cm^2/s
SLOWED_BAR = 0.05  # of the friction in diffusion, by the thermostat
WIDENED_BAR = 20.0  # 1/cm, by the thermostat; with wider lines a spectrum is only a sketch
_NONE = np.zeros(0)
_FASTEST = {"hydrogen": 4000.0, "light": 2500.0, "metal": 600.0}  # 1/cm


@dataclass(frozen=True)
class Measurements:
    """Numbers of one simulation, each made when it is first asked for; None or empty where there is none.

    The first fifth of the run is left out everywhere.

    Attributes:
        motion: the frames.
        viscosity: of the liquid, for the correction of diffusion [mPa s]; None when nobody said.
    """

    motion: Motion
    viscosity: float | None = None

    @property
    def steady(self) -> slice:
        """The frames that are looked at."""
        return slice(self.motion.n_frames // 5, None)

    @cached_property
    def positions(self) -> np.ndarray | None:
        """Of these frames [Å], shape (n, n_atoms, 3); None where the run broke."""
        positions = self.motion.positions[self.steady]
        return positions if np.isfinite(positions).all() else None

    @cached_property
    def structures(self) -> np.ndarray | None:
        """Positions of these frames whose distribution is that of the atoms [Å]: of quantum nuclei those of
        beads, and all others as they are."""
        beads = self.motion.beads
        return self.positions if beads is None or self.positions is None else beads[self.steady]

    @property
    def cells(self) -> np.ndarray | None:
        """Of these frames [Å], shape (n, 3, 3), zeros where it does not repeat; None for a molecule."""
        return None if self.motion.cell is None else self.motion.cell[self.steady]

    @property
    def bulk(self) -> np.ndarray | None:
        """The same of what repeats along all directions, and None of all else."""
        return self.cells if self.motion.is_bulk else None

    @property
    def time(self) -> np.ndarray:
        """Of these frames [fs], shape (n,)."""
        return self.motion.time[self.steady]

    @property
    def temperature(self) -> float | None:
        """The thermostat's, or else the mean [K]."""
        if self.motion.target_temperature is not None or self.motion.temperature is None:
            return self.motion.target_temperature
        mean = float(self.motion.temperature[self.steady].mean())
        return mean if np.isfinite(mean) and mean > 0 else None

    @cached_property
    def density(self) -> analysis.Average | None:
        """[g/cm^3]; its error is zero in a cell that does not change."""
        if self.bulk is None or len(self.bulk) < 2:
            return None
        return analysis.mean_with_error(analysis.density(self._masses, self.bulk))

    @cached_property
    def radial(self) -> list[analysis.RadialDistribution]:
        """g(r) of each pair of elements of a periodic system."""
        if self.structures is None or self.bulk is None:
            return []
        return analysis.radial_distribution(self.motion.numbers, self.structures, self.bulk)

    @cached_property
    def structure_factor(self) -> analysis.StructureFactor | None:
        """S(q) of all atoms of a periodic system."""
        if self.structures is None or self.bulk is None:
            return None
        return analysis.structure_factor(self.structures, self.bulk)

    @cached_property
    def internals(self) -> list[analysis.Distribution]:
        """Bonds, angles and torsions; none between metal atoms."""
        if self.structures is None or is_metal(self.motion.numbers).all():
            return []
        return analysis.bond_statistics(self.motion.numbers, self.structures, cell=self.cells)

    @cached_property
    def diffusion(self) -> dict[str, analysis.Average]:
        """Self-diffusion coefficients by element [cm^2/s], from displacements; none of short runs."""
        positions = self._about_center
        return {} if positions is None else self._by_element(analysis.diffusion_coefficient, positions)

    @cached_property
    def displacements(self) -> dict[str, analysis.Correlation]:
        """Mean squared displacements by element [Å^2], up to half a block; none of short runs."""
        positions, n_lags = self._about_center, len(self.time) // 10

        def squared(time: np.ndarray, frames: np.ndarray) -> analysis.Correlation:
            def up_to_half(block: np.ndarray) -> np.ndarray:
                return analysis.mean_squared_displacement(block)[:n_lags]

            lag = time[:n_lags] - time[0]
            return analysis.Correlation(lag, up_to_half(frames), analysis.block_error(up_to_half, frames))

        return {} if positions is None else self._by_element(squared, positions)

    @property
    def _about_center(self) -> np.ndarray | None:
        """Positions about the center of mass [Å], of what may diffuse."""
        if self.bulk is None or self.positions is None or not self._is_long or self.motion.is_torn:
            return None
        masses = self._masses
        return self.positions - np.einsum("fix,i->fx", self.positions, masses)[:, None] / masses.sum()

    @cached_property
    def diffusion_from_velocities(self) -> dict[str, analysis.Average]:
        """The same from velocities, where frames lie less than 20 fs apart."""
        if self.bulk is None or self.velocities is None or not self._is_long or self._step > _LONGEST_STEP:
            return {}
        masses = self._masses
        drift = np.einsum("fix,i->fx", self.velocities, masses)[:, None] / masses.sum()
        return self._by_element(analysis.green_kubo_diffusion, self.velocities - drift)

    @cached_property
    def finite_size(self) -> float | None:
        """What to add to a diffusion coefficient for the size of the cell [cm^2/s]."""
        if self.viscosity is None or self.temperature is None or self.bulk is None:
            return None
        try:
            return analysis.finite_size_correction(self.bulk.mean(axis=0), self.temperature, self.viscosity)
        except UnsupportedError:
            return None

    @cached_property
    def heat_capacity(self) -> analysis.Average | None:
        """C_V [eV/K] of a run with a thermostat, of 50 independent values or more; at constant energy the
        formula does not hold, at constant pressure it is another, and so it is of quantum nuclei; under a
        bias and of mixed temperatures the energy fluctuates otherwise."""
        motion, kelvin = self.motion, self.motion.target_temperature
        if motion.potential is None or motion.kinetic is None or not kelvin or motion.n_frames < 10:
            return None
        moves = self.cells is not None and np.any(self.cells != self.cells[0])
        if moves or motion.quantum_kinetic is not None or not motion.is_equilibrium:
            return None
        energy = (motion.potential + motion.kinetic)[self.steady]
        if not np.isfinite(energy).all():
            return None
        found = analysis.heat_capacity(energy, kelvin)
        return found if found.n_effective >= _FEWEST_VALUES else None

    @property
    def velocities(self) -> np.ndarray | None:
        """Of these frames [Å/fs], shape (n, n_atoms, 3); None where nobody knows, or they are not of one
        motion."""
        velocities = self.motion.velocities
        if velocities is None or not self.motion.is_trajectory or not np.isfinite(velocities).all():
            return None
        return velocities[self.steady]

    @property
    def fastest(self) -> float:
        """About the highest wavenumber that such a system has [1/cm]."""
        if np.any(self.motion.numbers == 1):
            return _FASTEST["hydrogen"]
        return _FASTEST["metal" if is_metal(self.motion.numbers).all() else "light"]

    @property
    def highest(self) -> float:
        """The highest wavenumber that the time between frames lets see [1/cm]; 0 if they are not even."""
        return 0.5 * analysis.PER_CM / self._step if self._step else 0.0

    @property
    def is_long_for_spectra(self) -> bool:
        """Whether lines come out narrower than 200 1/cm."""
        return len(self.time) >= 64 and np.ptp(self.time) >= _SHORTEST_SPECTRUM

    @cached_property
    def vibrations(self) -> dict[str, analysis.Spectrum]:
        """Densities of states of all atoms ("all") and by element; empty where most of it is folded back."""
        if self.velocities is None or not self.is_long_for_spectra or self.highest < self.fastest / 2:
            return {}
        numbers, freedom = self.motion.numbers, self.motion.degrees_of_freedom
        chosen = {"all": np.full(len(numbers), True)}
        kinds = self._elements
        chosen |= {name: numbers == kind for name, kind in kinds.items()} if len(kinds) > 1 else {}
        found = {}
        for name, mine in chosen.items():
            velocities = self.velocities[:, mine]
            if not velocities.any():
                return {}
            found[name] = analysis.vibrational_density_of_states(
                self.time, velocities, self._masses[mine], freedom * mine.mean()
            )
        return found

    @cached_property
    def velocity_autocorrelation(self) -> analysis.Correlation | None:
        """Of all atoms, weighted by their masses, 1 at the start; at most 1000 fs, and most of a block."""
        if not self.vibrations or self.velocities is None:
            return None
        n_lags = int(np.clip(1000 / self._step, 2, 3 * len(self.time) // 20))
        weighted = self.velocities * np.sqrt(self._masses)[:, None]

        def normalized(velocities: np.ndarray) -> np.ndarray:
            correlation = analysis.velocity_autocorrelation(velocities, n_lags)
            return correlation / correlation[0]

        lag = self._step * np.arange(n_lags)
        return analysis.Correlation(lag, normalized(weighted), analysis.block_error(normalized, weighted))

    @property
    def dipoles(self) -> np.ndarray | None:
        """Of all frames [e Å], shape (n_frames, 3); None as for velocities."""
        return self.motion.dipoles if self.motion.is_trajectory else None

    @cached_property
    def infrared(self) -> analysis.Spectrum | None:
        """Absorption of a molecule whose dipoles are known; None where most of it is folded back."""
        dipoles = self.dipoles
        if dipoles is None or not self.temperature or self.highest < self.fastest / 2:
            return None
        if not np.isfinite(dipoles).all() or not self.is_long_for_spectra:
            return None
        return analysis.infrared_spectrum(self.time, dipoles[self.steady], self.temperature)

    @cached_property
    def hydrogen_bonds(self) -> analysis.HydrogenBonds | None:
        """Of a system with N-H, O-H or F-H and with partners; without their lifetime where the frames are not
        of one motion."""
        if self.structures is None or self.positions is None or len(self.time) < 8 or not self._step:
            return None
        numbers = self.motion.numbers
        bonds = analysis.find_bonds(numbers, self.positions[0], None if self.cells is None else self.cells[0])
        if len(analysis.donor_hydrogens(numbers, bonds)) == 0 or np.isin(numbers, (7, 8, 9)).sum() < 2:
            return None
        found = analysis.hydrogen_bonds(self.time, numbers, self.structures, self.cells)
        has_time = self.motion.is_trajectory and self.motion.beads is None
        return (
            found
            if has_time
            else dataclasses.replace(
                found, lag=_NONE, correlation=_NONE, correlation_error=_NONE, lifetime=None
            )
        )

    @property
    def slowed(self) -> dict[str, float]:
        """The share of the friction of each element's diffusion that is the thermostat's, 0 to 1.

        Einstein's relation with the friction g of the thermostat is D = k T / (m (g + g_0)), if g_0, that of
        the liquid, is what it is without; so the share is g m D / k T, m being the mass of the molecules.
        """
        friction, kelvin = self.motion.friction, self.temperature
        if not friction or not kelvin or self.positions is None or self.cells is None or not self.diffusion:
            return {}
        numbers = self.motion.numbers
        member = np.arange(len(numbers))
        if not is_metal(numbers).all():
            bonds = analysis.find_bonds(numbers, self.positions[0], self.cells[0])
            member = analysis.molecules(len(numbers), bonds)
        if 1 < np.bincount(member).max() > len(numbers) / 2:
            return {}  # a network does not diffuse
        mass = np.bincount(member, self._masses)[member]
        unit = friction / (BOLTZMANN * kelvin * FEMTOSECOND**2 * _CM2_PER_S)
        return {
            name: unit * float(mass[numbers == kind].mean()) * max(self.diffusion[name].mean, 0.0)
            for name, kind in self._elements.items()
        }

    @property
    def widened(self) -> float:
        """By how much the thermostat's friction widens the lines of spectra [1/cm]."""
        return (self.motion.friction or 0.0) * analysis.PER_CM / (2 * np.pi)

    @property
    def warnings(self) -> list[str]:
        """What to know before the numbers are believed, a sentence or two each."""
        motion, found = self.motion, []
        if motion.is_biased:
            found.append(
                "The run was under a bias. Bonds and other averages are those of the biased ensemble, and "
                "time is not that of the system alone: heat capacity, diffusion, spectra and lifetimes are "
                "left out. adiabat free-energy weighs the frames."
            )
        if motion.is_mixed:
            assert motion.rungs is not None
            found.append(
                f"Temperatures from {motion.rungs.min():g} to {motion.rungs.max():g} K were swapped along "
                "this replica: averages mix them, and what needs one temperature or one motion is left out. "
                "Analyze the folder of the run for each temperature."
            )
        if motion.is_bead:
            found.append(
                "One bead of path integrals: its positions are samples of the quantum nuclei, but its "
                "velocities are not theirs. Dynamics are left out."
            )
        if motion.beads is not None and self.vibrations:
            found.append(
                "Distances and angles are those of beads; diffusion and spectra are those of the centroids, "
                "an approximation (thermostatted ring-polymer dynamics)."
            )
        if not motion.has_times:
            found.append(
                "The frames do not say when they are: diffusion, spectra and lifetimes are left out. Give "
                "each its time [fs] as `time`."
            )
        elif motion.is_torn:
            found.append(
                "Atoms cross the faces of the cell and go about half of it from one frame to the next, so "
                "that nobody knows which way: diffusion from displacements is left out. Record more often, "
                "or positions that are not wrapped into the cell."
            )
        friction = f"The friction of the thermostat, {motion.friction or 0:g} 1/fs,"
        worst = max(self.slowed.items(), key=lambda item: item[1], default=("", 0.0))
        if worst[1] > SLOWED_BAR:
            found.append(
                f"{friction} slows diffusion by about {100 * worst[1]:.0f} % ({worst[0]}). {self._gentler}"
            )
        if self.vibrations and self.widened > WIDENED_BAR:
            found.append(
                f"{friction} widens lines by {self.widened:.0f} 1/cm and shortens the velocity "
                f"autocorrelation. {self._gentler}"
            )
        return found

    @property
    def keeps_energies(self) -> bool:
        """Whether each mode keeps for long the energy that it began with, so that a run does not know how
        large modes are on average: of a molecule whose atoms have no thermostat each."""
        return self.motion.cell is None and not self.motion.friction

    @property
    def _gentler(self) -> str:
        """What to do instead; path integrals have no other thermostat."""
        others = "." if self.motion.quantum_kinetic is not None else ", velocity_rescaling, or nve."
        return f"For dynamics take a friction of 0.001 1/fs{others}"

    @cached_property
    def _step(self) -> float:
        """Between frames [fs]; 0 when they are not evenly spaced."""
        try:
            return analysis.time_step(self.time)
        except DataError:
            return 0.0

    @property
    def _is_long(self) -> bool:
        """Enough for diffusion."""
        enough = len(self.time) >= 50 and self._step > 0
        return enough and self.motion.is_trajectory and np.ptp(self.time) >= 1000 * _SHORTEST_DIFFUSION

    @property
    def _masses(self) -> np.ndarray:
        from ase.data import atomic_masses

        masses = self.motion.masses
        return atomic_masses[self.motion.numbers] if masses is None else masses

    @property
    def _elements(self) -> dict[str, int]:
        from ase.data import chemical_symbols

        return {chemical_symbols[int(kind)]: int(kind) for kind in np.unique(self.motion.numbers)}

    def _by_element[T](
        self, function: Callable[[np.ndarray, np.ndarray], T], series: np.ndarray
    ) -> dict[str, T]:
        numbers = self.motion.numbers
        return {
            name: function(self.time, series[:, numbers == kind]) for name, kind in self._elements.items()
        }
