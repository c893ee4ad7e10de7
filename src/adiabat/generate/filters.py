"""Which geometries are worth a place in a training set."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from ase.data import covalent_radii
from scipy.sparse.csgraph import connected_components

from adiabat.base.units import BOLTZMANN
from adiabat.data.labelers import is_labelled
from adiabat.data.sample import Sample
from adiabat.generate.surface import Array, Surface

# In sums of covalent radii: nearer than this two atoms collide, farther they are no longer bonded.
TOO_NEAR = 0.55
TOO_FAR = 1.7
# Energy above the lowest that is allowed beyond what heat explains [eV].
MARGIN = 1.5
_DIGITS = 3


class Filter:
    """Keeps whole, plausible, new geometries of one molecule; counts why others were dropped.

    Args:
        surface: the molecule.
        positions: its minimum [Å], shape (n_atoms, 3), to tell how many pieces it consists of.
        energy: that of the minimum [eV].
        temperature: the highest one sampled [K]; the energy window is (3 n_atoms - 6) kT + 1.5 eV.
    """

    def __init__(self, surface: Surface, positions: Array, energy: float, temperature: float):
        self._numbers = np.asarray(surface.reference.numbers)
        self._n_pieces = n_pieces(self._numbers, positions)
        self._highest = energy + max(1, 3 * surface.n_atoms - 6) * BOLTZMANN * temperature + MARGIN
        self._seen: set[bytes] = set()
        self.dropped: Counter[str] = Counter()

    def geometry_fault(self, positions: Array) -> str | None:
        """Why a geometry is to be dropped before it is labelled, or None."""
        return geometry_fault(self._numbers, positions, self._n_pieces)

    def geometries(self, positions: Array) -> Array:
        """Those of (k, n_atoms, 3) without a fault, the others counted."""
        kept = []
        for one in positions:
            fault = self.geometry_fault(one)
            if fault is None:
                kept.append(one)
            else:
                self.dropped[fault] += 1
        return np.array(kept).reshape(-1, *positions.shape[1:])

    def samples(self, samples: Iterable[Sample]) -> list[Sample]:
        """Labelled samples without a fault, inside the energy window, and not seen before by this filter."""
        kept = []
        for sample in samples:
            fault = self._sample_fault(sample)
            if fault is None:
                kept.append(sample)
            else:
                self.dropped[fault] += 1
        return kept

    def _sample_fault(self, sample: Sample) -> str | None:
        if not is_labelled(sample) or sample.energy is None:
            return "method failed"
        positions = np.asarray(sample.system.positions)
        fault = self.geometry_fault(positions)
        if fault is not None:
            return fault
        if sample.energy > self._highest:
            return "energy too high"
        i, j = np.triu_indices(len(positions), 1)
        key = np.round(_distances(positions)[i, j], _DIGITS).tobytes()
        if key in self._seen:
            return "duplicate"
        self._seen.add(key)
        return None


def geometry_fault(numbers: np.ndarray, positions: Array, pieces: int) -> str | None:
    """Why a geometry of a molecule in so many `pieces` is to be dropped before it is labelled, or None."""
    lengths = _in_bond_lengths(numbers, positions)
    if np.any(lengths[np.triu_indices(len(lengths), 1)] < TOO_NEAR):
        return "atoms too near"
    return "fallen apart" if _n_pieces(lengths) > pieces else None


def n_pieces(numbers: np.ndarray, positions: Array) -> int:
    """Parts without a bond between them."""
    return _n_pieces(_in_bond_lengths(numbers, positions))


def _n_pieces(lengths: Array) -> int:
    return int(connected_components(lengths < TOO_FAR, directed=False)[0])


def _in_bond_lengths(numbers: np.ndarray, positions: Array) -> Array:
    """Distances in sums of the two covalent radii, shape (n_atoms, n_atoms)."""
    radii = covalent_radii[numbers]
    return _distances(positions) / (radii[:, None] + radii)


def _distances(positions: Array) -> Array:
    return np.linalg.norm(positions[:, None] - positions[None], axis=-1)
