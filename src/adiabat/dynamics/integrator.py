"""What every integrator is: a start and a step."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from adiabat.base import ConfigError, SimulationError, UnsupportedError
from adiabat.base.units import BOLTZMANN, FEMTOSECOND, GIGAPASCAL
from adiabat.dynamics.constraints import TOLERANCE, Constraints
from adiabat.dynamics.evaluate import evaluate
from adiabat.dynamics.momenta import (
    kinetic_energy,
    maxwell_boltzmann,
    moving_rigidly,
    rigid_motions,
    without_translation,
    without_turning,
)
from adiabat.dynamics.state import Info, State
from adiabat.dynamics.verlet_list import DEFAULT_SKIN
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
    adds_energy: ClassVar[bool] = False
    """Whether it adds an energy to the potential, of which an integrator around it would not know."""
    exchanges: ClassVar[bool] = False
    """Whether replicas may swap temperatures under it: all that a temperature decides of a state is its
    kinetic energy and `weighed`."""
    keeps_constraints: ClassVar[bool] = False
    """Whether a step leaves the lengths of `State.constraints` what they are."""

    @property
    def skin(self) -> float:
        """How far a neighbor list should reach beyond the cut-off, so that it holds for several steps [Å]."""
        return DEFAULT_SKIN

    @property
    def inner_cutoff(self) -> float | None:
        """Of a potential of its own that sees less far and wants a list of its own [Å]."""
        return None

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
        constraints: Constraints | None = None,
    ) -> State:
        """The state at step 0.

        Args:
            system: the structure to start from.
            potential: gives the forces.
            neighbors: a list complete to the potential's cut-off.
            key: of the whole run.
            momenta: [sqrt(amu eV)]; drawn from the Maxwell-Boltzmann distribution by default. Where the
                integrator conserves the total and the angular momentum, these are taken out of what is drawn,
                which leaves the other degrees of freedom their distribution; momenta that are given keep
                them, and they count as degrees of freedom.
            constraints: distances that stay what they are. Positions are moved to have them, and momenta lose
                what would change them.

        Raises:
            UnsupportedError: constraints, which the integrator does not keep.
            SimulationError: the structure is too far from the lengths of the constraints.
        """
        system = jax.tree.map(jnp.asarray, system)
        if constraints is not None:
            self._check_constraints()
            constraints = jax.tree.map(jnp.asarray, constraints)
            system = constrained(system, constraints)
        moving = 0
        if momenta is None:
            kelvin = jnp.asarray(self.temperature)  # an array: replicas at others need no other program
            momenta = _starting_momenta(system, kelvin, key, self.conserves_momentum, constraints)
        else:
            if constraints is not None:
                momenta = _without_stretching(constraints, jnp.asarray(momenta), system)
            moving = moving_rigidly(system, jnp.asarray(momenta)) if self.conserves_momentum else 0
        freedom = self.degrees_of_freedom(system, constraints, moving)
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
            degrees_of_freedom=jnp.asarray(freedom, system.positions.dtype),
            key=key,
            constraints=constraints,
        )
        return self._begun(state, potential, neighbors)

    def _begun(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        """The state at step 0 with what the integrator keeps beside positions, momenta and forces."""
        return state

    def check_replicas(self, systems: Sequence[System]) -> None:
        """Raises UnsupportedError when the integrator cannot move such systems together."""

    def own(self) -> tuple[Any, ...]:
        """Numbers that may differ between replicas: its temperature."""
        return (self.temperature,)

    def without_own(self) -> "AbstractIntegrator":
        """The same without what may differ between replicas."""
        return eqx.tree_at(lambda i: i.own(), self, (0.0,) * len(self.own()))

    def is_full(self, state: State) -> Bool[Array, ""]:
        """Whether what it keeps has outgrown its arrays in the step that led to this state."""
        return jnp.array(False)

    def with_room(self, state: State) -> State:
        """A state with larger arrays for what it keeps."""
        return state

    def _check_constraints(self) -> None:
        """Raises UnsupportedError when a step does not keep constraints."""
        if not self.keeps_constraints:
            raise UnsupportedError(
                f"{type(self).__name__} does not keep constraints",
                "choose Langevin, VelocityRescaling, NoseHoover or VelocityVerlet, or set no constraints",
            )

    def weighed(self, state: State) -> Float[Array, "*n_systems"]:
        """The energy H of exp(-H / k_B T), by which its ensemble weighs positions and cell [eV]."""
        return state.energy

    def felt(self, state: State, potential: AbstractPotential) -> AbstractPotential:
        """What moves the atoms in a state: the potential, and a bias if there is one."""
        return potential

    def refreshed(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        """A state whose atoms were moved by something else than a step, with the forces that the integrator
        keeps."""
        return state

    def for_inference(self) -> "AbstractIntegrator":
        """The same integrator with the potentials it has, if any, prepared for many calls."""
        return self

    def description(self) -> str:
        """Its settings in a line: a run goes on only with the same."""
        return repr(self)

    def degrees_of_freedom(
        self, system: System, constraints: Constraints | None = None, moving: int = 0
    ) -> int:
        """Independent momenta: three for each atom, less what the integrator and constraints keep at zero,
        which is not what the system begins with of `moving` rigid motions."""
        free = 3 * int(np.sum(np.asarray(system.mask)))
        free -= rigid_motions(system) - moving if self.conserves_momentum else 0
        return max(1, free - (0 if constraints is None else constraints.count))

    def info(self, state: State) -> Info:
        """What is recorded of a state."""
        kinetic = kinetic_energy(state.momenta, state.system)
        pressure = None
        if state.stress is not None:
            # p = 2 K / 3 V - tr(stress) / 3; the stress counts tension positive.
            momenta, stress = of_bodies(state)
            tension = jnp.trace(stress, axis1=-2, axis2=-1)
            moving = kinetic if momenta is state.momenta else kinetic_energy(momenta, state.system)
            pressure = (2 * moving / state.system.volume - tension) / (3 * GIGAPASCAL)
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
    system: System,
    temperature: Float[Array, ""],
    key: PRNGKeyArray,
    without_drift: bool,
    constraints: Constraints | None,
) -> Float[Array, "n_atoms 3"]:
    momenta = maxwell_boltzmann(system, temperature, key)
    if constraints is not None:
        momenta = constraints.projected(momenta, system.positions, system)
    if without_drift and system.n_atoms > 1:
        momenta = without_translation(momenta, system.masses)
        momenta = without_turning(momenta, system, system.positions)
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
        constraints=state.constraints,
    )


def drifted(
    state: State, positions: Float[Array, "n_atoms 3"], momenta: Float[Array, "n_atoms 3"], dt: float
) -> tuple[Float[Array, "n_atoms 3"], Float[Array, "n_atoms 3"]]:
    """Positions a time `dt` [Å sqrt(amu/eV)] later, and momenta.

    With constraints it is a step along them to second order: positions have the right lengths, momenta are
    those that lead there, which `projected` makes those of the end (Leimkuhler and Matthews 2016,
    doi 10.1098/rspa.2016.0138).
    """
    # Rounded before it is added: fused, some numbers of atoms would be rounded otherwise than others.
    places = positions + jax.lax.optimization_barrier(dt * momenta / state.system.masses[:, None])
    if state.constraints is None:
        return places, momenta
    places, pushed = state.constraints.restored(places, positions, state.system)
    return places, momenta + pushed / dt


def projected(
    state: State, momenta: Float[Array, "n_atoms 3"], positions: Float[Array, "n_atoms 3"]
) -> Float[Array, "n_atoms 3"]:
    """Momenta at these positions, without what would change the length of a constraint."""
    if state.constraints is None:
        return momenta
    return state.constraints.projected(momenta, positions, state.system)


def kick_drift_kick(state: State, dt: float, potential: AbstractPotential, neighbors: Neighbors) -> State:
    """One step of velocity Verlet of length `dt` [Å sqrt(amu/eV)] (Swope et al. 1982, doi 10.1063/1.442716),
    of RATTLE where there are constraints (Andersen 1983, doi 10.1016/0021-9991(83)90014-1)."""
    momenta = state.momenta + 0.5 * dt * state.forces
    positions, momenta = drifted(state, state.positions, momenta, dt)
    after = moved(state, positions, momenta, potential, neighbors)
    momenta = projected(after, momenta + 0.5 * dt * after.forces, positions)
    return eqx.tree_at(lambda s: s.momenta, after, momenta)


def of_bodies(state: State) -> tuple[Float[Array, "n_atoms 3"], Float[Array, "*n_systems 3 3"]]:
    """Momenta and stress [eV/Å^3] that make the pressure, (sum_i p_i p_i / m_i) / V - stress.

    With constraints, the momenta with which whole bodies move, and of each force what acts on the center of
    mass of its body. Forces of constraints, which are within a body, then add nothing, and the mean is that
    of the atoms (Ciccotti and Ryckaert 1986, doi 10.1016/0167-7977(86)90022-5).
    """
    assert state.stress is not None
    if state.constraints is None:
        return state.momenta, state.stress
    system = state.system
    offsets = state.constraints.offsets(state.positions, system)
    # The stress is -(sum_i r_i f_i) / V, which becomes that of forces at the centers.
    within = system.sum_atoms(offsets[:, :, None] * state.forces[:, None, :])
    within = 0.5 * (within + jnp.swapaxes(within, -1, -2)) / system.volume[..., None, None]
    return state.constraints.collective(state.momenta, system), state.stress + within


def constrained(system: System, constraints: Constraints | None) -> System:
    """The structure with the lengths of the constraints; itself without any.

    Raises:
        SimulationError: it is too far from them.
    """
    if constraints is None:
        return system
    system = jax.tree.map(jnp.asarray, system)
    positions, errors = _restored(jax.tree.map(jnp.asarray, constraints), system)
    if not np.all(errors < TOLERANCE):
        atoms = sorted(set(np.asarray(constraints.members)[int(np.argmax(errors))].tolist()))
        raise SimulationError(
            f"the distances between the atoms {atoms} cannot be brought to the lengths of their constraints",
            "relax the structure first, or give lengths nearer to those it has",
        )
    return eqx.tree_at(lambda s: s.positions, system, positions)


@eqx.filter_jit
def _restored(
    constraints: Constraints, system: System
) -> tuple[Float[Array, "n_atoms 3"], Float[Array, " n_groups"]]:
    positions = constraints.imposed(system.positions, system)
    return positions, constraints.errors(positions, system)


@eqx.filter_jit
def _without_stretching(
    constraints: Constraints, momenta: Float[Array, "n_atoms 3"], system: System
) -> Float[Array, "n_atoms 3"]:
    return constraints.projected(momenta, system.positions, system)


def check_positive(**values: float) -> None:
    """Refuses a setting that is not a finite number above zero.

    Raises:
        ConfigError: naming it.
    """
    for name, value in values.items():
        if not np.isfinite(value) or value <= 0:
            raise ConfigError(f"{name} must be a positive number, got {value}")
