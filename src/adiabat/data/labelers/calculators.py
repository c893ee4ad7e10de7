"""Calculators of ASE as labelers: fast, for tests and demonstrations."""

import abc
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.data.labelers.labeler import AbstractLabeler, Labels
from adiabat.system import System, check_elements
from adiabat.system.elements import LENNARD_JONES

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


class AbstractCalculatorLabeler(AbstractLabeler):
    """Labels by an ASE calculator, made anew for each structure."""

    workers: int | None = 1

    @abc.abstractmethod
    def calculator(self) -> "Calculator":
        """A fresh calculator."""

    def compute(self, system: System) -> Labels:
        """Energy, forces and, in a cell, stress."""
        atoms = system.to_ase()
        atoms.calc = self.calculator()
        return Labels(
            energy=float(atoms.get_potential_energy()),
            forces=np.array(atoms.get_forces(), dtype=np.float64),
            stress=np.array(atoms.get_stress(voigt=False)) if system.is_periodic else None,
        )

    def isolated_atoms(self, numbers: Iterable[int]) -> dict[int, float]:
        """Energy [eV] of one atom alone."""
        energies = {}
        for number in sorted({int(n) for n in numbers}):
            atom = System.create([number], np.zeros((1, 3)))
            self.check(atom)
            energies[number] = float(self.compute(atom).energy or 0.0)
        return energies


class EMT(AbstractCalculatorLabeler):
    """Effective medium theory for Al, Cu, Ag, Au, Ni, Pd, Pt; crude for H, C, N, O.

    doi:10.1016/0039-6028(96)00816-3
    """

    name = "emt"

    def calculator(self) -> "Calculator":
        from ase.calculators import emt

        return emt.EMT()

    def check(self, system: System) -> None:
        """Raises UnsupportedError for an element without parameters."""
        from ase.calculators.emt import parameters
        from ase.data import atomic_numbers

        check_elements(system, [atomic_numbers[name] for name in parameters], "emt has parameters of")


class LennardJones(AbstractCalculatorLabeler):
    """One kind of Lennard-Jones particle, smooth at the cut-off; argon by default, and other elements with an
    epsilon and a sigma of their own."""

    name = "lj"

    def __init__(self, *, epsilon: float | None = None, sigma: float | None = None, cutoff: float = 8.5):
        """Depth [eV], zero of the energy [Å], cut-off [Å]."""
        values, self._by_default = LENNARD_JONES.completed(epsilon=epsilon, sigma=sigma)
        self.epsilon, self.sigma = values["epsilon"], values["sigma"]
        self.cutoff = cutoff

    @property
    def options(self) -> dict[str, Any]:
        return {"epsilon": self.epsilon, "sigma": self.sigma, "cutoff": self.cutoff}

    def calculator(self) -> "Calculator":
        from ase.calculators.lj import LennardJones as AseLennardJones

        return AseLennardJones(
            epsilon=self.epsilon, sigma=self.sigma, rc=self.cutoff, ro=0.66 * self.cutoff, smooth=True
        )

    def check(self, system: System) -> None:
        """Raises UnsupportedError for another element than argon whose epsilon or sigma is argon's by
        default."""
        LENNARD_JONES.check(system, self._by_default)
