"""Distributions of bonds, angles and torsions, and how far those of reference frames agree with them."""

from dataclasses import dataclass

import numpy as np

from adiabat.analysis.geometry import bond_angles, bond_lengths, torsion_angles
from adiabat.analysis.statistics import Average, block_error, mean_with_error
from adiabat.analysis.topology import angles_from_bonds, common_bonds, torsions_from_bonds

_MAX_VALUES = 200_000
_BINS = 60
_N_BLOCKS = 5


@dataclass(frozen=True)
class Distribution:
    """Values of one kind of internal coordinate in a trajectory and, if there are any, in reference frames.

    Attributes:
        kind: "bond" [Å], "angle" [degrees] or "torsion" [degrees].
        label: the elements along it, as "C–H" or "O–C–C".
        n_coordinates: how many such coordinates the structure has.
        values: of all of them, frame after frame, shape (n_frames * n_coordinates,).
        reference: the same in the reference frames, shape (m_frames * n_coordinates,); empty without any, and
            then what compares the two is nan.
    """

    kind: str
    label: str
    n_coordinates: int
    values: np.ndarray
    reference: np.ndarray

    @property
    def mean(self) -> float:
        """Mean of the trajectory; circular for torsions."""
        return _mean(self.kind, self.values)

    @property
    def average(self) -> Average:
        """Mean over the coordinates with its standard error, frames being correlated; not for torsions."""
        return mean_with_error(self.values.reshape(-1, self.n_coordinates).mean(axis=1))

    @property
    def deviation(self) -> float:
        """Standard deviation of the trajectory; circular for torsions."""
        return _deviation(self.kind, self.values)

    @property
    def reference_mean(self) -> float:
        """Mean of the reference."""
        return _mean(self.kind, self.reference)

    @property
    def reference_deviation(self) -> float:
        """Standard deviation of the reference."""
        return _deviation(self.kind, self.reference)

    @property
    def divergence(self) -> float:
        """Jensen-Shannon divergence of the two histograms, 0 (equal) to 1 (disjoint)."""
        return jensen_shannon(*self.histograms()[1:]) if len(self.reference) else float("nan")

    @property
    def outside(self) -> float:
        """Fraction of the values outside the range of the reference, where a model extrapolates."""
        if len(self.reference) == 0:
            return float("nan")
        if self.kind == "torsion":
            _, density, reference = self.histograms()
            return float(density[reference == 0].sum() / density.sum())
        low, high = self.reference.min(), self.reference.max()
        return float(np.mean((self.values < low) | (self.values > high)))

    def histograms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bin edges (61,) and the two normalized densities (60,), trajectory first."""
        if self.kind == "torsion":
            low, high = -180.0, 180.0
        else:
            every = np.concatenate([self.values, self.reference])
            low, high = float(every.min()), float(every.max())
        edges = np.linspace(low, max(high, low + 1e-6), _BINS + 1)
        counts = [np.histogram(values, edges)[0] for values in (self.values, self.reference)]
        width = edges[1] - edges[0]
        density, reference = (count / max(count.sum(), 1) / width for count in counts)
        return edges, density, reference

    def histogram_error(self) -> np.ndarray:
        """Standard error of the density of the trajectory, from five blocks of frames, shape (60,); zero with
        fewer frames."""
        frames = self.values.reshape(-1, self.n_coordinates)
        edges = self.histograms()[0]
        if len(frames) < _N_BLOCKS:
            return np.zeros(_BINS)
        return block_error(lambda block: np.histogram(block, edges, density=True)[0], frames, _N_BLOCKS)


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence of two histograms over the same bins, bits, 0 to 1 (doi:10.1109/18.61115)."""
    p, q = np.asarray(p, float) / np.sum(p), np.asarray(q, float) / np.sum(q)
    middle = 0.5 * (p + q)

    def relative_entropy(a: np.ndarray) -> float:
        kept = a > 0
        return float(np.sum(a[kept] * np.log2(a[kept] / middle[kept])))

    return max(0.0, 0.5 * (relative_entropy(p) + relative_entropy(q)))


def bond_statistics(
    numbers: np.ndarray,
    frames: np.ndarray,
    reference: np.ndarray | None = None,
    cell: np.ndarray | None = None,
    reference_cell: np.ndarray | None = None,
) -> list[Distribution]:
    """Bonds, angles and torsions of a trajectory beside those of reference frames, by kind and elements.

    Bonds are those found in more than half of the reference frames, or of the frames without any. Hydrogens
    are left out of the torsions, unless nothing else is there.

    Args:
        numbers: shape (n_atoms,), the same atoms in the same order in both sets.
        frames: positions [Å], shape (n_frames, n_atoms, 3).
        reference: positions [Å], shape (m_frames, n_atoms, 3), or None.
        cell: of the frames [Å], shape (3, 3) or (n_frames, 3, 3); None for a molecule.
        reference_cell: of the reference frames.

    Returns:
        Bonds, then angles, then torsions, each in the order of their labels; empty without bonds.
    """
    known, box = (frames, cell) if reference is None else (reference, reference_cell)
    bonds = common_bonds(numbers, known, box if box is None or np.ndim(box) == 2 else box[0])
    if len(bonds) == 0:
        return []
    torsions = torsions_from_bonds(bonds)
    heavy = torsions[(np.asarray(numbers)[torsions] > 1).all(axis=1)] if len(torsions) else torsions
    coordinates = [
        ("bond", bonds, bond_lengths),
        ("angle", angles_from_bonds(bonds), bond_angles),
        ("torsion", heavy if len(heavy) else torsions, torsion_angles),
    ]
    found = []
    for kind, indices, function in coordinates:
        labels = np.array([_label(numbers, row) for row in indices])
        for label in sorted(set(labels.tolist())):
            chosen = indices[labels == label]
            values = _values(function, frames, chosen, cell)
            expected = (
                np.zeros(0) if reference is None else _values(function, reference, chosen, reference_cell)
            )
            found.append(Distribution(kind, label, len(chosen), values, expected))
    return found


def _values(function, frames: np.ndarray, indices: np.ndarray, cell: np.ndarray | None) -> np.ndarray:
    stride = max(1, len(frames) * len(indices) // _MAX_VALUES)
    boxes = cell if cell is None or np.ndim(cell) == 2 else cell[::stride]
    return function(frames[::stride], indices, boxes).ravel()


def _label(numbers: np.ndarray, atoms: np.ndarray) -> str:
    from ase.data import chemical_symbols

    symbols = [chemical_symbols[int(numbers[atom])] for atom in atoms]
    backward = symbols[::-1]
    # Carbon first and hydrogen last, as chemists write it.
    order = min(symbols, backward, key=lambda names: [(name != "C", name == "H", name) for name in names])
    return "–".join(order)


def _mean(kind: str, values: np.ndarray) -> float:
    if len(values) == 0:
        return float("nan")
    if kind != "torsion":
        return float(values.mean())
    return float(np.degrees(np.angle(np.exp(1j * np.radians(values)).mean())))


def _deviation(kind: str, values: np.ndarray) -> float:
    if len(values) == 0:
        return float("nan")
    if kind != "torsion":
        return float(values.std())
    length = np.abs(np.exp(1j * np.radians(values)).mean())
    return float(np.degrees(np.sqrt(-2 * np.log(np.clip(length, 1e-300, 1.0)))))
