"""Energies with a written formula, their sums, and forces and stress by automatic differentiation.

Networks belong in `adiabat.networks`.
"""

from adiabat.base.registry import Registry
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

potentials = Registry(
    "potential",
    {
        "d3": "adiabat.potentials.dispersion:D3",
        "d4": "adiabat.potentials.dispersion:D4",
        "embedded_atom": "adiabat.potentials.from_files:embedded_atom_from_file",
        "ewald": "adiabat.potentials.from_files:ewald_of",
        "harmonic_angles": "adiabat.potentials.bonded:HarmonicAngles",
        "harmonic_bonds": "adiabat.potentials.bonded:HarmonicBonds",
        "harmonic_impropers": "adiabat.potentials.bonded:HarmonicImpropers",
        "lennard_jones": "adiabat.potentials.pair:LennardJones",
        "lennard_jones_mixture": "adiabat.potentials.from_files:mixture_of",
        "morse": "adiabat.potentials.pair:Morse",
        "periodic_torsions": "adiabat.potentials.bonded:PeriodicTorsions",
        "pme": "adiabat.potentials.from_files:pme_of",
        "stillinger_weber": "adiabat.potentials.stillinger_weber:StillingerWeber",
    },
    group="adiabat.potentials",
)

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
    "potentials",
]
