"""What the molecules scored so far say of others: a Gaussian process on their fingerprints."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import ndtr

from adiabat.properties.fingerprints import similarities

# Variance of what fingerprints cannot explain, and the share of what adds up over their counts, in units of
# what they can explain; the likeliest are taken.
_NOISES = np.geomspace(1e-4, 1.0, 9)
_ADDITIVE = (0.0, 0.5)
_LEAST_VARIANCE = 1e-12


@dataclass(frozen=True)
class Kernel:
    """Covariance of molecules, by their fingerprints x and x' of counts.

    k = (1 - λ) T + λ Σ min(x, x') / c, with T Tanimoto's coefficient Σ min / Σ max; both are kernels
    (Ralaivola et al. 2005, doi 10.1016/j.neunet.2005.07.009). By the first a molecule unlike all others is
    expected to be average, by the second what its parts bring adds up.

    Attributes:
        additive: λ.
        size: c, the mean number of environments of the known molecules.
    """

    additive: float
    size: float

    def between(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Of counts of shapes (n, n_places) and (m, n_places): shape (n, m)."""
        alike = similarities(one, other)
        totals = one.sum(axis=1, dtype=float)[:, None] + other.sum(axis=1, dtype=float)
        # Σ min + Σ max is the sum of all counts.
        common = totals * alike / (1 + alike)
        return (1 - self.additive) * alike + self.additive / self.size * common

    def diagonal(self, counts: np.ndarray) -> np.ndarray:
        """Of each molecule with itself, shape (n,)."""
        return 1 - self.additive + self.additive / self.size * counts.sum(axis=1, dtype=float)


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process for several values at once, with the kernel a_k k(x, x') for the k-th.

    All values share the ratio of noise to signal; means and amplitudes a_k are the likeliest ones (Rasmussen
    and Williams 2006, 2.2 and 5.4.1).

    Attributes:
        counts: fingerprints of the known molecules, shape (n, 2048).
        kernel: k.
        noise: the ratio.
        means: shape (n_values,).
        amplitudes: shape (n_values,).
        factor: lower Cholesky factor of k + noise, shape (n, n).
        solved: (k + noise)^-1 (values - means), shape (n, n_values).
    """

    counts: np.ndarray
    kernel: Kernel
    noise: float
    means: np.ndarray
    amplitudes: np.ndarray
    factor: np.ndarray
    solved: np.ndarray

    @classmethod
    def fit(cls, counts: np.ndarray, values: np.ndarray) -> "Surrogate":
        """The likeliest one for known values, shape (n, n_values)."""
        size = max(float(counts.sum(axis=1, dtype=float).mean()), 1.0)
        kernels = [Kernel(share, size) for share in _ADDITIVE]
        choices = [
            (likelihood, kernel, noise)
            for kernel in kernels
            for likelihood, noise in zip(
                _likelihoods(kernel.between(counts, counts), values), _NOISES, strict=True
            )
        ]
        _, kernel, noise = max(choices, key=lambda choice: choice[0])
        factor = np.linalg.cholesky(kernel.between(counts, counts) + noise * np.eye(len(counts)))
        half = solve_triangular(factor, np.column_stack([np.ones(len(counts)), values]), lower=True)
        means = half[:, 0] @ half[:, 1:] / (half[:, 0] @ half[:, 0])
        rest = half[:, 1:] - half[:, :1] * means
        amplitudes = np.maximum((rest**2).mean(axis=0), _LEAST_VARIANCE)
        solved = solve_triangular(factor, rest, lower=True, trans=1)
        return cls(counts, kernel, float(noise), means, amplitudes, factor, solved)

    def predict(self, counts: np.ndarray) -> "Posterior":
        """What is expected of other molecules, shape (m, 2048)."""
        kernel = self.kernel.between(self.counts, counts)
        half = solve_triangular(self.factor, kernel, lower=True)
        mean = self.means + kernel.T @ self.solved
        variance = np.maximum(self.kernel.diagonal(counts) - (half**2).sum(axis=0), _LEAST_VARIANCE)
        return Posterior(counts, mean, variance, half, self)


@dataclass
class Posterior:
    """What a surrogate expects of molecules.

    Attributes:
        counts: their fingerprints, shape (m, 2048).
        mean: shape (m, n_values).
        variance: in units of the amplitudes, shape (m,).
        half: L^-1 k(known, these), shape (n, m).
        surrogate: whose it is.
    """

    counts: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    half: np.ndarray
    surrogate: Surrogate

    def improvement(self, weights: np.ndarray, best: float) -> np.ndarray:
        """Expected improvement of the weighted sum of the values over `best`, shape (m,)."""
        spread = np.sqrt((weights**2 @ self.surrogate.amplitudes) * self.variance)
        return expected_improvement(self.mean @ weights, spread, best)

    def believe(self, index: int) -> None:
        """Goes on as if a molecule had been found to be as expected (kriging believer: Ginsbourger et al.
        2010, doi 10.1007/978-3-642-10701-6_6): what is like it becomes less uncertain."""
        with_it = self.surrogate.kernel.between(self.counts[index : index + 1], self.counts)[0]
        column = with_it - self.half.T @ self.half[:, index]
        column = column / np.sqrt(self.variance[index] + self.surrogate.noise)
        self.half = np.concatenate([self.half, column[None]])
        self.variance = np.maximum(self.variance - column**2, _LEAST_VARIANCE)


def expected_improvement(mean: np.ndarray, spread: np.ndarray, best: float) -> np.ndarray:
    """The mean of max(y - best, 0) for y normal (Jones et al. 1998, doi 10.1023/A:1008306431147):
    (m - b) Φ(z) + s φ(z) with z = (m - b)/s."""
    spread = np.maximum(spread, 1e-12)
    z = (mean - best) / spread
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return np.maximum((mean - best) * ndtr(z) + spread * density, 0.0)


def _likelihoods(kernel: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Log likelihoods with the best means and amplitudes, for each noise; up to a constant."""
    eigenvalues, vectors = np.linalg.eigh(kernel)
    inverse = 1 / (np.maximum(eigenvalues, 0.0) + _NOISES[:, None])
    ones, turned = vectors.sum(axis=0), vectors.T @ values
    means = (inverse * ones) @ turned / (inverse @ ones**2)[:, None]
    rest = turned - ones[:, None] * means[:, None, :]
    amplitudes = np.maximum((inverse[:, :, None] * rest**2).mean(axis=1), _LEAST_VARIANCE)
    determinant = values.shape[1] * np.log(inverse).sum(axis=1)
    return 0.5 * (determinant - len(kernel) * np.log(amplitudes).sum(axis=1))
