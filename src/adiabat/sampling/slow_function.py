"""A function of features whose values are slow modes."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


class SlowFunction(eqx.Module):
    """Slow modes of features: h @ vectors - offset, with h = (features - center) / scale or what layers
    tanh(weight @ h + bias) make of it.

    Args:
        center: subtracted from the features, shape (n_features,).
        scale: by which they are divided then, shape (n_features,).
        layers: weight (width, width before) and bias (width,) of each; none for linear combinations.
        vectors: coefficients, one column for each mode, shape (width, n_modes).
        offset: shape (n_modes,).
    """

    center: Float[Array, " n_features"]
    scale: Float[Array, " n_features"]
    layers: tuple[tuple[Float[Array, "width before"], Float[Array, " width"]], ...]
    vectors: Float[Array, "width n_modes"]
    offset: Float[Array, " n_modes"]

    def __init__(
        self,
        *,
        center: ArrayLike,
        scale: ArrayLike,
        layers: Sequence[tuple[ArrayLike, ArrayLike]] = (),
        vectors: ArrayLike,
        offset: ArrayLike,
    ):
        with jax.enable_x64(True):
            self.center, self.scale = jnp.asarray(center, float), jnp.asarray(scale, float)
            self.layers = tuple((jnp.asarray(w, float), jnp.asarray(b, float)) for w, b in layers)
            self.vectors, self.offset = jnp.asarray(vectors, float), jnp.asarray(offset, float)

    def __call__(self, features: Float[Array, " n_features"]) -> Float[Array, " n_modes"]:
        hidden = (features - self.center) / self.scale
        for weight, bias in self.layers:
            hidden = jnp.tanh(weight @ hidden + bias)
        return hidden @ self.vectors - self.offset
