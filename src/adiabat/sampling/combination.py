"""Variables made of other variables."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.base import ConfigError
from adiabat.base.schema import Kindred, build_kind
from adiabat.sampling.variable import AbstractVariable, checked_name, values_of
from adiabat.system import System


class Combination(AbstractVariable):
    """A linear combination of variables: sum_i c_i s_i, in their unit if it is the same of all.

    Args:
        variables: the s_i.
        coefficients: the c_i, one for each.
        period: by which the sum repeats, if it does.
        name: under which it is recorded.

    Raises:
        ConfigError: other numbers of coefficients than of variables.
    """

    variables: tuple[AbstractVariable, ...]
    coefficients: tuple[float, ...]
    period: float | None = eqx.field(static=True)
    name: str = eqx.field(static=True)
    unit: str = eqx.field(static=True)

    def __init__(
        self,
        *,
        variables: Sequence[AbstractVariable],
        coefficients: Sequence[float],
        period: float | None = None,
        name: str = "combination",
    ):
        if not len(variables) == len(coefficients) > 0:
            raise ConfigError(
                f"a combination of {len(variables)} variables needs as many coefficients, got "
                f"{len(coefficients)}"
            )
        self.variables, self.coefficients = tuple(variables), tuple(float(c) for c in coefficients)
        self.period, self.name = period, checked_name(name)
        units = {variable.unit for variable in self.variables}
        self.unit = units.pop() if len(units) == 1 else ""

    def members(self) -> tuple[int, ...]:
        return tuple(atom for variable in self.variables for atom in variable.members())

    def check(self, system: System) -> None:
        for variable in self.variables:
            variable.check(system)

    def __call__(self, system: System) -> Float[Array, ""]:
        total = values_of(self.variables, system) @ jnp.stack([jnp.asarray(c) for c in self.coefficients])
        return total if self.period is None else total - self.period * jnp.round(total / self.period)


def combination_of(
    *,
    of: Annotated[list[dict[str, Any]], Kindred()],
    coefficients: list[float],
    period: float | None = None,
    name: str = "combination",
) -> Combination:
    """A linear combination of variables, such as the difference of two distances, see `Combination`.

    Args:
        of: each with its kind and settings, as a table of [[variables]].
        coefficients: one for each.
        period: by which the sum repeats, if it does.
        name: under which it is recorded.

    Raises:
        ConfigError: other numbers of coefficients than of variables, or a variable is described wrongly.
    """
    from adiabat.sampling import variables

    made = [build_kind(variables, one, "variables.of") for one in of]
    return Combination(variables=made, coefficients=coefficients, period=period, name=name)


class NetworkVariable(AbstractVariable):
    """What a network makes of other variables: any function of a vector that gives one number, such as an
    `equinox.nn.MLP`.

    A variable that repeats enters as cosine and sine of its phase, others as they are.

    Args:
        variables: what the network sees.
        network: takes an array of shape (n_features,), gives one of shape () or (1,).
        name: under which it is recorded.

    Raises:
        ConfigError: no variables.
    """

    variables: tuple[AbstractVariable, ...]
    network: Callable[[Array], Array]
    name: str = eqx.field(static=True)
    unit: ClassVar[str] = ""
    period: ClassVar[float | None] = None

    def __init__(
        self,
        *,
        variables: Sequence[AbstractVariable],
        network: Callable[[Array], Array],
        name: str = "network",
    ):
        if not variables:
            raise ConfigError(f"the network of {name!r} needs variables to look at")
        self.variables, self.network, self.name = tuple(variables), network, checked_name(name)

    def members(self) -> tuple[int, ...]:
        return tuple(atom for variable in self.variables for atom in variable.members())

    def check(self, system: System) -> None:
        for variable in self.variables:
            variable.check(system)

    def __call__(self, system: System) -> Float[Array, ""]:
        seen = features(self.variables, values_of(self.variables, system))
        return jnp.reshape(self.network(seen), ())


def features(
    variables: Sequence[AbstractVariable], values: Float[Array, "... d"]
) -> Float[Array, "... n_features"]:
    """What a network sees of the values of variables: cosine and sine of those that repeat."""
    columns = []
    for number, variable in enumerate(variables):
        value = values[..., number]
        if variable.period is None:
            columns.append(value)
        else:
            phase = 2 * jnp.pi * value / variable.period
            columns += [jnp.cos(phase), jnp.sin(phase)]
    return jnp.stack(columns, axis=-1)
