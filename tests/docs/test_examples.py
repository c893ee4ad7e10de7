"""The examples of the pages are run in the order in which they stand, each page in a folder of its own.

A page whose examples need data or a trained model says so: `<!-- the examples start from: data.xyz run -->`.
"""

import fcntl
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.examples import Example, examples, run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "reference" not in page.parts and examples(page)]
# These train and simulate again and again, in a process of its own each time: for `make test-physics`.
SLOW = [page for page in PAGES if page.parent.name == "how-to" or page.name == "tour.md"]
NEEDS = re.compile(r"<!-- the examples start from: ([^>]*) -->")

# 60 geometries of ethanol with the energies and forces of GFN2-xTB, and a small model of them. A table of
# molecules with a computed stand-in for a measured value, and others to choose from.
PREPARE = """
import numpy as np
import ase.build, ase.io
rng = np.random.default_rng(0)
ethanol = ase.build.molecule("CH3CH2OH")
frames = []
for _ in range(60):
    frame = ethanol.copy()
    frame.positions += rng.normal(scale=0.05, size=frame.positions.shape)
    frames.append(frame)
ase.io.write("structures.xyz", frames)
ase.io.write("start.xyz", ethanol)
from rdkit import Chem
from rdkit.Chem import Crippen
names = ["C" * n + end for n in range(1, 9) for end in ("O", "N", "C#N", "C1CCNCC1", "c1ccncc1", "c1ccccc1")]
with open("solubility.csv", "w") as file:
    file.write("smiles,logS\\n")
    file.writelines(f"{name},{-Crippen.MolLogP(Chem.MolFromSmiles(name)):.2f}\\n" for name in names)
with open("library.smi", "w") as file:
    file.writelines(f"C{name}\\n" for name in names)
"""
SMALL = ["--steps", "300", "--set", "model.n_interactions=1", "--set", "model.channels=16"]
ADIABAT = [sys.executable, "-m", "adiabat"]
COMMANDS = [
    [sys.executable, "-c", PREPARE],
    [*ADIABAT, "label", "structures.xyz", "--method", "gfn2", "--out", "data.xyz"],
    [*ADIABAT, "train", "--data", "data.xyz", *SMALL, "--out", "run"],
]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder with structures.xyz, start.xyz, data.xyz and a run folder `run`; made once."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "prepared"
    with (folder.parent / "prepared.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            (partial := folder.with_suffix(".partial")).mkdir()
            for command in COMMANDS:
                subprocess.run(command, cwd=partial, check=True, capture_output=True, timeout=300)
            partial.rename(folder)
    return folder


def failure(page: Path, example: Example, answer: subprocess.CompletedProcess[str]) -> str:
    where = f"{page.relative_to(ROOT)}:{example.line}"
    said = f"{answer.stdout[-2000:]}\n{answer.stderr[-3000:]}"
    return f"{where} ended with {answer.returncode}\n{example.code}\n{said}"


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if page in SLOW else []) for page in PAGES],
    ids=[str(page.relative_to(ROOT)) for page in PAGES],
)
def test_examples_run(page: Path, tmp_path: Path, request: pytest.FixtureRequest):
    needs = NEEDS.search(page.read_text(encoding="utf-8"))
    if needs:
        source = request.getfixturevalue("prepared")
        for name in needs[1].split():
            copy = shutil.copytree if (source / name).is_dir() else shutil.copy
            copy(source / name, tmp_path / name)
    for example in examples(page):
        answer = run(example, tmp_path)
        if answer is not None and answer.returncode != 0:
            pytest.fail(failure(page, example, answer), pytrace=False)
