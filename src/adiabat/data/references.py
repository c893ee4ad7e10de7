"""Energies of the free atoms: read, or fitted to the composition."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from adiabat.base import DataError
from adiabat.base.units import HARTREE
from adiabat.data.census import Census, Kind
from adiabat.data.sample import Sample
from adiabat.data.stored import kinds_of, taken

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
    for sample in taken(samples, np.flatnonzero(_are_free(samples))):
        if sample.energy is None or sample.system.charge != 0:
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


def without_isolated_atoms(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples to train on: all but the free atoms."""
    return taken(samples, np.flatnonzero(~_are_free(samples)))


def _are_free(samples: Sequence[Sample]) -> np.ndarray:
    """Which samples are free atoms, shape (n_samples,)."""
    kinds, kind = kinds_of(samples)
    return np.array([one.is_free_atom for one in kinds], bool)[kind]


def fit_references(samples: Sequence[Sample]) -> dict[int, float]:
    """Energies [eV] of each element that explain the energies best: ridge least squares on composition.

    What the compositions leave open (all frames are one molecule) stays as near as possible to
    `neutral_atom`, scaled to the data, so that the elements share the energy as free atoms do.

    Args:
        samples: with energies; free atoms may be among them.

    Raises:
        DataError: no sample has an energy.
    """
    energies = np.array([np.nan if s.energy is None else s.energy for s in samples], np.float64)
    return _fitted(*kinds_of(samples), energies)


def fit_census(census: Census) -> dict[int, float]:
    """As `fit_references`, for the samples of a census."""
    return _fitted(census.kinds, census.kind, census.energies)


def _fitted(kinds: Sequence[Kind], kind: np.ndarray, energies: np.ndarray) -> dict[int, float]:
    known = np.flatnonzero(~np.isnan(energies))
    if not len(known):
        raise DataError("no sample has an energy to fit the energies of the free atoms to")
    met, kind = np.unique(kind[known], return_inverse=True)
    numbers = [np.frombuffer(kinds[number].numbers, np.uint8) for number in met]
    elements = np.unique(np.concatenate(numbers)).astype(np.int64)
    # Rows are divided by the number of atoms: a large cell does not outweigh the small ones.
    per_atom = energies[known] / np.array([len(one) for one in numbers])[kind]
    shares = compositions(numbers, elements)
    distinct, of_kind = np.unique(shares.round(12), axis=0, return_inverse=True)
    group = of_kind.reshape(-1)[kind]
    weights = np.sqrt(np.bincount(group))
    means = np.bincount(group, weights=per_atom) / weights**2
    matrix, target = distinct * weights[:, None], means * weights
    prior = neutral_atom(elements)
    scaled = prior * ((matrix @ prior) @ target) / np.sum((matrix @ prior) ** 2)
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    damped = singular / (singular**2 + (RIDGE * singular.max()) ** 2)
    references = scaled + right.T @ (damped * (left.T @ (target - matrix @ scaled)))
    return {int(number): float(energy) for number, energy in zip(elements, references, strict=True)}


def compositions(structures: Sequence[Any], elements: Sequence[int] | np.ndarray) -> np.ndarray:
    """The share of each element in each structure, shape (n_structures, n_elements).

    Args:
        structures: the atomic numbers of each.
        elements: atomic numbers, ascending.
    """
    counts = [np.bincount(numbers, minlength=max(elements) + 1)[list(elements)] for numbers in structures]
    return np.stack(counts) / np.array([[len(numbers)] for numbers in structures])


def neutral_atom(numbers: np.ndarray) -> np.ndarray:
    """Total energy [eV] of neutral atoms with all electrons, within a few percent (a tenth for H and He).

    The semiclassical expansion -0.768745 Z^(7/3) + Z^2 / 2 - 0.269900 Z^(5/3) in hartree of Thomas and Fermi,
    Scott, and Schwinger (1981), doi:10.1103/PhysRevA.24.2353.
    """
    z = np.asarray(numbers, dtype=np.float64)
    return HARTREE * (-0.768745 * z ** (7 / 3) + z**2 / 2 - 0.269900 * z ** (5 / 3))
