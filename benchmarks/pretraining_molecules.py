"""Molecules that the pre-trained weights learn from, and those of the benchmarks, which they must not see.

    pip install --no-deps --target PACKAGES chemicals==1.5.2 molsets==0.3.1
    python -m benchmarks.pretraining_molecules PACKAGES --data ../shared/data --out molecules
    adiabat property pretrain molecules/molecules.smi --without molecules/without.smi --out run-pretrain

or all of it by `make pretrained`. Of the packages (MIT both) only the structures are read: identifiers of
PubChem, and drug-like molecules of MOSES.
"""

import argparse
import csv
import gzip
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from adiabat.base import DataError
from adiabat.base.files import atomic_write
from adiabat.properties.library import read_library

IDENTIFIERS = "chemicals/Identifiers/chemical identifiers pubchem {}.tsv"
DRUG_LIKE = "moses/dataset/data/train.csv.gz"
_SMILES = 4  # the column of the identifiers
SMALL = 12  # heavy atoms at most: GFN2-xTB takes 20 ms
COUNTS = {"small": 14_000, "large": 6_000, "drug-like": 6_000}
# What columns of molecules are called in the tables of the benchmarks.
_COLUMNS = ("smiles", "SMILES", "mol")


def chosen(packages: Path, seed: int = 0) -> list[str]:
    """SMILES strings of the packages in a folder, at random.

    Raises:
        DataError: a package that is not there.
    """
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        mols = {text: Chem.MolFromSmiles(text) for text in _identifiers(packages) if "." not in text}
    sizes = {text: mol.GetNumHeavyAtoms() for text, mol in mols.items() if mol is not None}
    groups = {
        "small": [text for text, size in sizes.items() if 1 < size <= SMALL],
        "large": [text for text, size in sizes.items() if size > SMALL],
        "drug-like": _drug_like(packages),
    }
    random = np.random.default_rng(seed)
    return [
        group[k] for name, group in groups.items() for k in random.permutation(len(group))[: COUNTS[name]]
    ]


def held_back(data: Path) -> Iterator[str]:
    """SMILES strings of all tables and SD files below a folder."""
    for path in sorted(data.rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file), [])
        for column in (name for name in _COLUMNS if name in header):
            yield from (entry.smiles for entry in read_library(path, smiles=column) if entry.smiles)
    for path in sorted(data.rglob("*.sdf")):
        yield from (entry.smiles for entry in read_library(path) if entry.smiles)
    for path in sorted(data.glob("freesolv/database.txt")):
        lines = path.read_text(encoding="utf-8").splitlines()
        yield from (line.split(";")[1].strip() for line in lines if not line.startswith("#"))


def _identifiers(packages: Path) -> Iterator[str]:
    for size in ("small", "large"):
        with _there(packages / IDENTIFIERS.format(size)).open(encoding="utf-8") as file:
            yield from (line.split("\t", _SMILES + 1)[_SMILES] for line in file)


def _drug_like(packages: Path) -> list[str]:
    with gzip.open(_there(packages / DRUG_LIKE), "rt", encoding="utf-8") as file:
        return [line.strip() for line in itertools.islice(file, 1, None)]


def _there(path: Path) -> Path:
    if not path.is_file():
        raise DataError(
            f"there is no file {path}", "pip install --no-deps --target PACKAGES chemicals molsets"
        )
    return path


def _write(path: Path, smiles: Iterable[str]) -> None:
    lines = list(dict.fromkeys(smiles))
    atomic_write(path, "".join(f"{text}\n" for text in lines))
    print(f"{path}: {len(lines)} molecules")


def main() -> None:
    """Writes both files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("packages", type=Path, help="folder that pip installed the two packages into")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--out", type=Path, default=Path("molecules"), help="folder to write")
    options = parser.parse_args()
    without = list(held_back(options.data))
    if not without:
        raise SystemExit(f"{options.data} has no molecules: what must not be seen is not known")
    options.out.mkdir(parents=True, exist_ok=True)
    _write(options.out / "without.smi", without)
    _write(options.out / "molecules.smi", chosen(options.packages))


if __name__ == "__main__":
    main()
