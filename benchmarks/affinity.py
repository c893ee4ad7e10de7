"""Binding affinity on four targets of the protein-ligand benchmark.

    python -m benchmarks.affinity --data ../shared/data/affinity --parts poses series

`poses` trains on the poses of three targets and ranks the ligands of the fourth, beside scores that know
nothing of the protein; `series` learns the ligands of each target from each other; `docking` docks ligands
into their own protein (needs `adiabat[docking]`) and compares with the given poses. The data are those of
Hahn et al. 2022, doi 10.33011/livecoms.4.1.1497.
"""

import argparse
import re
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from adiabat.properties import Standardizer
from adiabat.properties.affinity import (
    Known,
    Ligand,
    Ordering,
    Protein,
    Series,
    compare_orderings,
    fit_affinity_model,
    judge_series,
    make_complexes,
    mean_kendall,
    ordering,
    read_ligands,
    read_protein,
    save_affinity_model,
)
from adiabat.properties.affinity.model import BOTH, OWN
from adiabat.properties.affinity.nulls import NULLS
from adiabat.properties.affinity.own_series import MODEL
from adiabat.properties.affinity.values import known_of
from benchmarks.record import record

TARGETS = ("tyk2", "thrombin", "p38", "mcl1")
# Kendall's tau of others, as in notes on published free energies (JACS set; other choices of ligands).
PUBLISHED = {
    "tyk2": "MM-GBSA 0.78, OpenFE 0.68, FEP+ 0.81",
    "thrombin": "MM-GBSA 0.71, OpenFE 0.45, FEP+ 0.64",
    "p38": "MM-GBSA 0.36, OpenFE 0.31, FEP+ 0.54",
    "mcl1": "MM-GBSA 0.41, OpenFE 0.51, FEP+ 0.52",
}
# Ligands of the crystal structures 4GIH, 2ZFF, 3FLY and 4HW3, of which the titles name the first and third.
CRYSTALS = ("tyk2/lig_ejm_46", "thrombin/lig_5", "p38/lig_p38a_3fly", "mcl1/lig_60")
_ENTRY = re.compile(r"^(\S[^:]*):\s*$")
_FIELD = re.compile(r"^ {4}(type|unit|value):\s*(.+?)\s*$")
_TYPES = {"pic50": "pIC50", "pki": "pKi"}
_UNITS = {"kilojoules / mole": "kJ/mol", "kilocalories / mole": "kcal/mol"}


def measured(path: Path) -> Known:
    """The affinities in a file `ligands.yml`, of which these are the only lines that matter."""
    found: dict[str, dict[str, str]] = {}
    name = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if entry := _ENTRY.match(line):
            name = entry[1]
        elif part := _FIELD.match(line):
            found.setdefault(name, {}).setdefault(part[1], part[2])
    units = [
        _TYPES.get(one["type"], _UNITS.get(one.get("unit", ""), one.get("unit", "")))
        for one in found.values()
    ]
    return known_of(list(found), [one["value"] for one in found.values()], units, str(path))


def case(data: Path, target: str) -> tuple[Protein, list[Ligand], Known]:
    """Protein, ligands and affinities of a target."""
    folder = data / target
    ligands, rejected = read_ligands(folder / "02_ligands" / "ligands.sdf")
    for one in rejected:
        print(target, one.text, one.reason)
    return (
        read_protein(folder / "01_protein" / "crd" / "protein.pdb"),
        ligands,
        measured(folder / "00_data" / "ligands.yml"),
    )


def poses(data: Path, model: Path) -> list[dict[str, Any]]:
    """Each target ranked by models of the other three."""
    series = []
    for target in TARGETS:
        protein, ligands, known = case(data, target)
        complexes, _, _ = make_complexes(protein, ligands)
        values = known.of([one.ligand.name for one in complexes])
        kept = np.flatnonzero(~np.isnan(values))
        series.append(Series(target, tuple(complexes[k] for k in kept), values[kept]))
    begin = time.monotonic()
    fitted, left_out = fit_affinity_model(series)
    save_affinity_model(model, fitted)
    seconds = time.monotonic() - begin
    values = [one.values for one in series]
    orders = {name: [ordering(one) for one in scores] for name, scores in left_out.scores.items()}
    rows = []
    for name, those in orders.items():
        for target, truth, order in zip(TARGETS, values, those, strict=True):
            published = PUBLISHED[target] if name == BOTH else ""
            rows.append(_row(f"{target} left out, tau, {name}", [truth], [order], published))
        rows.append(_row(f"mean of the four, tau, {name}", values, those))
    rows[0]["note"] += f"; all fits took {seconds:.0f} s"
    for ours in OWN:
        rows += [_compared(f"left out: tau of {ours} less that of {null}", values, orders[ours], orders[null])
                 for null in NULLS]  # fmt: skip
    return rows


def series_alone(data: Path) -> list[dict[str, Any]]:
    """The ligands of each target learned from each other."""
    rows, values, orders = [], [], {}
    standardize = Standardizer()
    for target in TARGETS:
        _, ligands, known = case(data, target)
        kept = [one for one in ligands if one.name in known.values]
        test = judge_series([standardize(one.smiles) for one in kept], known.of([one.name for one in kept]))
        values.append(test.values)
        for name, order in test.orders.items():
            orders.setdefault(name, []).append(order)
            rows.append(_row(f"{target}, own series, tau, {name}", [test.values], [order]))
    rows += [
        _row(f"mean of the four, own series, tau, {name}", values, those) for name, those in orders.items()
    ]
    return rows + [
        _compared(f"own series: tau of {MODEL} less that of {null}", values, orders[MODEL], orders[null])
        for null in NULLS
        if null in orders
    ]


def docking(data: Path, model: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Ligands docked into their own protein, named as target/ligand."""
    from adiabat.tasks.affinity_dock import dock_affinity, summary_of

    made = []
    begin = time.monotonic()
    for name in names:
        target, ligand = name.split("/")
        folder = data / target
        with TemporaryDirectory() as work:
            one = next(one for one in case(data, target)[1] if one.name == ligand)
            asked = Path(work) / "ligand.smi"
            asked.write_text(f"{one.smiles} {ligand}\n", encoding="utf-8")
            known = Path(work) / "known.sdf"
            _write_pose(known, one)
            found = dock_affinity(
                folder / "01_protein" / "crd" / "protein.pdb",
                asked,
                out=Path(work) / "run",
                around=known,
                reference=known,
                model=model if model.is_file() else None,
            )
        made += found.poses
        first = found.poses[0]
        print(name, f"{first.rmsd:.2f} Å, {first.energy:.1f} kcal/mol, {first.failed}", flush=True)
    summary = summary_of(made, 0)
    note = f"{', '.join(names)}; {(time.monotonic() - begin) / len(names):.0f} s each"
    rows = [
        {
            "what": f"redocked within 2 Å, {name}",
            "value": round(one["share"], 2),
            "unit": "share",
            "note": f"95 % interval {one['lower']:.2f} to {one['upper']:.2f} (Wilson), "
            f"median {one['median_rmsd']:.2f} Å; {note}",
        }
        for name, one in summary["redocked"].items()
    ]
    share = round(summary["passes_all_checks"], 2)
    return [
        *rows,
        {"what": "first poses that pass all checks", "value": share, "unit": "share", "note": note},
    ]


def _write_pose(path: Path, ligand: Ligand) -> None:
    from rdkit import Chem

    mol = Chem.AddHs(ligand.mol, addCoords=True)
    mol.SetProp("_Name", ligand.name)
    with Chem.SDWriter(str(path)) as writer:
        writer.write(mol)


def _row(
    what: str, values: Sequence[np.ndarray], orders: Sequence[Ordering], published: str = ""
) -> dict[str, Any]:
    tau = mean_kendall(values, orders)
    note = f"95 % interval {tau.lower:.2f} to {tau.upper:.2f}; {sum(map(len, values))} ligands"
    row = {"what": what, "value": round(tau.value, 2), "note": note}
    return row | ({"published": published} if published else {})


def _compared(
    what: str, values: Sequence[np.ndarray], one: Sequence[Ordering], other: Sequence[Ordering]
) -> dict[str, Any]:
    found = compare_orderings(values, one, other)
    note = f"95 % interval {found.lower:.2f} to {found.upper:.2f}, p {found.p_value:.2g}, paired bootstrap"
    return {"what": what, "value": round(found.value, 2), "note": note}


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/affinity"), help="where the cases are"
    )
    parser.add_argument(
        "--parts", nargs="+", choices=("poses", "series", "docking"), default=["poses", "series"]
    )
    parser.add_argument(
        "--model", type=Path, default=Path("affinity.safetensors"), help="that `poses` writes"
    )
    parser.add_argument("--redock", nargs="+", default=list(CRYSTALS), metavar="TARGET/LIGAND")
    options = parser.parse_args()
    ways = {
        "poses": lambda: poses(options.data, options.model),
        "series": lambda: series_alone(options.data),
        "docking": lambda: docking(options.data, options.model, options.redock),
    }
    titles = {
        "poses": "Binding affinity from poses, each target left out",
        "series": "Binding affinity from the ligands of the same series",
        "docking": "Docking known poses again",
    }
    for part in options.parts:
        rows = ways[part]()
        for row in rows:
            print(row["what"], row["value"], row.get("note", ""), flush=True)
        record(f"affinity-{part}", rows, f"python -m benchmarks.affinity --parts {part}", title=titles[part])


if __name__ == "__main__":
    main()
