"""Whether explanations find what was planted.

    python -m benchmarks.explanations --data ../shared/data --out /tmp/explanations

Values of a rule (so much for each amide, halogen, sulfonyl, ether and hydroxyl group, and noise) are given to
drug-like molecules of MoleculeNet's Lipophilicity; each kind of model learns them by itself. What atoms and
fragments bring to its predictions of other molecules is compared with the atoms of the groups, and with the
fragments at least half of which are such atoms: the area under the ROC curve within a molecule, of groups
that raise the value by contributions, of groups that lower it by their negatives, as the mean over molecules.
Also how far contributions are from adding up, and the time for one molecule. `--weak` varies how much a model
has to learn from, and puts R² on other molecules beside the area. What is in `--out` is taken as it is.
"""

import argparse
import csv
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem

from adiabat.base import AdiabatError
from adiabat.explain import explain
from adiabat.properties import Standardizer, Table
from adiabat.properties.evaluate import area_under_roc
from adiabat.properties.model import fit_property_model
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import predictors
from adiabat.properties.targets import find_targets, labels_of
from benchmarks.record import record

# SMARTS, and what a group is worth.
GROUPS = {
    "amide": ("[CX3](=[OX1])[NX3]", 2.0),
    "halogen": ("[F,Cl,Br]", 1.0),
    "sulfonyl": ("S(=O)(=O)", 1.5),
    "ether": ("[OX2;!R;H0]([#6;!$(C=O)])[#6;!$(C=O)]", -1.0),
    "hydroxyl": ("[OX2H;!$(OC=O)]", -1.5),
}
NOISE = 0.1
KINDS = ("forest", "boosting", "gaussian-process", "multi-kernel", "graph", "additive")
TRAINING, TESTED = 300, 60
BAR = 0.95


def molecules(data: Path) -> list[str]:
    """Standardized, each once."""
    standardize, found = Standardizer(), []
    with (data / "moleculenet" / "lipo.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                found.append(standardize(row["smiles"]))
            except AdiabatError:
                continue
    return list(dict.fromkeys(found))


def planted(smiles: str) -> tuple[float, dict[int, np.ndarray]]:
    """The value of the rule, and for 1 and -1 which atoms raise and lower it, shape (n_atoms,)."""
    mol = Chem.MolFromSmiles(smiles)
    value, atoms = 0.0, {sign: np.zeros(mol.GetNumAtoms(), bool) for sign in (1, -1)}
    for pattern, worth in GROUPS.values():
        for match in mol.GetSubstructMatches(Chem.MolFromSmarts(pattern)):
            value += worth
            atoms[1 if worth > 0 else -1][list(match)] = True
    return value, atoms


def areas(values: np.ndarray, atoms: Mapping[int, np.ndarray]) -> Iterator[float]:
    """Of groups that raise and of groups that lower the value, where there are some and other atoms too."""
    for sign, inside in atoms.items():
        if inside.any() and not inside.all():
            yield area_under_roc(inside.astype(float), sign * values)


def _mostly(fragment: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Fragments of which at least half the atoms are inside, shape (n_fragments,)."""
    return np.bincount(fragment, inside) >= 0.5 * np.bincount(fragment)


def measure(kind: str, names: list[str], seed: int, training: int = TRAINING) -> dict[str, Any]:
    """Areas, R², the largest residual and the time [s] of one kind, trained on some of the molecules."""
    random = np.random.default_rng(seed)
    chosen = [names[k] for k in random.permutation(len(names))[: training + TESTED]]
    rules = [planted(name) for name in chosen]
    values = np.array([[value] for value, _ in rules]) + NOISE * random.normal(size=(len(chosen), 1))
    everything = Molecules(tuple(chosen))
    table = Table(
        tuple(chosen), np.arange(len(chosen)), ("planted",), values, np.zeros(values.shape, np.int8)
    )
    known, others = np.arange(training), np.arange(training, len(chosen))
    table, known_molecules = table.taken(known), everything.taken(known)
    # Two folds are enough for trees: of a single kind the weight is one, whatever is left out.
    folds = np.arange(training) % (2 if kind in ("forest", "boosting") else 5)
    labels = labels_of(table, find_targets(table))
    fitted = {kind: predictors.get(kind).fit(known_molecules, labels, folds, seed)}
    model, _ = fit_property_model(table, known_molecules, kinds=[kind], seed=seed, fitted=fitted)
    asked = everything.taken(others)
    said, true = model.predict(asked).values[:, 0], values[others, 0]
    by_atoms, by_fragments, residuals, seconds = [], [], [], []
    explain(model, asked, 0)  # compiles
    for row, (_, atoms) in enumerate(rules[training:]):
        start = time.perf_counter()
        found = explain(model, asked, row)
        seconds.append(time.perf_counter() - start)
        by_atoms += areas(found.atoms[:, 0], atoms)
        held = {sign: _mostly(found.fragment, inside) for sign, inside in atoms.items()}
        by_fragments += areas(found.fragments[:, 0], held)
        residuals.append(float(np.abs(found.residuals).max()) / model.targets[0].scale)
    return {
        "r2": float(1 - ((said - true) ** 2).sum() / ((true - true.mean()) ** 2).sum()),
        "atoms": float(np.mean(by_atoms)),
        "fragments": float(np.mean(by_fragments)),
        "compared": len(by_atoms),
        "residual": max(residuals),
        "seconds": float(np.median(seconds)),
    }


def kept(out: Path, name: str, measured: Any) -> dict[str, Any]:
    """What a file in `out` says, or what is measured now."""
    path = out / f"{name}.json"
    if not path.exists():
        path.write_text(json.dumps(measured()), encoding="utf-8")
        print(name, path.read_text(encoding="utf-8"), flush=True)
    return json.loads(path.read_text(encoding="utf-8"))


def rows_of(kind: str, found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """For the table."""

    def spread(key: str) -> str:
        values = [one[key] for one in found]
        ends = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
        return f"{np.mean(values):.3f}{ends}"

    note = f"seeds: {len(found)}; {found[0]['compared']} comparisons each, R² {spread('r2')}"
    for what in ("atoms", "fragments"):
        bar = f">= {BAR}" if what == "atoms" else ""
        yield {
            "what": f"{kind}: {what} of planted groups, AUROC",
            "value": spread(what),
            "bar": bar,
            "note": note,
        }
    worst = max(one["residual"] for one in found)
    yield {
        "what": f"{kind}: contributions add up to within",
        "value": f"{worst:.1e}",
        "unit": "spreads of the target",
        "bar": "<= 1e-4",
    }
    yield {
        "what": f"{kind}: one molecule",
        "value": round(np.median([o["seconds"] for o in found]), 2),
        "unit": "s",
    }


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="where measurements are kept")
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weak", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    names, rows = molecules(args.data), []
    for kind in args.kinds:
        found = [
            kept(args.out, f"{kind}-{seed}", lambda kind=kind, seed=seed: measure(kind, names, seed))
            for seed in range(args.seeds)
        ]
        rows += rows_of(kind, found)
    if args.weak:
        for count in (25, 50, 100):
            found = [
                kept(
                    args.out,
                    f"weak-{count}-{seed}",
                    lambda n=count, s=seed: measure("gaussian-process", names, s, n),
                )
                for seed in range(args.seeds)
            ]
            r2, area = (np.mean([one[key] for one in found]) for key in ("r2", "atoms"))
            rows.append(
                {
                    "what": f"gaussian-process from {count} molecules: atoms, AUROC",
                    "value": round(float(area), 3),
                    "note": f"R² {r2:.2f}",
                }
            )
    command = "python -m benchmarks.explanations --data ../shared/data --out /tmp/explanations --weak"
    record("explanations", rows, command, title="Explanations of property models")


if __name__ == "__main__":
    main()
