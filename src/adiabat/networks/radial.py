"""Functions of the distance between two atoms."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from adiabat.networks.layers import Perceptron
from adiabat.potentials.smoothing import polynomial_cutoff


class RadialFunctions(eqx.Module):
    """Learned functions of the distance: a perceptron on Bessel functions, times a smooth envelope.

    B_n(r) = sqrt(2 / cutoff) sin(n pi r / cutoff) / r  (Gasteiger et al., DimeNet, arXiv:2003.03123, eq. 7).
    The envelope multiplies the perceptron's output, so that every function and its first two derivatives
    vanish at the cut-off.
    """

    perceptron: Perceptron
    n_basis: int = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __init__(self, n_out: int, *, cutoff: float, n_basis: int, hidden: int, key: PRNGKeyArray):
        self.perceptron = Perceptron((n_basis, hidden, n_out), bias=False, key=key)
        self.n_basis = n_basis
        self.cutoff = cutoff

    def __call__(self, distances: Float[Array, "*edges"]) -> Float[Array, "*edges n_out"]:
        orders = jnp.arange(1, self.n_basis + 1, dtype=distances.dtype)
        x = (distances / self.cutoff)[..., None]
        # sin(n pi x) / (n pi x) times n: finite at zero, of order one over the whole range.
        basis = jnp.sqrt(2.0).astype(distances.dtype) * jnp.sin(orders * jnp.pi * x) / x
        basis = basis / 2.0
        return self.perceptron(basis) * polynomial_cutoff(distances, self.cutoff)[..., None]
