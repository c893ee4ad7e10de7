"""Whether pre-trained weights, or what GFN2-xTB says of molecules, help graph networks.

    python -m benchmarks.pretraining --data ../shared/data --tables freesolv esol --starts scratch general

Only molecules that are in no test part of `benchmarks.property_kinds` are looked at; the figure is the error
of one member for each fold on the molecules that it left out, with folds at random or of whole scaffolds.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import AdiabatError
from adiabat.properties import Standardizer, Table, curate, read_table
from adiabat.properties.graph_network import GraphEnsemble
from adiabat.properties.graph_training import Recipe
from adiabat.properties.inputs import computed_inputs, encode, with_molecules
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import Labels
from adiabat.properties.pretrained import SCRATCH, load_pretrained
from adiabat.properties.splits import scaffolds
from benchmarks.property_kinds import FOLDS, SOURCES, parts
from benchmarks.record import record

TESTED = 3  # seeds of the splits
MOST = 1000  # of a table, taken at random


def untested(name: str, data: Path, *, xtb: bool) -> tuple[Table, Molecules]:
    """The molecules of a table that no test part holds."""
    source = SOURCES[name]
    table = read_table(data / source.file, smiles=source.smiles, targets=[source.target])
    table = curate(table, Standardizer()).table
    splits = ("random", "scaffold", *(["official"] if name == "esol" else []))
    tested = {
        row
        for split in splits
        for seed in range(TESTED)
        for row in parts(table, split, seed, data)[1].tolist()
    }
    rows = np.array(sorted(set(range(len(table))) - tested))
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:MOST])
    if xtb:
        known = {row: found for row in rows if (found := _xtb(table.smiles[row])) is not None}
        table = table.taken(np.array(list(known)))
        return table, Molecules(table.smiles, np.concatenate(list(known.values())))
    table = table.taken(rows)
    return table, Molecules(table.smiles)


def _xtb(smiles: str) -> np.ndarray | None:
    asked = computed_inputs(xtb=True, embedding=False)
    try:
        return encode(asked, with_molecules(asked, {}, [smiles]), 1)
    except AdiabatError:
        return None


def folds_of(smiles: Sequence[str], kind: str, seed: int) -> np.ndarray:
    """Equally large, at random or of whole scaffolds."""
    random = np.random.default_rng(seed)
    if kind == "random":
        return random.permutation(len(smiles)) % FOLDS
    _, which = np.unique(scaffolds(smiles), return_inverse=True)
    counts, filled = np.bincount(which), np.zeros(FOLDS)
    fold = np.zeros(len(counts), int)
    order = random.permutation(len(counts))
    for k in order[np.argsort(-counts[order], kind="stable")]:
        fold[k] = filled.argmin()
        filled[fold[k]] += counts[k]
    return fold[which]


def left_out(table: Table, molecules: Molecules, kind: str, start: str, recipe: Recipe, seed: int) -> float:
    """The error on molecules left out, in the unit of the table."""
    center, scale = table.values.mean(), table.values.std()
    labels = Labels((table.values - center) / scale, table.limits, np.zeros(1, bool))
    messages = None if start == SCRATCH else load_pretrained(start).messages
    folds = folds_of(table.smiles, kind, seed)
    _, found = GraphEnsemble.fit(molecules, labels, folds, seed, recipe=recipe, start=messages)
    return float(scale * np.sqrt(np.mean((found.mean - labels.values) ** 2)))


def rows(name: str, options: argparse.Namespace, recipe: Recipe) -> list[dict[str, Any]]:
    """Of one table: means over the seeds for each kind of folds and each start."""
    table, molecules = untested(name, options.data, xtb=options.xtb)
    made = []
    for kind in options.folds:
        for start in options.starts:
            begin = time.process_time()
            found = [left_out(table, molecules, kind, start, recipe, seed) for seed in options.seeds]
            seconds = (time.process_time() - begin) / len(found)
            what = f"{name}, {kind} folds, {start}{', GFN2-xTB' if options.xtb else ''}: RMSE left out"
            note = (
                f"{len(table)} molecules; {len(found)} seeds, ± {np.std(found):.3f}; {seconds:.0f} s of CPU"
            )
            print(what, f"{np.mean(found):.4f}", note, flush=True)
            value = round(float(np.mean(found)), 3)
            made.append({"what": what, "value": value, "unit": SOURCES[name].unit, "bar": "", "note": note})
    return made


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--tables", nargs="+", choices=list(SOURCES), default=["freesolv", "esol"])
    parser.add_argument("--folds", nargs="+", choices=("random", "scaffold"), default=["random", "scaffold"])
    parser.add_argument("--starts", nargs="+", default=["scratch", "general"], help="or files")
    parser.add_argument("--xtb", action="store_true", help="give the networks what GFN2-xTB says")
    parser.add_argument(
        "--rate", type=float, default=Recipe().learning_rate, help="the largest learning rate"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    recipe = Recipe(per_fold=1, learning_rate=options.rate)
    made = [row for name in options.tables for row in rows(name, options, recipe)]
    seeds = " ".join(map(str, options.seeds))
    command = (
        f"python -m benchmarks.pretraining --tables {' '.join(options.tables)} "
        f"--folds {' '.join(options.folds)} --starts {' '.join(options.starts)} "
        f"--rate {options.rate:g} --seeds {seeds}{' --xtb' if options.xtb else ''}"
    )
    name = "pretraining-xtb" if options.xtb else "pretraining"
    record(name, made, command, title="Graph networks with pre-trained weights")


if __name__ == "__main__":
    main()
