"""Molecules improved under several objectives, within limits, with as few evaluations as possible.

What the values of a molecule are is a function that is passed in; models of them belong in
`adiabat.properties`.
"""

from adiabat.properties.optimize.archive import Archive, Origin, Step
from adiabat.properties.optimize.choose import choose_molecules
from adiabat.properties.optimize.edits import Edits
from adiabat.properties.optimize.fragments import Fragments
from adiabat.properties.optimize.limits import Limits
from adiabat.properties.optimize.models import ModelScores, Trust, scores_of
from adiabat.properties.optimize.objectives import Objective
from adiabat.properties.optimize.search import Scores, optimize_molecules
from adiabat.properties.optimize.settings import Optimization, Search
from adiabat.properties.optimize.surrogate import expected_improvement

__all__ = [
    "Archive",
    "Edits",
    "Fragments",
    "Limits",
    "ModelScores",
    "Objective",
    "Optimization",
    "Origin",
    "Scores",
    "Search",
    "Step",
    "Trust",
    "choose_molecules",
    "expected_improvement",
    "optimize_molecules",
    "scores_of",
]
