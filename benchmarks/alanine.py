"""Alanine dipeptide in vacuum: how many force calls a free energy takes, beside OpenMM's metadynamics.

    pip install 'adiabat[openmm]'
    python -m benchmarks.alanine

Amber14 by way of OpenMM, 300 K, steps of 2 fs with fixed bonds to hydrogen, Langevin friction of 1/ps.
Measured is how much higher phi in (0, 2.3] is than the rest, by frames weighed with the bias (our hills: of
the moment, less c(t); OpenMM's: all those of the end). First by 16 walkers that share a bias on phi, for
long, then, at equal numbers of force calls, by 4 walkers and by OpenMM's metadynamics of one, from several
seeds: their root mean square distance from what is expected says how many calls an error of 0.5 kJ/mol takes.
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
RECORD_EVERY = 100
BIAS_FACTOR, HEIGHT, WIDTH = 8.0, 1.2, 0.35  # 1, kJ/mol, rad
BETWEEN_HILLS = 500  # steps of all walkers together
MANY, FEW = 16, 4  # walkers
EXPECTED, WANTED = 8.8, 0.5  # kJ/mol
# Share of a run that is left out: of ours, and of OpenMM's, whose frames are weighed with hills that early
# ones had not felt.
SKIP, SKIP_PEER = 0.2, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12, help="of the runs with equal numbers of force calls")
    parser.add_argument("--calls", type=int, default=1_000_000, help="of each of them")
    parser.add_argument("--steps", type=int, default=500_000, help="of each of the 16 walkers")
    options = parser.parse_args()
    rows = []
    for bias in biases(MANY) if options.steps else []:
        run = difference(ours(bias, MANY, options.steps, 0), SKIP)
        rows.append(_value(f"{bias.label}, {MANY} walkers", [run], MANY * options.steps))
        _show(rows[-1])
    ways: list[Any] = [
        (f"{bias.label}, {FEW} walkers", SKIP, partial(ours, bias, FEW, options.calls // FEW))
        for bias in biases(FEW)
    ]
    ways.append(("OpenMM's metadynamics", SKIP_PEER, partial(peer, options.calls)))
    for name, skip, way in ways:
        runs = [difference(way(seed), skip) for seed in range(options.seeds)]
        rows += [_value(name, runs, options.calls), _calls(name, runs, options.calls)]
        _show(*rows[-2:])
    command = f"python -m benchmarks.alanine --seeds {options.seeds} --calls {options.calls}"
    record("alanine", rows, f"{command} --steps {options.steps}", title="Alanine dipeptide in vacuum")


def biases(walkers: int) -> list[AbstractBias]:
    """Ours, for so many walkers."""
    phi = Torsion(atoms=PHI, name="phi")
    return [
        OPES(variables=[phi], widths=[WIDTH], barrier=40 * KJ_PER_MOL, every=500, shared=True),
        Metadynamics(
            variables=[phi],
            widths=[WIDTH],
            height=HEIGHT * KJ_PER_MOL,
            bias_factor=BIAS_FACTOR,
            every=BETWEEN_HILLS * walkers,
            limits=[[-np.pi, np.pi]],
            shared=True,
        ),
    ]


def molecule() -> tuple[System, AbstractPotential]:
    """The dipeptide at the minimum next to where its file has it, and its energy."""
    from openmm import app, unit  # pyright: ignore[reportMissingImports]

    pdb = app.PDBFile(StringIO(alanine_dipeptide_pdb()))
    potential = potential_from_openmm(app.ForceField("amber14-all.xml").createSystem(pdb.topology))
    numbers = [atom.element.atomic_number for atom in pdb.topology.atoms()]
    positions = np.array(pdb.positions.value_in_unit(unit.angstrom))
    return minimize(System.create(numbers, positions), potential).system, potential


def ours(bias: AbstractBias, walkers: int, steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """phi [rad] and the bias to weigh with [eV], shape (n_walkers, n_frames)."""
    start, potential = molecule()
    langevin = Langevin(timestep=TIMESTEP, temperature=KELVIN, friction=FRICTION)
    with tempfile.TemporaryDirectory() as folder:
        simulate_replicas(
            [start] * walkers,
            potential,
            [langevin] * walkers,
            steps=steps,
            bias=bias,
            seeds=range(walkers * seed, walkers * (seed + 1)),
            constraints="hydrogens",
            record_every=RECORD_EVERY,
            out=Path(folder) / "run",
        )
        metadynamics = isinstance(bias, Metadynamics)
        run = read_biased_run(Path(folder) / "run", KELVIN if metadynamics else None)
    return run["phi"], run.bias


def peer(steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of one walker of OpenMM, with hills as often."""
    import openmm  # pyright: ignore[reportMissingImports]
    from openmm import app, unit  # pyright: ignore[reportMissingImports]

    pdb = app.PDBFile(StringIO(alanine_dipeptide_pdb()))
    system = app.ForceField("amber14-all.xml").createSystem(pdb.topology, constraints=app.HBonds)
    torsion = openmm.CustomTorsionForce("theta")
    torsion.addTorsion(*PHI)
    variable = app.BiasVariable(torsion, -np.pi, np.pi, WIDTH, True)
    height = HEIGHT * unit.kilojoules_per_mole
    metadynamics = app.Metadynamics(system, [variable], KELVIN, BIAS_FACTOR, height, BETWEEN_HILLS)
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


def _value(name: str, runs: list[FreeEnergyDifference], calls: int) -> dict[str, Any]:
    values, errors = _kilojoules(runs)
    error = np.sqrt(np.mean(errors**2) / len(runs))
    listed = ", ".join(f"{value:.2f} ± {error:.2f}" for value, error in zip(values, errors, strict=True))
    return {
        "what": f"{name}: F(0 < phi <= {UPPER}) - F(rest)",
        "value": f"{values.mean():.2f} ± {error:.2f}",
        "unit": "kJ/mol",
        "bar": f"{EXPECTED} ± {WANTED}",
        "note": f"runs of {calls / 1e6:g} million force calls: {listed}",
    }


def _calls(name: str, runs: list[FreeEnergyDifference], calls: int) -> dict[str, Any]:
    distance = float(np.sqrt(np.mean((_kilojoules(runs)[0] - EXPECTED) ** 2)))
    return {
        "what": f"{name}: force calls for an error of {WANTED} kJ/mol",
        "value": round(calls * (distance / WANTED) ** 2 / 1e6, 2),
        "unit": "million",
        "note": f"{len(runs)} runs of {calls / 1e6:g} million are off by {distance:.2f} kJ/mol (rms)",
    }


def _kilojoules(runs: list[FreeEnergyDifference]) -> tuple[np.ndarray, np.ndarray]:
    """Values and errors."""
    found = np.array([(run.value, run.error) for run in runs]) / KJ_PER_MOL
    return found[:, 0], found[:, 1]


def _show(*rows: dict[str, Any]) -> None:
    for row in rows:
        print(f"{row['what']:60s} {row['value']} {row['unit']}; {row['note']}", flush=True)


if __name__ == "__main__":
    main()
