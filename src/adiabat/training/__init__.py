"""Fitting networks to samples: batches, the objective, the loop, errors on held-out data.

Architectures belong in `adiabat.networks`; what is read and checked before a training in `adiabat.data`.
"""

from adiabat.training.evaluation import Evaluation, evaluate
from adiabat.training.heads import Head
from adiabat.training.options import TrainingOptions
from adiabat.training.trainer import Trainer

__all__ = ["Evaluation", "Head", "Trainer", "TrainingOptions", "evaluate"]
