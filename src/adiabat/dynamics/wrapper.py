"""What integrators have in common that leave the steps to another."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
from jaxtyping import Array, Bool, Float

from adiabat.dynamics.integrator import AbstractIntegrator
from adiabat.dynamics.state import Info, State
from adiabat.io.plumed import Column
from adiabat.potentials import AbstractPotential
from adiabat.system import System


class AbstractWrapper(AbstractIntegrator):
    """Does something beside the steps of another integrator, and is in all else what that one is."""

    integrator: eqx.AbstractVar[AbstractIntegrator]
    """Who does the steps."""

    @property
    def timestep(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """[fs]."""
        return self.integrator.timestep

    @property
    def temperature(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """[K]."""
        return self.integrator.temperature

    @property
    def conserves_momentum(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the integrator does."""
        return self.integrator.conserves_momentum

    @property
    def changes_cell(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the integrator does."""
        return self.integrator.changes_cell

    @property
    def adds_energy(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the integrator does."""
        return self.integrator.adds_energy

    @property
    def keeps_constraints(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the integrator does."""
        return self.integrator.keeps_constraints

    @property
    def skin(self) -> float:
        """That of the integrator [Å]."""
        return self.integrator.skin

    @property
    def inner_cutoff(self) -> float | None:
        """That of the integrator [Å]."""
        return self.integrator.inner_cutoff

    @property
    def measures(self) -> Sequence[Column]:
        """What the integrator measures."""
        return self.integrator.measures

    def check(self, system: System) -> None:
        self.integrator.check(system)

    def check_replicas(self, systems: Sequence[System]) -> None:
        self.integrator.check_replicas(systems)

    def own(self) -> tuple[Any, ...]:
        return self.integrator.own()

    def weighed(self, state: State) -> Float[Array, "*n_systems"]:
        return self.integrator.weighed(state)

    def felt(self, state: State, potential: AbstractPotential) -> AbstractPotential:
        return self.integrator.felt(state, potential)

    def info(self, state: State) -> Info:
        return self.integrator.info(state)

    def is_full(self, state: State) -> Bool[Array, ""]:
        return self.integrator.is_full(state)

    def with_room(self, state: State) -> State:
        return self.integrator.with_room(state)

    def for_inference(self) -> AbstractIntegrator:
        return eqx.tree_at(lambda i: i.integrator, self, self.integrator.for_inference())
