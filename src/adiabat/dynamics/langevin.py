"""Langevin dynamics: constant temperature."""

from typing import Annotated, ClassVar

import equinox as eqx
import jax.numpy as jnp

from adiabat.base.units import BOLTZMANN, Unit
from adiabat.dynamics.integrator import AbstractIntegrator, check_positive, drifted, moved, projected
from adiabat.dynamics.momenta import kinetic_energy
from adiabat.dynamics.state import State
from adiabat.potentials import AbstractPotential
from adiabat.system import Neighbors


class Langevin(AbstractIntegrator):
    """Constant number, volume and temperature: the BAOAB splitting of Langevin dynamics.

    Half a kick (B), half a drift (A), the exact Ornstein-Uhlenbeck process for a whole timestep (O), half a
    drift, half a kick (Leimkuhler and Matthews 2013, doi 10.1063/1.4802990, eq. 10). Averages over positions
    are exact for harmonic forces at any stable timestep. The energy that O gives is summed as heat, so that
    the total energy less the heat shows the error of the timestep alone (Bussi and Parrinello 2007,
    doi 10.1103/PhysRevE.75.056707). With constraints each part moves along them (g-BAOAB, Leimkuhler and
    Matthews 2016, doi 10.1098/rspa.2016.0138).

    Args:
        timestep: [fs].
        temperature: [K].
        friction: rate at which momenta forget [1/fs].
    """

    timestep: float
    temperature: float
    friction: float
    conserves_momentum: ClassVar[bool] = False
    exchanges: ClassVar[bool] = True
    keeps_constraints: ClassVar[bool] = True

    def __init__(
        self,
        *,
        timestep: Annotated[float, Unit("time")] = 0.5,
        temperature: Annotated[float, Unit("temperature")] = 300.0,
        friction: Annotated[float, Unit("friction")] = 0.01,
    ):
        check_positive(timestep=timestep, temperature=temperature, friction=friction)
        self.timestep = float(timestep)
        self.temperature = float(temperature)
        self.friction = float(friction)

    def step(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        dt = self.internal_timestep
        system = state.system
        masses = system.masses[:, None]
        memory = self.friction * self.timestep
        thermal_energy = system.spread(BOLTZMANN * jnp.asarray(self.temperature))[:, None]
        decay, width = jnp.exp(-memory), jnp.sqrt(-jnp.expm1(-2 * memory) * thermal_energy * masses)
        momenta = state.momenta + 0.5 * dt * state.forces
        positions, momenta = drifted(state, state.positions, momenta, 0.5 * dt)
        momenta = projected(state, momenta, positions)
        thermal = decay * momenta + width * state.atom_noise()
        thermal = projected(state, jnp.where(system.mask[:, None], thermal, 0.0), positions)
        heat = kinetic_energy(thermal, system) - kinetic_energy(momenta, system)
        positions, thermal = drifted(state, positions, thermal, 0.5 * dt)
        after = moved(state, positions, thermal, potential, neighbors)
        momenta = projected(after, thermal + 0.5 * dt * after.forces, positions)
        return eqx.tree_at(lambda s: (s.momenta, s.heat), after, (momenta, state.heat + heat))
