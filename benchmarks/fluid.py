"""Dynamics of a Lennard-Jones fluid, 4,000 atoms of argon, against LAMMPS and OpenMM in one run.

    python -m benchmarks.fluid --peers .peers

All keep the energy, with the same cut-off and timestep; LAMMPS runs on one core (one process without MPI),
OpenMM on all, as we do. The peers' environment is made on the first run.
"""

import argparse
from pathlib import Path

import numpy as np

from adiabat.dynamics import VelocityVerlet, run_dynamics
from adiabat.potentials import LennardJones
from adiabat.tasks.precision import enable
from adiabat.testing import systems
from benchmarks.peer import run_peer
from benchmarks.record import record

ATOMS, TEMPERATURE, TIMESTEP = 4000, 94.4, 4.0
ROUNDS, STEPS, PEER_STEPS = 3, 400, 2000


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", type=Path, default=Path(".peers"))
    options = parser.parse_args()
    enable()
    potential, system = LennardJones(smooth=False), systems.argon(ATOMS, displacement=0.1)
    job = {
        "positions": np.asarray(system.positions).tolist(),
        "edge": float(system.cell[0, 0]),
        "mass": float(system.masses[0]),
        "epsilon": potential.epsilon,
        "sigma": potential.sigma,
        "cutoff": potential.cutoff,
        "temperature": TEMPERATURE,
        "timestep": TIMESTEP,
        "steps": PEER_STEPS,
    }
    ours, theirs = [], []
    for _ in range(ROUNDS):
        integrator = VelocityVerlet(timestep=TIMESTEP, temperature=TEMPERATURE)
        ours.append(run_dynamics(system, potential, integrator, steps=STEPS, skin=1.5).steps_per_second)
        theirs.append(run_peer(options.peers, "classical", "peer_classical.py", job))
    rows = [{"what": f"{ATOMS} atoms of argon", "value": max(ours), "unit": "steps/s"}]
    for name in theirs[0]:
        best = max(one[name] for one in theirs)
        rows.append({"what": f"{ATOMS} atoms of argon, {name}", "value": best, "unit": "steps/s"})
        rows.append({"what": f"as fast as {name}", "value": max(ours) / best, "unit": "times"})
    for row in rows:
        print(f"{row['what']:40s} {row['value']:9.3g} {row['unit']}")
    record(
        "fluid", rows, "python -m benchmarks.fluid", title="A Lennard-Jones fluid against LAMMPS and OpenMM"
    )


if __name__ == "__main__":
    main()
