"""How far a prediction can be trusted: from residuals of molecules that were left out."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.special import ndtri

from adiabat.base import DataError

# Quantiles of the residuals that are kept.
_GRID = np.linspace(0, 1, 201)
FEWEST = 20


class Calibration(NamedTuple):
    """Turns what is known of a prediction into an interval that covers a given share of true values.

    The variance of the error of a value is a sum of clues (see `clues`) with coefficients of maximum
    likelihood; the interval is as many standard errors wide as left-out molecules had to be, the conformal
    prediction with normalized residuals (Papadopoulos et al. 2008; Lei et al. 2018,
    doi 10.1080/01621459.2017.1307116). Probabilities of classes go through a logistic function of their
    logarithmic odds (Platt 1999), and a class is within what is possible as long as its probability is not
    lower than it is for a given share of the left-out molecules of that class (class-conditional conformal
    sets: Vovk et al. 2005, Sadinle et al. 2019, doi 10.1080/01621459.2017.1395341).

    Attributes:
        coefficients: of the variance, not negative, shape (n_targets, n_clues).
        quantiles: of absolute residuals in standard errors at 0, 0.5 % ... 100 %, shape (n_targets, 201).
        counts: of the residuals behind them, shape (n_targets,).
        logistic: offset and slope of each class, zero and one of other targets; shape (n_targets, 2).
        missed: of molecules that are not in a class, then of those that are, quantiles of the probability of
            what they are not, shape (n_targets, 2, 201).
        members: how many these are, shape (n_targets, 2).
        groups: a number for each target, the same of those that are the classes of one column, of which a
            molecule is in one: their probabilities add up to one. Shape (n_targets,).
    """

    coefficients: np.ndarray
    quantiles: np.ndarray
    counts: np.ndarray
    logistic: np.ndarray
    missed: np.ndarray
    members: np.ndarray
    groups: np.ndarray

    def errors(self, found: np.ndarray) -> np.ndarray:
        """Standard errors, shape (n_molecules, n_targets), from `clues`."""
        return np.sqrt((found * self.coefficients).sum(axis=2))

    def width(self, level: float) -> np.ndarray:
        """How many standard errors to either side hold this share of true values, shape (n_targets,).

        Infinite where there are too few residuals to say.
        """
        return _holding(level, self.quantiles, self.counts)

    def probabilities(self, raw: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Calibrated ones of the targets that are classes; other values stay."""
        odds = _log_odds(raw)
        fitted = 1 / (1 + np.exp(-(self.logistic[:, 0] + self.logistic[:, 1] * odds)))
        found = np.where(classes, fitted, raw)
        for own in self._several():
            found[:, own] /= found[:, own].sum(axis=1, keepdims=True)
        return found

    def possible(self, probability: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest of 0 and 1 that is possible, both of shape (n_molecules, n_targets). Of
        either class this share is held; the more likely one is always possible. Of several classes the
        highest is 1 where a class is possible, and the lowest where no other is.

        Args:
            probability: calibrated, shape (n_molecules, n_targets).
            level: share of true classes.
        """
        most = np.stack([_holding(level, self.missed[:, k], self.members[:, k]) for k in (0, 1)])
        none = (probability <= most[0]) | (probability < 0.5)
        one = (1 - probability <= most[1]) | (probability >= 0.5)
        lower, upper = np.where(none, 0.0, 1.0), np.where(one, 1.0, 0.0)
        for own in self._several():
            likely = probability[:, own]
            held = (1 - likely <= most[1, own]) | (likely == likely.max(axis=1, keepdims=True))
            lower[:, own], upper[:, own] = held & (held.sum(axis=1, keepdims=True) == 1), held
        return lower, upper

    def _several(self) -> list[np.ndarray]:
        """The targets of each column of several classes."""
        numbers, counts = np.unique(self.groups, return_counts=True)
        return [np.flatnonzero(self.groups == number) for number in numbers[counts > 1]]

    @classmethod
    def fitted(cls, residuals: np.ndarray, found: np.ndarray, counts: np.ndarray | None = None) -> Self:
        """From molecules that were left out.

        Args:
            residuals: NaN where nothing was measured, shape (n_residuals, n_targets).
            found: clues, shape (n_residuals, n_targets, n_clues).
            counts: of the measured values behind the residuals, shape (n_targets,); by default of the
                residuals.
        """
        count = residuals.shape[1]
        known = ~np.isnan(residuals)
        counts = known.sum(axis=0) if counts is None else counts
        coefficients = np.zeros((count, found.shape[2]))
        quantiles = np.zeros((count, len(_GRID)))
        for target in range(count):
            rows = np.flatnonzero(known[:, target])
            if len(rows) == 0:
                coefficients[target, 0] = 1.0
                continue
            squared, own = residuals[rows, target] ** 2, found[rows, target]
            coefficients[target] = _likeliest(squared, own)
            ratio = np.sqrt(squared / (own @ coefficients[target]))
            quantiles[target] = np.quantile(ratio, _GRID, method="higher")
        logistic = np.tile([0.0, 1.0], (count, 1))
        nothing = np.zeros((count, 2, len(_GRID))), np.zeros((count, 2), np.int64)
        return cls(coefficients, quantiles, counts.astype(np.int64), logistic, *nothing, np.arange(count))

    def with_classes(
        self, raw: np.ndarray, values: np.ndarray, classes: np.ndarray, groups: np.ndarray | None = None
    ) -> "Calibration":
        """With what it takes for classes, from probabilities of molecules that were left out.

        Args:
            raw: the probabilities, shape (n_molecules, n_targets).
            values: 0 or 1, NaN where it is not known, likewise.
            classes: whether each target is a class, shape (n_targets,).
            groups: as of the class; by default no two classes are of one column.
        """
        if groups is not None:
            return self._replace(groups=groups).with_classes(raw, values, classes)
        logistic, missed, members = self.logistic.copy(), self.missed.copy(), self.members.copy()
        for target in np.flatnonzero(classes):
            rows = np.flatnonzero(~np.isnan(values[:, target]))
            logistic[target] = _platt(raw[rows, target], values[rows, target])
        fitted = self._replace(logistic=logistic).probabilities(raw, classes)
        for target in np.flatnonzero(classes):
            for k in (0, 1):
                own = np.abs(fitted[values[:, target] == k, target] - k)
                members[target, k] = len(own)
                if len(own):
                    missed[target, k] = np.quantile(own, _GRID, method="higher")
        return self._replace(logistic=logistic, missed=missed, members=members)

    def stored(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return self._asdict()

    @classmethod
    def restored(cls, arrays: Mapping[str, Any]) -> Self:
        """From the arrays by name; those of classes are not in older files, in which any is possible.

        Raises:
            DataError: they do not fit together.
        """
        count = len(arrays["counts"])
        nothing = {"missed": np.zeros((count, 2, len(_GRID))), "members": np.zeros((count, 2), np.int64)}
        nothing["groups"] = np.arange(count)
        found = cls(**{**nothing, **arrays})
        shapes = [array.shape[0] == count for array in found]
        if not all(shapes) or found.quantiles.shape[1] != len(_GRID) or (found.coefficients < 0).any():
            raise DataError("the calibration of the model does not fit together")
        return found


def _holding(level: float, quantiles: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The quantile that holds a share of what is new, shape (n_targets,); infinite where too little was seen.

    Args:
        level: the share.
        quantiles: shape (n_targets, 201).
        counts: what they are of, shape (n_targets,).
    """
    # One more than was seen: the new molecule may be the worst of all (finite-sample correction).
    share = np.ceil(level * (counts + 1)) / np.maximum(counts, 1)
    found = [
        np.interp(one, _GRID, own) if one <= 1 and count else np.inf
        for one, own, count in zip(share, quantiles, counts, strict=True)
    ]
    return np.array(found)


def widening(level: float, share: np.ndarray | float) -> np.ndarray:
    """How many times wider intervals are to be of molecules that were chosen for their predictions: of the
    best share of all those looked at an interval leaves out (1 - level) times that share, so that of the
    chosen the share `level` is expected to hold (Benjamini and Yekutieli 2005,
    doi 10.1198/016214504000001907). Beyond what was seen in calibration widths follow a normal distribution.

    Args:
        level: share of true values.
        share: of molecules that are chosen, above 0 to 1.
    """
    return ndtri((1 - level) * np.asarray(share) / 2) / ndtri((1 - level) / 2)


def clues(spread: np.ndarray, disagreement: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """What the variance of an error may be a sum of: a constant; how far the parts of the models disagree;
    how far the models do; and how little is known of such molecules.

    Args:
        spread: standard deviations, shape (n_molecules, n_targets).
        disagreement: likewise.
        similarity: to the most alike known molecule, 0 to 1, shape (n_molecules,).

    Returns:
        shape (n_molecules, n_targets, 4).
    """
    strange = np.broadcast_to(((1 - similarity) ** 2)[:, None], spread.shape)
    return np.stack([np.ones_like(spread), spread**2, disagreement**2, strange], axis=2)


def _likeliest(squared: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Coefficients of the variance of normal errors; the constant is at least a hundredth of the mean."""
    from scipy.optimize import minimize

    scale = np.maximum(found.mean(axis=0), 1e-10)
    mean = float(squared.mean()) or 1e-12
    scaled = found / scale

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        variance = scaled @ coefficients
        value = np.mean(np.log(variance) + squared / mean / variance)
        slope = (1 / variance - squared / mean / variance**2) @ scaled / len(variance)
        return float(value), slope

    start = np.full(found.shape[1], 1 / found.shape[1])
    # A clue that is zero throughout says nothing, whatever its coefficient.
    bounds = [(1e-2, None)] + [(0.0, None if one > 1e-10 else 0.0) for one in scale[1:]]
    if len(squared) < FEWEST:
        start, bounds = np.eye(found.shape[1])[0], [(1.0, 1.0)] + [(0.0, 0.0)] * (found.shape[1] - 1)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return best.x * mean / scale


def _platt(raw: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Offset and slope, with Platt's targets that leave room for what was not seen."""
    from scipy.optimize import minimize

    odds, positive = _log_odds(raw), int(values.sum())
    high, low = (positive + 1) / (positive + 2), 1 / (len(values) - positive + 2)
    wanted = np.where(values > 0.5, high, low)

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        logits = line[0] + line[1] * odds
        value = np.mean(np.logaddexp(0, logits) - wanted * logits)
        off = 1 / (1 + np.exp(-logits)) - wanted
        return float(value), np.array([off.mean(), (off * odds).mean()])

    bounds = [(-10, 10), (0.05, 10)]
    return minimize(loss, [0.0, 1.0], jac=True, method="L-BFGS-B", bounds=bounds).x


def _log_odds(raw: np.ndarray) -> np.ndarray:
    clipped = np.clip(raw, 1e-4, 1 - 1e-4)
    return np.log(clipped / (1 - clipped))
