"""Potentials as other programs want them: today the calculator of ASE.

Files that other programs read belong in `adiabat.io`.
"""

from adiabat.interfaces.ase import AdiabatCalculator, calculator

__all__ = ["AdiabatCalculator", "calculator"]
