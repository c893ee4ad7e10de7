"""The numbers of a Cartesian network as the kernel reads them: one buffer, in the order of model.h."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage

from adiabat.networks.cartesian import PRODUCT_SCALE, CartesianNetwork, Interaction
from adiabat.networks.layers import SILU_SCALE, Linear
from adiabat.networks.radial import RadialFunctions

# All widths are padded with zeros to a multiple of this: the widest vectors of any processor.
WIDTH = 16
# Intervals of the radial tables for each Bessel function; docs/decisions/0003-kernel.md has the error left.
KNOTS = 128
# Samples beyond the cut-off, where the spline's end conditions die away: by a factor of 3.7 each.
_BEYOND = 24


class Sizes(NamedTuple):
    """What the kernel is told beside the buffer; in its order."""

    interactions: int
    channels: int
    hidden: int
    elements: int
    knots: int


def sizes_of(network: CartesianNetwork) -> Sizes:
    """The padded sizes of a network."""
    hidden = network.interactions[0].invariants.layers[0].weight.shape[1]
    return Sizes(
        network.n_interactions,
        _padded(network.channels),
        _padded(hidden),
        network.n_elements,
        KNOTS * network.n_basis,
    )


def pack(network: CartesianNetwork) -> np.ndarray:
    """All numbers of the network, float32; what can be multiplied together beforehand is."""
    channels, width = network.channels, _padded(network.channels)
    first, readout = network.interactions[0], network.readout.layers
    embedding = np.asarray(network.embedding, np.float64)
    inner, outer = _weight(readout[0]), SILU_SCALE * _weight(readout[1])
    constant = np.asarray(network.shift, np.float64) + _bias(readout[1])
    parts = [
        _grown(embedding, 1, width),
        _grown(embedding @ _weight(first.sent[0]), 1, width),
        _grown(constant, 0, _padded(len(constant))),
        *_map(inner, channels, width),
        _grown(_bias(readout[0]), 0, width),
        _grown(outer[:, 0], 0, width),
    ]
    for number, interaction in enumerate(network.interactions):
        parts += _round(interaction, channels, width, first=number == 0)
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


def radial_table(radial: RadialFunctions, knots: int) -> np.ndarray:
    """Coefficients of the uniform cubic B-splines through the functions of each set, without the envelope.

    The functions are even in the distance and go on beyond the cut-off, so neither end needs a condition.

    Returns:
        Shape (knots + 3, n_sets, channels): rows k to k + 3 make the functions between knots k and k + 1.
    """
    distances = np.arange(knots + _BEYOND) * (radial.cutoff / knots)
    distances[0] = 1e-6  # the Bessel functions are written as a quotient
    with jax.enable_x64(True):
        values = radial(jnp.asarray(distances), jnp.ones(len(distances)))
        samples = np.stack([np.asarray(value) for value in values], axis=1)
    coefficients = scipy.ndimage.spline_filter1d(samples, order=3, axis=0, output=np.float64, mode="mirror")
    return np.concatenate([coefficients[1:2], coefficients[: knots + 2]])


def _round(interaction: Interaction, channels: int, width: int, *, first: bool) -> list[np.ndarray]:
    inner, outer = interaction.invariants.layers
    hidden = _padded(inner.weight.shape[1])
    parts = [
        _grown(radial_table(interaction.radial, KNOTS * interaction.radial.n_basis), 2, width),
        _grown(interaction.scale * np.asarray(interaction.receiver, np.float64), 2, width),
        *_map(PRODUCT_SCALE * _weight(inner), channels, width, n_out=hidden),
        _grown(_bias(inner), 0, hidden),
        *_outer(SILU_SCALE * _weight(outer), channels, width, hidden),
        _grown(_bias(outer).reshape(-1, channels), 1, width),
    ]
    for mixing in (interaction.vectors, interaction.matrices):
        if mixing is not None:
            parts += _map(PRODUCT_SCALE * _weight(mixing), channels, width)
    if not first:
        for sent in interaction.sent:
            parts += _map(_weight(sent), channels, width)
    return parts


def _map(
    weight: np.ndarray, channels: int, width: int, n_out: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A matrix whose rows are several features of `channels` each, padded, and its transpose."""
    rows = weight.reshape(-1, channels, weight.shape[1])
    rows = _grown(_grown(rows, 1, width), 2, width if n_out is None else n_out)
    padded = rows.reshape(-1, rows.shape[2])
    return padded, padded.T


def _outer(weight: np.ndarray, channels: int, width: int, hidden: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for a matrix whose columns are several features."""
    columns = _grown(weight.reshape(weight.shape[0], -1, channels), 2, width)
    padded = _grown(columns.reshape(weight.shape[0], -1), 0, hidden)
    return padded, padded.T


def _grown(values: np.ndarray, axis: int, length: int) -> np.ndarray:
    """With zeros at the end of one axis."""
    extra = [(0, 0)] * values.ndim
    extra[axis] = (0, length - values.shape[axis])
    return np.pad(values, extra)


def _padded(length: int) -> int:
    return -(-length // WIDTH) * WIDTH


def _weight(layer: Linear) -> np.ndarray:
    return np.asarray(layer.weight, np.float64)


def _bias(layer: Linear) -> np.ndarray:
    assert layer.bias is not None
    return np.asarray(layer.bias, np.float64)
