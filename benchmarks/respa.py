"""Multiple time steps against one, on liquid water: speed, temperature, structure.

    adiabat distill RUN-ACCURATE WATER.xyz --size inner --frames 300 --minutes 4 --out run-inner
    python -m benchmarks.respa --model RUN-ACCURATE --inner run-inner --data ../shared/data

64 molecules at 300 K by Langevin dynamics: steps of 0.5 fs with the accurate model alone, and longer steps of
it with inner steps of 0.5 fs by the other model, whose momenta show a temperature two kelvin lower. The rates
are those of rounds taken in turn. O-O radial distributions are compared between 2 and 6 Å, their difference
with those that arise when blocks of both runs are dealt into two halves.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.analysis import mean_with_error
from adiabat.data import read_samples
from adiabat.dynamics import AbstractIntegrator, Langevin, MultipleTimeSteps, run_dynamics
from adiabat.io.trajectory import Trajectory
from adiabat.networks import load_model
from adiabat.tasks.precision import enable
from benchmarks.record import record
from benchmarks.water import expected_temperature, oxygens

INNER_TIMESTEP, TEMPERATURE, FRICTION = 0.5, 300.0, 0.02  # fs, K, 1/fs
FORGOTTEN = 0.2  # share of each run
FRAME = 12.0  # fs between two recorded frames
# Of each run, for its radial distribution: few enough that they hardly depend on each other, and enough to be
# dealt in many ways.
BLOCKS = 6


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
    reference = _blocks(found[1][1])
    expected = expected_temperature(INNER_TIMESTEP, TEMPERATURE)
    rows: list[dict[str, Any]] = []
    for n, (rates, trajectory) in found.items():
        alone = n == 1
        what = "accurate model alone, 0.5 fs" if alone else f"every {n * INNER_TIMESTEP:g} fs"
        temperature = mean_with_error(_kept(trajectory)[1])
        rows += [
            {"what": f"{what}: trajectory", "value": round(max(rates)), "unit": "ps/h"},
            {
                "what": f"{what}: temperature",
                "value": f"{temperature.mean:.1f} ± {temperature.error:.1f}",
                "unit": "K",
                "bar": f"{expected:.1f} K within 3 errors",
            },
        ]
        blocks = _blocks(trajectory)
        if alone:
            halves = f"{difference(blocks[::2], blocks[1::2]):.3f}"
            rows.append({"what": f"{what}: mean difference of g(O-O), every other block", "value": halves})
        else:
            rows.append(
                {
                    "what": f"{what}: mean difference of g(O-O), from the accurate model alone",
                    "value": f"{difference(reference, blocks):.3f}, p = {chance(reference, blocks):.2f}",
                    "bar": "p > 0.01",
                    "note": "p is the share of ways to deal blocks of both runs that differ as much",
                }
            )
        if not alone:
            gain = float(np.median(np.array(rates) / np.array(found[1][0])))
            rows.append({"what": f"{what}: speed", "value": round(gain, 2), "unit": "times", "bar": ">= 2"})
    return rows


def _kept(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """Positions and temperatures without the first part."""
    first = round(FORGOTTEN * len(trajectory))
    return trajectory.positions[first:], trajectory.observables["temperature"][first:]


def _blocks(trajectory: Trajectory) -> np.ndarray:
    """g(O-O) beyond 2 Å of each of the blocks, shape (n_blocks, n_bins)."""
    numbers, found = np.asarray(trajectory.template.numbers), []
    for frames in np.array_split(_kept(trajectory)[0], BLOCKS):
        distance, g = oxygens(numbers, frames, trajectory.cells[0])
        found.append(g[distance > 2.0])
    return np.array(found)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Between the means of blocks, shape (n_blocks, n_bins), the mean over the bins."""
    return float(np.mean(np.abs(one.mean(axis=0) - other.mean(axis=0))))


def chance(one: np.ndarray, other: np.ndarray) -> float:
    """How likely blocks of one and the same distribution differ as much: the share of all ways to deal them
    in two halves of the same sizes (a permutation test, whatever the bins have to do with each other).

    Blocks that depend on their neighbors make it too small.
    """
    together = np.concatenate([one, other])
    observed, everyone = difference(one, other), np.arange(len(together))
    dealt = [
        difference(together[list(first)], together[np.setdiff1d(everyone, first)])
        for first in itertools.combinations(everyone, len(one))
    ]
    return float(np.mean(np.array(dealt) >= observed * (1 - 1e-12)))


if __name__ == "__main__":
    main()
