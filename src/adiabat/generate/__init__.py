"""Structures worth labelling: normal modes, torsions, stretched bonds, hot dynamics of a reference method.

Every source turns a `Surface` (one molecule under one labeler) and a seed into labelled samples. The methods
themselves belong in `adiabat.data.labelers`; dynamics with a learned potential in `adiabat.dynamics`.
"""

from adiabat.generate.filters import Filter
from adiabat.generate.normal_modes import NormalModes, normal_modes
from adiabat.generate.plan import Plan, make_plan
from adiabat.generate.relaxation import minima, relax
from adiabat.generate.surface import Surface
from adiabat.generate.trajectories import langevin_trajectories

__all__ = [
    "Filter",
    "NormalModes",
    "Plan",
    "Surface",
    "langevin_trajectories",
    "make_plan",
    "minima",
    "normal_modes",
    "relax",
]
