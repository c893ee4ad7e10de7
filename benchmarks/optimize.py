"""How few evaluations it takes to improve molecules, and to find one in a library.

    python -m benchmarks.optimize --data ../shared/data

- Rediscovery (GuacaMol: Brown et al. 2019, doi 10.1021/acs.jcim.8b00839): evaluations until the Tanimoto
  similarity of ECFC4 counts to celecoxib and to troglitazone is 1.0, with the surrogate, and without it: then
  it is a graph-based genetic algorithm with a population of 100 and 200 children a generation. The start are
  the 100 most similar of MoleculeNet's and AqSolDB's molecules, after those with a similarity above 0.323 are
  taken away, as GuacaMol does with ChEMBL. Its own figure of the graph GA is 1.0 for both.
- A planted optimum: evaluations until the best of 10,000 molecules of these sets by a hidden function is
  found. Random search needs 5,000 on average.
- Two objectives: solubility by Delaney's equation (2004, doi 10.1021/ci034243x) and similarity to an
  inhibitor of BACE, from 20 molecules; hypervolume of the front after 200 evaluations, beside random edits
  and the genetic algorithm.

Measurements that are in `--out` already are taken as they are.
"""

import argparse
import csv
import json
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, DataStructs, RDLogger
from rdkit.Chem import Crippen, Descriptors, rdFingerprintGenerator, rdMolDescriptors

from adiabat.base import AdiabatError
from adiabat.properties import Standardizer
from adiabat.properties.optimize import (
    Limits,
    Objective,
    Optimization,
    Search,
    choose_molecules,
    optimize_molecules,
)
from adiabat.properties.optimize.edits import Editor
from adiabat.properties.ranking import hypervolume, pareto_front
from benchmarks.record import record

FILES = {
    "moleculenet/lipo.csv": "smiles",
    "moleculenet/bace.csv": "mol",
    "moleculenet/bbbp.csv": "smiles",
    "moleculenet/delaney.csv": "smiles",
    "moleculenet/freesolv.csv": "smiles",
    "aqsoldb/results_data_curated.csv": "SMILES",
}
TARGETS = {
    "celecoxib": "CC1=CC=C(C=C1)C1=CC(=NN1C1=CC=C(C=C1)S(N)(=O)=O)C(F)(F)F",
    "troglitazone": "Cc1c(C)c2OC(C)(COc3ccc(CC4SC(=O)NC4=O)cc3)CCc2c(C)c1O",
}
HELD_OUT = 0.323
MOST_ATOMS = 50
ELEMENTS = {1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 35, 53}
WAYS = {
    "with the surrogate": Search(evaluations=2000),
    "genetic algorithm": Search(evaluations=3000, surrogate=False, batch=200, pressure=1.0, alike=1.0),
}
PLANTED = "CCN(CC)C(=O)c1ccc(Cl)cc1"
LIBRARY = 10_000
ACTIVE = "O1CC[C@@H](NC(=O)[C@@H](Cc2cc3cc(ccc3nc2N)-c2ccccc2C)C)CC1(C)C"
FRONT_EVALUATIONS, FRONT_START, REFERENCE = 200, 20, np.array([-10.0, 0.0])
Value = Callable[[Chem.Mol], float]
GENERATOR = rdFingerprintGenerator.GetMorganGenerator(2)


def molecules(data: Path, out: Path) -> list[str]:
    """All of the sets, standardized; kept in `out`."""
    kept = out / "molecules.json"
    if not kept.exists():
        found = dict.fromkeys(text for name, column in FILES.items() for text in _read(data / name, column))
        kept.write_text(json.dumps(list(found)), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))


def _read(path: Path, column: str) -> Iterator[str]:
    standardize = Standardizer()
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                text = standardize(row[column])
            except AdiabatError:
                continue
            mol = Chem.MolFromSmiles(text)
            if (
                mol.GetNumHeavyAtoms() <= MOST_ATOMS
                and {a.GetAtomicNum() for a in mol.GetAtoms()} <= ELEMENTS
            ):
                yield text


def similarity(target: str) -> Value:
    """Tanimoto's coefficient of ECFC4 counts, not hashed."""
    wanted = GENERATOR.GetSparseCountFingerprint(Chem.MolFromSmiles(target))
    return lambda mol: DataStructs.TanimotoSimilarity(wanted, GENERATOR.GetSparseCountFingerprint(mol))


def logp(mol: Chem.Mol) -> float:
    """By Crippen's atoms."""
    return Crippen.MolLogP(mol)  # pyright: ignore[reportAttributeAccessIssue]


def solubility(mol: Chem.Mol) -> float:
    """log10 of mol/L, by Delaney's equation."""
    aromatic = sum(atom.GetIsAromatic() for atom in mol.GetAtoms()) / mol.GetNumHeavyAtoms()
    rotatable = rdMolDescriptors.CalcNumRotatableBonds(mol)
    weight = Descriptors.MolWt(mol)  # pyright: ignore[reportAttributeAccessIssue]
    return 0.16 - 0.63 * logp(mol) - 0.0062 * weight + 0.066 * rotatable - 0.74 * aromatic


def scores(*values: Value) -> Callable[[list[str]], tuple[np.ndarray, np.ndarray]]:
    """What the search asks for, without uncertainty."""

    def of(smiles: list[str]) -> tuple[np.ndarray, np.ndarray]:
        found = np.array([[value(mol) for value in values] for mol in map(Chem.MolFromSmiles, smiles)])
        return found, np.zeros_like(found)

    return of


def reached(state: Optimization) -> bool:
    return bool(np.nanmax(state.archive.mean) >= 1)


def rediscovery(pool: list[str], out: Path, target: str, way: str, seed: int) -> dict[str, Any]:
    """Evaluations until the target is found, and the highest similarity."""
    value = scores(similarity(TARGETS[target]))
    alike = value(pool)[0][:, 0]
    order = [k for k in np.argsort(-alike, kind="stable") if alike[k] <= HELD_OUT][:100]
    found = optimize_molecules(
        [pool[k] for k in order],
        value,
        [Objective("similarity")],
        search=WAYS[way],
        until=reached,
        folder=out / f"{target}-{way.replace(' ', '-')}-{seed}",
        seed=seed,
    )
    # In a round its molecules are scored together: those behind the target are counted as well.
    return {"evaluations": len(found.archive), "best": float(found.archive.mean.max())}


def planted(pool: list[str], seed: int) -> dict[str, Any]:
    """Evaluations until the best of a library is found."""
    random = np.random.default_rng(1000 + seed)
    library = [pool[k] for k in np.sort(random.permutation(len(pool))[:LIBRARY])]
    alike = similarity(PLANTED)
    hidden = scores(lambda mol: alike(mol) - 0.05 * abs(logp(mol) - 2.5))
    best = library[int(np.argmax(hidden(library)[0]))]
    found = choose_molecules(
        library,
        hidden,
        [Objective("hidden")],
        search=Search(evaluations=LIBRARY // 10, batch=20),
        until=lambda state: best in state.archive,
        seed=seed,
    )
    return {"evaluations": len(found.archive), "found": best in found.archive}


def front(pool: list[str], way: str, seed: int) -> dict[str, Any]:
    """Hypervolume of solubility and similarity to an inhibitor after a number of evaluations."""
    random = np.random.default_rng(2000 + seed)
    alike = similarity(ACTIVE)
    start: list[str] = []
    for k in random.permutation(len(pool)):
        mol = Chem.MolFromSmiles(pool[k])
        if 15 <= mol.GetNumHeavyAtoms() <= 30 and alike(mol) <= HELD_OUT:
            start.append(pool[k])
        if len(start) == FRONT_START:
            break
    value = scores(solubility, alike)
    if way == "random edits":
        values = value(random_edits(start, FRONT_EVALUATIONS, seed))[0]
    else:
        objectives = [Objective("logS"), Objective("similarity")]
        search = Search(
            evaluations=FRONT_EVALUATIONS,
            first=FRONT_START,
            surrogate=way == "with the surrogate",
            batch=10 if way == "with the surrogate" else 40,
            alike=0.7 if way == "with the surrogate" else 1.0,
        )
        values = optimize_molecules(start, value, objectives, search=search, seed=seed).archive.mean
    best = values[pareto_front(values)]
    return {"hypervolume": hypervolume(best, REFERENCE), "front": np.round(best, 4).tolist()}


def random_edits(start: list[str], count: int, seed: int, limits: Limits | None = None) -> list[str]:
    """The start, and children of any of the molecules so far that keep the limits."""
    random, editor, reason, standardize = (
        np.random.default_rng(seed),
        Editor(),
        (limits or Limits()).of(start),
        Standardizer(),
    )
    found = dict.fromkeys(start)
    while len(found) < count:
        names = list(found)
        child = editor.child(names, np.ones(len(names)), random)
        if child is None or reason(Chem.MolFromSmiles(child.smiles)):
            continue
        try:
            found.setdefault(standardize(child.smiles))
        except AdiabatError:
            continue
    return list(found)


class Kept:
    """Measurements in a file, a line each; those that are there are not made again."""

    def __init__(self, path: Path):
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.found = {entry["name"]: entry["value"] for entry in map(json.loads, lines)}

    def get(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The measurement of that name."""
        if name not in self.found:
            self.found[name] = measure()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"name": name, "value": self.found[name]}) + "\n")
            print(name, {key: value for key, value in self.found[name].items() if key != "front"}, flush=True)
        return self.found[name]


def repeated(
    kept: Kept, name: str, seeds: range, measure: Callable[[int], dict[str, Any]]
) -> list[dict[str, Any]]:
    """The measurement with each seed."""
    return [kept.get(f"{name}, seed {seed}", partial(measure, seed)) for seed in seeds]


def rediscovery_rows(pool: list[str], kept: Kept, seeds: range) -> Iterator[dict[str, Any]]:
    for target, way in product(TARGETS, WAYS):
        found = repeated(
            kept, f"{target}, {way}", seeds, partial(rediscovery, pool, kept.path.parent, target, way)
        )
        each = ", ".join(f"{one['evaluations']} ({one['best']:.3f})" for one in found)
        row = {"what": f"{target}, {way}: evaluations, median", "note": f"each (best similarity): {each}"}
        yield row | {"value": float(np.median([one["evaluations"] for one in found]))}
        lowest = {"what": f"{target}, {way}: lowest of the best similarities", "bar": "1.0", "published": 1.0}
        yield lowest | {"value": min(one["best"] for one in found)}


def planted_rows(pool: list[str], kept: Kept, seeds: range) -> Iterator[dict[str, Any]]:
    found = repeated(kept, "planted", seeds, partial(planted, pool))
    each = ", ".join(f"{one['evaluations']}" + "" if one["found"] else " not found" for one in found)
    row = {
        "what": "best of 10,000: evaluations, median",
        "bar": "<= 500",
        "note": f"each: {each}; random 5,000",
    }
    yield row | {"value": float(np.median([one["evaluations"] for one in found]))}


def front_rows(pool: list[str], kept: Kept, seeds: range) -> Iterator[dict[str, Any]]:
    fronts = {}
    for way in ("with the surrogate", "genetic algorithm", "random edits"):
        found = repeated(kept, f"front, {way}", seeds, partial(front, pool, way))
        fronts[way] = [np.array(one["front"]) for one in found]
        each = ", ".join(f"{one['hypervolume']:.3f}" for one in found)
        row = {
            "what": f"two objectives, {way}: hypervolume, mean",
            "unit": "log units",
            "note": f"each: {each}",
        }
        yield row | {"value": float(np.mean([one["hypervolume"] for one in found]))}
    first, *others = fronts
    for way in others:
        shares = [dominated(a, b) for a, b in zip(fronts[way], fronts[first], strict=True)]
        row = {"what": f"share of the front of {way} that the surrogate's dominates", "unit": "%"}
        yield row | {
            "value": 100 * float(np.mean(shares)),
            "note": "each: " + ", ".join(f"{s:.0%}" for s in shares),
        }


def dominated(ones: np.ndarray, others: np.ndarray) -> float:
    """The share of points, shape (n, n_objectives), that some of the others are better than in everything."""
    return float(np.mean([(others > one).all(axis=1).any() for one in ones]))


PARTS = {"rediscovery": rediscovery_rows, "planted": planted_rows, "front": front_rows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder with moleculenet and aqsoldb")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="for measurements; a temporary one by default")
    options = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")  # pyright: ignore[reportAttributeAccessIssue]
    out = options.out or Path(tempfile.mkdtemp())
    out.mkdir(parents=True, exist_ok=True)
    pool, kept = molecules(options.data, out), Kept(out / "measurements.jsonl")
    made = [row for part in options.parts for row in PARTS[part](pool, kept, range(options.seeds))]
    record(
        "optimize", made, "python -m benchmarks.optimize --data ../shared/data", title="Improving molecules"
    )


if __name__ == "__main__":
    main()
