"""`adiabat property predict`: values, intervals and domain of molecules in a file."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from adiabat.base import DataError
from adiabat.base.files import atomic_write, check_out
from adiabat.base.progress import progress
from adiabat.properties.model import PropertyModel, load_property_model
from adiabat.tasks.precision import enable
from adiabat.tasks.property_files import PLACE, as_csv, cell, place
from adiabat.tasks.property_molecules import Asked, read_asked, usable

_BATCH = 512


def predict_properties(
    model: str | os.PathLike,
    molecules: str | os.PathLike | Sequence[str],
    *,
    out: str | os.PathLike | None = None,
    smiles: str = "smiles",
    level: float = 0.9,
    force: bool = False,
) -> list[dict[str, Any]]:
    """Predicts properties of molecules; what cannot be predicted has a reason instead.

    Args:
        model: a property model or its run folder.
        molecules: a file (.smi, .csv, .tsv, .parquet, .sdf, also .gz), or SMILES strings.
        out: a CSV file to write.
        smiles: the column of molecules in a table.
        level: the share of true values that intervals are to hold.
        force: replace the file.

    Returns:
        for each molecule `smiles`, of each target the value, `NAME lower` and `NAME upper`, where it lies
        (`domain`, `similarity`, `nearest`), and `error`, empty where all went well.

    Raises:
        DataError: no such file, a damaged one, or none of the molecules could be predicted.
        ConfigError: a column is missing.
    """
    enable()
    if out is not None:
        check_out(out, force)
    found = load_property_model(model)
    asked = read_asked(found, molecules, smiles)
    count = len(asked.texts)
    rows: list[dict[str, Any]] = []
    with progress("predicting", total=count, unit="molecules") as bar:
        for start in range(0, count, _BATCH):
            part = asked.part(slice(start, start + _BATCH))
            rows += _rows(found, part, level)
            bar.advance(len(part.texts))
    if rows and all(row["error"] for row in rows):
        raise DataError(f"none of the {len(rows)} molecules can be predicted: {rows[0]['error']}")
    if out is not None:
        header = list(dict.fromkeys(key for row in rows for key in row))
        atomic_write(out, as_csv(header, [[row.get(key, "") for key in header] for row in rows]))
    return rows


def _rows(model: PropertyModel, asked: Asked, level: float) -> list[dict[str, Any]]:
    names = [f"{target.name}{end}" for target in model.targets for end in ("", " lower", " upper")]
    empty = dict.fromkeys([*names, *PLACE], "")
    molecules, index, reasons = usable(model, asked)
    rows: list[dict[str, Any]] = [
        {"smiles": text, **empty, "error": reasons.get(k, "")} for k, text in enumerate(asked.texts)
    ]
    if not index:
        return rows
    found = model.predict(molecules, level)
    arrays = np.stack([found.values, found.lower, found.upper], axis=2).reshape(len(index), -1)
    for j, k in enumerate(index):
        rows[k] |= dict(zip(names, map(cell, arrays[j].tolist()), strict=True))
        rows[k] |= dict(zip(PLACE, place(model, found, j), strict=True))
    return rows
