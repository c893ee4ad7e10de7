"""Copies of structures: within the training set, and between the sets that must not share any."""

from collections.abc import Iterator, Sequence

import numpy as np

from adiabat.data.checks.finding import Finding, name_frames
from adiabat.data.checks.survey import Survey
from adiabat.data.sample import Sample

LEAK = 0.02  # share of a held-out set that may be in the training set before its errors mean nothing
SAME_PLACE = 1e-4  # [Å]
CONTRADICTION = 0.01  # [eV/atom] between two labels of one structure


def check_copies(survey: Survey) -> Iterator[Finding]:
    """Structures that stand in the training set more than once, and whether their labels agree."""
    groups = survey.groups["train"]
    counts = np.bincount(groups) if len(groups) else np.zeros(0, int)
    repeated = np.flatnonzero(counts > 1)
    if not len(repeated):
        return
    members = {
        int(group): [survey.train[int(i)] for i in np.flatnonzero(groups == group)] for group in repeated
    }
    exact = sum(_n_exact(samples) for samples in members.values())
    n_copies = int(counts[repeated].sum() - len(repeated))
    yield Finding(
        "warning" if exact else "info",
        "copies in the training set",
        f"{n_copies} of {len(groups)} frames repeat another one ({exact} to the digit, the others moved or "
        f"by symmetry) and count more than once: {name_frames(next(iter(members.values())), 2)}",
    )
    torn = [samples for samples in members.values() if _spread(samples) > CONTRADICTION]
    if torn:
        worst = max(torn, key=_spread)
        yield Finding(
            "error" if _spread(worst) > 10 * CONTRADICTION else "warning",
            "one structure with two energies",
            f"{len(torn)} structures; up to {1000 * _spread(worst):.0f} meV/atom apart: {name_frames(worst)}",
        )


def check_leaks(survey: Survey) -> Iterator[Finding]:
    """Structures of one set that are in another as well."""
    for name, other in (("valid", "train"), ("test", "train"), ("test", "valid")):
        held, seen = survey.parts[name], survey.parts[other]
        if not held or not seen:
            continue
        shared = np.flatnonzero(np.isin(survey.groups[name], survey.groups[other]))
        if not len(shared):
            continue
        copies = [held[int(i)] for i in shared]
        exact = [s for s, i in zip(copies, shared, strict=True) if _in(s, survey, name, other, int(i))]
        serious = len(exact) > LEAK * len(held) and other == "train"
        yield Finding(
            "error" if serious else "warning",
            f"{name} frames are in {other}",
            f"{len(copies)} of {len(held)} ({len(exact)} to the digit, the others moved or by symmetry); "
            f"errors on them say nothing about new structures: {name_frames(exact or copies)}",
        )


def _in(sample: Sample, survey: Survey, name: str, other: str, index: int) -> bool:
    group = survey.groups[name][index]
    return any(
        same_place(sample, survey.parts[other][int(i)]) for i in np.flatnonzero(survey.groups[other] == group)
    )


def same_place(first: Sample, second: Sample) -> bool:
    """True when the atoms are the same, in the same order and places, up to a shift of the whole."""
    a, b = first.system, second.system
    if not np.array_equal(a.numbers, b.numbers) or a.pbc != b.pbc or (a.charge, a.spin) != (b.charge, b.spin):
        return False
    shift = np.asarray(a.positions) - np.asarray(b.positions)
    moved = np.abs(shift - shift.mean(axis=0)).max()
    cells = np.abs(np.asarray(a.cell) - np.asarray(b.cell))[list(a.pbc)]
    return bool(moved < SAME_PLACE and cells.max(initial=0.0) < SAME_PLACE)


def _n_exact(samples: Sequence[Sample]) -> int:
    """How many of the samples repeat an earlier one to the digit."""
    return sum(any(same_place(s, earlier) for earlier in samples[:i]) for i, s in enumerate(samples[:50]))


def _spread(samples: Sequence[Sample]) -> float:
    """The largest difference in energy per atom between copies of equal charge and spin."""
    widest = 0.0
    for state in {(s.system.charge, s.system.spin) for s in samples}:
        energies = [
            s.energy for s in samples if (s.system.charge, s.system.spin) == state and s.energy is not None
        ]
        if energies:
            widest = max(widest, (max(energies) - min(energies)) / samples[0].n_atoms)
    return widest
