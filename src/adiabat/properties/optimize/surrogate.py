"""What the molecules scored so far say of others: a Gaussian process on Tanimoto similarity."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.special import ndtr

from adiabat.properties.fingerprints import similarities

# Variance of what similarity cannot explain, in units of what it can; the likeliest is taken.
_NOISES = np.geomspace(1e-4, 1.0, 9)


@dataclass(frozen=True)
class Surrogate:
    """A Gaussian process with the kernel a_k T(x, x') for each of several values at once.

    T is Tanimoto's coefficient of count-Morgan fingerprints, which is a kernel (Ralaivola et al. 2005,
    doi 10.1016/j.neunet.2005.07.009). All values share the ratio of noise to signal; means and amplitudes a_k
    are the likeliest ones (Rasmussen and Williams 2006, chapter 2 and 5.4.1).

    Attributes:
        counts: fingerprints of the known molecules, shape (n, 2048).
        means: shape (n_values,).
        amplitudes: shape (n_values,).
        noise: the ratio.
        factor: lower Cholesky factor of T + noise, shape (n, n).
        solved: (T + noise)^-1 (values - means), shape (n, n_values).
    """

    counts: np.ndarray
    means: np.ndarray
    amplitudes: np.ndarray
    noise: float
    factor: np.ndarray
    solved: np.ndarray

    @classmethod
    def fit(cls, counts: np.ndarray, values: np.ndarray) -> "Surrogate":
        """The likeliest one for known values, shape (n, n_values)."""
        kernel = similarities(counts, counts)
        fits = [_fitted(kernel, values, noise) for noise in _NOISES]
        best = int(np.argmax([likelihood for likelihood, _ in fits]))
        return cls(counts, *fits[best][1])

    def predict(self, counts: np.ndarray) -> "Posterior":
        """What is expected of other molecules, shape (m, 2048)."""
        kernel = similarities(self.counts, counts)
        half = solve_triangular(self.factor, kernel, lower=True)
        mean = self.means + kernel.T @ self.solved
        variance = np.maximum(1.0 - (half**2).sum(axis=0), 1e-12)
        return Posterior(mean, variance, self.amplitudes, half, self.noise)


@dataclass
class Posterior:
    """What a surrogate expects of molecules.

    Attributes:
        mean: shape (m, n_values).
        variance: in units of the amplitudes, shape (m,).
        amplitudes: shape (n_values,).
        half: L^-1 T(known, these), shape (n, m).
        noise: as the surrogate's.
    """

    mean: np.ndarray
    variance: np.ndarray
    amplitudes: np.ndarray
    half: np.ndarray
    noise: float

    def improvement(self, weights: np.ndarray, best: float) -> np.ndarray:
        """Expected improvement of the weighted sum of the values over `best`, shape (m,)."""
        spread = np.sqrt((weights**2 @ self.amplitudes) * self.variance)
        return expected_improvement(self.mean @ weights, spread, best)

    def believe(self, index: int, alike: np.ndarray) -> None:
        """Goes on as if one of the molecules had been found to be as expected (kriging believer: Ginsbourger
        et al. 2010, doi 10.1007/978-3-642-10701-6_6): what is like it becomes less uncertain.

        Args:
            index: its number.
            alike: similarity of each molecule to it, shape (m,).
        """
        column = alike - self.half.T @ self.half[:, index]
        column = column / np.sqrt(self.variance[index] + self.noise)
        self.half = np.concatenate([self.half, column[None]])
        self.variance = np.maximum(self.variance - column**2, 1e-12)


def expected_improvement(mean: np.ndarray, spread: np.ndarray, best: float) -> np.ndarray:
    """The mean of max(y - best, 0) for y normal (Mockus 1975, Jones et al. 1998,
    doi 10.1023/A:1008306431147): (m - b) Φ(z) + s φ(z) with z = (m - b)/s."""
    spread = np.maximum(spread, 1e-12)
    z = (mean - best) / spread
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return np.maximum((mean - best) * ndtr(z) + spread * density, 0.0)


def _fitted(kernel: np.ndarray, values: np.ndarray, noise: float) -> tuple[float, tuple]:
    """Log likelihood with the best means and amplitudes, and the numbers of that fit."""
    n = len(kernel)
    factor = np.linalg.cholesky(kernel + noise * np.eye(n))
    ones = cho_solve((factor, True), np.ones(n))
    means = ones @ values / ones.sum()
    solved = cho_solve((factor, True), values - means)
    amplitudes = np.maximum(((values - means) * solved).sum(axis=0) / n, 1e-12)
    likelihood = -0.5 * n * np.log(amplitudes).sum() - values.shape[1] * np.log(np.diag(factor)).sum()
    return float(likelihood), (means, amplitudes, float(noise), factor, solved)
