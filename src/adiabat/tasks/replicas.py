"""Molecular dynamics of several structures, seeds or temperatures at once."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base import ConfigError
from adiabat.base.interrupts import interruptible
from adiabat.base.progress import progress
from adiabat.base.runs import RunFolder
from adiabat.tasks import precision
from adiabat.tasks.md import with_inner
from adiabat.tasks.simulate import Run, summarize, with_slow_hydrogen, wrapped
from adiabat.tasks.structure import as_potential, as_system, as_systems, describe, named_model
from adiabat.tasks.trust import warn_of_unknown_system

if TYPE_CHECKING:
    import ase

    from adiabat.dynamics import AbstractBarostat, AbstractIntegrator, Constrained
    from adiabat.potentials import AbstractPotential
    from adiabat.sampling import AbstractBias
    from adiabat.system import System


def simulate_replicas(
    systems: "Sequence[System | ase.Atoms]",
    potential: "AbstractPotential",
    integrators: "Sequence[AbstractIntegrator]",
    *,
    steps: int,
    barostat: "AbstractBarostat | Sequence[AbstractBarostat] | None" = None,
    bias: "AbstractBias | Sequence[AbstractBias] | None" = None,
    seeds: Sequence[int] | None = None,
    exchange_every: int = 0,
    solute: Sequence[int] = (),
    constraints: "Constrained" = "none",
    hydrogen_mass: float | None = None,
    record_every: int = 10,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    force: bool = False,
    config: Mapping[str, Any] | None = None,
) -> list[Run]:
    """Moves several structures in one compiled program, which is faster than one after the other.

    Each has the trajectory that it has alone with its seed: to the bit where the potential is a network
    compiled by a C++ compiler, to rounding elsewhere.

    Args:
        systems: the structures to start from; they may be of different sizes, all periodic or none.
        potential: gives the forces.
        integrators: one for each, of one kind; they may differ in temperature.
        steps: how many.
        barostat: for constant pressure, of all or one for each, of one kind; they may differ in pressure.
        bias: on collective variables, of all or one for each: windows of umbrella sampling may differ in
            their centers, and a bias with `shared=True` is filled by all replicas together.
        seeds: one for each; 0, 1, 2 and so on by default.
        exchange_every: steps between attempts to swap the temperatures of replicas, which must then ascend
            (temperature replica exchange: Sugita and Okamoto 1999, doi 10.1016/S0009-2614(99)01123-9); 0 is
            never. Frames have their `target_temperature`; `at_temperature` collects those of one.
        solute: atoms that the temperatures are confined to, numbered from 0: all are kept at the first, and
            their interactions scaled (`SoluteTempering`: Wang, Friesner and Berne 2011, doi
            10.1021/jp204407d). None by default.
        constraints: as for `simulate`, by name.
        hydrogen_mass: likewise [amu].
        record_every: steps between recorded frames.
        out: the run folder, with `replica-000/trajectory.h5` and so on; frames are kept in memory without it.
        resume: go on with the run in the folder, bit-identical to one that was never interrupted.
        force: start over in a folder that holds a run.
        config: recorded as the run's configuration instead of a description of the arguments.

    Returns:
        One run for each; `steps_per_second` of its summary is that of all together.

    Raises:
        ConfigError: integrators that do not go together, or too few of them or of seeds; replicas that
            cannot exchange.
        UnsupportedError: an element that the potential does not know; periodic structures beside others; a
            barostat without a periodic cell.
        SimulationError: one of them exploded; its number is named, and its frames are in the folder.
        Interrupted: SIGINT or SIGTERM came; everything is saved.

    Example:
        >>> runs = adiabat.simulate_replicas([system] * 8, model, [adiabat.Langevin()] * 8, steps=10_000)
    """
    environment = precision.enable()
    structures = [as_system(system) for system in systems]
    for system in structures:
        potential.check(system)
    each: list[list[Any]] = [
        list(given) if isinstance(given, Sequence) else [given] * len(structures)
        for given in (integrators, barostat, bias)
    ]
    if any(len(given) != len(structures) for given in each):
        numbers = " and ".join(f"{len(given)}" for given in each)
        raise ConfigError(
            f"{len(structures)} replicas need as many integrators, barostats and biases, got {numbers}",
            "give an integrator for each; a barostat or a bias of all, or one for each",
        )
    seeds = list(range(len(structures))) if seeds is None else [int(seed) for seed in seeds]
    moving = [wrapped(*chosen) for chosen in zip(*each, strict=True)]
    for system, one in zip(structures, moving, strict=True):
        one.check(system)
    described = [describe(*chosen) for chosen in zip(structures, *each, strict=True)]
    held, slow = [], {}
    for number, system in enumerate(structures):
        structures[number], fixed, slow = with_slow_hydrogen(system, constraints, hydrogen_mass)
        held.append(fixed)
    arguments = {"steps": steps, "seeds": seeds, "record_every": record_every}
    arguments |= {"exchange_every": exchange_every} if exchange_every else {}
    arguments |= {"solute": list(solute)} if solute else {}
    if out is None:
        return _run(structures, potential, moving, None, resume, arguments | {"constraints": held})
    settings = dict(config or {}) | {"replicas": described, **slow, **arguments}
    with RunFolder.create(out, "md", settings, force=force, resume=resume, may_change=("steps",)) as folder:
        folder.note(**environment)
        arguments |= {"constraints": held}
        runs = _run(structures, potential, moving, folder.path, resume, arguments)
        folder.result(replicas=[run.summary for run in runs])
    return runs


def md_replicas(
    model: "AbstractPotential | str | os.PathLike",
    structure: "System | ase.Atoms | str | os.PathLike",
    *,
    out: str | os.PathLike,
    steps: int,
    integrator: "AbstractIntegrator",
    barostat: "AbstractBarostat | None" = None,
    bias: "AbstractBias | Sequence[AbstractBias] | None" = None,
    replicas: int = 1,
    temperatures: Sequence[float] = (),
    exchange_every: int = 0,
    solute: Sequence[int] = (),
    constraints: "Constrained" = "none",
    hydrogen_mass: float | None = None,
    inner: "AbstractPotential | str | os.PathLike | None" = None,
    inner_steps: int = 4,
    record_every: int = 10,
    seed: int = 0,
    recorded: Mapping[str, Any] | None = None,
    resume: bool = False,
    force: bool = False,
) -> list[Run]:
    """Runs several copies at once, with seeds `seed`, `seed + 1` and so on, and writes one run folder.

    Args:
        model: a potential, a model file, a run folder or a potential file.
        structure: a file or a structure; of `FILE@:` each frame is a start, in turn.
        out: the run folder.
        steps: how many.
        integrator: of all.
        barostat: of all, for constant pressure.
        bias: on collective variables; with `shared=True` all fill it together.
        replicas: how many, at least; there are never fewer than starts or temperatures, and as many as
            umbrella centers.
        temperatures: [K], one after the other in turn; that of the integrator by default.
        exchange_every: steps between attempts to swap the temperatures of replicas; 0 is never.
        solute: atoms that the temperatures are confined to; none by default.
        constraints: as for `md`, and likewise the three that follow.
        hydrogen_mass: [amu].
        inner: a cheap model.
        inner_steps: how many of its steps make one.
        record_every: steps between recorded frames.
        seed: of the first.
        recorded: what the configuration says of bias and variables beyond what these themselves tell.
        resume: go on with the run in the folder; `steps` is the new total.
        force: start over in a folder that holds a run.

    Raises:
        ConfigError: a setting makes no sense.
        UnsupportedError: an element the model does not know, or a barostat without a periodic cell.
        DataError: a file cannot be read or written.
        SimulationError: one of them exploded.
    """
    import equinox as eqx

    if any(not np.isfinite(kelvin) or kelvin <= 0 for kelvin in temperatures):
        raise ConfigError(f"temperatures must be positive numbers, got {list(temperatures)}")
    starts = as_systems(structure)
    number = max(replicas, len(starts), len(temperatures))
    if isinstance(bias, Sequence):
        if number not in (1, len(bias)):
            raise ConfigError(
                f"{len(bias)} umbrella centers need {len(bias)} replicas, not {number}",
                "leave --replicas out; give one structure and temperature, or as many as centers",
            )
        number = len(bias)
    integrator = with_inner(integrator, inner, inner_steps)
    kelvins = temperatures or [integrator.temperature]
    chosen = [
        eqx.tree_at(lambda i: i.temperature, integrator, float(kelvins[k % len(kelvins)]))
        for k in range(number)
    ]
    place = os.fspath(structure) if isinstance(structure, (str, os.PathLike)) else type(structure).__name__
    named = named_model(model) | {"structure": place}
    named |= {} if inner is None else named_model(inner, "inner")
    named |= recorded or {}
    return simulate_replicas(
        [starts[k % len(starts)] for k in range(number)],
        as_potential(model),
        chosen,
        steps=steps,
        barostat=barostat,
        bias=bias,
        seeds=[seed + k for k in range(number)],
        exchange_every=exchange_every,
        solute=solute,
        constraints=constraints,
        hydrogen_mass=hydrogen_mass,
        record_every=record_every,
        out=out,
        resume=resume,
        force=force,
        config=named,
    )


def of_replicas(runs: list[Run]) -> dict[str, Any]:
    """Numbers of all replicas together: `replicas`, `steps`, `time_ps` and `frames` of each, lists of their
    `temperatures` [K] and `drifts` [eV/atom/ns], and `replica_steps_per_second`; at constant pressure
    `densities` [g/cm^3]; with exchange `exchanges_accepted`, the share of the swaps of each temperature with
    the next."""
    first = runs[0].summary
    shares = [run.summary.get("exchanges_accepted") for run in runs[:-1]]
    densities = [run.summary.get("density_g_per_cm3") for run in runs]
    pace = first["steps_per_second"]
    return {
        "replicas": len(runs),
        **{name: first[name] for name in ("steps", "time_ps", "frames")},
        "temperatures": [round(run.summary["temperature"], 1) for run in runs],
        **({"densities": densities} if None not in densities else {}),
        "drifts": [run.summary.get("drift_ev_per_atom_ns") for run in runs],
        **({"exchanges_accepted": shares} if any(share is not None for share in shares) else {}),
        "replica_steps_per_second": pace and round(pace * len(runs), 1),
    }


def _run(
    systems: "list[System]",
    potential: "AbstractPotential",
    integrators: "Sequence[AbstractIntegrator]",
    folder: Any,
    resume: bool,
    arguments: dict[str, Any],
) -> list[Run]:
    from adiabat.dynamics import run_replicas
    from adiabat.dynamics.joined import replica_folder
    from adiabat.sampling import HillsFiles

    hills = HillsFiles(folder, integrators[0]) if folder is not None else None
    with progress("dynamics", total=arguments["steps"], unit="steps") as bar, interruptible() as stop:

        def show(state: Any) -> None:
            mean = float(np.mean(integrators[0].info(state).temperature))
            bar.advance(int(state.step) - bar.completed, temperature=mean)
            if hills is not None:
                hills.update(state)

        results = run_replicas(
            systems,
            potential,
            integrators,
            folder=folder,
            resume=resume,
            on_chunk=show,
            should_stop=lambda: stop.requested,
            **arguments,
        )
    runs = [
        summarize(result, one, None if folder is None else replica_folder(folder, number))
        for number, (result, one) in enumerate(zip(results, integrators, strict=True))
    ]
    for number, run in enumerate(runs):
        warn_of_unknown_system(potential, run.system, f"the last frame of replica {number}")
    return runs
