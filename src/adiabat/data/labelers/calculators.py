"""Calculators of ASE as labelers: fast, for tests and demonstrations."""

import abc
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base import UnsupportedError
from adiabat.data.labelers.labeler import AbstractLabeler, Labels
from adiabat.system import System

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

# Depth of the well [eV] and length [Å] of argon.
_ARGON, _EPSILON, _SIGMA = 18, 0.0104, 3.40


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
        from ase.data import chemical_symbols

        unknown = sorted({chemical_symbols[int(n)] for n in system.numbers} - set(parameters))
        if unknown:
            raise UnsupportedError(
                f"emt has no parameters for {', '.join(unknown)}", f"it has {', '.join(parameters)}"
            )


class LennardJones(AbstractCalculatorLabeler):
    """One kind of Lennard-Jones particle, smooth at the cut-off; argon by default, and other elements with an
    epsilon and a sigma of their own."""

    name = "lj"

    def __init__(self, *, epsilon: float = _EPSILON, sigma: float = _SIGMA, cutoff: float = 8.5):
        """Depth [eV], zero of the energy [Å], cut-off [Å]."""
        self.epsilon = epsilon
        self.sigma = sigma
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
        """Raises UnsupportedError for another element than argon with the epsilon and sigma of argon."""
        if (self.epsilon, self.sigma) == (_EPSILON, _SIGMA):
            from ase.data import chemical_symbols

            others = sorted(set(np.asarray(system.numbers).tolist()) - {_ARGON})
            if others:
                raise UnsupportedError(
                    "lj has the epsilon and sigma of argon by default; the structure also has "
                    + " ".join(chemical_symbols[number] for number in others),
                    "give its own to adiabat.data.labelers.calculators.LennardJones",
                )
