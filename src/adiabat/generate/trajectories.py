"""Langevin dynamics on the surface of a reference method: all replicas step together, on all cores."""

from dataclasses import dataclass

import numpy as np

from adiabat.base.units import BOLTZMANN, FEMTOSECOND
from adiabat.data.labelers import is_labelled
from adiabat.data.sample import Sample
from adiabat.generate.filters import Filter
from adiabat.generate.surface import Array, Surface, energies_and_forces

# Steps between two looks at whether a replica has fallen apart.
CHECK_EVERY = 5


@dataclass(frozen=True)
class TrajectoryPlan:
    """How replicas move.

    Attributes:
        temperatures: of each replica [K], shape (k,).
        steps: of each replica.
        timestep: [fs].
        friction: [1/fs].
        skip: the first frame kept is that of this step.
        stride: steps between kept frames.
    """

    temperatures: Array
    steps: int
    timestep: float = 1.0
    friction: float = 0.02
    skip: int = 0
    stride: int = 10


def langevin_trajectories(
    surface: Surface, positions: Array, plan: TrajectoryPlan, keep: Filter, seed: int
) -> list[list[Sample]]:
    """The kept frames of each replica, by the BAOAB scheme (doi:10.1093/amrx/abs010).

    A replica ends where the method fails on it or where it falls apart; what it gave until then is kept.

    Args:
        surface: the molecule.
        positions: where the replicas start [Å], shape (k, n_atoms, 3).
        plan: how they move.
        keep: says when a molecule has fallen apart.
        seed: each replica draws from its own stream of it.
    """
    timestep = plan.timestep * FEMTOSECOND
    masses = np.asarray(surface.reference.masses, dtype=np.float64)[:, None]
    widths = np.sqrt(BOLTZMANN * np.asarray(plan.temperatures)[:, None, None] * masses)
    decay = float(np.exp(-plan.friction * plan.timestep))
    kick = np.sqrt(1 - decay**2)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(len(positions))]
    positions = np.array(positions, dtype=np.float64)
    noise = np.array([s.normal(size=positions.shape[1:]) for s in streams])
    momenta = noise * widths
    frames: list[list[Sample]] = [[] for _ in streams]
    active = np.arange(len(streams))
    _, forces = surface(positions)
    for step in range(1, plan.steps + 1):
        active = active[np.isfinite(forces[active]).all(axis=(1, 2))]
        if len(active) == 0:
            break
        # Only the replicas still alive move; the streams of the others rest, and nobody else's change.
        noise = np.array([streams[k].normal(size=positions.shape[1:]) for k in active])
        p, x, width = momenta[active] + 0.5 * timestep * forces[active], positions[active], widths[active]
        x = x + 0.5 * timestep * p / masses
        p = decay * p + kick * width * noise
        x = x + 0.5 * timestep * p / masses
        samples = surface.label(x)
        _, forces[active] = energies_and_forces(samples, surface.n_atoms)
        momenta[active], positions[active] = p + 0.5 * timestep * forces[active], x
        kept = step > plan.skip and (step - plan.skip) % plan.stride == 0
        if not kept and step % CHECK_EVERY:
            continue
        alive = np.array([keep.geometry_fault(one) is None for one in x])
        if kept:
            for k, sample, whole in zip(active, samples, alive, strict=True):
                if whole and is_labelled(sample):
                    frames[k].append(sample)
        active = active[alive]
    return frames
