"""Path-integral molecular dynamics: quantum nuclei as rings of beads."""

from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adiabat.base import ConfigError
from adiabat.base.units import BOLTZMANN, GIGAPASCAL, HBAR, Unit
from adiabat.dynamics.integrator import AbstractIntegrator, check_positive, moved
from adiabat.dynamics.joined import concatenated
from adiabat.dynamics.momenta import kinetic_energy, maxwell_boltzmann
from adiabat.dynamics.state import Info, State
from adiabat.potentials import AbstractPotential
from adiabat.system import Neighbors, System


class PathIntegral(AbstractIntegrator):
    """Constant number, volume and temperature of quantum nuclei: ring polymers with a Langevin thermostat on
    each of their normal modes (PILE-L: Ceriotti et al. 2010, doi 10.1063/1.3489925).

    P beads, copies of the structure at P times the temperature, of which each atom is tied to itself in the
    next by a spring of frequency w_P = P k_B T / hbar, have the distribution of the quantum system for large
    P, about 2 hbar w_max / k_B T. The positions of one bead are samples of it. Exchange of identical
    particles is left out, which matters for helium, and for hydrogen below 50 K.

    A step is half a kick by the forces, half a free motion of the ring, the exact Ornstein-Uhlenbeck process
    for each mode, and back. Mode k has the frequency w_k = 2 w_P sin(k pi / P) and the friction 2 w_k, the
    center of the ring (centroid) that of `friction`. In half a step free motion turns a mode by the angle
    arctan(w_k dt / 2), which is the Cayley transform, and not by the exact w_k dt / 2: then no timestep is in
    resonance with a mode, and averages over positions are exact for harmonic forces at any stable timestep,
    which is that of classical dynamics whatever P (Korol et al. 2020, doi 10.1063/1.5134810, BCOCB). With one
    bead it is `Langevin`.

    The state of a run is a `Batch` of the beads. What is conserved is the energy of the whole ring less its
    heat, over P. The kinetic energy and the temperature are those of the centroid.

    Args:
        timestep: [fs]; that of classical dynamics.
        temperature: [K].
        friction: of the centroid [1/fs]; 0 leaves it alone, as for spectra (thermostatted ring-polymer
            dynamics: Rossi et al. 2014, doi 10.1063/1.4883861).
        beads: P; 32 for hydrogen at 300 K.

    Raises:
        ConfigError: a setting makes no sense.
    """

    timestep: float
    temperature: float
    friction: float
    beads: int = eqx.field(static=True)
    conserves_momentum: ClassVar[bool] = False

    def __init__(
        self,
        *,
        timestep: Annotated[float, Unit("time")] = 0.5,
        temperature: Annotated[float, Unit("temperature")] = 300.0,
        friction: Annotated[float, Unit("friction")] = 0.01,
        beads: int = 32,
    ):
        check_positive(timestep=timestep, temperature=temperature)
        if not np.isfinite(friction) or friction < 0:
            raise ConfigError(f"friction must not be negative, got {friction}")
        if beads < 1:
            raise ConfigError(f"a ring has one bead or more, not {beads}")
        self.timestep = float(timestep)
        self.temperature = float(temperature)
        self.friction = float(friction)
        self.beads = int(beads)

    def _begun(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        """The state of all beads, which begin at one place: the rings open within picoseconds.

        Mode k of a ring has random numbers of its own. Those of the centroid are the ones of a classical
        structure, and so are its momenta.
        """
        assert isinstance(state.system, System)
        keys = [state.key, *(jax.random.fold_in(state.key, mode) for mode in range(1, self.beads))]
        batch = jax.tree.map(jnp.asarray, concatenated([state.system] * self.beads))
        key = jnp.stack(keys)
        modes = self._rings(maxwell_boltzmann(batch, self.beads * self.temperature, key))
        modes = modes.at[0].set(np.sqrt(self.beads) * state.momenta)

        def each(values: Array) -> Array:
            return jnp.broadcast_to(values, (self.beads, *values.shape))

        return State(
            system=batch,
            momenta=self._from_modes(modes),
            forces=each(state.forces).reshape(-1, 3),
            energy=each(state.energy),
            stress=None if state.stress is None else each(state.stress),
            heat=each(state.heat),
            shadow=each(state.shadow),
            step=state.step,
            degrees_of_freedom=each(state.degrees_of_freedom),
            key=key,
        )

    def step(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        dt = self.internal_timestep
        masses = self._rings(state.system.masses)
        frequencies = self._frequencies()
        friction = jnp.where(jnp.arange(self.beads) == 0, self.friction * self.timestep, 2 * frequencies * dt)
        memory = friction[:, None, None]
        momenta = self._to_modes(state.momenta + 0.5 * dt * state.forces)
        positions, momenta = self._half_free(self._to_modes(state.positions), momenta, masses)
        width = jnp.sqrt(-jnp.expm1(-2 * memory) * self._hot * masses[..., None])
        thermal = jnp.exp(-memory) * momenta + width * self._rings(state.atom_noise())
        heat = jnp.sum((thermal**2 - momenta**2) / (2 * masses[..., None]), axis=(1, 2))
        positions, momenta = self._half_free(positions, thermal, masses)
        after = moved(state, self._from_modes(positions), self._from_modes(momenta), potential, neighbors)
        return eqx.tree_at(
            lambda s: (s.momenta, s.heat),
            after,
            (after.momenta + 0.5 * dt * after.forces, state.heat + heat),
        )

    def info(self, state: State) -> Info:
        """What is recorded of a ring, with a leading axis of beads: the potential energy and the shares of
        the estimators are those of each bead, their means over the beads those of the quantum system."""
        system, positions, forces = state.system, self._rings(state.positions), self._rings(state.forces)
        masses, momenta = self._rings(system.masses), self._rings(state.momenta)
        freedom, thermal = state.degrees_of_freedom, BOLTZMANN * self.temperature
        # Herman, Bruskin and Berne 1982, doi 10.1063/1.442815, the virial about the centroid.
        apart = positions - jnp.mean(positions, axis=0)
        virial = 0.5 * freedom * thermal - 0.5 * jnp.sum(apart * forces, axis=(1, 2))
        stretch = jnp.sum((positions - jnp.roll(positions, -1, axis=0)) ** 2, axis=2)
        springs = 0.5 * (self._hot / HBAR) ** 2 * jnp.sum(masses * stretch, axis=1)
        primitive = 0.5 * self.beads * freedom * thermal - springs
        whole = state.energy + kinetic_energy(state.momenta, system) + springs - state.heat
        centroid = jnp.sum(jnp.mean(momenta, axis=0) ** 2 / (2 * masses[0, :, None]))
        pressure = None
        if state.stress is not None:
            tension = jnp.trace(state.stress, axis1=-2, axis2=-1)
            pressure = (2 * virial / system.volume - tension) / (3 * GIGAPASCAL)
        return Info(
            step=state.step,
            time=state.step * self.timestep,
            potential_energy=state.energy,
            kinetic_energy=jnp.full(self.beads, centroid),
            conserved=jnp.full(self.beads, jnp.mean(whole)),
            temperature=2 * centroid / (freedom * BOLTZMANN),
            pressure=pressure,
            quantum_kinetic_energy=virial,
            primitive_kinetic_energy=primitive,
        )

    @property
    def _hot(self) -> float:
        """P k_B T [eV]."""
        return self.beads * BOLTZMANN * self.temperature

    def _frequencies(self) -> Float[Array, " beads"]:
        """Of the modes, w_k [1 / (Å sqrt(amu/eV))]."""
        return 2 * self._hot / HBAR * jnp.sin(np.pi * np.arange(self.beads) / self.beads)

    def _half_free(
        self,
        positions: Float[Array, "beads n_atoms 3"],
        momenta: Float[Array, "beads n_atoms 3"],
        masses: Float[Array, "beads n_atoms"],
    ) -> tuple[Float[Array, "beads n_atoms 3"], Float[Array, "beads n_atoms 3"]]:
        """The modes after half a step without forces but those of the springs."""
        half, squared = 0.5 * self.internal_timestep, self._frequencies()[:, None, None] ** 2
        mass = masses[..., None]
        cosine = 1 / jnp.sqrt(1 + half**2 * squared)
        return (
            cosine * (positions + half * momenta / mass),
            cosine * (momenta - half * squared * mass * positions),
        )

    def _rings(self, values: Float[Array, "n_atoms ..."]) -> Float[Array, "beads n_atoms ..."]:
        """Values of the batch's atoms, bead by bead."""
        return values.reshape(self.beads, -1, *values.shape[1:])

    def _to_modes(self, values: Float[Array, "n_atoms 3"]) -> Float[Array, "beads n_atoms 3"]:
        return jnp.einsum("jk,jna->kna", normal_modes(self.beads), self._rings(values))

    def _from_modes(self, modes: Float[Array, "beads n_atoms 3"]) -> Float[Array, "n_atoms 3"]:
        return jnp.einsum("jk,kna->jna", normal_modes(self.beads), modes).reshape(-1, 3)


def normal_modes(beads: int) -> Float[np.ndarray, "beads beads"]:
    """The orthogonal matrix C_jk of bead j in mode k of a ring: the constant one, cosines and sines, so that
    mode k has the frequency 2 w_P sin(k pi / P)."""
    bead, mode = np.meshgrid(np.arange(beads), np.arange(beads), indexing="ij")
    angle = 2 * np.pi * bead * mode / beads
    matrix = np.sqrt(2 / beads) * np.where(mode <= beads // 2, np.cos(angle), np.sin(angle))
    matrix[:, 0] = np.sqrt(1 / beads)
    if beads % 2 == 0:
        matrix[:, beads // 2] = np.sqrt(1 / beads) * (-1.0) ** np.arange(beads)
    return matrix
