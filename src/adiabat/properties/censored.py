"""Values of which only a limit was measured: `<5`, `>100`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import AbstractPredictor, Estimate, Labels, predictors
from adiabat.properties.reversible import fit_kind

PROCESS = "gaussian-process"
_DRAWS = 9


def beyond(mean: np.ndarray, spread: np.ndarray, limit: np.ndarray, side: np.ndarray) -> np.ndarray:
    """The mean of a normal variable that is known to be beyond a limit: μ ± σ φ(t)/Φ(-t) with
    t = ±(limit - μ)/σ (Tobin 1958, doi 10.2307/1907382).

    Args:
        mean: μ.
        spread: σ, positive.
        limit: the limit.
        side: -1 for below, 1 for above.
    """
    return mean + side * spread * hazard(side * (limit - mean) / spread)


def hazard(t: np.ndarray) -> np.ndarray:
    """φ(t)/Φ(-t) of the standard normal distribution, for any t."""
    return np.exp(-0.5 * t**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(-t))


def drawn(t: np.ndarray) -> np.ndarray:
    """Nine equally likely values of standard normal variables that are known to be above t, shape (9, n)."""
    share = (np.arange(_DRAWS) + 0.5) / _DRAWS
    return -ndtri_exp(log_ndtr(-t) + np.log(share)[:, None])


def moments(values: np.ndarray, limits: np.ndarray) -> tuple[float, float]:
    """The likeliest mean and standard deviation of a normal distribution, limits counted as such, by
    expectation and maximization (Dempster et al. 1977).

    Args:
        values: shape (n,).
        limits: -1 where the true value is below, 1 where it is above, else 0; shape (n,).
    """
    mean, spread = float(values.mean()), float(values.std())
    cut = np.flatnonzero(limits)
    if len(cut) == 0:
        return mean, spread
    side, limit, filled = limits[cut].astype(float), values[cut], values.astype(float)
    for _ in range(200):
        t = side * (limit - mean) / spread
        rate = hazard(t)
        filled[cut] = mean + side * spread * rate
        # What is not known of each value beyond its limit belongs to the variance.
        hidden = spread**2 * (1 + t * rate - rate**2)
        mean = float(filled.mean())
        spread = float(np.sqrt(((filled - mean) ** 2).mean() + hidden.sum() / len(values)))
    return mean, spread


class Completion(NamedTuple):
    """Values without limits.

    Attributes:
        labels: to fit any kind of predictor to; a limit is the mean of what can be beyond it.
        possible: equally likely values, shape (n_draws, n_molecules, n_targets): nine where there are limits,
            else one.
    """

    labels: Labels
    possible: np.ndarray


def completed(
    molecules: Molecules,
    labels: Labels,
    folds: np.ndarray,
    done: Mapping[str, tuple[AbstractPredictor, Estimate]],
    seed: int = 0,
) -> Completion:
    """What limits stand for, given what Gaussian processes that did not see the molecule's fold say of it.

    Args:
        molecules: to learn from.
        labels: theirs.
        folds: the number of each molecule's fold, shape (n_molecules,).
        done: kinds that are fitted already, by name; the processes may be among them.
        seed: of whatever is random.
    """
    cut = (labels.limits != 0) & ~np.isnan(labels.values)
    if not cut.any():
        return Completion(labels, labels.values[None])
    process = done[PROCESS] if PROCESS in done else fit_kind(PROCESS, molecules, labels, folds, seed)
    said = process[1]
    mean, spread, limit, side = (a[cut] for a in (said.mean, said.spread, labels.values, labels.limits))
    values, possible = labels.values.copy(), np.tile(labels.values, (_DRAWS, 1, 1))
    values[cut] = beyond(mean, spread, limit, side)
    possible[:, cut] = mean + side * spread * drawn(side * (limit - mean) / spread)
    return Completion(replace(labels, values=values, limits=np.zeros_like(labels.limits)), possible)


def to_fit(
    kinds: Sequence[str],
    molecules: Molecules,
    labels: Labels,
    folds: np.ndarray,
    done: Mapping[str, tuple[AbstractPredictor, Estimate]],
    seed: int = 0,
) -> Iterator[tuple[str, Labels]]:
    """The kinds that are not done yet, each with the labels to fit it to.

    Gaussian processes and graph networks take limits as they are; where there are some the processes come
    first, because they say what the others learn instead.

    Args:
        kinds: by their names.
        molecules: to learn from.
        labels: theirs.
        folds: the number of each molecule's fold, shape (n_molecules,).
        done: kinds that are fitted, with what they say out of fold; may grow between two.
        seed: of whatever is random.
    """
    learned = labels if not labels.limits.any() else None
    for kind in sorted(kinds, key=lambda kind: kind != PROCESS) if learned is None else kinds:
        if kind in done:
            continue
        if predictors.get(kind).takes_limits:
            yield kind, labels
            continue
        if learned is None:
            learned = completed(molecules, labels, folds, done, seed).labels
        yield kind, learned
