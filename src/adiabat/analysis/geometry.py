"""Bond lengths, angles and torsions of many frames at once."""

import numpy as np

from adiabat.analysis.topology import molecules

# Of a cell's length: atoms of which all go less than that are taken to go the shortest way.
_SURE = 0.4


def minimum_image(vectors: np.ndarray, cell: np.ndarray | None) -> np.ndarray:
    """Vectors [Å], shape (n_frames, ..., 3), each replaced by its image nearest to zero.

    Exact for vectors shorter than half the smallest height of the cell, as bonds are.

    Args:
        vectors: [Å].
        cell: [Å], shape (3, 3) or (n_frames, 3, 3), with rows of zeros along directions that do not repeat;
            None leaves the vectors as they are.
    """
    if cell is None:
        return vectors
    boxes = np.broadcast_to(np.asarray(cell, dtype=np.float64), (len(vectors), 3, 3))
    flat = vectors.reshape(len(vectors), -1, 3)
    fractional = flat @ _inverse(boxes)
    return (flat - np.round(fractional) @ boxes).reshape(vectors.shape)


def unwrapped(frames: np.ndarray, cell: np.ndarray) -> np.ndarray | None:
    """Positions that go on where atoms cross a face of the cell, as displacements need them.

    Each atom goes the shortest way from one frame to the next; the ways are summed, so that a cell that
    changes adds nothing to them (von Bülow, Bullerjahn and Hummer 2020, doi:10.1063/5.0008316). Frames of
    which no atom crosses a face are returned as they are.

    Args:
        frames: positions [Å], shape (n_frames, n_atoms, 3).
        cell: as in `minimum_image`.

    Returns:
        Shape (n_frames, n_atoms, 3); None where atoms go about half the cell between two frames or farther,
        so that nobody knows which way.
    """
    boxes = np.broadcast_to(np.asarray(cell, dtype=np.float64), (len(frames), 3, 3))[1:]
    steps = np.diff(np.asarray(frames, dtype=np.float64), axis=0)
    crossings = np.round(steps @ _inverse(boxes)) if len(steps) else steps
    if not crossings.any():
        return frames
    shortest = steps - crossings @ boxes
    if np.abs(shortest @ _inverse(boxes)).max() > _SURE:
        return None
    return np.concatenate([frames[:1], frames[0] + np.cumsum(shortest, axis=0)])


def whole_molecules(frames: np.ndarray, bonds: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Frames with each molecule in one piece, its centroid in the cell, for looking at.

    Where most atoms are one network (a crystal), the frames are returned as they are: it has no ends.

    Args:
        frames: positions [Å], shape (n_frames, n_atoms, 3).
        bonds: shape (n_bonds, 2).
        cell: as in `minimum_image`.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    n_atoms = frames.shape[1]
    member = molecules(n_atoms, bonds)
    if np.bincount(member).max() > max(n_atoms // 2, 1):
        return frames
    graph = coo_array((np.ones(len(bonds)), (bonds[:, 0], bonds[:, 1])), shape=(n_atoms, n_atoms)).tocsr()
    boxes = np.broadcast_to(np.asarray(cell, dtype=np.float64), (len(frames), 3, 3))
    whole = np.array(frames, dtype=np.float64)
    for molecule in range(member.max() + 1):
        atoms = np.flatnonzero(member == molecule)
        order, parents = breadth_first_order(graph, atoms[0], directed=False)
        for atom in order[1:]:
            step = frames[:, atom] - frames[:, parents[atom]]
            whole[:, atom] = whole[:, parents[atom]] + minimum_image(step, boxes)
        center = whole[:, atoms].mean(axis=1)[:, None] @ _inverse(boxes)
        whole[:, atoms] -= np.floor(center) @ boxes
    return whole


def _inverse(boxes: np.ndarray) -> np.ndarray:
    """Of cells; what is normal to the directions that repeat is no part of a lattice vector."""
    return np.linalg.inv(boxes) if boxes.any(axis=-1).all() else np.linalg.pinv(boxes)


def bond_lengths(frames: np.ndarray, bonds: np.ndarray, cell: np.ndarray | None = None) -> np.ndarray:
    """Lengths [Å] of pairs (n_bonds, 2) in frames (n_frames, n_atoms, 3), shape (n_frames, n_bonds)."""
    vectors = minimum_image(frames[:, bonds[:, 1]] - frames[:, bonds[:, 0]], cell)
    return np.linalg.norm(vectors, axis=-1)


def bond_angles(frames: np.ndarray, triples: np.ndarray, cell: np.ndarray | None = None) -> np.ndarray:
    """Angles i-j-k [degrees], 0 to 180, shape (n_frames, n_angles)."""
    first = minimum_image(frames[:, triples[:, 0]] - frames[:, triples[:, 1]], cell)
    second = minimum_image(frames[:, triples[:, 2]] - frames[:, triples[:, 1]], cell)
    # atan2 keeps its digits near 0 and 180 degrees, where the arc cosine loses half of them.
    sine = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.degrees(np.arctan2(sine, np.sum(first * second, axis=-1)))


def torsion_angles(frames: np.ndarray, quadruples: np.ndarray, cell: np.ndarray | None = None) -> np.ndarray:
    """Torsions i-j-k-l [degrees], -180 to 180, 0 is cis (IUPAC), shape (n_frames, n_torsions)."""
    first, second, third = (
        minimum_image(frames[:, quadruples[:, k + 1]] - frames[:, quadruples[:, k]], cell) for k in range(3)
    )
    normal1, normal2 = np.cross(first, second), np.cross(second, third)
    sine = np.linalg.norm(second, axis=-1) * np.sum(first * normal2, axis=-1)
    return np.degrees(np.arctan2(sine, np.sum(normal1 * normal2, axis=-1)))
