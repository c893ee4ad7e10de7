"""Layers without chemistry: linear maps and small perceptrons, with unit-variance initial weights."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

# Gives SiLU of a standard normal input unit second moment.
SILU_SCALE = 1.6768


class Linear(eqx.Module):
    """x @ weight (+ bias) along the last axis; the weights start at variance 1 / n_in."""

    weight: Float[Array, "n_in n_out"]
    bias: Float[Array, " n_out"] | None

    def __init__(self, n_in: int, n_out: int, *, bias: bool = False, scale: float = 1.0, key: PRNGKeyArray):
        self.weight = scale * jax.random.normal(key, (n_in, n_out), jnp.float32) / jnp.sqrt(jnp.float32(n_in))
        self.bias = jnp.zeros(n_out, jnp.float32) if bias else None

    def __call__(self, x: Float[Array, "*batch n_in"]) -> Float[Array, "*batch n_out"]:
        y = x @ self.weight.astype(x.dtype)
        return y if self.bias is None else y + self.bias.astype(x.dtype)


class Perceptron(eqx.Module):
    """Linear layers with SiLU between them, scaled so that a unit-variance input keeps its variance."""

    layers: tuple[Linear, ...]

    def __init__(self, sizes: Sequence[int], *, bias: bool = True, scale: float = 1.0, key: PRNGKeyArray):
        keys = jax.random.split(key, len(sizes) - 1)
        last = len(sizes) - 2
        self.layers = tuple(
            Linear(n_in, n_out, bias=bias, scale=scale if number == last else 1.0, key=k)
            for number, (n_in, n_out, k) in enumerate(zip(sizes[:-1], sizes[1:], keys, strict=True))
        )

    def __call__(self, x: Float[Array, "*batch n_in"]) -> Float[Array, "*batch n_out"]:
        for layer in self.layers[:-1]:
            x = normalized_silu(layer(x))
        return self.layers[-1](x)


def normalized_silu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """SiLU with unit second moment for a standard normal input."""
    return SILU_SCALE * jax.nn.silu(x)
