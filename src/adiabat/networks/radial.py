"""Functions of the distance between two atoms."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from adiabat.networks.layers import Linear, normalized_silu


class RadialFunctions(eqx.Module):
    """Sets of learned functions of the distance: a perceptron on Bessel functions, times an envelope.

    B_n(r) = sqrt(2) sin(n pi r / cutoff) / (n r / cutoff): the Bessel functions of Gasteiger et al. (DimeNet,
    arXiv:2003.03123, eq. 7) divided by their order. So none is larger than another where bonds are, and what
    varies slowly is learned first (docs/decisions/0008-smooth-radial-functions.md). The envelope multiplies
    the hidden layer of the perceptron, so that every function vanishes where it does.
    """

    hidden: Linear
    outputs: tuple[Linear, ...]
    n_basis: int = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __init__(
        self, n_sets: int, channels: int, *, cutoff: float, n_basis: int, hidden: int, key: PRNGKeyArray
    ):
        keys = jax.random.split(key, n_sets + 1)
        self.hidden = Linear(n_basis, hidden, key=keys[0])
        # One product for each set, not one for all: XLA's CPU backend is slow at cutting an array up and, in
        # the derivative, at putting it together.
        self.outputs = tuple(Linear(hidden, channels, key=k) for k in keys[1:])
        self.n_basis = n_basis
        self.cutoff = cutoff

    def __call__(
        self, distances: Float[Array, "*edges"], envelope: Float[Array, "*edges"]
    ) -> list[Float[Array, "*edges channels"]]:
        """The functions of each set."""
        hidden = self.inner(distances) * envelope[..., None]
        return [jax.lax.optimization_barrier(output(hidden)) for output in self.outputs]

    def inner(self, distances: Float[Array, "*edges"]) -> Float[Array, "*edges hidden"]:
        """The hidden layer without the envelope."""
        orders = jnp.arange(1, self.n_basis + 1, dtype=distances.dtype)
        x = (distances / self.cutoff)[..., None]
        basis = jnp.sqrt(2.0).astype(distances.dtype) * jnp.sin(orders * jnp.pi * x) / (orders * x)
        # The barriers keep XLA's CPU backend from fusing long elementwise chains of the derivative into the
        # transposed copies that its matrix products ask for, which it would run element by element.
        return normalized_silu(jax.lax.optimization_barrier(self.hidden(basis)))
