"""Diffusion coefficients from displacements and velocities, and what the size of the cell does to them."""

import itertools
from collections.abc import Iterator

import numpy as np
import scipy.constants

from adiabat.analysis.correlation import summed_autocorrelation, time_step, velocity_autocorrelation
from adiabat.analysis.statistics import Average
from adiabat.base import DataError, UnsupportedError

_N_BLOCKS = 5
_CM2_PER_S = 0.1  # Å^2/fs in cm^2/s
_CUBIC_LATTICE = 2.837297  # the constant of Yeh and Hummer: a lattice sum over cubic images


def mean_squared_displacement(frames: np.ndarray) -> np.ndarray:
    """<|r(t0 + k) - r(t0)|^2> over atoms and origins t0, for every lag k, by FFT.

    Calandrini et al. 2011, doi:10.1051/sfn/201112010. Take the motion of the center of mass out before.
    Beside one copy of the frames in double precision, 64 MB are held.

    Args:
        frames: unwrapped positions [Å], shape (n_frames, n_atoms, 3), evenly spaced.

    Returns:
        [Å^2], shape (n_frames,).

    Raises:
        DataError: frames of another shape.
    """
    positions = np.asarray(frames)
    if positions.ndim != 3 or len(positions) < 2:
        raise DataError(
            f"a mean squared displacement needs frames (n >= 2, n_atoms, 3), got {positions.shape}"
        )
    n, n_atoms = positions.shape[:2]
    moved = positions.astype(np.float64).reshape(n, -1)
    moved -= moved[0].copy()  # small numbers keep their digits in the differences below
    squares = np.einsum("ij,ij->i", moved, moved)
    passed = np.concatenate([[0.0], np.cumsum(squares)])
    lags = np.arange(n)
    ends = (passed[n - lags] + passed[n] - passed[lags]) / (n - lags)
    result = (ends - 2 * summed_autocorrelation(moved, n)) / n_atoms
    result[0] = 0.0
    return np.maximum(result, 0.0)


def diffusion_coefficient(time: np.ndarray, frames: np.ndarray) -> Average:
    """Self-diffusion coefficient [cm^2/s] from Einstein's relation, MSD = 6 D t.

    The slope is fitted between a tenth and a half of each of five blocks of the trajectory; the error is that
    of the mean of the blocks. Not corrected for the size of the cell: see `finite_size_correction`.

    Args:
        time: [fs], shape (n_frames,), evenly spaced.
        frames: unwrapped positions [Å], shape (n_frames, n_atoms, 3), at least 50 frames.

    Raises:
        DataError: too few frames, or times that are not evenly spaced.
    """
    step = time_step(time)
    slopes = []
    for block in _blocks(len(frames)):
        squared = mean_squared_displacement(frames[block])
        low, high = max(1, len(squared) // 10), len(squared) // 2 + 1
        slopes.append(np.polyfit(step * np.arange(low, high), squared[low:high], 1)[0])
    return _mean_of_blocks(np.array(slopes) / 6 * _CM2_PER_S)


def green_kubo_diffusion(time: np.ndarray, velocities: np.ndarray) -> Average:
    """Self-diffusion coefficient [cm^2/s] from the velocities, D = 1/3 of the integral of <v(0) . v(t)>.

    Kubo 1957, doi:10.1143/JPSJ.12.570. The mean of the integrals up to a tenth and to half of each of five
    blocks of the trajectory, and to all times between, as for `diffusion_coefficient`: velocities reverse for
    picoseconds in a liquid. The error is that of the mean of the blocks. The frames must lie so close that
    the velocities of one and the next are related, or the integral is not that of the motion.

    Args:
        time: [fs], shape (n_frames,), evenly spaced.
        velocities: [Å/fs], shape (n_frames, n_atoms, 3), at least 50 frames.

    Raises:
        DataError: too few frames, or times that are not evenly spaced.
    """
    step = time_step(time)
    integrals = []
    for block in _blocks(len(velocities)):
        length = block.stop - block.start
        memory = velocity_autocorrelation(velocities[block], length // 2 + 1)
        integral = step * (np.cumsum(memory) - 0.5 * (memory + memory[0]))
        integrals.append(integral[max(1, length // 10) :].mean())
    return _mean_of_blocks(np.array(integrals) / 3 * _CM2_PER_S)


def finite_size_correction(cell: np.ndarray, temperature: float, viscosity: float) -> float:
    """What a diffusion coefficient lacks because of the periodic images [cm^2/s]: k T xi / (6 pi eta L).

    Yeh and Hummer 2004, doi:10.1021/jp0477147. To be added to the coefficient of a cubic cell. Strictly eta
    is the viscosity of the model; a measured one is as good as the model is.

    Args:
        cell: [Å], shape (3, 3).
        temperature: [K].
        viscosity: of the liquid [mPa s].

    Raises:
        UnsupportedError: a cell that is not cubic, for which the formula does not hold.
        DataError: a temperature or viscosity that is not above zero.
    """
    if not (temperature > 0 and viscosity > 0):
        raise DataError(
            f"temperature ({temperature:g} K) and viscosity ({viscosity:g} mPa s) must be above zero"
        )
    metric = np.asarray(cell, dtype=np.float64) @ np.asarray(cell, dtype=np.float64).T
    squared = np.trace(metric) / 3
    if squared <= 0 or np.abs(metric - squared * np.eye(3)).max() > 0.02 * squared:
        raise UnsupportedError(
            "the correction of Yeh and Hummer is for cubic cells", "simulate in a cubic cell"
        )
    length = np.sqrt(squared) * 1e-10
    thermal = scipy.constants.Boltzmann * temperature
    return float(thermal * _CUBIC_LATTICE / (6 * np.pi * viscosity * 1e-3 * length) * 1e4)


def _blocks(n_frames: int) -> Iterator[slice]:
    if n_frames < 10 * _N_BLOCKS:
        raise DataError(f"a diffusion coefficient needs at least {10 * _N_BLOCKS} frames, got {n_frames}")
    edges = np.linspace(0, n_frames, _N_BLOCKS + 1, dtype=int)
    return (slice(int(low), int(high)) for low, high in itertools.pairwise(edges))


def _mean_of_blocks(values: np.ndarray) -> Average:
    return Average(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), float(len(values)))
