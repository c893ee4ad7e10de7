"""What every integrator is: a start and a step."""

import abc
from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from adiabat.base import ConfigError
from adiabat.base.units import BOLTZMANN, FEMTOSECOND, GIGAPASCAL
from adiabat.dynamics.evaluate import evaluate
from adiabat.dynamics.momenta import (
    kinetic_energy,
    maxwell_boltzmann,
    rigid_motions,
    without_rotation,
    without_translation,
)
from adiabat.dynamics.state import Info, State
from adiabat.io.plumed import Column
from adiabat.potentials import AbstractPotential
from adiabat.system import Neighbors, System


class AbstractIntegrator(eqx.Module):
    """Turns a `State` into the next. A subclass says what one step is."""

    timestep: eqx.AbstractVar[float]
    """[fs]."""
    temperature: eqx.AbstractVar[float]
    """At which the momenta are drawn at the start, and kept when there is a thermostat [K]."""
    conserves_momentum: eqx.AbstractClassVar[bool]
    """Whether the total momentum, and a molecule's angular momentum, stay what they are."""

    changes_cell: ClassVar[bool] = False
    """Whether the cell moves."""

    @property
    def measures(self) -> Sequence[Column]:
        """What it measures beside energies, temperature and pressure."""
        return ()

    def check(self, system: System) -> None:
        """Raises UnsupportedError when the integrator cannot move such a system."""

    @abc.abstractmethod
    def step(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        """The state one timestep later, with forces from a list that is complete at the new positions.

        Whether it was complete is checked by the caller, who throws the result away otherwise.
        """

    def init(
        self,
        system: System,
        potential: AbstractPotential,
        neighbors: Neighbors,
        *,
        key: PRNGKeyArray,
        momenta: Float[Array, "n_atoms 3"] | np.ndarray | None = None,
    ) -> State:
        """The state at step 0.

        Args:
            system: the structure to start from.
            potential: gives the forces.
            neighbors: a list complete to the potential's cut-off.
            key: of the whole run.
            momenta: [sqrt(amu eV)]; drawn from the Maxwell-Boltzmann distribution by default. Where the
                integrator conserves the total and the angular momentum, these are taken out, which leaves the
                other degrees of freedom their distribution.
        """
        system = jax.tree.map(jnp.asarray, system)
        if momenta is None:
            momenta = _starting_momenta(system, self.temperature, key, self.conserves_momentum)
        prediction = evaluate(potential, system, neighbors)
        assert prediction.forces is not None
        state = State(
            system=system,
            momenta=jnp.asarray(momenta, system.positions.dtype),
            forces=prediction.forces.astype(system.positions.dtype),
            energy=prediction.energy,
            stress=prediction.stress,
            heat=jnp.zeros((), system.positions.dtype),
            shadow=jnp.zeros((), system.positions.dtype),
            step=jnp.zeros((), jnp.int32),
            degrees_of_freedom=jnp.asarray(self.degrees_of_freedom(system), system.positions.dtype),
            key=key,
        )
        return self._begun(state, potential, neighbors)

    def _begun(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        """The state at step 0 with what the integrator keeps beside positions, momenta and forces."""
        return state

    def check_replicas(self, systems: Sequence[System]) -> None:
        """Raises UnsupportedError when the integrator cannot move such systems together."""

    def without_own(self) -> "AbstractIntegrator":
        """The same without what may differ between replicas, which is its temperature."""
        return eqx.tree_at(lambda i: i.temperature, self, 0.0)

    def is_full(self, state: State) -> Bool[Array, ""]:
        """Whether what it keeps has outgrown its arrays in the step that led to this state."""
        return jnp.array(False)

    def with_room(self, state: State) -> State:
        """A state with larger arrays for what it keeps."""
        return state

    def degrees_of_freedom(self, system: System) -> int:
        """Independent momenta: three for each atom, less what the integrator keeps at zero."""
        atoms = int(np.sum(np.asarray(system.mask)))
        return max(1, 3 * atoms - (rigid_motions(system) if self.conserves_momentum else 0))

    def info(self, state: State) -> Info:
        """What is recorded of a state."""
        kinetic = kinetic_energy(state.momenta, state.system)
        pressure = None
        if state.stress is not None:
            # p = 2 K / 3 V - tr(stress) / 3; the stress counts tension positive.
            tension = jnp.trace(state.stress, axis1=-2, axis2=-1)
            pressure = (2 * kinetic / state.system.volume - tension) / (3 * GIGAPASCAL)
        return Info(
            step=state.step,
            time=state.step * self.timestep,
            potential_energy=state.energy,
            kinetic_energy=kinetic,
            conserved=state.energy + kinetic - state.heat + state.shadow,
            temperature=2 * kinetic / (state.degrees_of_freedom * BOLTZMANN),
            pressure=pressure,
        )

    @property
    def internal_timestep(self) -> float:
        """The timestep in Å sqrt(amu/eV)."""
        return self.timestep * FEMTOSECOND


@eqx.filter_jit
def _starting_momenta(
    system: System, temperature: float, key: PRNGKeyArray, without_drift: bool
) -> Float[Array, "n_atoms 3"]:
    momenta = maxwell_boltzmann(system, temperature, key)
    if without_drift and system.n_atoms > 1:
        momenta = without_translation(momenta, system.masses)
        if not any(system.pbc):
            momenta = without_rotation(momenta, system.positions, system.masses)
    return momenta


def moved(
    state: State,
    positions: Float[Array, "n_atoms 3"],
    momenta: Float[Array, "n_atoms 3"],
    potential: AbstractPotential,
    neighbors: Neighbors,
) -> State:
    """The state with new positions and momenta and the forces that belong to them, one step further."""
    system = eqx.tree_at(lambda s: s.positions, state.system, positions)
    prediction = potential(system, neighbors, stress=state.stress is not None)
    assert prediction.forces is not None
    return State(
        system=system,
        momenta=momenta,
        forces=prediction.forces.astype(positions.dtype),
        energy=prediction.energy,
        stress=prediction.stress,
        heat=state.heat,
        shadow=state.shadow,
        step=state.step + 1,
        degrees_of_freedom=state.degrees_of_freedom,
        key=state.key,
        extra=state.extra,
    )


def kick_drift_kick(state: State, dt: float, potential: AbstractPotential, neighbors: Neighbors) -> State:
    """One step of velocity Verlet of length `dt` [Å sqrt(amu/eV)] (Swope et al. 1982,
    doi 10.1063/1.442716)."""
    momenta = state.momenta + 0.5 * dt * state.forces
    positions = state.positions + dt * momenta / state.system.masses[:, None]
    after = moved(state, positions, momenta, potential, neighbors)
    return eqx.tree_at(lambda s: s.momenta, after, momenta + 0.5 * dt * after.forces)


def check_positive(**values: float) -> None:
    """Refuses a setting that is not a finite number above zero.

    Raises:
        ConfigError: naming it.
    """
    for name, value in values.items():
        if not np.isfinite(value) or value <= 0:
            raise ConfigError(f"{name} must be a positive number, got {value}")
