"""A property model on molecules that were held out, beside every other kind and with fewer molecules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from adiabat.properties.evaluate import (
    LEVELS,
    Comparison,
    Reliability,
    Score,
    class_scores,
    compare,
    coverage,
    reliability,
    rmse,
    scores,
)
from adiabat.properties.model import Prediction, PropertyModel
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import AbstractPredictor, predictors
from adiabat.properties.table import Table
from adiabat.properties.targets import Classes, Target, labels_of

# Shares of the training molecules in the learning curve, which the Gaussian process draws: it is quick.
CURVE = (0.1, 0.2, 0.4, 0.7, 1.0)
FEWEST = 10


@dataclass(frozen=True)
class Holdout:
    """How a model does on the test part, for one target.

    Attributes:
        scores: figures with 95 % intervals, of the "model" and of each kind of predictor; empty where the
            test part has no value.
        comparisons: of the model with each kind.
        coverage: the share of true values in the intervals of each level; of a class, in the sets of 0 and 1.
        curve: how many molecules were trained on, and the error then (RMSE; of a class 1 - AUROC).
        limits: how many limits (`<5`) the test part has beside its values, which all else is of, and what
            share of the predictions is on their right side; zero of none.
        single: the share of the sets of each level that name one class; empty of numbers.
        reliability: of a class, how often molecules of about one probability are in it; see `reliability`.
    """

    scores: dict[str, dict[str, Score]]
    comparisons: dict[str, Comparison]
    coverage: dict[float, float]
    curve: list[tuple[int, float]]
    limits: tuple[int, float]
    single: dict[float, float] = field(default_factory=dict)
    reliability: list[Reliability] = field(default_factory=list)


@dataclass(frozen=True)
class ClassesHoldout:
    """How a model does on the test part, for a column of several classes.

    Attributes:
        count: molecules of known class.
        scores: figures with 95 % intervals, of the "model" and of each kind of predictor; empty where the
            test part has no class.
        comparisons: of the model with each kind, by the squared errors of the probabilities.
        coverage: the share of the sets of each level that hold the class.
        sizes: how many classes the sets of each level have, mean.
        confusion: molecules of each class (rows) that are said to be of each (columns), shape (n_classes,
            n_classes).
    """

    count: int
    scores: dict[str, dict[str, Score]]
    comparisons: dict[str, Comparison]
    coverage: dict[float, float]
    sizes: dict[float, float]
    confusion: np.ndarray


def hold_out_classes(
    model: PropertyModel,
    others: Mapping[str, AbstractPredictor],
    test: tuple[Table, Molecules],
    prediction: Prediction,
) -> dict[str, ClassesHoldout]:
    """Tests a model, by columns of several classes; arguments as of `hold_out`."""
    table, molecules = test
    if not model.classes:
        return {}
    theirs = {kind: model.estimate(one, molecules).mean for kind, one in others.items()}
    return {one.name: _classes_tested(model, one, table, prediction, theirs) for one in model.classes}


def _classes_tested(
    model: PropertyModel,
    classes: Classes,
    table: Table,
    prediction: Prediction,
    theirs: Mapping[str, np.ndarray],
) -> ClassesHoldout:
    rows = table.measured[:, classes.places].all(axis=1)
    true, own = (array[rows][:, classes.places] for array in (table.values, prediction.values))
    confusion = true.T.astype(int) @ np.eye(len(classes.words), dtype=int)[own.argmax(axis=1)]
    if not rows.any():
        return ClassesHoldout(0, {}, {}, {}, {}, confusion)
    named = {kind: mean[rows][:, classes.places] for kind, mean in theirs.items()}
    coverage, sizes = {}, {}
    for level in LEVELS:
        held = model.calibration.possible(prediction.values[rows], level)[1][:, classes.places]
        coverage[level], sizes[level] = (
            float((held * true).sum(axis=1).mean()),
            float(held.sum(axis=1).mean()),
        )
    return ClassesHoldout(
        len(true),
        {name: class_scores(true, one) for name, one in {"model": own, **named}.items()},
        {kind: compare(true, own, one, is_class=True) for kind, one in named.items()},
        coverage,
        sizes,
        confusion,
    )


def hold_out(
    model: PropertyModel,
    others: Mapping[str, AbstractPredictor],
    train: tuple[Table, Molecules],
    test: tuple[Table, Molecules],
    prediction: Prediction,
) -> dict[str, Holdout]:
    """Tests a model, target by target.

    Args:
        model: fitted to `train`.
        others: the kinds it is compared with, fitted to the same.
        train: molecules and their values.
        test: those held out.
        prediction: of the model for `test`.
    """
    table, molecules = test
    theirs = {kind: model.estimate(one, molecules).mean for kind, one in others.items()}
    curves = _learning_curves(model, train, test)
    found = {}
    for k, target in enumerate(model.targets):
        rows, limits = table.measured[:, k], _right_side(table, prediction, k)
        if not rows.any():
            found[target.name] = Holdout({}, {}, {}, [], limits)
            continue
        true, own = table.values[rows, k], prediction.values[rows, k]
        named = {kind: target.center + target.scale * mean[rows, k] for kind, mean in theirs.items()}
        is_class = target.is_class
        ends = {level: _ends(model, prediction, rows, k, level) for level in LEVELS}
        found[target.name] = Holdout(
            {name: scores(true, one, is_class=is_class) for name, one in {"model": own, **named}.items()},
            {kind: compare(true, own, one, is_class=is_class) for kind, one in named.items()},
            {level: coverage(true, *own) for level, own in ends.items()},
            curves[k],
            limits,
            {level: float(np.mean(a == b)) for level, (a, b) in ends.items()} if is_class else {},
            reliability(true, own) if is_class else [],
        )
    return found


def _ends(
    model: PropertyModel, prediction: Prediction, rows: np.ndarray, k: int, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of the intervals, or sets, of a level."""
    if model.targets[k].is_class:
        lower, upper = model.calibration.possible(prediction.values, level)
        return lower[rows, k], upper[rows, k]
    own, half = prediction.values[rows, k], model.calibration.width(level)[k] * prediction.errors[rows, k]
    return own - half, own + half


def _right_side(table: Table, prediction: Prediction, k: int) -> tuple[int, float]:
    """How many limits a target has, and the share of the predictions that are on the right side."""
    values, limits = table.values[:, k], table.limits[:, k]
    rows = np.flatnonzero((limits != 0) & ~np.isnan(values))
    right = limits[rows] * (prediction.values[rows, k] - values[rows]) >= 0
    return len(rows), float(right.mean()) if len(rows) else 0.0


def _learning_curves(
    model: PropertyModel, train: tuple[Table, Molecules], test: tuple[Table, Molecules]
) -> list[list[tuple[int, float]]]:
    """Test errors of Gaussian processes of more and more training molecules, for each target."""
    labels = labels_of(train[0], model.targets)
    order = np.random.default_rng(0).permutation(len(train[0]))
    found: list[list[tuple[int, float]]] = [[] for _ in model.targets]
    for share in CURVE:
        rows = np.sort(order[: round(share * len(order))])
        part = labels.taken(rows)
        if (~np.isnan(part.values)).sum(axis=0).min() < FEWEST:
            continue
        folds = np.zeros(len(rows), int)
        own, _ = predictors.get("gaussian-process").fit(train[1].taken(rows), part, folds)
        mean = own.predict(test[1]).mean
        for k, target in enumerate(model.targets):
            known = test[0].measured[:, k]
            if not known.any():
                continue
            said = target.center + target.scale * mean[known, k]
            found[k].append((len(rows), _error(target, test[0].values[known, k], said)))
    return found


def _error(target: Target, true: np.ndarray, said: np.ndarray) -> float:
    if not target.is_class:
        return rmse(true, said)
    found = scores(true, said, is_class=True)
    return 1 - found["AUROC"].value if "AUROC" in found else np.nan
