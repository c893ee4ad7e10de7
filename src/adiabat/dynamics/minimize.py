"""Relaxation of a structure, and of its cell, to the next minimum."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from adiabat.base import ConfigError, SimulationError, UnsupportedError
from adiabat.dynamics.coordinates import Coordinates
from adiabat.dynamics.evaluate import evaluate
from adiabat.dynamics.lbfgs import LONGEST_STEP, History, is_not_higher, limited
from adiabat.dynamics.verlet_list import DEFAULT_SKIN, VerletList
from adiabat.potentials import AbstractPotential, Prediction
from adiabat.system import Neighbors, System

# Steps shorter than this part of the longest one change nothing that rounding does not.
_SHORTEST_TRUST = 1e-5


class Minimum(eqx.Module):
    """What a minimization found, as host arrays.

    Attributes:
        system: the structure with the lowest energy.
        prediction: its energy, forces and, if periodic, stress.
        fmax: the largest force on an atom [eV/Å], or with the cell |virial|/n_atoms [eV] if that is larger.
        steps: how many were tried.
        converged: whether `fmax` is below what was asked.
    """

    system: System
    prediction: Prediction
    fmax: float
    steps: int
    converged: bool


class _Descent(eqx.Module):
    """The state between two steps; z and what is known there, always of the lowest energy so far."""

    z: Float[Array, "rows 3"]
    gradient: Float[Array, "rows 3"]
    prediction: Prediction
    history: History
    trust: Float[Array, ""]
    steps: Int[Array, ""]
    outrun: Bool[Array, ""]


def minimize(
    system: System,
    potential: AbstractPotential,
    *,
    fmax: float = 0.01,
    cell: bool = False,
    max_steps: int = 2000,
    skin: float = DEFAULT_SKIN,
) -> Minimum:
    """Goes downhill by L-BFGS, with steps of at most 0.2 Å of which none may raise the energy.

    A step that would is tried again at a quarter of its length, and what was learned of the curvature is
    forgotten.

    Args:
        system: the structure to start from.
        potential: gives energy, forces and stress.
        fmax: stop when no force is larger [eV/Å]; with the cell, also no row of the virial by atom [eV].
        cell: relax the cell too, at zero pressure.
        max_steps: give up after so many.
        skin: of the neighbor list [Å].

    Raises:
        UnsupportedError: the cell is to be relaxed and is not periodic along all three directions; an element
            that the potential does not know, or a cell that has outgrown what it was made ready for.
        SimulationError: the start has no finite energy and forces.
        ConfigError: `fmax` is not positive.
        DataError: two atoms at one place.
    """
    if not fmax > 0 or max_steps < 0:
        raise ConfigError(f"fmax ({fmax}) must be positive and max_steps ({max_steps}) not negative")
    if cell and not system.is_periodic:
        raise UnsupportedError(
            "a cell can be relaxed only if it is periodic along all three directions",
            'leave the cell as it is, or give a structure with a cell and pbc="T T T"',
        )
    with jax.enable_x64(True):
        potential = potential.for_systems([system]).for_inference()
        verlet_list = VerletList(potential.cutoff, skin)
        neighbors = verlet_list.build(system)
        coordinates = Coordinates(jax.tree.map(jnp.asarray, system), cell)
        z = coordinates.initial()
        prediction = evaluate(potential, coordinates.start, neighbors)
        gradient = coordinates.gradient(z, prediction)
        if not np.isfinite(np.asarray(gradient)).all() or not np.isfinite(float(prediction.energy)):
            raise SimulationError(
                "the energy or a force of the structure is not a finite number",
                "are two atoms nearly at one place?",
            )
        one, zero = jnp.ones((), z.dtype), jnp.zeros((), jnp.int32)
        descent = _Descent(z, gradient, prediction, History.empty(z), one, zero, jnp.asarray(False))
        while True:
            descent = _descend(potential, coordinates, neighbors, descent, fmax, max_steps)
            if not descent.outrun:
                break
            here = coordinates.system(descent.z)
            potential.check(here)
            neighbors = verlet_list.rebuild(int(descent.steps), here, here)
        largest = float(largest_force(descent.gradient))
        found = jax.tree.map(np.asarray, (coordinates.system(descent.z), descent.prediction))
        potential.check(found[0])
    return Minimum(*found, fmax=largest, steps=int(descent.steps), converged=largest <= fmax)


@eqx.filter_jit
def _descend(
    potential: AbstractPotential,
    coordinates: Coordinates,
    neighbors: Neighbors,
    descent: _Descent,
    fmax: Any,
    max_steps: Any,
) -> _Descent:
    """Steps until the forces are small, the list is outrun, or nothing helps."""

    def goes_on(d: _Descent) -> Bool[Array, ""]:
        trying = (d.steps < max_steps) & (d.trust > _SHORTEST_TRUST)
        return trying & ~d.outrun & (largest_force(d.gradient) > fmax)

    def step(d: _Descent) -> _Descent:
        move = limited(d.history.direction(d.gradient), LONGEST_STEP) * d.trust
        z = d.z + move
        system = coordinates.system(z)
        prediction = potential(system, neighbors)
        gradient = coordinates.gradient(z, prediction)
        complete = neighbors.is_complete(system, potential.cutoff, same_cell=not coordinates.cell)
        finite = jnp.isfinite(prediction.energy) & jnp.all(jnp.isfinite(gradient))
        good = finite & is_not_higher(prediction.energy, d.prediction.energy, system.n_atoms)
        taken = _Descent(
            z=z,
            gradient=gradient,
            prediction=prediction,
            history=d.history.with_pair(move, gradient - d.gradient),
            trust=jnp.minimum(1.0, 2.0 * d.trust),
            steps=d.steps + 1,
            outrun=jnp.asarray(False),
        )
        shorter = eqx.tree_at(
            lambda s: (s.history, s.trust, s.steps), d, (History.empty(z), 0.25 * d.trust, d.steps + 1)
        )
        again = eqx.tree_at(lambda s: s.outrun, d, jnp.asarray(True))
        chosen = jax.tree.map(lambda a, b: jnp.where(good, a, b), taken, shorter)
        return jax.tree.map(lambda a, b: jnp.where(complete, a, b), chosen, again)

    start = eqx.tree_at(lambda s: s.outrun, descent, jnp.asarray(False))
    return jax.lax.while_loop(goes_on, step, start)


def largest_force(gradient: Float[Array, "rows 3"]) -> Float[Array, ""]:
    """The longest row."""
    return jnp.sqrt(jnp.max(jnp.sum(gradient**2, axis=1)))
