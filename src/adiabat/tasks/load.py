"""Loading a model."""

import os
from typing import TYPE_CHECKING

from adiabat.tasks.precision import enable

if TYPE_CHECKING:
    from adiabat.networks import LearnedPotential


def load(model: str | os.PathLike) -> "LearnedPotential":
    """The potential in a model file or a run folder; "general" is the one that comes with adiabat.

    Raises:
        DataError: no such file, or a damaged one.
    """
    enable()
    from adiabat.networks import load_model

    return load_model(model)
