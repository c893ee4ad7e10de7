"""The sources of structures: a surface, minima and a seed become samples that say where they are from."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from adiabat.data.sample import Sample
from adiabat.generate.filters import Filter
from adiabat.generate.normal_modes import NormalModes
from adiabat.generate.plan import EQUILIBRATION, TIMESTEP, Plan
from adiabat.generate.surface import Array, Surface
from adiabat.generate.torsions import bonds, turnable_bonds, turned_at_random
from adiabat.generate.trajectories import TrajectoryPlan, langevin_trajectories
from adiabat.system import System

# Bonds are pressed and stretched within these factors: at most about 1 eV for a C-C bond.
PRESSED, STRETCHED = 0.88, 1.15
# What runs trajectories in the place of the method: from starts (k, n_atoms, 3) [Å] at temperatures (k,) [K],
# so many frames of each, with this seed; the frames of each trajectory (m, n_atoms, 3) [Å].
Explorer = Callable[[Array, Array, int, int], Sequence[Array]]
# Candidates drawn for each structure wanted, for those that the filter drops before they cost anything.
TRIES = 20
TEST_FRICTION = 0.05  # 1/fs


def tagged(
    samples: Sequence[Sample], origin: str, temperature: float | None = None, **more: int
) -> list[Sample]:
    """The samples with `info["origin"]` and, where there is one, `info["temperature"]` [K]."""
    extra = {"origin": origin, **({} if temperature is None else {"temperature": float(temperature)}), **more}
    return [dataclasses.replace(sample, info={**sample.info, **extra}) for sample in samples]


def dynamics_frames(
    surface: Surface,
    starts: Array,
    plan: Plan,
    keep: Filter,
    seed: int,
    explore: Explorer | None = None,
) -> list[Sample]:
    """Frames of Langevin trajectories at the plan's temperatures, from `starts` (k, n_atoms, 3) in turn [Å];
    with `explore`, of those that it runs.

    `info["trajectory"]` numbers the trajectory, so that a split can keep whole ones apart.
    """
    wanted = plan.labels["dynamics"]
    temperatures = np.resize(plan.temperatures, plan.n_replicas)
    positions = starts[np.arange(plan.n_replicas) % len(starts)]
    if explore is None:
        stride = max(1, plan.n_replicas * plan.steps // max(1, wanted))
        moves = TrajectoryPlan(temperatures=temperatures, steps=plan.steps, timestep=TIMESTEP, stride=stride)
        frames = langevin_trajectories(surface, positions, moves, keep, seed)
    else:
        found = explore(positions, temperatures, -(-wanted // plan.n_replicas), seed)
        frames = [surface.label(keep.geometries(one)) for one in found]
    samples = []
    for number, (temperature, one) in enumerate(zip(temperatures, frames, strict=True)):
        samples += tagged(keep.samples(one), "dynamics", temperature, trajectory=number)
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(wanted, len(samples))).astype(int))
    return [samples[index] for index in chosen]


def normal_mode_frames(
    surface: Surface,
    vibrations: Sequence[NormalModes],
    temperatures: Sequence[float],
    n: int,
    keep: Filter,
    seed: int,
) -> list[Sample]:
    """About `n` structures from the harmonic Boltzmann distributions about minima, at `temperatures` [K]."""
    rng = np.random.default_rng(seed)
    cases = [(modes, temperature) for temperature in temperatures for modes in vibrations]
    samples = []
    for index, (modes, temperature) in enumerate(cases):
        share = n * (index + 1) // len(cases) - n * index // len(cases)
        chosen = keep.geometries(modes.sample(temperature, 2 * share + 4, rng))[:share]
        samples += tagged(keep.samples(surface.label(chosen)), "normal modes", temperature)
    return samples


def torsion_frames(surface: Surface, starts: Array, n: int, keep: Filter, seed: int) -> list[Sample]:
    """About `n` structures with one or two torsions at random, the rest shaken as heat would by 0.03 Å."""

    def turned(system: System, rng: np.random.Generator) -> Array | None:
        turnable = turnable_bonds(system)
        positions = turned_at_random(np.asarray(system.positions), turnable, rng)
        return positions + rng.normal(scale=0.03, size=positions.shape) if turnable else None

    return _changed_frames("torsions", turned, surface, starts, n, keep, seed)


def bond_frames(surface: Surface, starts: Array, n: int, keep: Filter, seed: int) -> list[Sample]:
    """About `n` structures with one bond pressed or stretched."""

    def stretched(system: System, rng: np.random.Generator) -> Array | None:
        pairs = bonds(system)
        factor = rng.uniform(PRESSED, STRETCHED)
        if not pairs:
            return None
        return pairs[rng.integers(len(pairs))].stretched(np.asarray(system.positions), factor)

    return _changed_frames("bonds", stretched, surface, starts, n, keep, seed)


def _changed_frames(
    source: str,
    change: Callable[[System, np.random.Generator], Array | None],
    surface: Surface,
    starts: Array,
    n: int,
    keep: Filter,
    seed: int,
) -> list[Sample]:
    """About `n` starts, each changed at random; a start that cannot be changed gives None."""
    rng = np.random.default_rng(seed)
    chosen: list[Array] = []
    for _ in range(TRIES * n):
        if len(chosen) == n:
            break
        positions = change(surface.system(starts[rng.integers(len(starts))]), rng)
        if positions is not None:
            chosen.extend(keep.geometries(positions[None]))
    samples = surface.label(np.array(chosen).reshape(-1, surface.n_atoms, 3))
    return tagged(keep.samples(samples), source)


def held_out_frames(
    surface: Surface, starts: Array, temperature: float, plan: Plan, keep: Filter, seed: int
) -> list[Sample]:
    """Frames at `temperature` [K] of trajectories of their own, after equilibration."""
    moves = TrajectoryPlan(
        temperatures=np.full(plan.test_replicas, temperature),
        steps=plan.test_steps,
        timestep=TIMESTEP,
        friction=TEST_FRICTION,
        skip=EQUILIBRATION,
        stride=plan.test_stride,
    )
    positions = starts[np.arange(plan.test_replicas) % len(starts)]
    frames = langevin_trajectories(surface, positions, moves, keep, seed)
    samples = []
    for number, one in enumerate(frames):
        samples += tagged(keep.samples(one), "test dynamics", temperature, trajectory=number)
    return samples
