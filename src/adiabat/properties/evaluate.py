"""How good predictions are, how sure that is, and whether one model beats another."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

LEVELS = (0.5, 0.8, 0.9, 0.95)
_RESAMPLED = 1000
_BINS = 5


class Score(NamedTuple):
    """A figure of merit with the 95 % interval of a bootstrap over molecules."""

    value: float
    lower: float
    upper: float


class Comparison(NamedTuple):
    """How much smaller the errors of a model are than those of another, on the same molecules.

    Attributes:
        difference: of the mean absolute errors (for classes of Brier scores); negative: the model is better.
        p_value: two-sided, of Wilcoxon's signed-rank test.
    """

    difference: float
    p_value: float


class Reliability(NamedTuple):
    """Molecules of about one probability.

    Attributes:
        count: how many.
        predicted: their mean probability.
        true: the share that is in the class.
    """

    count: int
    predicted: float
    true: float


def reliability(true: np.ndarray, predicted: np.ndarray) -> list[Reliability]:
    """How often molecules are in a class, in bins of a fifth of its probability; empty bins are left out.

    Args:
        true: 0 or 1, shape (n_molecules,).
        predicted: probabilities, shape (n_molecules,).
    """
    bins = np.minimum((predicted * _BINS).astype(int), _BINS - 1)
    return [
        Reliability(int(own.sum()), float(predicted[own].mean()), float(true[own].mean()))
        for own in (bins == k for k in range(_BINS))
        if own.any()
    ]


def scores(true: np.ndarray, predicted: np.ndarray, *, is_class: bool, seed: int = 0) -> dict[str, Score]:
    """RMSE, MAE, R², Spearman's rank correlation; of a class the areas under the ROC and the
    precision-recall curve and the Brier score. Figures that molecules do not define (one class only) are left
    out.

    Args:
        true: measured values, shape (n_molecules,).
        predicted: shape (n_molecules,).
        is_class: whether the values are 0 and 1.
        seed: of the bootstrap.
    """
    return _with_intervals(_OF_CLASSES if is_class else _OF_VALUES, true, predicted, seed)


def _with_intervals(
    ways: dict[str, Callable], true: np.ndarray, predicted: np.ndarray, seed: int
) -> dict[str, Score]:
    random = np.random.default_rng(seed)
    draws = random.integers(len(true), size=(_RESAMPLED, len(true)))
    found = {}
    for name, way in ways.items():
        value = way(true, predicted)
        if not np.isfinite(value):
            continue
        again = np.array([way(true[rows], predicted[rows]) for rows in draws])
        lower, upper = np.nanquantile(again, [0.025, 0.975])
        found[name] = Score(value, float(lower), float(upper))
    return found


def class_scores(true: np.ndarray, predicted: np.ndarray, seed: int = 0) -> dict[str, Score]:
    """Of several classes: the share of molecules whose most likely class is theirs, the mean over classes of
    that share, and the mean over classes of the area under the ROC curve of each against the rest (the macro
    average). Figures that molecules do not define are left out.

    Args:
        true: 1 of the class of each molecule, else 0, shape (n_molecules, n_classes).
        predicted: probabilities, likewise.
        seed: of the bootstrap.
    """
    return _with_intervals(_OF_SEVERAL, true, predicted, seed)


def compare(true: np.ndarray, one: np.ndarray, other: np.ndarray, *, is_class: bool) -> Comparison:
    """A paired test of two models on the same molecules; the errors of several classes, the second axis, add
    up."""
    from scipy.stats import wilcoxon

    power = 2 if is_class else 1
    errors = np.abs(one - true) ** power - np.abs(other - true) ** power
    errors = errors.reshape(len(errors), -1).sum(axis=1)
    if not errors.any():
        return Comparison(0.0, 1.0)
    return Comparison(float(errors.mean()), float(np.asarray(wilcoxon(errors))[1]))


def coverage(true: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """The share of true values inside their intervals."""
    return float(np.mean((lower <= true) & (true <= upper)))


def rmse(true: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean square error."""
    return float(np.sqrt(np.mean((predicted - true) ** 2)))


def mae(true: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error."""
    return float(np.abs(predicted - true).mean())


def _r_squared(true: np.ndarray, predicted: np.ndarray) -> float:
    spread = ((true - true.mean()) ** 2).sum()
    return float(1 - ((predicted - true) ** 2).sum() / spread) if spread > 0 else np.nan


def _spearman(true: np.ndarray, predicted: np.ndarray) -> float:
    from scipy.stats import spearmanr

    if np.ptp(true) == 0 or np.ptp(predicted) == 0:
        return np.nan
    return float(np.asarray(spearmanr(true, predicted))[0])


def area_under_roc(true: np.ndarray, predicted: np.ndarray) -> float:
    """The chance that a molecule of class 1 has a larger prediction than one of class 0."""
    from scipy.stats import rankdata

    positive = true > 0.5
    count, rest = int(positive.sum()), int((~positive).sum())
    if not (count and rest):
        return np.nan
    ranks = rankdata(predicted)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))


def area_under_precision(true: np.ndarray, predicted: np.ndarray) -> float:
    """The average precision: the mean over molecules of class 1 of the share of them among all that come not
    after it; equal predictions come together."""
    positive = true > 0.5
    if not positive.any():
        return np.nan
    order = np.argsort(-predicted, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(predicted[order])), len(order) - 1)
    hits = np.cumsum(positive[order])[ends]
    return float((np.diff(hits, prepend=0) * hits / (ends + 1)).sum() / positive.sum())


def accuracy(true: np.ndarray, predicted: np.ndarray) -> float:
    """The share of molecules whose most likely class is theirs."""
    return float(np.mean(true[np.arange(len(true)), predicted.argmax(axis=1)]))


def balanced_accuracy(true: np.ndarray, predicted: np.ndarray) -> float:
    """The mean over the classes that there are of the share of their molecules that is found."""
    found = true[np.arange(len(true)), predicted.argmax(axis=1)]
    shares = [found[own > 0.5].mean() for own in true.T if own.any()]
    return float(np.mean(shares)) if shares else np.nan


def _areas(true: np.ndarray, predicted: np.ndarray) -> float:
    areas = [area_under_roc(own, said) for own, said in zip(true.T, predicted.T, strict=True)]
    known = [area for area in areas if np.isfinite(area)]
    return float(np.mean(known)) if known else np.nan


_OF_SEVERAL = {"accuracy": accuracy, "balanced accuracy": balanced_accuracy, "mean AUROC": _areas}
_OF_VALUES = {
    "RMSE": rmse,
    "MAE": mae,
    "R2": _r_squared,
    "Spearman": _spearman,
}
_OF_CLASSES = {
    "AUROC": area_under_roc,
    "AUPRC": area_under_precision,
    "Brier": lambda true, predicted: float(np.mean((predicted - true) ** 2)),
}
