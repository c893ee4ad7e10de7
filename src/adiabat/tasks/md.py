"""`adiabat md`: molecular dynamics with a model."""

import os
from typing import TYPE_CHECKING

from adiabat.base import ConfigError, UnsupportedError, did_you_mean
from adiabat.tasks.simulate import Run, simulate
from adiabat.tasks.structure import as_potential, as_system, describe

if TYPE_CHECKING:
    import ase

    from adiabat.dynamics import AbstractIntegrator
    from adiabat.potentials import AbstractPotential
    from adiabat.system import System


def md(
    model: "AbstractPotential | str | os.PathLike",
    structure: "System | ase.Atoms | str | os.PathLike",
    *,
    out: str | os.PathLike,
    steps: int,
    ensemble: str = "nvt",
    temperature: float = 300.0,
    timestep: float = 0.5,
    friction: float = 0.01,
    integrator: "AbstractIntegrator | None" = None,
    record_every: int = 10,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> Run:
    """Runs molecular dynamics and writes a run folder with the trajectory.

    Args:
        model: a potential, a model file or a run folder.
        structure: a file (`FILE@3` for one frame of several) or a structure.
        out: the run folder.
        steps: how many.
        ensemble: "nve" (velocity Verlet) or "nvt" (Langevin).
        temperature: of the thermostat and of the starting velocities [K].
        timestep: [fs].
        friction: of the thermostat [1/fs]; without meaning for "nve".
        integrator: replaces the four above.
        record_every: steps between recorded frames.
        seed: of the starting velocities and the thermostat.
        resume: go on with the run in the folder; `steps` is the new total.
        force: start over in a folder that holds a run.

    Raises:
        SimulationError: not a number, an exploded or far too hot system; the frames are in the folder.
        UnsupportedError: an ensemble that is not there yet, or an element the model does not know.
        ConfigError: a setting makes no sense.
        DataError: a file cannot be read or written.
    """
    if integrator is None:
        integrator = choose_integrator(ensemble, temperature, timestep, friction)
    potential = as_potential(model)
    system = as_system(structure)
    paths = (str, os.PathLike)
    named = {
        "model": os.fspath(model) if isinstance(model, paths) else type(model).__name__,
        **describe(system, integrator),
    }
    if isinstance(structure, paths):
        named["structure"] = os.fspath(structure)
    return simulate(
        system,
        potential,
        integrator,
        steps=steps,
        record_every=record_every,
        seed=seed,
        out=out,
        resume=resume,
        force=force,
        config=named,
    )


def choose_integrator(
    ensemble: str, temperature: float, timestep: float, friction: float
) -> "AbstractIntegrator":
    """The integrator for an ensemble: velocity Verlet for "nve", Langevin for "nvt".

    Raises:
        UnsupportedError: "npt".
        ConfigError: another name.
    """
    from adiabat.dynamics import Langevin, VelocityVerlet

    match ensemble.lower():
        case "nve":
            return VelocityVerlet(timestep=timestep, temperature=temperature)
        case "nvt":
            return Langevin(timestep=timestep, temperature=temperature, friction=friction)
        case "npt":
            raise UnsupportedError("constant pressure (npt) is not there yet", "choose nvt or nve")
    raise ConfigError(f"unknown ensemble {ensemble!r}", did_you_mean(ensemble, ["nve", "nvt"]))
