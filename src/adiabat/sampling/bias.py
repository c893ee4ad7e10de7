"""What every bias is: an energy of collective variables, and how it grows."""

import abc
import math
from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from adiabat.base import ConfigError
from adiabat.sampling.variable import AbstractVariable
from adiabat.system import System

Memory = dict[str, Array]
"""What a bias keeps from step to step, by name."""
BIAS, WORK = "bias", "work"
"""Names under which its energy, and the work done by changing it, are recorded."""
_TAKEN = {BIAS, WORK, "time", "potential_energy", "kinetic_energy", "conserved", "temperature", "pressure"}


class AbstractBias(eqx.Module):
    """An energy that is added to the potential's, of the values of a few variables and of what the bias
    remembers. A subclass says what it is, and what is remembered of a visit."""

    variables: eqx.AbstractVar[tuple[AbstractVariable, ...]]
    """What it depends on."""
    every: eqx.AbstractVar[int]
    """Steps between two changes of the bias; 0 when it never changes."""
    shared: eqx.AbstractVar[bool]
    """Whether replicas have one bias in common, which the visits of all of them change."""
    label: eqx.AbstractClassVar[str]
    """What its kind is called."""

    grows: ClassVar[bool] = False
    """Whether its arrays may become too small."""

    def without_own(self) -> "AbstractBias":
        """The same without what may differ between replicas, which must then be remembered."""
        return self

    @abc.abstractmethod
    def begin(self, thermal: Float[Array, ""]) -> Memory:
        """What is remembered before the first step, k_B T being `thermal` [eV]."""

    @abc.abstractmethod
    def energy(
        self, values: Float[Array, " d"], memory: Memory, thermal: Float[Array, ""]
    ) -> Float[Array, ""]:
        """The bias [eV] where the variables have these values."""

    def energies(
        self, values: Float[Array, "n d"], memory: Memory, thermal: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """The bias [eV] at each of several values; the memory has a leading axis of them unless it is
        shared."""
        return jax.vmap(self.energy, in_axes=(0, None if self.shared else 0, 0))(values, memory, thermal)

    def visited(
        self,
        values: Float[Array, "n_walkers d"],
        memory: Memory,
        thermal: Float[Array, ""],
        step: Int[Array, ""],
    ) -> Memory:
        """What is remembered after visits at these values; their number is that of the walkers that have the
        bias in common, 1 when none have."""
        return memory

    def is_full(self, memory: Memory) -> Bool[Array, ""]:
        """Whether the last visit found no place in the arrays."""
        return jnp.array(False)

    def with_room(self, memory: Memory) -> Memory:
        """The same memory in larger arrays."""
        return memory

    def check(self, system: System, temperature: float) -> None:
        """Refuses a structure that a variable cannot be computed of, or a temperature [K].

        Raises:
            UnsupportedError: it lacks an atom.
            ConfigError: the bias makes no sense at this temperature.
        """
        for variable in self.variables:
            variable.check(system)


def no_bias() -> None:
    """No bias: nothing is added to the potential."""


def checked_variables(variables: Sequence[AbstractVariable]) -> tuple[AbstractVariable, ...]:
    """The variables of a bias, each with a name of its own.

    Raises:
        ConfigError: there are none, or two of a name.
    """
    if not variables:
        raise ConfigError("a bias needs at least one variable", "such as Torsion(atoms=[4, 6, 8, 14])")
    names = [variable.name for variable in variables]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two variables are named {name!r}", 'give each a name of its own: name = "phi"'
            )
        if name in _TAKEN:
            raise ConfigError(f"a variable cannot be named {name!r}, which is recorded of every run")
    return tuple(variables)


def one_each(
    values: Sequence[float] | float, variables: Sequence[AbstractVariable], what: str, positive: bool = False
) -> tuple[float, ...]:
    """A number for each variable.

    Raises:
        ConfigError: another number of them, one that is not finite, or not above zero where it must be.
    """
    numbers = tuple(float(v) for v in ([values] if isinstance(values, (int, float)) else values))
    if len(numbers) != len(variables):
        names = ", ".join(variable.name for variable in variables)
        raise ConfigError(f"{what} needs a number for each variable ({names}), got {list(numbers)}")
    if not all(map(math.isfinite, numbers)) or (positive and min(numbers) <= 0):
        raise ConfigError(f"{what} needs {'positive' if positive else 'finite'} numbers, got {list(numbers)}")
    return numbers
