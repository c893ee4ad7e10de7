"""Stochastic velocity rescaling: constant temperature with little disturbance."""

from typing import Annotated, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.base.units import BOLTZMANN, Unit
from adiabat.dynamics.integrator import AbstractIntegrator, check_positive, kick_drift_kick
from adiabat.dynamics.momenta import kinetic_energy
from adiabat.dynamics.state import State
from adiabat.potentials import AbstractPotential
from adiabat.system import Neighbors


class VelocityRescaling(AbstractIntegrator):
    """Constant number, volume and temperature: all momenta are scaled by one random factor after each step.

    The kinetic energy forgets within `relaxation_time` and has the canonical distribution; all else moves
    as at constant energy, so that diffusion and spectra are hardly changed (Bussi, Donadio and Parrinello
    2007, doi 10.1063/1.2408420, eq. A7). Conserves the direction of the total momentum, hence its zero.

    Args:
        timestep: [fs].
        temperature: [K].
        relaxation_time: in which the kinetic energy forgets [fs].
    """

    timestep: float
    temperature: float
    relaxation_time: float
    conserves_momentum: ClassVar[bool] = True
    exchanges: ClassVar[bool] = True
    keeps_constraints: ClassVar[bool] = True

    def __init__(
        self,
        *,
        timestep: Annotated[float, Unit("time")] = 0.5,
        temperature: Annotated[float, Unit("temperature")] = 300.0,
        relaxation_time: Annotated[float, Unit("time")] = 100.0,
    ):
        check_positive(timestep=timestep, temperature=temperature, relaxation_time=relaxation_time)
        self.timestep = float(timestep)
        self.temperature = float(temperature)
        self.relaxation_time = float(relaxation_time)

    def step(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        after = kick_drift_kick(state, self.internal_timestep, potential, neighbors)
        kinetic = kinetic_energy(after.momenta, after.system)
        one, others = self._noise(state)
        kept = jnp.exp(-self.timestep / self.relaxation_time)
        # Atoms at rest stay at rest, whatever the factor.
        share = (1 - kept) * 0.5 * BOLTZMANN * self.temperature / jnp.maximum(kinetic, 1e-30)
        squared = kept + share * (one**2 + others) + 2 * one * jnp.sqrt(kept * share)
        factor = jnp.sqrt(squared) * jnp.where(one + jnp.sqrt(kept / share) < 0, -1.0, 1.0)
        return eqx.tree_at(
            lambda s: (s.momenta, s.heat),
            after,
            (after.system.spread(factor)[:, None] * after.momenta, state.heat + (squared - 1) * kinetic),
        )

    def _noise(self, state: State) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """One normal number along the momenta, and the sum of the squares of those along all other degrees of
        freedom."""
        system, noise = state.system, state.atom_noise()
        number = 3 * system.numbering()[:, None] + jnp.arange(3)
        # Of 3 N numbers the first is the one, and as many are left out as the momenta have conditions.
        left_out = 3 * system.sum_atoms(jnp.ones(system.n_atoms)) - state.degrees_of_freedom
        others = jnp.where(number > system.spread(left_out)[:, None], noise**2, 0.0)
        one = system.sum_atoms(jnp.where(number == 0, noise, 0.0).sum(axis=1))
        return one, system.sum_atoms(others.sum(axis=1))
