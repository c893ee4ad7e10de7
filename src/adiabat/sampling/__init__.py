"""Beyond a plain trajectory: collective variables, biases on them, and free energies.

How a step is done belongs in `adiabat.dynamics`.
"""

from adiabat.base.registry import Registry
from adiabat.sampling.bias import AbstractBias
from adiabat.sampling.biased import Biased
from adiabat.sampling.combination import Combination, NetworkVariable
from adiabat.sampling.coordination import Coordination
from adiabat.sampling.free_energy import (
    FreeEnergyDifference,
    FreeEnergyProfile,
    free_energy_difference,
    free_energy_profile,
)
from adiabat.sampling.hills import HillsFiles, hill_offsets, sum_hills
from adiabat.sampling.internal import Angle, Distance, Torsion
from adiabat.sampling.learned import LearnedVariable
from adiabat.sampling.metadynamics import Metadynamics
from adiabat.sampling.minima import FreeEnergyMinimum, free_energy_minima
from adiabat.sampling.opes import OPES
from adiabat.sampling.read_run import BiasedRun, read_biased_run
from adiabat.sampling.restraint import MovingRestraint, Restraint
from adiabat.sampling.slow_function import SlowFunction
from adiabat.sampling.slow_variables import SlowVariables, features_along, learn_variables, values_along
from adiabat.sampling.steering import steered_difference, steered_profile
from adiabat.sampling.superposition import RMSD, PathDistance, PathProgress
from adiabat.sampling.variable import AbstractVariable, values_of
from adiabat.sampling.variable_file import load_variable
from adiabat.sampling.windows import JoinedWindows, Window, umbrella_profile

variables = Registry(
    "variable",
    {
        "angle": "adiabat.sampling.internal:Angle",
        "combination": "adiabat.sampling.combination:combination_of",
        "coordination": "adiabat.sampling.coordination:Coordination",
        "distance": "adiabat.sampling.internal:Distance",
        "learned": "adiabat.sampling.from_files:learned_from_file",
        "rmsd": "adiabat.sampling.from_files:rmsd_from_file",
        "path": "adiabat.sampling.from_files:path_from_file",
        "off_path": "adiabat.sampling.from_files:off_path_from_file",
        "torsion": "adiabat.sampling.internal:Torsion",
    },
    group="adiabat.variables",
)
biases = Registry(
    "bias",
    {
        "metadynamics": "adiabat.sampling.metadynamics:Metadynamics",
        "moving_restraint": "adiabat.sampling.restraint:MovingRestraint",
        "none": "adiabat.sampling.bias:no_bias",
        "opes": "adiabat.sampling.opes:OPES",
        "restraint": "adiabat.sampling.restraint:Restraint",
        "umbrella": "adiabat.sampling.windows:restraints",
    },
    group="adiabat.biases",
)

__all__ = [
    "OPES",
    "RMSD",
    "AbstractBias",
    "AbstractVariable",
    "Angle",
    "Biased",
    "BiasedRun",
    "Combination",
    "Coordination",
    "Distance",
    "FreeEnergyDifference",
    "FreeEnergyMinimum",
    "FreeEnergyProfile",
    "HillsFiles",
    "JoinedWindows",
    "LearnedVariable",
    "Metadynamics",
    "MovingRestraint",
    "NetworkVariable",
    "PathDistance",
    "PathProgress",
    "Restraint",
    "SlowFunction",
    "SlowVariables",
    "Torsion",
    "Window",
    "biases",
    "features_along",
    "free_energy_difference",
    "free_energy_minima",
    "free_energy_profile",
    "hill_offsets",
    "learn_variables",
    "load_variable",
    "read_biased_run",
    "steered_difference",
    "steered_profile",
    "sum_hills",
    "umbrella_profile",
    "values_along",
    "values_of",
    "variables",
]
