"""The best molecules by several values at once, and different ones among them."""

import numpy as np

from adiabat.base import ConfigError
from adiabat.properties.fingerprints import similarities


def pareto_front(values: np.ndarray, maximize: np.ndarray | bool = True) -> np.ndarray:
    """The molecules that no other is better than in everything: of equal ones all stay.

    Args:
        values: shape (n_molecules, n_objectives); a molecule with NaN is left out.
        maximize: whether more is better, of all objectives or of each.

    Returns:
        their numbers, ascending.
    """
    cost = np.where(np.broadcast_to(maximize, values.shape[1]), -1.0, 1.0) * np.asarray(values, float)
    usable = np.flatnonzero(~np.isnan(cost).any(axis=1))
    # In the order of the sums no molecule can be worse than one that comes after it.
    order = usable[np.argsort(cost[usable].sum(axis=1), kind="stable")]
    front: list[int] = []
    while len(order):
        best, rest = cost[order[0]], cost[order[1:]]
        front.append(int(order[0]))
        order = order[1:][~((best <= rest).all(axis=1) & (best < rest).any(axis=1))]
    return np.sort(np.array(front, int))


def hypervolume(values: np.ndarray, reference: np.ndarray) -> float:
    """The volume of what is worse than some molecule and better than a reference (Zitzler and Thiele 1999,
    doi 10.1109/4235.797969), by slices along the last objective.

    Args:
        values: more is better, shape (n_molecules, n_objectives).
        reference: shape (n_objectives,).

    Returns:
        in the product of the objectives' units.
    """
    above = values[(values > reference).all(axis=1)] - reference
    if not len(above):
        return 0.0
    if above.shape[1] == 1:
        return float(above.max())
    above = above[np.argsort(-above[:, -1], kind="stable")]
    depths = above[:, -1] - np.append(above[1:, -1], 0.0)
    zero = np.zeros(above.shape[1] - 1)
    return float(
        sum(depth * hypervolume(above[: k + 1, :-1], zero) for k, depth in enumerate(depths) if depth > 0)
    )


def distinct(prints: np.ndarray, alike: float, count: int) -> np.ndarray:
    """Each molecule that is less alike than a limit to all that were taken before it (sphere exclusion: Gobbi
    and Lee 2003, doi 10.1021/ci025554v).

    Args:
        prints: count fingerprints in the order of preference, shape (n_molecules, n_places).
        alike: the limit of Tanimoto's coefficient.
        count: at most so many.

    Returns:
        their numbers, ascending.
    """
    near = similarities(prints, prints) >= alike
    free, found = np.ones(len(prints), bool), []
    while free.any() and len(found) < count:
        found.append(int(np.argmax(free)))
        free &= ~near[found[-1]]
        free[found[-1]] = False
    return np.array(found, int)


def diverse(prints: np.ndarray, count: int, scores: np.ndarray | None = None) -> np.ndarray:
    """Different molecules, by the largest of the smallest distances (MaxMin: Ashton et al. 2002,
    doi 10.1002/qsar.200290002), beginning with the best.

    Args:
        prints: count fingerprints, shape (n_molecules, n_places).
        count: how many.
        scores: more is better; the first molecule begins without them.

    Returns:
        numbers in the order they were picked.

    Raises:
        ConfigError: fewer molecules than asked for, or none asked for.
    """
    if not 1 <= count <= len(prints):
        raise ConfigError(f"{count} of {len(prints)} molecules cannot be picked")
    picked = [0 if scores is None else int(np.argmax(scores))]
    distance = 1 - similarities(prints[picked], prints)[0]
    while len(picked) < count:
        distance[picked] = -1.0
        picked.append(int(np.argmax(distance)))
        distance = np.minimum(distance, 1 - similarities(prints[picked[-1:]], prints)[0])
    return np.array(picked)
