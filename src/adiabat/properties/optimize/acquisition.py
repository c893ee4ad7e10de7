"""Which molecules are worth an evaluation: expected improvement of what is wished for."""

from collections.abc import Sequence

import numpy as np

from adiabat.properties.fingerprints import count_morgan
from adiabat.properties.optimize.objectives import Objective, weights
from adiabat.properties.optimize.settings import Optimization
from adiabat.properties.optimize.surrogate import Posterior, Surrogate

# A surrogate of more molecules would take longer than most evaluations.
_MOST_KNOWN = 600


def fitted_surrogate(state: Optimization) -> Surrogate:
    """Of the desirabilities that are known; where they are many, of the best half and the latest."""
    values = state.desirabilities
    known = np.flatnonzero(np.isfinite(values).all(axis=1))
    if len(known) > _MOST_KNOWN:
        order = known[np.argsort(-(values[known] @ weights(state.objectives)), kind="stable")]
        best = order[: _MOST_KNOWN // 2]
        rest = np.setdiff1d(known, best)[-(_MOST_KNOWN // 2) :]
        known = np.sort(np.concatenate([best, rest]))
    return Surrogate.fit(state.archive.counts[known], values[known])


def wished(objectives: Sequence[Objective], count: int, random: np.random.Generator) -> np.ndarray:
    """Weights of the objectives for each molecule of a batch: the user's, and of several objectives every
    second time random ones, so that the whole Pareto front is looked for (Knowles 2006,
    doi 10.1109/TEVC.2005.851274).

    Returns:
        shape (count, n_objectives).
    """
    wishes = np.tile(weights(objectives), (count, 1))
    if len(objectives) > 1:
        wishes[1::2] = random.dirichlet(np.ones(len(objectives)), len(wishes[1::2]))
    return wishes


def best_so_far(state: Optimization, wishes: np.ndarray) -> np.ndarray:
    """The highest weighted sum of desirabilities for each wish, shape (n_wishes,)."""
    return (state.desirabilities[state.archive.usable] @ wishes.T).max(axis=0)


def improvements(
    surrogate: Surrogate, smiles: Sequence[str], wishes: np.ndarray, best: np.ndarray
) -> np.ndarray:
    """The expected improvements of molecules for each wish, shape (n_molecules, n_wishes)."""
    posterior = surrogate.predict(count_morgan(smiles))
    columns = [posterior.improvement(wish, float(target)) for wish, target in zip(wishes, best, strict=True)]
    return np.stack(columns, axis=1)


def pick(posterior: Posterior, wishes: np.ndarray, best: np.ndarray) -> list[int]:
    """The most promising molecule for each wish, one after the other, each taken for known when the next is
    chosen.

    Args:
        posterior: of the molecules; it is changed.
        wishes: shape (n_wishes, n_objectives).
        best: what is known to be reached of each, shape (n_wishes,).

    Returns:
        their numbers, as many as there are wishes, or molecules.
    """
    chosen: list[int] = []
    for wish, target in zip(wishes[: len(posterior.counts)], best, strict=False):
        improvement = posterior.improvement(wish, target)
        improvement[chosen] = -1.0
        chosen.append(int(np.argmax(improvement)))
        posterior.believe(chosen[-1])
    return chosen
