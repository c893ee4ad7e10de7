"""Microseconds that dynamics of water takes for an atom and a step, all in, from 1,000 to 100,000 atoms.

    python -m benchmarks.atom_steps --data ../shared/data --models FOLDER

takes the models in FOLDER/water-accurate and FOLDER/water-fast, and trains each for `--minutes` where there
is none. Langevin dynamics at 300 K in steps of 0.5 fs, neighbor lists included, compilation left out. Where
JAX finds a GPU it runs there, and is recorded as `atom-steps-gpu`; small boxes do not fill it. Others on an
H100: MACE in JAX takes 15.9 µs, in ALCHEMI 3.0.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Literal

import adiabat
from adiabat.data import read_samples
from adiabat.dynamics import DynamicsResult, Langevin, run_dynamics
from adiabat.networks import MODEL_NAME
from adiabat.system import System
from adiabat.tasks.precision import enable
from adiabat.tasks.train import train
from benchmarks.accuracy import SETS
from benchmarks.record import record
from benchmarks.speed import most_memory, on_gpu

# How often the cell of 192 atoms is repeated in each direction, and the steps that are timed, on a CPU. Large
# boxes need lists a little more often.
BOXES = {(5, 1, 1): 400, (4, 4, 3): 100, (8, 8, 8): 40}
# All boxes so many times in turn, of which the quickest counts: what else the machine does takes turns too.
ROUNDS = 3
GPU_STEPS = 10  # times as many
SIZES: tuple[Literal["accurate", "fast"], ...] = ("fast", "accurate")
PUBLISHED = "MACE in JAX 15.9, in ALCHEMI 3.0"


def model_of_water(size: Literal["accurate", "fast"], data: Path, models: Path, minutes: float) -> Any:
    """The one that is there, or a new one."""
    folder = models / f"water-{size}"
    if not (folder / MODEL_NAME).exists():
        train([str(data / name) for name in SETS["water"].train], size=size, minutes=minutes, out=folder)
    return adiabat.load(folder)


def flatness(size: str, costs: list[float]) -> dict[str, Any]:
    """The row that says how much more an atom costs in one box than in another; a GPU has no bar for it."""
    row = {"what": f"{size}, most over least of them", "value": max(costs) / min(costs), "unit": "times"}
    return row if on_gpu() else row | {"bar": "<= 1.30"}


def rows(data: Path, models: Path, minutes: float) -> list[dict[str, Any]]:
    """Both sizes at each number of atoms."""
    cell = read_samples(data / "water" / "data" / "data_3")[0].system
    thermostat = Langevin(timestep=0.5, temperature=300, friction=0.01)
    found: list[dict[str, Any]] = []
    for size in SIZES:
        model = model_of_water(size, data, models, minutes)
        boxes = {repeats: System.from_ase(cell.to_ase() * repeats) for repeats in BOXES}
        runs: dict[tuple[int, int, int], list[DynamicsResult]] = {repeats: [] for repeats in BOXES}
        memory: dict[tuple[int, int, int], float] = {}
        for repeats in [*BOXES] * ROUNDS:
            steps = BOXES[repeats] * (GPU_STEPS if on_gpu() else 1)
            runs[repeats].append(
                run_dynamics(boxes[repeats], model, thermostat, steps=steps, record_every=steps)
            )
            memory.setdefault(repeats, most_memory() / 2**20)
        for repeats, box in boxes.items():
            run = max(runs[repeats], key=lambda one: one.steps_per_second)
            steps = BOXES[repeats] * (GPU_STEPS if on_gpu() else 1)
            what = f"{size}, {box.n_atoms} atoms of water"
            note = f"the quickest of {ROUNDS} runs of {steps} steps with {run.neighbor_lists} neighbor lists"
            note += f", {memory[repeats]:.2g} GiB at most until then"
            row = {"what": what, "value": 1e6 / (run.steps_per_second * box.n_atoms), "unit": "µs/atom/step"}
            found.append(row | {"note": note} | ({"published": PUBLISHED} if on_gpu() else {}))
            print(f"{what:40s} {row['value']:.3f} µs/atom/step, {note}", file=sys.stderr)
        found.append(flatness(size, [row["value"] for row in found[-len(BOXES) :]]))
    return found


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--models", type=Path, required=True, help="folder of run folders")
    parser.add_argument("--minutes", type=float, default=5.0, help="of a training")
    options = parser.parse_args()
    enable()
    options.models.mkdir(parents=True, exist_ok=True)
    made = rows(options.data, options.models, options.minutes)
    record(
        "atom-steps",
        made,
        "python -m benchmarks.atom_steps --data ../shared/data --models FOLDER",
        title="Dynamics of large boxes of water",
    )


if __name__ == "__main__":
    main()
