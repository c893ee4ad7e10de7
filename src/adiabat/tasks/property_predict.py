"""`adiabat property predict`: values, intervals and domain of molecules in a file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import AdiabatError, ConfigError, DataError
from adiabat.base.files import atomic_write, check_out
from adiabat.base.progress import progress
from adiabat.properties.inputs import encode
from adiabat.properties.library import read_library
from adiabat.properties.model import PropertyModel, load_property_model
from adiabat.properties.molecules import Molecules
from adiabat.properties.table import read_strings
from adiabat.tasks.precision import enable
from adiabat.tasks.property_files import PLACE, as_csv, cell, place

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
    names = [one.name for one in found.inputs]
    columns: dict[str, list[str]] = {}
    if isinstance(molecules, (str, os.PathLike)):
        if names:
            columns = read_strings(Path(molecules), [smiles, *names])
            texts = columns.pop(smiles)
        else:
            texts = [entry.smiles or entry.error for entry in read_library(Path(molecules), smiles=smiles)]
    elif names:
        raise ConfigError(f"the model needs a column {names[0]!r}", "give a file that has it")
    else:
        texts = list(molecules)
    rows: list[dict[str, Any]] = []
    with progress("predicting", total=len(texts), unit="molecules") as bar:
        for start in range(0, len(texts), _BATCH):
            part = slice(start, start + _BATCH)
            own = {name: column[part] for name, column in columns.items()}
            rows += _rows(found, texts[part], own, level)
            bar.advance(len(texts[part]))
    if rows and all(row["error"] for row in rows):
        raise DataError(f"none of the {len(rows)} molecules can be predicted: {rows[0]['error']}")
    if out is not None:
        header = list(dict.fromkeys(key for row in rows for key in row))
        atomic_write(out, as_csv(header, [[row.get(key, "") for key in header] for row in rows]))
    return rows


def _rows(
    model: PropertyModel, texts: Sequence[str], columns: dict[str, list[str]], level: float
) -> list[dict[str, Any]]:
    names = [f"{target.name}{end}" for target in model.targets for end in ("", " lower", " upper")]
    empty = dict.fromkeys([*names, *PLACE], "")
    rows: list[dict[str, Any]] = [{"smiles": text, **empty, "error": ""} for text in texts]
    usable, standardized, inputs = [], [], []
    for k, text in enumerate(texts):
        try:
            standardized.append(model.standardizer(text))
            inputs.append(encode(model.inputs, {name: [column[k]] for name, column in columns.items()}, 1))
            usable.append(k)
        except ConfigError:
            raise
        except AdiabatError as error:
            rows[k]["error"] = error.message
            del standardized[len(usable) :]
    if not usable:
        return rows
    asked = Molecules(tuple(standardized), np.concatenate(inputs))
    found = model.predict(asked, level)
    arrays = np.stack([found.values, found.lower, found.upper], axis=2).reshape(len(usable), -1)
    for j, k in enumerate(usable):
        rows[k] |= dict(zip(names, map(cell, arrays[j].tolist()), strict=True))
        rows[k] |= dict(zip(PLACE, place(model, found, j), strict=True))
    return rows
