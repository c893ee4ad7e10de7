"""When a trajectory has stopped making sense."""

import enum

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from adiabat.base.units import BOLTZMANN
from adiabat.dynamics.constraints import TOLERANCE
from adiabat.dynamics.state import Info, State
from adiabat.system import Batch, Neighbors


class Verdict(enum.IntEnum):
    """Why a chunk of steps ended, as a number that compiled code can return."""

    FINE = 0
    LIST_OUTRUN = 1
    NOT_FINITE = 2
    TOO_HOT = 3
    FAST_ATOM = 4
    LONG_STEP = 5
    ENERGY_JUMP = 6
    LOST_ATOM = 7
    FULL = 8
    BROKEN_CONSTRAINT = 9


class Guard(eqx.Module):
    """Limits beyond which a step is refused; no simulation of matter near its target temperature comes near
    them.

    Args:
        temperature: the target [K]. The instantaneous temperature may reach ten times it or 10 000 K above
            it, whichever is more: there an atom has about 1.3 eV, and few bonds hold.
        atom_energy: kinetic energy one atom may have [eV], above 50 k_B T: it finds a single runaway among
            many.
        longest_step: how far an atom may move in one step [Å].
        energy_jump: how much the conserved energy may change in one step [eV], above 0.01 eV for each atom.
        lost_atoms: refuse a step after which an atom that had neighbors within the cut-off has none, in a
            system without periodic directions: no force will bring it back.
    """

    temperature: float
    atom_energy: float
    longest_step: float
    energy_jump: float
    lost_atoms: bool = eqx.field(static=True)

    def __init__(
        self,
        *,
        temperature: float = 300.0,
        atom_energy: float = 10.0,
        longest_step: float = 1.0,
        energy_jump: float = 1.0,
        lost_atoms: bool = True,
    ):
        self.temperature = float(temperature)
        self.atom_energy = float(atom_energy)
        self.longest_step = float(longest_step)
        self.energy_jump = float(energy_jump)
        self.lost_atoms = lost_atoms

    def check(
        self,
        before: State,
        info_before: Info,
        after: State,
        info: Info,
        neighbors: Neighbors,
        cutoff: float,
        same_cell: bool = True,
        may_lose: bool = True,
    ) -> Int[Array, ""]:
        """The `Verdict` on a step from `before` to `after`; the gravest of several.

        `same_cell` says that the cell cannot have moved, which saves its inverse; `may_lose` that an atom
        beyond the cut-off of all others feels nothing.
        """
        system = after.system
        atoms = system.sum_atoms(jnp.ones(system.n_atoms))
        placed = jnp.all(jnp.isfinite(after.positions))
        finite = placed & jnp.all(jnp.isfinite(info.conserved)) & jnp.all(jnp.isfinite(after.forces))
        complete = jnp.all(neighbors.is_complete(system, cutoff, same_cell))
        jump = jnp.abs(info.conserved - info_before.conserved) > self.energy_jump + 0.01 * atoms
        verdict = jnp.where(jnp.any(jump), Verdict.ENERGY_JUMP, Verdict.FINE)
        if self.lost_atoms and may_lose and (isinstance(system, Batch) or not any(system.pbc)):
            alone = _alone(after, neighbors, cutoff)
            # Which were alone before, a second look at all pairs, matters only where one is now.
            lost = jax.lax.cond(
                jnp.any(alone),
                lambda: jnp.any(alone & ~_alone(before, neighbors, cutoff)),
                lambda: jnp.array(False),
            )
            verdict = jnp.where(lost, Verdict.LOST_ATOM, verdict)
        temperature = jnp.asarray(self.temperature)
        fast = _kinetic_energies(after) > self.atom_energy + system.spread(50 * BOLTZMANN * temperature)
        verdict = jnp.where(jnp.any(fast), Verdict.FAST_ATOM, verdict)
        hot = info.temperature > jnp.maximum(10 * temperature, temperature + 10_000)
        verdict = jnp.where(jnp.any(hot), Verdict.TOO_HOT, verdict)
        verdict = jnp.where(finite, verdict, Verdict.NOT_FINITE)
        if after.constraints is not None:
            errors = after.constraints.errors(after.positions, system)
            verdict = jnp.where(jnp.any(errors > TOLERANCE), Verdict.BROKEN_CONSTRAINT, verdict)
        # What was computed with an incomplete list says nothing; where the atoms went does.
        verdict = jnp.where(complete | ~placed, verdict, Verdict.LIST_OUTRUN)
        too_far = jnp.max(step_lengths(before, after, same_cell)) > self.longest_step
        verdict = jnp.where(too_far, Verdict.LONG_STEP, verdict)
        return verdict.astype(jnp.int32)


def step_lengths(before: State, after: State, same_cell: bool) -> Float[Array, " n_atoms"]:
    """How far each atom went from one state to the other [Å], beyond what it was carried by its cell."""
    carried = before.positions
    if not same_cell:
        deformation = jnp.linalg.solve(before.system.cell, after.system.cell)
        carried = before.system.mapped(carried, deformation)
    return jnp.sqrt(jnp.sum((after.positions - carried) ** 2, axis=1))


def fastest_atom(state: State) -> Float[Array, ""]:
    """The largest kinetic energy of an atom [eV]."""
    return jnp.max(_kinetic_energies(state))


def _kinetic_energies(state: State) -> Float[Array, " n_atoms"]:
    return 0.5 * jnp.sum(state.momenta**2, axis=1) / state.system.masses


def _alone(state: State, neighbors: Neighbors, cutoff: float) -> Array:
    """Which atoms of systems that are not periodic have no other within the cut-off, shape (n_atoms,)."""
    squared = neighbors.squared_distances(state.positions, state.system.atom_cells())
    near = neighbors.mask & (squared < cutoff**2)
    bare = state.system.spread(jnp.all(state.system.cell == 0, axis=(-2, -1)))
    return ~jnp.any(near, axis=1) & bare
