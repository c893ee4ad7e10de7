"""What every kind of property model can do: be fitted, predict, and be stored as numbers."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import equinox as eqx
import numpy as np

from adiabat.base.registry import Registry
from adiabat.properties.molecules import Molecules


@dataclass(frozen=True, eq=False)
class Labels:
    """What is to be learned, in units of its own spread.

    Attributes:
        values: shape (n_molecules, n_targets); NaN where nothing was measured; 0 or 1 of a class.
        limits: -1 where the true value is below, 1 where it is above, else 0; same shape.
        classes: whether each target is a class, shape (n_targets,).
        reversible: whether the last target is by how much the one before is larger than that of the reverse
            reaction.
    """

    values: np.ndarray
    limits: np.ndarray
    classes: np.ndarray
    reversible: bool = False

    def taken(self, index: np.ndarray) -> "Labels":
        """Those of the molecules with these numbers."""
        return replace(self, values=self.values[index], limits=self.limits[index])


class Estimate(NamedTuple):
    """Predictions in the units of `Labels`.

    Attributes:
        mean: shape (n_molecules, n_targets); the probability of a class.
        spread: how far the model's own parts disagree, not calibrated; zeros where a model cannot tell.
    """

    mean: np.ndarray
    spread: np.ndarray


class AbstractPredictor(eqx.Module):
    """A fitted model. A new kind is one final class, and one line in `predictors`."""

    kind: ClassVar[str]
    takes_limits: ClassVar[bool] = False
    """Whether a limit among the labels is understood as such, and is no value."""

    @abc.abstractmethod
    def predict(self, molecules: Molecules) -> Estimate:
        """The values of molecules."""

    @classmethod
    @abc.abstractmethod
    def _fit(cls, molecules: Molecules, labels: Labels, seed: int) -> Self:
        """A model of all these molecules."""

    @classmethod
    def fitted(cls, molecules: Molecules, labels: Labels, seed: int = 0) -> Self:
        """A model of all molecules, without asking what it would say of those left out."""
        return cls._fit(molecules, labels, seed)

    @classmethod
    def fit(
        cls, molecules: Molecules, labels: Labels, folds: np.ndarray, seed: int = 0
    ) -> tuple[Self, Estimate]:
        """A model of all molecules, and what models that had not seen a fold say of it.

        Args:
            molecules: to learn from.
            labels: theirs.
            folds: the number of each molecule's fold, shape (n_molecules,).
            seed: of whatever is random.
        """
        mean, spread = np.full(labels.values.shape, np.nan), np.zeros(labels.values.shape)
        for fold in np.unique(folds):
            inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            part = cls._fit(molecules.taken(outside), labels.taken(outside), seed)
            mean[inside], spread[inside] = part.predict(molecules.taken(inside))
        return cls._fit(molecules, labels, seed), Estimate(mean, spread)

    @abc.abstractmethod
    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The numbers of the model, and settings that JSON can hold."""

    @classmethod
    @abc.abstractmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        """The model with these numbers.

        Raises:
            DataError: they do not fit each other.
        """


predictors = Registry(
    "property model",
    {
        "mean": "adiabat.properties.baselines:MeanValue",
        "nearest": "adiabat.properties.baselines:NearestNeighbor",
        "forest": "adiabat.properties.trees:Forest",
        "boosting": "adiabat.properties.trees:Boosting",
        "gaussian-process": "adiabat.properties.gaussian_process:GaussianProcess",
        "multi-kernel": "adiabat.properties.gaussian_process:MultiKernelProcess",
        "graph": "adiabat.properties.graph_network:GraphEnsemble",
        "additive": "adiabat.properties.additive_network:AdditiveEnsemble",
        "student": "adiabat.properties.student:Student",
    },
)
