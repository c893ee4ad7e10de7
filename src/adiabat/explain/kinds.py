"""Contributions of atoms to what one predictor says, by its kind."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from adiabat.base.registry import Registry
from adiabat.explain.anatomy import Anatomy
from adiabat.explain.shapley import sampled_shapley_values
from adiabat.properties.predictor import AbstractPredictor

# Pairs of orders in which the atoms of a molecule come, where nothing exact is known.
ORDERS = 50


class Attribution(NamedTuple):
    """What atoms bring to a prediction, in the units of `Labels`.

    Attributes:
        values: shape (n_atoms, n_targets).
        errors: standard errors of sampling, zero of what is exact; likewise.
        method: in words.
    """

    values: np.ndarray
    errors: np.ndarray
    method: str


_GRADIENTS = "integrated gradients"
_TREES = "exact Shapley values of fingerprint and descriptors, given to the atoms behind them"
_METHODS = {
    "forest": _TREES,
    "boosting": _TREES,
    "gaussian-process": _GRADIENTS,
    "multi-kernel": _GRADIENTS,
    "graph": _GRADIENTS,
    "additive": "the model's own sum over atoms, of a class that before its sigmoid, in proportion",
}
# Of every other kind the contributions are sampled.
_ways = Registry(
    "explanation of a property model",
    {
        "forest": "adiabat.explain.trees:of_trees",
        "boosting": "adiabat.explain.trees:of_trees",
        "gaussian-process": "adiabat.explain.gaussian_process:of_process",
        "multi-kernel": "adiabat.explain.gaussian_process:of_process",
        "graph": "adiabat.explain.graph:of_graphs",
        "additive": "adiabat.explain.additive:of_sum",
    },
)
# What these say of some of the atoms is the sum of what these bring in the whole molecule.
_SUMS = ("additive",)


def of_atoms(predictor: AbstractPredictor, anatomy: Anatomy) -> Attribution:
    """The contributions of atoms, which add up to the prediction of the molecule less that of none."""
    if predictor.kind not in _ways:
        values, errors = sampled_shapley_values(worth_of(predictor, anatomy), anatomy.n_atoms, ORDERS)
        return Attribution(values, errors, f"Shapley values of atoms, sampled by {2 * ORDERS} orders")
    way: Callable[[AbstractPredictor, Anatomy], np.ndarray] = _ways.get(predictor.kind)
    values = way(predictor, anatomy)
    return Attribution(values, np.zeros_like(values), _METHODS[predictor.kind])


def worth_of(predictor: AbstractPredictor, anatomy: Anatomy) -> Callable[[np.ndarray], np.ndarray]:
    """What the predictor says of sets of atoms, shape (n_sets, n_atoms), as shape (n_sets, n_targets).

    Of a sum over atoms these keep what they bring in the whole molecule: exact Shapley values of its parts
    are then sums of those of the atoms.
    """
    if predictor.kind in _SUMS:
        nothing = predictor.predict(anatomy.with_atoms(np.zeros((1, anatomy.n_atoms), bool))).mean
        values = of_atoms(predictor, anatomy).values
        return lambda kept: nothing + kept @ values
    return lambda kept: predictor.predict(anatomy.with_atoms(kept)).mean
