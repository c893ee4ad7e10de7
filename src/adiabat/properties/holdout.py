"""A property model on molecules that were held out, beside every other kind and with fewer molecules."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from adiabat.properties.evaluate import LEVELS, Comparison, Score, compare, coverage, rmse, scores
from adiabat.properties.model import Prediction, PropertyModel, Target, labels_of
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import AbstractPredictor, predictors
from adiabat.properties.table import Table

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
        coverage: the share of true values in the intervals of each level; empty of a class.
        curve: how many molecules were trained on, and the error then (RMSE; of a class 1 - AUROC).
        limits: how many limits (`<5`) the test part has beside its values, which all else is of, and what
            share of the predictions is on their right side; zero of none.
    """

    scores: dict[str, dict[str, Score]]
    comparisons: dict[str, Comparison]
    coverage: dict[float, float]
    curve: list[tuple[int, float]]
    limits: tuple[int, float]


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
        true, own, error = (a[rows, k] for a in (table.values, prediction.values, prediction.errors))
        named = {kind: target.center + target.scale * mean[rows, k] for kind, mean in theirs.items()}
        is_class = target.is_class
        widths = {} if is_class else {level: model.calibration.width(level)[k] for level in LEVELS}
        found[target.name] = Holdout(
            {name: scores(true, one, is_class=is_class) for name, one in {"model": own, **named}.items()},
            {kind: compare(true, own, one, is_class=is_class) for kind, one in named.items()},
            {
                level: coverage(true, own - width * error, own + width * error)
                for level, width in widths.items()
            },
            curves[k],
            limits,
        )
    return found


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
