"""The states of several simulations as one, and back."""

from collections.abc import Sequence
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from adiabat.dynamics.constraints import Constraints
from adiabat.dynamics.state import OF_ATOMS, SHARED, State
from adiabat.system import Batch, System

REPLICA, BEAD = "replica", "bead"


def replica_folder(folder: Path, number: int, label: str = REPLICA) -> Path:
    """Where the frames of a replica, or of a bead, are kept."""
    return folder / f"{label}-{number:03d}"


def concatenated(systems: Sequence[System]) -> Batch:
    """The structures one after the other."""
    sizes = [system.n_atoms for system in systems]
    return Batch(
        numbers=np.concatenate([system.numbers for system in systems]),  # pyright: ignore
        positions=np.concatenate([system.positions for system in systems]),  # pyright: ignore
        masses=np.concatenate([system.masses for system in systems]),  # pyright: ignore
        cell=np.stack([system.cell for system in systems]),  # pyright: ignore
        charge=np.array([system.charge for system in systems], np.int32),  # pyright: ignore
        mask=np.ones(sum(sizes), bool),  # pyright: ignore
        system_index=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),  # pyright: ignore
        system_mask=np.ones(len(sizes), bool),  # pyright: ignore
        periodic=np.array([system.is_periodic for system in systems]),  # pyright: ignore
        pbc=systems[0].pbc if len({tuple(system.pbc) for system in systems}) == 1 else None,
    )


def joined(states: Sequence[State], batch: Batch) -> State:
    """The state of all replicas: values of atoms one after the other, values of systems stacked."""

    def rows(name: str) -> jax.Array:
        return jnp.concatenate([getattr(state, name) for state in states])

    def stacked(name: str) -> jax.Array:
        return jnp.stack([getattr(state, name) for state in states])

    first = states[0]
    return State(
        system=jax.tree.map(jnp.asarray, batch),
        momenta=rows("momenta"),
        forces=rows("forces"),
        energy=stacked("energy"),
        stress=None if first.stress is None else stacked("stress"),
        heat=stacked("heat"),
        shadow=stacked("shadow"),
        step=first.step,
        degrees_of_freedom=stacked("degrees_of_freedom"),
        key=stacked("key"),
        extra={name: _joined(name, [state.extra[name] for state in states]) for name in first.extra},
        constraints=Constraints.joined(
            [state.constraints for state in states], [state.system.n_atoms for state in states]
        ),
    )


def replica(state: State, system: System, number: int) -> State:
    """The state of one of the replicas, whose structure `system` has."""
    assert isinstance(state.system, Batch)
    atoms = np.flatnonzero(np.asarray(state.system.system_index) == number)
    there = (state.positions[atoms], state.system.cell[number])
    return State(
        system=eqx.tree_at(lambda s: (s.positions, s.cell), jax.tree.map(jnp.asarray, system), there),
        momenta=state.momenta[atoms],
        forces=state.forces[atoms],
        energy=state.energy[number],
        stress=None if state.stress is None else state.stress[number],
        heat=state.heat[number],
        shadow=state.shadow[number],
        step=state.step,
        degrees_of_freedom=state.degrees_of_freedom[number],
        key=state.key[number],
        extra={
            name: values
            if name.startswith(SHARED)
            else values[atoms if name.startswith(OF_ATOMS) else number]
            for name, values in state.extra.items()
        },
    )


def _joined(name: str, values: list[Array]) -> Array:
    """What integrators keep under one name, of all."""
    if name.startswith(SHARED):
        return values[0]
    return (jnp.concatenate if name.startswith(OF_ATOMS) else jnp.stack)(values)
