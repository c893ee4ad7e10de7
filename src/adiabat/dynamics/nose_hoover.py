"""Nosé-Hoover chains: constant temperature without random numbers."""

from typing import Annotated, ClassVar

import equinox as eqx
import jax.numpy as jnp

from adiabat.base import ConfigError
from adiabat.base.units import BOLTZMANN, FEMTOSECOND, Unit
from adiabat.dynamics.integrator import AbstractIntegrator, check_positive, kick_drift_kick
from adiabat.dynamics.momenta import kinetic_energy
from adiabat.dynamics.state import State
from adiabat.potentials import AbstractPotential
from adiabat.system import Neighbors

_LENGTH = 3
# Of Suzuki and Yoshida, fourth order; they add up to 1.
_OUTER = 1 / (2 - 2 ** (1 / 3))
_WEIGHTS = (_OUTER, 1 - 2 * _OUTER, _OUTER)


class NoseHoover(AbstractIntegrator):
    """Constant number, volume and temperature: a chain of three thermostats, deterministic and reversible.

    The momenta feel a friction that is itself in motion and has a thermostat of its own (Martyna, Klein and
    Tuckerman 1992, doi 10.1063/1.463940; integrated as in Martyna et al. 1996, doi 10.1080/00268979600100761,
    section 4.2, by the weights of Suzuki and Yoshida). The masses are Q_1 = g k_B T tau^2 with g degrees of
    freedom, and Q_j = k_B T tau^2. What it conserves is the total energy and that of the chain

        sum_j p_j^2 / 2 Q_j + g k_B T x_1 + k_B T (x_2 + x_3).

    It does not reach all states of a few stiff springs: there take `Langevin`.

    Args:
        timestep: [fs].
        temperature: [K].
        relaxation_time: the period of the chain over 2 pi, tau [fs]; at least ten timesteps.
    """

    timestep: float
    temperature: float
    relaxation_time: float
    conserves_momentum: ClassVar[bool] = True
    keeps_constraints: ClassVar[bool] = True

    def __init__(
        self,
        *,
        timestep: Annotated[float, Unit("time")] = 0.5,
        temperature: Annotated[float, Unit("temperature")] = 300.0,
        relaxation_time: Annotated[float, Unit("time")] = 100.0,
    ):
        check_positive(timestep=timestep, temperature=temperature, relaxation_time=relaxation_time)
        if relaxation_time < 10 * timestep:
            raise ConfigError(
                f"a relaxation time of {relaxation_time:g} fs is too short for a timestep of {timestep:g} fs",
                f"take at least {10 * timestep:g} fs",
            )
        self.timestep = float(timestep)
        self.temperature = float(temperature)
        self.relaxation_time = float(relaxation_time)

    def _begun(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        rest = jnp.zeros((*state.energy.shape, _LENGTH), state.positions.dtype)
        chain = {"chain positions": rest, "chain velocities": rest, "chain energy": rest[..., 0]}
        return eqx.tree_at(lambda s: s.extra, state, state.extra | chain)

    def step(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        state = self._half(state)
        return self._half(kick_drift_kick(state, self.internal_timestep, potential, neighbors))

    def _half(self, state: State) -> State:
        """The chain and what it does to the momenta, for half a timestep."""
        thermal, freedom = BOLTZMANN * self.temperature, state.degrees_of_freedom
        inertia = thermal * (self.relaxation_time * FEMTOSECOND) ** 2
        masses = [freedom * inertia] + [inertia] * (_LENGTH - 1)
        positions = state.extra["chain positions"]
        velocities = [state.extra["chain velocities"][..., link] for link in range(_LENGTH)]
        kinetic = kinetic_energy(state.momenta, state.system)
        factor = jnp.ones_like(kinetic)

        def kicked(link: int, dt: float) -> None:
            drive = (
                2 * kinetic - freedom * thermal
                if link == 0
                else masses[link - 1] * velocities[link - 1] ** 2 - thermal
            )
            # Half of the friction by the next link, the kick, the other half.
            drag = jnp.exp(-dt / 4 * velocities[link + 1]) if link + 1 < _LENGTH else 1.0
            velocities[link] = (velocities[link] * drag + dt / 2 * drive / masses[link]) * drag

        for weight in _WEIGHTS:
            dt = 0.5 * weight * self.internal_timestep
            for link in reversed(range(_LENGTH)):
                kicked(link, dt)
            scale = jnp.exp(-dt * velocities[0])
            kinetic, factor = kinetic * scale**2, factor * scale
            positions = positions + dt * jnp.stack(velocities, axis=-1)
            for link in range(_LENGTH):
                kicked(link, dt)
        moving = sum(0.5 * mass * velocity**2 for mass, velocity in zip(masses, velocities, strict=True))
        wells = thermal * (freedom * positions[..., 0] + jnp.sum(positions[..., 1:], axis=-1))
        # What the chain has taken, beside what barostats and biases give. The energy before is kept: computed
        # anew it may differ in the last bit, and with it replicas alone and in company.
        energy = moving + wells
        heat = (state.heat + state.extra["chain energy"]) - energy
        chain = {"chain positions": positions, "chain velocities": jnp.stack(velocities, axis=-1)}
        chain["chain energy"] = energy
        return eqx.tree_at(
            lambda s: (s.momenta, s.heat, s.extra),
            state,
            (
                state.system.spread(factor)[:, None] * state.momenta,
                heat,
                state.extra | chain,
            ),
        )
