"""Barriers and rate constants of reactions, learned from published tables.

    python -m benchmarks.reaction_barriers --data ../shared/data --quick

`e2sn2` (barriers of E2 and SN2 reactions) and `lograte` (log10 of rate constants of reactions in the gas
phase) come with the five folds of Heid and Green 2022 (doi 10.1021/acs.jcim.1c00975); training and validation
are learned together. `rdb7` (barriers of elementary reactions: Spiekermann et al. 2022,
doi 10.1038/s41597-022-01529-6) is split at random, and by the scaffold of the reactants, 90 to 10. Beside the
weighed model stands each kind alone. There is one result for each table, recorded after each split and,
of official folds, after each fold. `--maps` measures how often atom maps are found again that were taken
away, by their confidence, on a sample.
"""

import argparse
import csv
import io
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adiabat.base import DataError
from adiabat.properties import Curation, curate, read_table
from adiabat.properties.evaluate import coverage, mae
from adiabat.properties.model import fit_property_model
from adiabat.properties.reaction_smiles import ARROW
from adiabat.properties.reaction_splits import split_reactions
from adiabat.properties.reaction_standardizer import ReactionStandardizer, map_atoms
from adiabat.properties.reactions import Reactions
from adiabat.properties.reversible import fit_kind
from adiabat.properties.targets import find_targets, folds_of, labels_of
from adiabat.tasks.precision import enable
from benchmarks.property_kinds import HOW_SPLIT
from benchmarks.record import record


class Source(NamedTuple):
    """A table: its file, columns, unit, the file of its folds, the bar and what is published."""

    file: str
    reaction: str
    target: str
    unit: str
    folds: str
    bars: dict[str, str]
    published: dict[str, str]


_HEID = "e2sn2_lograte/data"
SOURCES = {
    "e2sn2": Source(
        f"{_HEID}/e2sn2.csv",
        "AAM",
        "ea",
        "kcal/mol",
        "e2sn2_lograte/data_splits/e2sn2.tar.gz",
        {"official": "MAE <= 2.7"},
        {"official": "2.6 (condensed graph of reaction, quoted)"},
    ),
    "lograte": Source(
        f"{_HEID}/lograte.csv",
        "AAM",
        "lograte",
        "log10 k",
        "e2sn2_lograte/data_splits/lograte.tar.gz",
        {"official": "MAE <= 0.45"},
        {"official": "0.41 (condensed graph of reaction, quoted)"},
    ),
    "rdb7": Source(
        "rdb7/rdb7/barriers/forward/data.csv",
        "smiles",
        "dE0",
        "kcal/mol",
        "",
        {"random": "MAE <= 4.5"},
        {"random": "4.35 (condensed graph of reaction)", "scaffold": "7.1 (condensed graph of reaction)"},
    ),
}
KINDS = ("mean", "nearest", "boosting", "gaussian-process", "graph")
CONFIDENCES = (0.0, 0.5, 0.8, 0.9)


class Found(NamedTuple):
    """Errors of the weighed model and of each kind, the share of values in 90 % intervals, and how long
    fitting took, by the clock and by the processor [s]."""

    errors: dict[str, float]
    covered: float
    fitting: float
    processor: float


def curated(source: Source, data: Path) -> Curation:
    """The reactions of a table, standardized."""
    table = read_table(
        data / source.file, smiles=source.reaction, targets=[source.target], units=[source.unit]
    )
    standardizer = ReactionStandardizer()
    return curate(table, standardizer, changes=standardizer.changes)


def parts(
    source: Source, reactions: Reactions, split: str, number: int, data: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the reactions to learn from and to test with."""
    if split == "official":
        tested = set(_tested(data / source.folds, number))
        is_test = np.array([text in tested for text in reactions.smiles])
        return np.flatnonzero(~is_test), np.flatnonzero(is_test)
    found = split_reactions(reactions, split, (0.9, 0.0, 0.1), number)
    return found.train, found.test


def _tested(archive: Path, fold: int) -> Iterator[str]:
    with tarfile.open(archive) as files:
        member = files.extractfile(f"{archive.name.split('.')[0]}/fold_{fold}/aam_test.csv")
        if member is None:
            raise DataError(f"{archive} has no fold {fold}")
        for row in csv.DictReader(io.TextIOWrapper(member, "utf-8")):
            yield ReactionStandardizer()(row["AAM"])


def measure(
    curation: Curation,
    reactions: Reactions,
    known: np.ndarray,
    test: np.ndarray,
    kinds: Sequence[str],
    seed: int,
) -> Found:
    """Fits to the known, asks for the test."""
    table = curation.table
    begin, worked = time.monotonic(), time.process_time()
    learned = reactions.taken(known)
    part = table.taken(known)
    labels = labels_of(part, find_targets(part))
    folds = folds_of(part.smiles, seed)
    fitted = {kind: fit_kind(kind, learned, labels, folds, seed) for kind in kinds}
    model, _ = fit_property_model(
        part, learned, kinds=kinds, standardizer=ReactionStandardizer(), seed=seed, fitted=fitted
    )
    seconds = time.monotonic() - begin, time.process_time() - worked
    asked = reactions.taken(test)
    said, true = model.predict(asked), table.values[test, 0]
    target = model.targets[0]
    errors = {"model": mae(true, said.values[:, 0])}
    for kind, (one, _) in fitted.items():
        errors[kind] = mae(true, target.center + target.scale * one.predict(asked).mean[:, 0])
    return Found(errors, coverage(true, said.lower[:, 0], said.upper[:, 0]), *seconds)


def rows(
    name: str,
    split: str,
    numbers: Sequence[int],
    kinds: Sequence[str],
    made: tuple[Curation, Reactions],
    data: Path,
) -> Iterator[dict[str, Any]]:
    """Of one table and split: means over its folds or seeds so far, after each of them."""
    found = []
    for number in numbers:
        found.append(measure(*made, *parts(SOURCES[name], made[1], split, number, data), kinds, number))
        print(name, split, number, found[-1], flush=True)
        yield _row(name, split, found)


def _row(name: str, split: str, found: Sequence[Found]) -> dict[str, Any]:
    source = SOURCES[name]
    errors = {kind: np.array([one.errors[kind] for one in found]) for kind in found[0].errors}
    counted = f"{len(found)} {'folds' if split == 'official' else 'seeds'}"
    beside = ", ".join(f"{kind} {values.mean():.2f}" for kind, values in errors.items() if kind != "model")
    note = (
        f"{counted}: {', '.join(f'{value:.2f}' for value in errors['model'])}; alone: {beside}; "
        f"90 % intervals hold {np.mean([one.covered for one in found]):.0%}; "
        f"{np.mean([one.fitting for one in found]):.0f} s of fitting, "
        f"{np.mean([one.processor for one in found]):.0f} s of processor{HOW_SPLIT.get(split, '')}"
    )
    return {
        "what": f"{name}, {split}, test MAE",
        "value": round(float(errors["model"].mean()), 3),
        "unit": source.unit,
        "bar": source.bars.get(split, ""),
        "published": source.published.get(split, ""),
        "note": note,
    }


def map_rows(name: str, data: Path, count: int) -> Iterator[dict[str, Any]]:
    """How often a map is found again, of those sure to at least so much."""
    source = SOURCES[name]
    table = read_table(data / source.file, smiles=source.reaction, targets=[source.target])
    sample = np.random.default_rng(0).choice(len(table), count, replace=False)
    found, refused = [], 0
    for k in sample:
        truth = ReactionStandardizer()(_written(table.smiles[k], mapped=True))
        try:
            own, confidence = map_atoms(_written(table.smiles[k], mapped=False))
        except DataError:
            refused += 1
            continue
        found.append((confidence, own == truth))
    sure, right = np.array(found, float).T
    for least in CONFIDENCES:
        chosen = sure >= least
        yield {
            "what": f"{name}, atom maps found again, confidence of {least} or more",
            "value": round(float(right[chosen].mean()), 3),
            "note": f"{chosen.sum()} of {count} reactions, of which {refused} cannot be mapped at all",
        }


def _written(reaction: str, *, mapped: bool) -> str:
    """With implicit hydrogens, and with or without the map numbers of heavy atoms."""
    from rdkit import Chem

    params = Chem.SmilesParserParams()
    params.removeHs = False
    texts = []
    for side in reaction.split(ARROW):
        mol = Chem.MolFromSmiles(side, params)
        for atom in mol.GetAtoms():
            if not mapped or atom.GetAtomicNum() == 1:
                atom.SetAtomMapNum(0)
        texts.append(Chem.MolToSmiles(Chem.RemoveHs(mol)))
    return ARROW.join(texts)


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the folder of `reactions`")
    parser.add_argument("--tables", nargs="*", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--folds", type=int, default=5, help="of the official ones")
    parser.add_argument("--seeds", type=int, default=1, help="of the other splits")
    parser.add_argument("--splits", nargs="+", default=["official", "random", "scaffold"])
    parser.add_argument("--maps", type=int, default=0, metavar="N", help="reactions to map anew")
    parser.add_argument("--quick", action="store_true", help="one fold, one seed")
    options = parser.parse_args()
    enable()
    data = options.data / "reactions"
    for name in options.tables:
        curation = curated(SOURCES[name], data)
        reactions = Reactions(curation.table.smiles)
        _ = reactions.graphs, reactions.counts, reactions.descriptors
        command = f"python -m benchmarks.reaction_barriers --tables {name}" + options.quick * " --quick"
        result, title = f"reaction-barriers-{name}", f"Barriers and rate constants of reactions: {name}"
        made: list[dict[str, Any]] = []
        for split in options.splits:
            if (split == "official") != bool(SOURCES[name].folds):
                continue
            count = 1 if options.quick else options.folds if split == "official" else options.seeds
            whole = made
            for row in rows(name, split, range(count), options.kinds, (curation, reactions), data):
                made = [*whole, row]
                record(result, made, command, title=title)
        if options.maps:
            made += map_rows(name, data, options.maps)
            record(result, made, f"{command} --maps {options.maps}", title=title)


if __name__ == "__main__":
    main()
