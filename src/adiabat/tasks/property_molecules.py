"""Molecules that a property model is asked about, from files or strings."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adiabat.base import AdiabatError, ConfigError
from adiabat.properties.inputs import encode, with_molecules
from adiabat.properties.library import Entry, read_library
from adiabat.properties.model import PropertyModel
from adiabat.properties.molecules import Molecules
from adiabat.properties.rows import read_rows


class Asked(NamedTuple):
    """What is asked about.

    Attributes:
        texts: SMILES as they were given.
        columns: the inputs of the model by name, a cell for each text.
        errors: why a text could not be read from its file, empty where it could; none at all of strings.
        others: what else the file says of each: all other columns of a table, else the name; none at all of
            strings.
    """

    texts: list[str]
    columns: dict[str, list[str]]
    errors: Sequence[str] = ()
    others: Sequence[Mapping[str, str]] = ()


def asked_parts(
    model: PropertyModel, molecules: str | os.PathLike | Sequence[str], smiles: str, size: int
) -> Iterator[Asked]:
    """Molecules of a file (.smi, .csv, .tsv, .parquet, .sdf, also .gz) or SMILES strings, so many at once:
    memory does not grow with the size of a file.

    Args:
        model: that is asked.
        molecules: the file or the strings.
        smiles: the column of molecules in a table.
        size: of a part.

    Raises:
        DataError: no such file, or a damaged one.
        ConfigError: a column is missing.
    """
    names = [one.name for one in model.inputs if not one.is_computed]
    if not isinstance(molecules, (str, os.PathLike)):
        if names:
            raise ConfigError(f"the model needs a column {names[0]!r}", "give a file that has it")
        for texts in itertools.batched(molecules, size):
            yield Asked(list(texts), {})
        return
    entries = _of_table(Path(molecules), smiles, names) if names else _of_library(Path(molecules), smiles)
    for part in itertools.batched(entries, size):
        others = [entry.others or {} for entry in part]
        yield Asked(
            [entry.smiles for entry in part],
            {name: [cells[name] for cells in others] for name in names},
            # With the row, because nothing else says which it is.
            [entry.error and f"row {entry.row}: {entry.error}" for entry in part],
            others,
        )


def _of_library(path: Path, smiles: str) -> Iterator[Entry]:
    for entry in read_library(path, smiles=smiles, others=True):
        yield entry if entry.others is not None else entry._replace(others={"name": entry.name})


def _of_table(path: Path, smiles: str, names: Sequence[str]) -> Iterator[Entry]:
    """With the columns of inputs."""
    for row in read_rows(path, [smiles, *names], others=True):
        text, *inputs = row.cells
        others = {**dict(zip(names, inputs, strict=True)), **(row.others or {})}
        yield Entry(row.number, text or row.raw, "", row.error, others)


class Usable(NamedTuple):
    """What can be predicted.

    Attributes:
        molecules: standardized.
        rows: which texts they are of.
        reasons: why the others cannot be, by text.
        sure: how sure the map of each is, as of `ReactionStandardizer`; 1 of molecules.
    """

    molecules: Molecules
    rows: list[int]
    reasons: dict[int, str]
    sure: list[float]


def usable(model: PropertyModel, asked: Asked) -> Usable:
    """The molecules that can be predicted.

    Raises:
        ConfigError: a column that the model needs is missing, or it needs another version of adiabat.
    """
    standardized, inputs, rows, reasons, sure = [], [], [], {}, []
    for k, text in enumerate(asked.texts):
        if asked.errors and asked.errors[k]:
            reasons[k] = asked.errors[k]
            continue
        try:
            name, confidence = model.standardizer.mapped(text)
            given = with_molecules(model.inputs, _row(asked.columns, k), [name])
            inputs.append(encode(model.inputs, given, 1))
        except ConfigError:
            raise
        except AdiabatError as error:
            reasons[k] = error.message
            continue
        standardized.append(name)
        rows.append(k)
        sure.append(confidence)
    width = np.concatenate(inputs) if inputs else np.zeros((0, 0), np.float32)
    return Usable(model.described(standardized, width), rows, reasons, sure)


def _row(columns: Mapping[str, Sequence[str]], k: int) -> dict[str, list[str]]:
    return {name: [column[k]] for name, column in columns.items()}
