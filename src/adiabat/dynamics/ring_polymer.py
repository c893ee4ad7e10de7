"""The simulation of quantum nuclei: the beads of a ring polymer in one compiled program."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from adiabat.base.units import BOLTZMANN
from adiabat.dynamics.guard import Guard
from adiabat.dynamics.joined import BEAD, concatenated, replica_folder
from adiabat.dynamics.path_integral import PathIntegral
from adiabat.dynamics.recorder import Recorder, Recorders
from adiabat.dynamics.restart import Restart
from adiabat.dynamics.simulation import TRAJECTORY_FILE, DynamicsResult, Loop, check_counts, check_steps
from adiabat.dynamics.state import State
from adiabat.dynamics.verlet_lists import VerletLists
from adiabat.potentials import AbstractPotential
from adiabat.system import System


def run_path_integral(
    system: System,
    potential: AbstractPotential,
    integrator: PathIntegral,
    *,
    steps: int,
    record_every: int = 10,
    seed: int = 0,
    momenta: np.ndarray | None = None,
    skin: float | None = None,
    guard: Guard | None = None,
    folder: Path | None = None,
    resume: bool = False,
    checkpoint_seconds: float = 30.0,
    on_chunk: Callable[[State], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> DynamicsResult:
    """Moves the beads of a system for a number of steps; the arguments are those of `run_dynamics`.

    The potential sees the beads as one batch of structures, each with its own neighbor list. In the folder
    `trajectory.h5` is that of the centroid, `bead-000/trajectory.h5` and so on those of the beads: what
    is measured on positions, such as distributions of distances, is measured on beads.

    Returns:
        State and trajectory of the centroid; its energy, forces and observables are means over the beads.

    Raises:
        SimulationError: a step was refused; the bead is named.
        ConfigError, DataError: as `run_dynamics`.
    """
    check_counts(steps, record_every)
    chosen = _guard(integrator, system.n_atoms) if guard is None else guard
    chosen = eqx.tree_at(lambda g: g.temperature, chosen, np.full(integrator.beads, chosen.temperature))
    beads = [system] * integrator.beads
    with jax.enable_x64(True), ExitStack() as stack:
        lists = VerletLists(beads, potential.cutoff, integrator.skin if skin is None else skin, beads=True)
        prepared = potential.for_systems([system]).for_inference()
        batch = concatenated(beads)
        same = (system, potential, integrator, record_every, seed, momenta)
        is_prepared = prepared is not potential
        restart = Restart(folder, *same, prepared=is_prepared) if folder is not None else None
        loaded = restart.load(batch, lists) if restart is not None and resume else None
        if loaded is None:
            lists.build(batch)
            state = integrator.init(system, prepared, lists.of(0), key=jax.random.key(seed), momenta=momenta)
        else:
            state = loaded[0]
            check_steps(state, steps)
        n_frames, names = loaded[1] if loaded is not None else 0, integrator.info(state).names()

        def recorder(place: Path | None) -> Recorder:
            path = None if place is None else place / TRAJECTORY_FILE
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            return stack.enter_context(Recorder(system, path, n_frames, names))

        places = [
            None if folder is None else replica_folder(folder, k, BEAD) for k in range(integrator.beads)
        ]
        recorders = Recorders([recorder(place) for place in places], centroid=recorder(folder))
        loop = Loop(prepared, integrator, chosen, lists, recorders, restart, folder, state, record_every)
        loop.run(steps, checkpoint_seconds, on_chunk, should_stop)
        whole = loop.result()
        assert recorders.centroid is not None
        kept = [one.in_memory() for one in recorders.each]
        return DynamicsResult(
            state=centroid(whole.state, system),
            trajectory=recorders.centroid.in_memory(),
            degrees_of_freedom=int(whole.state.degrees_of_freedom[0]),
            steps_per_second=whole.steps_per_second,
            neighbor_lists=lists.builds,
            compilations=whole.compilations,
            beads=tuple(one for one in kept if one is not None),
        )


def _guard(integrator: PathIntegral, n_atoms: int) -> Guard:
    """The limits for beads, whose momenta, and errors of the conserved energy, are those of P times the
    temperature."""
    beads, usual = integrator.beads, Guard()
    hotter = 50 * BOLTZMANN * integrator.temperature * (beads - 1)
    return Guard(
        temperature=integrator.temperature,
        atom_energy=usual.atom_energy + hotter,
        energy_jump=beads * usual.energy_jump + 0.01 * n_atoms * (beads - 1),
    )


def centroid(state: State, system: System) -> State:
    """The means over the beads, of a structure like `system`."""

    def mean(values: jax.Array) -> jax.Array:
        return jnp.mean(values.reshape(len(state.energy), -1, 3), axis=0)

    return State(
        system=eqx.tree_at(lambda s: s.positions, jax.tree.map(jnp.asarray, system), mean(state.positions)),
        momenta=mean(state.momenta),
        forces=mean(state.forces),
        energy=jnp.mean(state.energy),
        stress=None if state.stress is None else jnp.mean(state.stress, axis=0),
        heat=jnp.mean(state.heat),
        shadow=jnp.mean(state.shadow),
        step=state.step,
        degrees_of_freedom=state.degrees_of_freedom[0],
        key=state.key[0],
    )
