"""Contributions of atoms to what a Gaussian process says: integrated gradients in closed pieces."""

import numpy as np

from adiabat.explain.anatomy import Anatomy
from adiabat.properties.fingerprints import Counts
from adiabat.properties.gaussian_process import AbstractProcess
from adiabat.properties.molecules import CLIP, in_spreads
from adiabat.properties.substructures import SUMMED

# In pieces this short, between corners, eight points of Gauss and Legendre are exact to many digits.
_POINTS, _PIECES = 8, 16
_LEAST_PIECE = 1e-12
# Known molecules at a time: of all, some twenty arrays by the places of a large molecule fill a gigabyte.
_ROWS = 256


def of_process(model: AbstractProcess, anatomy: Anatomy) -> np.ndarray:
    """Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) on the straight line of counts and
    descriptors from none to those of the molecule.

    The minima in the Tanimoto kernels, and the descriptors where they are cut off, have corners; the integral
    is taken piece by piece between them.

    Returns:
        shape (n_atoms, n_targets).
    """
    found = anatomy.shares @ _by_numbers(model, anatomy) + _by_parts(model, anatomy)
    for k, (kind, known) in enumerate(zip(model.fingerprints, model.counts, strict=True)):
        places, shares = anatomy.occurrences(kind).shares()
        if not len(places):
            continue
        counts = np.round(shares.sum(axis=0))
        starts = range(0, len(known.indptr) - 1, _ROWS)
        pulls = np.concatenate([_pulls(known[row : row + _ROWS], places, counts) for row in starts])
        for target, process in enumerate(model.processes):
            found[:, target] += shares @ (process.kernel.alike[k] * (process.weights @ pulls[process.rows]))
    return found


def _pulls(fingerprints: Counts, places: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Slopes of the similarity with each known molecule by each count, averaged over the way from no counts
    to all.

    With m the sum of minima and M that of maxima, the similarity m / M has the slope 1 / M by a count that is
    still below that of the known molecule, and -m / M^2 = 1 / M - (M + m) / M^2 by one above. Between corners
    m and M are linear, M + m always. Where the known molecule has no counts at all, the similarity falls from
    one to zero at the start, for which all counts are to blame alike.

    Args:
        fingerprints: of the known molecules, shape (n_known, n_all_places).
        places: in which the molecule has counts, shape (n_places,).
        counts: its counts there, likewise.

    Returns:
        shape (n_known, n_places).
    """
    known = fingerprints[:, places].toarray().astype(float)
    totals, whole = np.asarray(fingerprints.sum(axis=1, dtype=float))[:, None], counts.sum()
    turns = np.minimum(known / counts, 1.0)
    order = np.argsort(turns, axis=1)
    inner = np.take_along_axis(turns, order, axis=1)
    times = np.concatenate([np.zeros_like(totals), inner, np.ones_like(totals)], axis=1)
    width = np.diff(times, axis=1)
    # In each piece the counts from here on are still below.
    rise = np.cumsum(counts[order][:, ::-1], axis=1)[:, ::-1]
    rise = np.concatenate([rise, np.zeros_like(totals)], axis=1)
    common = np.concatenate([np.zeros_like(totals), np.cumsum(rise * width, axis=1)], axis=1)
    both = totals + whole * times
    largest = np.where(totals > 0, both - common, 1.0)
    begin, end, growth = largest[:, :-1], largest[:, 1:], whole - rise
    flat = growth < 0.5  # they are whole numbers
    divisor = np.where(flat, 1.0, growth)
    logarithm = np.log1p((end - begin) / begin)
    rational = (both[:, :-1] - whole * begin / divisor) * (1 / begin - 1 / end) + whole * logarithm / divisor
    pieces = np.where(flat, (both[:, :-1] + 0.5 * whole * width) * width / begin**2, rational / divisor)
    inverse = np.where(flat, width / begin, logarithm / divisor)
    until = np.cumsum(pieces, axis=1)
    above = until[:, -1:] - until[:, :-1]
    found = np.empty_like(known)
    np.put_along_axis(found, order, inverse.sum(axis=1, keepdims=True) - above, axis=1)
    return np.where(totals > 0, found, -1 / whole)


def _by_parts(model: AbstractProcess, anatomy: Anatomy) -> np.ndarray:
    """What atoms bring to the sums over atoms and groups, in which a part counts as much in any company,
    shape (n_atoms, n_targets)."""
    found = np.zeros((anatomy.n_atoms, len(model.processes)))
    for k, (kind, known) in enumerate(zip(SUMMED, model.parts, strict=False)):
        places, shares = anatomy.occurrences(kind).shares()
        counts = known[:, places].toarray() / model.norms[k] ** 2
        for target, process in enumerate(model.processes):
            found[:, target] += shares @ (process.kernel.summed[k] * (process.weights @ counts[process.rows]))
    return found


def _by_numbers(model: AbstractProcess, anatomy: Anatomy) -> np.ndarray:
    """Slopes by descriptors averaged over the way, shape (n_descriptors, n_targets)."""
    numbers, inputs = anatomy.shares.sum(axis=0), anatomy.molecule.inputs[0]
    found = np.zeros((len(numbers), len(model.processes)))
    for time, weight in zip(*_points(_corners(model, numbers)), strict=True):
        scaled = in_spreads(np.append(time * numbers, inputs), model.center, model.scale)
        apart = model.scaled - scaled
        squared = (apart**2).mean(axis=1)
        moving = (np.abs(scaled) < CLIP)[: len(numbers)] / model.scale[: len(numbers)]
        for target, process in enumerate(model.processes):
            kernel, rows = process.kernel, process.rows
            near = kernel.near * process.weights * np.exp(squared[rows] * (-0.5 / kernel.length**2))
            slopes = near @ apart[rows, : len(numbers)] / kernel.length**2 / len(scaled)
            found[:, target] += weight * slopes * moving
    return found


def _corners(model: AbstractProcess, numbers: np.ndarray) -> np.ndarray:
    """Where on the way from 0 to 1 a descriptor is cut off, and the ends of short pieces, in order."""
    moving = numbers != 0
    numbers, center = numbers[moving], model.center[: len(moving)][moving]
    reach = CLIP * model.scale[: len(moving)][moving]
    ends = np.linspace(0, 1, _PIECES + 1)
    every = np.concatenate([ends, (center - reach) / numbers, (center + reach) / numbers])
    return np.unique(every[(every >= 0) & (every <= 1)])


def _points(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times and weights of the integral."""
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    width = np.diff(corners)
    start, width = corners[:-1][width > _LEAST_PIECE], width[width > _LEAST_PIECE]
    times = start[:, None] + 0.5 * width[:, None] * (nodes + 1)
    return times.ravel(), (0.5 * width[:, None] * weights).ravel()
