"""`adiabat md`: molecular dynamics with a model."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from adiabat.base import ConfigError, did_you_mean
from adiabat.tasks.simulate import Run, simulate
from adiabat.tasks.structure import as_potential, as_system, describe, named_model

if TYPE_CHECKING:
    import ase

    from adiabat.dynamics import AbstractBarostat, AbstractIntegrator, Constrained
    from adiabat.potentials import AbstractPotential
    from adiabat.sampling import AbstractBias
    from adiabat.system import System

ENSEMBLES = ("nve", "nvt", "npt", "pimd")


def md(
    model: "AbstractPotential | str | os.PathLike",
    structure: "System | ase.Atoms | str | os.PathLike",
    *,
    out: str | os.PathLike,
    steps: int,
    ensemble: str = "nvt",
    temperature: float = 300.0,
    timestep: float = 0.5,
    pressure: float | None = None,
    beads: int | None = None,
    integrator: "AbstractIntegrator | None" = None,
    barostat: "AbstractBarostat | None" = None,
    bias: "AbstractBias | None" = None,
    constraints: "Constrained" = "none",
    hydrogen_mass: float | None = None,
    inner: "AbstractPotential | str | os.PathLike | None" = None,
    inner_steps: int = 4,
    record_every: int = 10,
    seed: int = 0,
    recorded: Mapping[str, Any] | None = None,
    resume: bool = False,
    force: bool = False,
) -> Run:
    """Runs molecular dynamics and writes a run folder with the trajectory.

    Args:
        model: a potential, a model file, a run folder or a potential file.
        structure: a file (`FILE@3` for one frame of several) or a structure.
        out: the run folder.
        steps: how many.
        ensemble: "nve" (velocity Verlet), "nvt" (Langevin), "npt" (Langevin and stochastic cell rescaling) or
            "pimd" (path integrals for quantum nuclei).
        temperature: of the thermostat and of the starting velocities [K].
        timestep: [fs].
        pressure: [GPa], for "npt"; 1 bar by default.
        beads: of each atom, for "pimd"; 32 by default.
        integrator: replaces ensemble, temperature, timestep and beads.
        barostat: replaces ensemble and pressure.
        bias: on collective variables, such as `OPES(...)`.
        constraints: "none", "hydrogens" (bonds to hydrogen have fixed lengths), "water" (its molecules are
            rigid) or "hydrogens+water".
        hydrogen_mass: of all hydrogen atoms, taken from the atoms they are bonded to [amu].
        inner: a cheap model near `model`, for steps shorter than the timestep.
        inner_steps: how many of these make one.
        record_every: steps between recorded frames.
        seed: of the starting velocities and the thermostat.
        recorded: what the configuration says of bias and variables beyond what these themselves tell.
        resume: go on with the run in the folder; `steps` is the new total.
        force: start over in a folder that holds a run.

    Raises:
        SimulationError: not a number, an exploded or far too hot system; the frames are in the folder.
        UnsupportedError: an element the model does not know, or "npt" of what is not periodic.
        ConfigError: a setting makes no sense.
        DataError: a file cannot be read or written.
    """
    from adiabat.base.schema import build_kind
    from adiabat.dynamics import barostats, integrators

    kinds = choose_kinds(ensemble, pressure=pressure, beads=beads)
    if integrator is None:
        chosen = {"kind": kinds[0], "timestep": timestep, "temperature": temperature}
        chosen |= {} if beads is None else {"beads": beads}
        integrator = cast("AbstractIntegrator", build_kind(integrators, chosen))
        if barostat is None:
            chosen = {"kind": kinds[1]} | ({} if pressure is None else {"pressure": pressure})
            barostat = build_kind(barostats, chosen)
    integrator = with_inner(integrator, inner, inner_steps)
    potential = as_potential(model)
    system = as_system(structure)
    paths = (str, os.PathLike)
    named = {
        **named_model(model),
        **describe(system, integrator, barostat, bias),
    }
    named = with_recorded(named, recorded or {})
    if isinstance(structure, paths):
        named["structure"] = os.fspath(structure)
    if isinstance(inner, paths):
        named |= named_model(inner, "inner")
    return simulate(
        system,
        potential,
        integrator,
        steps=steps,
        barostat=barostat,
        bias=bias,
        constraints=constraints,
        hydrogen_mass=hydrogen_mass,
        record_every=record_every,
        seed=seed,
        out=out,
        resume=resume,
        force=force,
        config=named,
    )


def build_bias(
    table: Mapping[str, Any], variables: Sequence[Mapping[str, Any]]
) -> "AbstractBias | list[AbstractBias] | None":
    """The bias of a configuration, None for the kind "none"; one for each replica for "umbrella".

    Args:
        table: its kind and settings.
        variables: kinds and settings of the collective variables that it is on.

    Raises:
        ConfigError: as `build_kind`; a bias without variables, or variables without a bias.
    """
    from adiabat.base.schema import build_kind
    from adiabat.sampling import biases
    from adiabat.sampling import variables as kinds

    made = [build_kind(kinds, one, "variables") for one in variables]
    if table["kind"] == "none":
        if made:
            raise ConfigError("there are variables, but no bias on them", 'add [bias] with kind = "opes"')
        return None
    if not made:
        hint = 'add [[variables]] with kind = "torsion" and atoms = [4, 6, 8, 14], say'
        raise ConfigError(f"the bias {table['kind']} needs variables", hint, key="bias")
    return build_kind(biases, table, "bias", variables=made)


def with_recorded(config: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the tables `recorded` in it, key by key."""
    bias = {**config.get("bias", {}), **recorded.get("bias", {})}
    return {**config, **recorded, **({"bias": bias} if bias else {})}


def with_inner(
    integrator: "AbstractIntegrator", inner: "AbstractPotential | str | os.PathLike | None", inner_steps: int
) -> "AbstractIntegrator":
    """The integrator, with several time steps when there is an inner model.

    Raises:
        ConfigError: no such number of steps.
        DataError: the model cannot be read.
    """
    from adiabat.dynamics import MultipleTimeSteps

    if inner is None:
        return integrator
    return MultipleTimeSteps(integrator=integrator, inner=as_potential(inner), inner_steps=inner_steps)


def choose_kinds(
    ensemble: str | None,
    thermostat: str | None = None,
    barostat: str | None = None,
    pressure: float | str | None = None,
    beads: int | None = None,
) -> tuple[str, str]:
    """The kinds of integrator and barostat for an ensemble; without one, what the other options ask for.

    Args:
        ensemble: "nve", "nvt", "npt" or "pimd".
        thermostat: the kind of integrator; Langevin by default.
        barostat: its kind; stochastic cell rescaling by default.
        pressure: only looked at for whether it is given.
        beads: the same.

    Raises:
        ConfigError: another name, or options of another ensemble.
    """
    pressed = pressure is not None or barostat is not None
    name = (ensemble or ("npt" if pressed else "nvt" if beads is None else "pimd")).lower()
    if name not in ENSEMBLES:
        raise ConfigError(f"unknown ensemble {ensemble!r}", did_you_mean(name, ENSEMBLES))
    if name == "nve" and thermostat is not None:
        raise ConfigError("the ensemble nve has no thermostat", "choose nvt")
    if name == "pimd" and thermostat is not None:
        raise ConfigError("path integrals have a thermostat of their own", "leave --thermostat out")
    if name != "pimd" and beads is not None:
        raise ConfigError(f"the ensemble {name} has no beads", "choose pimd")
    if name != "npt" and pressed:
        raise ConfigError(f"the ensemble {name} has no pressure to set", "choose npt")
    fixed = {"nve": "velocity_verlet", "pimd": "path_integral"}
    integrator = fixed.get(name) or thermostat or "langevin"
    return integrator, (barostat or "cell_rescaling") if name == "npt" else "none"
