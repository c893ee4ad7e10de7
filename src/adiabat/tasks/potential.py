"""Potential files: the terms of a potential, as TOML."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from adiabat.base import ConfigError, DataError
from adiabat.base.registry import Registry
from adiabat.base.schema import Beside

if TYPE_CHECKING:
    from adiabat.potentials import AbstractPotential

SUFFIX = ".toml"


def learned(*, model: Annotated[str, Beside(but=("general",))]) -> Any:
    """A learned potential.

    Args:
        model: a model file or a run folder, as seen from the potential file, or "general".

    Raises:
        DataError: no such file, or a damaged one.
    """
    from adiabat.networks import load_model

    return load_model(model)


def terms() -> Registry:
    """What a term of a potential file may be: a formula or a learned potential."""
    from adiabat.potentials import potentials

    return potentials.extended({"learned": f"{__name__}:learned"})


def load_potential(path: str | os.PathLike) -> "AbstractPotential":
    """The sum of the terms in a potential file; the term itself if it is the only one.

    Raises:
        ConfigError: the file cannot be read, an unknown key, a wrong value, or no terms.
        DataError: a file that it names cannot be read, or numbers do not fit each other.
        MissingDependencyError: a term needs a package that is not installed.
    """
    from adiabat.base.schema import build_kind
    from adiabat.potentials import SumPotential

    found = [build_kind(terms(), table, "terms") for table in described(path)]
    if not found:
        raise ConfigError(f"{path} has no terms", "write [[terms]], then kind = ... and what belongs to it")
    return found[0] if len(found) == 1 else SumPotential(terms=tuple(found))


def is_potential_file(model: Any) -> bool:
    """Whether a model is named by a potential file."""
    return isinstance(model, (str, os.PathLike)) and Path(model).suffix.lower() == SUFFIX


def described(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The terms in a potential file, checked, with all their settings.

    Raises:
        ConfigError, DataError: as `load_potential`.
    """
    from adiabat.tasks.templates import settings

    try:
        return settings("potential", path)["terms"]
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from error
