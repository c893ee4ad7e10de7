"""Solute tempering: replicas in which a part of the atoms interacts more weakly, as if it were hot."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from adiabat.base import ConfigError
from adiabat.base.units import BOLTZMANN
from adiabat.dynamics.evaluate import evaluate
from adiabat.dynamics.exchange import RUNG, AbstractExchange, check_ladder
from adiabat.dynamics.integrator import AbstractIntegrator
from adiabat.dynamics.state import State, selected
from adiabat.potentials import AbstractPotential, Prediction, Scaled
from adiabat.system import Neighbors, System


class SoluteTempering(AbstractExchange):
    """Replicas at one temperature T_0, of which the solute's energy is scaled by lambda_m = T_0 / T_m and
    swapped between neighbors: replica exchange with solute tempering (Wang, Friesner and Berne 2011,
    doi 10.1021/jp204407d).

    On rung m the potential is `Scaled`, with the scale lambda_m for the atoms of the solute and 1 for the
    others: of a classical force field the pairs and torsions of the solute are multiplied by lambda, pairs
    with the rest by sqrt(lambda), bonds and angles by nothing; of a learned potential it is

        U_m = sum_{i not in solute} E_i + lambda_m sum_{i in solute} E_i

    with the energies E_i of the atoms. The first rung is the true potential. After every so many steps the
    replicas with positions x and y on rungs m and m + 1 swap them with probability

        min(1, exp((U_m(x) + U_{m+1}(y) - U_m(y) - U_{m+1}(x)) / k_B T_0)),

    and what this changes of their energies counts as heat. The temperature that a frame names is T_m.

    A restraint is not scaled, and at constant pressure all rungs have the same one: both are the same before
    and after a swap, and drop out.

    Args:
        thermostat: of all; its temperature is the ladder of T_m [K], ascending, of which the first is T_0.
        every: steps between two attempts, which each take one more evaluation of the potential.
        solute: its atoms, numbered from 0.

    Raises:
        ConfigError: as `ReplicaExchange`; a solute without atoms, or with one that is no whole number.
    """

    thermostat: AbstractIntegrator
    every: int = eqx.field(static=True)
    solute: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, *, thermostat: AbstractIntegrator, every: int, solute: Sequence[int]):
        check_ladder(thermostat, every)
        atoms = sorted({int(atom) for atom in solute})
        if not atoms or atoms[0] < 0 or len(atoms) != len(solute):
            raise ConfigError(
                f"the solute needs different atoms, numbered from 0, got {list(solute)}",
                'such as --solute "0-21"',
            )
        self.thermostat, self.every, self.solute = thermostat, int(every), tuple(atoms)

    def check(self, system: System) -> None:
        """Raise ConfigError when an atom of the solute is not there."""
        if self.solute[-1] >= system.n_atoms:
            last = system.n_atoms - 1
            raise ConfigError(
                f"the solute has an atom {self.solute[-1]}; the structure has atoms 0 to {last}",
                "atoms are numbered from 0, in the order of the file",
            )

    def begin(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        state = AbstractExchange.begin(self, state, potential, neighbors)
        found = evaluate(
            self._felt_on(state.extra[RUNG], state, potential),
            state.system,
            neighbors,
            stress=state.stress is not None,
        )
        everywhere = jnp.ones(len(state.energy), bool)
        return eqx.tree_at(lambda s: s.heat, _replaced(state, found, everywhere), state.heat)

    def advanced(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        return self._at_first(state).step(state, self._on(state.extra[RUNG], state, potential), neighbors)

    def exchanged(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        rung = state.extra[RUNG]
        other = self._partners(state, self._tried(state))
        found = self._felt_on(other, state, potential)(state.system, neighbors, state.stress is not None)
        lost = (state.energy - found.energy)[jnp.argsort(rung)]
        thermal = BOLTZMANN * jnp.asarray(self.temperature)[0]
        extra = self._decided(state, (lost + jnp.roll(lost, -1)) / thermal)
        state = _replaced(state, found, extra[RUNG] != rung)
        return eqx.tree_at(lambda s: s.extra, state, state.extra | extra)

    def _at_first(self, state: State) -> AbstractIntegrator:
        """The thermostat, at the first temperature for all."""
        first = jnp.full_like(state.energy, jnp.asarray(self.temperature)[0])
        return eqx.tree_at(lambda t: t.temperature, self.thermostat, first)

    def _felt_on(
        self, rung: Int[Array, " n_replicas"], state: State, potential: AbstractPotential
    ) -> AbstractPotential:
        """The potential of replicas on these rungs, with the bias."""
        return self._at_first(state).felt(state, self._on(rung, state, potential))

    def _on(
        self, rung: Int[Array, " n_replicas"], state: State, potential: AbstractPotential
    ) -> AbstractPotential:
        """The potential of replicas on these rungs."""
        ladder, system = jnp.asarray(self.temperature), state.system
        chosen = jnp.isin(system.numbering(), jnp.array(self.solute))
        scales = jnp.where(chosen, system.spread(ladder[0] / ladder[rung]), 1.0)
        return Scaled(potential=potential, scales=scales)


def _replaced(state: State, found: Prediction, chosen: Bool[Array, " n_replicas"]) -> State:
    """The state with what a prediction says of some of the replicas; the change of their energy is heat."""
    assert found.forces is not None
    energy = selected(chosen, found.energy, state.energy)
    atoms = state.system.spread(chosen)
    forces = selected(atoms, found.forces.astype(state.forces.dtype), state.forces)
    state = eqx.tree_at(
        lambda s: (s.energy, s.forces, s.heat), state, (energy, forces, state.heat + energy - state.energy)
    )
    if state.stress is None or found.stress is None:
        return state
    return eqx.tree_at(lambda s: s.stress, state, selected(chosen, found.stress, state.stress))
