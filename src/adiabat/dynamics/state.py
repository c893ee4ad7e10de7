"""What the next step needs, and what an observer wants."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from adiabat.dynamics.constraints import Constraints
from adiabat.dynamics.noise import normal, uniform
from adiabat.system import Batch, System

SHARED = "shared "
"""What begins the names of extras that all replicas have in common."""
OF_ATOMS = "atoms "
"""What begins the names of extras that have a leading axis of atoms."""
# Numbers of the atoms of one stream, and those beyond any atom's.
_STREAM = 2**28
_FURTHER, _CHANCE = np.uint32(2**31), np.uint32(2**32 - 1)


class State(eqx.Module):
    """A system in motion, or several in a batch; a frozen pytree in internal units (eV, Å, amu).

    With a batch, what is of a system has a leading axis of systems; only the step is that of all.

    Attributes:
        system: atoms at their current positions, in their current cell.
        momenta: [sqrt(amu eV)], shape (n_atoms, 3).
        forces: at these positions [eV/Å], shape (n_atoms, 3).
        energy: potential energy [eV].
        stress: of the potential alone [eV/Å^3], shape (3, 3); None unless periodic along all three
            directions.
        heat: energy that thermostat and barostat have given so far [eV].
        shadow: energy that the integrator conserves less the total energy [eV]: the error of the timestep as
            far as a formula is known, else 0.
        step: number of steps done.
        degrees_of_freedom: independent momenta, for the temperature.
        key: of the whole run; the random numbers of a step are functions of it and of the step's number.
        extra: what else the integrator keeps from step to step, by name; with a batch, it has a leading axis
            of systems unless the name begins with "shared ", or of atoms where it begins with "atoms ".
        constraints: distances that stay what they are, or None.
    """

    system: System | Batch
    momenta: Float[Array, "n_atoms 3"]
    forces: Float[Array, "n_atoms 3"]
    energy: Float[Array, "*n_systems"]
    stress: Float[Array, "*n_systems 3 3"] | None
    heat: Float[Array, "*n_systems"]
    shadow: Float[Array, "*n_systems"]
    step: Int[Array, ""]
    degrees_of_freedom: Float[Array, "*n_systems"]
    key: PRNGKeyArray
    extra: dict[str, Array] = eqx.field(default_factory=dict)
    constraints: Constraints | None = None

    @property
    def positions(self) -> Float[Array, "n_atoms 3"]:
        """The coordinates [Å]; not wrapped into the cell."""
        return self.system.positions

    def atom_noise(self, stream: int = 0) -> Float[Array, "n_atoms 3"]:
        """Standard normal numbers of the step that starts from this state, three for each atom; those of
        eight streams, 0 to 7, know nothing of each other."""
        key = self.system.spread(jax.random.key_data(self.key))
        number = 3 * self.system.numbering()[:, None] + jnp.arange(3) + stream * _STREAM
        return normal(key[:, None], self.step, number)

    def noise(self, count: int) -> Float[Array, "*n_systems count"]:
        """Further standard normal numbers of the same step."""
        key = jax.random.key_data(self.key)[..., None, :]
        return normal(key, self.step, _FURTHER + jnp.arange(count))

    def chance(self) -> Float[Array, "*n_systems"]:
        """One number of the same step, even between 0 and 1."""
        return uniform(jax.random.key_data(self.key), self.step, jnp.asarray(_CHANCE))


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
        quantum_kinetic_energy: of quantum nuclei by the centroid virial, whose noise does not grow with the
            number of beads [eV]; None of classical ones. Potential and kinetic energy of the quantum system
            are the means of this and of `potential_energy`.
        primitive_kinetic_energy: the same by the lengths of the springs, noisier: the means agree when the
            rings are equilibrated [eV].
        target_temperature: of a thermostat whose temperature changes, or of a tempered solute [K]; else None.
        measured: what else the integrator measures, by name, in the units it says.
    """

    step: Int[Array, "*frames"]
    time: Float[Array, "*frames"]
    potential_energy: Float[Array, "*frames"]
    kinetic_energy: Float[Array, "*frames"]
    conserved: Float[Array, "*frames"]
    temperature: Float[Array, "*frames"]
    pressure: Float[Array, "*frames"] | None = None
    quantum_kinetic_energy: Float[Array, "*frames"] | None = None
    primitive_kinetic_energy: Float[Array, "*frames"] | None = None
    target_temperature: Float[Array, "*frames"] | None = None
    measured: dict[str, Float[Array, "*frames"]] = eqx.field(default_factory=dict)

    def names(self) -> list[str]:
        """What there is besides step, time, and what is measured under names of its own."""
        names = [field.name for field in dataclasses.fields(self)]
        return [name for name in names[2:-1] if getattr(self, name) is not None]


def selected(which: Bool[Array, "*rows"], new: Array, old: Array) -> Array:
    """The new rows of an array where they are chosen, else the old ones."""
    return jnp.where(jnp.expand_dims(which, range(which.ndim, new.ndim)), new, old)


def chosen(which: Bool[Array, "*n_systems"], new: State, old: State) -> State:
    """Where the atoms are, how they move and what they feel by the new state for the chosen systems, by the
    old one for the others; both are of one step."""

    def of_systems(one: Array, other: Array) -> Array:
        return selected(which, one, other)

    def of_atoms(one: Array, other: Array) -> Array:
        return selected(old.system.spread(which), one, other)

    def extra(name: str, other: Array) -> Array:
        if name.startswith(SHARED):
            return other
        return (of_atoms if name.startswith(OF_ATOMS) else of_systems)(new.extra[name], other)

    assert new.stress is not None
    assert old.stress is not None
    there = (of_atoms(new.positions, old.positions), of_systems(new.system.cell, old.system.cell))
    return dataclasses.replace(
        old,
        system=eqx.tree_at(lambda s: (s.positions, s.cell), old.system, there),
        momenta=of_atoms(new.momenta, old.momenta),
        forces=of_atoms(new.forces, old.forces),
        energy=of_systems(new.energy, old.energy),
        stress=of_systems(new.stress, old.stress),
        heat=of_systems(new.heat, old.heat),
        extra={name: extra(name, other) for name, other in old.extra.items()},
    )
