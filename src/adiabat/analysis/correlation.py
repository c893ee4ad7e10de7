"""Time correlation functions of many series at once, by FFT."""

from dataclasses import dataclass

import numpy as np

from adiabat.base import DataError

_CHUNK_BYTES = 1 << 26  # of the transforms held at a time, beside the series themselves


@dataclass(frozen=True)
class Correlation:
    """A function of the time between two frames.

    Attributes:
        lag: [fs], shape (n,).
        value: shape (n,).
        error: standard error from five blocks of frames, shape (n,).
    """

    lag: np.ndarray
    value: np.ndarray
    error: np.ndarray


def time_step(time: np.ndarray) -> float:
    """The time between two frames [fs].

    Args:
        time: [fs], shape (n_frames,).

    Raises:
        DataError: fewer than two frames, or frames that are not evenly spaced in time.
    """
    steps = np.diff(np.asarray(time, dtype=np.float64))
    step = float(steps.mean()) if len(steps) else 0.0
    if not step > 0 or np.abs(steps - step).max() > 1e-3 * step:
        raise DataError(
            "the frames are not evenly spaced in time", "record every so many steps, and all of them"
        )
    return step


def summed_autocorrelation(series: np.ndarray, n_lags: int) -> np.ndarray:
    """sum over columns of <x(t0) x(t0 + k)>, averaged over all origins t0, for the lags k < n_lags.

    Nothing is subtracted. O(n log n) for each column. Beside the series, 64 MB are held at most.

    Args:
        series: shape (n_frames, n_columns).
        n_lags: at most n_frames.

    Returns:
        Shape (n_lags,).
    """
    n = len(series)
    size = 1 << (n + n_lags - 1).bit_length()  # so much room that no lag wraps around
    power = np.zeros(size // 2 + 1)
    width = max(1, _CHUNK_BYTES // (24 * size))
    for first in range(0, series.shape[1], width):
        columns = np.ascontiguousarray(series[:, first : first + width].T, dtype=np.float64)
        spectrum = np.fft.rfft(columns, size, axis=1)
        power += np.sum(spectrum.real**2 + spectrum.imag**2, axis=0)
    # The transform is linear: one inverse does for the sum of all columns.
    return np.fft.irfft(power, size)[:n_lags] / (n - np.arange(n_lags))


def velocity_autocorrelation(velocities: np.ndarray, n_lags: int | None = None) -> np.ndarray:
    """<v(t0) . v(t0 + k)> over atoms and origins t0, for every lag k.

    Allen and Tildesley 2017, doi:10.1093/oso/9780198803195.001.0001, section 8.2.

    Args:
        velocities: [Å/fs], shape (n_frames, n_atoms, 3), evenly spaced.
        n_lags: how many lags; by default half of the frames, beyond which there is little to average over.

    Returns:
        [Å^2/fs^2], shape (n_lags,).

    Raises:
        DataError: velocities of another shape, or more lags than frames.
    """
    values = np.asarray(velocities)
    if values.ndim != 3 or len(values) < 2:
        raise DataError(f"an autocorrelation needs velocities (n >= 2, n_atoms, 3), got {values.shape}")
    n_lags = len(values) // 2 if n_lags is None else n_lags
    if not 0 < n_lags <= len(values):
        raise DataError(f"{len(values)} frames have no {n_lags} lags")
    return summed_autocorrelation(values.reshape(len(values), -1), n_lags) / values.shape[1]
