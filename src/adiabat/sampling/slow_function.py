"""A function of features whose values are slow modes."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


class SlowFunction(eqx.Module):
    """Slow modes of features: (g((x - center) / scale) - mean) @ vectors, with a network g or none.

    Attributes:
        center: subtracted from the features, shape (n_features,).
        scale: by which they are divided then, shape (n_features,).
        network: of the scaled features, or None.
        mean: of what it gives, shape (k,).
        vectors: coefficients, one column for each mode, shape (k, n_modes).
    """

    center: Float[Array, " n_features"]
    scale: Float[Array, " n_features"]
    network: eqx.nn.MLP | None
    mean: Float[Array, " k"]
    vectors: Float[Array, "k n_modes"]

    def __init__(
        self,
        *,
        center: ArrayLike,
        scale: ArrayLike,
        network: eqx.nn.MLP | None,
        mean: ArrayLike,
        vectors: ArrayLike,
    ):
        with jax.enable_x64(True):
            self.center, self.scale = jnp.asarray(center), jnp.asarray(scale)
            self.mean, self.vectors = jnp.asarray(mean), jnp.asarray(vectors)
        self.network = network

    def __call__(self, features: Float[Array, " n_features"]) -> Float[Array, " n_modes"]:
        seen = (features - self.center) / self.scale
        inner = seen if self.network is None else self.network(seen)
        return (inner - self.mean) @ self.vectors
