"""Velocity Verlet: constant energy."""

from typing import Annotated, ClassVar

import equinox as eqx

from adiabat.base import ConfigError
from adiabat.base.units import Unit
from adiabat.dynamics.integrator import AbstractIntegrator, check_positive, moved
from adiabat.dynamics.state import State
from adiabat.potentials import AbstractPotential
from adiabat.system import Neighbors


class VelocityVerlet(AbstractIntegrator):
    """Constant number, volume and energy: kick, drift, kick (Swope et al. 1982, doi 10.1063/1.442716).

    Time-reversible, symplectic, second order in the timestep; conserves the total momentum and, for a
    molecule, the angular momentum.

    Args:
        timestep: [fs].
        temperature: at which the starting momenta are drawn [K]. A structure at a minimum ends at about half
            of it, because half of the energy goes into the springs.
    """

    timestep: float
    temperature: float
    conserves_momentum: ClassVar[bool] = True

    def __init__(
        self,
        *,
        timestep: Annotated[float, Unit("time")] = 0.5,
        temperature: Annotated[float, Unit("temperature")] = 300.0,
    ):
        check_positive(timestep=timestep)
        if not temperature >= 0:
            raise ConfigError(f"temperature must not be negative, got {temperature}")
        self.timestep = float(timestep)
        self.temperature = float(temperature)

    def step(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        dt = self.internal_timestep
        masses = state.system.masses[:, None]
        momenta = state.momenta + 0.5 * dt * state.forces
        positions = state.positions + dt * momenta / masses
        after = moved(state, positions, momenta, potential, neighbors)
        return eqx.tree_at(lambda s: s.momenta, after, momenta + 0.5 * dt * after.forces)
