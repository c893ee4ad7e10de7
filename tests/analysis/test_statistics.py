"""Error bars against processes whose answer is known exactly."""

import numpy as np
import pytest

from adiabat import analysis
from adiabat.base import DataError


def autoregressive(phi, n, seed=0):
    """x_t = phi x_(t-1) + noise, started in its stationary state."""
    from scipy.signal import lfilter

    noise = np.random.default_rng(seed).normal(size=n)
    noise[0] /= np.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], noise)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.98])
def test_statistical_inefficiency_of_an_autoregressive_process(phi):
    exact = (1 + phi) / (1 - phi)
    found = analysis.statistical_inefficiency(autoregressive(phi, 400_000))
    assert found == pytest.approx(exact, rel=0.08)


def test_autocorrelation_is_phi_to_the_lag():
    correlation = analysis.autocorrelation(autoregressive(0.8, 400_000))
    np.testing.assert_allclose(correlation[:12], 0.8 ** np.arange(12), atol=0.02)


@pytest.mark.parametrize("phi", [0.0, 0.7, 0.95])
def test_blocking_and_autocorrelation_agree_with_the_exact_error(phi):
    n = 2**16
    exact = np.sqrt(1 / (1 - phi**2) * (1 + phi) / (1 - phi) / n)
    found = [analysis.block_average(autoregressive(phi, n, seed)).error for seed in range(12)]
    assert np.mean(found) == pytest.approx(exact, rel=0.1)
    other = [analysis.mean_with_error(autoregressive(phi, n, seed)).error for seed in range(12)]
    assert np.mean(other) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("average", [analysis.mean_with_error, analysis.block_average])
def test_means_lie_within_their_error_bars_as_often_as_they_should(average):
    averages = [average(autoregressive(0.9, 5000, seed)) for seed in range(300)]
    inside = np.mean([abs(average.mean) < 1.96 * average.error for average in averages])
    assert 0.90 < inside < 0.98
    longer = [average(autoregressive(0.9, 20_000, seed)).error for seed in range(60)]
    assert np.mean(longer) == pytest.approx(np.mean([one.error for one in averages]) / 2, rel=0.1)


@pytest.mark.parametrize("average", [analysis.mean_with_error, analysis.block_average])
def test_errors_of_few_values_are_not_too_small(average):
    """Fifty independent ones: the root of the mean square of mean over error is one, or a bit more."""
    averages = [average(autoregressive(np.exp(-1 / 3), 300, seed)) for seed in range(600)]
    ratios = np.array([one.mean / one.error for one in averages])
    assert 0.95 < np.sqrt(np.mean(ratios**2)) < 1.2
    assert np.mean(np.abs(ratios) > 3) < 0.02


def test_the_error_of_a_function_of_blocks_is_its_scatter():
    """The variance of a correlated series, of many series: five blocks give its error to a third each."""
    series = np.array([autoregressive(0.8, 4000, seed) for seed in range(60)])
    errors = [analysis.block_error(lambda part: part.var(), one) for one in series]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(series.var(axis=1).std(), rel=0.25)
    with pytest.raises(DataError, match="as many frames"):
        analysis.block_error(np.mean, np.ones(4))


def test_equilibration_is_found():
    series = autoregressive(0.5, 4000)
    series[:500] += 20 * np.exp(-np.arange(500) / 60)
    average = analysis.equilibrated_average(series)
    assert 100 < average.start < 1000
    assert abs(average.mean) < 4 * average.error


def test_constant_series_has_no_error():
    average = analysis.block_average(np.full(64, 3.7))
    assert average.mean == pytest.approx(3.7)
    assert average.error < 1e-14
    assert analysis.statistical_inefficiency(np.full(64, 3.7)) == 1.0
    np.testing.assert_array_equal(analysis.running_mean(np.array([1.0, 3.0, 5.0])), [1, 2, 3])


def test_bootstrap_interval_of_a_gaussian_error():
    errors = np.random.default_rng(1).normal(scale=0.02, size=(400, 45))
    low, high = analysis.bootstrap_rmse((errors**2).sum(axis=1), np.full(400, 45))
    half = 1.96 * 0.02 / np.sqrt(2 * errors.size)
    assert low < np.sqrt(np.mean(errors**2)) < high
    assert (high - low) / 2 == pytest.approx(half, rel=0.15)
    assert analysis.bootstrap_rmse((errors**2).sum(axis=1), np.full(400, 45)) == (low, high)


@pytest.mark.parametrize("bad", [[1.0], [1.0, np.nan, 2.0], [[1.0, 2.0]]])
def test_bad_series_are_refused(bad):
    with pytest.raises(DataError):
        analysis.statistical_inefficiency(np.array(bad))


def test_nothing_is_dropped_from_a_short_series_at_equilibrium():
    """Twenty independent values: the start does not follow the noise, and two errors mostly hold."""
    averages = [analysis.equilibrated_average(autoregressive(0.955, 900, seed)) for seed in range(100)]
    assert np.mean([average.start == 0 for average in averages]) > 0.9
    assert np.mean([abs(average.mean) < 2 * average.error for average in averages]) > 0.8
