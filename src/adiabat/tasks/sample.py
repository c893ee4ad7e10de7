"""`adiabat sample`: structures of many molecules, to be labelled for a general model."""

import csv
import os
from collections import Counter
from pathlib import Path
from typing import Any

from adiabat.base import AdiabatError, ConfigError, DataError
from adiabat.base.files import check_out
from adiabat.base.progress import progress

SMILES_COLUMN = "smiles"


def sample(
    molecules: str | os.PathLike,
    *,
    out: str | os.PathLike,
    per_molecule: int = 20,
    seed: int = 0,
    force: bool = False,
) -> dict[str, Any]:
    """Structures of each molecule of a list, without labels: conformers, vibrations at 150 to 1500 K,
    torsions at any angle, bonds pressed and stretched.

    The file goes to `adiabat label` and then to `adiabat train`. Every structure names its molecule under
    `molecule`.

    Args:
        molecules: SMILES strings, one on each line, or a CSV file with a column "smiles".
        out: the file to write, `.xyz`.
        per_molecule: structures of each.
        seed: of everything random.
        force: replace an existing file.

    Returns:
        `n_molecules`, `n_structures`, `n_skipped`, `skipped` (reason: count) and the path `out`.

    Raises:
        ConfigError: `out` exists, or less than one structure of a molecule is asked for.
        DataError: the list cannot be read, or none of its molecules can be used.
    """
    from adiabat.data import Sample, write_samples
    from adiabat.generate.molecules import distorted

    if per_molecule < 1:
        raise ConfigError(f"per_molecule must be at least 1, got {per_molecule}")
    out = Path(out)
    check_out(out, force)
    names = read_smiles(molecules)
    samples, reasons = [], Counter[str]()
    with progress("sampling", len(names), "molecules") as bar:
        for number, name in enumerate(names):
            try:
                systems = distorted(name, per_molecule, seed=seed + number)
            except AdiabatError as error:
                reasons[error.message] += 1
                systems = []
            samples += [Sample(system=system, info={"molecule": name}) for system in systems]
            bar.advance()
    if not samples:
        shown = "; ".join(reason for reason, _ in reasons.most_common(3))
        raise DataError(f"none of the {len(names)} molecules of {molecules} can be used: {shown}")
    write_samples(out, samples)
    n_skipped = sum(reasons.values())
    return {
        "n_molecules": len(names) - n_skipped,
        "n_structures": len(samples),
        "n_skipped": n_skipped,
        "skipped": dict(reasons.most_common()),
        "out": str(out),
    }


def read_smiles(path: str | os.PathLike) -> list[str]:
    """The SMILES strings of a list, each once: the first word of every line, or a CSV file's column "smiles".

    Raises:
        DataError: no such file, not text, without such a column, or empty.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", "give a text file of SMILES strings") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if path.suffix.lower() == ".csv":
        rows = csv.DictReader(lines)
        column = next((c for c in rows.fieldnames or () if c.strip().lower() == SMILES_COLUMN), None)
        if column is None:
            raise DataError(
                f"{path} has no column {SMILES_COLUMN!r}, only {', '.join(rows.fieldnames or ())}",
                "rename the column of the SMILES strings",
            )
        found = [(row[column] or "").strip() for row in rows]
    else:
        found = [line.split()[0] for line in lines]
    unique = list(dict.fromkeys(name for name in found if name))
    if not unique:
        raise DataError(f"{path} holds no SMILES strings", "one on each line")
    return unique
