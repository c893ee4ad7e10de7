"""How many molecules a second a library goes through, and in how much memory.

    python -m benchmarks.screening --data ../shared/data --peers ../peers

The library: the molecules of MoleculeNet's and AqSolDB's tables that are one molecule, then pairs of them
joined by a single bond in place of one hydrogen each, up to 35 heavy atoms, at random. The model is the
graph ensemble of ESOL (ten members); the student learned from it what it says of 20,000 molecules. Times are
those of the whole task, from the file to the tables and the report, on as many processes as there are cores,
which start within it; the student's is that of the largest library. chemprop (Heid et al. 2024,
doi 10.1021/acs.jcim.3c01250) predicts the same molecules with as many members, in an environment of its own
with torch for the CPU.
"""

import argparse
import csv
import itertools
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, rdBase

from adiabat.tasks.property_distill import distill_property
from adiabat.tasks.property_train import train_property
from benchmarks.peer import run_peer
from benchmarks.record import record

TABLES = {
    "moleculenet/lipo.csv": "smiles",
    "moleculenet/bace.csv": "mol",
    "moleculenet/bbbp.csv": "smiles",
    "aqsoldb/results_data_curated.csv": "SMILES",
}
MOST_ATOMS, MEMBERS = 35, 10
# One screening in a process of its own; prints rows, seconds, the largest resident size of it and of a worker
# [MB], and processor time of all [s].
RUN = """
import json, resource, sys, time
from adiabat.tasks.screen import screen
model, library, out = sys.argv[1:]
begin = time.monotonic()
found = screen([model], library, out=out, top=100, force=True)
wall = time.monotonic() - begin
own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
used = sum(one.ru_utime + one.ru_stime for one in (own, workers))
print(json.dumps([found.counts["read"], wall, own.ru_maxrss / 1024, workers.ru_maxrss / 1024, used]))
"""


def molecules(data: Path, seed: int = 0) -> Iterator[str]:
    """As in the docstring of this file; without end."""
    known = {}
    for name, column in TABLES.items():
        with (data / name).open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                with rdBase.BlockLogs():
                    mol = Chem.MolFromSmiles(row[column])
                if mol is not None and "." not in row[column] and 1 < mol.GetNumAtoms() <= MOST_ATOMS:
                    known.setdefault(Chem.MolToSmiles(mol), mol)
    random = np.random.default_rng(seed)
    names = [str(name) for name in random.permutation(sorted(known))]
    yield from names
    parts = [known[name] for name in names if 5 <= known[name].GetNumAtoms() <= MOST_ATOMS - 5]
    while True:
        one, other = (parts[k] for k in random.integers(len(parts), size=2))
        joined = _joined(one, other, random)
        if joined:
            yield joined


def _joined(one: Chem.Mol, other: Chem.Mol, random: np.random.Generator) -> str:
    if one.GetNumAtoms() + other.GetNumAtoms() > MOST_ATOMS:
        return ""
    ends = []
    for mol in (one, other):
        free = [
            atom.GetIdx() for atom in mol.GetAtoms() if atom.GetTotalNumHs() and atom.GetAtomicNum() in (6, 7)
        ]
        if not free:
            return ""
        ends.append(int(random.choice(free)))
    pair = Chem.RWMol(Chem.CombineMols(one, other))
    ends[1] += one.GetNumAtoms()
    for end in ends:
        atom = pair.GetAtomWithIdx(end)
        if atom.GetNumExplicitHs():
            atom.SetNumExplicitHs(atom.GetNumExplicitHs() - 1)
    pair.AddBond(ends[0], ends[1], Chem.BondType.SINGLE)
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(Chem.MolToSmiles(pair))
    return Chem.MolToSmiles(mol) if mol is not None else ""


def write_library(path: Path, names: Iterable[str], count: int) -> None:
    """A file of the first so many molecules, unless there is one."""
    if path.exists():
        return
    partial = path.with_suffix(".tmp")
    with partial.open("w", encoding="utf-8") as file:
        for name in itertools.islice(names, count):
            file.write(f"{name.strip()}\n")
    partial.rename(path)


def timed(model: Path, library: Path, out: Path) -> dict[str, float]:
    """One screening; rows, seconds, megabytes and processor time."""
    command = [sys.executable, "-c", RUN, str(model), str(library), str(out)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    names = ("rows", "wall", "main", "worker", "used")
    found: dict[str, float] = dict(zip(names, json.loads(done.stdout.splitlines()[-1]), strict=True))
    print(library.name, model.name, found, flush=True)
    return found


def rate(what: str, found: dict[str, float], bar: str) -> dict[str, Any]:
    """A row of the table."""
    each = 1e6 * found["used"] / found["rows"]
    note = f"{found['rows']:,.0f} molecules, start included; {each:.0f} µs of processor time each"
    return {
        "what": what,
        "bar": bar,
        "value": round(found["rows"] / found["wall"]),
        "unit": "1/s",
        "note": note,
    }


def growth(small: dict[str, float], large: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Rows on how much more memory a large library takes than a small one."""
    for part, name in (("main", "main process"), ("worker", "largest worker")):
        sizes = (f"{one[part]:.0f} MB for {one['rows']:,.0f} molecules" for one in (small, large))
        yield {
            "what": f"growth of the resident size, {name}",
            "bar": "<= 100",
            "value": round(large[part] - small[part]),
            "unit": "MB",
            "note": ", ".join(sizes),
        }


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument(
        "--out", type=Path, default=Path("run-benchmarks-screening"), help="models, libraries"
    )
    parser.add_argument("--peers", type=Path, help="where environments of others are made; none by default")
    parser.add_argument("--rows", type=int, default=300_000, help="molecules for the graph model")
    parser.add_argument("--most", type=int, default=2_000_000, help="molecules of the largest library")
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    libraries = {count: out / f"library-{count}.smi" for count in (10_000, options.rows, options.most)}
    largest = libraries[max(libraries)]
    write_library(largest, molecules(options.data), max(libraries))
    for count, path in libraries.items():
        with largest.open(encoding="utf-8") as file:
            write_library(path, file, count)
    table = options.data / "moleculenet" / "delaney.csv"
    model, student = out / "model", out / "student.safetensors"
    if not (model / "model.safetensors").exists():
        train_property(table, out=model, targets=["logp"], split="none", kinds=["graph"], resume=True)
    if not student.exists():
        distill_property(model, libraries[options.rows], out=student, molecules=20_000)
    found = timed(model, libraries[options.rows], out / "run")
    small, large = (timed(student, libraries[count], out / "run") for count in (10_000, options.most))
    rows = [
        rate("graph model, ten members", found, ">= 3000"),
        rate("student", large, ">= 10000"),
        *growth(small, large),
    ]
    if options.peers is not None:
        names = libraries[options.rows].read_text(encoding="utf-8").splitlines()[:5000]
        with table.open(encoding="utf-8") as file:
            known = [(row["smiles"], float(row["logp"])) for row in csv.DictReader(file)]
        job = {"known": known, "names": names, "members": MEMBERS}
        seconds = run_peer(options.peers, "chemprop", "peer_chemprop.py", job)
        theirs = len(names) / seconds
        note = f"chemprop: {theirs:.0f} molecules a second, {MEMBERS} members, {len(names):,} molecules"
        ratio = round(found["rows"] / found["wall"] / theirs, 1)
        rows.append(
            {"what": "graph model as against chemprop", "value": ratio, "unit": "times", "note": note}
        )
    command = f"python -m benchmarks.screening --rows {options.rows} --most {options.most}"
    command += " --peers ../peers" if options.peers is not None else ""
    record("screening", rows, command, title="Screening libraries")


if __name__ == "__main__":
    main()
