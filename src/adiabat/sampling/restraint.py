"""Harmonic restraints: umbrella windows, and steering."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from adiabat.base import ConfigError
from adiabat.base.schema import Supplied
from adiabat.sampling.bias import AbstractBias, Memory, checked_variables, one_each
from adiabat.sampling.variable import AbstractVariable, differences

_CENTERS, _START, _END = "centers", "start", "end"


class Restraint(AbstractBias):
    """Springs on variables, one window of umbrella sampling: V = sum_i k_i (s_i - c_i)^2 / 2 (Torrie and
    Valleau 1977, doi 10.1016/0021-9991(77)90121-8).

    Args:
        variables: the s_i.
        centers: c_i, in the unit of each variable (Å, rad).
        stiffness: k_i [eV/unit^2].

    Raises:
        ConfigError: other numbers of centers or springs than of variables.
    """

    variables: tuple[AbstractVariable, ...]
    centers: tuple[float, ...]
    stiffness: tuple[float, ...]
    every: ClassVar[int] = 0
    shared: ClassVar[bool] = False
    label: ClassVar[str] = "restraint"

    def __init__(
        self,
        *,
        variables: Annotated[Sequence[AbstractVariable], Supplied],
        centers: list[float],
        stiffness: list[float],
    ):
        self.variables = checked_variables(variables)
        self.centers = one_each(centers, variables, "centers")
        self.stiffness = one_each(stiffness, variables, "stiffness", positive=True)

    def without_own(self) -> AbstractBias:
        """The same without its centers: windows may be replicas of one run."""
        return eqx.tree_at(lambda b: b.centers, self, (0.0,) * len(self.centers))

    def begin(self, thermal: Float[Array, ""]) -> Memory:
        return {_CENTERS: jnp.asarray(self.centers)}

    def energy(
        self, values: Float[Array, " d"], memory: Memory, thermal: Float[Array, ""]
    ) -> Float[Array, ""]:
        return _springs(values, memory[_CENTERS], self.stiffness, self.variables)


class MovingRestraint(AbstractBias):
    """Springs whose centers move at constant speed from the start of the run on, and then stay: steered
    dynamics. The work that moving them takes is recorded, for Jarzynski's equality (doi
    10.1103/PhysRevLett.78.2690).

    Args:
        variables: the s_i.
        start: where the centers begin, in the unit of each variable (Å, rad).
        end: where they stop.
        stiffness: k_i [eV/unit^2].
        steps: how long they are on their way.

    Raises:
        ConfigError: other numbers of centers or springs than of variables.
    """

    variables: tuple[AbstractVariable, ...]
    start: tuple[float, ...]
    end: tuple[float, ...]
    stiffness: tuple[float, ...]
    steps: int = eqx.field(static=True)
    every: ClassVar[int] = 1
    shared: ClassVar[bool] = False
    label: ClassVar[str] = "moving_restraint"

    def __init__(
        self,
        *,
        variables: Annotated[Sequence[AbstractVariable], Supplied],
        start: list[float],
        end: list[float],
        stiffness: list[float],
        steps: int,
    ):
        if steps < 1:
            raise ConfigError(f"a restraint moves for 1 or more steps, not {steps}")
        self.variables = checked_variables(variables)
        self.start = one_each(start, variables, "start")
        self.end = one_each(end, variables, "end")
        self.stiffness = one_each(stiffness, variables, "stiffness", positive=True)
        self.steps = int(steps)

    def without_own(self) -> AbstractBias:
        """The same without the ends of its way."""
        nowhere = (0.0,) * len(self.start)
        return eqx.tree_at(lambda b: (b.start, b.end), self, (nowhere, nowhere))

    def begin(self, thermal: Float[Array, ""]) -> Memory:
        start, end = jnp.asarray(self.start), jnp.asarray(self.end)
        return {_CENTERS: start, _START: start, _END: end}

    def energy(
        self, values: Float[Array, " d"], memory: Memory, thermal: Float[Array, ""]
    ) -> Float[Array, ""]:
        return _springs(values, memory[_CENTERS], self.stiffness, self.variables)

    def visited(
        self,
        values: Float[Array, "n_walkers d"],
        memory: Memory,
        thermal: Float[Array, ""],
        step: Int[Array, ""],
    ) -> Memory:
        share = jnp.clip(step.astype(memory[_START].dtype) / self.steps, 0.0, 1.0)
        return memory | {_CENTERS: memory[_START] + share * (memory[_END] - memory[_START])}


def _springs(
    values: Float[Array, " d"],
    centers: Float[Array, " d"],
    stiffness: Sequence[float],
    variables: Sequence[AbstractVariable],
) -> Float[Array, ""]:
    apart = differences(values, centers, variables)
    return 0.5 * jnp.sum(jnp.stack(list(map(jnp.asarray, stiffness))) * apart**2)
