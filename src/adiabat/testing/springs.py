"""A potential whose every average is known."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.potentials import AbstractPotential
from adiabat.system import Batch, Neighbors, System


class EinsteinCrystal(AbstractPotential):
    """Each atom on a spring of its own: E_i = k |x_i - site_i|^2 / 2, of a system as of each in a batch.

    In equilibrium the variance of each coordinate is k_B T / k.

    Args:
        sites: where the springs are fixed [Å], shape (n_atoms, 3).
        stiffness: k [eV/Å^2].
    """

    sites: Float[Array, "n_atoms 3"]
    stiffness: float
    cutoff: float = eqx.field(static=True)

    def __init__(self, *, sites: Float[Array, "n_atoms 3"], stiffness: float = 1.0):
        self.sites = sites
        self.stiffness = stiffness
        self.cutoff = 1.0

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        sites = self.sites[system.numbering()]
        return 0.5 * self.stiffness * jnp.sum((system.positions - sites) ** 2, axis=1)
