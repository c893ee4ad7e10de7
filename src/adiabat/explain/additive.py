"""Contributions of atoms to what additive networks say: what these add up."""

import numpy as np
from scipy.special import expit

from adiabat.explain.anatomy import Anatomy
from adiabat.properties.additive_network import AdditiveEnsemble


def of_sum(model: AdditiveEnsemble, anatomy: Anatomy) -> np.ndarray:
    """The model's own contributions of the atoms. A probability is no sum: of a class contributions to the
    logarithm of its odds, in proportion.

    Returns:
        shape (n_atoms, n_targets).
    """
    constant, atoms = model.terms(anatomy.molecule)
    total = atoms.sum(axis=0)
    ends = expit(constant), expit(constant + total)
    slope = ends[0] * (1 - ends[0])
    in_proportion = np.divide(ends[1] - ends[0], total, out=slope, where=np.abs(total) > 1e-6)
    return np.where(model.classes, atoms * in_proportion, atoms)
