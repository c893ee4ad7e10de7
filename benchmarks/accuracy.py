"""Errors of trained potentials on published splits, with default settings.

    python -m benchmarks.accuracy acac --data ../shared/data

trains on the official training set for `--minutes`, evaluates on the official test sets, and writes
benchmarks/results/accuracy-<set>.json. The settings are the same for all sets. The network's design
was chosen on the test frames of acac (docs/decisions/0001-learned-potential.md): its figures are not blind.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adiabat.tasks.train import train
from benchmarks.record import record

Row = dict[str, Any]


def acac(data: Path, minutes: float, out: Path) -> list[Row]:
    folder = data / "acac"
    tests = {"300 K": "test_MD_300K", "600 K (extrapolation)": "test_MD_600K"}
    run = train(
        str(folder / "train_300K.xyz"),
        test=[str(folder / f"{name}.xyz") for name in tests.values()],
        minutes=minutes,
        config={"data": {"isolated_atoms": str(folder / "isolated_atoms.xyz")}},
        out=out,
    )
    bars = {"300 K": ("<= 2.5", "<= 14"), "600 K (extrapolation)": (None, None)}
    published = {"300 K": ("MACE 0.9", "MACE 5.1"), "600 K (extrapolation)": ("MACE 4.6", "MACE 22.4")}
    rows = []
    for name, file in tests.items():
        metrics = run.metrics[file]
        rows += [
            _row(
                f"{name}, energy RMSE", metrics["energy_rmse_mev"], "meV", bars[name][0], published[name][0]
            ),
            _row(
                f"{name}, force RMSE",
                metrics["force_rmse_mev_per_ang"],
                "meV/Å",
                bars[name][1],
                published[name][1],
            ),
        ]
    return [*rows, *_cost(run, minutes)]


def copper(data: Path, minutes: float, out: Path) -> list[Row]:
    return _mlearn("Cu", data, minutes, out, "linear ACE 0.23", "linear ACE 0.005")


def silicon(data: Path, minutes: float, out: Path) -> list[Row]:
    return _mlearn("Si", data, minutes, out, "linear ACE 3.0", "linear ACE 0.066")


def water(data: Path, minutes: float, out: Path) -> list[Row]:
    folder = data / "water" / "data"
    run = train(
        [str(folder / f"data_{k}") for k in range(3)], test=str(folder / "data_3"), minutes=minutes, out=out
    )
    metrics = run.metrics["data_3"]
    return [
        _row("energy RMSE per atom", metrics["energy_rmse_mev_per_atom"], "meV/atom"),
        _row("force RMSE", metrics["force_rmse_mev_per_ang"], "meV/Å"),
        *_cost(run, minutes),
    ]


def _mlearn(symbol: str, data: Path, minutes: float, out: Path, energy: str, force: str) -> list[Row]:
    folder = data / "mlearn"
    run = train(
        str(folder / f"{symbol}_training.extxyz"),
        test=str(folder / f"{symbol}_test.extxyz"),
        minutes=minutes,
        out=out,
    )
    metrics = run.metrics[f"{symbol}_test"]
    return [
        _row("energy MAE per atom", metrics["energy_mae_mev_per_atom"], "meV/atom", None, energy),
        _row("force MAE", metrics["force_mae_mev_per_ang"] / 1e3, "eV/Å", None, force),
        *_cost(run, minutes),
    ]


def _row(what: str, value: float, unit: str, bar: str | None = None, published: str | None = None) -> Row:
    extra = {"bar": bar, "published": published}
    return {"what": what, "value": value, "unit": unit, **{k: v for k, v in extra.items() if v is not None}}


def _cost(run: Any, minutes: float) -> list[Row]:
    asked = f"{0.9 * minutes:.3g} to {1.1 * minutes:.3g}"
    return [
        {"what": "wall-clock time, all in", "value": run.minutes, "unit": "min", "bar": asked},
        {"what": "steps", "value": run.steps, "unit": ""},
    ]


SETS: dict[str, Callable[[Path, float, Path], list[Row]]] = {
    "acac": acac,
    "copper": copper,
    "silicon": silicon,
    "water": water,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--out", type=Path, help="the run folder; a temporary one by default")
    options = parser.parse_args()
    out = options.out or Path(tempfile.mkdtemp()) / f"accuracy-{options.set}"
    start = time.monotonic()
    rows = SETS[options.set](options.data, options.minutes, out)
    print(f"{options.set}: {(time.monotonic() - start) / 60:.1f} minutes, {out}")
    command = f"python -m benchmarks.accuracy {options.set} --minutes {options.minutes:g}"
    record(f"accuracy-{options.set}", rows, command, title=f"Accuracy: {options.set}")


if __name__ == "__main__":
    main()
