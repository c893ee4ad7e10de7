"""Mean squared displacement and the diffusion coefficient that follows from it."""

import numpy as np

from adiabat.analysis.statistics import Average
from adiabat.base import DataError

_N_BLOCKS = 5
_CM2_PER_S = 0.1  # Å^2/fs in cm^2/s


def mean_squared_displacement(frames: np.ndarray) -> np.ndarray:
    """<|r(t0 + k) - r(t0)|^2> over atoms and origins t0, for every lag k, by FFT.

    Calandrini et al. 2011, doi:10.1051/sfn/201112010. Take the motion of the center of mass out before.

    Args:
        frames: unwrapped positions [Å], shape (n_frames, n_atoms, 3), evenly spaced.

    Returns:
        [Å^2], shape (n_frames,).
    """
    positions = np.asarray(frames, dtype=np.float64)
    if positions.ndim != 3 or len(positions) < 2:
        raise DataError(
            f"a mean squared displacement needs frames (n >= 2, n_atoms, 3), got {positions.shape}"
        )
    positions = positions - positions[0]  # small numbers keep their digits in the differences below
    n = len(positions)
    spectrum = np.fft.rfft(positions, 2 * n, axis=0)
    products = np.fft.irfft(spectrum * spectrum.conj(), 2 * n, axis=0)[:n].sum(axis=2)
    squares = np.sum(positions**2, axis=2)
    padded = np.concatenate([squares, np.zeros((1, squares.shape[1]))])
    total = 2 * squares.sum(axis=0)
    sums = np.empty_like(squares)
    for lag in range(n):
        total = total - padded[lag - 1] - padded[n - lag]
        sums[lag] = total
    result = ((sums - 2 * products) / (n - np.arange(n))[:, None]).mean(axis=1)
    result[0] = 0.0
    return np.maximum(result, 0.0)


def diffusion_coefficient(time: np.ndarray, frames: np.ndarray) -> Average:
    """Self-diffusion coefficient [cm^2/s] from Einstein's relation, MSD = 6 D t.

    The slope is fitted between a tenth and a half of each of five blocks of the trajectory; the error is that
    of the mean of the blocks. Not corrected for the size of the cell (doi:10.1021/jp0477147).

    Args:
        time: [fs], shape (n_frames,), evenly spaced.
        frames: unwrapped positions [Å], shape (n_frames, n_atoms, 3), at least 50 frames.
    """
    if len(frames) < 10 * _N_BLOCKS:
        raise DataError(f"a diffusion coefficient needs at least {10 * _N_BLOCKS} frames, got {len(frames)}")
    step = float(np.mean(np.diff(time)))
    slopes = []
    for block in np.array_split(np.arange(len(frames)), _N_BLOCKS):
        squared = mean_squared_displacement(frames[block])
        low, high = max(1, len(block) // 10), len(block) // 2 + 1
        slopes.append(np.polyfit(step * np.arange(low, high), squared[low:high], 1)[0])
    values = np.array(slopes) / 6 * _CM2_PER_S
    return Average(float(values.mean()), float(values.std(ddof=1) / np.sqrt(_N_BLOCKS)), float(_N_BLOCKS))
