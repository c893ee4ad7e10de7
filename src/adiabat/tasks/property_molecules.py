"""Molecules that a property model is asked about, from files or strings."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adiabat.base import AdiabatError, ConfigError
from adiabat.properties.inputs import encode, with_molecules
from adiabat.properties.library import read_library
from adiabat.properties.model import PropertyModel
from adiabat.properties.molecules import Molecules
from adiabat.properties.table import bounded, read_strings


class Asked(NamedTuple):
    """What is asked about.

    Attributes:
        texts: SMILES as they were given.
        columns: the inputs of the model by name, a cell for each text.
        errors: why a text could not be read from its file, empty where it could; none at all of strings.
    """

    texts: list[str]
    columns: dict[str, list[str]]
    errors: Sequence[str] = ()

    def part(self, rows: slice) -> "Asked":
        """Some of them."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Asked(self.texts[rows], columns, self.errors[rows])


def read_asked(model: PropertyModel, molecules: str | os.PathLike | Sequence[str], smiles: str) -> Asked:
    """Molecules of a file (.smi, .csv, .tsv, .parquet, .sdf, also .gz), or SMILES strings.

    Args:
        model: that is asked.
        molecules: the file or the strings.
        smiles: the column of molecules in a table.

    Raises:
        DataError: no such file, or a damaged one.
        ConfigError: a column is missing.
        UnsupportedError: more rows than can be answered at once.
    """
    names = [one.name for one in model.inputs if not one.is_computed]
    if isinstance(molecules, (str, os.PathLike)):
        if names:
            columns, errors = read_strings(Path(molecules), [smiles, *names])
            return Asked(
                columns.pop(smiles), columns, [_located(k, e) for k, e in enumerate(errors, start=1)]
            )
        entries = read_library(Path(molecules), smiles=smiles)
        library = list(bounded(entries, Path(molecules), lambda entry: len(entry.smiles)))
        return Asked(
            [entry.smiles for entry in library], {}, [_located(one.row, one.error) for one in library]
        )
    if names:
        raise ConfigError(f"the model needs a column {names[0]!r}", "give a file that has it")
    return Asked(list(molecules), {})


def _located(row: int, error: str) -> str:
    """With the row, because nothing else says which it is."""
    return error and f"row {row}: {error}"


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
