"""Energies with a written formula, their sums, and forces and stress by automatic differentiation.

Networks belong in `adiabat.networks`.
"""

from adiabat.potentials.all_pairs import AllPairs
from adiabat.potentials.bonded import (
    AbstractBondedTerms,
    HarmonicAngles,
    HarmonicBonds,
    HarmonicImpropers,
    PeriodicTorsions,
)
from adiabat.potentials.ewald import Ewald
from adiabat.potentials.mesh_ewald import PME
from adiabat.potentials.pair import LennardJones
from adiabat.potentials.potential import AbstractPotential, Prediction, SumPotential
from adiabat.potentials.repulsion import ZBL

__all__ = [
    "PME",
    "ZBL",
    "AbstractBondedTerms",
    "AbstractPotential",
    "AllPairs",
    "Ewald",
    "HarmonicAngles",
    "HarmonicBonds",
    "HarmonicImpropers",
    "LennardJones",
    "PeriodicTorsions",
    "Prediction",
    "SumPotential",
]
