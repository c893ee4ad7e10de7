"""The training, validation and test sets of one molecule."""

from collections.abc import Sequence

import numpy as np

from adiabat.base import ConvergenceError
from adiabat.data.sample import Sample
from adiabat.generate.filters import Filter
from adiabat.generate.normal_modes import normal_modes
from adiabat.generate.plan import Plan
from adiabat.generate.sources import (
    Explorer,
    bond_frames,
    dynamics_frames,
    held_out_frames,
    normal_mode_frames,
    tagged,
    torsion_frames,
)
from adiabat.generate.surface import Array, Surface

VALID_FRACTION = 0.1


def training_frames(
    surface: Surface, minima: Array, plan: Plan, keep: Filter, explore: Explorer | None = None
) -> list[Sample]:
    """Labelled structures from every source, according to `plan`.

    Args:
        surface: the molecule.
        minima: relaxed geometries [Å], shape (k, n_atoms, 3), the lowest first.
        plan: how many of which.
        keep: what is dropped.
        explore: what runs the trajectories, whose frames the method then labels; the method by default.

    Raises:
        ConvergenceError: hardly any structure passed; the message counts the reasons.
    """
    seeds = [int(s) for s in np.random.SeedSequence(plan.seed).generate_state(5)]
    samples = tagged(keep.samples(surface.label(minima)), "minima")
    modes = [normal_modes(surface, one) for one in minima[: plan.n_minima]]
    if modes:
        count = plan.labels["normal modes"]
        samples += normal_mode_frames(surface, modes, plan.temperatures, count, keep, seeds[0])
    turned = []
    if plan.labels.get("torsions"):
        turned = torsion_frames(surface, minima, plan.labels["torsions"], keep, seeds[1])
    samples += turned + bond_frames(surface, minima, plan.labels["bonds"], keep, seeds[2])
    # Half of the trajectories start from the minima, half from the lowest of the turned conformers.
    turned.sort(key=lambda sample: sample.energy or 0.0)
    others = [np.asarray(sample.system.positions) for sample in turned[: plan.n_replicas // 2]]
    starts = [one for k, other in enumerate(others) for one in (minima[k % len(minima)], other)]
    samples += dynamics_frames(surface, np.array(starts or list(minima)), plan, keep, seeds[3], explore)
    if len(samples) < 10:
        reasons = ", ".join(f"{n} {why}" for why, n in (keep.dropped + surface.failures).most_common())
        raise ConvergenceError(
            f"only {len(samples)} structures of this molecule are usable ({reasons})",
            "check charge and spin; start from a relaxed structure",
        )
    return samples


def split_by_trajectory(samples: Sequence[Sample], seed: int) -> tuple[list[Sample], list[Sample]]:
    """Training and validation samples; a trajectory, correlated in time, is in one of them as a whole.

    The rest is drawn at random.
    """
    rng = np.random.default_rng(seed)
    numbers = sorted({int(s.info["trajectory"]) for s in samples if "trajectory" in s.info})
    n_valid = max(1, round(VALID_FRACTION * len(numbers)))
    chosen = set(rng.permutation(numbers)[:n_valid].tolist()) if len(numbers) > 3 else set()
    train: list[Sample] = []
    valid: list[Sample] = []
    for sample in samples:
        if chosen and "trajectory" in sample.info:
            held = int(sample.info["trajectory"]) in chosen
        else:
            held = rng.random() < VALID_FRACTION and sample.info.get("origin") != "minima"
        (valid if held else train).append(sample)
    if not valid:
        valid.append(train.pop())
    return train, valid


def held_out_sets(
    surface: Surface, starts: Array, plan: Plan, keep: Filter
) -> tuple[list[Sample], list[Sample]]:
    """Frames at the plan's temperature and at its hot one, from trajectories apart from the training's.

    Args:
        surface: the molecule.
        starts: conformers of another embedding than the training's [Å], shape (k, n_atoms, 3).
        plan: how many.
        keep: a filter of their own.

    Raises:
        ConvergenceError: there is no usable frame at a temperature.
    """
    seeds = np.random.SeedSequence([plan.seed, 7]).generate_state(2)
    sets = [
        held_out_frames(surface, starts, temperature, plan, keep, int(seed))
        for temperature, seed in zip((plan.temperature, plan.hot), seeds, strict=True)
    ]
    for temperature, frames in zip((plan.temperature, plan.hot), sets, strict=True):
        if not frames:
            raise ConvergenceError(
                f"no test trajectory at {temperature:g} K stays whole: the molecule falls apart, or "
                f"{surface.labeler.name} fails on it ({', '.join(surface.failures) or 'no failures'})",
                "choose a lower --temperature",
            )
    return sets[0], sets[1]
