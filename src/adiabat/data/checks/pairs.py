"""Energies against forces: along pairs of close frames the work of the forces is the difference in energy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from adiabat.base.units import BOHR, HARTREE, KCAL_PER_MOL, KJ_PER_MOL
from adiabat.data.checks.finding import TWO_METHODS, Finding, Level, name_frames
from adiabat.data.checks.levels import two_levels
from adiabat.data.checks.survey import Survey, spread_runs
from adiabat.data.sample import Sample

MAX_GROUP = 400  # frames of one molecule or cell that are compared with each other
MAX_FRAMES = 1600
# Root mean square displacement of an atom [Å]: up to CLOSE the trapezoid rule holds to about ten percent, up
# to HALFWAY to a third, up to NEAR it still tells units far apart.
CLOSE, HALFWAY, NEAR = 0.2, 0.3, 0.45
FEWEST, ENOUGH = 6, 12  # pairs that allow a verdict, and a strict one
GROSS = 1 / 8, 8.0  # a scale outside of this is a unit, whatever the noise
SMALL_WORK = 5e-3  # [eV] below this the noise of a calculation may be larger
CELL_TOLERANCE = 1e-3  # [Å]
# Energy difference over work, when energies and forces are not in the same units.
MIXED_UNITS = {
    "energies in eV, forces in kcal/mol/Å": KCAL_PER_MOL,
    "energies in eV, forces in kJ/mol/Å": KJ_PER_MOL,
    "energies in kcal/mol, forces in eV/Å": 1 / KCAL_PER_MOL,
    "energies in kJ/mol, forces in eV/Å": 1 / KJ_PER_MOL,
    "energies in eV, forces in hartree/Å": HARTREE,
    "energies in hartree, forces in eV/Å": 1 / HARTREE,
    "energies in eV, forces in hartree/bohr": HARTREE / BOHR,
    "energies in hartree, forces in hartree/bohr (or eV and eV/bohr)": 1 / BOHR,
    "energies in kcal/mol, forces in hartree/bohr": HARTREE / BOHR / KCAL_PER_MOL,
}


@dataclass(frozen=True)
class Pair:
    """Two frames of the same atoms.

    Attributes:
        first: one frame.
        second: the other.
        displacement: root mean square displacement of an atom between them [Å], best superposition.
        difference: energy of the second minus energy of the first [eV].
        work: the same by the forces, -(F1 + F2)/2 · (x2 - x1) [eV], exact for a harmonic surface.
    """

    first: Sample
    second: Sample
    displacement: float
    difference: float
    work: float


def check_energies_against_forces(survey: Survey) -> Iterator[Finding]:
    """Units, sign and order of energies and forces, by finite differences along close frames."""
    near = near_pairs(survey)
    yield from _levels(near)
    pairs = [pair for pair in near if pair.displacement < CLOSE]
    if len(pairs) < FEWEST:
        yield from _judge_scale(near)
        return
    difference, work = _values(pairs)
    ratio, correlation = _regression(work, difference)
    numbers = f"over {len(pairs)} pairs of close frames; slope {ratio:.3g}, correlation {correlation:.2f}"
    strict = len(pairs) >= ENOUGH
    if correlation < -0.6:
        yield Finding(
            "error" if strict else "warning",
            "the forces have the wrong sign",
            f"energies rise along the forces ({numbers}); forces are minus the gradient: multiply them by -1",
        )
    elif correlation < 0.5:
        noisy = np.sqrt(np.mean(work**2)) < SMALL_WORK
        yield Finding(
            "error" if strict and not noisy else "warning",
            "energies and forces do not belong together",
            f"differences in energy do not follow the work of the forces ({numbers}); "
            "energies or forces of other frames, or of another method?",
        )
    elif not 0.7 < ratio < 1.4:
        sizes = [pair.first.n_atoms for pair in pairs]
        known = correlation > 0.8 and _nearest_unit(ratio, sizes)[1] < 1.4
        certain = (strict and (known or not 0.4 < ratio < 2.5)) or not GROSS[0] < ratio < GROSS[1]
        yield _scale_finding("error" if certain else "warning", ratio, numbers, sizes)
    else:
        yield Finding("info", "energies and forces agree", numbers)
        yield from _odd_frames(pairs, difference - work, work)


def _levels(pairs: Sequence[Pair]) -> Iterator[Finding]:
    """Energies of one composition on two levels, which the work of the forces does not lead across."""
    groups: dict[bytes, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(np.asarray(pair.first.system.numbers).tobytes(), []).append(pair)
    for group in groups.values():
        # The noise is less in close pairs, but there are fewer of them.
        for furthest in (CLOSE, HALFWAY):
            within = [pair for pair in group if pair.displacement < furthest]
            distance = two_levels(np.array([pair.difference - pair.work for pair in within]))
            if distance is not None:
                yield Finding(
                    "error",
                    "energies on two levels",
                    f"between frames of one composition the energies differ by {distance:.3g} eV more than "
                    f"the work of the forces, or do not ({len(within)} pairs of close frames, the first "
                    f"{within[0].first.where} and {within[0].second.where}); {TWO_METHODS}",
                )
                return


def _judge_scale(pairs: Sequence[Pair]) -> Iterator[Finding]:
    """What frames that are not quite close still tell: units that are far apart."""
    for furthest, least, (low, high) in ((HALFWAY, 0.7, (0.6, 1.55)), (NEAR, -1.0, GROSS)):
        within = [pair for pair in pairs if pair.displacement < furthest]
        if len(within) >= ENOUGH:
            difference, work = _values(within)
            ratio, correlation = _regression(work, difference)
            if correlation > least and not low < ratio < high:
                numbers = f"over {len(within)} pairs of frames up to {furthest} Å apart"
                gross = not GROSS[0] < ratio < GROSS[1]
                sizes = [pair.first.n_atoms for pair in within]
                level = "error" if gross else "warning"
                yield _scale_finding(level, ratio, numbers, sizes, sure=correlation > 0.7)
                return
    yield Finding("info", "energies and forces not compared", "too few frames are close to each other")


def _scale_finding(
    level: Level, ratio: float, numbers: str, sizes: Sequence[int], sure: bool = True
) -> Finding:
    guess, miss = _nearest_unit(ratio, sizes)
    known = sure and miss < 1.8
    hint = f"; {guess}? adiabat reads eV and eV/Å" if known else "; adiabat reads eV and eV/Å"
    detail = f"differences in energy are {ratio:.3g} times the work of the forces ({numbers}){hint}"
    return Finding(level, "energies and forces differ in scale", detail)


def _nearest_unit(ratio: float, sizes: Sequence[int]) -> tuple[str, float]:
    """The mixture of units that comes nearest, and by which factor it misses.

    `sizes` are the numbers of atoms of the frames.
    """
    candidates = {**MIXED_UNITS, "energies per atom": 1 / float(np.median(sizes))}
    misses = {
        name: float(np.exp(abs(np.log(factor / max(ratio, 1e-30))))) for name, factor in candidates.items()
    }
    guess = min(misses, key=lambda name: misses[name])
    return guess, misses[guess]


def _values(pairs: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([pair.difference for pair in pairs]), np.array([pair.work for pair in pairs])


def near_pairs(survey: Survey) -> list[Pair]:
    """Each frame with its nearest two frames of the same atoms and cell, as far as they are near."""
    pairs: list[Pair] = []
    looked_at = 0
    for group in survey.composition_groups:
        for same_cell in _by_cell([sample for sample in group if sample.energy is not None]):
            if len(same_cell) > 1 and looked_at < MAX_FRAMES:
                chosen = spread_runs(same_cell, MAX_GROUP)
                looked_at += len(chosen)
                pairs += _pairs_of(chosen)
    return pairs


def _by_cell(samples: Sequence[Sample]) -> list[list[Sample]]:
    groups: dict[tuple, list[Sample]] = {}
    for sample in samples:
        system = sample.system
        cell = np.asarray(system.cell) * np.asarray(system.pbc)[:, None]
        groups.setdefault(tuple(np.round(cell / CELL_TOLERANCE).ravel()), []).append(sample)
    return sorted(groups.values(), key=len, reverse=True)


def _pairs_of(samples: Sequence[Sample]) -> list[Pair]:
    """The near pairs among frames of the same atoms in one cell."""
    positions = np.stack([np.asarray(sample.system.positions) for sample in samples])
    found: dict[tuple[int, int], Pair] = {}
    for index, sample in enumerate(samples):
        moves, rotations = _displacements(positions, index, sample)
        distances = np.sqrt(np.mean(np.sum(moves**2, axis=2), axis=1))
        distances[index] = np.inf
        for other in np.argsort(distances)[:2].tolist():
            key = (min(index, other), max(index, other))
            # Copies say nothing about forces; they are looked at elsewhere.
            if key in found or not 1e-4 < distances[other] < NEAR:
                continue
            partner = samples[other]
            forces = np.asarray(sample.forces) + np.asarray(partner.forces) @ rotations[other]
            found[key] = Pair(
                first=sample,
                second=partner,
                displacement=float(distances[other]),
                difference=float(partner.energy or 0.0) - float(sample.energy or 0.0),
                work=-0.5 * float(np.sum(forces * moves[other])),
            )
    return list(found.values())


def _displacements(positions: np.ndarray, index: int, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """How each frame differs from frame `index`, once it is laid upon it, and the rotation that does so.

    Periodic directions use the nearest image; molecules are turned by Kabsch's method
    (doi:10.1107/S0567739476001873).
    """
    pbc = np.asarray(sample.system.pbc)
    if pbc.any():
        from ase.geometry import complete_cell

        cell = complete_cell(np.asarray(sample.system.cell) * pbc[:, None])
        fractional = (positions - positions[index]) @ np.linalg.inv(cell)
        moves = (fractional - np.round(fractional) * pbc) @ cell
        return moves - moves.mean(axis=1, keepdims=True), np.broadcast_to(np.eye(3), (len(positions), 3, 3))
    centered = positions - positions.mean(axis=1, keepdims=True)
    left, _, right = np.linalg.svd(np.einsum("bni,nj->bij", centered, centered[index]))
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    rotations = left @ right
    return np.einsum("bni,bij->bnj", centered, rotations) - centered[index], rotations


def _regression(work: np.ndarray, difference: np.ndarray) -> tuple[float, float]:
    """Slope through the origin and correlation, without the largest values: a few frames do not decide."""
    size = np.sum(work * work) * np.sum(difference * difference)
    correlation = np.sum(work * difference) / np.sqrt(size) if size > 0 else 0.0
    spreads = np.median(np.abs(difference)), np.median(np.abs(work))
    bulk = (np.abs(work) < 10 * spreads[1] + 1e-12) & (np.abs(difference) < 10 * spreads[0] + 1e-12)
    if bulk.sum() >= FEWEST:
        work, difference = work[bulk], difference[bulk]
        size = np.sum(work * work) * np.sum(difference * difference)
        correlation = np.sum(work * difference) / np.sqrt(size) if size > 0 else correlation
    # The geometric mean of both regressions: noise in either does not change it.
    ratio = np.sqrt(np.sum(difference**2) / max(np.sum(work**2), 1e-300))
    return float(ratio), float(correlation)


def _odd_frames(pairs: Sequence[Pair], residual: np.ndarray, work: np.ndarray) -> Iterator[Finding]:
    """Frames whose every pair disagrees far more than the others do."""
    spread = np.median(np.abs(residual)) + 0.02 * np.median(np.abs(work)) + 1e-6
    verdicts: dict[int, list[bool]] = {}
    samples = {id(sample): sample for pair in pairs for sample in (pair.first, pair.second)}
    for pair, deviation in zip(pairs, np.abs(residual) / spread, strict=True):
        for sample in (pair.first, pair.second):
            verdicts.setdefault(id(sample), []).append(bool(deviation > 25))
    odd = [samples[key] for key, bad in verdicts.items() if len(bad) > 1 and all(bad)]
    if odd:
        yield Finding(
            "warning",
            "energies that do not fit the forces",
            f"{len(odd)} of {len(samples)} frames compared: {name_frames(odd)}",
        )
