"""A variable that was learned from trajectories, of features of the structure."""

from collections.abc import Sequence
from typing import ClassVar

import ase.data
import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from adiabat.base import ConfigError, UnsupportedError
from adiabat.sampling.combination import features
from adiabat.sampling.slow_function import SlowFunction
from adiabat.sampling.variable import AbstractVariable, checked_name, values_of
from adiabat.system import System


class LearnedVariable(AbstractVariable):
    """A slow mode of other variables: mean 0 and variance 1 in what it was learned from.

    Variables that repeat enter as cosine and sine of their phase, others as they are.

    Args:
        variables: what the function sees.
        function: of the features, one output for each mode.
        component: which mode, 0 being the slowest.
        elements: atomic numbers of the members, in the order of `members()`, so that another molecule is
            noticed.
        name: under which it is recorded.

    Raises:
        ConfigError: there is no such mode.
    """

    variables: tuple[AbstractVariable, ...]
    function: SlowFunction
    component: int = eqx.field(static=True)
    elements: tuple[int, ...] = eqx.field(static=True)
    name: str = eqx.field(static=True)
    unit: ClassVar[str] = ""
    period: ClassVar[float | None] = None

    def __init__(
        self,
        *,
        variables: Sequence[AbstractVariable],
        function: SlowFunction,
        component: int,
        elements: Sequence[int],
        name: str = "slow",
    ):
        n_modes = len(function.offset)
        if not 0 <= component < n_modes:
            raise ConfigError(
                f"there is no mode {component} among {n_modes}",
                "modes are numbered from 0, the slowest first; learn more with --modes",
            )
        self.variables, self.function = tuple(variables), function
        self.component, self.elements = int(component), tuple(int(z) for z in elements)
        self.name = checked_name(name)

    def members(self) -> tuple[int, ...]:
        return members_of(self.variables)

    def check(self, system: System) -> None:
        for variable in self.variables:
            variable.check(system)
        found = np.asarray(system.numbers)[list(self.members())]
        wrong = np.flatnonzero(found != self.elements)
        if len(wrong):
            atom = self.members()[wrong[0]]
            symbols = [ase.data.chemical_symbols[z] for z in (found[wrong[0]], self.elements[wrong[0]])]
            raise UnsupportedError(
                f"the variable {self.name!r} was learned where atom {atom} is {symbols[1]}; here it is "
                f"{symbols[0]}",
                "use a structure with the same atoms in the same order, or learn a variable for this one",
            )

    def __call__(self, system: System) -> Float[Array, ""]:
        seen = features(self.variables, values_of(self.variables, system))
        return self.function(seen)[self.component]


def members_of(variables: Sequence[AbstractVariable]) -> tuple[int, ...]:
    """The atoms that several variables look at, each once."""
    return tuple(sorted({atom for variable in variables for atom in variable.members()}))
