"""On-the-fly probability enhanced sampling: a bias from the estimated distribution."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from adiabat.base import ConfigError
from adiabat.base.schema import Supplied
from adiabat.base.units import BOLTZMANN, Unit
from adiabat.dynamics.integrator import check_positive
from adiabat.sampling.bias import AbstractBias, Memory, checked_variables, one_each
from adiabat.sampling.variable import AbstractVariable, differences, wrapped
from adiabat.system import System

CENTERS, WIDTHS, HEIGHTS, COUNT = "centers", "widths", "heights", "count"
_WEIGHTS, _SQUARES, _OVERLAP = "sum of weights", "sum of squared weights", "overlap"
_ROOM = 128
Kernel = tuple[Float[Array, " d"], Float[Array, " d"], Float[Array, ""]]
"""Center, widths and height."""
# Kernels nearer to each other than their width become one.
_THRESHOLD = 1.0


class OPES(AbstractBias):
    """On-the-fly probability enhanced sampling: the bias

        V(s) = (1 - 1/gamma) k_B T ln(P(s) / Z + epsilon)

    makes of the distribution P one to the power 1/gamma, with gamma = barrier / k_B T and epsilon =
    exp(-barrier / (k_B T (1 - 1/gamma))). P is estimated by Gaussian kernels, added every so many steps where
    the variables are, each with the weight exp(V / k_B T) of its visit; they get narrower as the effective
    number of visits grows (Silverman's rule), and those nearer than a width are merged. Z is the mean of P
    over the kernels (Invernizzi and Parrinello 2020, doi 10.1021/acs.jpclett.0c00497).

    Args:
        variables: s, one to three.
        widths: of the first kernels, for each variable (Å, rad): about what it fluctuates by in a minimum.
        barrier: the highest that should be crossed [eV]; higher ones are not filled.
        every: steps between two kernels.
        shared: whether replicas estimate one distribution together.

    Raises:
        ConfigError: numbers that make no sense.
    """

    variables: tuple[AbstractVariable, ...]
    widths: tuple[float, ...]
    barrier: float
    every: int = eqx.field(static=True)
    shared: bool = eqx.field(static=True)
    label: ClassVar[str] = "opes"
    grows: ClassVar[bool] = True

    def __init__(
        self,
        *,
        variables: Annotated[Sequence[AbstractVariable], Supplied],
        widths: list[float],
        barrier: Annotated[float, Unit("energy")] = 0.5,
        every: int = 500,
        shared: bool = False,
    ):
        check_positive(barrier=barrier)
        if every < 1:
            raise ConfigError(f"a kernel is added every 1 or more steps, not every {every}")
        self.variables = checked_variables(variables)
        self.widths = one_each(widths, variables, "widths", positive=True)
        self.barrier = float(barrier)
        self.every, self.shared = int(every), bool(shared)

    def check(self, system: System, temperature: float) -> None:
        AbstractBias.check(self, system, temperature)
        thermal = BOLTZMANN * temperature
        if self.barrier <= thermal:
            raise ConfigError(
                f"a barrier of {self.barrier:g} eV is no more than k_B T ({thermal:.3g} eV)",
                "give the height of the highest barrier to be crossed; without one no bias is needed",
            )

    def begin(self, thermal: Float[Array, ""]) -> Memory:
        d = len(self.variables)
        first = jnp.exp(-self.barrier / thermal)
        return {
            CENTERS: jnp.zeros((d, _ROOM)),
            WIDTHS: jnp.ones((d, _ROOM)),
            HEIGHTS: jnp.zeros(_ROOM),
            COUNT: jnp.zeros((), jnp.int32),
            _WEIGHTS: first,
            _SQUARES: first**2,
            _OVERLAP: jnp.zeros(()),
        }

    def energy(
        self, values: Float[Array, " d"], memory: Memory, thermal: Float[Array, ""]
    ) -> Float[Array, ""]:
        share = self._share(thermal)
        # P / Z with Z the mean of P over the kernels; the sum of their weights cancels.
        mean = memory[_OVERLAP] / jnp.maximum(memory[COUNT], 1)
        some = mean > 0
        ratio = jnp.where(some, self._kernels(values, memory, thermal) / jnp.where(some, mean, 1.0), 0.0)
        return share * thermal * jnp.log(ratio + jnp.exp(-self.barrier / (share * thermal)))

    def visited(
        self,
        values: Float[Array, "n_walkers d"],
        memory: Memory,
        thermal: Float[Array, ""],
        step: Int[Array, ""],
    ) -> Memory:
        weights = jnp.exp(jax.vmap(lambda one: self.energy(one, memory, thermal))(values) / thermal)
        total, squares = memory[_WEIGHTS] + jnp.sum(weights), memory[_SQUARES] + jnp.sum(weights**2)
        d = len(self.variables)
        effective = (1 + total) ** 2 / (1 + squares)
        scale = (effective * (d + 2) / 4) ** (-1 / (d + 4))
        widths = scale * jnp.stack(list(map(jnp.asarray, self.widths)))
        memory = memory | {_WEIGHTS: total, _SQUARES: squares}

        def add(memory: Memory, visit: tuple[Array, Array]) -> tuple[Memory, None]:
            center, weight = visit
            # A kernel's integral is its weight; the factor that all have in common cancels against Z.
            return self._with_kernel(memory, (center, widths, weight / scale**d), thermal), None

        memory, _ = jax.lax.scan(add, memory, (wrapped(values, self.variables), weights))
        return memory

    def is_full(self, memory: Memory) -> Bool[Array, ""]:
        return memory[COUNT] > memory[HEIGHTS].shape[-1]

    def with_room(self, memory: Memory) -> Memory:
        larger = {name: jnp.concatenate([memory[name]] * 2, axis=-1) for name in (CENTERS, WIDTHS)}
        heights = jnp.concatenate([memory[HEIGHTS], jnp.zeros_like(memory[HEIGHTS])])
        return memory | larger | {HEIGHTS: heights}

    def _share(self, thermal: Float[Array, ""]) -> Float[Array, ""]:
        """1 - 1/gamma."""
        return 1 - thermal / self.barrier

    def _bump(self, apart: Float[Array, "n d"], thermal: Float[Array, ""]) -> Float[Array, " n"]:
        """A kernel of height 1, so many widths away from its center; it ends where it has fallen to
        epsilon."""
        reach = 2 * self.barrier / (self._share(thermal) * thermal)
        squared = jnp.sum(apart**2, axis=-1)
        return jnp.where(squared < reach, jnp.exp(-0.5 * squared) - jnp.exp(-0.5 * reach), 0.0)

    def _kernels(
        self, values: Float[Array, " d"], memory: Memory, thermal: Float[Array, ""]
    ) -> Float[Array, ""]:
        """The sum of all kernels."""
        apart = differences(values, memory[CENTERS].T, self.variables) / memory[WIDTHS].T
        return jnp.sum(memory[HEIGHTS] * self._bump(apart, thermal))

    def _overlap(self, memory: Memory, kernel: Kernel, thermal: Float[Array, ""]) -> Float[Array, ""]:
        """What a kernel adds to the sum of all kernels at the centers of all, with itself."""
        center, widths, height = kernel
        apart = differences(center, memory[CENTERS].T, self.variables) / widths
        used = jnp.arange(len(memory[HEIGHTS])) < memory[COUNT]
        own = height * jnp.where(used, self._bump(apart, thermal), 0.0)
        itself = height * self._bump(jnp.zeros((1, len(widths))), thermal)[0]
        return jnp.sum(own) + self._kernels(center, memory, thermal) + itself

    def _with_kernel(self, memory: Memory, kernel: Kernel, thermal: Float[Array, ""]) -> Memory:
        """The kernels with one more, or with the ones that are near it merged into it."""

        def nearest(memory: Memory, center: Array) -> tuple[Array, Array]:
            apart = differences(center, memory[CENTERS].T, self.variables) / memory[WIDTHS].T
            used = jnp.arange(len(memory[HEIGHTS])) < memory[COUNT]
            squared = jnp.where(used, jnp.sum(apart**2, axis=-1), jnp.inf)
            number = jnp.argmin(squared)
            return number, squared[number] < _THRESHOLD**2

        def merge(carry: tuple) -> tuple:
            memory, kernel, number, _ = carry
            other = (memory[CENTERS][:, number], memory[WIDTHS][:, number], memory[HEIGHTS][number])
            memory = _without(memory, number)
            memory |= {_OVERLAP: memory[_OVERLAP] - self._overlap(memory, other, thermal)}
            kernel = self._merged(other, kernel)
            return memory, kernel, *nearest(memory, kernel[0])

        memory, kernel, _, _ = jax.lax.while_loop(
            lambda carry: carry[3], merge, (memory, kernel, *nearest(memory, kernel[0]))
        )
        place, (center, widths, height) = memory[COUNT], kernel
        return memory | {
            _OVERLAP: memory[_OVERLAP] + self._overlap(memory, kernel, thermal),
            CENTERS: memory[CENTERS].at[:, place].set(center, mode="drop"),
            WIDTHS: memory[WIDTHS].at[:, place].set(widths, mode="drop"),
            HEIGHTS: memory[HEIGHTS].at[place].set(height, mode="drop"),
            COUNT: place + 1,
        }

    def _merged(self, one: Kernel, other: Kernel) -> Kernel:
        """Two kernels as one of the same weight, mean and variance."""
        total = one[2] + other[2]
        share = other[2] / total
        apart = differences(other[0], one[0], self.variables)
        mean = wrapped(one[0] + share * apart, self.variables)
        variance = (1 - share) * one[1] ** 2 + share * other[1] ** 2
        return mean, jnp.sqrt(variance + share * (1 - share) * apart**2), total


def _without(memory: Memory, number: Array) -> Memory:
    """The kernels without one, whose place the last one takes."""
    last = memory[COUNT] - 1

    def moved(values: Array) -> Array:
        return values.at[..., number].set(values[..., last])

    heights = moved(memory[HEIGHTS]).at[last].set(0.0)
    return memory | {
        CENTERS: moved(memory[CENTERS]),
        WIDTHS: moved(memory[WIDTHS]),
        HEIGHTS: heights,
        COUNT: last,
    }
