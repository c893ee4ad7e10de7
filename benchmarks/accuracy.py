"""Errors of trained potentials on published splits, with default settings.

    python -m benchmarks.accuracy acac --data ../shared/data --minutes 15 --seeds 0 1 2

trains on the official training set for `--minutes`, once for each seed, evaluates on the official test sets,
and writes the means to benchmarks/results/accuracy-SET.json, for other times than 15 minutes to
accuracy-SET-8-minutes.json and so on. The settings are the same for all sets. Molecules learn labels of
GFN2-xTB first, as they do by default; `--start scratch` has fresh weights. The network's design was chosen on
the test frames of acac, whose figures are not blind (docs/decisions/0001-learned-potential.md).
"""

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.data import read_samples, write_samples
from adiabat.tasks.train import Training, train
from benchmarks.record import record

USUAL_MINUTES = 15.0


@dataclass(frozen=True)
class Figure:
    """One error of one test set.

    Attributes:
        what: what the table calls it.
        test: name of the set.
        metric: as `Evaluation.metrics` names it.
        unit: of the table; eV/Å turns the metric's meV/Å into it.
        bars: what it is to reach, by minutes.
        published: what others report.
    """

    what: str
    test: str
    metric: str
    unit: str
    bars: Mapping[float, str] = field(default_factory=dict)
    published: str | None = None

    def of(self, run: Training) -> float:
        """The value in a finished training."""
        return run.metrics[self.test][self.metric] * (1e-3 if self.unit == "eV/Å" else 1.0)


@dataclass(frozen=True)
class DataSet:
    """A published split.

    Attributes:
        train: files, below the folder of data sets.
        test: files whose errors are reported.
        scan: files whose energies along a path are reported.
        isolated_atoms: a file with free atoms.
        first: so many of the training frames are used, validation included; all by default.
        figures: what is reported.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    figures: tuple[Figure, ...]
    scan: tuple[str, ...] = ()
    isolated_atoms: str | None = None
    first: int | None = None


def _rmd17(molecule: str, bar: float, published: str, first: int | None = None) -> DataSet:
    test = f"rmd17_{molecule}_test_01"
    return DataSet(
        (f"rmd17/rmd17_{molecule}_train_01.npz",),
        (f"rmd17/{test}.npz",),
        (
            Figure("force MAE", test, "force_mae_mev_per_ang", "meV/Å", {15: f"<= {bar:g}"}, published),
            Figure("energy MAE", test, "energy_mae_mev", "meV"),
        ),
        first=first,
    )


def _mlearn(symbol: str, energy: tuple[str, str], force: tuple[str, str]) -> DataSet:
    test = f"{symbol}_test"
    return DataSet(
        (f"mlearn/{symbol}_training.extxyz",),
        (f"mlearn/{test}.extxyz",),
        (
            Figure(
                "energy MAE per atom", test, "energy_mae_mev_per_atom", "meV/atom", {15: energy[0]}, energy[1]
            ),
            Figure("force MAE", test, "force_mae_mev_per_ang", "eV/Å", {15: force[0]}, force[1]),
        ),
    )


_300K, _600K = "test_MD_300K", "test_MD_600K"
_DIHEDRAL, _TRANSFER = "test_dihedral", "test_H_transfer"
SETS = {
    "acac": DataSet(
        ("acac/train_300K.xyz",),
        (f"acac/{_300K}.xyz", f"acac/{_600K}.xyz"),
        (
            Figure(
                "300 K, energy RMSE",
                _300K,
                "energy_rmse_mev",
                "meV",
                {8: "<= 2.5", 15: "<= 1.1", 60: "<= 0.9"},
                "MACE 0.9",
            ),
            Figure(
                "300 K, force RMSE",
                _300K,
                "force_rmse_mev_per_ang",
                "meV/Å",
                {8: "<= 14", 15: "<= 8", 60: "<= 5.5"},
                "MACE 5.1",
            ),
            Figure(
                "600 K (extrapolation), energy RMSE",
                _600K,
                "energy_rmse_mev",
                "meV",
                {15: "<= 10"},
                "MACE 4.6",
            ),
            Figure(
                "600 K (extrapolation), force RMSE",
                _600K,
                "force_rmse_mev_per_ang",
                "meV/Å",
                {15: "<= 35"},
                "MACE 22.4",
            ),
            Figure("dihedral scan, RMSE", _DIHEDRAL, "profile_rmse_mev", "meV"),
            Figure("dihedral scan, error of the barrier", _DIHEDRAL, "barrier_error_mev", "meV"),
            Figure("H transfer, RMSE", _TRANSFER, "profile_rmse_mev", "meV"),
            Figure("H transfer, error of the barrier", _TRANSFER, "barrier_error_mev", "meV"),
        ),
        scan=(f"acac/{_DIHEDRAL}.xyz", f"acac/{_TRANSFER}.xyz"),
        isolated_atoms="acac/isolated_atoms.xyz",
    ),
    "aspirin": _rmd17("aspirin", 13, "MACE 6.6, linear ACE 17.9"),
    "ethanol": _rmd17("ethanol", 5, "MACE 2.1, linear ACE 7.3"),
    "malonaldehyde": _rmd17("malonaldehyde", 9, "MACE 4.1, linear ACE 11.1"),
    "aspirin-50": _rmd17("aspirin", 50, "MACE 43.9, ACE 63.8", first=50),
    "copper": _mlearn("Cu", ("<= 1.5", "linear ACE 0.23"), ("<= 0.012", "linear ACE 0.005")),
    "silicon": _mlearn("Si", ("<= 4", "linear ACE 3.0"), ("<= 0.085", "linear ACE 0.066")),
    "water": DataSet(
        tuple(f"water/data/data_{k}" for k in range(3)),
        ("water/data/data_3",),
        (
            Figure("energy RMSE per atom", "data_3", "energy_rmse_mev_per_atom", "meV/atom", {15: "<= 0.6"}),
            Figure("force RMSE", "data_3", "force_rmse_mev_per_ang", "meV/Å", {15: "<= 45"}),
        ),
    ),
}


def run(chosen: DataSet, data: Path, out: Path, *, minutes: float, seed: int, start: str | None) -> Training:
    """One training."""
    files = [str(data / name) for name in chosen.train]
    if chosen.first is not None:
        files = [str(out.with_suffix(".xyz"))]
        write_samples(files[0], read_samples([str(data / name) for name in chosen.train])[: chosen.first])
    options = {}
    if chosen.isolated_atoms is not None:
        options = {"data": {"isolated_atoms": str(data / chosen.isolated_atoms)}}
    return train(
        files,
        test=[str(data / name) for name in chosen.test],
        scan=[str(data / name) for name in chosen.scan],
        minutes=minutes,
        seed=seed,
        start=start,
        config=options,
        out=out,
    )


def rows(chosen: DataSet, runs: list[Training], minutes: float) -> list[dict[str, Any]]:
    """Means over the runs; with several, the lowest and the highest value in a note."""
    figures = [
        (f.what, f.unit, [f.of(one) for one in runs], f.bars.get(minutes), f.published)
        for f in chosen.figures
    ]
    asked = f"{0.9 * minutes:.3g} to {1.1 * minutes:.3g}"
    figures.append(("wall-clock time, all in", "min", [one.minutes for one in runs], asked, None))
    figures.append(("steps", "", [one.steps for one in runs], None, None))
    found = []
    for what, unit, values, bar, published in figures:
        row = {
            "what": what,
            "value": float(np.mean(values)),
            "unit": unit,
            "bar": bar,
            "published": published,
        }
        if len(values) > 1:
            row["note"] = f"{len(values)} seeds, {min(values):.4g} to {max(values):.4g}"
        found.append({key: value for key, value in row.items() if value is not None})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--minutes", type=float, default=USUAL_MINUTES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--start", help="as adiabat train --from")
    parser.add_argument("--out", type=Path, help="for the run folders; a temporary one by default")
    options = parser.parse_args()
    folder = options.out or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    chosen = SETS[options.set]
    runs = [
        run(
            chosen,
            options.data,
            folder / f"{options.set}-{seed}",
            minutes=options.minutes,
            seed=seed,
            start=options.start,
        )
        for seed in options.seeds
    ]
    print(f"{options.set}: {folder}")
    command = f"python -m benchmarks.accuracy {options.set} --minutes {options.minutes:g}"
    name, title = f"accuracy-{options.set}", f"Accuracy: {options.set}, {options.minutes:g} minutes"
    if options.minutes != USUAL_MINUTES:
        name += f"-{options.minutes:g}-minutes"
    if options.seeds != [0]:
        command += f" --seeds {' '.join(map(str, options.seeds))}"
    if options.start is not None:
        command += f" --start {options.start}"
        name, title = f"{name}-{Path(options.start).stem}", f"{title}, from {Path(options.start).stem}"
    record(name, rows(chosen, runs, options.minutes), command, title=title)


if __name__ == "__main__":
    main()
