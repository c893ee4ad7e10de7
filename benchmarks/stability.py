"""Long dynamics with trained potentials: whether they last, what they visit, whether they conserve energy.

    python -m benchmarks.stability --data ../shared/data --models FOLDER

takes the models in FOLDER/acac-0, FOLDER/aspirin-0 and so on, as `benchmarks.accuracy --out FOLDER` leaves
them, trains for `--minutes` by the same settings where there is none, and runs from a frame of the test set
100 ps of Langevin dynamics at 300 and at 500 K, and 20 ps at constant energy after the first.
"""

import argparse
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols

import adiabat
from adiabat.analysis import equilibrated_average, fragmentation
from adiabat.data import read_samples
from adiabat.data.fingerprint import pair_distances
from adiabat.io.trajectory import Trajectory
from adiabat.networks import MODEL_NAME
from adiabat.system import System
from adiabat.tasks.simulate import Run
from benchmarks.accuracy import SETS, run
from benchmarks.record import record

TEMPERATURES = (300.0, 500.0)  # K
FRICTION = 0.02  # 1/fs
NVE_SHARE = 0.2  # of the length of the other runs
FRAME_FS = 10.0
NEAR = 3.5  # Å, beyond the shortest distance of any pair of elements in the sets
Shortest = dict[tuple[int, int], float]


@dataclass(frozen=True)
class Case:
    """How one set is run.

    Attributes:
        timestep: [fs].
        molecules: whether there are molecules to stay whole.
    """

    timestep: float
    molecules: bool = True


CASES = {
    "acac": Case(0.5),
    "aspirin": Case(0.5),
    "copper": Case(2.0, molecules=False),
    "water": Case(0.5),
}


def shortest_distances(systems: list[System]) -> Shortest:
    """The shortest distance [Å] of each pair of elements in some structures."""
    found: Shortest = {}
    for system in systems:
        distances, first, second = pair_distances(system, NEAR)
        ends = np.sort(np.stack([np.asarray(system.numbers)[atoms] for atoms in (first, second)]), axis=0)
        for a, b in combinations_with_replacement(sorted({*np.unique(ends).tolist()}), 2):
            here = distances[(ends[0] == a) & (ends[1] == b)]
            if len(here):
                found[a, b] = min(found.get((a, b), np.inf), float(here.min()))
    return found


def dynamics(name: str, data: Path, folder: Path, picoseconds: float) -> list[dict[str, Any]]:
    """The rows of one set."""
    case, chosen = CASES[name], SETS[name]
    model = adiabat.load(folder)
    trained = shortest_distances(
        [sample.system for file in chosen.train for sample in read_samples(data / file) if sample.n_atoms > 1]
    )
    # The largest: of copper the cells of the dynamics, not those of two atoms.
    start = max((sample.system for sample in read_samples(data / chosen.test[0])), key=lambda s: s.n_atoms)
    every = round(FRAME_FS / case.timestep)
    rows: list[dict[str, Any]] = []
    for temperature in TEMPERATURES:
        label = f"{name}, {start.n_atoms} atoms, {temperature:g} K"
        thermostat = adiabat.Langevin(timestep=case.timestep, temperature=temperature, friction=FRICTION)
        steps = round(1000 * picoseconds / case.timestep)
        try:
            warm = adiabat.simulate(start, model, thermostat, steps=steps, record_every=every)
            rows += _canonical(label, case, warm, trained, temperature, picoseconds)
            if temperature == TEMPERATURES[0]:
                still = adiabat.simulate(
                    warm.system,
                    model,
                    adiabat.VelocityVerlet(timestep=case.timestep, temperature=temperature),
                    steps=round(NVE_SHARE * steps),
                    record_every=every,
                    velocities=warm.velocities,
                )
                rows.append(_conserved(label, still))
        except adiabat.SimulationError as error:
            rows.append(_row(f"{label}: lasts", "no", "", bar="yes", note=str(error).splitlines()[0]))
    return rows


def _canonical(
    label: str, case: Case, run: Run, trained: Shortest, temperature: float, picoseconds: float
) -> list[dict[str, Any]]:
    trajectory = run.trajectory
    mean = equilibrated_average(trajectory.observables["temperature"])
    low, high = 0.99 * temperature, 1.01 * temperature
    found = [
        _row(f"{label}: lasts", "yes", "", bar="yes", note=f"{picoseconds:g} ps"),
        _row(
            f"{label}: mean temperature",
            mean.mean,
            "K",
            bar=f"{low:g} to {high:g}",
            note=f"standard error {mean.error:.1f} K",
        ),
        _closest(label, trajectory, trained),
    ]
    if case.molecules:
        found.append(_whole(label, trajectory))
    pace = run.summary["steps_per_second"]
    per_day = pace * case.timestep * 86400 * 1e-6 if pace else float("nan")
    found.append(_row(f"{label}: speed", per_day, "ns/day", note=f"timestep {case.timestep:g} fs"))
    return found


def _closest(label: str, trajectory: Trajectory, trained: Shortest) -> dict[str, Any]:
    """How much nearer than in the training set two atoms came, at worst, and each pair of elements."""
    seen = shortest_distances(trajectory.systems())
    shares = {pair: distance / trained.get(pair, np.inf) for pair, distance in seen.items()}
    pairs = (
        f"{chemical_symbols[a]}-{chemical_symbols[b]} {seen[a, b]:.2f} ({trained.get((a, b), np.nan):.2f})"
        for a, b in sorted(seen)
    )
    note = f"Å, in the training set in brackets: {', '.join(pairs)}"
    value = min(shares.values(), default=float("nan"))
    return _row(f"{label}: shortest distance over that of training", value, "", bar=">= 0.85", note=note)


def _whole(label: str, trajectory: Trajectory) -> dict[str, Any]:
    periodic = all(trajectory.template.pbc)
    found = fragmentation(
        np.asarray(trajectory.template.numbers),
        trajectory.positions,
        trajectory.cells if periodic else None,
    )
    changes = len(found.rearranged)
    note = f"{changes} bonds of the last frame gone or new" if changes else "the same bonds at the end"
    value = "yes" if found.changed is None else f"until {trajectory.times[found.changed] / 1000:.1f} ps"
    return _row(f"{label}: molecules whole", value, "", bar="yes", note=note)


def _conserved(label: str, run: Run) -> dict[str, Any]:
    return _row(
        f"{label}: NVE drift over {run.summary['time_ps']:g} ps",
        run.summary["drift_ev_per_atom_ns"],
        "eV/atom/ns",
        bar="< 1e-4",
        note=f"standard error {run.summary['drift_ev_per_atom_ns_error']:.1e}",
    )


def _row(what: str, value: float | str, unit: str, **more: str) -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, **more}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--models", type=Path, required=True, help="folder of run folders")
    parser.add_argument("--sets", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--minutes", type=float, default=15.0, help="of a training")
    parser.add_argument("--picoseconds", type=float, default=100.0)
    options = parser.parse_args()
    options.models.mkdir(parents=True, exist_ok=True)
    for name in options.sets:
        folder = options.models / f"{name}-0"
        if not (folder / MODEL_NAME).exists():
            run(SETS[name], options.data, folder, minutes=options.minutes, seed=0, start=None)
        rows = dynamics(name, options.data, folder, options.picoseconds)
        for row in rows:
            print(f"{row['what']:70s} {row['value']} {row['unit']}  {row.get('note', '')}")
        command = f"python -m benchmarks.stability --models FOLDER --sets {name}"
        record(f"stability-{name}", rows, command, title=f"Stability of long dynamics: {name}")


if __name__ == "__main__":
    main()
