"""Structures that a model's dynamics comes by: where a model is to be taught, or another to be told."""

import logging
from collections.abc import Sequence

import numpy as np

from adiabat.base import SimulationError
from adiabat.base.interrupts import interruptible
from adiabat.base.progress import progress
from adiabat.dynamics import Langevin, run_dynamics
from adiabat.networks import LearnedPotential
from adiabat.system import System

logger = logging.getLogger(__name__)
TIMESTEP, FRICTION = 0.5, 0.02  # fs, 1/fs
# Steps that let a structure forget where it began.
FORGOTTEN = 400


def visited(
    model: LearnedPotential,
    systems: Sequence[System],
    frames: int,
    temperatures: Sequence[float],
    *,
    every: int,
    trajectories: int,
    seed: int,
) -> list[System]:
    """A third of them structures that are given, as far as there are so many, the others frames of Langevin
    dynamics from them.

    Args:
        model: gives the forces.
        systems: where the simulations start, chosen at random.
        frames: about how many structures are wanted.
        temperatures: of the simulations [K], in turn.
        every: steps from frame to frame.
        trajectories: at most so many simulations.
        seed: of everything random.

    Raises:
        SimulationError: all simulations failed.
        UnsupportedError: an element the model does not know.
    """
    for system in systems:
        model.check(system)
    rng = np.random.default_rng(seed)
    n_trajectories = min(trajectories, len(systems))
    starts = [systems[k] for k in rng.permutation(len(systems))[:n_trajectories]]
    own = [systems[k] for k in rng.permutation(len(systems))[: frames // 3]]
    wanted = -(-(frames - len(own)) // n_trajectories)
    moved = model_trajectories(model, starts, temperatures, wanted, every=every, seed=seed)
    return own + [system for one in moved for system in one]


def model_trajectories(
    model: LearnedPotential,
    starts: Sequence[System],
    temperatures: Sequence[float],
    frames: int,
    *,
    every: int,
    seed: int,
) -> list[list[System]]:
    """So many frames of Langevin dynamics from each of the structures; none where the simulation fails.

    Args:
        model: gives the forces.
        starts: where the simulations start.
        temperatures: of the simulations [K], in turn.
        frames: of each, after the start is forgotten.
        every: steps from frame to frame.
        seed: of everything random.

    Raises:
        SimulationError: all simulations failed.
        Interrupted: SIGINT or SIGTERM came.
    """
    found, failures = [], []
    steps = FORGOTTEN + frames * every
    with progress("dynamics", len(starts) * steps, "steps") as bar, interruptible() as stop:
        for number, start in enumerate(starts):
            temperature = float(temperatures[number % len(temperatures)])
            langevin = Langevin(timestep=TIMESTEP, temperature=temperature, friction=FRICTION)
            try:
                run = run_dynamics(
                    start,
                    model,
                    langevin,
                    steps=steps,
                    record_every=every,
                    seed=seed + number,
                    should_stop=lambda: stop.requested,
                )
            except SimulationError as error:
                logger.warning("a simulation failed: %s", error.message)
                failures.append(error)
                found.append([])
            else:
                assert run.trajectory is not None
                kept = np.asarray(run.trajectory.positions)[-frames:]
                found.append([start.moved(one) for one in kept])
            if stop.requested:
                break
            bar.advance(steps, temperature=temperature)
    if len(failures) == len(starts):
        raise failures[-1]
    return found
