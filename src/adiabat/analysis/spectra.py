"""Spectra of what moves: the vibrational density of states and the infrared absorption."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.constants

from adiabat.analysis.correlation import time_step
from adiabat.base import DataError

PER_CM = 1e13 / scipy.constants.c
"""The wavenumber [1/cm] of a vibration that takes one femtosecond."""

_MIN_FRAMES = 64
_LINE_WIDTH = 1.44  # full width at half maximum of a sharp line under Hann's window, in bins
_CHUNK_BYTES = 1 << 26


@dataclass(frozen=True)
class Spectrum:
    """A density over wavenumbers.

    Attributes:
        wavenumber: [1/cm], shape (n,), from zero to the highest that the time between frames lets see. What
            is faster is folded back below it.
        density: shape (n,); its integral over the wavenumbers is what the function that made it says.
        error: standard error from the segments of the series, shape (n,).
        resolution: width at half height that a sharp line gets [1/cm].
    """

    wavenumber: np.ndarray
    density: np.ndarray
    error: np.ndarray
    resolution: float

    @property
    def highest(self) -> float:
        """The highest wavenumber that can be told apart from slower motion (Nyquist's) [1/cm]."""
        return float(self.wavenumber[-1])

    def peaks(self) -> np.ndarray:
        """Wavenumbers of the maxima [1/cm] that stand out by three errors and a twentieth of the highest."""
        from scipy.signal import find_peaks

        tall = 0.05 * self.density.max()
        found, shape = find_peaks(self.density, prominence=tall)
        return self.wavenumber[found[shape["prominences"] > 3 * self.error[found]]]


def mean_spectrum(spectra: Sequence[Spectrum]) -> Spectrum | None:
    """That of several series, such as replicas; None where they were not of one length and time step.

    Its error is from theirs: the spread between them also has how the energy of each vibration differs.
    """
    first = spectra[0]
    if any(not np.array_equal(one.wavenumber, first.wavenumber) for one in spectra):
        return None
    density = np.mean([one.density for one in spectra], axis=0)
    error = np.sqrt(np.mean([one.error**2 for one in spectra], axis=0) / len(spectra))
    return Spectrum(first.wavenumber, density, error, first.resolution)


def vibrational_density_of_states(
    time: np.ndarray,
    velocities: np.ndarray,
    masses: np.ndarray,
    degrees_of_freedom: float | None = None,
    resolution: float = 8.0,
) -> Spectrum:
    """The density of states [cm]: the power spectrum of the mass-weighted velocities.

    Dickey and Paskin 1969, doi:10.1103/PhysRev.188.1407. Its integral is the number of degrees of freedom;
    what stands at zero is diffusion and rotation. It counts modes only where each has its share of the
    energy: in a short run without a thermostat it shows how much energy each has.

    Args:
        time: [fs], shape (n_frames,), evenly spaced, at least 64.
        velocities: [Å/fs], shape (n_frames, n_atoms, 3).
        masses: [amu], shape (n_atoms,).
        degrees_of_freedom: 3 n_atoms by default.
        resolution: wished for [1/cm]; the length of the run may not allow it.

    Raises:
        DataError: too few frames, not evenly spaced in time, or nothing moves.
    """
    n_frames = len(velocities)
    weights = np.repeat(np.asarray(masses, dtype=np.float64), 3)
    step = time_step(time)
    segments, window = _segments(n_frames, step, resolution)
    rows = [_power(velocities.reshape(n_frames, -1)[part] * np.sqrt(weights), window) for part in segments]
    spectrum = _averaged(np.array(rows), step, len(window))
    area = spectrum.density.sum() * spectrum.wavenumber[1]
    if not area > 0:
        raise DataError("a density of states needs velocities that are finite and not all zero")
    factor = (len(weights) if degrees_of_freedom is None else degrees_of_freedom) / area
    return Spectrum(
        spectrum.wavenumber, spectrum.density * factor, spectrum.error * factor, spectrum.resolution
    )


def infrared_spectrum(
    time: np.ndarray, dipoles: np.ndarray, temperature: float, resolution: float = 8.0
) -> Spectrum:
    """Infrared absorption of one molecule [km/mol cm]: the power spectrum of the derivative of its dipole.

    A = N_A / (12 eps0 c^2 k T) times the one-sided spectrum of dM/dt (Thomas et al. 2013,
    doi:10.1039/c3cp44302g), so that the integral over a band is its intensity [km/mol]. Nuclei are classical:
    lines of stiff bonds lie too high by their anharmonicity, and overtones are too weak.

    Args:
        time: [fs], shape (n_frames,), evenly spaced, at least 64.
        dipoles: [e Å], shape (n_frames, 3).
        temperature: [K].
        resolution: wished for [1/cm]; the length of the run may not allow it.

    Raises:
        DataError: too few frames, not evenly spaced in time, not finite.
    """
    values = np.asarray(dipoles, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 3 or not np.isfinite(values).all() or not temperature > 0:
        raise DataError(
            f"an infrared spectrum needs finite dipoles (n, 3) and a temperature, got {values.shape}"
        )
    step = time_step(time)
    segments, window = _segments(len(values), step, resolution)
    rows = [_power(values[part] - values[part].mean(axis=0), window) for part in segments]
    spectrum = _averaged(np.array(rows), step, len(window))
    # e^2 Å^2 / (amu Å^2) in m/mol, then km.
    square = scipy.constants.e**2 / scipy.constants.atomic_mass
    factor = scipy.constants.N_A * square / (12 * scipy.constants.epsilon_0 * scipy.constants.c**2) / 1000
    # k T in amu Å^2/fs^2, as the derivative is in e Å/fs.
    thermal = scipy.constants.Boltzmann * temperature / scipy.constants.atomic_mass * 1e-10
    derivative = (2 * np.pi * spectrum.wavenumber / PER_CM) ** 2  # of the dipole, by the wavenumber
    factors = factor / thermal * derivative
    return Spectrum(
        spectrum.wavenumber, factors * spectrum.density, factors * spectrum.error, spectrum.resolution
    )


def _segments(n_frames: int, step: float, resolution: float) -> tuple[list[slice], np.ndarray]:
    """Five or more half overlapping pieces (Welch 1967, doi:10.1109/TAU.1967.1161901); Hann's window."""
    if n_frames < _MIN_FRAMES:
        raise DataError(f"a spectrum needs at least {_MIN_FRAMES} frames, got {n_frames}")
    wished = round(_LINE_WIDTH * PER_CM / (resolution * step))
    size = int(np.clip(wished, 16, n_frames // 3)) // 2 * 2
    window = np.sin(np.pi * np.arange(size) / size) ** 2
    return [slice(first, first + size) for first in range(0, n_frames - size + 1, size // 2)], window


def _power(piece: np.ndarray, window: np.ndarray) -> np.ndarray:
    """One-sided power of the columns, summed; its sum is their mean square, shape (n // 2 + 1,)."""
    size = len(window)
    power = np.zeros(size // 2 + 1)
    width = max(1, _CHUNK_BYTES // (24 * size))
    for first in range(0, piece.shape[1], width):
        columns = np.ascontiguousarray(piece[:, first : first + width].T, dtype=np.float64) * window
        spectrum = np.fft.rfft(columns, axis=1)
        power += np.sum(spectrum.real**2 + spectrum.imag**2, axis=0)
    power[1:-1] *= 2
    return power / (size * np.sum(window**2))


def _averaged(rows: np.ndarray, step: float, size: int) -> Spectrum:
    spacing = PER_CM / (size * step)
    # Segments that overlap by half under Hann's window are correlated by 1/36.
    error = rows.std(axis=0, ddof=1) * np.sqrt((1 + 2 / 36) / len(rows)) / spacing
    wavenumber = spacing * np.arange(rows.shape[1])
    return Spectrum(wavenumber, rows.mean(axis=0) / spacing, error, _LINE_WIDTH * spacing)
