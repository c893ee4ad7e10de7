"""Scores of a series turned into affinities by ligands of the same target that were measured."""

from typing import NamedTuple

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.properties.affinity.values import check_varied

LEAST_KNOWN = 5
"""With fewer ligands of the target only an order is given."""
_RESAMPLED = 2000


class Calibrated(NamedTuple):
    """Affinities of ligands.

    Attributes:
        values: pK, shape (n_ligands,).
        lower: end of the interval, same shape.
        upper: likewise.
        slope: of pK by the score; zero where scores say nothing of the known ligands.
    """

    values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    slope: float


def calibrate(scores: np.ndarray, known: np.ndarray, *, level: float = 0.9, seed: int = 0) -> Calibrated:
    """A line through the known ligands that does not fall, pK = a + b score with b >= 0.

    The interval is that of a bootstrap: lines through ligands drawn anew, plus what a line that has not seen
    a known ligand was off by.

    Args:
        scores: more is better, shape (n_ligands,).
        known: pK of the same ligands, NaN where it is not known.
        level: share of true values that the intervals are to hold.
        seed: of the bootstrap.

    Raises:
        DataError: fewer than five known ligands, or all have one affinity.
        ConfigError: a share that is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ConfigError(f"an interval holds a share between 0 and 1, not {level}")
    rows = np.flatnonzero(~np.isnan(known))
    if len(rows) < LEAST_KNOWN:
        raise DataError(
            f"{len(rows)} ligands of the target are known, absolute values need at least {LEAST_KNOWN}"
        )
    check_varied(known, "the known ligands")
    at, true = scores[rows], known[rows]
    offset, slope = _line(at, true)
    others = [np.arange(len(rows)) != k for k in range(len(rows))]
    errors = np.array(
        [t - np.dot(_line(at[o], true[o]), (1, s)) for s, t, o in zip(at, true, others, strict=True)]
    )
    random = np.random.default_rng(seed)
    draws = random.integers(len(rows), size=(_RESAMPLED, len(rows)))
    lines = np.array([_line(at[draw], true[draw]) for draw in draws])
    again = lines[:, :1] + lines[:, 1:] * scores + random.choice(errors, size=(_RESAMPLED, len(scores)))
    lower, upper = np.quantile(again, [(1 - level) / 2, (1 + level) / 2], axis=0)
    values = offset + slope * scores
    return Calibrated(values, np.minimum(lower, values), np.maximum(upper, values), slope)


def _line(scores: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Offset and slope of least squares; the mean where the slope would be negative."""
    apart = scores - scores.mean()
    square = float(apart @ apart)
    slope = max(0.0, float(apart @ values) / square) if square > 1e-12 else 0.0
    return float(values.mean() - slope * scores.mean()), slope
