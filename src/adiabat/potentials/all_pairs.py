"""Lennard-Jones and Coulomb energies of all pairs of a molecule."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from adiabat.base import DataError, UnsupportedError
from adiabat.base.units import COULOMB
from adiabat.potentials.potential import AbstractPotential
from adiabat.system import Batch, Neighbors, System

# The list of a molecule that reaches so far [Å] holds all its pairs: dynamics make it once.
_EVERYTHING = 500.0


class AllPairs(AbstractPotential):
    """4 epsilon ((sigma/r)^12 - (sigma/r)^6) + k q_i q_j / r between all pairs of a molecule, each with
    parameters of its own and without a cut-off.

    It is the non-bonded energy of classical force fields in vacuum. Pairs that are excluded have zeros, those
    three bonds apart what is left of theirs. Time and memory grow as n_atoms^2: up to a few thousand atoms.

    Args:
        epsilon: depth of the well of each pair [eV], symmetric, shape (n_atoms, n_atoms).
        sigma: where the Lennard-Jones energy of each pair is zero [Å], shape (n_atoms, n_atoms).
        charges: product q_i q_j of each pair [e^2], shape (n_atoms, n_atoms).

    Raises:
        DataError: matrices of different shapes, not symmetric or not finite; a negative epsilon.
    """

    epsilon: Float[Array, "n_atoms n_atoms"]
    sigma: Float[Array, "n_atoms n_atoms"]
    charges: Float[Array, "n_atoms n_atoms"]
    cutoff: float = eqx.field(static=True)

    def __init__(self, *, epsilon: ArrayLike, sigma: ArrayLike, charges: ArrayLike):
        self.epsilon, self.sigma, self.charges = (_pair_matrix(m) for m in (epsilon, sigma, charges))  # pyright: ignore[reportAttributeAccessIssue]
        if not self.epsilon.shape == self.sigma.shape == self.charges.shape:
            raise DataError(
                f"epsilon {self.epsilon.shape}, sigma {self.sigma.shape} and charges {self.charges.shape} "
                "are of different numbers of atoms"
            )
        if (np.asarray(self.epsilon) < 0).any():
            raise DataError("epsilon is the depth of the wells and not negative")
        self.cutoff = _EVERYTHING

    def check(self, system: System) -> None:
        """Raise UnsupportedError for another number of atoms, or a periodic structure."""
        if system.n_atoms != len(self.sigma) or any(system.pbc):
            raise UnsupportedError(
                f"AllPairs has the parameters of a molecule of {len(self.sigma)} atoms; the structure has "
                f"{system.n_atoms} and {'repeats' if any(system.pbc) else 'does not repeat'}",
                "use the structure, and the order of atoms, that the parameters were made for",
            )

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        return self._halves(system, jnp.ones(system.n_atoms))

    def scaled_energies(
        self, system: System | Batch, neighbors: Neighbors, scales: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        return self._halves(system, jnp.sqrt(scales))

    def _halves(self, system: System | Batch, weights: Float[Array, " n_atoms"]) -> Float[Array, " n_atoms"]:
        """Half of the energy of each pair, multiplied by the weights of both, to either atom [eV]."""
        atoms = system.numbered(jnp.arange(len(self.sigma)))
        positions, weights = system.positions[atoms], weights[atoms]
        vectors = positions[..., None, :, :] - positions[..., :, None, :]
        # The diagonal has no parameters; its distance is there lest the derivative divide by zero.
        squared = jnp.sum(vectors**2, axis=-1) + jnp.eye(len(self.sigma))
        inverse6 = (self.sigma**2 / squared) ** 3
        energies = 4 * self.epsilon * inverse6 * (inverse6 - 1) + COULOMB * self.charges / jnp.sqrt(squared)
        halves = 0.5 * weights * jnp.einsum("...ij,...j->...i", energies, weights)
        if isinstance(system, Batch):
            halves = jnp.where(system.system_mask[:, None], halves, 0.0)
        return jnp.zeros(system.n_atoms, halves.dtype).at[atoms].add(halves, mode="drop")


def _pair_matrix(values: ArrayLike) -> np.ndarray:
    """A checked matrix as a host array, zero on its diagonal."""
    matrix = np.array(values, np.float64)
    if matrix.ndim != 2 or matrix.shape != matrix.T.shape:
        raise DataError(f"parameters of pairs have shape (n_atoms, n_atoms), got {matrix.shape}")
    if not np.isfinite(matrix).all() or not np.array_equal(matrix, matrix.T):
        raise DataError("parameters of pairs are finite, and the same for (i, j) and (j, i)")
    np.fill_diagonal(matrix, 0.0)
    return matrix
