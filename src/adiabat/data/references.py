"""Energies of the free atoms: read, or fitted to the composition."""

from collections.abc import Sequence

import numpy as np

from adiabat.base import DataError
from adiabat.base.units import HARTREE
from adiabat.data.sample import Sample
from adiabat.system import System

# A free atom whose energies differ by more than this [eV] was labelled by two methods.
SAME_ATOM = 1e-3
# Relative to the largest singular value. It decides the directions that the data leave open (one molecule in
# all frames), and is far below all others.
RIDGE = 1e-9


def find_isolated_atoms(samples: Sequence[Sample]) -> dict[int, float]:
    """Energies [eV] of the free, neutral atoms that stand among the samples, by atomic number.

    A free atom is a frame of one atom that is not periodic.

    Raises:
        DataError: an element stands there twice with energies that differ.
    """
    energies: dict[int, tuple[float, Sample]] = {}
    for sample in samples:
        if not is_isolated_atom(sample) or sample.energy is None or sample.system.charge != 0:
            continue
        number = int(sample.system.numbers[0])
        known = energies.setdefault(number, (sample.energy, sample))
        if abs(known[0] - sample.energy) > SAME_ATOM:
            raise DataError(
                f"the free atom {number} has two energies: {known[0]:.6f} eV ({known[1].where}) and "
                f"{sample.energy:.6f} eV ({sample.where})",
                "keep the one of the method that labelled the other frames",
            )
    return {number: energy for number, (energy, _) in sorted(energies.items())}


def is_isolated_atom(sample: Sample) -> bool:
    """True for one atom alone, which says where the energies start and nothing about forces."""
    return sample.n_atoms == 1 and not any(sample.system.pbc)


def without_isolated_atoms(samples: Sequence[Sample]) -> list[Sample]:
    """The samples to train on: all but the free atoms."""
    return [sample for sample in samples if not is_isolated_atom(sample)]


def fit_references(samples: Sequence[Sample]) -> dict[int, float]:
    """Energies [eV] of each element that explain the energies best: ridge least squares on composition.

    What the compositions leave open (all frames are one molecule) stays as near as possible to
    `neutral_atom`, scaled to the data, so that the elements share the energy as free atoms do.

    Args:
        samples: with energies; free atoms may be among them.

    Raises:
        DataError: no sample has an energy.
    """
    labelled = [sample for sample in samples if sample.energy is not None]
    if not labelled:
        raise DataError("no sample has an energy to fit the energies of the free atoms to")
    elements = np.unique(np.concatenate([np.asarray(sample.system.numbers) for sample in labelled]))
    # Rows are divided by the number of atoms: a large cell does not outweigh the small ones.
    energies = np.array([sample.energy for sample in labelled], np.float64) / [s.n_atoms for s in labelled]
    shares = compositions([sample.system for sample in labelled], elements)
    distinct, group = np.unique(shares.round(12), axis=0, return_inverse=True)
    weights = np.sqrt(np.bincount(group.reshape(-1)))
    means = np.bincount(group.reshape(-1), weights=energies) / weights**2
    matrix, target = distinct * weights[:, None], means * weights
    prior = neutral_atom(elements)
    scaled = prior * ((matrix @ prior) @ target) / np.sum((matrix @ prior) ** 2)
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    damped = singular / (singular**2 + (RIDGE * singular.max()) ** 2)
    references = scaled + right.T @ (damped * (left.T @ (target - matrix @ scaled)))
    return {int(number): float(energy) for number, energy in zip(elements, references, strict=True)}


def compositions(systems: Sequence[System], elements: Sequence[int] | np.ndarray) -> np.ndarray:
    """The share of each element in each structure, shape (n_systems, n_elements)."""
    counts = [np.bincount(s.numbers, minlength=max(elements) + 1)[list(elements)] for s in systems]
    return np.stack(counts) / np.array([[s.n_atoms] for s in systems])


def neutral_atom(numbers: np.ndarray) -> np.ndarray:
    """Total energy [eV] of neutral atoms with all electrons, within a few percent (a tenth for H and He).

    The semiclassical expansion -0.768745 Z^(7/3) + Z^2 / 2 - 0.269900 Z^(5/3) in hartree of Thomas and Fermi,
    Scott, and Schwinger (1981), doi:10.1103/PhysRevA.24.2353.
    """
    z = np.asarray(numbers, dtype=np.float64)
    return HARTREE * (-0.768745 * z ** (7 / 3) + z**2 / 2 - 0.269900 * z ** (5 / 3))
