"""Labels of two methods: one surface cannot be both.

A method has its own zero of energy for each element. So its frames lie apart from those of another: by a
constant among frames of one composition (here, and in `pairs`, where the forces tell a smaller one), by a
constant for each element among many compositions. Two methods with the same zeros are not told apart.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from adiabat.data.checks.finding import ONE_METHOD, TWO_METHODS, Finding
from adiabat.data.checks.survey import Survey
from adiabat.data.references import compositions
from adiabat.data.sample import Sample
from adiabat.data.stored import elements_of

# [eV/atom] between two groups of energies of one composition: isomers may be as far apart as the first, two
# methods alone as the second. Smaller groups are outliers.
GAP, FEWEST = (0.1, 1.0), 3
# Structures whose forces are so many times those of the others lie higher because they are hotter.
HOTTER = 1.5
# Two sets of free-atom energies are two methods when one set leaves more than this [eV/atom] unexplained, and
# two leave less than this share of it.
UNEXPLAINED, SHARE, ROUNDS = 1.0, 0.1, 20


def check_methods(survey: Survey) -> Iterator[Finding]:
    """By what the frames say of themselves, or by energies that fall into two groups."""
    named = sorted(
        {str(s.info["method"]) for part in survey.parts.values() for s in part if "method" in s.info}
    )
    if len(named) > 1:
        yield Finding(
            "error",
            "labels of several methods",
            f"the frames say they are of {', '.join(named)}; {ONE_METHOD}",
        )
        return
    apart = next(_groups_apart(survey), None) or _two_references(survey)
    if apart is not None:
        yield apart


def _groups_apart(survey: Survey) -> Iterator[Finding]:
    """A gap in the energies of one composition."""
    for group in survey.composition_groups:
        labelled = [sample for sample in group if sample.energy is not None]
        if len(labelled) < 2 * FEWEST:
            continue
        values = np.array([float(sample.energy or 0.0) / sample.n_atoms for sample in labelled])
        order = np.argsort(values)
        gaps = np.diff(values[order])[FEWEST - 1 : len(values) - FEWEST]
        below = FEWEST + int(np.argmax(gaps))
        low, high = values[order[:below]], values[order[below:]]
        if gaps.max() <= max(GAP[0], 3 * np.ptp(low), 3 * np.ptp(high)):
            continue
        certain = gaps.max() > GAP[1]
        halves = [[labelled[int(i)] for i in part] for part in (order[:below], order[below:])]
        if certain or _typical_force(halves[1]) < HOTTER * _typical_force(halves[0]):
            yield Finding(
                "error" if certain else "warning",
                "energies in two groups",
                f"of {len(labelled)} frames of one composition {below} lie {gaps.max():.3g} eV/atom below "
                f"the others; {TWO_METHODS}",
            )


def _typical_force(samples: Sequence[Sample]) -> float:
    forces = np.concatenate([sample.forces for sample in samples if sample.forces is not None])
    return float(np.sqrt(np.mean(forces**2)))


def _two_references(survey: Survey) -> Finding | None:
    """Free-atom energies of two kinds that explain the energies of many compositions far better than one."""
    labelled = [sample for sample in survey.molecules if sample.energy is not None]
    if not labelled:
        return None
    elements = sorted(elements_of(labelled))
    # Each set must be known far better than by as many frames as it has numbers.
    least = 4 * len(elements)
    shares = compositions([sample.system.numbers for sample in labelled], elements)
    energies = np.array([float(sample.energy or 0.0) / sample.n_atoms for sample in labelled])

    def unexplained_by(rows: np.ndarray) -> np.ndarray:
        references, *_ = np.linalg.lstsq(shares[rows], energies[rows])
        return energies - shares @ references

    whole = unexplained_by(np.ones(len(labelled), bool))
    unexplained = float(np.sqrt(np.mean(whole**2)))
    if unexplained < UNEXPLAINED:
        return None
    second, left = whole > np.median(whole), np.abs(whole)
    for _ in range(ROUNDS):
        if not least <= np.count_nonzero(second) <= len(labelled) - least:
            return None
        by_first, by_second = np.abs(unexplained_by(~second)), np.abs(unexplained_by(second))
        second, left = by_second < by_first, np.minimum(by_first, by_second)
    remaining = float(np.sqrt(np.mean(left**2)))
    if remaining > SHARE * unexplained:
        return None
    return Finding(
        "error",
        "energies of two sets of free atoms",
        f"{np.count_nonzero(second)} of {len(labelled)} frames have other energies of the elements than the "
        f"rest: one set leaves {unexplained:.3g} eV/atom unexplained, two {remaining:.3g}; {TWO_METHODS}",
    )
