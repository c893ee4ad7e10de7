"""Loading a model."""

import os
from typing import TYPE_CHECKING

from adiabat.tasks.precision import enable
from adiabat.tasks.structure import as_potential

if TYPE_CHECKING:
    from adiabat.potentials import AbstractPotential


def load(model: str | os.PathLike) -> "AbstractPotential":
    """The potential in a model file, a run folder, or a potential file `.toml`; "general" is the one that
    comes with adiabat.

    Raises:
        DataError: no such file, or a damaged one.
        ConfigError: a potential file has a wrong key or value.
    """
    enable()
    return as_potential(model)
