"""Multiple time steps against one, on liquid water: speed, temperature, structure.

    adiabat distill RUN-ACCURATE WATER.xyz --size inner --frames 300 --minutes 4 --out run-inner
    python -m benchmarks.respa --model RUN-ACCURATE --inner run-inner --data ../shared/data

64 molecules at 300 K by Langevin dynamics: steps of 0.5 fs with the accurate model alone, and longer steps of
it with inner steps of 0.5 fs by the other model. The rates are those of rounds taken in turn. O-O radial
distributions are compared between 2 and 6 Å; beside stands how far apart the two halves of the reference are.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.analysis import block_average, radial_distribution
from adiabat.data import read_samples
from adiabat.dynamics import AbstractIntegrator, Langevin, MultipleTimeSteps, run_dynamics
from adiabat.io.trajectory import Trajectory
from adiabat.networks import load_model
from adiabat.tasks.precision import enable
from benchmarks.record import record

INNER_TIMESTEP, TEMPERATURE, FRICTION = 0.5, 300.0, 0.02  # fs, K, 1/fs
FORGOTTEN = 0.2  # share of each run
FRAME = 12.0  # fs between two recorded frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the accurate model")
    parser.add_argument("--inner", type=Path, required=True, help="the inner model")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--picoseconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=4, help="into which each run is divided")
    parser.add_argument("--inner-steps", type=int, nargs="+", default=[4, 6, 8])
    options = parser.parse_args()
    enable()
    system = read_samples(options.data / "water" / "data" / "data_3")[0].system
    model, inner = load_model(options.model), load_model(options.inner)
    ways = {
        1: _langevin(INNER_TIMESTEP),
        **{
            n: MultipleTimeSteps(integrator=_langevin(n * INNER_TIMESTEP), inner=inner, inner_steps=n)
            for n in options.inner_steps
        },
    }
    found = _run(system, model, ways, options.picoseconds / options.rounds, options.rounds)
    rows = _rows(found)
    for row in rows:
        print(f"{row['what']:70s} {row['value']} {row.get('unit', '')}")
    command = f"python -m benchmarks.respa --model {options.model} --inner {options.inner}"
    record("respa", rows, command, title="Multiple time steps")


def _langevin(timestep: float) -> Langevin:
    return Langevin(timestep=timestep, temperature=TEMPERATURE, friction=FRICTION)


def _run(
    system: Any, model: Any, ways: dict[int, AbstractIntegrator], picoseconds: float, rounds: int
) -> dict[int, tuple[list[float], Trajectory]]:
    """Rates [ps of the trajectory in an hour] and frames of each way, in turns."""
    rates: dict[int, list[float]] = {n: [] for n in ways}
    pieces: dict[int, list[Trajectory]] = {n: [] for n in ways}
    here: dict[int, tuple[Any, np.ndarray | None]] = dict.fromkeys(ways, (system, None))
    for number in range(rounds):
        for n, integrator in ways.items():
            start, momenta = here[n]
            result = run_dynamics(
                start,
                model,
                integrator,
                steps=round(1000 * picoseconds / integrator.timestep),
                record_every=max(1, round(FRAME / integrator.timestep)),
                seed=number,
                momenta=momenta,
            )
            assert result.trajectory is not None
            rates[n].append(result.steps_per_second * integrator.timestep * 3.6)
            pieces[n].append(result.trajectory)
            here[n] = (start.moved(np.asarray(result.state.positions)), np.asarray(result.state.momenta))
    return {n: (rates[n], Trajectory.joined(pieces[n])) for n in ways}


def _rows(found: dict[int, tuple[list[float], Trajectory]]) -> list[dict[str, Any]]:
    reference = _oxygen(found[1][1])
    half = len(_kept(found[1][1])[0]) // 2
    halves = [_oxygen(found[1][1], part) for part in (slice(0, half), slice(half, None))]
    rows: list[dict[str, Any]] = []
    for n, (rates, trajectory) in found.items():
        alone = n == 1
        what = "accurate model alone, 0.5 fs" if alone else f"every {n * INNER_TIMESTEP:g} fs"
        temperature = block_average(_kept(trajectory)[1])
        rows += [
            {"what": f"{what}: trajectory", "value": round(max(rates)), "unit": "ps/h"},
            {
                "what": f"{what}: temperature",
                "value": f"{temperature.mean:.1f} ± {temperature.error:.1f}",
                "unit": "K",
                "bar": "300 K within 3 errors",
            },
        ]
        other = _difference(*halves) if alone else _difference(reference, _oxygen(trajectory))
        text = "two halves of it" if alone else "from the accurate model alone"
        rows.append({"what": f"{what}: mean difference of g(O-O), {text}", "value": round(other, 3)})
        if not alone:
            gain = float(np.median(np.array(rates) / np.array(found[1][0])))
            rows.append({"what": f"{what}: speed", "value": round(gain, 2), "unit": "times", "bar": ">= 2"})
    return rows


def _kept(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """Positions and temperatures without the first part."""
    first = round(FORGOTTEN * len(trajectory))
    return trajectory.positions[first:], trajectory.observables["temperature"][first:]


def _oxygen(trajectory: Trajectory, part: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    frames = _kept(trajectory)[0][part]
    pairs = radial_distribution(np.asarray(trajectory.template.numbers), frames, trajectory.cells[0], 6.0)
    found = next(pair for pair in pairs if pair.label == "O–O")
    return found.distance, found.g


def _difference(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    between = one[0] > 2.0
    return float(np.mean(np.abs(one[1] - other[1])[between]))


if __name__ == "__main__":
    main()
