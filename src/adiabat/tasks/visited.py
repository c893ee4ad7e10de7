"""Structures that a model's dynamics comes by: where a model is to be taught, or another to be told."""

import logging
from collections.abc import Sequence

import numpy as np

from adiabat.base import SimulationError
from adiabat.dynamics import Langevin
from adiabat.networks import LearnedPotential
from adiabat.system import System
from adiabat.tasks.simulate import simulate

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
    found, failures = list(own), []
    for number, start in enumerate(starts):
        temperature = temperatures[number % len(temperatures)]
        langevin = Langevin(timestep=TIMESTEP, temperature=temperature, friction=FRICTION)
        steps = FORGOTTEN + wanted * every
        try:
            run = simulate(start, model, langevin, steps=steps, record_every=every, seed=seed + number)
        except SimulationError as error:
            logger.warning("a simulation failed: %s", error.message)
            failures.append(error)
            continue
        found += [start.moved(one) for one in np.asarray(run.trajectory.positions[FORGOTTEN // every + 1 :])]
    if len(failures) == n_trajectories:
        raise failures[-1]
    return found
