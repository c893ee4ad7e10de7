"""Potentials as other programs want them, and what other programs know as potentials: the calculator of ASE,
forces in LAMMPS and OpenMM, force fields of OpenMM.

Files that other programs read belong in `adiabat.io`.
"""

from adiabat.interfaces.ase import AdiabatCalculator, calculator
from adiabat.interfaces.domain import Domain, DomainPrediction
from adiabat.interfaces.lammps import LammpsForce
from adiabat.interfaces.openmm import potential_from_openmm
from adiabat.interfaces.openmm_force import openmm_force, openmm_system

__all__ = [
    "AdiabatCalculator",
    "Domain",
    "DomainPrediction",
    "LammpsForce",
    "calculator",
    "openmm_force",
    "openmm_system",
    "potential_from_openmm",
]
