"""Shapley's values: by hand, their axioms, and those of trees against all coalitions."""

import itertools

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from adiabat.explain.shapley import coalitions, sampled_shapley_values, shapley_values
from adiabat.explain.trees import tree_shapley
from adiabat.properties.trees import Trees, _of_forest


def game(n_players, seed=0):
    return np.random.default_rng(seed).normal(size=(1 << n_players, 2))


def by_orders(worth, n_players):
    found = np.zeros((n_players, worth.shape[1]))
    orders = list(itertools.permutations(range(n_players)))
    for order in orders:
        there = 0
        for player in order:
            found[player] += worth[there | 1 << player] - worth[there]
            there |= 1 << player
    return found / len(orders)


def test_gloves():
    """One left glove and two right ones, a pair is worth 1: 2/3, 1/6, 1/6."""
    worth = np.array([[float(s[0] and (s[1] or s[2]))] for s in coalitions(3)])
    np.testing.assert_allclose(shapley_values(worth)[:, 0], [2 / 3, 1 / 6, 1 / 6], atol=1e-12)


def test_it_is_the_mean_over_all_orders():
    for n_players in (1, 2, 5):
        worth = game(n_players)
        np.testing.assert_allclose(shapley_values(worth), by_orders(worth, n_players), atol=1e-12)


def test_axioms():
    n_players = 10
    one, other = game(n_players), game(n_players, 1)
    found = shapley_values(one)
    np.testing.assert_allclose(found.sum(axis=0), one[-1] - one[0], atol=1e-10)  # efficiency
    both = shapley_values(2 * one + other)
    np.testing.assert_allclose(both, 2 * found + shapley_values(other), atol=1e-10)  # additivity
    sets = coalitions(n_players)
    # Players 0 and 1 are alike, 2 does nothing.
    alike = (sets[:, 0].astype(float) + sets[:, 1]) ** 2 + sets[:, 3:] @ np.arange(7.0) * sets[:, 0] * sets[
        :, 1
    ]
    values = shapley_values(alike[:, None])[:, 0]
    assert values[0] == pytest.approx(values[1], abs=1e-10)
    assert values[2] == pytest.approx(0.0, abs=1e-10)


def test_sampling_is_near_and_adds_up():
    n_players, sets = 6, coalitions(6)
    worth = game(n_players)
    places = 1 << np.arange(n_players)
    found, errors = sampled_shapley_values(lambda kept: worth[kept @ places], n_players, orders=400)
    np.testing.assert_allclose(found.sum(axis=0), worth[-1] - worth[0], atol=1e-10)
    off = np.abs(found - shapley_values(worth))
    assert (off < 4 * errors).all()
    assert 0 < errors.max() < 0.2
    assert len(sets) == 64


def masked(function, features, baseline, index):
    """The worth of all sets of some features."""
    sets = coalitions(len(index))
    rows = np.tile(baseline, (len(sets), 1))
    rows[:, index] = np.where(sets, features[index], baseline[index])
    return function(rows)


@pytest.mark.parametrize("depth", [1, 3, None])
def test_trees_against_all_coalitions(depth):
    """Few features and deep trees, so that ways ask the same feature again and again."""
    random = np.random.default_rng(0)
    features = random.integers(0, 6, size=(80, 7)).astype(np.float32)
    values = features[:, 0] * features[:, 1] - (features[:, 2] > 2) * features[:, 3] + random.normal(size=80)
    forest = RandomForestRegressor(12, max_depth=depth, random_state=0).fit(features, values)
    trees = Trees.joined([_of_forest(tree.tree_) for tree in forest.estimators_])
    for row in range(6):
        ours, theirs = features[row], features[70 + row] if row else np.zeros(7, np.float32)
        worth = masked(lambda rows: trees(rows).sum(axis=1, dtype=float)[:, None], ours, theirs, np.arange(7))
        found = tree_shapley(trees, ours, theirs)
        np.testing.assert_allclose(found, shapley_values(worth)[:, 0], atol=1e-4)
        assert found.sum() == pytest.approx(worth[-1, 0] - worth[0, 0], abs=1e-4)


def test_a_tree_that_is_a_leaf_gives_nothing():
    trees = Trees.joined(
        [{"leaf": np.array([True]), "value": np.array([3.0])} | dict.fromkeys(
            ("feature", "threshold", "left", "right"), np.array([0]))]
    )  # fmt: skip
    assert not tree_shapley(trees, np.ones(4, np.float32), np.zeros(4, np.float32)).any()
