"""The energy of one molecule as a function of its positions."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adiabat.data.labelers import AbstractLabeler, LabelCache, is_labelled
from adiabat.data.sample import Sample
from adiabat.system import System

Array = NDArray[np.float64]


class Surface:
    """A molecule, a method and what was computed so far; many geometries per call, on all cores.

    Attributes:
        reference: the molecule; its elements, masses, charge and spin hold for every geometry.
        n_evaluations: geometries labelled so far, failed ones and those from the cache included.
        failures: how often each reason of failure was met.
        progress: a bar that every evaluation advances, or None.
    """

    def __init__(
        self,
        reference: System,
        labeler: AbstractLabeler,
        cache: LabelCache | None = None,
    ):
        self.reference = reference
        self.labeler = labeler
        self.n_evaluations = 0
        self.failures: Counter[str] = Counter()
        self._cache = cache
        self.progress: Any = None

    @property
    def n_atoms(self) -> int:
        """Atoms of the molecule."""
        return self.reference.n_atoms

    def system(self, positions: Array) -> System:
        """The molecule at `positions` (n_atoms, 3) [Å]."""
        return self.reference.moved(positions)

    def label(self, positions: Array) -> list[Sample]:
        """One sample for each of `positions` (k, n_atoms, 3) [Å]; see `is_labelled` for those that failed."""
        systems = [self.system(p) for p in np.asarray(positions).reshape(-1, self.n_atoms, 3)]
        samples = self.labeler.label(systems, self.progress, self._cache)
        self.n_evaluations += len(samples)
        self.failures.update(s.info["label_error"] for s in samples if not is_labelled(s))
        return samples

    def __call__(self, positions: Array) -> tuple[Array, Array]:
        """Energies (k,) [eV] and forces (k, n_atoms, 3) [eV/Å]; not-a-number where the method failed."""
        samples = self.label(positions)
        return energies_and_forces(samples, self.n_atoms)


def energies_and_forces(samples: list[Sample], n_atoms: int) -> tuple[Array, Array]:
    """The labels as arrays (k,) [eV] and (k, n_atoms, 3) [eV/Å], nan where there are none."""
    energies = np.full(len(samples), np.nan)
    forces = np.full((len(samples), n_atoms, 3), np.nan)
    for index, sample in enumerate(samples):
        if is_labelled(sample):
            energies[index], forces[index] = sample.energy, sample.forces
    return energies, forces
