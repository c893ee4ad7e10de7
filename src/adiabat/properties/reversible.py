"""Fits and predictions that agree in both directions of a reaction."""

from typing import Any

import numpy as np

from adiabat.base import DataError
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import AbstractPredictor, Estimate, Labels, predictors
from adiabat.properties.reactions import Reactions


def fit_kind(
    kind: str, molecules: Molecules, labels: Labels, folds: np.ndarray, seed: int = 0, **options: Any
) -> tuple[AbstractPredictor, Estimate]:
    """Fits a kind of predictor, in both directions where the labels are reversible.

    Then one value u of a reaction is learned: a barrier, the logarithm of a rate constant. The last target
    is u less that of the reverse reaction (the reaction energy, the logarithm of the equilibrium constant),
    and so gives u of the reverse to learn from. It is predicted as

        u(reactants >> products) - u(products >> reactants),

    so that barriers and reaction energy, rate and equilibrium constants agree whatever was learned. Where
    that difference is the only target, u is half of it, of either sign.

    Args:
        kind: by its name in `predictors`.
        molecules: to learn from; reactions where the labels are reversible.
        labels: theirs.
        folds: the number of each one's fold, shape (n_molecules,).
        seed: of whatever is random.
        options: of the kind.

    Returns:
        the predictor, of one direction; and what those that had not seen a fold say of all targets.
    """
    fit = predictors.get(kind).fit
    if not labels.reversible:
        return fit(molecules, labels, folds, seed, **options)
    both = both_ways(molecules)
    values, limits = _both_labels(labels)
    one_way = Labels(values, limits, np.zeros(1, bool))
    model, outside = fit(both, one_way, np.tile(folds, 2), seed, **options)
    return model, _combined(outside, labels.values.shape[1])


def estimate(member: AbstractPredictor, molecules: Molecules, *, reversible: int = 0) -> Estimate:
    """What a predictor says of all targets.

    Args:
        member: of `fit_kind`.
        molecules: asked for.
        reversible: how many targets there are, where the labels were reversible.
    """
    if not reversible:
        return member.predict(molecules)
    return _combined(member.predict(both_ways(molecules)), reversible)


def both_ways(molecules: Molecules) -> Reactions:
    """The reactions, then their reverses.

    Raises:
        DataError: molecules.
    """
    if not isinstance(molecules, Reactions):
        raise DataError("only reactions can be reversed")
    return molecules.joined(molecules.reversed)


def _both_labels(labels: Labels) -> tuple[np.ndarray, np.ndarray]:
    """Values and limits of u forward, then in reverse, shapes (2 n_reactions, 1)."""
    # A limit of the difference says nothing of u in reverse.
    difference = np.where(labels.limits[:, -1] == 0, labels.values[:, -1], np.nan)
    if labels.values.shape[1] == 1:
        values, limits = difference / 2, np.zeros(len(difference))
        both = values, -values
    else:
        values, limits = labels.values[:, 0], labels.limits[:, 0]
        both = values, values - difference
    return np.concatenate(both)[:, None], np.tile(limits, 2)[:, None]


def _combined(both: Estimate, n_targets: int) -> Estimate:
    (value, back), (spread, back_spread) = (np.split(array[:, 0], 2) for array in both)
    found = np.stack([value, value - back], axis=1), np.stack([spread, np.hypot(spread, back_spread)], axis=1)
    return Estimate(*(array[:, -n_targets:] for array in found))
