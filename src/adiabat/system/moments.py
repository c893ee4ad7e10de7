"""Moments of what the atoms of a molecule carry."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adiabat.system.batch import Batch
from adiabat.system.system import System


def center_of_mass(system: System | Batch) -> Float[Array, "*n_systems 3"]:
    """The center of mass of each system [Å]; the origin for one without atoms."""
    masses = jnp.asarray(system.masses)[:, None]
    total = system.sum_atoms(masses)
    return system.sum_atoms(masses * system.positions) / jnp.where(total > 0, total, 1.0)


def dipole_moment(system: System | Batch, charges: Float[Array, " n_atoms"]) -> Float[Array, "*n_systems 3"]:
    """sum_i q_i (r_i - R) of each system [e Å], R being its center of mass.

    Where the charges [e] add up to zero, R does not matter; elsewhere the dipole is defined by such a choice.
    """
    arms = system.positions - system.spread(center_of_mass(system))
    return system.sum_atoms(charges[:, None] * arms)


def about_center_of_mass(dipole: np.ndarray, system: System) -> np.ndarray:
    """The dipole [e Å] of a structure about its center of mass, from that about the origin of the
    coordinates; shape (3,)."""
    return dipole - system.charge * np.average(system.positions, axis=0, weights=system.masses)
