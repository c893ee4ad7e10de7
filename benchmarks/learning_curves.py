"""Force error on acetylacetone at 300 K against the minutes of training, for adiabat and for MACE.

    python -m benchmarks.learning_curves --data ../shared/data --peers .peers

trains each on the 500 frames of the official training set on this machine, one after the other, with
`--minutes` each, and takes the error of the averaged weights on 60 frames of the test set as it goes along.
These stand in the place of the validation set, but choose nothing: the curve has every point, and no best
one. Minutes count from the start of the command: adiabat's first go to labels of GFN2-xTB and to learning
these, but for `scratch`. Where JAX and torch find a GPU it is used, and the curves are recorded as
`learning-curves-gpu`. adiabat's learning rate falls over the minutes that it was given, so that its curve is
steep at the end; MACE's stays. What is compared are the ends. MACE is 128x0e+128x1o with two layers,
harmonics to rank 3, a cut-off of 5 Å, in single precision, with batches of 5 (benchmarks/peer_mace_train.py).
"""

import argparse
import shlex
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base.runs import RunFolder
from adiabat.data import find_isolated_atoms, read_samples, write_samples
from adiabat.tasks.train import train
from benchmarks.accuracy import SETS
from benchmarks.peer import run_peer
from benchmarks.record import record

TEST_FRAMES = 60
SHOWN = (1.0, 2.0, 4.0, 8.0, 15.0)  # minutes
REACHED = (30, 20, 15, 10)  # meV/Å
POINTS = 30
LATE = 0.1  # minutes that a point may be taken too late, by a step that was under way
# Size, and what the training begins with.
WAYS = {
    "accurate": ("accurate", None),
    "accurate, from scratch": ("accurate", "scratch"),
    "fast": ("fast", None),
}
PEER = "MACE"
Curve = list[tuple[float, float]]


def adiabat_curve(
    files: dict[str, Path], size: Any, start: str | None, minutes: float, seed: int, out: Path
) -> Curve:
    """Minutes and force errors [meV/Å] along a training."""
    train(
        str(files["train"]),
        valid=str(files["test"]),
        minutes=minutes,
        seed=seed,
        size=size,
        start=start,
        config={"data": {"isolated_atoms": str(files["atoms"]), "preflight": False}},
        out=out,
    )
    rows = RunFolder.open(out).read("metrics")
    return [(row["minutes"], row["valid_force_rmse_mev_per_ang"]) for row in rows]


def mace_curve(files: dict[str, Path], minutes: float, seed: int, peers: Path) -> Curve:
    """The same of MACE."""
    free = find_isolated_atoms(read_samples(files["atoms"]))
    times = sorted({*(t for t in SHOWN if t <= minutes), *np.linspace(0, minutes, POINTS + 1)[1:].tolist()})
    job = {"train": str(files["train"]), "test": str(files["test"]), "times": times, "seed": seed}
    return run_peer(
        peers, "mace", "peer_mace_train.py", job | {"free_atoms": [free[z] for z in sorted(free)]}
    )


def rows(name: str, curve: Curve, minutes: float) -> list[dict[str, Any]]:
    """Errors at the usual times and at the end, and the times to the usual errors."""
    found = []
    for time in sorted({*(t for t in SHOWN if t < minutes), minutes}):
        errors = [error for at, error in curve if at <= time + LATE]
        if errors:
            found.append(
                {"what": f"{name}: after {time:g} min", "value": round(errors[-1], 2), "unit": "meV/Å"}
            )
    for error in REACHED:
        at = next((time for time, value in curve if value <= error), None)
        value = round(at, 2) if at is not None else f"not in {minutes:g}"
        found.append({"what": f"{name}: to {error} meV/Å", "value": value, "unit": "min"})
    return found


def prepared(data: Path, folder: Path) -> dict[str, Path]:
    """The files of the trainings: all training frames, test frames evenly over the trajectory, free atoms."""
    chosen = SETS["acac"]
    assert chosen.isolated_atoms is not None
    test = read_samples(data / chosen.test[0])
    spread = np.linspace(0, len(test) - 1, TEST_FRAMES).astype(int)
    files = {name: folder / f"{name}.xyz" for name in ("train", "test")}
    write_samples(files["train"], read_samples(data / chosen.train[0]))
    write_samples(files["test"], [test[k] for k in spread])
    return files | {"atoms": data / chosen.isolated_atoms}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--peers", type=Path, default=Path(".peers"))
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=[*WAYS, PEER], default=[*WAYS, PEER])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = prepared(options.data, folder)
        curves = {
            f"adiabat, {name}": adiabat_curve(
                files, size, start, options.minutes, options.seed, folder / f"{size}-{start}"
            )
            for name, (size, start) in WAYS.items()
            if name in options.only
        }
        if PEER in options.only:
            curves[PEER] = mace_curve(files, options.minutes, options.seed, options.peers)
    made = [row for name, curve in curves.items() for row in rows(name, curve, options.minutes)]
    for row in made:
        print(f"{row['what']:60s} {row['value']:>12} {row['unit']}")
    command = "python -m benchmarks.learning_curves --data ../shared/data"
    if options.minutes != parser.get_default("minutes"):
        command += f" --minutes {options.minutes:g}"
    if options.only != parser.get_default("only"):
        command += f" --only {shlex.join(options.only)}"
    record("learning-curves", made, command, title="Learning curves: acac at 300 K, force RMSE")


if __name__ == "__main__":
    main()
