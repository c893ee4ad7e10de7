"""Slow modes: processes whose eigenvalues are known, another program, verdicts."""

import numpy as np
import pytest
from scipy.signal import lfilter

from adiabat.analysis import check_timescales, implied_timescales, tica, vamp2_score
from adiabat.analysis.slow_modes import folds
from adiabat.analysis.timescales import transitions
from adiabat.base import ConfigError, DataError

RATES = np.array([0.005, 0.05, 0.2, 0.5])


def mixed(n, seed=0, rates=RATES):
    """Independent Ornstein-Uhlenbeck processes of unit variance, shape (n, k), and mixtures of them."""
    random = np.random.default_rng(seed)
    decay = np.exp(-rates)
    noise = random.normal(size=(n, len(rates))) * np.sqrt(1 - decay**2)
    noise[0] = random.normal(size=len(rates))
    pure = np.stack([lfilter([1], [1, -a], noise[:, k]) for k, a in enumerate(decay)], axis=1)
    return pure, pure @ np.random.default_rng(1).normal(size=(len(rates), len(rates))) + 3.0


def test_modes_of_ornstein_uhlenbeck_processes():
    """Eigenvalues exp(-rate lag), and the slow process found among its mixtures."""
    pure, features = mixed(200_000)
    modes = tica([features], 5, 3)
    np.testing.assert_allclose(modes.eigenvalues, np.exp(-5 * RATES[:3]), atol=0.01)
    np.testing.assert_allclose(modes.timescales, 1 / RATES[:3], rtol=0.1)
    found = modes(features)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=2e-3)
    np.testing.assert_allclose(np.cov(found.T), np.eye(3), atol=2e-3)
    for k in range(3):
        assert abs(np.corrcoef(found[:, k], pure[:, k])[0, 1]) > 0.995
    assert modes.score == pytest.approx(1 + np.sum(np.exp(-10 * RATES[:3])), abs=0.02)


def counted():
    """Pairs of frames of indicators in the exact shares of a reversible chain of three states, and its
    eigenvalues."""
    counts = np.array([[900, 60, 3], [60, 400, 30], [3, 30, 500]])
    transition = counts / counts.sum(axis=1, keepdims=True)
    places = np.repeat(np.arange(9), counts.reshape(-1))
    states = np.stack([places // 3, places % 3], axis=1)
    return [np.eye(3)[pair] for pair in states], np.sort(np.linalg.eigvals(transition).real)[::-1]


def test_time_scales_of_a_transition_matrix():
    """Indicators add up to one, so that one of them says nothing new."""
    pairs, eigenvalues = counted()
    modes = tica(pairs, 1, 2)
    np.testing.assert_allclose(modes.timescales, -1 / np.log(eigenvalues[1:]), rtol=1e-10)
    assert vamp2_score(pairs, 1) == pytest.approx(np.sum(eigenvalues**2), rel=1e-10)
    with pytest.raises(ConfigError, match="3 modes of 2 independent features"):
        tica(pairs, 1, 3)


def test_dependent_features_are_no_obstacle():
    """Neither copies, nor sums, nor constants, nor other units change what is found."""
    _, features = mixed(5000)
    more = np.column_stack([features, features[:, 0], features @ [1.0, 2, 3, 4], np.full(5000, 7.3)])
    one, two = tica([features], 3, 2), tica([more * np.geomspace(1e-6, 1e6, 7)], 3, 2)
    np.testing.assert_allclose(two.eigenvalues, one.eigenvalues, atol=1e-9)
    assert vamp2_score([more], 3) == pytest.approx(vamp2_score([features], 3), abs=1e-8)


def test_pairs_are_within_trajectories():
    _, features = mixed(3000)
    halves = [features[:1000], features[1000:]]
    doubled = [*halves, *halves]
    np.testing.assert_allclose(tica(doubled, 4, 2).eigenvalues, tica(halves, 4, 2).eigenvalues, atol=1e-12)
    far = [halves[0], halves[1] + 0.0]
    far[1][:3] += 100.0  # frames that no pair begins with another trajectory's
    assert tica(far, 4).eigenvalues[0] != pytest.approx(tica(halves, 4).eigenvalues[0], abs=1e-3)
    assert tica([*halves, np.zeros((3, 4))], 4).eigenvalues[0] == pytest.approx(
        tica(halves, 4).eigenvalues[0], abs=1e-12
    )


def test_a_good_lag_and_enough_transitions():
    check = check_timescales([mixed(60_000)[1]], 5)
    assert check.converged, check.verdict
    at = list(check.implied.lags).index(5)
    error = check.implied.errors[at, 0]
    assert abs(check.implied.timescales[at, 0] - 200) < 3 * error < 150


def test_too_few_transitions_are_named():
    check = check_timescales([mixed(1500, seed=3, rates=RATES[:1] / 20)[1]], 5)
    assert not check.converged
    assert f"only {check.transitions[0]} transitions" in check.verdict


def test_time_scales_that_rise_are_named():
    """The slow process under noise of a hundred times its variance: the lag is too short for it."""
    random = np.random.default_rng(0)
    pure = mixed(400_000, rates=RATES[:1])[0]
    check = check_timescales([pure + 10 * random.normal(size=pure.shape)], 2)
    assert not check.converged
    assert "has not levelled off" in check.verdict


def test_turning_back_is_no_transition():
    there = np.concatenate([np.zeros(50), [0.2, 0.4, 0.5, 0.6, 0.4, 0.1], np.zeros(50), np.ones(50)])
    assert transitions([there, there[::-1]]) == 2


@pytest.mark.physics
def test_error_bars():
    """The deviation of independent trajectories is what the bootstrap of one says."""
    found = [implied_timescales([mixed(20_000, seed=seed)[1]], [5], seed=seed) for seed in range(40)]
    values = np.array([one.timescales[0, 0] for one in found])
    errors = np.array([one.errors[0, 0] for one in found])
    print(
        f"time scale {values.mean():.0f} (exact 200), deviation {values.std():.0f}, "
        f"bootstrap {np.median(errors):.0f}"
    )
    assert values.mean() == pytest.approx(200, abs=4 * values.std() / 40**0.5)
    assert 0.6 < np.median(errors) / values.std() < 1.7


@pytest.mark.physics
def test_deeptime_finds_the_same():
    decomposition = pytest.importorskip("deeptime").decomposition
    _, features = mixed(20_000)
    parts = [features[:7000], features[7000:]]
    theirs = decomposition.TICA(lagtime=10, dim=3, epsilon=1e-12).fit_fetch(parts)
    ours = tica(parts, 10, 3)
    np.testing.assert_allclose(ours.eigenvalues, theirs.singular_values[:3], atol=1e-8)
    np.testing.assert_allclose(ours.timescales, theirs.timescales(10)[:3], rtol=1e-8)
    shapes = theirs.transform(features)[:, :3]
    for k in range(3):
        assert abs(np.corrcoef(ours(features)[:, k], shapes[:, k])[0, 1]) == pytest.approx(1, abs=1e-8)
    score = decomposition.VAMP(lagtime=10, epsilon=1e-12).fit_fetch(parts).score(2)
    assert vamp2_score(parts, 10) == pytest.approx(score, abs=1e-8)


def test_what_makes_no_sense_is_refused():
    good = mixed(100)[1]
    for wrong, lag, error, match in (
        ([good], 0, ConfigError, "from 1 on"),
        ([good], 100, DataError, "longest has 100"),
        ([good, good[:, :2]], 1, DataError, "shapes"),
        ([], 1, DataError, "shapes"),
        ([np.where(good > 4, np.nan, good)], 1, DataError, "not finite"),
        ([np.ones((50, 2))], 1, ConfigError, "1 modes of 0 independent"),
    ):
        with pytest.raises(error, match=match):
            tica(wrong, lag)
    with pytest.raises(DataError, match="too few to hold some out"):
        folds([good], 5)
