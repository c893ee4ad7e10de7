"""The Stillinger-Weber potential of tetrahedral networks."""

from typing import Annotated

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.base import ConfigError
from adiabat.base.units import Unit
from adiabat.potentials.potential import AbstractPotential
from adiabat.system import Batch, Neighbors, Published, System

# Of silicon: depth of the well of a pair [eV], and length [Å].
_SILICON = Published("Stillinger-Weber", 14, {"epsilon": 2.1683, "sigma": 2.0951})


class StillingerWeber(AbstractPotential):
    """One kind of atom whose bonds want to stand at tetrahedral angles: silicon by default, and of other
    elements with an epsilon and a sigma of their own.

    E = sum_{i<j} A epsilon (B (sigma/r)^p - (sigma/r)^q) exp(sigma / (r - a sigma))
      + sum_{i, j<k} lambda epsilon (cos theta_jik - cos theta0)^2 exp(gamma sigma / (r_ij - a sigma))
      exp(gamma sigma / (r_ik - a sigma)), zero from a sigma on with all derivatives
    (Stillinger and Weber 1985, doi 10.1103/PhysRevB.31.5262; symbols and defaults of LAMMPS' Si.sw). The
    second sum is taken over atoms' sums of bonds, not over pairs of bonds.

    Args:
        epsilon: [eV]; by default that of silicon, 2.1683.
        sigma: [Å]; by default that of silicon, 2.0951.
        a: the cut-off, in sigma.
        strength: lambda.
        gamma: decay of the angular term.
        cosine: cos theta0.
        A: of the pairs.
        B: of the pairs' repulsion.
        p: power of the repulsion.
        q: power of the attraction.

    Raises:
        ConfigError: epsilon, strength, gamma or a power is negative, or a length is not positive.
    """

    epsilon: float
    sigma: float
    strength: float
    gamma: float
    cosine: float
    A: float
    B: float
    p: float
    q: float
    cutoff: float = eqx.field(static=True)
    by_default: tuple[str, ...] = eqx.field(static=True, repr=False)

    def __init__(
        self,
        *,
        epsilon: Annotated[float | None, Unit("energy")] = None,
        sigma: Annotated[float | None, Unit("length")] = None,
        a: float = 1.80,
        strength: float = 21.0,
        gamma: float = 1.20,
        cosine: float = -1 / 3,
        A: float = 7.049556277,
        B: float = 0.6022245584,
        p: float = 4.0,
        q: float = 0.0,
    ):
        scales, self.by_default = _SILICON.completed(epsilon=epsilon, sigma=sigma)
        epsilon, sigma = scales["epsilon"], scales["sigma"]
        for name, value in (("sigma", sigma), ("a", a)):
            if not value > 0:
                raise ConfigError(f"{name} must be positive, got {value}")
        given = {"epsilon": epsilon, "strength": strength, "gamma": gamma, "p": p, "q": q}
        for name, value in given.items():
            if not value >= 0:
                raise ConfigError(f"{name} must not be negative, got {value}")
        self.epsilon, self.sigma = epsilon, sigma
        self.strength, self.gamma, self.cosine = strength, gamma, cosine
        self.A, self.B, self.p, self.q = A, B, p, q
        self.cutoff = a * sigma

    def check(self, system: System) -> None:
        """Raise UnsupportedError for another element than silicon with a scale of energy or length that is
        silicon's by default."""
        _SILICON.check(system, self.by_default)

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        vectors = neighbors.vectors(system.positions, system.atom_cells())
        distances = jnp.sqrt(jnp.sum(vectors**2, axis=-1))
        inside = neighbors.mask & (distances < self.cutoff)
        # What lies outside stands for nothing, at a distance where no derivative divides by zero.
        distances = jnp.where(inside, distances, 0.5 * self.cutoff)
        decay = self.sigma / (distances - self.cutoff)
        x = self.sigma / distances
        pairs = self.A * (self.B * x**self.p - x**self.q) * jnp.exp(decay)
        weights = jnp.where(inside, jnp.exp(self.gamma * decay), 0.0)
        directions = vectors / distances[..., None]
        angles = self._angles(weights, directions)
        return self.epsilon * (0.5 * jnp.sum(jnp.where(inside, pairs, 0.0), axis=1) + self.strength * angles)

    def _angles(
        self,
        weights: Float[Array, "n_atoms max_neighbors"],
        directions: Float[Array, "n_atoms max_neighbors 3"],
    ) -> Float[Array, " n_atoms"]:
        """sum_{j<k} w_j w_k (u_j . u_k - c)^2 of each atom: half of what all j, k give, less j = k."""
        count = jnp.sum(weights, axis=1)
        vector = jnp.einsum("nk,nkx->nx", weights, directions)
        tensor = jnp.einsum("nk,nkx,nky->nxy", weights, directions, directions)
        everything = (
            jnp.sum(tensor**2, axis=(1, 2))
            - 2 * self.cosine * jnp.sum(vector**2, axis=1)
            + self.cosine**2 * count**2
        )
        return 0.5 * (everything - (1 - self.cosine) ** 2 * jnp.sum(weights**2, axis=1))
