"""Drift, temperature, density, diffusion."""

import numpy as np
import pytest
from ase.build import bulk

from adiabat import analysis
from adiabat.base import DataError


def test_a_known_slope_is_recovered_exactly():
    time = np.arange(0.0, 5000.0, 2.5)
    drift = analysis.energy_drift(time, -300.0 + 1e-4 * 9 * time / 1e6, n_atoms=9)
    assert drift.slope == pytest.approx(1e-4, rel=1e-6)
    assert drift.error < 1e-9
    assert drift.intercept == pytest.approx(-300.0)
    assert drift.length == time[-1]


def test_the_error_of_a_drift_counts_that_energy_wanders():
    """A random walk about no drift at all: the error is the scatter, and two of them hold as they should."""
    time = np.arange(2000.0)
    rng = np.random.default_rng(3)
    walks = 1e-4 * np.cumsum(rng.normal(size=(200, 2000)), axis=1) + rng.normal(scale=2e-4, size=(200, 2000))
    drifts = [analysis.energy_drift(time, walk, 1) for walk in walks]
    slopes, errors = np.array([(drift.slope, drift.error) for drift in drifts]).T
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(slopes.std(), rel=0.15)
    # The best there is of a walk that starts anywhere: from its first value to the last.
    assert slopes.std() == pytest.approx(1e-4 / np.sqrt(2000) * 1e6, rel=0.2)
    assert 0.88 < np.mean(np.abs(slopes) < 2 * errors) < 0.99


def test_the_error_of_a_drift_of_bounded_noise_is_not_too_small():
    from scipy.signal import lfilter

    time = np.arange(2000.0)
    rng = np.random.default_rng(3)
    series = [lfilter([1.0], [1.0, -0.9], rng.normal(size=2500))[500:] * 1e-4 for _ in range(200)]
    drifts = [analysis.energy_drift(time, noise, 1) for noise in series]
    scatter = np.std([drift.slope for drift in drifts])
    assert scatter < np.mean([drift.error for drift in drifts]) < 3.5 * scatter


@pytest.mark.parametrize("few", [3, 5, 7])
def test_a_drift_of_few_values_has_no_error(few):
    """Of walks of three values without a drift a quarter would be beyond two standard errors."""
    time = np.arange(float(few))
    drift = analysis.energy_drift(time, 2e-6 * time, 1)
    assert drift.slope == pytest.approx(2.0)
    assert drift.error == np.inf
    assert np.isfinite(analysis.energy_drift(np.arange(8.0), np.arange(8.0) % 2, 1).error)


def test_drift_refuses_what_is_not_a_series():
    with pytest.raises(DataError, match="several times"):
        analysis.energy_drift(np.zeros(10), np.arange(10.0), 1)


def test_canonical_temperature_fluctuation():
    freedom, target = 27, 300.0
    temperature = target * np.random.default_rng(0).chisquare(freedom, size=20_000) / freedom
    found = analysis.temperature_statistics(temperature, freedom)
    assert abs(found.mean - target) < 4 * found.error
    assert found.error == pytest.approx(found.fluctuation / np.sqrt(found.n_effective), rel=1e-6)
    assert found.fluctuation == pytest.approx(target * np.sqrt(2 / freedom), rel=0.03)
    assert found.canonical_fluctuation == pytest.approx(found.fluctuation, rel=0.03)


def test_density_of_copper():
    copper = bulk("Cu", "fcc", a=3.615, cubic=True)
    assert analysis.density(copper.get_masses(), copper.cell.array) == pytest.approx(8.93, abs=0.01)


def test_mean_squared_displacement_equals_its_definition():
    frames = np.random.default_rng(0).normal(size=(30, 4, 3)).cumsum(axis=0) + 1000.0
    direct = [np.mean(np.sum((frames[k:] - frames[: len(frames) - k]) ** 2, axis=2)) for k in range(30)]
    np.testing.assert_allclose(analysis.mean_squared_displacement(frames), direct, atol=1e-9)


def test_diffusion_of_a_random_walk():
    step, timestep = 0.05, 2.0  # Å along each axis every 2 fs: D = step^2 / (2 timestep)
    walk = np.random.default_rng(0).normal(scale=step, size=(4000, 200, 3)).cumsum(axis=0)
    found = analysis.diffusion_coefficient(timestep * np.arange(4000), walk)
    exact = step**2 / (2 * timestep) * 0.1
    assert found.mean == pytest.approx(exact, rel=0.05)
    assert abs(found.mean - exact) < 4 * found.error
