"""One kind of property model alone, on published tables.

    python -m benchmarks.property_kinds graph --data ../shared/data --tables esol freesolv --splits random

learns from training and validation of each split and is asked for its test. `official` is the split of the
chemprop paper (Heid et al. 2024, doi 10.1021/acs.jcim.3c01250), of ESOL only; with it the seeds are those of
the training. `5-fold` tests each molecule once, in one of five parts at random, which stand for the seeds.
The others are `adiabat.properties.split_molecules`: `scaffold` is dealt out at random for each seed, as by
chemprop's scaffold_balanced. The bars of ESOL, FreeSolv and Lipophilicity by scaffold come from figures of
MUBen (Li et al., arXiv 2306.10060), which has one fixed split by scaffold of each.
"""

import argparse
import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adiabat.properties import Standardizer, Table, curate, read_table, split_molecules
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import Labels, predictors
from adiabat.properties.targets import folds_of
from benchmarks.record import record

FOLDS = 5
SPLITS = ("official", "random", "5-fold", "scaffold")
# Said of figures by scaffold: published ones beside them are often of another split.
HOW_SPLIT = {
    "scaffold": "; Bemis-Murcko scaffolds dealt out at random for each seed as by chemprop's "
    "scaffold_balanced, not sorted by size as by DeepChem"
}


class Source(NamedTuple):
    """A table: its file, columns and unit."""

    file: str
    smiles: str
    target: str
    unit: str


class Found(NamedTuple):
    """Errors in the unit of the table, and how long it took [s]."""

    rmse: float
    mae: float
    left_out: float
    fitting: float
    predicting: float


SOURCES = {
    "esol": Source("moleculenet/delaney.csv", "smiles", "logp", "log mol/L"),
    "freesolv": Source("moleculenet/freesolv.csv", "smiles", "freesolv", "kcal/mol"),
    "lipophilicity": Source("moleculenet/lipo.csv", "smiles", "lipo", "log D"),
    "aqsoldb": Source("aqsoldb/results_data_curated.csv", "SMILES", "Solubility", "log mol/L"),
    "pdbbind": Source("moleculenet/pdbbind_refined.csv", "smiles", "-logKd/Ki", "pK"),
}
BARS = {
    ("esol", "official"): "RMSE <= 0.65",
    ("esol", "random"): "RMSE <= 0.65",
    ("esol", "5-fold"): "RMSE <= 0.65",
    ("esol", "scaffold"): "RMSE <= 0.87",
    ("freesolv", "random"): "RMSE <= 1.0",
    ("freesolv", "scaffold"): "RMSE <= 1.9",
    ("lipophilicity", "random"): "RMSE <= 0.58",
    ("lipophilicity", "scaffold"): "RMSE <= 0.68",
    ("aqsoldb", "scaffold"): "MAE <= 0.78",
    ("pdbbind", "random"): "better than each baseline, p < 0.05",
}


def parts(table: Table, split: str, seed: int, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the molecules to learn from and to test with; of `5-fold` the seed says which part."""
    if split == "5-fold":
        tested = folds_of(table.smiles, seed=0) == seed
        return np.flatnonzero(~tested), np.flatnonzero(tested)
    if split == "official":
        standardize = Standardizer()
        with (data / "esol_splits" / "esol" / "test_full.csv").open(encoding="utf-8") as file:
            tested = {standardize(row["smiles"]) for row in csv.DictReader(file)}
        is_test = np.array([name in tested for name in table.smiles])
        return np.flatnonzero(~is_test), np.flatnonzero(is_test)
    found = split_molecules(table.smiles, split, seed=seed)  # pyright: ignore[reportArgumentType]
    return np.sort(np.concatenate([found.train, found.valid])), found.test


def seeds_of(split: str, seeds: Sequence[int]) -> Sequence[int]:
    """What `parts` is asked for with each split."""
    return range(FOLDS) if split == "5-fold" else seeds


def measure(
    kind: str, table: Table, molecules: Molecules, known: np.ndarray, test: np.ndarray, seed: int
) -> Found:
    """Fits to the known, asks for the test."""
    values = table.values
    center, scale = np.nanmean(values[known]), np.nanstd(values[known])
    labels = Labels((values - center) / scale, table.limits, np.zeros(1, bool))
    folds = np.random.default_rng(seed).permutation(len(known)) % FOLDS
    learned, asked = molecules.taken(known), molecules.taken(test)
    begin = time.monotonic()
    model, out = predictors.get(kind).fit(learned, labels.taken(known), folds, seed)
    fitted = time.monotonic()
    errors = scale * (model.predict(asked).mean - labels.values[test])
    done = time.monotonic()
    left_out = scale * (out.mean - labels.values[known])
    rmse = [float(np.sqrt(np.nanmean(found**2))) for found in (errors, left_out)]
    return Found(rmse[0], float(np.nanmean(np.abs(errors))), rmse[1], fitted - begin, done - fitted)


def rows(
    kind: str, name: str, splits: Sequence[str], seeds: Sequence[int], data: Path
) -> list[dict[str, Any]]:
    """Of one table: its means over the seeds."""
    source = SOURCES[name]
    table = read_table(data / source.file, smiles=source.smiles, targets=[source.target])
    table = curate(table, Standardizer()).table
    molecules = Molecules(table.smiles)
    _ = molecules.graphs, molecules.descriptors, molecules.counts
    made = []
    for split in splits:
        found = []
        for seed in seeds_of(split, seeds):
            found.append(measure(kind, table, molecules, *parts(table, split, seed, data), seed))
            print(
                name,
                split,
                seed,
                " ".join(f"{k} {v:.3f}" for k, v in found[-1]._asdict().items()),
                flush=True,
            )
        mean, spread = Found(*np.mean(found, axis=0)), np.std(found, axis=0)
        each = "folds" if split == "5-fold" else "seeds"
        note = (
            f"{len(found)} {each}, ± {spread[0]:.2f}; MAE {mean.mae:.3f}; molecules left out in training "
            f"{mean.left_out:.3f}; {mean.fitting:.0f} s of training{HOW_SPLIT.get(split, '')}"
        )
        what, bar = f"{name}, {split}, test RMSE", BARS.get((name, split), "")
        made.append(
            {"what": what, "value": round(mean.rmse, 3), "unit": source.unit, "bar": bar, "note": note}
        )
    return made


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=list(predictors.names()))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--tables", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=["random"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    made = []
    for name in options.tables:
        splits = [split for split in options.splits if split != "official" or name == "esol"]
        made += rows(options.kind, name, splits, options.seeds, options.data)
    command = (
        f"python -m benchmarks.property_kinds {options.kind} --tables {' '.join(options.tables)} "
        f"--splits {' '.join(options.splits)} --seeds {' '.join(map(str, options.seeds))}"
    )
    record(f"property-{options.kind}", made, command, title=f"Property models of the kind {options.kind}")


if __name__ == "__main__":
    main()
