"""Functions of the distance between two atoms."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from adiabat.networks.layers import Linear, normalized_silu


class RadialFunctions(eqx.Module):
    """Sets of learned functions of the distance: a perceptron on Bessel functions, times an envelope.

    B_n(r) = sqrt(2 / cutoff) sin(n pi r / cutoff) / r (Gasteiger et al., DimeNet, arXiv:2003.03123, eq. 7).
    The envelope multiplies the perceptron's hidden layer, so that every function vanishes where it does.
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
        # sin(n pi x) / (n pi x) times n: finite at zero, of order one over the whole range.
        basis = jnp.sqrt(2.0).astype(distances.dtype) * jnp.sin(orders * jnp.pi * x) / x
        basis = basis / 2.0
        # The barriers keep XLA's CPU backend from fusing long elementwise chains of the derivative into the
        # transposed copies that its matrix products ask for, which it would run element by element.
        return normalized_silu(jax.lax.optimization_barrier(self.hidden(basis)))
