"""Pair potentials."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.potentials.potential import AbstractPotential
from adiabat.potentials.smoothing import polynomial_cutoff
from adiabat.system import Batch, Neighbors, System


class LennardJones(AbstractPotential):
    """One kind of Lennard-Jones particle: 4 epsilon ((sigma/r)^12 - (sigma/r)^6), times a smooth envelope.

    Args:
        epsilon: depth of the well [eV]; argon by default.
        sigma: where the energy is zero [Å].
        cutoff: [Å].
        smooth: multiply by the polynomial envelope; without it the energy jumps at the cut-off.
    """

    epsilon: float
    sigma: float
    cutoff: float = eqx.field(static=True)
    smooth: bool = eqx.field(static=True)

    def __init__(
        self, *, epsilon: float = 0.0104, sigma: float = 3.40, cutoff: float = 8.5, smooth: bool = True
    ):
        self.epsilon = epsilon
        self.sigma = sigma
        self.cutoff = cutoff
        self.smooth = smooth

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        vectors = neighbors.vectors(system.positions, system.atom_cells())
        squared = jnp.sum(vectors**2, axis=-1)
        inverse6 = (self.sigma**2 / squared) ** 3
        energy = 4 * self.epsilon * inverse6 * (inverse6 - 1)
        inside = neighbors.mask & (squared < self.cutoff**2)
        if self.smooth:
            energy = energy * polynomial_cutoff(jnp.sqrt(squared), self.cutoff)
        return 0.5 * jnp.sum(jnp.where(inside, energy, 0.0), axis=1)
