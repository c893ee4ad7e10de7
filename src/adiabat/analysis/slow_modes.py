"""The slowest motions that trajectories show: time-lagged independent components and the VAMP-2 score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adiabat.base import ConfigError, DataError

# Directions with less than this share of the largest variance are taken for linear dependencies.
_RANK = 1e-10
# Pieces of a trajectory that are held out are at least so many lags long.
_PIECE, _MAX_PIECES = 10, 25
# A feature that varies by less than this share of its size is a constant with rounding.
_CONSTANT = 1e-8


@dataclass(frozen=True)
class SlowModes:
    """Linear combinations of features that forget their past most slowly.

    Attributes:
        lag: frames between the two times that were compared.
        mean: of the features, shape (n_features,).
        vectors: coefficients, one column for each mode, slowest first, shape (n_features, n_modes); a mode
            has mean 0 and variance 1, and its largest coefficient by the feature's deviation is positive.
        eigenvalues: the correlation of each mode with itself one lag later, shape (n_modes,).
        score: the VAMP-2 score of the modes, see `vamp2_score`.
    """

    lag: int
    mean: np.ndarray
    vectors: np.ndarray
    eigenvalues: np.ndarray
    score: float

    @property
    def timescales(self) -> np.ndarray:
        """-lag / ln(eigenvalue) [frames], shape (n_modes,); nan where there is no memory left."""
        return timescales(self.eigenvalues, self.lag)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The modes of features of shape (..., n_features), shape (..., n_modes)."""
        return (np.asarray(values, np.float64) - self.mean) @ self.vectors


def tica(trajectories: Sequence[np.ndarray], lag: int, n_modes: int = 1) -> SlowModes:
    """Time-lagged independent component analysis (Perez-Hernandez et al. 2013, doi 10.1063/1.4811489).

    The modes v solve C(lag) v = lambda C(0) v, with both matrices averaged over the trajectories and their
    reverse, as it holds in equilibrium. Features that depend on others are no obstacle.

    Args:
        trajectories: features of the frames of each, shapes (n_frames, n_features).
        lag: frames between the two times that are compared.
        n_modes: how many of the slowest.

    Raises:
        DataError: arrays that do not fit each other, not finite, or all shorter than the lag.
        ConfigError: a lag below 1, or more modes than independent features.
    """
    center, scale, pieces = standardized(trajectories)
    moments = np.sum([lagged_moments(piece, lag) for piece in with_pairs(pieces, lag)], axis=0)
    mean, vectors, eigenvalues = slow_modes_of(moments, n_modes)
    if not 1 <= n_modes <= len(eigenvalues):
        raise ConfigError(f"{n_modes} modes of {len(eigenvalues)} independent features cannot be found")
    return SlowModes(
        lag=int(lag),
        mean=center + scale * mean,
        vectors=vectors / scale[:, None],
        eigenvalues=eigenvalues,
        score=_score(_projected(moments, vectors)),
    )


def vamp2_score(trajectories: Sequence[np.ndarray], lag: int) -> float:
    """The VAMP-2 score of features: the sum of the squared singular values of
    C(0,0)^-1/2 C(0,lag) C(lag,lag)^-1/2, and 1 for the constant (Wu and Noe 2020, doi
    10.1007/s00332-019-09567-y). No k functions of the atoms have more than the k slowest.

    Args:
        trajectories: features of the frames of each, shapes (n_frames, n_features).
        lag: frames between the two times that are compared.

    Raises:
        DataError: arrays that do not fit each other, not finite, or all shorter than the lag.
        ConfigError: a lag below 1.
    """
    pieces = standardized(trajectories)[2]
    return _score(np.sum([lagged_moments(piece, lag) for piece in with_pairs(pieces, lag)], axis=0))


def folds(trajectories: Sequence[np.ndarray], lag: int, count: int = 5) -> list[list[np.ndarray]]:
    """The trajectories cut in pieces of consecutive frames, dealt out to several groups in turn; what was
    fitted to some is tested on another.

    Args:
        trajectories: features of the frames of each, shapes (n_frames, n_features).
        lag: in frames; pieces are ten times as long or more.
        count: of groups.

    Raises:
        DataError: as `checked_features`; or there are fewer pieces than groups.
    """
    arrays = checked_features(trajectories)
    pieces = []
    for one in arrays:
        pieces += np.array_split(one, np.clip(len(one) // (_PIECE * lag), 1, _MAX_PIECES))
    pieces = [piece for piece in pieces if len(piece) > 2 * lag]
    if len(pieces) < count:
        raise DataError(
            f"{sum(map(len, arrays))} frames are too few to hold some out at a lag of {lag}",
            f"choose a shorter lag, or run longer: {count * _PIECE} lags are needed",
        )
    return [pieces[number::count] for number in range(count)]


def timescales(eigenvalues: np.ndarray, lag: int) -> np.ndarray:
    """-lag / ln(eigenvalue) [frames]; nan for eigenvalues that are not positive, inf from 1 on."""
    found = np.asarray(eigenvalues, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        slow = -lag / np.log(np.where(found > 0, np.minimum(found, 1.0), np.nan))
    return np.where(found >= 1, np.inf, slow)


def checked_features(trajectories: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Features as arrays of float64, all with the same columns.

    Raises:
        DataError: they are not.
    """
    arrays = [np.asarray(one, np.float64) for one in trajectories]
    if not arrays or any(one.ndim != 2 or one.shape[1:] != arrays[0].shape[1:] for one in arrays):
        shapes = [one.shape for one in arrays]
        raise DataError(
            f"expected features of shapes (n_frames, n_features), got {shapes}",
            "give a list of arrays, one for each trajectory",
        )
    if not all(np.isfinite(one).all() for one in arrays):
        raise DataError("the features are not finite", "remove the frames of the simulation that exploded")
    return arrays


def standardized(trajectories: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Means and deviations of the features, and (values - mean) / deviation; constants become zeros.

    Raises:
        DataError: as `checked_features`.
    """
    arrays = checked_features(trajectories)
    everything = np.concatenate(arrays)
    if not len(everything):
        raise DataError("there are no frames")
    center, deviation = everything.mean(axis=0), everything.std(axis=0)
    varies = deviation > _CONSTANT * np.maximum(np.abs(center), deviation)
    scale = np.where(varies, deviation, 1.0)
    return center, scale, [np.where(varies, (one - center) / scale, 0.0) for one in arrays]


def with_pairs(trajectories: Sequence[np.ndarray], lag: int) -> list[np.ndarray]:
    """The trajectories that are longer than the lag.

    Raises:
        ConfigError: the lag is below 1.
        DataError: there are none.
    """
    if lag != int(lag) or lag < 1:
        raise ConfigError(f"the lag must be a whole number of frames from 1 on, got {lag}")
    long = [one for one in trajectories if len(one) > lag]
    if not long:
        longest = max(map(len, trajectories), default=0)
        raise DataError(
            f"a lag of {lag} frames needs longer trajectories: the longest has {longest}",
            "choose a shorter lag, or run longer",
        )
    return long


def lagged_moments(values: np.ndarray, lag: int) -> np.ndarray:
    """The sum of z z^T over the pairs of frames, with z = (1, x_t, x_(t + lag)); those of pieces of a
    trajectory add up to those of all of it.

    Args:
        values: shape (n_frames, n_features), of about unit size.
        lag: in frames, less than n_frames.

    Returns:
        Shape (1 + 2 n_features, 1 + 2 n_features).
    """
    pairs = np.hstack([np.ones((len(values) - lag, 1)), values[:-lag], values[lag:]])
    return pairs.T @ pairs


def slow_modes_of(moments: np.ndarray, n_modes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, vectors and eigenvalues of time-lagged independent components, from `lagged_moments`; fewer where
    fewer features are independent."""
    n, x, y, xx, xy, yy = _parts(moments)
    mean = (x + y) / (2 * n)
    square = np.outer(mean, mean)
    whitener = _whitener((xx + yy) / (2 * n) - square)
    lagged = whitener.T @ ((xy + xy.T) / (2 * n) - square) @ whitener
    eigenvalues, rotation = np.linalg.eigh(0.5 * (lagged + lagged.T))
    vectors = whitener @ rotation[:, ::-1][:, :n_modes]
    largest = np.take_along_axis(vectors, np.argmax(np.abs(vectors), axis=0)[None], axis=0)
    return mean, vectors * np.sign(largest), eigenvalues[::-1][:n_modes]


def _score(moments: np.ndarray) -> float:
    n, x, y, xx, xy, yy = _parts(moments)
    first = _whitener(xx / n - np.outer(x, x) / n**2)
    second = _whitener(yy / n - np.outer(y, y) / n**2)
    return 1.0 + float(np.sum((first.T @ (xy / n - np.outer(x, y) / n**2) @ second) ** 2))


def _projected(moments: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The moments of linear combinations of the features."""
    d, k = vectors.shape
    change = np.zeros((1 + 2 * d, 1 + 2 * k))
    change[0, 0] = 1.0
    change[1 : 1 + d, 1 : 1 + k] = change[1 + d :, 1 + k :] = vectors
    return change.T @ moments @ change


def _parts(moments: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The number of pairs, and the sums of x, y, x x^T, x y^T and y y^T."""
    d = len(moments) // 2
    x, y = slice(1, 1 + d), slice(1 + d, None)
    return moments[0, 0], moments[0, x], moments[0, y], moments[x, x], moments[x, y], moments[y, y]


def _whitener(covariance: np.ndarray) -> np.ndarray:
    """L with L^T C L = 1 on the directions in which something varies, shape (n_features, rank)."""
    variances, directions = np.linalg.eigh(0.5 * (covariance + covariance.T))
    kept = variances > _RANK * max(variances[-1], np.finfo(float).tiny)
    return directions[:, kept] / np.sqrt(variances[kept])
