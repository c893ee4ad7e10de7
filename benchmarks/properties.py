"""Property models as `adiabat property train` makes them, on published tables.

    python -m benchmarks.properties --data ../shared/data
    python -m benchmarks.properties --tables freesolv --splits random --xtb

learns from training and validation of each split, with every kind weighed by cross-validation, and is asked
for its test; see `benchmarks.property_kinds` for the splits. Recorded are errors, the share of true values
that 90 % intervals hold, and how the model compares with each baseline by a paired test: one result for each
table, after each split. `--xtb` is that of `adiabat property train`.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from adiabat.properties import Standardizer, curate, read_table
from adiabat.properties.evaluate import coverage, mae, rmse
from adiabat.properties.inputs import Input, compute, computed_inputs, encode, with_molecules
from adiabat.properties.model import BASELINES, fit_property_model
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import predictors
from adiabat.properties.table import Table
from adiabat.properties.targets import find_targets, folds_of, labels_of
from adiabat.tasks.precision import enable
from adiabat.tasks.property_train import KINDS
from benchmarks.property_kinds import BARS, HOW_SPLIT, SOURCES, SPLITS, parts, seeds_of
from benchmarks.record import record

LEVEL = 0.9
# What is asked of each table.
WANTED = [*BARS, ("aqsoldb", "random")]


class Found(NamedTuple):
    """Of the test part of one split.

    Attributes:
        rmse: root mean square error, in the unit of the table.
        mae: mean absolute error.
        inside: share of true values in the 90 % intervals.
        minutes: of the training.
        by_kind: root mean square error of each kind alone.
        test: numbers of the molecules, shape (n_test,).
        gains: the absolute error of each kind alone less that of the model, shape (n_test,).
    """

    rmse: float
    mae: float
    inside: float
    minutes: float
    by_kind: dict[str, float]
    test: np.ndarray
    gains: dict[str, np.ndarray]


def measure(
    table: Table,
    molecules: Molecules,
    inputs: Sequence[Input],
    known: np.ndarray,
    test: np.ndarray,
    seed: int,
) -> Found:
    """Fits to the known, asks for the test."""
    begin = time.monotonic()
    learned, asked = molecules.taken(known), molecules.taken(test)
    taught = table.taken(known)
    labels, folds = labels_of(taught, find_targets(taught)), folds_of(taught.smiles, seed)
    fitted = {kind: predictors.get(kind).fit(learned, labels, folds, seed) for kind in KINDS}
    model, _ = fit_property_model(taught, learned, kinds=KINDS, inputs=inputs, seed=seed, fitted=fitted)
    minutes = (time.monotonic() - begin) / 60
    said, true = model.predict(asked, LEVEL), table.values[test, 0]
    (target,) = model.targets
    value = said.values[:, 0]
    by_kind, gains = {}, {}
    for kind, (one, _) in fitted.items():
        alone = target.center + target.scale * one.predict(asked).mean[:, 0]
        by_kind[kind] = rmse(true, alone)
        gains[kind] = np.abs(alone - true) - np.abs(value - true)
    inside = coverage(true, said.lower[:, 0], said.upper[:, 0])
    return Found(rmse(true, value), mae(true, value), inside, minutes, by_kind, test, gains)


def significance(kind: str, found: Sequence[Found]) -> float:
    """The chance (Wilcoxon's, two-sided) that the model and a kind alone are as good as each other, by the
    molecules of all test parts: of one in several of them the mean of its gains counts. 1 where the kind is
    better."""
    rows = np.concatenate([one.test for one in found])
    gains = np.concatenate([one.gains[kind] for one in found])
    _, which = np.unique(rows, return_inverse=True)
    means = np.bincount(which, gains) / np.bincount(which)
    if means.mean() <= 0:
        return 1.0
    return float(np.asarray(stats.wilcoxon(means))[1])


def prepared(name: str, data: Path, inputs: Sequence[Input]) -> tuple[Table, Molecules, float]:
    """A table, its molecules, and how long they took, what is computed of them included [minutes]."""
    source, standardizer = SOURCES[name], Standardizer()
    table = read_table(data / source.file, smiles=source.smiles, targets=[source.target])

    def standardized(text: str) -> str:
        molecule = standardizer(text)
        compute(inputs, molecule)  # what cannot be is left out
        return molecule

    begin = time.monotonic()
    table = curate(table, standardized).table
    minutes = (time.monotonic() - begin) / 60
    numbers = encode(inputs, with_molecules(inputs, {}, table.smiles), len(table))
    return table, Molecules(table.smiles, numbers), minutes


def rows(
    name: str, splits: Sequence[str], seeds: Sequence[int], data: Path, *, xtb: bool
) -> Iterator[dict[str, Any]]:
    """Of one table: its means over the seeds, after each split."""
    inputs = computed_inputs(xtb=xtb, embedding=False)
    table, molecules, minutes = prepared(name, data, inputs)
    for split in splits:
        found = []
        for seed in seeds_of(split, seeds):
            found.append(measure(table, molecules, inputs, *parts(table, split, seed, data), seed))
            print(name, split, seed, f"RMSE {found[-1].rmse:.3f}", found[-1].by_kind, flush=True)
        made = _row(f"{name}, {split}", BARS.get((name, split), ""), SOURCES[name].unit, found)
        made["note"] += HOW_SPLIT.get(split, "")
        made["note"] += f"; GFN2-xTB took {minutes:.1f} minutes before" if xtb else ""
        yield made


def _row(what: str, bar: str, unit: str, found: Sequence[Found]) -> dict[str, Any]:
    figure = "MAE" if bar.startswith("MAE") else "RMSE"
    values = [one.mae if figure == "MAE" else one.rmse for one in found]
    alone = {kind: float(np.mean([one.by_kind[kind] for one in found])) for kind in KINDS}
    best = min(BASELINES, key=alone.__getitem__)
    beside = ", ".join(f"{kind} p = {significance(kind, found):.1g}" for kind in BASELINES)
    each = "folds" if "5-fold" in what else "seeds"
    note = (
        f"{len(found)} {each}, ± {np.std(values):.3f}; RMSE {np.mean([one.rmse for one in found]):.3f}, MAE "
        f"{np.mean([one.mae for one in found]):.3f}; {LEVEL:.0%} intervals hold "
        f"{np.mean([one.inside for one in found]):.1%}; best baseline: {best}, RMSE {alone[best]:.3f}; "
        f"paired tests: {beside}; {np.mean([one.minutes for one in found]):.1f} minutes of training"
    )
    value = round(float(np.mean(values)), 3)
    return {"what": f"{what}, test {figure}", "value": value, "unit": unit, "bar": bar, "note": note}


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--tables", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--xtb", action="store_true", help="let the models know what GFN2-xTB says")
    options = parser.parse_args()
    enable()
    for name in options.tables:
        splits = [split for split in options.splits if (name, split) in WANTED]
        command = f"python -m benchmarks.properties --tables {name} --splits {' '.join(splits)}"
        command += f" --seeds {' '.join(map(str, options.seeds))}" + options.xtb * " --xtb"
        title = f"Property models: {name}" + options.xtb * ", with GFN2-xTB"
        made = []
        for row in rows(name, splits, options.seeds, options.data, xtb=options.xtb):
            made.append(row)
            record(f"properties-{name}" + options.xtb * "-xtb", made, command, title=title)


if __name__ == "__main__":
    main()
