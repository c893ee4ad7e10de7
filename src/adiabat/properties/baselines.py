"""What every other model must beat."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self, final

import numpy as np

from adiabat.properties.fingerprints import similarities
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import AbstractPredictor, Estimate, Labels

_BLOCK = 1024


@final
class MeanValue(AbstractPredictor):
    """The same for all molecules: the mean of those measured.

    Attributes:
        means: shape (n_targets,).
    """

    means: np.ndarray
    kind: ClassVar[str] = "mean"

    def predict(self, molecules: Molecules) -> Estimate:
        mean = np.tile(self.means, (len(molecules), 1))
        return Estimate(mean, np.zeros_like(mean))

    @classmethod
    def _fit(cls, molecules: Molecules, labels: Labels, seed: int) -> Self:  # noqa: ARG003
        return cls(np.nan_to_num(np.nanmean(labels.values, axis=0)))

    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return {"means": self.means}, {}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:  # noqa: ARG003
        return cls(arrays["means"])


@final
class NearestNeighbor(AbstractPredictor):
    """The value of the most alike molecule that was measured, by Tanimoto's coefficient of count-Morgan
    fingerprints; of equally alike ones that with the nearest inputs.

    Attributes:
        counts: fingerprints of the known molecules, shape (n_known, n_places).
        inputs: what else they were measured at, in units of its spread, shape (n_known, n_inputs).
        scale: of the inputs, shape (n_inputs,).
        values: theirs, NaN where there is none, shape (n_known, n_targets).
    """

    counts: np.ndarray
    inputs: np.ndarray
    scale: np.ndarray
    values: np.ndarray
    kind: ClassVar[str] = "nearest"

    def predict(self, molecules: Molecules) -> Estimate:
        mean = np.empty((len(molecules), self.values.shape[1]))
        for start in range(0, len(molecules), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(molecules)))
            alike = similarities(molecules.counts[rows], self.counts) - 1e-6 * self._apart(molecules, rows)
            for target, known in enumerate(~np.isnan(self.values.T)):
                where = np.flatnonzero(known)
                mean[rows, target] = self.values[where[np.argmax(alike[:, where], axis=1)], target]
        return Estimate(mean, np.zeros_like(mean))

    def _apart(self, molecules: Molecules, rows: np.ndarray) -> np.ndarray:
        """How different the inputs are, 0 to 1; shape (n_rows, n_known)."""
        here = molecules.inputs[rows] / self.scale
        distance = np.abs(here[:, None] - self.inputs).sum(axis=2)
        return distance / (1 + distance)

    @classmethod
    def _fit(cls, molecules: Molecules, labels: Labels, seed: int) -> Self:  # noqa: ARG003
        scale = np.maximum(molecules.inputs.std(axis=0), 1e-6)
        return cls(molecules.counts, molecules.inputs / scale, scale, labels.values)

    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        names = ("counts", "inputs", "scale", "values")
        return {name: getattr(self, name) for name in names}, {}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:  # noqa: ARG003
        return cls(**arrays)
