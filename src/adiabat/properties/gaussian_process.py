"""Gaussian processes on fingerprints and descriptors."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self, final

import equinox as eqx
import numpy as np
from scipy import linalg

from adiabat.base import DataError
from adiabat.properties.censored import hazard
from adiabat.properties.fingerprints import Counts
from adiabat.properties.kernels import Apart, Compared, Described, Kernel, blocks, covariances
from adiabat.properties.molecules import Molecules, in_spreads
from adiabat.properties.predictor import AbstractPredictor, Estimate, Labels
from adiabat.properties.substructures import PLACES, SUBSTRUCTURES, SUMMED

# The exact solution takes the cube of the number of molecules; the search for its settings a part of them.
MAX_MOLECULES, SEARCHED = 5000, 1000
# Columns of the factor that are kept in double precision.
_FIRST = 512
# Of limits: the noise before any is known, how often settings are searched, the most steps to what limits say
# then and the change, in values of full weight, at which they end, and the variance of what says nothing.
_NOISE, _SEARCHES, _STEPS, _CONVERGED, _VAGUE = 0.1, 3, 20, 1e-3, 1e4


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
        first: the first columns of the lower Cholesky factor of K, shape (n, n_first).
        rest: the others in single precision, without the zeros, shape (n - n_first, n - n_first).
        kernel: its settings.
        extra: by how much the variance of each value exceeds the noise, shape (n,).
    """

    rows: np.ndarray
    weights: np.ndarray
    first: np.ndarray
    rest: np.ndarray
    kernel: Kernel
    extra: np.ndarray

    @classmethod
    def of(
        cls, rows: np.ndarray, weights: np.ndarray, factor: np.ndarray, kernel: Kernel, extra: np.ndarray
    ) -> Self:
        """That with a factor in double precision."""
        rest = factor[_FIRST:, _FIRST:].astype(np.float32, order="F")
        return cls(rows, weights, factor[:, :_FIRST].copy(order="F"), rest, kernel, extra)

    def __call__(self, apart: Apart) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance, without the noise, of molecules so alike to those that were measured."""
        cross, count = self.kernel(apart), self.first.shape[1]
        head, below = self.first[:count], self.first[count:]
        explained = linalg.solve_triangular(head, cross[:, :count].T, lower=True)
        left = self.kernel.variance(apart) - np.einsum("ij,ij->j", explained, explained)
        # The first explain most. In what they leave, single precision loses little and takes half the time.
        remains = np.asfortranarray(cross[:, count:].T - below @ explained, np.float32)
        explained = linalg.solve_triangular(self.rest, remains, lower=True, check_finite=False)
        left -= np.einsum("ij,ij->j", explained, explained, dtype=float)
        return cross @ self.weights, np.maximum(left, 0.0)


class _Solution(NamedTuple):
    """How a process was found.

    Attributes:
        rows: as of `_Process`.
        kernel: likewise.
        factor: lower Cholesky factor of K, shape (n, n).
        sites: what was told of each value.
    """

    rows: np.ndarray
    kernel: Kernel
    factor: np.ndarray
    sites: _Sites

    @property
    def weights(self) -> np.ndarray:
        """K^-1 y, shape (n,)."""
        return linalg.cho_solve((self.factor, True), self.sites.values)

    @property
    def process(self) -> _Process:
        """What predictions need of it."""
        return _Process.of(self.rows, self.weights, self.factor, self.kernel, self.sites.extra)

    def of_folds(self, folds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and spread of each fold of the known by all others, in closed form (Rasmussen and Williams
        2006, section 5.4.2, in blocks).

        Args:
            folds: the number of that of each, shape (n,).
        """
        inverse, weights = _lower_inverse(self.factor), self.weights
        mean, variance = np.empty(len(folds)), np.empty(len(folds))
        for fold in np.unique(folds):
            inside = np.flatnonzero(folds == fold)
            block = linalg.cholesky(inverse[np.ix_(inside, inside)], lower=True)
            mean[inside] = self.sites.values[inside] - linalg.cho_solve((block, True), weights[inside])
            variance[inside] = np.diag(_lower_inverse(block)) - self.sites.extra[inside]
        return mean, np.sqrt(variance)


class AbstractProcess(AbstractPredictor):
    """A Gaussian process (Rasmussen and Williams 2006, algorithm 2.1) with the Tanimoto kernel of counts
    (Ralaivola et al. 2005, doi 10.1016/j.neunet.2005.07.009) of each of some fingerprints, a Gaussian one of
    descriptors, and linear ones of counts of atoms and groups, of which many properties are nearly a sum
    (Wildman and Crippen 1999, doi 10.1021/ci990307l). The settings maximize the marginal likelihood. Limits
    (`<5`) count by the chance of a value beyond them, by expectation propagation (Minka 2001; Rasmussen and
    Williams 2006, algorithm 3.5). Of more than 5,000 molecules a random part is taken.

    Attributes:
        counts: of the known molecules, by each fingerprint, shape (n_known, n_places) each.
        scaled: their descriptors and inputs in units of their spread, shape (n_known, n_numbers).
        parts: counts of their `SUMMED`, shape (n_known, n_places) each.
        center: of descriptors and inputs, shape (n_numbers,).
        scale: theirs.
        processes: of each target.
    """

    counts: tuple[Counts, ...]
    scaled: np.ndarray
    parts: tuple[Counts, ...]
    center: np.ndarray
    scale: np.ndarray
    processes: tuple[_Process, ...]
    fingerprints: ClassVar[tuple[str, ...]]
    """By their names in `Molecules.fingerprint`."""
    takes_limits: ClassVar[bool] = True

    @cached_property
    def norms(self) -> np.ndarray:
        """Root mean squares of the counts of each way to divide the known molecules, shape (n_summed,)."""
        return _norms(self.parts)

    @cached_property
    def _others(self) -> Compared:
        return Compared(Described(self.counts, self.scaled, _over(self.parts, self.norms)))

    def predict(self, molecules: Molecules) -> Estimate:
        mean = np.empty((len(molecules), len(self.processes)))
        spread = np.empty_like(mean)
        for rows in blocks(len(molecules)):
            part = molecules.taken(np.arange(len(molecules))[rows])
            apart = self._others(self._described(part, self.center, self.scale, self.norms))
            for target, process in enumerate(self.processes):
                mean[rows, target], variance = process(apart.of(process.rows))
                spread[rows, target] = np.sqrt(variance + process.kernel.noise)
        return Estimate(mean, spread)

    @classmethod
    def _described(
        cls, molecules: Molecules, center: np.ndarray, scale: np.ndarray, norms: np.ndarray
    ) -> Described:
        counts = tuple(map(molecules.fingerprint, cls.fingerprints))
        parts = tuple(map(molecules.fingerprint, SUMMED[: len(norms)]))
        return Described(counts, in_spreads(molecules.numbers, center, scale), _over(parts, norms))

    @classmethod
    def _solved(cls, molecules: Molecules, labels: Labels, seed: int) -> tuple[Self, list[_Solution]]:
        """The model, and how it was found for each target."""
        numbers = molecules.numbers
        center, scale = np.median(numbers, axis=0), np.maximum(numbers.std(axis=0), 1e-6)
        parts = tuple(map(molecules.fingerprint, SUMMED))
        described = cls._described(molecules, center, scale, _norms(parts))
        random = np.random.default_rng(seed)
        found = []
        for values, limits in zip(labels.values.T, labels.limits.T, strict=True):
            rows = np.flatnonzero(~np.isnan(values))
            found.append(_solution(rows, described.taken(rows), values[rows], limits[rows], random))
        processes = tuple(one.process for one in found)
        return cls(described.counts, described.scaled, parts, center, scale, processes), found

    @classmethod
    def _fit(cls, molecules: Molecules, labels: Labels, seed: int) -> Self:
        return cls._solved(molecules, labels, seed)[0]

    @classmethod
    def fit(
        cls, molecules: Molecules, labels: Labels, folds: np.ndarray, seed: int = 0
    ) -> tuple[Self, Estimate]:
        """As of every kind; what is left out is left out of the solution, with the settings of the whole."""
        some = np.arange(len(molecules))
        if len(molecules) > MAX_MOLECULES:
            some = np.sort(np.random.default_rng(seed).choice(some, MAX_MOLECULES, replace=False))
        model, solutions = cls._solved(molecules.taken(some), labels.taken(some), seed)
        # Molecules that were not taken are new to the model.
        mean, spread = model.predict(molecules) if len(some) < len(molecules) else _nothing(labels)
        for target, solution in enumerate(solutions):
            rows = some[solution.rows]
            mean[rows, target], spread[rows, target] = solution.of_folds(folds[rows])
        return model, Estimate(mean, spread)

    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {name: getattr(self, name) for name in _OWN}
        for name, counts in zip((*self.fingerprints, *SUMMED), (*self.counts, *self.parts), strict=False):
            arrays |= _written(name, counts)
        for target, process in enumerate(self.processes):
            arrays |= {f"{target}.rows": process.rows, f"{target}.weights": process.weights}
            if process.extra.any():
                arrays[f"{target}.extra"] = process.extra
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
            # Earlier models have none.
            parts = tuple(_read(name, arrays) for name in SUMMED if f"{name}.data" in arrays)
            described = Described(counts, own["scaled"], _over(parts, _norms(parts)))
            processes = [
                _restored(arrays, target, kernel, described)
                for target, kernel in enumerate(settings["kernels"])
            ]
        except (IndexError, ValueError, linalg.LinAlgError) as error:
            raise DataError(f"the Gaussian process of the model is damaged: {error}") from error
        return cls(counts, **own, parts=parts, processes=tuple(processes))


@final
class GaussianProcess(AbstractProcess):
    """One of circular environments, descriptors, atoms and groups."""

    kind: ClassVar[str] = "gaussian-process"
    fingerprints: ClassVar[tuple[str, ...]] = ("counts",)


@final
class MultiKernelProcess(AbstractProcess):
    """One of descriptors, atoms, groups, circular environments, those of atoms told apart by their roles
    alone, paths and pairs of atoms, with a kernel each (Gönen and Alpaydın 2011, JMLR 12, 2211): how much
    each counts is found from the values."""

    kind: ClassVar[str] = "multi-kernel"
    fingerprints: ClassVar[tuple[str, ...]] = tuple(SUBSTRUCTURES)


_OWN = ("scaled", "center", "scale")


def _norms(parts: tuple[Counts, ...]) -> np.ndarray:
    """The root of the mean square of molecules' counts of each way to divide them, shape (n_summed,); one
    where they have none."""
    squares: list[Any] = [counts.astype(float) ** 2 for counts in parts]
    return np.array([float(np.sqrt(one.sum() / max(1, one.shape[0]))) or 1.0 for one in squares])


def _over(parts: tuple[Counts, ...], norms: np.ndarray) -> tuple[Counts, ...]:
    """Counts in units of their norms."""
    return tuple(Counts(counts / norm) for counts, norm in zip(parts, norms, strict=True))


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


def _restored(arrays: Mapping[str, np.ndarray], target: int, settings: Any, described: Described) -> _Process:
    """The process of one target."""
    # With one fingerprint there may be a number in place of several.
    several = {name: tuple(np.ravel(settings.get(name, ())).tolist()) for name in ("alike", "summed")}
    kernel = Kernel(**{**settings, **several})
    rows, weights = arrays[f"{target}.rows"], arrays[f"{target}.weights"]
    extra = arrays.get(f"{target}.extra", np.zeros(len(rows)))
    factor = _factor(covariances(kernel, described.taken(rows)), kernel.noise + extra)
    return _Process.of(rows, weights, factor, kernel, extra)


def _solution(
    rows: np.ndarray,
    described: Described,
    values: np.ndarray,
    limits: np.ndarray,
    random: np.random.Generator,
) -> _Solution:
    """The process of one target, by its molecules.

    Its settings are searched with limits as they are understood by those found before.
    """
    count = len(values)
    some = np.arange(count) if count <= SEARCHED else random.choice(count, SEARCHED, replace=False)
    searched = described.taken(some)
    among = Compared(searched)(searched)
    sites = _Sites(values, np.zeros(count))
    if limits.any():
        sites = _told(np.zeros(count), np.ones(count), _NOISE, values, limits)
    for _ in range(_SEARCHES if limits.any() else 1):
        kernel = _likeliest(among, sites.taken(some))
        covariance = covariances(kernel, described)
        if limits.any():
            sites = _propagated(kernel, covariance, sites, values, limits)
    return _Solution(rows, kernel, _factor(covariance, kernel.noise + sites.extra), sites)


def _propagated(
    kernel: Kernel, covariance: np.ndarray, sites: _Sites, values: np.ndarray, limits: np.ndarray
) -> _Sites:
    """What limits say, given what all others say of each; half of every step is taken, which converges."""
    for _ in range(_STEPS):
        own = sites.extra + kernel.noise
        factor = _factor(covariance.copy(order="F"), own)
        certain = np.diag(_lower_inverse(factor))
        variance = np.maximum(1 / certain - own, 1e-6)
        mean = sites.values - linalg.cho_solve((factor, True), sites.values) / certain
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


def _likeliest(apart: Apart, sites: _Sites) -> Kernel:
    """The settings of largest marginal likelihood, by their logarithms."""
    from scipy.optimize import minimize

    values, count, shares = sites.values, len(apart.tanimoto), len(apart.tanimoto) + len(apart.products)

    def kernel_of(logarithms: np.ndarray) -> Kernel:
        numbers = np.exp(logarithms).tolist()
        return Kernel(tuple(numbers[:count]), *numbers[shares:], summed=tuple(numbers[count:shares]))

    def loss(logarithms: np.ndarray) -> tuple[float, np.ndarray]:
        kernel = kernel_of(logarithms)
        near = kernel.nearness(apart)
        try:
            factor = _factor(kernel(apart).T, kernel.noise + sites.extra)
        except linalg.LinAlgError:
            return 1e9, np.zeros(shares + 3)
        weights = linalg.cho_solve((factor, True), values)
        value = 0.5 * values @ weights + np.log(np.diag(factor)).sum()
        inverse = _lower_inverse(factor)
        own = np.diag(inverse)

        def slope(change: np.ndarray) -> float:
            """d loss / d K, (K^-1 - weights weights') / 2, times a change of K."""
            both = 2 * np.vdot(inverse.T, change) - own @ np.diag(change)
            return 0.5 * (both - weights @ change @ weights)

        slopes = (
            *(alike * slope(one) for alike, one in zip(kernel.alike, apart.tanimoto, strict=True)),
            *(summed * slope(one) for summed, one in zip(kernel.summed, apart.products, strict=True)),
            slope(near),
            slope(near * apart.squared) / kernel.length**2,
            0.5 * kernel.noise * (own.sum() - weights @ weights),
        )
        return float(value), np.array(slopes)

    start = np.log([*[0.5 / shares] * shares, 0.5, 1.0, 0.1])
    limits = (*[(1e-3, 30)] * shares, (1e-3, 30), (0.2, 10), (1e-3, 2))
    bounds = [(np.log(low), np.log(high)) for low, high in limits]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40})
    return kernel_of(found.x)


def _factor(covariance: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Lower Cholesky factor with these variances beside, which takes the place of the covariances."""
    covariance[np.diag_indices_from(covariance)] += noise
    return linalg.cholesky(covariance, lower=True, overwrite_a=True)


def _lower_inverse(factor: np.ndarray) -> np.ndarray:
    """The lower half of K^-1, with zeros above, by the lower Cholesky factor of K."""
    (invert,) = linalg.get_lapack_funcs(("potri",), (factor,))
    return invert(factor, lower=1)[0]


def _nothing(labels: Labels) -> Estimate:
    return Estimate(np.full(labels.values.shape, np.nan), np.zeros(labels.values.shape))
