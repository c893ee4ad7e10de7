"""Hydrogen bonds by distance and angle: how many there are, and how long they last."""

import itertools
from dataclasses import dataclass

import numpy as np

from adiabat.analysis.correlation import summed_autocorrelation, time_step
from adiabat.analysis.statistics import Average, mean_with_error
from adiabat.analysis.topology import filled, find_bonds, molecules
from adiabat.base import DataError
from adiabat.system.neighbors import check_grid

_POLAR = (7, 8, 9)  # N, O, F give and take hydrogen bonds
_REACH = 3.5  # Å, donor to acceptor
_ANGLE = 30.0  # degrees, at the donor
_MAX_FRAMES, _MAX_BONDS = 10_000, 1_000_000  # bonds: frames times donor hydrogens
_PAIRS_AT_A_TIME = 256
_N_BLOCKS = 5


@dataclass(frozen=True)
class HydrogenBonds:
    """The hydrogen bonds of a trajectory.

    Attributes:
        n_molecules: that can have any.
        per_molecule: bonds that a molecule takes part in, given and taken, averaged over molecules.
        lag: [fs], shape (n,).
        correlation: how likely a bond is there again after each lag, 1 at zero and 0 where nothing is
            remembered, whether or not it was broken between; shape (n,), up to half a block.
        correlation_error: standard error of that, from five blocks of frames, shape (n,); zero of fewer than
            40 frames.
        lifetime: when it has fallen to 1/e [fs], with an error from the blocks; None where it does not fall
            so far, or there are no bonds.
    """

    n_molecules: int
    per_molecule: Average
    lag: np.ndarray
    correlation: np.ndarray
    correlation_error: np.ndarray
    lifetime: Average | None


def donor_hydrogens(numbers: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Indices of the hydrogens bonded to N, O or F, shape (n_donors,).

    Args:
        numbers: shape (n_atoms,).
        bonds: from `find_bonds`, shape (n_bonds, 2).
    """
    numbers = np.asarray(numbers)
    both = np.concatenate([bonds, bonds[:, ::-1]])
    return np.unique(both[(numbers[both[:, 0]] == 1) & np.isin(numbers[both[:, 1]], _POLAR), 0])


def hydrogen_bonds(
    time: np.ndarray, numbers: np.ndarray, frames: np.ndarray, cell: np.ndarray | None = None
) -> HydrogenBonds:
    """Counts hydrogen bonds between N, O and F, and follows them.

    D-H...A is one when D and A are closer than 3.5 Å and the angle H-D-A is below 30 degrees (Luzar and
    Chandler 1996, doi:10.1038/379055a0). The donor of a hydrogen is the nearest of N, O, F in each frame, so
    that a proton may change its place. The correlation is c(t) = <h(0) h(t)> / <h> of that paper, h being 1
    while two of N, O, F are bonded by any hydrogen, less its value for unrelated times. Of more than 10,000
    frames, or a million frames times donor hydrogens, every second, third, ... is looked at.

    Args:
        time: [fs], shape (n_frames,), evenly spaced, at least 8 frames.
        numbers: shape (n_atoms,).
        frames: positions [Å], shape (n_frames, n_atoms, 3); wrapped or not.
        cell: [Å], shape (3, 3) or (n_frames, 3, 3), with rows of zeros along directions that do not repeat;
            None for a molecule.

    Raises:
        DataError: no donor hydrogen, too few frames, or frames that are not evenly spaced in time.
    """
    numbers = np.asarray(numbers)
    cells = None if cell is None else np.broadcast_to(np.asarray(cell, dtype=np.float64), (len(frames), 3, 3))
    bonds = find_bonds(numbers, frames[0], None if cells is None else cells[0])
    hydrogens = donor_hydrogens(numbers, bonds)
    polar = np.flatnonzero(np.isin(numbers, _POLAR))
    if len(hydrogens) == 0 or len(frames) < 8:
        raise DataError(f"hydrogen bonds need N-H, O-H or F-H and 8 frames, got {len(frames)} frames")
    stride = max(-(-len(frames) // _MAX_FRAMES), -(-len(frames) * len(hydrogens) // _MAX_BONDS))
    step = time_step(time) * stride
    looked_at = range(0, len(frames), stride)
    found = [_of_frame(frames[k], None if cells is None else cells[k], hydrogens, polar) for k in looked_at]
    member = molecules(len(numbers), bonds)
    able = len(np.unique(member[polar]))
    shared = [np.sum(1 + (member[polar[bond[:, 0]]] != member[polar[bond[:, 1]]])) / able for bond in found]
    partners = [np.unique(np.sort(bond, axis=1) @ [len(polar), 1]) for bond in found]
    row, pair = np.repeat(np.arange(len(found)), [len(p) for p in partners]), np.concatenate(partners)
    both = np.concatenate([bonds, bonds[:, ::-1]])
    donors = len(np.unique(both[np.isin(both[:, 0], hydrogens) & np.isin(both[:, 1], polar), 1]))
    n_candidates = donors * (len(polar) - donors) + donors * (donors - 1) // 2
    whole = _correlation(row, pair, len(found), n_candidates)
    blocks = _of_blocks(row, pair, len(found), n_candidates)
    error = blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks)) if len(blocks) else np.zeros(len(whole))
    whole = whole[: len(error)]
    return HydrogenBonds(
        able,
        mean_with_error(np.array(shared)),
        step * np.arange(len(whole)),
        whole,
        error,
        _lifetime(whole, blocks, step),
    )


def _of_frame(
    positions: np.ndarray, box: np.ndarray | None, hydrogens: np.ndarray, polar: np.ndarray
) -> np.ndarray:
    """Donor and acceptor of each bond, by their numbers among N, O and F; shape (n_bonds, 2)."""
    hydrogen, acceptor, to = _near(positions[hydrogens], positions[polar], box)
    order = np.lexsort((np.linalg.norm(to, axis=1), hydrogen))
    hydrogen, acceptor, to = hydrogen[order], acceptor[order], to[order]
    owner, start = np.unique(hydrogen, return_index=True)  # the first of each is its donor, the nearest
    nearest = np.zeros(len(hydrogens), dtype=np.int64)
    nearest[owner] = start
    donor = nearest[hydrogen]
    arm = -to[donor]  # donor to hydrogen
    across = to + arm  # donor to acceptor
    reach = np.linalg.norm(across, axis=1)
    along = np.sum(arm * across, axis=1)
    near = (reach < _REACH) & (along > np.cos(np.radians(_ANGLE)) * np.linalg.norm(arm, axis=1) * reach)
    near &= np.arange(len(hydrogen)) != donor
    bonds = np.stack([hydrogen, acceptor[donor], acceptor], axis=1)[near]
    return np.unique(bonds, axis=0)[:, 1:]  # two images of an acceptor are one bond


def _near(
    first: np.ndarray, second: np.ndarray, box: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs within reach, one of each set, and the vectors between them: with D-A < 3.5 Å and less than 30
    degrees at D, H is nearer to A than D is."""
    if box is None:  # not by a list of cells: a molecule may have left the others far behind
        vectors = second.astype(np.float64) - first[:, None]
        i, j = np.nonzero(np.sum(vectors**2, axis=2) < _REACH**2)
        return i, j, vectors[i, j]
    import vesin

    points = np.ascontiguousarray(np.concatenate([first, second]), dtype=np.float64)
    finder = vesin.NeighborList(cutoff=_REACH, full_list=True, n_threads=1)
    filled_box, pbc = filled(box)
    check_grid(points, filled_box, pbc, _REACH)
    i, j, vectors = finder.compute(points, filled_box, pbc, quantities="ijD")
    kept = (i < len(first)) & (j >= len(first))
    return i[kept].astype(np.int64), j[kept].astype(np.int64) - len(first), vectors[kept]


def _correlation(row: np.ndarray, pair: np.ndarray, n_frames: int, n_candidates: int) -> np.ndarray:
    """(c(t) - <h>) / (1 - <h>) up to half of the frames; zero where no bond, or each, is always there."""
    n_lags = max(n_frames // 2, 1)
    mean = len(row) / (n_frames * max(n_candidates, 1))
    if not 0 < mean < 1:
        return np.zeros(n_lags)
    _, number = np.unique(pair, return_inverse=True)
    order = np.argsort(number, kind="stable")
    row, number = row[order], number[order]
    total = np.zeros(n_lags)
    for first in range(0, int(number[-1]) + 1, _PAIRS_AT_A_TIME):
        low, high = np.searchsorted(number, [first, first + _PAIRS_AT_A_TIME])
        there = np.zeros((n_frames, _PAIRS_AT_A_TIME), dtype=np.float32)
        there[row[low:high], number[low:high] - first] = 1.0
        total += summed_autocorrelation(there, n_lags)
    return (total / (len(row) / n_frames) - mean) / (1 - mean)


def _of_blocks(row: np.ndarray, pair: np.ndarray, n_frames: int, n_candidates: int) -> np.ndarray:
    """The correlation in each of five blocks of frames, shape (5, n_lags); empty of too few."""
    if n_frames < 8 * _N_BLOCKS:
        return np.zeros((0, 0))
    curves = []
    for low, high in itertools.pairwise(np.linspace(0, n_frames, _N_BLOCKS + 1, dtype=int).tolist()):
        inside = (row >= low) & (row < high)
        curves.append(_correlation(row[inside] - low, pair[inside], high - low, n_candidates))
    shortest = min(map(len, curves))
    return np.array([curve[:shortest] for curve in curves])


def _lifetime(whole: np.ndarray, blocks: np.ndarray, step: float) -> Average | None:
    """When the correlation has fallen to 1/e [fs], with the error from blocks of frames."""
    times = [_falls_to(curve, np.exp(-1.0)) for curve in (whole, *blocks)]
    if len(blocks) == 0 or any(time is None for time in times):
        return None
    mean, *each = (step * np.array(times, dtype=np.float64)).tolist()
    return Average(mean, float(np.std(each, ddof=1) / np.sqrt(len(each))), float(len(each)))


def _falls_to(curve: np.ndarray, level: float) -> float | None:
    """Where a curve first falls below a level, in lags."""
    below = np.flatnonzero(curve < level)
    if len(below) == 0 or below[0] == 0:
        return None
    end = int(below[0])
    return end - (level - curve[end]) / (curve[end - 1] - curve[end])
