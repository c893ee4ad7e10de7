"""How well scores order ligands as experiment does, how sure that is, and whether one score does better."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adiabat.properties.evaluate import Score

_RESAMPLED = 2000


class Ordering(NamedTuple):
    """How pairs of ligands are ordered by a score, or on average by several.

    Attributes:
        sign: 1 where the second of a pair has the higher score, -1 where the first, shape (n, n).
        told: 1 where the score tells the two apart, 0 of equal scores, shape (n, n).
        seen: whether the pair is compared at all, shape (n, n).
    """

    sign: np.ndarray
    told: np.ndarray
    seen: np.ndarray


class Difference(NamedTuple):
    """How much larger Kendall's tau of a score is than that of another, on the same ligands.

    Attributes:
        value: of the means over the series.
        lower: end of the 95 % interval of the bootstrap.
        upper: likewise.
        p_value: two-sided, by the share of resampled differences beyond zero.
    """

    value: float
    lower: float
    upper: float
    p_value: float


def ordering(scores: np.ndarray) -> Ordering:
    """All pairs by one score, shape (n,); a score that is NaN is compared with none."""
    sign = np.nan_to_num(np.sign(scores[None, :] - scores[:, None]))
    usable = ~np.isnan(scores)
    return Ordering(sign, np.abs(sign), usable[:, None] & usable[None, :])


def averaged(scores: np.ndarray, folds: np.ndarray) -> Ordering:
    """Pairs whose two ligands were left out together, averaged over repetitions.

    Scores of two models cannot be compared: one that has not seen a strong ligand has a lower mean than one
    that has. Where single ligands are left out, a model that knows only the mean orders all of them the
    wrong way round (Airola et al. 2011, doi 10.1016/j.csda.2010.11.018).

    Args:
        scores: of models that had not seen the ligand, shape (n_repetitions, n).
        folds: the part with which each was left out, shape (n_repetitions, n).
    """
    sign = np.sign(scores[:, None, :] - scores[:, :, None])
    together = folds[:, None, :] == folds[:, :, None]
    count = together.sum(axis=0)
    divisor = np.maximum(count, 1)
    return Ordering(
        (sign * together).sum(axis=0) / divisor, (np.abs(sign) * together).sum(axis=0) / divisor, count > 0
    )


def kendall(values: np.ndarray, order: Ordering, seed: int = 0) -> Score:
    """Kendall's tau-b (1945, doi 10.1093/biomet/33.3.239) with the 95 % interval of a bootstrap over ligands.

    A score that tells no two ligands apart has tau 0.

    Args:
        values: measured, shape (n,); ligands with NaN are not compared.
        order: of the same ligands by a score.
        seed: of the bootstrap.

    Returns:
        NaNs where all values are equal.
    """
    return mean_kendall([values], [order], seed)


def mean_kendall(values: Sequence[np.ndarray], orders: Sequence[Ordering], seed: int = 0) -> Score:
    """The mean of tau over several series, weighed by their ligands, which are drawn anew in each series. So
    the interval is for these targets; others differ by more."""
    draws = _draws(values, seed)
    value, again = (
        _mean(values, orders, [np.ones((1, len(v))) for v in values])[0],
        _mean(values, orders, draws),
    )
    if np.isnan(again).all():
        return Score(float(value), np.nan, np.nan)
    lower, upper = np.nanquantile(again, [0.025, 0.975])
    return Score(float(value), float(lower), float(upper))


def compare_orderings(
    values: Sequence[np.ndarray], one: Sequence[Ordering], other: Sequence[Ordering], seed: int = 0
) -> Difference:
    """Whether a score orders the ligands of several series better than another: a paired bootstrap."""
    whole, draws = [np.ones((1, len(v))) for v in values], _draws(values, seed)
    value = float((_mean(values, one, whole) - _mean(values, other, whole))[0])
    again = _mean(values, one, draws) - _mean(values, other, draws)
    again = again[~np.isnan(again)]
    if not len(again):
        return Difference(value, np.nan, np.nan, 1.0)
    lower, upper = np.quantile(again, [0.025, 0.975])
    # One more in either tail: no finite bootstrap shows that a chance is zero.
    tail = (1 + min((again <= 0).sum(), (again >= 0).sum())) / (1 + len(again))
    return Difference(value, float(lower), float(upper), float(min(1.0, 2 * tail)))


def _draws(values: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """How often each ligand is drawn in each resampling, shape (n_resampled, n) of each series."""
    random = np.random.default_rng(seed)
    return [
        random.multinomial(len(v), np.full(len(v), 1 / len(v)), size=_RESAMPLED).astype(float) for v in values
    ]


def _mean(
    values: Sequence[np.ndarray], orders: Sequence[Ordering], weights: Sequence[np.ndarray]
) -> np.ndarray:
    """Means over the series, shape (n_resampled,)."""
    found = np.array([_tau(v, o, w) for v, o, w in zip(values, orders, weights, strict=True)])
    sizes = np.array([len(v) for v in values], float)[:, None] * ~np.isnan(found)
    total = sizes.sum(axis=0)
    mean = (np.nan_to_num(found) * sizes).sum(axis=0) / np.maximum(total, 1)
    return np.where(total > 0, mean, np.nan)


def _tau(values: np.ndarray, order: Ordering, weights: np.ndarray) -> np.ndarray:
    """Tau-b with ligands weighed, shape (n_resampled,)."""
    known = ~np.isnan(values)
    seen = order.seen & known[:, None] & known[None, :]
    truth = np.nan_to_num(np.sign(values[None, :] - values[:, None])) * seen

    def total(pairs: np.ndarray) -> np.ndarray:
        return ((weights @ pairs) * weights).sum(axis=1)

    agreeing, apart, told = total(truth * order.sign), total(np.abs(truth)), total(order.told * seen)
    product = np.sqrt(apart * told)
    tau = np.divide(agreeing, product, out=np.zeros_like(agreeing), where=product > 0)
    return np.where(apart > 0, tau, np.nan)
