"""Several simulations in one compiled program, of one potential, each with its own structure and seed.

A replica moves as it would alone: what it feels depends on its own atoms, its random numbers on its own seed,
and its neighbor list is made anew when its own atoms have moved too far.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

from adiabat.base import ConfigError, UnsupportedError
from adiabat.dynamics.constraints import Constraints
from adiabat.dynamics.exchange import AbstractExchange, ReplicaExchange
from adiabat.dynamics.guard import Guard
from adiabat.dynamics.integrator import AbstractIntegrator, constrained
from adiabat.dynamics.joined import concatenated, joined, replica, replica_folder
from adiabat.dynamics.path_integral import PathIntegral
from adiabat.dynamics.recorder import Recorder, Recorders
from adiabat.dynamics.restart import Restart
from adiabat.dynamics.simulation import TRAJECTORY_FILE, DynamicsResult, Loop, check_counts, check_steps
from adiabat.dynamics.solute_tempering import SoluteTempering
from adiabat.dynamics.state import State
from adiabat.dynamics.verlet_lists import VerletLists
from adiabat.potentials import AbstractPotential
from adiabat.system import System


def run_replicas(
    systems: Sequence[System],
    potential: AbstractPotential,
    integrators: Sequence[AbstractIntegrator],
    *,
    steps: int,
    seeds: Sequence[int],
    exchange_every: int = 0,
    solute: Sequence[int] = (),
    record_every: int = 10,
    constraints: Sequence[Constraints | None] | None = None,
    skin: float | None = None,
    folder: Path | None = None,
    resume: bool = False,
    checkpoint_seconds: float = 30.0,
    on_chunk: Callable[[State], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[DynamicsResult]:
    """Moves several systems at once. They may be of different sizes; all are periodic, or none.

    Args:
        systems: the structures to start from.
        potential: gives the forces.
        integrators: one for each, of one kind; they may differ in temperature, and in pressure.
        steps: how many in all, those before a resume included.
        seeds: one for each; a replica's random numbers depend on its own and the step alone.
        exchange_every: steps between attempts to swap the temperatures of replicas, which must ascend
            (`ReplicaExchange`); 0 is never. The replicas must be of the same atoms, and without a barostat of
            the same cell; what the first seed decides of them is which swaps are accepted.
        solute: atoms to which the temperatures are confined, numbered from 0, all being at the first one
            (`SoluteTempering`); none by default.
        record_every: steps between recorded frames; the start is the first.
        constraints: distances that stay what they are, of each; none by default.
        skin: of the neighbor lists [Å]; that of the integrators by default.
        folder: where `replica-000/trajectory.h5` and so on, and `checkpoints/`, are written; frames are kept
            in memory without it.
        resume: go on from the newest checkpoint in the folder; start when there is none.
        checkpoint_seconds: wall time between checkpoints.
        on_chunk: called with the state of all about once a second.
        should_stop: asked as often; True saves and leaves.

    Returns:
        One result for each replica; `steps_per_second` is of the whole.

    Raises:
        ConfigError: integrators of several kinds, other numbers of seeds than of systems, replicas that
            cannot exchange.
        UnsupportedError: path integrals; periodic systems beside others.
        SimulationError: a step of one of them was refused.
        DataError: as `run_dynamics`.
    """
    check_counts(steps, record_every)
    if not len(systems) == len(integrators) == len(seeds) > 0:
        numbers = f"{len(systems)} systems, {len(integrators)} integrators and {len(seeds)} seeds"
        raise ConfigError(f"{numbers}: a replica needs one of each")
    if len({tuple(system.pbc) for system in systems}) > 1:
        raise UnsupportedError("replicas with different periodic directions do not go together")
    for system, one in zip(systems, integrators, strict=True):
        one.check(system)
    held = [None] * len(systems) if constraints is None else list(constraints)
    if len(held) != len(systems):
        raise ConfigError(f"{len(systems)} systems need as many constraints, got {len(held)}")
    together(integrators).check_replicas(systems)
    if exchange_every:
        check_alike(systems, integrators)
    with jax.enable_x64(True), ExitStack() as stack:
        lists = VerletLists(systems, potential.cutoff, integrators[0].skin if skin is None else skin)
        prepared = potential.for_systems(systems).for_inference()
        ready = [one.for_inference() for one in integrators]
        integrator = together(ready)
        exchange = _exchange(integrator, exchange_every, solute, systems)
        if solute:
            ready = [eqx.tree_at(lambda i: i.temperature, one, ready[0].temperature) for one in ready]
        batch = concatenated(systems)
        movers = (*integrators, *((exchange_every,) if exchange_every else ()))
        movers = (*movers, f"solute {list(solute)}") if solute else movers
        described = (batch, potential, movers, record_every, tuple(seeds), None)
        is_prepared = prepared is not potential
        together_held = Constraints.joined(held, [system.n_atoms for system in systems])
        restart = None
        if folder is not None:
            restart = Restart(folder, *described, prepared=is_prepared, constraints=together_held)
        loaded = restart.load(batch, lists) if restart is not None and resume else None
        if loaded is None:
            starts = [constrained(*each) for each in zip(systems, held, strict=True)]
            near = lists.build(concatenated(starts))
            states = [
                one.init(start, prepared, lists.of(k), key=jax.random.key(seeds[k]), constraints=held[k])
                for k, (start, one) in enumerate(zip(starts, ready, strict=True))
            ]
            state = joined(states, concatenated(starts))
            state = state if exchange is None else exchange.begin(state, prepared, near)
        else:
            state = loaded[0]
            check_steps(state, steps)
        moving = integrator if exchange is None else exchange
        names = moving.info(state).names()
        recorders = Recorders(
            [
                stack.enter_context(
                    Recorder(
                        system,
                        None if folder is None else _made(replica_folder(folder, k)) / TRAJECTORY_FILE,
                        loaded[1] if loaded is not None else 0,
                        names,
                        moving.measures,
                    )
                )
                for k, system in enumerate(systems)
            ]
        )
        hottest = np.asarray(integrator.temperature)
        hottest = hottest if exchange is None else np.full_like(hottest, hottest.max())
        guard = eqx.tree_at(lambda g: g.temperature, Guard(), hottest)
        loop = Loop(prepared, moving, guard, lists, recorders, restart, folder, state, record_every)
        loop.run(steps, checkpoint_seconds, on_chunk, should_stop)
        whole = loop.result()
        return [
            DynamicsResult(
                state=replica(whole.state, system, k),
                trajectory=recorder.in_memory(),
                degrees_of_freedom=int(whole.state.degrees_of_freedom[k]),
                steps_per_second=whole.steps_per_second,
                neighbor_lists=lists.lists[k].builds,
                compilations=whole.compilations,
            )
            for k, (system, recorder) in enumerate(zip(systems, recorders.each, strict=True))
        ]


def together(integrators: Sequence[AbstractIntegrator]) -> AbstractIntegrator:
    """One integrator that has the temperature of each [K], and the pressure [GPa], shapes (n_systems,).

    Raises:
        ConfigError: they differ in more than that.
        UnsupportedError: path integrals.
    """
    first = integrators[0]
    if any(isinstance(one, PathIntegral) for one in integrators):
        raise UnsupportedError("replicas of path integrals are not there yet", "run one at a time")
    alike = first.without_own().description()
    if any(type(one) is not type(first) or one.without_own().description() != alike for one in integrators):
        raise ConfigError("the integrators of replicas may differ in temperature and pressure only")
    own = zip(*(one.own() for one in integrators), strict=True)
    return eqx.tree_at(lambda i: i.own(), first, tuple(np.array(values) for values in own))


def check_alike(systems: Sequence[System], integrators: Sequence[AbstractIntegrator]) -> None:
    """Refuses to exchange replicas of different atoms, cells that stay different, pressures or biases.

    Raises:
        ConfigError: they differ.
    """
    lukewarm = {eqx.tree_at(lambda i: i.temperature, one, 0.0).description() for one in integrators}
    if len(lukewarm) > 1:
        raise ConfigError(
            "replicas of different pressures or biases do not exchange temperatures",
            "give one pressure and one bias for all of them",
        )
    first, names = systems[0], ("numbers", "masses", "charge", "spin")
    names = names if integrators[0].changes_cell else (*names, "cell")
    for number, system in enumerate(systems):
        for name in names:
            if not np.array_equal(getattr(system, name), getattr(first, name)):
                raise ConfigError(
                    f"replica {number} has another {name} than replica 0",
                    "only replicas of the same atoms, in the same order and cell, can exchange",
                )


def _exchange(
    thermostat: AbstractIntegrator, every: int, solute: Sequence[int], systems: Sequence[System]
) -> AbstractExchange | None:
    """How replicas exchange; None when they do not.

    Raises:
        ConfigError: as the kind of exchange, or a solute that does not exchange.
    """
    if not every and not solute:
        return None
    if not solute:
        return ReplicaExchange(thermostat=thermostat, every=every)
    exchange = SoluteTempering(thermostat=thermostat, every=every, solute=solute)
    for system in systems:
        exchange.check(system)
    return exchange


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
