"""Gaussian processes on fingerprints and descriptors."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self, final

import equinox as eqx
import numpy as np
from scipy import linalg

from adiabat.base import DataError
from adiabat.properties.censored import hazard
from adiabat.properties.fingerprints import Counts, similarities
from adiabat.properties.molecules import Molecules, in_spreads
from adiabat.properties.predictor import AbstractPredictor, Estimate, Labels
from adiabat.properties.substructures import PLACES, SUBSTRUCTURES

# The exact solution takes the cube of the number of molecules; the search for its settings a part of them.
MAX_MOLECULES, SEARCHED = 5000, 1000
_BLOCK = 1024
# Of limits: the noise before any is known, how often settings are searched, the most steps to what limits say
# then and the change, in values of full weight, at which they end, and the variance of what says nothing.
_NOISE, _SEARCHES, _STEPS, _CONVERGED, _VAGUE = 0.1, 3, 20, 1e-3, 1e4


class Kernel(NamedTuple):
    """k = sum of alike * Tanimoto, over fingerprints, + near * exp(-d^2 / 2 length^2), with d^2 the mean over
    descriptors and inputs of the squared differences; `noise` is the variance of a measurement."""

    alike: tuple[float, ...]
    near: float
    length: float
    noise: float

    def __call__(self, apart: "_Apart") -> np.ndarray:
        """Covariances."""
        found = self.near * np.exp(apart.squared * (-0.5 / self.length**2))
        for alike, tanimoto in zip(self.alike, apart.tanimoto, strict=True):
            found += alike * tanimoto
        return found

    @property
    def variance(self) -> float:
        """Of the values, without the noise."""
        return sum(self.alike) + self.near


class _Apart(NamedTuple):
    """How alike some molecules are to others.

    Attributes:
        tanimoto: by each fingerprint, shape (n, m) each.
        squared: distances by descriptors and inputs, shape (n, m).
    """

    tanimoto: tuple[np.ndarray, ...]
    squared: np.ndarray

    def of(self, columns: np.ndarray) -> "_Apart":
        """Those of all to some."""
        return _Apart(tuple(one[:, columns] for one in self.tanimoto), self.squared[:, columns])

    def among(self, rows: np.ndarray) -> "_Apart":
        """Those of some to each other."""
        if np.array_equal(rows, np.arange(len(self.squared))):
            return self
        square = np.ix_(rows, rows)
        return _Apart(tuple(one[square] for one in self.tanimoto), self.squared[square])


class _Sites(NamedTuple):
    """What a process is told of the values: a limit is a value that is as uncertain as it says little.

    Attributes:
        values: y, shape (n,).
        extra: variance of each beyond the noise, zero of those that were measured, shape (n,).
    """

    values: np.ndarray
    extra: np.ndarray

    def taken(self, index: np.ndarray) -> "_Sites":
        """Those with these numbers."""
        return _Sites(self.values[index], self.extra[index])


class _Process(eqx.Module):
    """The process of one target.

    Attributes:
        rows: which of the known molecules it was measured of, shape (n,).
        weights: K^-1 y, shape (n,).
        factor: lower Cholesky factor of K, shape (n, n).
        kernel: its settings.
        sites: y, and by how much its variance exceeds the noise.
    """

    rows: np.ndarray
    weights: np.ndarray
    factor: np.ndarray
    kernel: Kernel
    sites: "_Sites"

    def of_fold(self, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and spread of a part of the known by all others, in closed form (Rasmussen and Williams 2006,
        section 5.4.2, in blocks)."""
        unit = np.zeros((len(self.rows), len(inside)))
        unit[inside, np.arange(len(inside))] = 1.0
        inverse = linalg.cho_solve((self.factor, True), unit)[inside]
        block = linalg.cho_factor(inverse, lower=True)
        mean = self.sites.values[inside] - linalg.cho_solve(block, self.weights[inside])
        variance = np.diag(linalg.cho_solve(block, np.eye(len(inside)))) - self.sites.extra[inside]
        return mean, np.sqrt(variance)


class AbstractProcess(AbstractPredictor):
    """A Gaussian process (Rasmussen and Williams 2006, algorithm 2.1) with the Tanimoto kernel of counts
    (Ralaivola et al. 2005, doi 10.1016/j.neunet.2005.07.009) of each of some fingerprints, and a Gaussian one
    of descriptors. The settings maximize the marginal likelihood. Limits (`<5`) count by the chance of a
    value beyond them, by expectation propagation (Minka 2001; Rasmussen and Williams 2006, algorithm 3.5). Of
    more than 5,000 molecules a random part is taken.

    Attributes:
        counts: of the known molecules, by each fingerprint, shape (n_known, n_places) each.
        scaled: their descriptors and inputs in units of their spread, shape (n_known, n_numbers).
        center: of descriptors and inputs, shape (n_numbers,).
        scale: theirs.
        processes: of each target.
    """

    counts: tuple[Counts, ...]
    scaled: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    processes: tuple[_Process, ...]
    fingerprints: ClassVar[tuple[str, ...]]
    """By their names in `Molecules.fingerprint`."""
    takes_limits: ClassVar[bool] = True

    def predict(self, molecules: Molecules) -> Estimate:
        mean = np.empty((len(molecules), len(self.processes)))
        spread = np.empty_like(mean)
        for start in range(0, len(molecules), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(molecules)))
            part = molecules.taken(rows)
            apart = _apart(
                (self._counts(part), in_spreads(part.numbers, self.center, self.scale)),
                (self.counts, self.scaled),
            )
            for target, process in enumerate(self.processes):
                kernel = process.kernel
                cross = kernel(apart.of(process.rows))
                mean[rows, target] = cross @ process.weights
                explained = linalg.solve_triangular(process.factor, cross.T, lower=True)
                left = kernel.variance - (explained**2).sum(axis=0)
                spread[rows, target] = np.sqrt(np.maximum(left, 0.0) + kernel.noise)
        return Estimate(mean, spread)

    @classmethod
    def _counts(cls, molecules: Molecules) -> tuple[Counts, ...]:
        return tuple(map(molecules.fingerprint, cls.fingerprints))

    @classmethod
    def _fit(cls, molecules: Molecules, labels: Labels, seed: int) -> Self:
        numbers = molecules.numbers
        center, scale = np.median(numbers, axis=0), np.maximum(numbers.std(axis=0), 1e-6)
        scaled = in_spreads(numbers, center, scale)
        own = cls._counts(molecules), scaled
        apart = _apart(own, own)
        random = np.random.default_rng(seed)
        processes = []
        for values, limits in zip(labels.values.T, labels.limits.T, strict=True):
            rows = np.flatnonzero(~np.isnan(values))
            processes.append(_process(rows, apart.among(rows), values[rows], limits[rows], random))
        return cls(*own, center, scale, tuple(processes))

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
                mean[rows[inside], target], spread[rows[inside], target] = process.of_fold(inside)
        return model, Estimate(mean, spread)

    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {name: getattr(self, name) for name in _OWN}
        for name, counts in zip(self.fingerprints, self.counts, strict=True):
            arrays |= _written(name, counts)
        for target, process in enumerate(self.processes):
            arrays |= {f"{target}.rows": process.rows, f"{target}.weights": process.weights}
            if process.sites.extra.any():
                arrays[f"{target}.extra"] = process.sites.extra
        return arrays, {"kernels": [process.kernel._asdict() for process in self.processes]}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        """The factors are computed anew: they are the square of what is stored.

        Raises:
            DataError: rows that are not there, or settings without a positive definite K.
        """
        own = {name: arrays[name] for name in _OWN}
        try:
            counts = tuple(_read(name, arrays) for name in cls.fingerprints)
            apart = _apart((counts, own["scaled"]), (counts, own["scaled"]))
            processes = [
                _restored(arrays, target, kernel, apart) for target, kernel in enumerate(settings["kernels"])
            ]
        except (IndexError, ValueError, linalg.LinAlgError) as error:
            raise DataError(f"the Gaussian process of the model is damaged: {error}") from error
        return cls(counts, **own, processes=tuple(processes))


@final
class GaussianProcess(AbstractProcess):
    """One of circular environments and descriptors."""

    kind: ClassVar[str] = "gaussian-process"
    fingerprints: ClassVar[tuple[str, ...]] = ("counts",)


@final
class MultiKernelProcess(AbstractProcess):
    """One of descriptors, circular environments, those of atoms told apart by their roles alone, paths and
    pairs of atoms, with a kernel each (Gönen and Alpaydın 2011, JMLR 12, 2211): how much each counts is
    found from the values."""

    kind: ClassVar[str] = "multi-kernel"
    fingerprints: ClassVar[tuple[str, ...]] = tuple(SUBSTRUCTURES)


_OWN = ("scaled", "center", "scale")


def _written(name: str, counts: Counts) -> dict[str, np.ndarray]:
    """Arrays of a fingerprint, for a file: those of many places without the zeros."""
    if name == "counts":
        return {name: counts.toarray()}
    return {f"{name}.{part}": getattr(counts, part) for part in ("data", "indices", "indptr")}


def _read(name: str, arrays: Mapping[str, np.ndarray]) -> Counts:
    """A fingerprint from its arrays.

    Raises:
        ValueError: they do not fit each other.
    """
    if name == "counts":
        return Counts(arrays[name])
    data, indices, ends = (arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
    found = Counts((data, indices, ends), shape=(len(ends) - 1, PLACES))
    found.check_format(full_check=True)
    return found


def _restored(arrays: Mapping[str, np.ndarray], target: int, settings: Any, apart: _Apart) -> _Process:
    """The process of one target."""
    # With one fingerprint there may be a number in place of several.
    kernel = Kernel(**{**settings, "alike": tuple(np.ravel(settings["alike"]).tolist())})
    rows, weights = arrays[f"{target}.rows"], arrays[f"{target}.weights"]
    extra = arrays.get(f"{target}.extra", np.zeros(len(rows)))
    factor = _factor(kernel, apart.among(rows), extra)
    return _Process(rows, weights, factor, kernel, _Sites(factor @ (factor.T @ weights), extra))


def _process(
    rows: np.ndarray, apart: _Apart, values: np.ndarray, limits: np.ndarray, random: np.random.Generator
) -> _Process:
    """The process of one target, of whose molecules the similarities and distances are given.

    Its settings are searched with limits as they are understood by those found before.
    """
    count = len(values)
    some = np.arange(count) if count <= SEARCHED else random.choice(count, SEARCHED, replace=False)
    among = apart.among(some)
    sites = _Sites(values, np.zeros(count))
    if limits.any():
        sites = _told(np.zeros(count), np.ones(count), _NOISE, values, limits)
    for _ in range(_SEARCHES if limits.any() else 1):
        kernel = _likeliest(among, sites.taken(some))
        if limits.any():
            sites = _propagated(kernel, apart, sites, values, limits)
    factor = _factor(kernel, apart, sites.extra)
    return _Process(rows, linalg.cho_solve((factor, True), sites.values), factor, kernel, sites)


def _propagated(
    kernel: Kernel, apart: _Apart, sites: _Sites, values: np.ndarray, limits: np.ndarray
) -> _Sites:
    """What limits say, given what all others say of each; half of every step is taken, which converges."""
    for _ in range(_STEPS):
        factor = _factor(kernel, apart, sites.extra)
        inverse = linalg.cho_solve((factor, True), np.eye(len(values)))
        own = sites.extra + kernel.noise
        variance = np.maximum(1 / np.diag(inverse) - own, 1e-6)
        mean = sites.values - inverse @ sites.values / np.diag(inverse)
        fresh = _told(mean, variance, kernel.noise, values, limits)
        # Precisions, and values times precisions, are what adds up.
        before, after = 1 / own, 1 / (fresh.extra + kernel.noise)
        precise, pull = (before + after) / 2, (sites.values * before + fresh.values * after) / 2
        extra = np.maximum(1 / precise - kernel.noise, 0.0)
        cut, last = limits != 0, sites
        sites = _Sites(np.where(cut, pull / precise, values), np.where(cut, extra, 0.0))
        if np.abs(pull - last.values * before)[cut].max() < _CONVERGED / kernel.noise:
            break
    return sites


def _told(
    mean: np.ndarray, variance: np.ndarray, noise: float, values: np.ndarray, limits: np.ndarray
) -> _Sites:
    """Values with variances that say of a normal variable what limits do: its mean and variance with the one
    are those with the other.

    Args:
        mean: of what is to be known, without what the values say of it.
        variance: likewise.
        noise: of values.
        values: shape (n,).
        limits: as of `Labels`, shape (n,).
    """
    side = np.where(limits == 0, 1.0, limits)
    spread = np.sqrt(variance + noise)
    t = side * (values - mean) / spread
    rate = hazard(t)
    step, shrink = side * variance / spread * rate, rate * (rate - t) * variance / (variance + noise)
    left = variance * np.maximum(1 - shrink, 1e-6)
    # A limit that says nothing has no precision.
    precise = np.clip(1 / left - 1 / variance, 1 / _VAGUE, 1 / noise)
    said = mean + step * (1 + 1 / (precise * variance))
    cut = limits != 0
    return _Sites(np.where(cut, said, values), np.where(cut, 1 / precise - noise, 0.0))


def _likeliest(apart: _Apart, sites: _Sites) -> Kernel:
    """The settings of largest marginal likelihood, by their logarithms."""
    from scipy.optimize import minimize

    values, count = sites.values, len(apart.tanimoto)

    def kernel_of(logarithms: np.ndarray) -> Kernel:
        numbers = np.exp(logarithms).tolist()
        return Kernel(tuple(numbers[:count]), *numbers[count:])

    def loss(logarithms: np.ndarray) -> tuple[float, np.ndarray]:
        kernel = kernel_of(logarithms)
        gaussian = np.exp(apart.squared * (-0.5 / kernel.length**2))
        try:
            factor = _factor(kernel, apart, sites.extra)
        except linalg.LinAlgError:
            return 1e9, np.zeros(count + 3)
        inverse = linalg.cho_solve((factor, True), np.eye(len(values)))
        weights = inverse @ values
        value = 0.5 * values @ weights + np.log(np.diag(factor)).sum()
        pull = 0.5 * (inverse - np.outer(weights, weights))  # d loss / d K
        near = kernel.near * gaussian
        slopes = (
            *(alike * (pull * one).sum() for alike, one in zip(kernel.alike, apart.tanimoto, strict=True)),
            (pull * near).sum(),
            (pull * near * apart.squared).sum() / kernel.length**2,
            kernel.noise * np.trace(pull),
        )
        return float(value), np.array(slopes)

    start = np.log([*[0.5 / count] * count, 0.5, 1.0, 0.1])
    limits = (*[(1e-3, 30)] * count, (1e-3, 30), (0.2, 10), (1e-3, 2))
    bounds = [(np.log(low), np.log(high)) for low, high in limits]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40})
    return kernel_of(found.x)


def _factor(kernel: Kernel, apart: _Apart, extra: np.ndarray) -> np.ndarray:
    """Lower Cholesky factor of K, the noise and what is beyond it included."""
    covariance = kernel(apart)
    covariance[np.diag_indices_from(covariance)] += kernel.noise + extra
    return linalg.cholesky(covariance, lower=True, overwrite_a=True)


def _apart(some: tuple[Sequence[Counts], np.ndarray], others: tuple[Sequence[Counts], np.ndarray]) -> _Apart:
    """How alike molecules are, of which counts by each fingerprint and scaled numbers are given."""
    tanimoto = tuple(similarities(one, other) for one, other in zip(some[0], others[0], strict=True))
    return _Apart(tanimoto, _squared_distances(some[1], others[1]))


def _squared_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Means over the numbers, shape (n_one, n_other)."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.maximum(squares, 0.0) / one.shape[1]


def _nothing(labels: Labels) -> Estimate:
    return Estimate(np.full(labels.values.shape, np.nan), np.zeros(labels.values.shape))
