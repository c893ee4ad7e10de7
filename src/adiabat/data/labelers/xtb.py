"""GFN-xTB semiempirical tight binding through tblite, H to Rn, molecules and large periodic cells."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from adiabat.base import ConvergenceError, DataError, UnsupportedError
from adiabat.base.units import BOHR, BOLTZMANN, HARTREE
from adiabat.data.labelers.labeler import AbstractLabeler, Labels
from adiabat.system import System, about_center_of_mass, cell_heights

MAX_NUMBER = 86
# tblite's thresholds at 0.1 of their default cost nothing and bring the forces from 1e-4 to 5e-6 eV/Å of the
# derivative.
ACCURACY = 0.1
ELECTRONIC_TEMPERATURE = 300.0
# tblite knows the Gamma point only: a smaller cell would be labelled wrong without a word [Å].
MIN_CELL_HEIGHT = 6.0
# How a stubborn SCF is coaxed: from a hot electron gas down, with heavy damping. The last round is at
# ELECTRONIC_TEMPERATURE always: another temperature is another energy surface. (A short memory matters: the
# Broyden mixer's cost grows with its square, to minutes on an oscillating cycle.)
_LADDER: tuple[tuple[dict[str, Any], tuple[float, ...]], ...] = (
    ({"max-iter": 200}, (ELECTRONIC_TEMPERATURE,)),
    (
        {"mixer-damping": 0.1, "mixer-memory": 20, "max-iter": 400},
        (5000.0, 2500.0, 1200.0, 600.0, ELECTRONIC_TEMPERATURE),
    ),
    (
        {"mixer-damping": 0.03, "mixer-memory": 40, "max-iter": 1000},
        (
            10000.0,
            7000.0,
            5000.0,
            3500.0,
            2500.0,
            1700.0,
            1200.0,
            850.0,
            600.0,
            420.0,
            ELECTRONIC_TEMPERATURE,
        ),
    ),
)
_LANTHANIDES = range(57, 72)


class Electronic(NamedTuple):
    """What a method says of the electrons of one molecule.

    Attributes:
        dipole: its length about the center of mass [e Å].
        homo: energy of the highest occupied orbital [eV].
        lumo: of the lowest empty one [eV]; infinite where the basis has none.
        charges: partial charges of the atoms [e], shape (n_atoms,).
        solvation: free energies of solvation without relaxation [eV], one for each solvent.
    """

    dipole: float
    homo: float
    lumo: float
    charges: np.ndarray
    solvation: tuple[float, ...]


class AbstractXTB(AbstractLabeler):
    """What the parametrizations of xTB share.

    The density is started anew for each structure, so that a label depends on nothing else. The electronic
    temperature is 300 K. `System.spin` sets the occupation; GFN-xTB has no spin polarization, so that
    different spin states of one geometry are not to be compared.
    """

    _tblite_name: ClassVar[str]

    def __init__(self, *, workers: int | None = None):
        """A labeler on `workers` processes; one for each core by default."""
        self.workers = workers

    def check(self, system: System) -> None:
        """Raises UnsupportedError or DataError for what xTB cannot treat.

        Args:
            system: elements H to Rn, `spin` of the same parity as the number of electrons; three periodic
                directions or none, a periodic cell at least 6 Å thick.
        """
        numbers = np.asarray(system.numbers)
        if numbers.max() > MAX_NUMBER:
            raise UnsupportedError(f"{self.name} covers H to Rn (1 to 86), not element {numbers.max()}")
        electrons = int(numbers.sum()) - system.charge
        # The f electrons of the lanthanides are in the core, and their parity with them.
        if not np.isin(numbers, _LANTHANIDES).any() and (
            electrons < system.spin or (electrons - system.spin) % 2
        ):
            raise DataError(
                f"{electrons} electrons (charge {system.charge:+d}) cannot have {system.spin} unpaired ones",
                f"set charge and spin (number of unpaired electrons), for example --spin {electrons % 2}",
            )
        if any(system.pbc):
            if not all(system.pbc):
                raise UnsupportedError(f"{self.name} treats three periodic directions or none")
            heights = cell_heights(np.asarray(system.cell))
            if heights.min() < MIN_CELL_HEIGHT:
                raise UnsupportedError(
                    f"the cell is {heights.min():.1f} Å thick; {self.name} samples the Gamma point only",
                    f"repeat the cell until it is at least {MIN_CELL_HEIGHT:g} Å thick in each direction",
                )

    def compute(self, system: System) -> Labels:
        """Energy, forces and, in a cell, stress, else the dipole.

        Raises:
            ConvergenceError: the SCF cycle did not converge in any of three ways.
            DataError: tblite refuses the structure.
        """
        result = self._converged(system)
        energy = float(result.get("energy")) * HARTREE
        forces = -np.asarray(result.get("gradient")) * (HARTREE / BOHR)
        if system.is_periodic:
            virial = np.asarray(result.get("virial")) * HARTREE
            stress = virial / abs(np.linalg.det(np.asarray(system.cell)))
            return Labels(energy=energy, forces=forces, stress=stress)
        dipole = about_center_of_mass(np.asarray(result.get("dipole")) * BOHR, system)
        return Labels(energy=energy, forces=forces, dipole=dipole)

    def electronic(self, system: System, solvents: Sequence[str] = ()) -> Electronic:
        """Dipole, frontier orbitals and partial charges of a molecule in vacuum, and how much lower it is in
        implicit solvents (ALPB, doi:10.1021/acs.jctc.1c00471; from 1 M in the gas to 1 M in solution).

        Args:
            system: not periodic, of closed shells.
            solvents: tblite's names, such as "water" and "octanol".

        Raises:
            ConvergenceError, DataError: as `compute`; also a solvent that tblite does not know.
            UnsupportedError: a periodic structure or unpaired electrons.
        """
        if any(system.pbc) or system.spin:
            raise UnsupportedError("orbitals and solvation are of molecules with closed shells")
        gas = self._converged(system)
        energies, occupations = (
            np.asarray(gas.get(f"orbital-{name}")) for name in ("energies", "occupations")
        )
        filled = occupations > 1.0
        energy = float(gas.get("energy"))
        dissolved = [float(self._converged(system, name).get("energy")) for name in solvents]
        return Electronic(
            dipole=float(np.linalg.norm(about_center_of_mass(np.asarray(gas.get("dipole")) * BOHR, system))),
            homo=float(energies[filled].max(initial=-np.inf)) * HARTREE,
            lumo=float(energies[~filled].min(initial=np.inf)) * HARTREE,
            charges=np.asarray(gas.get("charges"), float),
            solvation=tuple((one - energy) * HARTREE for one in dissolved),
        )

    def isolated_atoms(self, numbers: Iterable[int]) -> dict[int, float]:
        """Energy [eV] of each element's free neutral atom with the unpaired electrons of its ground state."""
        import ase.data

        energies = {}
        for number in sorted({int(n) for n in numbers}):
            if not 1 <= number <= MAX_NUMBER:
                raise UnsupportedError(f"{self.name} covers H to Rn (1 to 86), not element {number}")
            moment = ase.data.ground_state_magnetic_moments[number]
            spin = 1 if number in _LANTHANIDES else round(float(moment))
            energy = self.compute(System.create([number], np.zeros((1, 3)), spin=spin)).energy
            assert energy is not None
            energies[number] = energy
        return energies

    def _converged(self, system: System, solvent: str | None = None) -> Any:
        """tblite's result in vacuum or in a solvent."""
        for settings, temperatures in _LADDER:
            result = self._run(system, settings, temperatures, solvent)
            if result is not None:
                return result
        raise ConvergenceError(f"the SCF cycle of {self.name} did not converge ({len(_LADDER)} ways tried)")

    def _run(
        self,
        system: System,
        settings: dict[str, Any],
        temperatures: tuple[float, ...],
        solvent: str | None = None,
    ) -> Any:
        """tblite's result, each temperature [K] started from the one before; None when not converged."""
        with _one_thread():
            from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError
            from tblite.interface import Calculator

        periodic = {"lattice": np.asarray(system.cell) / BOHR, "periodic": np.array(system.pbc)}
        try:
            calculator = Calculator(
                self._tblite_name,
                np.asarray(system.numbers),
                np.asarray(system.positions) / BOHR,
                float(system.charge),
                system.spin,
                color=False,
                logger=lambda _message: None,
                **(periodic if any(system.pbc) else {}),
            )
            for key, value in {"verbosity": 0, "accuracy": ACCURACY, **settings}.items():
                calculator.set(key, value)
            if solvent is not None:
                calculator.add("alpb-solvation", solvent)
            result = None
            for temperature in temperatures:
                calculator.set("temperature", temperature * BOLTZMANN / HARTREE)
                result = calculator.singlepoint(result)
        except (TBLiteRuntimeError, TBLiteValueError) as error:
            if "not converged" in str(error):
                return None
            raise DataError(f"{self.name}: {error}") from error
        return result


class GFN2(AbstractXTB):
    """GFN2-xTB: geometries, frequencies and non-covalent interactions (doi:10.1021/acs.jctc.8b01176)."""

    name = "gfn2"
    _tblite_name = "GFN2-xTB"


class GFN1(AbstractXTB):
    """GFN1-xTB (doi:10.1021/acs.jctc.7b00118)."""

    name = "gfn1"
    _tblite_name = "GFN1-xTB"


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """OpenMP, should it be loaded here for the first time, is to use one thread: two only cost."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
