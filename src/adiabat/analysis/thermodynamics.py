"""Drift of the conserved energy, temperature, heat capacity, density."""

from dataclasses import dataclass

import numpy as np
import scipy.constants

from adiabat.analysis.statistics import (
    Average,
    equilibrated_average,
    finite_series,
    mean_with_error,
    statistical_inefficiency,
)
from adiabat.base import DataError
from adiabat.base.units import BOLTZMANN

_FS_PER_NS = 1e6
_N_MEANS = 32
# Of fewer values the scatter tells no error: of walks of three a quarter were beyond two of theirs.
_FEWEST = 8
# Of the variance that the walk gains from one mean to the next to that of the noise, times the square of
# their number: at 10 both count alike in the slope.
_WALK_TO_NOISE = np.geomspace(1.0, 1e5, 16)
_GRAMS_PER_CM3 = scipy.constants.atomic_mass * 1e27  # amu/Å^3 in g/cm^3


@dataclass(frozen=True)
class Drift:
    """A linear trend of the conserved energy.

    Attributes:
        slope: [eV/atom/ns].
        error: standard error of the slope [eV/atom/ns]; that the energy wanders is counted. Infinite of fewer
            than 8 values, which are too few to judge the slope by.
        fluctuation: standard deviation around the line [eV/atom].
        intercept: of the line, at the first time [eV].
        length: of the series [fs].
    """

    slope: float
    error: float
    fluctuation: float
    intercept: float
    length: float


def energy_drift(time: np.ndarray, energy: np.ndarray, n_atoms: int) -> Drift:
    """Slope of an energy that wanders about its drift, with an error that counts the wandering.

    An integrator keeps a shadow energy, about which the energy fluctuates; what it and the thermostat fail to
    keep adds up to a random walk (Bussi and Parrinello 2007, doi:10.1103/PhysRevE.75.056707). A walk looks
    like a slope: the residuals of a straight line cannot tell its error, however their correlation is
    counted. So the energy is taken as a line, a walk and white noise. Some 32 means of consecutive values are
    fitted by generalized least squares, once for each of many ratios of walk to noise, and slope and error
    averaged over these by their restricted likelihood (Harville 1977, doi:10.1080/01621459.1977.10480998).
    Of noise alone the error comes out two to three times too large: a small walk cannot be excluded.

    Args:
        time: [fs], shape (n,), increasing, n >= 3.
        energy: conserved energy of the whole system [eV], shape (n,).
        n_atoms: atoms of the system.

    Raises:
        DataError: too short, not finite, different lengths, or all times equal.
    """
    times = finite_series(time, minimum=3, name="time")
    energies = finite_series(energy, minimum=3, name="energy")
    if len(times) != len(energies) or np.ptp(times) <= 0:
        raise DataError(
            f"a drift needs an energy at each of several times, got {len(energies)} at {len(times)} times"
        )
    slope, error = _slope_of_walk(times, energies)
    centered = times - times.mean()
    residual = energies - energies.mean() - slope * centered
    return Drift(
        slope=slope * _FS_PER_NS / n_atoms,
        error=error * _FS_PER_NS / n_atoms if len(times) >= _FEWEST else np.inf,
        fluctuation=float(residual.std()) / n_atoms,
        intercept=float(energies.mean() + slope * centered[0]),
        length=float(np.ptp(times)),
    )


def _slope_of_walk(times: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Slope of a line under a random walk and white noise, and its standard error."""
    size = max(1, len(values) // _N_MEANS)
    count = len(values) // size
    place, mean = (series[-count * size :].reshape(count, size).mean(axis=1) for series in (times, values))
    spacing = (place[-1] - place[0]) / (count - 1)
    place = (place - place[0]) / spacing
    # Covariance of means over unit time of a walk of unit variance in unit time.
    walk = np.minimum.outer(place, place) + 0.5 - np.eye(count) / 6
    design = np.stack([np.ones(count), place - place.mean()], axis=1)
    slopes, variances, likelihoods = [], [], []
    for ratio in _WALK_TO_NOISE / count**2:
        whiten = np.linalg.inv(np.linalg.cholesky(np.eye(count) + ratio * walk))
        factor, observed = whiten @ design, whiten @ (mean - mean[0])
        inverse = np.linalg.inv(factor.T @ factor)
        found = inverse @ factor.T @ observed
        residual = observed - factor @ found
        variance = max(float(residual @ residual), np.finfo(float).tiny) / max(count - 2, 1)
        slopes.append(found[1])
        variances.append(variance * inverse[1, 1])
        likelihoods.append(
            np.log(np.diag(whiten)).sum()
            + 0.5 * np.linalg.slogdet(inverse)[1]
            - 0.5 * (count - 2) * np.log(variance)
        )
    weights = np.exp(np.array(likelihoods) - max(likelihoods))
    weights /= weights.sum()
    slope = float(weights @ slopes)
    variance = float(weights @ (np.array(variances) + (np.array(slopes) - slope) ** 2))
    return slope / float(spacing), float(np.sqrt(variance) / spacing)


@dataclass(frozen=True)
class TemperatureStatistics:
    """Mean temperature with its error, and its fluctuation beside the canonical one.

    Attributes:
        mean: after equilibration [K].
        error: standard error of the mean [K].
        fluctuation: standard deviation [K].
        canonical_fluctuation: mean sqrt(2 / degrees of freedom) [K].
        start: index of the first value taken as equilibrated.
        n_effective: number of independent values.
    """

    mean: float
    error: float
    fluctuation: float
    canonical_fluctuation: float
    start: int
    n_effective: float


def temperature_statistics(temperature: np.ndarray, degrees_of_freedom: int) -> TemperatureStatistics:
    """Mean and fluctuation of a temperature after equilibration.

    The canonical fluctuation follows from the chi-squared distribution of the kinetic energy; a thermostat
    that does not reach it does not sample the canonical ensemble (Shirts 2013, doi:10.1021/ct300688p).

    Args:
        temperature: instantaneous temperature [K], shape (n,).
        degrees_of_freedom: of the kinetic energy.
    """
    series = finite_series(temperature, name="temperature")
    average = equilibrated_average(series)
    return TemperatureStatistics(
        mean=average.mean,
        error=average.error,
        fluctuation=float(series[average.start :].std(ddof=1)),
        canonical_fluctuation=average.mean * float(np.sqrt(2 / degrees_of_freedom)),
        start=average.start,
        n_effective=average.n_effective,
    )


def heat_capacity(energy: np.ndarray, temperature: float) -> Average:
    """Heat capacity at constant volume [eV/K] of the whole system, from the fluctuation of its energy.

    C_V = (<E^2> - <E>^2) / (k T^2) (Allen and Tildesley 2017, doi:10.1093/oso/9780198803195.001.0001, section
    2.5). It holds in the canonical ensemble (NVT) alone: at constant energy or pressure E fluctuates
    otherwise. Nuclei are classical: stiff bonds, frozen in nature, count in full. The potential energy alone
    would fluctuate less; but it oscillates with the vibrations, which hides how slowly a thermostat works.

    Args:
        energy: potential and kinetic, after equilibration [eV], shape (n,), n >= 8.
        temperature: of the thermostat [K].

    Raises:
        DataError: too short, not finite, or a temperature that is not above zero.
    """
    series = finite_series(energy, minimum=8, name="energy")
    if not temperature > 0:
        raise DataError(f"a heat capacity needs a temperature above zero, got {temperature:g} K")
    squares = (series - series.mean()) ** 2
    # The mean was taken from the same values: of n / g independent ones, one is used up.
    independent = max(len(series) / statistical_inefficiency(series), 2.0)
    found = mean_with_error(squares)
    scale = independent / (independent - 1) / (BOLTZMANN * temperature**2)
    return Average(found.mean * scale, found.error * scale, min(found.n_effective, independent))


def density(masses: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Mass density [g/cm^3] of each frame.

    Args:
        masses: [amu], shape (n_atoms,).
        cell: [Å], shape (..., 3, 3).
    """
    volume = np.abs(np.linalg.det(np.asarray(cell, dtype=np.float64)))
    return float(np.sum(masses)) * _GRAMS_PER_CM3 / volume
