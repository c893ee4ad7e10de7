"""An integrator under a bias."""

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from adiabat.base import ConfigError, UnsupportedError
from adiabat.base.units import BOLTZMANN
from adiabat.dynamics import AbstractIntegrator, Info, PathIntegral, State
from adiabat.dynamics.state import SHARED
from adiabat.dynamics.wrapper import AbstractWrapper
from adiabat.io.plumed import Column
from adiabat.potentials import AbstractPotential
from adiabat.sampling.bias import BIAS, WORK, AbstractBias, Memory
from adiabat.sampling.variable import AbstractVariable, values_of
from adiabat.system import Batch, Neighbors, System

_VALUES, _ENERGY, _WORK = "bias values", "bias energy", "bias work"
_OWN = "bias memory "
_SHARED = SHARED + _OWN


class Biased(AbstractWrapper):
    """An integrator whose potential has a bias added to it, which changes as the simulation goes on.

    A step is one of the integrator, with the energy, forces and stress of potential and bias. After every
    `bias.every` steps the bias changes where the atoms are; the energy that this adds is the work, and counts
    as heat, so that the conserved quantity shows the error of the timestep alone. All that the bias remembers
    is in the state. The recorded potential energy is without the bias; the values of the variables, the bias
    [eV] and the work [eV] are recorded beside it.

    Args:
        integrator: any, also one at constant pressure.
        bias: such as `Metadynamics(...)`, `OPES(...)`, `Restraint(...)` or `MovingRestraint(...)`.

    Raises:
        UnsupportedError: the integrator moves quantum nuclei.
        ConfigError: the integrator has a bias already.
    """

    integrator: AbstractIntegrator
    bias: AbstractBias
    adds_energy: ClassVar[bool] = True  # pyright: ignore[reportIncompatibleMethodOverride]

    def __init__(self, *, integrator: AbstractIntegrator, bias: AbstractBias):
        if isinstance(integrator, PathIntegral):
            raise UnsupportedError(
                "a bias on quantum nuclei is not there yet", "choose a classical thermostat"
            )
        if integrator.adds_energy:
            raise ConfigError("there is a bias already", "put one bias on the variables of both")
        self.integrator = integrator
        self.bias = bias

    @property
    def exchanges(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether replicas may swap temperatures: under a bias that stays what it is."""
        return self.integrator.exchanges and not self.bias.every

    @property
    def measures(self) -> Sequence[Column]:
        """The variables, the bias and its work."""
        own = [Column(v.name, v.unit, v.period) for v in self.bias.variables]
        return (*self.integrator.measures, *own, Column(BIAS, "eV"), Column(WORK, "eV"))

    def check(self, system: System) -> None:
        self.integrator.check(system)
        self.bias.check(system, self.temperature)

    def check_replicas(self, systems: Sequence[System]) -> None:
        self.integrator.check_replicas(systems)
        if len({system.n_atoms for system in systems}) > 1:
            raise UnsupportedError(
                "replicas under a bias must have the same atoms",
                "give them the same structure, or different geometries of it",
            )
        if self.bias.shared and np.ptp(self.temperature) > 0:
            raise ConfigError("replicas that share a bias must have one temperature")

    def without_own(self) -> AbstractIntegrator:
        """The same without its temperature, and where the bias is."""
        return Biased(integrator=self.integrator.without_own(), bias=self.bias.without_own())

    def description(self) -> str:
        return f"{self.integrator.description()} with {self.bias!r}"

    def memory(self, state: State) -> Memory:
        """What the bias remembers in a state; with a leading axis of replicas unless they share it."""
        prefix = _SHARED if self.bias.shared else _OWN
        return {
            name.removeprefix(prefix): values
            for name, values in state.extra.items()
            if name.startswith(prefix)
        }

    def felt(self, state: State, potential: AbstractPotential) -> "BiasedPotential":
        return BiasedPotential(
            potential=potential, bias=self.bias, memory=self.memory(state), thermal=self._thermal()
        )

    def info(self, state: State) -> Info:
        info = self.integrator.info(state)
        names = [variable.name for variable in self.bias.variables]
        values = {name: state.extra[_VALUES][..., k] for k, name in enumerate(names)}
        own = {BIAS: state.extra[_ENERGY], WORK: state.extra[_WORK]}
        return eqx.tree_at(
            lambda i: (i.potential_energy, i.measured),
            info,
            (info.potential_energy - state.extra[_ENERGY], info.measured | values | own),
        )

    def is_full(self, state: State) -> Bool[Array, ""]:
        if not self.bias.grows:
            return self.integrator.is_full(state)
        full = self._each(self.bias.is_full, state.system)(self.memory(state))
        return self.integrator.is_full(state) | jnp.any(full)

    def with_room(self, state: State) -> State:
        state = self.integrator.with_room(state)
        return self._remembering(state, self._each(self.bias.with_room, state.system)(self.memory(state)))

    def _begun(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        state = self._remembering(state, self.bias.begin(jnp.asarray(self._thermal())))
        # Compiled once for all replicas, which differ in arrays only: the state and the temperature.
        alike = eqx.tree_at(lambda i: i.temperature, self.without_own(), jnp.asarray(self.temperature))
        state = _pulled(alike, state)
        return self.integrator._begun(state, self.felt(state, potential), neighbors)

    def step(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        after = self.integrator.step(state, self.felt(state, potential), neighbors)
        after = self._seen(after)
        if not self.bias.every:
            return after
        due = after.step % self.bias.every == 0
        return jax.lax.cond(due, lambda s: self._changed(s), lambda s: s, after)

    def _changed(self, state: State) -> State:
        """The state with the bias as it is after a visit, and the forces, energy and stress that go with
        it."""
        before, pull = state.extra[_ENERGY], self._pull(state)
        tension = None if state.stress is None else self._tension(state)
        state = self._seen(self._remembering(state, self._after_visit(state)))
        work = state.extra[_ENERGY] - before
        state = eqx.tree_at(
            lambda s: (s.forces, s.energy, s.heat, s.extra),
            state,
            (
                state.forces + (self._pull(state) - pull),
                state.energy + work,
                state.heat + work,
                state.extra | {_WORK: state.extra[_WORK] + work},
            ),
        )
        if state.stress is None or tension is None:
            return state
        return eqx.tree_at(lambda s: s.stress, state, state.stress + (self._tension(state) - tension))

    def _after_visit(self, state: State) -> Memory:
        memory, values, thermal = self.memory(state), state.extra[_VALUES], self._thermal()
        if self.bias.shared and isinstance(state.system, Batch):
            # The replicas that have one bias in common have one temperature.
            return self.bias.visited(values, memory, jnp.max(thermal), state.step)
        if not isinstance(state.system, Batch):
            return self.bias.visited(values[None], memory, thermal, state.step)
        thermal = jnp.broadcast_to(thermal, values.shape[:1])
        return jax.vmap(lambda v, m, t: self.bias.visited(v[None], m, t, state.step))(values, memory, thermal)

    def _thermal(self) -> Float[Array, "*n_systems"]:
        """k_B T [eV]."""
        return BOLTZMANN * jnp.asarray(self.temperature)

    def _seen(self, state: State) -> State:
        """The state with the values of the variables and the energy of the bias."""
        values = values_of(self.bias.variables, state.system)
        energy = bias_energies(self.bias, values, self.memory(state), self._thermal())
        return eqx.tree_at(lambda s: s.extra, state, state.extra | {_VALUES: values, _ENERGY: energy})

    def _pull(self, state: State) -> Float[Array, "n_atoms 3"]:
        """The forces of the bias alone [eV/Å]."""
        memory, thermal = self.memory(state), self._thermal()

        def total(positions):
            system = eqx.tree_at(lambda s: s.positions, state.system, positions)
            values = values_of(self.bias.variables, system)
            return jnp.sum(bias_energies(self.bias, values, memory, thermal))

        return -jax.grad(total)(state.positions)

    def _tension(self, state: State) -> Float[Array, "*n_systems 3 3"]:
        """The stress of the bias alone [eV/Å^3]."""
        memory, thermal, system = self.memory(state), self._thermal(), state.system

        def total(strain):
            values = values_of(self.bias.variables, system.strained(strain))
            return jnp.sum(bias_energies(self.bias, values, memory, thermal))

        virial = jax.grad(total)(jnp.zeros_like(system.cell))
        return 0.5 * (virial + jnp.swapaxes(virial, -1, -2)) / system.volume[..., None, None]

    def _remembering(self, state: State, memory: Memory) -> State:
        prefix = _SHARED if self.bias.shared else _OWN
        there = {prefix + name: values for name, values in memory.items()}
        return eqx.tree_at(lambda s: s.extra, state, state.extra | there)

    def _each(self, function, system: System | Batch):
        """A function of a memory, for that of each replica where they have their own."""
        return jax.vmap(function) if isinstance(system, Batch) and not self.bias.shared else function


@eqx.filter_jit
def _pulled(biased: Biased, state: State) -> State:
    """The state at step 0 of a bias that has its memory: with its energy, forces and stress."""
    state = biased._seen(eqx.tree_at(lambda s: s.extra, state, state.extra | {_WORK: jnp.zeros(())}))
    forces, energy = biased._pull(state), state.extra[_ENERGY]
    state = eqx.tree_at(lambda s: (s.forces, s.energy), state, (state.forces + forces, state.energy + energy))
    if state.stress is None:
        return state
    return eqx.tree_at(lambda s: s.stress, state, state.stress + biased._tension(state))


class BiasedPotential(AbstractPotential):
    """A potential with a bias added to it, of which each atom of a structure has an equal share.

    Args:
        potential: any.
        bias: of one structure, or of each of a batch of copies.
        memory: what the bias remembers.
        thermal: k_B T [eV].
    """

    potential: AbstractPotential
    bias: AbstractBias
    memory: Memory
    thermal: Float[Array, "*n_systems"]

    def __init__(
        self,
        *,
        potential: AbstractPotential,
        bias: AbstractBias,
        memory: Memory,
        thermal: Float[Array, "*n_systems"],
    ):
        self.potential, self.bias, self.memory, self.thermal = potential, bias, memory, thermal

    @property
    def cutoff(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the potential [Å]."""
        return self.potential.cutoff

    def check(self, system: System) -> None:
        self.potential.check(system)

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        return self.atom_energies_and_charges(system, neighbors)[0]

    def atom_charges(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"] | None:
        return self.potential.atom_charges(system, neighbors)

    def atom_energies_and_charges(
        self, system: System | Batch, neighbors: Neighbors
    ) -> tuple[Float[Array, " n_atoms"], Float[Array, " n_atoms"] | None]:
        values = values_of(self.bias.variables, system)
        energies = bias_energies(self.bias, values, self.memory, self.thermal)
        shares = energies / system.sum_atoms(jnp.ones(system.n_atoms, energies.dtype))
        found, charges = self.potential.atom_energies_and_charges(system, neighbors)
        return found + system.spread(shares), charges


def bias_energies(
    bias: AbstractBias,
    values: Float[Array, "*n_systems d"],
    memory: Memory,
    thermal: Float[Array, "*n_systems"],
) -> Float[Array, "*n_systems"]:
    """The bias [eV] of a structure, or of each of several."""
    if values.ndim == 1:
        return bias.energy(values, memory, thermal)
    thermal = jnp.broadcast_to(thermal, values.shape[:1])
    return bias.energies(values, memory, thermal)


def measured_values(variables: Sequence[AbstractVariable], systems: Sequence[System]) -> Float[Array, "n d"]:
    """The values of variables in several structures of the same atoms, shape (n_systems, n_variables)."""
    compiled = jax.jit(lambda system: values_of(variables, system))
    with jax.enable_x64(True):
        return jnp.stack([compiled(system) for system in systems])
