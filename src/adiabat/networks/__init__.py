"""Learned potentials: layers, one architecture per file, the potential they make, its file.

How they are fitted belongs in `adiabat.training`.
"""

from adiabat.networks.learned import LearnedPotential, shape_of
from adiabat.networks.modelfile import GENERAL, MODEL_NAME, REVISION, general_model, load_model, save_model
from adiabat.networks.network import AbstractNetwork, networks, of_size
from adiabat.networks.parameters import from_arrays, to_arrays

__all__ = [
    "GENERAL",
    "MODEL_NAME",
    "REVISION",
    "AbstractNetwork",
    "LearnedPotential",
    "from_arrays",
    "general_model",
    "load_model",
    "networks",
    "of_size",
    "save_model",
    "shape_of",
    "to_arrays",
]
