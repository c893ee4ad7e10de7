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
from adiabat.potentials.dispersion import D3, D4
from adiabat.potentials.embedded_atom import EmbeddedAtom
from adiabat.potentials.ewald import Ewald
from adiabat.potentials.gaussian_charges import GaussianCharges
from adiabat.potentials.mesh_ewald import PME
from adiabat.potentials.pair import AbstractPairPotential, LennardJones, LennardJonesMixture, Morse
from adiabat.potentials.potential import AbstractPotential, Prediction, SumPotential
from adiabat.potentials.repulsion import ZBL
from adiabat.potentials.scaled import Scaled
from adiabat.potentials.stillinger_weber import StillingerWeber

__all__ = [
    "D3",
    "D4",
    "PME",
    "ZBL",
    "AbstractBondedTerms",
    "AbstractPairPotential",
    "AbstractPotential",
    "AllPairs",
    "EmbeddedAtom",
    "Ewald",
    "GaussianCharges",
    "HarmonicAngles",
    "HarmonicBonds",
    "HarmonicImpropers",
    "LennardJones",
    "LennardJonesMixture",
    "Morse",
    "PeriodicTorsions",
    "Prediction",
    "Scaled",
    "StillingerWeber",
    "SumPotential",
]
