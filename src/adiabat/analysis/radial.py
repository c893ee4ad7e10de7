"""Radial distribution functions."""

from dataclasses import dataclass

import numpy as np

from adiabat.analysis.statistics import block_error
from adiabat.base import DataError
from adiabat.system import cell_heights
from adiabat.system.neighbors import pairs_within

_N_BLOCKS = 5
_MAX_FRAMES = 200


@dataclass(frozen=True)
class RadialDistribution:
    """The radial distribution function of one pair of elements.

    Attributes:
        label: as "O–H".
        distance: middles of the bins [Å], shape (n_bins,).
        g: shape (n_bins,); 1 where the pairs are uncorrelated.
        error: standard error from five blocks of frames, shape (n_bins,); zero with fewer frames.
        coordination: mean number of second atoms around a first one up to the end of each bin, (n_bins,).
    """

    label: str
    distance: np.ndarray
    g: np.ndarray
    error: np.ndarray
    coordination: np.ndarray


def radial_distribution(
    numbers: np.ndarray, frames: np.ndarray, cell: np.ndarray, r_max: float | None = None, n_bins: int = 120
) -> list[RadialDistribution]:
    """g(r) of each pair of elements of a system that is periodic along all directions.

    g_ab(r) = V <n_ab(r)> / (N_a (N_b - delta_ab) 4 pi r^2 dr), with the exact volume of the shells and pairs
    of one element counted from both ends (Allen and Tildesley 2017, doi:10.1093/oso/9780198803195.001.0001).
    At most 200 evenly spaced frames are used.

    Args:
        numbers: shape (n_atoms,).
        frames: positions [Å], shape (n_frames, n_atoms, 3); wrapped or not.
        cell: [Å], shape (3, 3) or (n_frames, 3, 3).
        r_max: largest distance [Å]; by default half the smallest height of the cell, at most 10 Å.
        n_bins: number of bins.

    Raises:
        DataError: no frames, a flat cell, one far too large for its height, or an `r_max` beyond half the
            smallest height of the cell, where an atom would meet its own images.
    """
    if len(frames) == 0:
        raise DataError("a radial distribution needs at least one frame")
    chosen = np.unique(np.linspace(0, len(frames) - 1, _MAX_FRAMES, dtype=int))
    cells = np.broadcast_to(np.asarray(cell, dtype=np.float64), (len(frames), 3, 3))[chosen]
    limit = min(cell_heights(box).min() for box in cells) / 2
    reach = float(min(limit, 10.0) if r_max is None else r_max)
    if not 0 < reach <= limit + 1e-9:
        raise DataError(f"r_max = {reach:g} Å, but half the smallest height of the cell is {limit:g} Å")
    edges = np.linspace(0.0, reach, n_bins + 1)
    elements, kinds = np.unique(-np.asarray(numbers), return_inverse=True)
    n_kinds = len(elements)
    histograms = np.zeros((len(chosen), n_kinds * n_kinds, n_bins))
    for row, (frame, box) in enumerate(zip(chosen, cells, strict=True)):
        points = np.ascontiguousarray(frames[frame], dtype=np.float64)
        i, j, _, distance = pairs_within(points, box, (True, True, True), reach)
        pair = kinds[i] * n_kinds + kinds[j]
        slot = np.minimum((distance / reach * n_bins).astype(np.int64), n_bins - 1)
        flat = np.bincount(pair * n_bins + slot, minlength=n_kinds * n_kinds * n_bins)
        once = flat.reshape(n_kinds, n_kinds, n_bins)
        histograms[row] = (once + once.swapaxes(0, 1)).reshape(-1, n_bins)
    volumes = np.abs(np.linalg.det(cells))
    return _normalized(histograms, volumes, -elements, np.bincount(kinds), edges)


def _normalized(
    histograms: np.ndarray, volumes: np.ndarray, elements: np.ndarray, counts: np.ndarray, edges: np.ndarray
) -> list[RadialDistribution]:
    from ase.data import chemical_symbols

    shells = 4 / 3 * np.pi * np.diff(edges**3)
    results = []
    for a, first in enumerate(elements):
        for b, second in enumerate(elements[a:], start=a):
            n_pairs = counts[a] * (counts[b] - (a == b))
            if n_pairs == 0:
                continue
            found = histograms[:, a * len(elements) + b]
            each = found * volumes[:, None] / (n_pairs * shells)
            error = np.zeros(len(shells))
            if len(each) >= _N_BLOCKS:
                error = block_error(lambda block: block.mean(axis=0), each, _N_BLOCKS)
            results.append(
                RadialDistribution(
                    label=f"{chemical_symbols[first]}–{chemical_symbols[second]}",
                    distance=0.5 * (edges[1:] + edges[:-1]),
                    g=each.mean(axis=0),
                    error=error,
                    coordination=np.cumsum(found.mean(axis=0)) / counts[a],
                )
            )
    return results
