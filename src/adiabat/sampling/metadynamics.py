"""Metadynamics: hills where the simulation has been."""

import math
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from adiabat.base import ConfigError
from adiabat.base.schema import Supplied
from adiabat.base.units import Unit
from adiabat.dynamics.integrator import check_positive
from adiabat.sampling.bias import AbstractBias, Memory, checked_variables, one_each
from adiabat.sampling.grid import Axis, axes_of, empty, inside, interpolated, with_hills
from adiabat.sampling.variable import AbstractVariable, differences

CENTERS, HEIGHTS, COUNT, GRID = "centers", "heights", "count", "grid"
_ROOM = 256


class Metadynamics(AbstractBias):
    """Well-tempered metadynamics: every so many steps a Gaussian hill is added where the variables are,

        V(s) = sum_k h_k exp(-sum_i (s_i - s_ki)^2 / 2 sigma_i^2),  h_k = h exp(-V(s_k) / (gamma - 1) k_B T),

    so that V goes to -(1 - 1/gamma) F(s) and a constant (Barducci, Bussi and Parrinello 2008, doi
    10.1103/PhysRevLett.100.020603). The hills are kept as they are; their array doubles when it is full.
    Within limits their sum can be kept on a grid, which costs the same for any number of hills and is off by
    some 1e-5 of it; outside of them it is summed from the hills.

    Args:
        variables: the s_i, one to three.
        widths: sigma_i of each variable (Å, rad): about a third of what it fluctuates by in a minimum.
        height: h, of the first hill [eV].
        bias_factor: gamma > 1: a barrier becomes so many times lower in effect.
        every: steps between two hills.
        shared: whether replicas fill one bias together, as multiple walkers (Raiteri et al. 2006, doi
            10.1021/jp054359r).
        limits: lowest and highest value of each variable, of a grid with six points to a width; those of a
            variable that repeats are its period, whatever is given. No grid without them.

    Raises:
        ConfigError: numbers that make no sense.
    """

    variables: tuple[AbstractVariable, ...]
    widths: tuple[float, ...]
    height: float
    bias_factor: float
    every: int = eqx.field(static=True)
    shared: bool = eqx.field(static=True)
    axes: tuple[Axis, ...] = eqx.field(static=True)
    label: ClassVar[str] = "metadynamics"
    grows: ClassVar[bool] = True

    def __init__(
        self,
        *,
        variables: Annotated[Sequence[AbstractVariable], Supplied],
        widths: list[float],
        height: Annotated[float, Unit("energy")] = 0.0125,
        bias_factor: float = 10.0,
        every: int = 500,
        shared: bool = False,
        limits: list[list[float]] | None = None,
    ):
        check_positive(height=height)
        if not bias_factor > 1 or not math.isfinite(bias_factor):
            raise ConfigError(f"the bias factor must be a number above 1, got {bias_factor}")
        if every < 1:
            raise ConfigError(f"a hill is added every 1 or more steps, not every {every}")
        self.variables = checked_variables(variables)
        self.widths = one_each(widths, variables, "widths", positive=True)
        self.height, self.bias_factor = float(height), float(bias_factor)
        self.every, self.shared = int(every), bool(shared)
        self.axes = () if limits is None else axes_of(limits, self.widths, self.variables)

    def begin(self, thermal: Float[Array, ""]) -> Memory:
        memory = {
            CENTERS: jnp.zeros((len(self.variables), _ROOM)),
            HEIGHTS: jnp.zeros(_ROOM),
            COUNT: jnp.zeros((), jnp.int32),
        }
        return memory | ({GRID: empty(self.axes)} if self.axes else {})

    def energy(
        self, values: Float[Array, " d"], memory: Memory, thermal: Float[Array, ""]
    ) -> Float[Array, ""]:
        if not self.axes:
            return self._sum(values, memory)
        return _either(
            inside(self.axes, values),
            lambda one: interpolated(memory[GRID], self.axes, one),
            lambda one: self._sum(one, memory),
            values,
        )

    def energies(
        self, values: Float[Array, "n d"], memory: Memory, thermal: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        return self._at(values, memory, None if self.shared else 0)

    def _at(self, values: Float[Array, "n d"], memory: Memory, rows: int | None) -> Float[Array, " n"]:
        """The bias at each of several values; `rows` is the axis of the memory that belongs to them."""

        def summed(values: Array) -> Array:
            return jax.vmap(self._sum, (0, rows))(values, memory)

        def on_grid(values: Array) -> Array:
            spline = lambda one, grid: interpolated(grid, self.axes, one)  # noqa: E731
            return jax.vmap(spline, (0, rows))(values, memory[GRID])

        if not self.axes:
            return summed(values)
        within = jnp.all(jax.vmap(lambda one: inside(self.axes, one))(values))
        return _either(within, on_grid, summed, values)

    def _sum(self, values: Float[Array, " d"], memory: Memory) -> Float[Array, ""]:
        apart = differences(values, memory[CENTERS].T, self.variables)
        scaled = apart / jnp.stack(list(map(jnp.asarray, self.widths)))
        return jnp.sum(memory[HEIGHTS] * jnp.exp(-0.5 * jnp.sum(scaled**2, axis=-1)))

    def visited(
        self,
        values: Float[Array, "n_walkers d"],
        memory: Memory,
        thermal: Float[Array, ""],
        step: Int[Array, ""],
    ) -> Memory:
        there = self._at(values, memory, None)
        heights = self.height * jnp.exp(-there / ((self.bias_factor - 1) * thermal))
        places = memory[COUNT] + jnp.arange(len(values))
        known = {GRID: with_hills(memory[GRID], self.axes, values, heights)} if self.axes else {}
        return known | {
            CENTERS: memory[CENTERS].at[:, places].set(values.T, mode="drop"),
            HEIGHTS: memory[HEIGHTS].at[places].set(heights, mode="drop"),
            COUNT: memory[COUNT] + len(values),
        }

    def is_full(self, memory: Memory) -> Bool[Array, ""]:
        return memory[COUNT] > memory[HEIGHTS].shape[-1]

    def with_room(self, memory: Memory) -> Memory:
        return memory | {
            CENTERS: jnp.concatenate([memory[CENTERS], jnp.zeros_like(memory[CENTERS])], axis=-1),
            HEIGHTS: jnp.concatenate([memory[HEIGHTS], jnp.zeros_like(memory[HEIGHTS])]),
        }


def _either(
    where: Bool[Array, ""],
    one: Callable[[Array], Array],
    other: Callable[[Array], Array],
    values: Float[Array, "*n d"],
) -> Float[Array, "*n"]:
    """One function of each row of values where a condition holds, else the other, with first derivatives.

    Only one is computed, for all rows; differentiating `cond` itself would fill arrays for the other.
    """
    here = jax.lax.stop_gradient(values)

    def sloped(function: Callable[[Array], Array]) -> tuple[Array, Array]:
        total, back = jax.vjp(function, here)
        return total, back(jnp.ones_like(total))[0]

    found, slopes = jax.lax.cond(where, lambda: sloped(one), lambda: sloped(other))
    found, slopes = jax.lax.stop_gradient((found, slopes))
    return found + jnp.sum(slopes * (values - here), axis=-1)
