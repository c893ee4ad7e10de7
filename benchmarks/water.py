"""Learned water at constant temperature and pressure, beside its reference and experiment.

    python -m benchmarks.water --data ../shared/data --model RUN --out FOLDER

runs 64 molecules for 100 ps at 300 K from three seeds in the cell of the data, and as long at 1 bar, in steps
of 0.5 fs; broken off, it goes on from what is in FOLDER. The model is one of the data set `water`, say by

    adiabat train --data WATER/data_0 --data WATER/data_1 --data WATER/data_2 --minutes 15 --out accurate
    adiabat distill accurate WATER/data_0 --out RUN

The labels are of one volume and have no stress: what the model says of pressure, and its density, follow from
energies and forces at that volume alone.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.analysis import (
    density,
    diffusion_coefficient,
    equilibrated_average,
    finite_size_correction,
    fragmentation,
    radial_distribution,
)
from adiabat.data import read_samples
from adiabat.dynamics import (
    AbstractIntegrator,
    CellRescaling,
    ConstantPressure,
    Langevin,
    VelocityRescaling,
    run_dynamics,
)
from adiabat.io.trajectory import Trajectory, read_trajectory
from adiabat.networks import load_model
from adiabat.tasks.precision import enable
from benchmarks.record import record

TIMESTEP, KELVIN, SEEDS = 0.5, 300.0, (0, 1, 2)  # fs, K
FRAME = 20.0  # fs
FORGOTTEN = 0.1  # of each run
VIBRATIONS = (
    3500.0,
    3500.0,
    1640.0,
    600.0,
    600.0,
    600.0,
)  # of a molecule: stretches, a bend, librations [1/cm]
VISCOSITY = 0.8538  # of water at 300 K [mPa s], IAPWS R12-08
EXPERIMENT = {
    "density": "0.9965 g/cm^3",  # IAPWS-95
    "diffusion": "2.41e-5 cm^2/s",  # Holz, Heil and Sacco 2000, doi 10.1039/b005319h, at 300 K
    "peak": "2.57 at 2.80 Å",  # Skinner et al. 2013, doi 10.1063/1.4790861, at 295 K
}


def expected_temperature(timestep: float, kelvin: float = KELVIN) -> float:
    """What the kinetic energy at whole steps [fs] of BAOAB shows [K]: it lacks (omega dt)^2 / 4 of each
    vibration; positions lack nothing (Leimkuhler and Matthews 2013, doi 10.1063/1.4802990)."""
    omega = 2 * np.pi * 2.99792458e-5 * np.array(VIBRATIONS)  # 1/fs
    return float(kelvin * (1 - np.sum((omega * timestep) ** 2 / 4) / 9))


def integrators() -> dict[str, AbstractIntegrator]:
    """Velocity rescaling disturbs diffusion least; Langevin's friction would slow it."""
    return {
        "NVT": VelocityRescaling(timestep=TIMESTEP, temperature=KELVIN, relaxation_time=500.0),
        "NPT": ConstantPressure(
            thermostat=Langevin(timestep=TIMESTEP, temperature=KELVIN, friction=0.005),
            barostat=CellRescaling(pressure=1e-4, relaxation_time=1000.0),
        ),
    }


def simulated(model: Path, data: Path, picoseconds: float, out: Path) -> dict[str, list[Trajectory]]:
    """The trajectories of every seed."""
    potential = load_model(model)
    frames = read_samples(data / "water" / "data" / "data_3")
    found: dict[str, list[Trajectory]] = {}
    for ensemble, integrator in integrators().items():
        for seed in SEEDS:
            folder = out / f"{ensemble}-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            run_dynamics(
                frames[20 * seed].system,
                potential,
                integrator,
                steps=round(1000 * picoseconds / TIMESTEP),
                record_every=round(FRAME / TIMESTEP),
                seed=seed,
                folder=folder,
                resume=True,
            )
            whole = read_trajectory(folder / "trajectory.h5")
            found.setdefault(ensemble, []).append(whole)
            print(f"{ensemble} {seed}: {len(whole)} frames", flush=True)
    return found


def oxygens(numbers: np.ndarray, frames: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances [Å] and g of the oxygens, as far as half the cell."""
    pairs = radial_distribution(numbers, frames, cell, 6.0)
    found = next(pair for pair in pairs if pair.label == "O–O")
    return found.distance, found.g


def kept(run: Trajectory) -> slice:
    """Without the start."""
    return slice(round(FORGOTTEN * len(run)), None)


def spread(values: list[float], errors: Sequence[float] = ()) -> str:
    """Mean and standard error of the seeds: from their spread, or from their own errors, whichever is larger;
    three may agree by chance."""
    among = [np.std(values, ddof=1), np.sqrt(np.mean(np.square(errors))) if errors else 0.0]
    return f"{np.mean(values):.4g} ± {max(among) / np.sqrt(len(values)):.1g}"


def rows(found: dict[str, list[Trajectory]], data: Path) -> list[dict[str, Any]]:
    """What is recorded."""
    made: list[dict[str, Any]] = []
    for ensemble, runs in found.items():
        numbers = np.asarray(runs[0].template.numbers)
        changes = [fragmentation(numbers, run.positions, run.cells).changed for run in runs]
        lasted = "yes" if changes == [None] * len(runs) else f"frames {changes}"
        made.append({"what": f"{ensemble}: three runs last, molecules whole", "value": lasted, "bar": "yes"})
        warm = [equilibrated_average(run.observables["temperature"][kept(run)]) for run in runs]
        value = spread([one.mean for one in warm], [one.error for one in warm])
        row = {"what": f"{ensemble}: temperature", "value": value, "unit": "K", "bar": "300"}
        langevin = f"{expected_temperature(TIMESTEP):.1f} is expected of steps of {TIMESTEP:g} fs"
        made.append(row | ({"note": f"{langevin}, see benchmarks/water.py"} if ensemble == "NPT" else {}))
    heavy = [equilibrated_average(density(_masses(run), run.cells[kept(run)])) for run in found["NPT"]]
    made.append(
        {
            "what": "NPT: density",
            "value": spread([one.mean for one in heavy], [one.error for one in heavy]),
            "unit": "g/cm^3",
            "published": f"experiment {EXPERIMENT['density']}",
            "note": f"of the three {', '.join(f'{one.mean:.4f} ± {one.error:.4f}' for one in heavy)}",
        }
    )
    made += structure(found["NVT"], data) + diffusion(found["NVT"])
    return made


def _masses(run: Trajectory) -> np.ndarray:
    return np.asarray(run.template.masses)


def structure(runs: list[Trajectory], data: Path) -> list[dict[str, Any]]:
    """The first peak and the minimum of g(O-O), and how far the whole curve is from that of the labels."""
    samples = [s.system for k in range(4) for s in read_samples(data / "water" / "data" / f"data_{k}")]
    numbers, cell = np.asarray(samples[0].numbers), np.asarray(samples[0].cell)
    distance, reference = oxygens(numbers, np.stack([np.asarray(s.positions) for s in samples]), cell)
    curves = [oxygens(numbers, run.positions[kept(run)], cell)[1] for run in runs]
    tops = [(float(curve.max()), float(distance[curve.argmax()])) for curve in curves]
    between = (distance > 3.0) & (distance < 4.0)
    away = [float(np.mean(np.abs(curve - reference)[distance > 2.0])) for curve in curves]
    of_labels = f"labels {reference.max():.2f} at {distance[reference.argmax()]:.2f} Å"
    return [
        {
            "what": "NVT: first peak of g(O-O)",
            "value": spread([top for top, _ in tops]),
            "published": f"experiment {EXPERIMENT['peak']}; {of_labels}",
            "note": f"at {np.mean([place for _, place in tops]):.2f} Å",
        },
        {
            "what": "NVT: first minimum of g(O-O)",
            "value": spread([float(curve[between].min()) for curve in curves]),
            "published": f"experiment 0.84; labels {reference[between].min():.2f}",
        },
        {"what": "NVT: mean difference of g(O-O) from that of the labels, 2 to 6 Å", "value": spread(away)},
    ]


def diffusion(runs: list[Trajectory]) -> list[dict[str, Any]]:
    """Of the oxygens, without the drift of the whole; in the cell, and corrected for its size."""
    found = []
    for run in runs:
        masses, frames = _masses(run), run.positions[kept(run)].astype(np.float64)
        drift = np.einsum("i,fij->fj", masses / masses.sum(), frames)
        oxygen = np.asarray(run.template.numbers) == 8
        times = run.times[kept(run)]
        found.append(diffusion_coefficient(times, (frames - drift[:, None])[:, oxygen]).mean)
    correction = finite_size_correction(runs[0].cells[0], KELVIN, VISCOSITY)
    return [
        {"what": "NVT: diffusion in this cell", "value": spread(found), "unit": "cm^2/s"},
        {
            "what": "NVT: diffusion, corrected for the cell",
            "value": spread([one + correction for one in found]),
            "unit": "cm^2/s",
            "published": f"experiment {EXPERIMENT['diffusion']}",
            "note": f"{correction:.2g} with the viscosity of real water",
        },
    ]


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--model", type=Path, required=True, help="a run folder")
    parser.add_argument("--picoseconds", type=float, default=100.0, help="of each run")
    parser.add_argument("--out", type=Path, required=True, help="where the runs are kept")
    options = parser.parse_args()
    enable()
    found = simulated(options.model, options.data, options.picoseconds, options.out)
    made = rows(found, options.data)
    for row in made:
        print(f"{row['what']:66s} {row['value']} {row.get('unit', '')}  {row.get('published', '')}")
    command = "python -m benchmarks.water --data ../shared/data --model RUN --out FOLDER"
    record("water", made, command, title="Learned water at 300 K")


if __name__ == "__main__":
    main()
