"""Whether the time scales of slow modes can be trusted: their dependence on the lag, errors, transitions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adiabat.analysis.slow_modes import (
    lagged_moments,
    slow_modes_of,
    standardized,
    tica,
    timescales,
    with_pairs,
)

_BLOCKS = (10, 20, 40)
_RESAMPLES = 50
_LAGS = (0.5, 1.0, 1.5, 2.0)
_ENOUGH_TRANSITIONS = 10
_RISE, _ERROR = 0.2, 0.35


@dataclass(frozen=True)
class ImpliedTimescales:
    """Time scales of the slowest modes at several lags.

    Attributes:
        lags: [frames], shape (n_lags,).
        timescales: [frames], shape (n_lags, n_modes).
        errors: standard errors [frames], of the same shape; infinite where a resample has no time scale.
    """

    lags: np.ndarray
    timescales: np.ndarray
    errors: np.ndarray


@dataclass(frozen=True)
class TimescaleCheck:
    """A verdict on the slowest mode at a lag.

    Attributes:
        implied: the time scales at half the lag, at the lag, and beyond.
        transitions: how often each mode went from one of its ends to the other, shape (n_modes,).
        converged: whether the slowest has ten transitions, its time scale rises by less than a fifth (or its
            error) when the lag is doubled, and has an error below 35 %.
        verdict: the same in a sentence.
    """

    implied: ImpliedTimescales
    transitions: np.ndarray
    converged: bool
    verdict: str


def implied_timescales(
    trajectories: Sequence[np.ndarray], lags: Sequence[int], n_modes: int = 1, seed: int = 0
) -> ImpliedTimescales:
    """The time scales of `tica` at several lags, which do not depend on the lag where the modes are those of
    a Markov process (Swope, Pitera and Suits 2004, doi 10.1021/jp037421y).

    Errors are by a bootstrap over blocks of consecutive frames; of several lengths of blocks the one that
    gives the largest is taken. Blocks that are shorter than the time scale give too small ones.

    Args:
        trajectories: features of the frames of each, shapes (n_frames, n_features).
        lags: in frames.
        n_modes: how many of the slowest.
        seed: of the bootstrap.

    Raises:
        DataError, ConfigError: as `tica`.
    """
    pieces = standardized(trajectories)[2]
    random = np.random.default_rng(seed)
    found = [_with_errors(with_pairs(pieces, lag), int(lag), n_modes, random) for lag in lags]
    return ImpliedTimescales(
        lags=np.array(lags, dtype=int),
        timescales=np.array([value for value, _ in found]),
        errors=np.array([error for _, error in found]),
    )


def check_timescales(
    trajectories: Sequence[np.ndarray],
    lag: int,
    n_modes: int = 1,
    seed: int = 0,
    interval: float | None = None,
) -> TimescaleCheck:
    """Whether there was enough of the slowest motion to learn from, and the lag is long enough.

    Args:
        trajectories: features of the frames of each, shapes (n_frames, n_features).
        lag: in frames.
        n_modes: how many of the slowest.
        seed: of the bootstrap.
        interval: between frames [fs], for a verdict in ps; without it that counts frames.

    Raises:
        DataError: also when no trajectory is longer than twice the lag.
        ConfigError: as `tica`.
    """
    modes = tica(trajectories, lag, n_modes)
    lags = sorted({max(1, round(factor * lag)) for factor in _LAGS})
    implied = implied_timescales(trajectories, lags, n_modes, seed)
    projected = [modes(one) for one in trajectories]
    counts = np.array([transitions([one[:, k] for one in projected]) for k in range(n_modes)])
    at, later = lags.index(lag), lags.index(2 * lag)
    scale, error = implied.timescales[at, 0], implied.errors[at, 0]
    after, spread = implied.timescales[later, 0], implied.errors[later, 0]
    problems = []
    if counts[0] < _ENOUGH_TRANSITIONS:
        problems.append(f"only {counts[0]} transitions of the slowest mode")
    if not scale > 0:
        problems.append(f"at a lag of {_time(lag, interval)} no memory is left, choose a shorter one")
    elif not after - scale <= max(_RISE * scale, spread if np.isfinite(spread) else 0.0):
        problems.append(
            f"the time scale has not levelled off: {_time(scale, interval)} at a lag of "
            f"{_time(lag, interval)}, {_time(after, interval)} at {_time(2 * lag, interval)}"
        )
    if scale > 0 and not error <= _ERROR * scale:
        problems.append(f"the error of the time scale is {100 * error / scale:.0f} %")
    good = (
        f"converged: {counts[0]} transitions, time scale {_time(scale, interval)} +- {_time(error, interval)}"
    )
    verdict = f"not converged: {'; '.join(problems)}" if problems else good
    return TimescaleCheck(implied, counts, not problems, verdict)


def transitions(values: Sequence[np.ndarray]) -> int:
    """How often trajectories of one variable went from the one of its two clusters to the other.

    The clusters are those of two means; only the half of the way between these that is nearer to a mean
    belongs to it, so that turning back on the way does not count.

    Args:
        values: shapes (n_frames,).
    """
    low, high = two_means(np.concatenate(values))
    quarter = 0.25 * (high - low)
    count = 0
    for one in values:
        side = np.where(one < low + quarter, -1, np.where(one > high - quarter, 1, 0))
        count += int(np.count_nonzero(np.diff(side[side != 0])))
    return count


def two_means(values: np.ndarray) -> tuple[float, float]:
    """The means of the two clusters of a series, lower first (Lloyd's iteration from its ends)."""
    low, high = float(np.min(values)), float(np.max(values))
    for _ in range(100):
        below = values < 0.5 * (low + high)
        if below.all() or not below.any():
            break
        means = float(np.mean(values[below])), float(np.mean(values[~below]))
        if means == (low, high):
            break
        low, high = means
    return low, high


def _time(frames: float, interval: float | None) -> str:
    return f"{frames:.3g} frames" if interval is None else f"{frames * interval / 1000:.3g} ps"


def _with_errors(
    pieces: list[np.ndarray], lag: int, n_modes: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The time scales at a lag, and their errors, shapes (n_modes,)."""
    finest = _block_moments(pieces, lag, max(_BLOCKS))
    value = _timescales_of(finest.sum(axis=0), lag, n_modes)
    errors = []
    for count in _BLOCKS:
        groups = np.array_split(np.arange(len(finest)), min(count, len(finest)))
        blocks = np.array([finest[group].sum(axis=0) for group in groups])
        drawn = random.multinomial(len(blocks), np.full(len(blocks), 1 / len(blocks)), _RESAMPLES)
        resampled = np.array(
            [_timescales_of(np.tensordot(weights, blocks, 1), lag, n_modes) for weights in drawn]
        )
        finite = np.isfinite(resampled).all(axis=0)
        spread = np.std(np.where(finite, resampled, 0.0), axis=0, ddof=1)
        errors.append(np.where(finite, spread, np.inf))
    return value, np.max(errors, axis=0)


def _timescales_of(moments: np.ndarray, lag: int, n_modes: int) -> np.ndarray:
    found = timescales(slow_modes_of(moments, n_modes)[2], lag)
    return np.pad(found, (0, n_modes - len(found)), constant_values=np.nan)


def _block_moments(pieces: list[np.ndarray], lag: int, count: int) -> np.ndarray:
    """The moments of about `count` blocks of pairs of frames, shape (n_blocks, n, n)."""
    pairs = sum(len(piece) - lag for piece in pieces)
    found = []
    for piece in pieces:
        n = len(piece) - lag
        for block in np.array_split(np.arange(n), max(1, min(n, round(count * n / pairs)))):
            found.append(lagged_moments(piece[block[0] : block[-1] + 1 + lag], lag))
    return np.array(found)
