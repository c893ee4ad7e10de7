"""Which atoms are bonded, and what follows: angles, torsions, molecules, fragmentation."""

from dataclasses import dataclass

import numpy as np

from adiabat.system import filled_cell
from adiabat.system.neighbors import pairs_within

BOND_SCALE = 1.25
"""Two atoms are bonded when closer than this many sums of their covalent radii."""

_BROKEN_SCALE = 1.6
_MAX_FRAMES = 500


def bonded_radii(numbers: np.ndarray) -> np.ndarray:
    """Covalent radii [Å] of each atomic number (Cordero et al. 2008, doi:10.1039/b801115j)."""
    from ase.data import covalent_radii

    return np.nan_to_num(covalent_radii, nan=1.5)[np.asarray(numbers)]


def find_bonds(
    numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray | None = None, scale: float = BOND_SCALE
) -> np.ndarray:
    """Pairs of atoms closer than `scale` times the sum of their covalent radii.

    Args:
        numbers: shape (n_atoms,).
        positions: [Å], shape (n_atoms, 3).
        cell: [Å], shape (3, 3), with rows of zeros along directions that do not repeat; None for a molecule.
        scale: in sums of covalent radii.

    Returns:
        Pairs i < j, sorted, each once, shape (n_bonds, 2).

    Raises:
        DataError: so large and flat a structure that no grid of cells suits it.
    """
    radii = bonded_radii(numbers)
    points = np.ascontiguousarray(positions, dtype=np.float64)
    i, j, _, distance = pairs_within(points, *filled(cell), float(2 * scale * radii.max()))
    i, j = np.asarray(i, dtype=np.int64), np.asarray(j, dtype=np.int64)
    near = (distance < scale * (radii[i] + radii[j])) & (i != j)
    pairs = np.sort(np.stack([i[near], j[near]], axis=1), axis=1)
    return np.unique(pairs, axis=0) if len(pairs) else np.zeros((0, 2), dtype=np.int64)


def filled(cell: np.ndarray | None) -> tuple[np.ndarray, tuple[bool, bool, bool]]:
    """A cell that vesin takes, and along which of its vectors the system repeats."""
    box = np.zeros((3, 3)) if cell is None else np.asarray(cell, dtype=np.float64)
    a, b, c = (bool(one) for one in box.any(axis=1))
    return filled_cell(box, (a, b, c)), (a, b, c)


def common_bonds(numbers: np.ndarray, frames: np.ndarray, cell: np.ndarray | None = None) -> np.ndarray:
    """Bonds found in more than half of the frames, shape (n_bonds, 2).

    Args:
        numbers: shape (n_atoms,).
        frames: positions [Å], shape (n_frames, n_atoms, 3).
        cell: as in `find_bonds`.
    """
    chosen = frames[np.unique(np.linspace(0, len(frames) - 1, 25, dtype=int))]
    found = np.concatenate([find_bonds(numbers, frame, cell) for frame in chosen])
    pairs, counts = np.unique(found, axis=0, return_counts=True)
    return pairs[counts > len(chosen) / 2]


def angles_from_bonds(bonds: np.ndarray) -> np.ndarray:
    """Triples i-j-k of bonds that share the atom j, i < k, shape (n_angles, 3)."""
    neighbors = _neighbors(bonds)
    triples = [
        (first, center, second)
        for center, others in neighbors.items()
        for a, first in enumerate(others)
        for second in others[a + 1 :]
    ]
    return np.array(triples, dtype=np.int64).reshape(-1, 3)


def torsions_from_bonds(bonds: np.ndarray) -> np.ndarray:
    """Quadruples i-j-k-l along three bonds, j < k, shape (n_torsions, 4); three-membered rings give none."""
    neighbors = _neighbors(bonds)
    quadruples = [
        (first, int(j), int(k), last)
        for j, k in bonds
        for first in neighbors[int(j)]
        for last in neighbors[int(k)]
        if first != k and last != j and first != last
    ]
    return np.array(quadruples, dtype=np.int64).reshape(-1, 4)


def molecules(n_atoms: int, bonds: np.ndarray) -> np.ndarray:
    """The molecule (connected component of the bonds) each atom belongs to, shape (n_atoms,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(bonds)), (bonds[:, 0], bonds[:, 1])), shape=(n_atoms, n_atoms))
    return connected_components(graph, directed=False)[1]


@dataclass(frozen=True)
class Fragmentation:
    """Whether the molecules of a trajectory stayed whole.

    Attributes:
        frames: indices of the frames looked at, shape (n,).
        n_fragments: connected pieces in each of them, shape (n,).
        changed: first frame with another number of pieces than the first frame, or None.
        rearranged: bonds of the first frame that are gone in the last one, or new in it, shape (n_bonds, 2).
    """

    frames: np.ndarray
    n_fragments: np.ndarray
    changed: int | None
    rearranged: np.ndarray


def fragmentation(numbers: np.ndarray, frames: np.ndarray, cell: np.ndarray | None = None) -> Fragmentation:
    """Counts connected pieces along a trajectory.

    Atoms that begin in one molecule are held together by distances up to 1.6 sums of covalent radii, so that
    a strong vibration or a proton on its way is no break; all others by bonds only, so that a close contact
    in a liquid is no bond. At most 500 evenly spaced frames are looked at.

    Args:
        numbers: shape (n_atoms,).
        frames: positions [Å], shape (n_frames, n_atoms, 3).
        cell: as in `find_bonds`, also one for each frame, shape (n_frames, 3, 3).
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, _MAX_FRAMES, dtype=int))
    cells = [None if cell is None else (cell if np.ndim(cell) == 2 else cell[frame]) for frame in chosen]
    member = molecules(len(numbers), find_bonds(numbers, frames[0], cells[0]))
    counts = []
    for frame, box in zip(chosen, cells, strict=True):
        near = find_bonds(numbers, frames[frame], box, _BROKEN_SCALE)
        near = near[member[near[:, 0]] == member[near[:, 1]]]
        near = np.concatenate([near, find_bonds(numbers, frames[frame], box)])
        counts.append(int(molecules(len(numbers), near).max()) + 1)
    n_fragments = np.array(counts)
    differs = np.flatnonzero(n_fragments != n_fragments[0])
    first = {tuple(bond) for bond in find_bonds(numbers, frames[0], cells[0])}
    last = {tuple(bond) for bond in find_bonds(numbers, frames[chosen[-1]], cells[-1])}
    return Fragmentation(
        frames=chosen,
        n_fragments=n_fragments,
        changed=int(chosen[differs[0]]) if len(differs) else None,
        rearranged=np.array(sorted(first ^ last), dtype=np.int64).reshape(-1, 2),
    )


def _neighbors(bonds: np.ndarray) -> dict[int, list[int]]:
    neighbors: dict[int, list[int]] = {}
    for i, j in bonds.tolist():
        neighbors.setdefault(i, []).append(j)
        neighbors.setdefault(j, []).append(i)
    return {atom: sorted(others) for atom, others in sorted(neighbors.items())}
