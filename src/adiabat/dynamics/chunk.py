"""The compiled part of a simulation: as many steps as possible between two visits of the host."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from adiabat.base.units import FEMTOSECOND
from adiabat.dynamics.guard import Guard, Verdict
from adiabat.dynamics.integrator import AbstractIntegrator
from adiabat.dynamics.state import Info, State
from adiabat.potentials import AbstractPotential
from adiabat.system import Neighbors


class Frames(eqx.Module):
    """Recorded states, with a leading axis of frames.

    Attributes:
        info: energies, temperature, pressure.
        positions: [Å], shape (frames, n_atoms, 3), float32.
        velocities: [Å/fs], shape (frames, n_atoms, 3), float32.
        cell: [Å], shape (frames, 3, 3).
    """

    info: Info
    positions: Float[Array, "frames n_atoms 3"]
    velocities: Float[Array, "frames n_atoms 3"]
    cell: Float[Array, "frames 3 3"]


class Chunk(eqx.Module):
    """What the host gets back.

    Attributes:
        state: after the last step that was accepted.
        attempt: the state that was refused; the same as `state` when none was.
        verdict: why the chunk ended.
        frames: the buffer of recorded frames.
        recorded: how many of them are filled.
    """

    state: State
    attempt: State
    verdict: Int[Array, ""]
    frames: Frames
    recorded: Int[Array, ""]


def frame(state: State, info: Info) -> Frames:
    """One frame, without the leading axis."""
    velocities = state.momenta / state.system.masses[:, None] * FEMTOSECOND
    return Frames(
        info=info,
        positions=state.positions.astype(jnp.float32),
        velocities=velocities.astype(jnp.float32),
        cell=state.system.cell,
    )


@partial(jax.jit, static_argnames=("static", "capacity"))
def _run(
    dynamic: Any, static: Any, state: State, neighbors: Neighbors, stop: Array, every: Array, capacity: int
):
    potential, integrator, guard = eqx.combine(dynamic, static)
    observe = integrator.info
    blank = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape), x.dtype), frame(state, observe(state)))

    def goes_on(carry):
        _, attempt, verdict, _, recorded = carry
        return (verdict == Verdict.FINE) & (attempt.step < stop) & (recorded < capacity)

    def step(carry):
        # `before` is always the last good state, `after` becomes it when the loop goes on.
        _, before, _, frames, recorded = carry
        after = integrator.step(before, potential, neighbors)
        info = observe(after)
        same_cell = not integrator.changes_cell
        verdict = guard.check(
            before,
            observe(before),
            after,
            info,
            neighbors,
            potential.cutoff,
            same_cell=same_cell,
            may_lose=potential.uses_neighbors,
        )
        full = integrator.is_full(after) & (verdict == Verdict.FINE)
        verdict = jnp.where(full, jnp.int32(Verdict.FULL), verdict)
        new = frame(after, info)
        frames = jax.tree.map(lambda rows, row: rows.at[recorded].set(row), frames, new)
        due = (verdict == Verdict.FINE) & (after.step % every == 0)
        return before, after, verdict, frames, recorded + due

    zero = jnp.zeros((), jnp.int32)
    before, after, verdict, frames, recorded = jax.lax.while_loop(
        goes_on, step, (state, state, zero, blank, zero)
    )
    good = jax.tree.map(lambda old, new: jnp.where(verdict == Verdict.FINE, new, old), before, after)
    return Chunk(state=good, attempt=after, verdict=verdict, frames=frames, recorded=recorded)


def _is_number(leaf: Any) -> bool:
    return eqx.is_array(leaf) or eqx.is_inexact_array_like(leaf)


def run_chunk(
    potential: AbstractPotential,
    integrator: AbstractIntegrator,
    guard: Guard,
    state: State,
    neighbors: Neighbors,
    *,
    stop: int,
    record_every: int,
    capacity: int,
) -> Chunk:
    """Steps until `stop`, a full buffer, a list that no longer holds every pair, a step that outgrows the
    arrays of the integrator, or one the guard refuses.

    Every step is the same whatever the length of the chunk: `stop` is a traced number, and nothing is done
    at the borders of a chunk but to hand the frames over.

    Args:
        potential: gives the forces.
        integrator: does the steps.
        guard: refuses wild ones.
        state: to start from.
        neighbors: complete at the positions of `state`.
        stop: the number of the last step.
        record_every: a step whose number is a multiple of it is recorded.
        capacity: frames the buffer holds.
    """
    # The numbers of integrator and guard are traced too: another temperature needs no compilation.
    weights, formula = eqx.partition(potential, eqx.is_array)
    numbers, rules = eqx.partition((integrator, guard), _is_number)
    dynamic, static = (weights, *numbers), (formula, *rules)
    return _run(dynamic, static, state, neighbors, jnp.int32(stop), jnp.int32(record_every), capacity)
