"""What the checks look at: the samples, and what several checks need of them, computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase.data import covalent_radii

from adiabat.data.fingerprint import duplicate_groups, pair_distances
from adiabat.data.references import without_isolated_atoms
from adiabat.data.sample import Sample
from adiabat.data.stored import prints_of

MAX_FRAMES = 1000  # geometry is looked at in this many frames, spread over the set
NONMETALS = np.isin(np.arange(119), [1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 33, 34, 35, 52, 53])
METALLOIDS = np.isin(np.arange(119), [5, 14, 32, 33, 51, 52])
NOBLE_GASES = np.isin(np.arange(119), [2, 10, 18, 36, 54, 86])


@dataclass(frozen=True)
class Geometry:
    """The pairs of atoms of one sample within the cut-off.

    Attributes:
        sample: whose.
        distances: [Å], each pair once.
        first: one atom of each pair.
        second: the other.
        ratios: distance over the sum of the covalent radii.
    """

    sample: Sample
    distances: np.ndarray
    first: np.ndarray
    second: np.ndarray
    ratios: np.ndarray

    def neighbor_counts(self) -> np.ndarray:
        """Number of neighbors of each atom."""
        n_atoms = self.sample.n_atoms
        return np.bincount(self.first, minlength=n_atoms) + np.bincount(self.second, minlength=n_atoms)

    def nearest(self) -> np.ndarray:
        """The smallest ratio of each atom; infinite for one that is alone."""
        smallest = np.full(self.sample.n_atoms, np.inf)
        np.minimum.at(smallest, self.first, self.ratios)
        np.minimum.at(smallest, self.second, self.ratios)
        return smallest


@dataclass(frozen=True)
class Survey:
    """The samples of a training, with free atoms left out of `train`, and the cut-off [Å] of the model."""

    train: Sequence[Sample]
    valid: Sequence[Sample]
    test: Sequence[Sample]
    cutoff: float

    @property
    def parts(self) -> dict[str, Sequence[Sample]]:
        """The parts by name."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @cached_property
    def molecules(self) -> Sequence[Sample]:
        """The training samples without the free atoms."""
        return without_isolated_atoms(self.train)

    @cached_property
    def geometries(self) -> list[Geometry]:
        """The pairs within the cut-off, of at most MAX_FRAMES training samples."""
        return [self._geometry(sample) for sample in spread(self.molecules, MAX_FRAMES)]

    @cached_property
    def groups(self) -> dict[str, np.ndarray]:
        """For each part the group of copies each sample belongs to, numbered over all parts."""
        samples = [sample for part in self.parts.values() for sample in part]
        bounds = np.cumsum([len(part) for part in self.parts.values()])[:-1]
        return dict(zip(self.parts, np.split(duplicate_groups(prints_of(samples)), bounds), strict=True))

    @cached_property
    def composition_groups(self) -> list[list[Sample]]:
        """Training samples with forces that are the same atoms in the same order, largest groups first."""
        groups: dict[tuple, list[Sample]] = {}
        for sample in self.molecules:
            if sample.forces is not None:
                system = sample.system
                key = (np.asarray(system.numbers).tobytes(), system.pbc, system.charge, system.spin)
                groups.setdefault(key, []).append(sample)
        return sorted(groups.values(), key=len, reverse=True)

    def _geometry(self, sample: Sample) -> Geometry:
        distances, first, second = pair_distances(sample.system, self.cutoff)
        numbers = np.asarray(sample.system.numbers)
        radii = covalent_radii[numbers[first]] + covalent_radii[numbers[second]]
        return Geometry(sample, distances, first, second, distances / radii)


def spread(samples: Sequence[Sample], limit: int) -> list[Sample]:
    """At most `limit` samples, evenly over the sequence."""
    if len(samples) <= limit:
        return list(samples)
    return [samples[int(i)] for i in np.linspace(0, len(samples) - 1, limit)]


def spread_runs(samples: Sequence[Sample], limit: int, run: int = 10) -> list[Sample]:
    """At most `limit` samples in runs of consecutive ones, so that a trajectory shows its small steps."""
    if len(samples) <= limit:
        return list(samples)
    starts = np.linspace(0, len(samples) - run, limit // run).astype(int)
    return [samples[i] for i in sorted({int(start) + k for start in starts for k in range(run)})]
