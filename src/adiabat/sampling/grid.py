"""A sum of Gaussian hills as a cubic spline on a grid of a few variables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from adiabat.base import ConfigError
from adiabat.sampling.variable import AbstractVariable

# Knots to a width. The spline of a hill is off by 1 / (720 * 5^4) of its fourth derivative, 7e-6 of its
# height.
_KNOTS = 5
_MAX_KNOTS = 1 << 22


@dataclass(frozen=True)
class Axis:
    """The knots along one variable, from the lower to the upper limit.

    Attributes:
        low: the first.
        spacing: between two.
        intervals: how many; beside the knots at their ends a spline has a coefficient beyond either limit.
        width: of the hills along it.
        period: of the variable, which the knots then span; None if it does not repeat.
    """

    low: float
    spacing: float
    intervals: int
    width: float
    period: float | None

    def apart(self, values: Float[Array, "..."], center: Float[Array, "..."]) -> Float[Array, "..."]:
        """values - center, by the shorter way around where the variable repeats."""
        found = values - center
        return found if self.period is None else found - self.period * jnp.round(found / self.period)


def axes_of(
    limits: Sequence[Sequence[float]], widths: Sequence[float], variables: Sequence[AbstractVariable]
) -> tuple[Axis, ...]:
    """The axes of a grid within limits; those of a variable that repeats are its period.

    Raises:
        ConfigError: other numbers of limits than of variables, limits in no order, or too many knots.
    """
    if len(limits) != len(variables) or any(len(pair) != 2 or not pair[0] < pair[1] for pair in limits):
        raise ConfigError(
            f"limits need a lower and an upper one for each of {len(variables)} variables, got {limits}",
            "such as limits = [[0.5, 4.0]]",
        )
    axes = []
    for (low, high), width, variable in zip(limits, widths, variables, strict=True):
        if variable.period is not None:
            low, high = -0.5 * variable.period, 0.5 * variable.period
        intervals = int(np.ceil((high - low) / width * _KNOTS))
        axes.append(Axis(low, (high - low) / intervals, intervals, width, variable.period))
    shape = [axis.intervals + 3 for axis in axes]
    if math.prod(shape) > _MAX_KNOTS:
        raise ConfigError(
            f"a grid of {' x '.join(map(str, shape))} knots is too large",
            "take narrower limits, wider hills or fewer variables; or leave the limits out",
        )
    return tuple(axes)


def empty(axes: Sequence[Axis]) -> Float[Array, "..."]:
    """The coefficients of no hills, one dimension for each axis."""
    return jnp.zeros([axis.intervals + 3 for axis in axes])


def with_hills(
    grid: Float[Array, "..."],
    axes: Sequence[Axis],
    centers: Float[Array, "n_hills d"],
    heights: Float[Array, " n_hills"],
) -> Float[Array, "..."]:
    """The coefficients with more hills.

    Of a function f they are f - r^2 f^(2) / 6 + 11 r^4 f^(4) / 720 at the knots, r being the spacing: the
    series of sinc^-4, with which the error of the spline has no mean in fourth order.
    """
    total = heights[:, None]
    for axis, center in zip(axes, centers.T, strict=True):
        knots = axis.low + axis.spacing * (jnp.arange(axis.intervals + 3) - 1)
        u = (axis.apart(knots, center[:, None]) / axis.width) ** 2
        r = (axis.spacing / axis.width) ** 2
        factor = 1 - r * (u - 1) / 6 + 11 * r**2 * (u**2 - 6 * u + 3) / 720
        along = factor * jnp.exp(-0.5 * u)
        if axis is axes[-1]:
            return grid + (total.T @ along).reshape(grid.shape)
        total = (total[:, :, None] * along[:, None, :]).reshape(len(heights), -1)
    return grid


def inside(axes: Sequence[Axis], values: Float[Array, " d"]) -> Bool[Array, ""]:
    """Whether values are within the limits."""
    within = [
        (axis.low <= value) & (value <= axis.low + axis.spacing * axis.intervals)
        for axis, value in zip(axes, values, strict=True)
        if axis.period is None
    ]
    return jnp.all(jnp.stack(within)) if within else jnp.array(True)


def interpolated(
    grid: Float[Array, "..."], axes: Sequence[Axis], values: Float[Array, " d"]
) -> Float[Array, ""]:
    """The spline within the limits, with two continuous derivatives."""
    starts, weights = [], []
    for axis, value in zip(axes, values, strict=True):
        place = (axis.apart(value, jnp.zeros_like(value)) - axis.low) / axis.spacing
        first = jax.lax.stop_gradient(jnp.clip(jnp.floor(place), 0, axis.intervals - 1))
        t = place - first
        starts.append(first.astype(jnp.int32))
        cubics = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
        weights.append(jnp.stack(cubics) / 6)
    block = jax.lax.dynamic_slice(grid, starts, [4] * len(axes))
    for weight in reversed(weights):
        block = block @ weight
    return block
