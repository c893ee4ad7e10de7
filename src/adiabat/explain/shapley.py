"""Shapley's values: what each player brings to a game, on average over all orders in which they come."""

from collections.abc import Callable

import numpy as np
from scipy.special import beta


def coalitions(n_players: int) -> np.ndarray:
    """All sets of players, nobody first and all last, shape (2^n_players, n_players)."""
    return (np.arange(1 << n_players)[:, None] >> np.arange(n_players) & 1).astype(bool)


def shapley_values(worth: np.ndarray) -> np.ndarray:
    """The exact values (Shapley 1953, doi 10.1515/9781400881970-018): of each player the mean of what its
    coming changes, each set of those who were there before weighed by |S|! (n - |S| - 1)! / n!. They add up
    to the worth of all less that of nobody.

    Args:
        worth: of each of `coalitions`, shape (2^n_players, n_targets).

    Returns:
        shape (n_players, n_targets).
    """
    n_players = len(worth).bit_length() - 1
    sets = coalitions(n_players)
    before = sets.sum(axis=1)
    found = np.empty((n_players, worth.shape[1]))
    for player in range(n_players):
        absent = np.flatnonzero(~sets[:, player])
        weights = beta(before[absent] + 1, n_players - before[absent])
        found[player] = weights @ (worth[absent + (1 << player)] - worth[absent])
    return found


def sampled_shapley_values(
    worth: Callable[[np.ndarray], np.ndarray], n_players: int, orders: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The mean over random orders, each also taken backward (Castro et al. 2009,
    doi 10.1016/j.cor.2008.04.004). However few, they add up as the exact values do.

    Args:
        worth: of sets of players, shape (n_sets, n_players), as shape (n_sets, n_targets).
        n_players: how many.
        orders: pairs of orders.
        seed: of the orders.

    Returns:
        values and their standard errors, shapes (n_players, n_targets).
    """
    random = np.random.default_rng(seed)
    rank = random.permuted(np.tile(np.arange(n_players), (orders, 1)), axis=1)
    rank = np.stack([rank, n_players - 1 - rank], axis=1)  # (n_orders, 2, n_players)
    sets = rank[:, :, None, :] < np.arange(n_players + 1)[:, None]
    found = worth(sets.reshape(-1, n_players)).reshape(orders, 2, n_players + 1, -1)
    gained = np.take_along_axis(np.diff(found, axis=2), rank[..., None], axis=2).mean(axis=1)
    return gained.mean(axis=0), gained.std(axis=0, ddof=1) / np.sqrt(orders)
