"""Alanine dipeptide in vacuum: how many force calls a free energy takes, beside OpenMM's metadynamics.

    pip install 'adiabat[openmm]'
    python -m benchmarks.alanine

Amber14 by way of OpenMM, 300 K, steps of 2 fs with fixed bonds to hydrogen, Langevin friction of 1/ps.
Measured is how much higher phi in (0, 2.3] is than the rest, by frames weighed with the bias (hills: with
all those of the end), and errors by blocks of frames. Ours are 16 walkers that share a bias on phi;
OpenMM's is one walker with the same variable. The force calls that an error takes are those of the run
times the square of error / 0.5 kJ/mol.
"""

import argparse
import tempfile
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base.units import KJ_PER_MOL
from adiabat.dynamics import Langevin, minimize
from adiabat.interfaces import potential_from_openmm
from adiabat.potentials import AbstractPotential
from adiabat.sampling import (
    OPES,
    AbstractBias,
    FreeEnergyDifference,
    Metadynamics,
    Torsion,
    free_energy_difference,
    read_biased_run,
)
from adiabat.system import System
from adiabat.tasks.replicas import simulate_replicas
from adiabat.testing.systems import alanine_dipeptide_pdb
from benchmarks.record import record

KELVIN, TIMESTEP, FRICTION = 300.0, 2.0, 0.001  # K, fs, 1/fs
PHI = (4, 6, 8, 14)
UPPER = 2.3  # rad
WALKERS, RECORD_EVERY = 16, 100
BIAS_FACTOR, HEIGHT, WIDTH = 8.0, 1.2, 0.35  # 1, kJ/mol, rad
WANTED = 0.5  # kJ/mol
# Share of a run that is left out: frames of metadynamics are weighed with hills that early ones had not felt.
SKIP, SKIP_HILLS = 0.2, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each kind")
    parser.add_argument("--steps", type=int, default=500_000, help="of each of the 16 walkers")
    parser.add_argument("--peer-steps", type=int, default=5_000_000, help="of OpenMM's one walker")
    options = parser.parse_args()
    walked = WALKERS * options.steps
    ways: list[Any] = [
        (f"{bias.label}, {WALKERS} walkers", walked, skip_of(bias), partial(ours, bias, options.steps))
        for bias in biases()
    ]
    theirs = partial(peer, options.peer_steps)
    ways.append(("OpenMM's metadynamics", options.peer_steps, SKIP_HILLS, theirs))
    rows = []
    for name, calls, skip, way in ways:
        runs = [difference(way(seed), skip) for seed in range(options.seeds)]
        rows += _rows(name, runs, calls)
    for row in rows:
        print(f"{row['what']:60s} {row['value']} {row.get('unit', '')}")
    command = f"python -m benchmarks.alanine --seeds {options.seeds} --steps {options.steps}"
    command += f" --peer-steps {options.peer_steps}"
    record("alanine", rows, command, title="Alanine dipeptide in vacuum")


def biases() -> list[AbstractBias]:
    """Ours; hills of all walkers come as often as one in 312 steps of a single one."""
    phi = Torsion(atoms=PHI, name="phi")
    return [
        OPES(variables=[phi], widths=[WIDTH], barrier=40 * KJ_PER_MOL, every=500, shared=True),
        Metadynamics(
            variables=[phi],
            widths=[WIDTH],
            height=HEIGHT * KJ_PER_MOL,
            bias_factor=BIAS_FACTOR,
            every=5000,
            limits=[[-np.pi, np.pi]],
            shared=True,
        ),
    ]


def skip_of(bias: AbstractBias) -> float:
    """What to leave out of a run with this bias."""
    return SKIP_HILLS if isinstance(bias, Metadynamics) else SKIP


def molecule() -> tuple[System, AbstractPotential]:
    """The dipeptide at the minimum next to where its file has it, and its energy."""
    from openmm import app, unit  # pyright: ignore[reportMissingImports]

    pdb = app.PDBFile(StringIO(alanine_dipeptide_pdb()))
    potential = potential_from_openmm(app.ForceField("amber14-all.xml").createSystem(pdb.topology))
    numbers = [atom.element.atomic_number for atom in pdb.topology.atoms()]
    positions = np.array(pdb.positions.value_in_unit(unit.angstrom))
    return minimize(System.create(numbers, positions), potential).system, potential


def ours(bias: AbstractBias, steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """phi [rad] and the bias to weigh with [eV], shape (n_walkers, n_frames)."""
    start, potential = molecule()
    langevin = Langevin(timestep=TIMESTEP, temperature=KELVIN, friction=FRICTION)
    with tempfile.TemporaryDirectory() as folder:
        simulate_replicas(
            [start] * WALKERS,
            potential,
            [langevin] * WALKERS,
            steps=steps,
            bias=bias,
            seeds=range(WALKERS * seed, WALKERS * (seed + 1)),
            constraints="hydrogens",
            record_every=RECORD_EVERY,
            out=Path(folder) / "run",
        )
        run = read_biased_run(Path(folder) / "run")
    return run["phi"], run.bias


def peer(steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of one walker of OpenMM, with hills every 500 steps."""
    import openmm  # pyright: ignore[reportMissingImports]
    from openmm import app, unit  # pyright: ignore[reportMissingImports]

    pdb = app.PDBFile(StringIO(alanine_dipeptide_pdb()))
    system = app.ForceField("amber14-all.xml").createSystem(pdb.topology, constraints=app.HBonds)
    torsion = openmm.CustomTorsionForce("theta")
    torsion.addTorsion(*PHI)
    variable = app.BiasVariable(torsion, -np.pi, np.pi, WIDTH, True)
    height = HEIGHT * unit.kilojoules_per_mole
    metadynamics = app.Metadynamics(system, [variable], KELVIN, BIAS_FACTOR, height, 500)
    integrator = openmm.LangevinMiddleIntegrator(KELVIN, 1000 * FRICTION, 1e-3 * TIMESTEP)
    integrator.setRandomNumberSeed(seed + 1)
    platform = openmm.Platform.getPlatformByName("Reference")  # the fastest for so few atoms
    simulation = app.Simulation(pdb.topology, system, integrator, platform)
    simulation.context.setPositions(pdb.positions)
    simulation.minimizeEnergy()
    simulation.context.setVelocitiesToTemperature(KELVIN, seed + 1)
    phi = np.zeros((1, steps // RECORD_EVERY))
    for frame in range(phi.shape[1]):
        metadynamics.step(simulation, RECORD_EVERY)
        phi[0, frame] = metadynamics.getCollectiveVariables(simulation)[0]
    energies = -metadynamics.getFreeEnergy()._value * (1 - 1 / BIAS_FACTOR) * KJ_PER_MOL
    return phi, np.interp(phi, np.linspace(-np.pi, np.pi, len(energies)), energies)


def difference(frames: tuple[np.ndarray, np.ndarray], skip: float) -> FreeEnergyDifference:
    """F(0 < phi <= 2.3) less that of the rest, of phi and bias."""
    phi, bias = frames
    above = (phi > 0) & (phi <= UPPER)
    return free_energy_difference(~above, above, bias, KELVIN, skip=skip)


def _rows(name: str, runs: list[FreeEnergyDifference], calls: int) -> list[dict[str, Any]]:
    values = np.array([run.value for run in runs]) / KJ_PER_MOL
    errors = np.array([run.error for run in runs]) / KJ_PER_MOL
    mean, error = values.mean(), np.sqrt(np.mean(errors**2))
    listed = ", ".join(f"{value:.2f} ± {error:.2f}" for value, error in zip(values, errors, strict=True))
    return [
        {
            "what": f"{name}: F(0 < phi <= {UPPER}) - F(rest)",
            "value": f"{mean:.2f} ± {error / np.sqrt(len(runs)):.2f}",
            "unit": "kJ/mol",
            "bar": "8.8 ± 0.5",
            "note": f"runs of {calls / 1e6:g} million force calls: {listed}",
        },
        {
            "what": f"{name}: force calls for an error of {WANTED} kJ/mol",
            "value": round(float(calls * (error / WANTED) ** 2 / 1e6), 2),
            "unit": "million",
        },
    ]


if __name__ == "__main__":
    main()
