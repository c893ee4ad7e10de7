"""The tables that a training of a property model leaves beside the model."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from adiabat.properties.domain import VERDICTS
from adiabat.properties.model import CrossValidation, Prediction, PropertyModel
from adiabat.properties.reaction_standardizer import ReactionStandardizer
from adiabat.properties.table import Table, written
from adiabat.properties.targets import Classes

# How sure the map of a reaction is, 1 where it was written.
MAP_CONFIDENCE = "map confidence"
PLACE = ("domain", "similarity", "nearest")


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def predictions_csv(
    model: PropertyModel,
    train: Table,
    validation: CrossValidation,
    test: Table | None,
    prediction: Prediction | None,
) -> str:
    """All molecules with what was measured and predicted; those of training by predictors that had not seen
    them."""
    values = [name for one in model.classes for name in (one.name, f"{one.name} predicted", set_name(one))]
    for target in model.targets:
        endings = (" predicted",) if target.column else ("", " predicted", " lower", " upper")
        values += [f"{target.name}{ending}" for ending in endings]
    nothing = np.full(train.values.shape, np.nan)
    learned = (train.values, validation.values["stack"], nothing, nothing)
    names = places_of(model)
    rows = _rows(model, train, "train", learned, [[""] * len(names)] * len(train))
    if test is not None and prediction is not None:
        found = (test.values, prediction.values, prediction.lower, prediction.upper)
        places = [place(model, prediction, k) for k in range(len(test))]
        rows = (*rows, *_rows(model, test, "test", found, places))
    return as_csv(["row", "smiles", *sure_names(model), "part", *values, *names], rows)


def set_name(classes: Classes) -> str:
    """The column of the classes that are possible."""
    return f"{classes.name} set"


def set_cell(possible: Sequence[str]) -> str:
    """The classes that are possible."""
    return "|".join(possible)


def sure_names(model: PropertyModel) -> tuple[str, ...]:
    """The column that only a model of reactions has."""
    return (MAP_CONFIDENCE,) if isinstance(model.standardizer, ReactionStandardizer) else ()


def places_of(model: PropertyModel) -> tuple[str, ...]:
    """The columns of `place`."""
    asks = any(not one.is_computed for one in model.inputs)
    return (*PLACE, "unknown inputs") if asks else PLACE


def place(model: PropertyModel, prediction: Prediction, k: int) -> list[str]:
    """Where a molecule lies: verdict, similarity and the most alike known molecule; of a model with inputs,
    which of them are not as in training."""
    placed = prediction.placed
    known = model.domain.smiles[placed.neighbors[k, 0]]
    found = [VERDICTS[placed.verdict[k]], f"{placed.similarity[k]:.3f}", known, placed.unknown[k]]
    return found[: len(places_of(model))]


def cell(value: float) -> str:
    """Six digits, nothing of a NaN."""
    return "" if np.isnan(value) else f"{value:.6g}"


def _rows(
    model: PropertyModel,
    table: Table,
    part: str,
    arrays: Sequence[np.ndarray],
    places: Sequence[Sequence[str]],
) -> Iterator[list[Any]]:
    known, said, _, upper = arrays
    words = []
    for one in model.classes:
        given = known[:, one.places].any(axis=1) & ~np.isnan(known[:, one.places]).any(axis=1)
        true = [word if has else "" for word, has in zip(one.likeliest(known), given, strict=True)]
        words += [true, one.likeliest(said), map(set_cell, one.possible(upper))]
    of_classes = list(zip(*words, strict=True)) if words else [()] * len(table)
    for k, smiles in enumerate(table.smiles):
        sure = [cell(column[k]) for name, column in table.columns.items() if name == MAP_CONFIDENCE]
        values = [*of_classes[k]]
        for t, target in enumerate(model.targets):
            own = [cell(array[k, t]) for array in arrays]
            if own[0]:  # what was measured
                own[0] = written(known[k, t], table.limits[k, t])
            values += own[1:2] if target.column else own
        yield [table.rows[k], smiles, *sure, part, *values, *places[k]]
