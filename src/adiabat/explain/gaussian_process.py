"""Contributions of atoms to what a Gaussian process says: integrated gradients in closed pieces."""

import numpy as np

from adiabat.explain.anatomy import Anatomy
from adiabat.properties.fingerprints import BITS
from adiabat.properties.gaussian_process import GaussianProcess
from adiabat.properties.molecules import CLIP, in_spreads

# Between corners the mean is smooth, and eight points of Gauss and Legendre are exact to many digits.
_POINTS = 8
_LEAST_PIECE = 1e-12


def of_process(model: GaussianProcess, anatomy: Anatomy) -> np.ndarray:
    """Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) on the straight line of counts and
    descriptors from none to those of the molecule.

    The minima in the Tanimoto kernel, and the descriptors where they are cut off, have corners; the integral
    is taken piece by piece between them.

    Returns:
        shape (n_atoms, n_targets).
    """
    shares = anatomy.feature_shares()
    features = shares.sum(axis=0)
    places = np.flatnonzero(features[:BITS] > 0)
    counts, numbers = features[places], features[BITS:]
    by_counts = np.zeros((len(places), len(model.processes)))
    by_numbers = np.zeros((len(numbers), len(model.processes)))
    known = model.counts[:, places].astype(float)
    totals = model.counts.sum(axis=1, dtype=float)
    for time, weight in zip(*_points(_corners(model, counts, known, numbers)), strict=True):
        below = time * counts < known
        common = np.minimum(time * counts, known).sum(axis=1)
        union = time * counts.sum() + totals - common
        inputs = anatomy.molecule.inputs[0]
        scaled = in_spreads(np.append(time * numbers, inputs), model.center, model.scale)
        apart = model.scaled - scaled
        squared = (apart**2).mean(axis=1)
        moving = (np.abs(scaled) < CLIP)[: len(numbers)] / model.scale[: len(numbers)]
        for target, process in enumerate(model.processes):
            kernel, alpha, rows = process.kernel, process.weights, process.rows
            # d(m / M) by a count, m and M the sums of minima and maxima.
            pulls = kernel.alike * alpha / union[rows] ** 2
            by_counts[:, target] += weight * (
                (pulls * (union[rows] + common[rows])) @ below[rows] - (pulls * common[rows]).sum()
            )
            near = kernel.near * alpha * np.exp(squared[rows] * (-0.5 / kernel.length**2)) / kernel.length**2
            slopes = near @ apart[rows, : len(numbers)] / len(scaled)
            by_numbers[:, target] += weight * slopes * moving
    return shares[:, places] @ by_counts + shares[:, BITS:] @ by_numbers


def _corners(
    model: GaussianProcess, counts: np.ndarray, known: np.ndarray, numbers: np.ndarray
) -> np.ndarray:
    """Where on the way from 0 to 1 something bends, in order, both ends included."""
    moving = numbers != 0
    numbers, center = numbers[moving], model.center[: len(moving)][moving]
    reach = CLIP * model.scale[: len(moving)][moving]
    bends = [np.unique(column) / count for column, count in zip(known.T, counts, strict=True)]
    every = np.concatenate([[0.0, 1.0], (center - reach) / numbers, (center + reach) / numbers, *bends])
    return np.unique(every[(every >= 0) & (every <= 1)])


def _points(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times and weights of the integral."""
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    width = np.diff(corners)
    start, width = corners[:-1][width > _LEAST_PIECE], width[width > _LEAST_PIECE]
    times = start[:, None] + 0.5 * width[:, None] * (nodes + 1)
    return times.ravel(), (0.5 * width[:, None] * weights).ravel()
