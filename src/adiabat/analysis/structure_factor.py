"""The static structure factor, summed directly over the wave vectors of the cell or from g(r)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adiabat.analysis.radial import RadialDistribution
from adiabat.analysis.statistics import block_error
from adiabat.base import DataError
from adiabat.system import cell_heights

_N_BLOCKS = 5
_MAX_FRAMES = 200
_MAX_VECTORS = 30_000
_ATOMS_AT_A_TIME = 2048
_MAX_TERMS = 1e9  # frames times atoms times vectors: a few seconds


@dataclass(frozen=True)
class StructureFactor:
    """S(q) of all atoms, each counted alike.

    Attributes:
        wavevector: means of the shells, |q| = 2 pi / d [1/Å], shape (n,).
        s: shape (n,); 1 where the atoms are uncorrelated.
        error: standard error from five blocks of frames, shape (n,); zero with fewer frames.
    """

    wavevector: np.ndarray
    s: np.ndarray
    error: np.ndarray


def structure_factor(
    frames: np.ndarray, cell: np.ndarray, q_max: float = 10.0, width: float = 0.1
) -> StructureFactor:
    """S(q) = <|sum_j exp(i q . r_j)|^2> / N over all wave vectors q of the cell, averaged in shells.

    Allen and Tildesley 2017, doi:10.1093/oso/9780198803195.001.0001, section 2.6. Unlike a transform of g(r)
    it is exact at every wave vector that fits the cell. At most 200 evenly spaced frames are used, and
    `q_max` is lowered so that 30,000 vectors do: both keep large systems at seconds.

    Args:
        frames: positions [Å], shape (n_frames, n_atoms, 3); wrapped or not.
        cell: [Å], shape (3, 3) or (n_frames, 3, 3); where it changes, shells are those of the mean cell.
        q_max: [1/Å].
        width: of a shell [1/Å].

    Raises:
        DataError: no frames, or a flat cell.
    """
    if len(frames) == 0:
        raise DataError("a structure factor needs at least one frame")
    n_atoms = frames.shape[1]
    cells = np.broadcast_to(np.asarray(cell, dtype=np.float64), (len(frames), 3, 3))
    mean = cells.mean(axis=0)
    indices = _wave_vectors(mean, q_max)
    length = np.linalg.norm(2 * np.pi * indices @ np.linalg.inv(mean).T, axis=1)
    shell = (length / width).astype(np.int64)
    limit = int(np.clip(_MAX_TERMS / (n_atoms * len(indices)), _N_BLOCKS, _MAX_FRAMES))
    chosen = np.unique(np.linspace(0, len(frames) - 1, limit, dtype=int))
    counts = np.bincount(shell)
    kept = counts > 0
    rows = []
    for frame, box in zip(chosen, cells[chosen], strict=True):
        scaled = np.asarray(frames[frame], dtype=np.float64) @ np.linalg.inv(box)
        squared = np.abs(_density_waves(scaled, indices)) ** 2 / n_atoms
        rows.append(np.bincount(shell, squared)[kept] / counts[kept])
    each = np.array(rows)
    error = np.zeros(each.shape[1])
    if len(each) >= _N_BLOCKS:
        error = block_error(lambda block: block.mean(axis=0), each, _N_BLOCKS)
    return StructureFactor(np.bincount(shell, length)[kept] / counts[kept], each.mean(axis=0), error)


def structure_factor_from_radial(
    pairs: Sequence[RadialDistribution], numbers: np.ndarray, volume: float, wavevector: np.ndarray
) -> np.ndarray:
    """S(q) = 1 + 4 pi rho int r^2 (g(r) - 1) sin(q r) / (q r) W(r) dr, from g(r) of all pairs of elements.

    W is Lorch's window, which takes away the ripples of an integral that ends, and with them what is finer
    than 2 pi / r_max (doi:10.1088/0022-3719/2/2/305).

    Args:
        pairs: from `radial_distribution`.
        numbers: shape (n_atoms,).
        volume: of the cell [Å^3].
        wavevector: [1/Å], shape (n,).

    Returns:
        Shape (n,).
    """
    from ase.data import atomic_numbers

    distance = pairs[0].distance
    spacing = distance[1] - distance[0]
    total = np.zeros(len(distance))
    for pair in pairs:
        first, second = (atomic_numbers[symbol] for symbol in pair.label.split("–"))
        shares = np.mean(np.asarray(numbers) == first) * np.mean(np.asarray(numbers) == second)
        total += (1 if first == second else 2) * shares * (pair.g - 1)
    window = np.sinc(distance / (distance[-1] + spacing / 2))
    kernel = np.sinc(np.outer(np.asarray(wavevector), distance) / np.pi)
    rho = len(numbers) / volume
    return 1 + 4 * np.pi * rho * kernel @ (distance**2 * total * window) * spacing


def _wave_vectors(cell: np.ndarray, q_max: float) -> np.ndarray:
    """Integer indices (n, 3) of the wave vectors up to `q_max`, one of each pair q and -q, without zero."""
    cell_heights(cell)  # a flat cell is refused
    volume = np.abs(np.linalg.det(cell))
    affordable = (_MAX_VECTORS * 12 * np.pi**2 / volume) ** (1 / 3)  # radius of half a sphere with so many
    reach = min(q_max, affordable)
    most = np.floor(reach * np.linalg.norm(cell, axis=1) / (2 * np.pi)).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in most), indexing="ij"), axis=-1).reshape(-1, 3)
    length = np.linalg.norm(2 * np.pi * grid @ np.linalg.inv(cell).T, axis=1)
    half = (grid @ [1e8, 1e4, 1.0] > 0) & (length <= reach)
    if not half.any():
        raise DataError(f"no wave vector of the cell is shorter than {q_max:g} 1/Å", "choose a larger q_max")
    return grid[half]


def _density_waves(scaled: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """sum_j exp(2 pi i h . s_j) for each index h, shape (n,), as one matrix product over the atoms.

    exp(i (a + b + c)) is a product: the sines of n_atoms x n_vectors angles would take most of the time.
    """
    low, high = indices.min(axis=0), indices.max(axis=0)
    waves = np.zeros(high - low + 1, dtype=np.complex128)
    for first in range(0, len(scaled), _ATOMS_AT_A_TIME):
        few = scaled[first : first + _ATOMS_AT_A_TIME]
        tables = [
            np.exp(2j * np.pi * np.outer(few[:, k], np.arange(low[k], high[k] + 1))).astype(np.complex64)
            for k in range(3)
        ]
        plane = (tables[0][:, :, None] * tables[1][:, None, :]).reshape(len(few), -1)
        waves += (plane.T @ tables[2]).reshape(waves.shape)
    return waves[tuple((indices - low).T)]
