"""Velocity Verlet: constant energy."""

from typing import Annotated, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.base import ConfigError
from adiabat.base.units import Unit
from adiabat.dynamics.evaluate import evaluate
from adiabat.dynamics.integrator import AbstractIntegrator, check_positive, kick_drift_kick
from adiabat.dynamics.momenta import kinetic_energy
from adiabat.dynamics.state import State
from adiabat.potentials import AbstractPotential
from adiabat.system import Neighbors


class VelocityVerlet(AbstractIntegrator):
    """Constant number, volume and energy: kick, drift, kick (Swope et al. 1982, doi 10.1063/1.442716).

    Time-reversible, symplectic, second order in the timestep; conserves the total momentum and, for a
    molecule, the angular momentum. What it conserves is not the energy but a shadow of it, to fourth order in
    the timestep dt

        H' = H + dt^2 (v . V'' v / 12 - F . F / (24 m)),    V'' v = -dF/dt

    (Skeel and Hardy 2001, doi 10.1137/S106482750138318X; Engle, Skeel and Drees 2005,
    doi 10.1016/j.jcp.2004.12.009). `State.shadow` is H' - H: the energy of stiff bonds comes and goes within
    picoseconds, and H follows it; a drift shows in H' long before it shows in H. With constraints no such
    formula is known, and the shadow is taken for zero.

    Args:
        timestep: [fs].
        temperature: at which the starting momenta are drawn [K]. A structure at a minimum ends at about half
            of it, because half of the energy goes into the springs.
    """

    timestep: float
    temperature: float
    conserves_momentum: ClassVar[bool] = True
    keeps_constraints: ClassVar[bool] = True

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

    def _begun(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        """Takes the forces one timestep before as well, for the shadow energy."""
        if state.constraints is not None:
            return state
        dt, masses = self.internal_timestep, state.system.masses[:, None]
        momenta = state.momenta - 0.5 * dt * state.forces
        places = state.positions - dt * momenta / masses
        earlier = evaluate(potential, eqx.tree_at(lambda s: s.positions, state.system, places), neighbors)
        assert earlier.forces is not None
        before = eqx.tree_at(
            lambda s: (s.momenta, s.forces, s.energy),
            state,
            (momenta - 0.5 * dt * earlier.forces, earlier.forces, earlier.energy),
        )
        return eqx.tree_at(lambda s: s.shadow, state, self._shadow(before, momenta, state))

    def step(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        dt = self.internal_timestep
        after = kick_drift_kick(state, dt, potential, neighbors)
        if state.constraints is not None:
            return after
        middle = state.momenta + 0.5 * dt * state.forces
        return eqx.tree_at(lambda s: s.shadow, after, self._shadow(state, middle, after))

    def _shadow(self, before: State, momenta: Float[Array, "n_atoms 3"], after: State) -> Float[Array, ""]:
        """H' at the middle of a step, which is H' at its end, less H at the end [eV].

        There the derivative of the forces is a difference, and all else the mean of both ends, to second
        order. `momenta` are those of the middle.
        """
        dt, system = self.internal_timestep, after.system
        masses = system.masses[:, None]
        change = system.sum_atoms(jnp.sum(momenta / masses * (after.forces - before.forces), axis=1))
        squares = system.sum_atoms(jnp.sum((before.forces**2 + after.forces**2) / masses, axis=1))
        ends = [state.energy + kinetic_energy(state.momenta, system) for state in (before, after)]
        return 0.5 * (ends[0] - ends[1]) - dt / 12 * change - dt**2 / 48 * squares
