"""Gaussian processes on fingerprints and descriptors."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self, final

import equinox as eqx
import numpy as np
from scipy import linalg, optimize

from adiabat.base import DataError
from adiabat.properties.fingerprints import similarities
from adiabat.properties.molecules import Molecules, in_spreads
from adiabat.properties.predictor import AbstractPredictor, Estimate, Labels

# The exact solution takes the cube of the number of molecules; the search for its settings a part of them.
MAX_MOLECULES, SEARCHED = 5000, 1000
_BLOCK = 1024


class Kernel(NamedTuple):
    """k = alike * Tanimoto + near * exp(-d^2 / 2 length^2), with d^2 the mean over descriptors and inputs of
    the squared differences; `noise` is the variance of a measurement."""

    alike: float
    near: float
    length: float
    noise: float

    def __call__(self, tanimoto: np.ndarray, squared: np.ndarray) -> np.ndarray:
        """Covariances from similarities and squared distances."""
        return self.alike * tanimoto + self.near * np.exp(squared * (-0.5 / self.length**2))


class _Process(eqx.Module):
    """The process of one target.

    Attributes:
        rows: which of the known molecules it was measured of, shape (n,).
        weights: K^-1 y, shape (n,).
        factor: lower Cholesky factor of K, shape (n, n).
        kernel: its settings.
    """

    rows: np.ndarray
    weights: np.ndarray
    factor: np.ndarray
    kernel: Kernel

    def of_fold(self, inside: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and spread of a part of the known by all others, in closed form (Rasmussen and Williams 2006,
        section 5.4.2, in blocks)."""
        unit = np.zeros((len(self.rows), len(inside)))
        unit[inside, np.arange(len(inside))] = 1.0
        inverse = linalg.cho_solve((self.factor, True), unit)[inside]
        block = linalg.cho_factor(inverse, lower=True)
        mean = values[inside] - linalg.cho_solve(block, self.weights[inside])
        return mean, np.sqrt(np.diag(linalg.cho_solve(block, np.eye(len(inside)))))


@final
class GaussianProcess(AbstractPredictor):
    """A Gaussian process (Rasmussen and Williams 2006, algorithm 2.1) with the Tanimoto kernel of counts
    (Ralaivola et al. 2005, doi 10.1016/j.neunet.2005.07.009) and a Gaussian one of descriptors. The settings
    maximize the marginal likelihood. Of more than 5,000 molecules a random part is taken.

    Attributes:
        counts: fingerprints of the known molecules, shape (n_known, n_places).
        scaled: their descriptors and inputs in units of their spread, shape (n_known, n_numbers).
        center: of descriptors and inputs, shape (n_numbers,).
        scale: theirs.
        processes: of each target.
    """

    counts: np.ndarray
    scaled: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    processes: tuple[_Process, ...]
    kind: ClassVar[str] = "gaussian-process"

    def predict(self, molecules: Molecules) -> Estimate:
        mean = np.empty((len(molecules), len(self.processes)))
        spread = np.empty_like(mean)
        for start in range(0, len(molecules), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(molecules)))
            part = molecules.taken(rows)
            tanimoto = similarities(part.counts, self.counts)
            squared = _squared_distances(in_spreads(part.numbers, self.center, self.scale), self.scaled)
            for target, process in enumerate(self.processes):
                kernel = process.kernel
                cross = kernel(tanimoto[:, process.rows], squared[:, process.rows])
                mean[rows, target] = cross @ process.weights
                explained = linalg.solve_triangular(process.factor, cross.T, lower=True)
                left = kernel.alike + kernel.near - (explained**2).sum(axis=0)
                spread[rows, target] = np.sqrt(np.maximum(left, 0.0) + kernel.noise)
        return Estimate(mean, spread)

    @classmethod
    def _fit(cls, molecules: Molecules, labels: Labels, seed: int) -> Self:
        numbers = molecules.numbers
        center, scale = np.median(numbers, axis=0), np.maximum(numbers.std(axis=0), 1e-6)
        scaled = in_spreads(numbers, center, scale)
        tanimoto = similarities(molecules.counts, molecules.counts)
        squared = _squared_distances(scaled, scaled)
        random = np.random.default_rng(seed)
        processes = []
        for values in labels.values.T:
            rows = np.flatnonzero(~np.isnan(values))
            some = rows if len(rows) <= SEARCHED else random.choice(rows, SEARCHED, replace=False)
            kernel = _likeliest(tanimoto[np.ix_(some, some)], squared[np.ix_(some, some)], values[some])
            factor = _factor(kernel, tanimoto[np.ix_(rows, rows)], squared[np.ix_(rows, rows)])
            processes.append(_Process(rows, linalg.cho_solve((factor, True), values[rows]), factor, kernel))
        return cls(molecules.counts, scaled, center, scale, tuple(processes))

    @classmethod
    def fit(
        cls, molecules: Molecules, labels: Labels, folds: np.ndarray, seed: int = 0
    ) -> tuple[Self, Estimate]:
        """As of every kind; what is left out is left out of the solution, with the settings of the whole."""
        some = np.arange(len(molecules))
        if len(molecules) > MAX_MOLECULES:
            some = np.sort(np.random.default_rng(seed).choice(some, MAX_MOLECULES, replace=False))
        model = cls._fit(molecules.taken(some), labels.taken(some), seed)
        # Molecules that were not taken are new to the model.
        mean, spread = model.predict(molecules) if len(some) < len(molecules) else _nothing(labels)
        for target, process in enumerate(model.processes):
            rows = some[process.rows]
            for fold in np.unique(folds[rows]):
                inside = np.flatnonzero(folds[rows] == fold)
                found = process.of_fold(inside, labels.values[rows, target])
                mean[rows[inside], target], spread[rows[inside], target] = found
        return model, Estimate(mean, spread)

    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {name: getattr(self, name) for name in _OWN}
        for target, process in enumerate(self.processes):
            arrays |= {f"{target}.rows": process.rows, f"{target}.weights": process.weights}
        return arrays, {"kernels": [process.kernel._asdict() for process in self.processes]}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        """The factors are computed anew: they are the square of what is stored.

        Raises:
            DataError: rows that are not there, or settings without a positive definite K.
        """
        own = {name: arrays[name] for name in _OWN}
        tanimoto = similarities(own["counts"], own["counts"])
        squared = _squared_distances(own["scaled"], own["scaled"])
        processes = []
        for target, kernel in enumerate(Kernel(**kernel) for kernel in settings["kernels"]):
            rows, weights = arrays[f"{target}.rows"], arrays[f"{target}.weights"]
            try:
                factor = _factor(kernel, tanimoto[np.ix_(rows, rows)], squared[np.ix_(rows, rows)])
            except (IndexError, ValueError, linalg.LinAlgError) as error:
                raise DataError(f"the Gaussian process of the model is damaged: {error}") from error
            processes.append(_Process(rows, weights, factor, kernel))
        return cls(**own, processes=tuple(processes))


_OWN = ("counts", "scaled", "center", "scale")


def _likeliest(tanimoto: np.ndarray, squared: np.ndarray, values: np.ndarray) -> Kernel:
    """The settings of largest marginal likelihood, by their logarithms."""

    def loss(logarithms: np.ndarray) -> tuple[float, np.ndarray]:
        kernel = Kernel(*np.exp(logarithms))
        gaussian = np.exp(squared * (-0.5 / kernel.length**2))
        try:
            factor = _factor(kernel, tanimoto, squared)
        except linalg.LinAlgError:
            return 1e9, np.zeros(4)
        inverse = linalg.cho_solve((factor, True), np.eye(len(values)))
        weights = inverse @ values
        value = 0.5 * values @ weights + np.log(np.diag(factor)).sum()
        pull = 0.5 * (inverse - np.outer(weights, weights))  # d loss / d K
        near = kernel.near * gaussian
        slopes = (
            kernel.alike * (pull * tanimoto).sum(),
            (pull * near).sum(),
            (pull * near * squared).sum() / kernel.length**2,
            kernel.noise * np.trace(pull),
        )
        return float(value), np.array(slopes)

    start = np.log([0.5, 0.5, 1.0, 0.1])
    bounds = [(np.log(low), np.log(high)) for low, high in ((1e-3, 30), (1e-3, 30), (0.2, 10), (1e-3, 2))]
    found = optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40}
    )
    return Kernel(*np.exp(found.x).tolist())


def _factor(kernel: Kernel, tanimoto: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """Lower Cholesky factor of K, the noise included."""
    covariance = kernel(tanimoto, squared)
    covariance[np.diag_indices_from(covariance)] += kernel.noise
    return linalg.cholesky(covariance, lower=True, overwrite_a=True)


def _squared_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Means over the numbers, shape (n_one, n_other)."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.maximum(squares, 0.0) / one.shape[1]


def _nothing(labels: Labels) -> Estimate:
    return Estimate(np.full(labels.values.shape, np.nan), np.zeros(labels.values.shape))
