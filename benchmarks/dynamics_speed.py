"""Steps per second of the simulation loop, and what it adds to the forces.

Run: python -m benchmarks.dynamics_speed
"""

from typing import Any

import equinox as eqx
import jax

from adiabat.dynamics import Guard, Langevin, State, VerletList, run_dynamics
from adiabat.dynamics.chunk import run_chunk
from adiabat.potentials import LennardJones
from adiabat.testing import systems
from benchmarks.record import record
from benchmarks.timing import best


@eqx.filter_jit
def forces_only(potential, state: State, neighbors, steps):
    """The potential in a loop, with nothing around it."""

    def call(_, carry):
        system, _ = carry
        prediction = potential(system, neighbors)
        return eqx.tree_at(
            lambda s: s.positions, system, system.positions + 1e-9 * prediction.forces
        ), prediction

    return jax.lax.fori_loop(0, steps, call, (state.system, potential(state.system, neighbors)))


def measure(name: str, system, steps: int) -> list[dict[str, Any]]:
    """The rows of one system."""
    potential, integrator = LennardJones(), Langevin(timestep=1.0, temperature=20)
    neighbors = VerletList(potential.cutoff).build(system)
    state = integrator.init(system, potential, neighbors, key=jax.random.key(0))
    options = {"stop": steps, "record_every": 10, "capacity": 64}
    chunk = best(lambda: run_chunk(potential, integrator, Guard(), state, neighbors, **options).state)
    bare = best(lambda: forces_only(potential, state, neighbors, steps))
    run = run_dynamics(system, potential, integrator, steps=20 * steps)
    return [
        {"what": f"{name}: forces", "value": round(bare / steps * 1e6, 1), "unit": "µs"},
        {"what": f"{name}: a Langevin step", "value": round(chunk / steps * 1e6, 1), "unit": "µs"},
        {"what": f"{name}: whole run", "value": round(run.steps_per_second), "unit": "steps/s"},
    ]


def main() -> None:
    """Measures and records."""
    jax.config.update("jax_enable_x64", True)
    rows = measure("21 argon atoms", systems.argon_cluster(21), 500)
    rows += measure("256 argon atoms, periodic", systems.argon(256), 25)
    rows += measure("4000 argon atoms, periodic", systems.argon(4000), 5)
    for row in rows:
        print(f"{row['what']:50s} {row['value']:>10} {row['unit']}")
    record(
        "dynamics-speed",
        rows,
        "python -m benchmarks.dynamics_speed",
        title="The simulation loop, Lennard-Jones",
    )


if __name__ == "__main__":
    main()
