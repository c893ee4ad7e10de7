"""What the next step needs, and what an observer wants."""

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from adiabat.system import System


class State(eqx.Module):
    """A system in motion; a frozen pytree in internal units (eV, Å, amu).

    Attributes:
        system: atoms at their current positions, in their current cell.
        momenta: [sqrt(amu eV)], shape (n_atoms, 3).
        forces: at these positions [eV/Å], shape (n_atoms, 3).
        energy: potential energy [eV].
        stress: of the potential alone [eV/Å^3], shape (3, 3); None unless periodic along all three
            directions.
        heat: energy that the thermostat has given so far [eV].
        shadow: energy that the integrator conserves less the total energy [eV]: the error of the timestep as
            far as a formula is known, else 0.
        step: number of steps done.
        key: of the whole run; the random numbers of a step come from `jax.random.fold_in(key, step)`.
    """

    system: System
    momenta: Float[Array, "n_atoms 3"]
    forces: Float[Array, "n_atoms 3"]
    energy: Float[Array, ""]
    stress: Float[Array, "3 3"] | None
    heat: Float[Array, ""]
    shadow: Float[Array, ""]
    step: Int[Array, ""]
    key: PRNGKeyArray

    @property
    def positions(self) -> Float[Array, "n_atoms 3"]:
        """The coordinates [Å]; not wrapped into the cell."""
        return self.system.positions

    @property
    def step_key(self) -> PRNGKeyArray:
        """The key of the step that starts from this state."""
        return jax.random.fold_in(self.key, self.step)


class Info(eqx.Module):
    """What is recorded of a state; every value is a scalar, or has a leading axis of frames.

    Attributes:
        step: number of steps done.
        time: [fs].
        potential_energy: [eV].
        kinetic_energy: [eV].
        conserved: total energy less the heat given by the thermostat, plus what is known of the error of the
            timestep [eV]: constant but for what is not known.
        temperature: 2 kinetic_energy / (degrees of freedom x k_B) [K].
        pressure: [GPa]; None unless periodic along all three directions.
    """

    step: Int[Array, "*frames"]
    time: Float[Array, "*frames"]
    potential_energy: Float[Array, "*frames"]
    kinetic_energy: Float[Array, "*frames"]
    conserved: Float[Array, "*frames"]
    temperature: Float[Array, "*frames"]
    pressure: Float[Array, "*frames"] | None = None
