"""The structure or model that a task was given, whatever form it came in."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adiabat.base import ConfigError
from adiabat.base.digest import digest
from adiabat.tasks.potential import described, is_potential_file, load_potential

if TYPE_CHECKING:
    import ase

    from adiabat.base.registry import Registry
    from adiabat.dynamics import AbstractBarostat, AbstractIntegrator
    from adiabat.potentials import AbstractPotential
    from adiabat.sampling import AbstractBias
    from adiabat.system import System

logger = logging.getLogger(__name__)


def as_system(structure: "System | ase.Atoms | str | os.PathLike") -> "System":
    """One structure from a `System`, an `ase.Atoms`, or a file; `FILE@3` is frame 3 of several, `FILE@-1`
    the last.

    Without a number the first of several frames is taken, and a warning says so.

    Raises:
        DataError: the file cannot be read.
        ConfigError: no such frame, or something else was given.
    """
    import ase

    from adiabat.system import System

    if isinstance(structure, System):
        return structure
    if isinstance(structure, ase.Atoms):
        return System.from_ase(structure)
    if not isinstance(structure, (str, os.PathLike)):
        raise ConfigError(
            f"a structure is a System, ase.Atoms or a file name, not {type(structure).__name__}"
        )
    from adiabat.io import read_systems

    text = os.fspath(structure)
    path, mark, frame = text.rpartition("@")
    if mark and not Path(text).exists():
        if not frame.lstrip("-").isdigit():
            raise ConfigError(
                f"{frame!r} in {text!r} is not the number of a frame", f"as {path}@0 or {path}@-1"
            )
        return read_systems(path, frame)[0]
    systems = read_systems(text, ":2")
    if len(systems) > 1:
        logger.warning("%s holds several structures; the first is used (%s@-1 is the last)", text, text)
    return systems[0]


def as_systems(structure: "System | ase.Atoms | str | os.PathLike") -> "list[System]":
    """All frames of `FILE@:`; else the one structure of `as_system`.

    Raises:
        DataError: the file cannot be read.
        ConfigError: as `as_system`.
    """
    if isinstance(structure, (str, os.PathLike)) and os.fspath(structure).endswith("@:"):
        from adiabat.io import read_systems

        return read_systems(os.fspath(structure).removesuffix("@:"))
    return [as_system(structure)]


def as_potential(model: "AbstractPotential | str | os.PathLike") -> "AbstractPotential":
    """A potential from itself, a model file, a run folder, or a potential file `.toml`.

    Raises:
        DataError: the file cannot be read.
        ConfigError: a potential file has a wrong key or value.
    """
    from adiabat.potentials import AbstractPotential

    if isinstance(model, AbstractPotential):
        return model
    if is_potential_file(model):
        return load_potential(model)
    from adiabat.networks import load_model

    return load_model(model)


def named_model(model: "AbstractPotential | str | os.PathLike", name: str = "model") -> dict[str, Any]:
    """A model as a configuration holds it: its name, and the terms of a potential file.

    Raises:
        ConfigError, DataError: as `as_potential`.
    """
    if not isinstance(model, (str, os.PathLike)):
        return {name: type(model).__name__}
    found: dict[str, Any] = {name: os.fspath(model)}
    return found | ({f"{name}_terms": described(model)} if is_potential_file(model) else {})


def describe(
    system: "System",
    integrator: "AbstractIntegrator",
    barostat: "AbstractBarostat | None" = None,
    bias: "AbstractBias | None" = None,
) -> dict[str, Any]:
    """What was simulated, as a configuration holds it; the digest is of the structure."""
    from adiabat.dynamics import MultipleTimeSteps, barostats, integrators
    from adiabat.dynamics.restart import fingerprint
    from adiabat.sampling import biases, variables

    several = {}
    if isinstance(integrator, MultipleTimeSteps):
        several = {"inner": fingerprint(integrator.inner), "inner_steps": integrator.inner_steps}
        integrator = integrator.integrator
    described = {
        "structure": digest(system.numbers, system.positions, system.cell, system.masses),
        "integrator": _settings(integrator, integrators),
        **several,
    }
    if barostat is not None:
        described["barostat"] = _settings(barostat, barostats)
    if bias is not None:
        described["bias"] = _settings(bias, biases)
        described["variables"] = [_settings(variable, variables) for variable in bias.variables]
    return described


def _settings(chosen: Any, registry: "Registry") -> dict[str, Any]:
    plain = (int, float, str)
    values = {name: value for name, value in vars(chosen).items() if isinstance(value, plain)}
    values |= {
        name: list(value)
        for name, value in vars(chosen).items()
        if isinstance(value, tuple) and all(isinstance(one, plain) for one in value)
    }
    return {"kind": registry.name_of(type(chosen)) or type(chosen).__name__, **values}
