"""Means of correlated series with error bars."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adiabat.base import DataError


@dataclass(frozen=True)
class Average:
    """A mean with its standard error.

    Attributes:
        mean: in the unit of the series.
        error: standard error of the mean, correlation included.
        n_effective: number of independent values the error amounts to.
        start: index of the first value used.
    """

    mean: float
    error: float
    n_effective: float
    start: int = 0


def finite_series(values: np.ndarray, minimum: int = 2, name: str = "series") -> np.ndarray:
    """`values` as a float64 array of shape (n,), checked.

    Raises:
        DataError: not one-dimensional, shorter than `minimum`, or not finite.
    """
    series = np.asarray(values, dtype=np.float64)
    if series.ndim != 1 or len(series) < minimum:
        raise DataError(f"{name}: expected at least {minimum} values in a row, got shape {series.shape}")
    if not np.isfinite(series).all():
        raise DataError(f"{name}: value {int(np.argmin(np.isfinite(series)))} is not finite")
    return series


def autocorrelation(values: np.ndarray) -> np.ndarray:
    """Normalized autocorrelation C(k) of a series at every lag, by FFT; shape (n,), C(0) = 1.

    Each lag is averaged over its n - k pairs. A constant series has C = 0 beyond lag 0.
    """
    series = finite_series(values)
    n = len(series)
    centered = series - series.mean()
    spectrum = np.fft.rfft(centered, 2 * n)
    sums = np.fft.irfft(spectrum * spectrum.conj(), 2 * n)[:n]
    variance = sums[0] / n
    if variance <= (1e-14 * np.abs(series).max()) ** 2:
        return np.eye(1, n)[0]
    return sums / (n - np.arange(n)) / variance


def statistical_inefficiency(values: np.ndarray) -> float:
    """How many consecutive values are worth one independent one, g >= 1.

    g = 1 + 2 sum_k (1 - k/n) C(k), summed until C first falls to zero (Chodera et al. 2007,
    doi:10.1021/ct0502864, as in pymbar).
    """
    correlation = autocorrelation(values)
    n = len(correlation)
    negative = np.flatnonzero(correlation[1:] <= 0)
    end = int(negative[0]) + 1 if len(negative) else n
    lags = np.arange(1, end)
    return max(1.0, float(1 + 2 * np.sum((1 - lags / n) * correlation[1:end])))


def mean_with_error(values: np.ndarray) -> Average:
    """Mean and standard error sqrt(g variance / n) of a correlated series (doi:10.1021/ct0502864)."""
    series = finite_series(values)
    n_effective = len(series) / statistical_inefficiency(series)
    error = series.std(ddof=1) / np.sqrt(n_effective)
    return Average(float(series.mean()), float(error), float(n_effective))


def block_average(values: np.ndarray) -> Average:
    """Mean and standard error by blocking: neighbors are averaged until what is left is uncorrelated.

    Flyvbjerg and Petersen 1989, doi:10.1063/1.457480; the number of halvings is chosen by the test of
    Jonsson 2018, doi:10.1103/PhysRevE.98.043304 (99 % confidence). What neighbors still share then, which
    the test could not tell from chance, is counted in: without it errors of a few hundred correlated values
    are a fifth to a half too small.

    Args:
        values: shape (n,), n >= 4.
    """
    from scipy.stats import chi2

    series = finite_series(values, minimum=4)
    mean = float(series.mean())
    lengths, variances, shared, tests = [], [], [], []
    blocks = series
    while len(blocks) >= 2:
        centered = blocks - mean
        variance = float(np.mean(centered**2))
        lag_one = float(np.sum(centered[:-1] * centered[1:]) / len(blocks))
        lengths.append(len(blocks))
        variances.append(variance)
        shared.append(max(lag_one, 0.0))
        tests.append(len(blocks) * (lag_one / variance) ** 2 if variance > 0 else 0.0)
        even = len(blocks) // 2 * 2
        blocks = 0.5 * (blocks[:even:2] + blocks[1:even:2])
    statistic = np.cumsum(tests[::-1])[::-1]
    limits = chi2.ppf(0.99, np.arange(len(tests), 0, -1))
    passed = np.flatnonzero(statistic < limits)
    level = int(passed[0]) if len(passed) else len(tests) - 1
    squared_error = (variances[level] + 2 * shared[level]) / max(lengths[level] - 1, 1)
    n_effective = float(series.var() / squared_error) if squared_error > 0 else float(len(series))
    return Average(mean, float(np.sqrt(squared_error)), n_effective)


def block_error(
    function: Callable[[np.ndarray], np.ndarray], series: np.ndarray, n_blocks: int = 5
) -> np.ndarray:
    """Standard error of what a function makes of a series of frames, from its scatter over blocks.

    Right where blocks are longer than the memory of the system (Flyvbjerg and Petersen 1989,
    doi:10.1063/1.457480); of five blocks the error itself is known to a third.

    Args:
        function: of a part of the series; its results have one shape.
        series: frames along the first axis, at least `n_blocks`.
        n_blocks: how many.

    Raises:
        DataError: fewer frames than blocks.
    """
    if len(series) < n_blocks:
        raise DataError(f"an error from {n_blocks} blocks needs as many frames, got {len(series)}")
    found = np.array([function(block) for block in np.array_split(series, n_blocks)])
    return found.std(axis=0, ddof=1) / np.sqrt(n_blocks)


def equilibrated_average(values: np.ndarray, n_starts: int = 40) -> Average:
    """Mean of the part of a series that maximizes the number of independent values.

    The start is chosen among `n_starts` evenly spaced candidates of the first three quarters
    (Chodera 2016, doi:10.1021/acs.jctc.5b00784). In a short series the choice follows the noise; so
    nothing is dropped unless its mean lies three standard errors off that of the rest.
    """
    series = finite_series(values)
    candidates = np.unique(np.linspace(0, 0.75 * len(series), n_starts, dtype=int))
    candidates = candidates[candidates <= len(series) - 2]
    effective = [(len(series) - start) / statistical_inefficiency(series[start:]) for start in candidates]
    start = int(candidates[int(np.argmax(effective))])
    dropped, kept = series[:start], series[start:]
    if start:
        inefficiency = statistical_inefficiency(series)
        shares = sum(min(1.0, inefficiency / len(part)) for part in (dropped, kept))
        if abs(dropped.mean() - kept.mean()) < 3 * kept.std() * np.sqrt(shares):
            start, kept = 0, series
    average = mean_with_error(kept)
    return Average(average.mean, average.error, average.n_effective, start)


def running_mean(values: np.ndarray) -> np.ndarray:
    """Mean of everything up to each value, shape (n,)."""
    series = finite_series(values, minimum=1)
    return np.cumsum(series) / np.arange(1, len(series) + 1)


def bootstrap_rmse(
    squared_sums: np.ndarray, counts: np.ndarray, seed: int = 0, n_resamples: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a root-mean-square error, by the Bayesian bootstrap over structures.

    Structures, not components, are weighted anew, because errors within one structure are correlated (Rubin
    1981, doi:10.1214/aos/1176345338). Frames of one trajectory are too: then the interval is too narrow.

    Args:
        squared_sums: sum of squared errors of each structure, shape (n,).
        counts: number of components in each sum, shape (n,).
        seed: of the resampling.
        n_resamples: number of resamples.
        level: confidence.

    Returns:
        Lower and upper end, in the unit of the error.
    """
    sums = finite_series(squared_sums, minimum=1, name="squared errors")
    weights = finite_series(counts, minimum=1, name="counts")
    drawn = np.random.default_rng(seed).standard_exponential((n_resamples, len(sums)))
    rmse = np.sqrt((drawn @ sums) / (drawn @ weights))
    low, high = np.quantile(rmse, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
