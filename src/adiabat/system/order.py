"""An order of atoms in which those that follow each other are near each other."""

import numpy as np
from jaxtyping import Float, Int

FEW_ATOMS = 512
"""What so many leave for each other stays in the cache whatever the order."""
# Atoms in a cube of this edge [Å] come as they are.
_EDGE = 2.0
# Bits 0 to 20 of a number are moved apart, to make room for those of two others between them.
_STEPS = (
    (32, 0x1F00000000FFFF),
    (16, 0x1F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)


def working_order(
    positions: Float[np.ndarray, "n_atoms 3"], box: Float[np.ndarray, "3 3"], pbc: tuple[bool, bool, bool]
) -> Int[np.ndarray, " n_atoms"]:
    """The atoms along Morton's curve through small cubes; a few as they come.

    Args:
        positions: [Å], also outside of the box.
        box: three vectors that are not in one plane [Å].
        pbc: along which of them the box repeats.
    """
    n_atoms = len(positions)
    if n_atoms <= FEW_ATOMS:
        return np.arange(n_atoms, dtype=np.int32)
    inside = positions - np.where(pbc, np.floor(positions @ np.linalg.inv(box)), 0.0) @ box
    cubes = np.clip((inside - inside.min(axis=0)) / _EDGE, 0, 2**21 - 1).astype(np.uint64)
    for shift, mask in _STEPS:
        cubes = (cubes | (cubes << np.uint64(shift))) & np.uint64(mask)
    along = cubes[:, 0] | (cubes[:, 1] << np.uint64(1)) | (cubes[:, 2] << np.uint64(2))
    return np.argsort(along, kind="stable").astype(np.int32)
