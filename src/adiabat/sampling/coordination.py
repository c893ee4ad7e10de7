"""How many atoms are near."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adiabat.base.units import Unit
from adiabat.dynamics.integrator import check_positive
from adiabat.potentials.bonded import nearest_images
from adiabat.sampling.variable import AbstractVariable, atom_numbers, checked_name
from adiabat.system import System


class Coordination(AbstractVariable):
    """How many pairs of two groups of atoms are within a distance, each counted smoothly as

        1 / (1 + (r / r0)^n),

    which is PLUMED's rational function (1 - (r/r0)^n) / (1 - (r/r0)^2n) (doi 10.1016/j.cpc.2013.09.018).

    Args:
        first: atoms of the one group, numbered from 0.
        second: those of the other; without them the pairs within the first are counted, each once.
        distance: r0, at which a pair counts one half [Å].
        exponent: n; the larger, the sharper.
        name: under which it is recorded.

    Raises:
        ConfigError: no atoms, or numbers that make no sense.
    """

    first: tuple[int, ...] = eqx.field(static=True)
    second: tuple[int, ...] = eqx.field(static=True)
    distance: float
    exponent: int = eqx.field(static=True)
    name: str = eqx.field(static=True)
    unit: ClassVar[str] = ""
    period: ClassVar[float | None] = None

    def __init__(
        self,
        *,
        first: Sequence[int],
        second: Sequence[int] = (),
        distance: Annotated[float, Unit("length")] = 2.0,
        exponent: int = 6,
        name: str = "coordination",
    ):
        check_positive(distance=distance, exponent=exponent)
        self.name = checked_name(name)
        self.first = atom_numbers(first, what=f"the coordination {name!r}")
        self.second = atom_numbers(second, what=f"the coordination {name!r}") if second else ()
        self.distance = float(distance)
        self.exponent = int(exponent)

    def members(self) -> tuple[int, ...]:
        return self.first + self.second

    def __call__(self, system: System) -> Float[Array, ""]:
        if self.second:
            pairs = [(i, j) for i in self.first for j in self.second if i != j]
        else:
            pairs = [(i, j) for k, i in enumerate(self.first) for j in self.first[k + 1 :]]
        if not pairs:
            return jnp.zeros((), system.positions.dtype)
        i, j = np.array(pairs).T
        vectors = nearest_images((system.positions[j] - system.positions[i])[:, None], system)[:, 0]
        squared = jnp.sum(vectors**2, axis=-1) / self.distance**2
        # r^n by r^2, so that no root of zero is taken where two atoms meet.
        power = squared ** (self.exponent // 2) * (jnp.sqrt(squared + 1e-30) if self.exponent % 2 else 1.0)
        return jnp.sum(1 / (1 + power))
