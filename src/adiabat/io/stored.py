"""Frames that stay in their file until they are asked for."""

import abc
from collections.abc import Iterator, Sequence

import numpy as np

from adiabat.io.frame import Frame

# Read at once by a pass over all frames.
BLOCK_ATOMS = 1 << 15


class StoredFrames(Sequence[Frame]):
    """The frames of a file, read when they are asked for; the file stays open.

    Attributes:
        source: the file.
        labels: those of "energy", "forces", "stress" and "dipole" that the file holds. A frame has them as
            `info["energy"]` [eV], `arrays["forces"]` [eV/Å], `info["stress"]` [eV/Å^3], `info["dipole"]`
            [e Å].
        sparse: labels are missing here and there, as it is usual with such files.
        n_atoms: of each frame, shape (n_frames,).
    """

    source: str
    labels: tuple[str, ...]
    sparse: bool
    n_atoms: np.ndarray

    @abc.abstractmethod
    def read(self, start: int, stop: int) -> list[Frame]:
        """The frames from `start` on, `stop` left out.

        Raises:
            DataError: damaged, or values that cannot be right.
        """

    def __len__(self) -> int:
        return len(self.n_atoms)

    def __getitem__(self, index: int) -> Frame:  # pyright: ignore[reportIncompatibleMethodOverride]
        number = range(len(self))[index]
        return self.read(number, number + 1)[0]

    def __iter__(self) -> Iterator[Frame]:
        start = 0
        while start < len(self):
            ends = np.cumsum(self.n_atoms[start : start + BLOCK_ATOMS])
            stop = start + max(1, int(np.searchsorted(ends, BLOCK_ATOMS, side="right")))
            yield from self.read(start, stop)
            start = stop
