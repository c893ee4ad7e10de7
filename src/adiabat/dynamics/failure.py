"""What is left behind when a simulation goes wrong: the reason, the last good frame and the offending one."""

from pathlib import Path
from typing import NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adiabat.analysis.topology import bonded_radii
from adiabat.base import SimulationError
from adiabat.base.units import FEMTOSECOND
from adiabat.dynamics.guard import Verdict, fastest_atom, step_lengths
from adiabat.dynamics.state import Info, State
from adiabat.io.write import write_extxyz
from adiabat.system import Batch
from adiabat.system.neighbors import pairs_within

# Of the sum of covalent radii: no vibration brings atoms so near.
_CROWDED = 0.5
LAST_GOOD, OFFENDING = "last_good.xyz", "offending.xyz"


def fail(
    good: State,
    attempt: State,
    verdict: Verdict,
    infos: tuple[Info, Info],
    folder: Path | None,
    name: str = "the simulation",
) -> NoReturn:
    """Writes both frames, when there is a folder, and raises; `infos` are of both, `name` of what failed.

    Raises:
        SimulationError: always.
    """
    before, after = infos
    match verdict:
        case Verdict.TOO_HOT:
            reason = f"the temperature is {float(after.temperature):.0f} K"
        case Verdict.FAST_ATOM:
            reason = f"one atom has a kinetic energy of {float(fastest_atom(attempt)):.1f} eV"
        case Verdict.LONG_STEP:
            reason = f"an atom moved {float(jnp.max(_step_lengths(good, attempt))):.2f} Å in one step"
        case Verdict.ENERGY_JUMP:
            jump = float(after.conserved - before.conserved)
            reason = f"the conserved energy changed by {jump:+.2f} eV in one step"
        case Verdict.LOST_ATOM:
            reason = "an atom has left all others behind, beyond the potential's cut-off"
        case Verdict.BROKEN_CONSTRAINT:
            reason = "atoms moved so far that the lengths of their constraints could not be restored"
        case _:
            reason = "the energy, a force or a position is not a finite number"
    timestep = float(after.time) / max(int(attempt.step), 1)
    hint = (
        f"try a shorter timestep than {timestep:g} fs (0.5 fs with hydrogen, 1 to 2 fs without), relax the "
        "structure first, or train on more of what happens here"
    )
    reason += _crowded(good)
    if folder is not None:
        _write(folder / LAST_GOOD, good)
        _write(folder / OFFENDING, attempt)
        hint += f"; the frames before and after are {LAST_GOOD} and {OFFENDING} in {folder}"
    when = f"step {int(attempt.step)} ({float(after.time):g} fs)"
    raise SimulationError(f"{name} failed at {when}: {reason}", hint)


def _crowded(state: State) -> str:
    """Says so if two atoms of a structure are much nearer than any bond."""
    if isinstance(state.system, Batch):
        return ""
    system = jax.tree.map(np.asarray, state.system)
    numbers, box = system.numbers, np.where(np.array(system.pbc)[:, None], system.cell, 0.0)
    first, second, _, distance = pairs_within(system.positions, box, system.pbc, _CROWDED * 6.0)
    radii = bonded_radii(numbers)
    ratio = distance / (radii[first] + radii[second])
    if not len(ratio) or ratio.min() > _CROWDED:
        return ""
    worst = int(ratio.argmin())
    return f"; before it, atoms {first[worst]} and {second[worst]} were {distance[worst]:.2g} Å apart"


def culprit(good: State, attempt: State, verdict: Verdict, infos: tuple[Info, Info]) -> int:
    """The number of the replica that a step of a batch was refused for."""
    batch = attempt.system
    assert isinstance(batch, Batch)
    before, after = infos
    match verdict:
        case Verdict.TOO_HOT:
            return int(jnp.argmax(after.temperature))
        case Verdict.ENERGY_JUMP:
            return int(jnp.argmax(jnp.abs(after.conserved - before.conserved)))
        case Verdict.FAST_ATOM:
            worst = jnp.sum(attempt.momenta**2, axis=1) / batch.masses
        case Verdict.LOST_ATOM:
            centers = batch.sum_atoms(attempt.positions) / batch.sum_atoms(jnp.ones((batch.n_atoms, 1)))
            worst = jnp.sum((attempt.positions - batch.spread(centers)) ** 2, axis=1)
        case Verdict.BROKEN_CONSTRAINT:
            assert attempt.constraints is not None
            group = jnp.argmax(attempt.constraints.errors(attempt.positions, batch))
            return int(batch.system_index[attempt.constraints.members[group, 0]])
        case Verdict.LONG_STEP:
            worst = _step_lengths(good, attempt)
        case _:
            strange = ~jnp.isfinite(attempt.positions + attempt.forces).all(axis=1)
            worst = strange + batch.spread(~jnp.isfinite(after.conserved))
    return int(batch.system_index[jnp.argmax(worst)])


def _step_lengths(good: State, attempt: State) -> Float[Array, " n_atoms"]:
    same_cell = np.array_equal(np.asarray(good.system.cell), np.asarray(attempt.system.cell))
    return step_lengths(good, attempt, same_cell)


def _write(path: Path, state: State) -> None:
    system, forces, momenta = jax.tree.map(np.asarray, (state.system, state.forces, state.momenta))
    velocities = momenta / system.masses[:, None] * FEMTOSECOND
    results = {"energy": float(state.energy), "forces": forces, "velocities": velocities}
    write_extxyz(path, [system], [results], [{"step": int(state.step)}])
