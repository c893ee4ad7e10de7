"""The numbers of a Cartesian network as the kernel reads them: one buffer, in the order of model.h."""

from functools import cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jaxtyping import Array, Float

from adiabat.networks.cartesian import PRODUCT_SCALE, CartesianNetwork, Interaction
from adiabat.networks.layers import SILU_SCALE, Linear
from adiabat.networks.radial import RadialFunctions

# All widths are padded with zeros to a multiple of this: the widest vectors of any processor.
WIDTH = 16
# Intervals of the radial tables for each Bessel function; docs/decisions/0003-kernel.md has the error left. A
# training makes them anew at each step.
KNOTS, TRAINING_KNOTS = 128, 32
# Samples beyond the cut-off, where the spline's end conditions die away: by a factor of 3.7 each.
_BEYOND = 24


class Sizes(NamedTuple):
    """What the kernel is told beside the buffer; in its order."""

    interactions: int
    channels: int
    hidden: int
    elements: int
    knots: int


def sizes_of(network: CartesianNetwork, knots: int = KNOTS) -> Sizes:
    """The padded sizes of a network, and its tables with so many intervals for each Bessel function."""
    hidden = network.interactions[0].invariants.layers[0].weight.shape[1]
    return Sizes(
        network.n_interactions,
        _padded(network.channels),
        _padded(hidden),
        network.n_elements,
        knots * network.n_basis,
    )


def pack(network: CartesianNetwork, sizes: Sizes) -> Float[Array, " n_weights"]:
    """All numbers of the network in its precision; what can be multiplied together beforehand is.

    It can be differentiated: the kernel's derivative by its buffer becomes that by the weights.
    """
    channels, width = network.channels, sizes.channels
    first, readout = network.interactions[0], network.readout.layers
    constant = network.shift + _bias(readout[1])
    parts = [
        _grown(network.embedding, 1, width),
        _grown(network.embedding @ first.sent[0].weight, 1, width),
        _grown(constant, 0, _padded(len(constant))),
        *_map(readout[0].weight, channels, width),
        _grown(_bias(readout[0]), 0, width),
        _grown(SILU_SCALE * readout[1].weight[:, 0], 0, width),
    ]
    for number, interaction in enumerate(network.interactions):
        parts += _round(interaction, channels, sizes, first=number == 0)
    return jnp.concatenate([jnp.ravel(part) for part in parts])


def radial_table(radial: RadialFunctions, knots: int) -> Float[Array, "rows n_sets channels"]:
    """Coefficients of the uniform cubic B-splines through the functions of each set, without the envelope.

    The functions are even in the distance and go on beyond the cut-off, so neither end needs a condition.

    Returns:
        Shape (knots + 3, n_sets, channels): rows k to k + 3 make the functions between knots k and k + 1.
    """
    dtype = radial.hidden.weight.dtype
    distances = np.arange(knots + _BEYOND) * (radial.cutoff / knots)
    distances[0] = 1e-6  # the Bessel functions are written as a quotient
    # The functions are linear in the hidden layer, which is the narrower one.
    hidden = jnp.asarray(_spline_filter(knots), dtype) @ radial.inner(jnp.asarray(distances, dtype))
    return jnp.stack([output(hidden) for output in radial.outputs], axis=1)


@cache
def _spline_filter(knots: int) -> np.ndarray:
    """The matrix that makes coefficients from samples."""
    samples = np.eye(knots + _BEYOND)
    coefficients = scipy.ndimage.spline_filter1d(samples, order=3, axis=0, output=np.float64, mode="mirror")
    return np.concatenate([coefficients[1:2], coefficients[: knots + 2]])


def _round(interaction: Interaction, channels: int, sizes: Sizes, *, first: bool) -> list[Array]:
    inner, outer = interaction.invariants.layers
    width, hidden = sizes.channels, sizes.hidden
    parts = [
        _grown(radial_table(interaction.radial, sizes.knots), 2, width),
        _grown(interaction.scale * interaction.receiver, 2, width),
        *_map(PRODUCT_SCALE * inner.weight, channels, width, n_out=hidden),
        _grown(_bias(inner), 0, hidden),
        *_outer(SILU_SCALE * outer.weight, channels, width, hidden),
        _grown(_bias(outer).reshape(-1, channels), 1, width),
    ]
    for mixing in (interaction.vectors, interaction.matrices):
        if mixing is not None:
            parts += _map(PRODUCT_SCALE * mixing.weight, channels, width)
    if not first:
        for sent in interaction.sent:
            parts += _map(sent.weight, channels, width)
    return parts


def _map(weight: Array, channels: int, width: int, n_out: int | None = None) -> tuple[Array, Array]:
    """A matrix whose rows are several features of `channels` each, padded, and its transpose."""
    rows = weight.reshape(-1, channels, weight.shape[1])
    rows = _grown(_grown(rows, 1, width), 2, width if n_out is None else n_out)
    padded = rows.reshape(-1, rows.shape[2])
    return padded, padded.T


def _outer(weight: Array, channels: int, width: int, hidden: int) -> tuple[Array, Array]:
    """The same for a matrix whose columns are several features."""
    columns = _grown(weight.reshape(weight.shape[0], -1, channels), 2, width)
    padded = _grown(columns.reshape(weight.shape[0], -1), 0, hidden)
    return padded, padded.T


def _grown(values: Array, axis: int, length: int) -> Array:
    """With zeros at the end of one axis."""
    extra = [(0, 0)] * values.ndim
    extra[axis] = (0, length - values.shape[axis])
    return jnp.pad(values, extra)


def _padded(length: int) -> int:
    return -(-length // WIDTH) * WIDTH


def _bias(layer: Linear) -> Array:
    assert layer.bias is not None
    return layer.bias
