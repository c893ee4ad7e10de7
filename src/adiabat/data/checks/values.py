"""Labels one by one: outliers, energies on two scales, energies in units that total energies betray."""

from collections.abc import Iterator

import numpy as np

from adiabat.base.units import HARTREE, KCAL_PER_MOL, KJ_PER_MOL
from adiabat.data.checks.finding import Finding, name_frames
from adiabat.data.checks.survey import Survey
from adiabat.data.describe import binding_energy
from adiabat.data.references import fit_references, neutral_atom

OUTLIER = 15.0  # robust standard deviations
ENERGY_FLOOR = 0.2  # [eV/atom] a deviation below this is never called an outlier
ENERGY_GAP = 50.0  # [eV/atom] no two structures of one composition differ by as much
FORCE_LIMIT = 100.0  # [eV/Å]
ALL_ELECTRON_UNITS = {"hartree": HARTREE, "kcal/mol": KCAL_PER_MOL, "kJ/mol": KJ_PER_MOL}


def check_energies(survey: Survey) -> Iterator[Finding]:
    """Energies per atom far from the others, once the elements' share is taken off."""
    labelled = [sample for sample in survey.molecules if sample.energy is not None]
    if len(labelled) < 3:
        return
    references = fit_references(labelled)
    energies = np.array([binding_energy(sample, references) for sample in labelled])
    deviations = np.abs(energies - np.median(energies))
    limit = max(OUTLIER * 1.4826 * float(np.median(deviations)), ENERGY_FLOOR)
    far = np.argsort(-deviations)[: np.count_nonzero(deviations > limit)]
    if not len(far):
        return
    odd = [labelled[i] for i in far]
    if deviations[far[0]] > ENERGY_GAP:
        yield Finding(
            "error",
            "energies on different scales",
            f"{len(odd)} frames are up to {deviations[far[0]]:.3g} eV/atom away from the median; "
            f"another unit, or another code or pseudopotential? {name_frames(odd)}",
        )
    else:
        yield Finding(
            "warning",
            "outliers in energy",
            f"{len(odd)} of {len(labelled)} frames are more than {limit:.2g} eV/atom away from the median, "
            f"up to {deviations[far[0]]:.3g}: {name_frames(odd)}",
        )


def check_total_energies(survey: Survey) -> Iterator[Finding]:
    """Total energies with all electrons are known within a few percent, and so is their unit."""
    labelled = [sample for sample in survey.molecules if sample.energy is not None]
    if not labelled:
        return
    totals = np.array([float(neutral_atom(np.asarray(sample.system.numbers)).sum()) for sample in labelled])
    ratios = np.array([float(sample.energy or 0.0) for sample in labelled]) / totals
    ratio = float(np.median(ratios))
    for unit, factor in ALL_ELECTRON_UNITS.items():
        # Hydrogen is the one atom that the formula misses by more than a few percent.
        if 0.97 < ratio * factor < 1.05 and np.ptp(ratios) < 0.05 * ratio:
            yield Finding(
                "warning",
                f"energies look like {unit}",
                f"they are {ratio * factor:.2f} times the total energies with all electrons in {unit}; "
                "adiabat reads eV",
            )


def check_forces(survey: Survey) -> Iterator[Finding]:
    """Forces far larger than the others, or missing."""
    bare = [sample for sample in survey.molecules if sample.forces is None]
    if bare:
        yield Finding("info", "frames without forces", f"{len(bare)} of {len(survey.molecules)}")
    labelled = [sample for sample in survey.molecules if sample.forces is not None]
    if len(labelled) < 3:
        return
    largest = np.array([float(np.linalg.norm(np.asarray(s.forces), axis=1).max()) for s in labelled])
    size = np.log(np.maximum(largest, 1e-2))
    middle = float(np.median(size[largest > 1e-2])) if (largest > 1e-2).any() else 0.0
    spread = max(1.4826 * float(np.median(np.abs(size - middle))), 0.2)
    far = np.argsort(-largest)[
        : np.count_nonzero((size - middle > OUTLIER / 2 * spread) | (largest > FORCE_LIMIT))
    ]
    if len(far):
        odd = [labelled[i] for i in far]
        yield Finding(
            "warning",
            "outliers in force",
            f"{len(odd)} of {len(labelled)} frames have forces up to {largest[far[0]]:.3g} eV/Å "
            f"(median of the largest force {np.exp(middle):.3g}): {name_frames(odd)}",
        )
