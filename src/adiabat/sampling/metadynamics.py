"""Metadynamics: hills where the simulation has been."""

import math
from collections.abc import Sequence
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
from adiabat.sampling.variable import AbstractVariable, differences

CENTERS, HEIGHTS, COUNT = "centers", "heights", "count"
_ROOM = 256


class Metadynamics(AbstractBias):
    """Well-tempered metadynamics: every so many steps a Gaussian hill is added where the variables are,

        V(s) = sum_k h_k exp(-sum_i (s_i - s_ki)^2 / 2 sigma_i^2),  h_k = h exp(-V(s_k) / (gamma - 1) k_B T),

    so that V goes to -(1 - 1/gamma) F(s) and a constant (Barducci, Bussi and Parrinello 2008, doi
    10.1103/PhysRevLett.100.020603). The hills are kept as they are, without a grid; their array doubles when
    it is full.

    Args:
        variables: the s_i, one to three.
        widths: sigma_i, in the unit of each variable: about a third of what it fluctuates by in a minimum.
        height: h, of the first hill [eV].
        bias_factor: gamma > 1: a barrier becomes so many times lower in effect.
        every: steps between two hills.
        shared: whether replicas fill one bias together, as multiple walkers (Raiteri et al. 2006, doi
            10.1021/jp054359r).

    Raises:
        ConfigError: numbers that make no sense.
    """

    variables: tuple[AbstractVariable, ...]
    widths: tuple[float, ...]
    height: float
    bias_factor: float
    every: int = eqx.field(static=True)
    shared: bool = eqx.field(static=True)
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

    def begin(self, thermal: Float[Array, ""]) -> Memory:
        return {
            CENTERS: jnp.zeros((len(self.variables), _ROOM)),
            HEIGHTS: jnp.zeros(_ROOM),
            COUNT: jnp.zeros((), jnp.int32),
        }

    def energy(
        self, values: Float[Array, " d"], memory: Memory, thermal: Float[Array, ""]
    ) -> Float[Array, ""]:
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
        there = jax.vmap(lambda one: self.energy(one, memory, thermal))(values)
        heights = self.height * jnp.exp(-there / ((self.bias_factor - 1) * thermal))
        places = memory[COUNT] + jnp.arange(len(values))
        return {
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
