"""Potentials as other programs want them, and what other programs know as potentials: the calculator of ASE,
force fields of OpenMM.

Files that other programs read belong in `adiabat.io`.
"""

from adiabat.interfaces.ase import AdiabatCalculator, calculator
from adiabat.interfaces.openmm import potential_from_openmm

__all__ = ["AdiabatCalculator", "calculator", "potential_from_openmm"]
