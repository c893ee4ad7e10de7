"""A summary of a data set, in plain numbers."""

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import ase.data
import numpy as np

from adiabat.data.census import Census, Kind
from adiabat.data.references import fit_references
from adiabat.data.sample import Sample
from adiabat.data.stored import StoredSamples

# Names under which files say what a frame is: the first one found makes the groups of a report.
GROUP_KEYS = ("config_type", "temperature", "group", "tag", "name")
MAX_GROUPS = 30
# Of samples that stay in their files, forces and groups are those of so many.
LOOKED_AT = 5000


def describe(samples: Sequence[Sample]) -> dict[str, Any]:
    """What is in a data set, as plain numbers and text that JSON can hold.

    Returns:
        `n_structures`, `n_atoms`, `elements` (symbol: number of atoms), `sizes` (smallest, largest),
        `periodic` (number of periodic structures), `formulas` (the most common ones), `charges`, `spins`,
        `groups` (`config_type`, temperature or the like: number of structures), `with_forces`,
        `with_stress`, `with_dipole`, `energy_per_atom_ev` (relative to the fitted references) and
        `force_ev_per_ang` (size of the force on an atom) with minimum, maximum, mean and standard deviation;
        the RMS of the forces is that of a component; `sources`.

        Of samples that stay in their files, groups, sources, energies and forces are those of a selection,
        whose number is `looked_at`.
    """
    if isinstance(samples, StoredSamples):
        chosen = samples.selection(LOOKED_AT)
        return describe(chosen) | _counts(samples.census) | {"looked_at": len(chosen)}
    sizes = [sample.n_atoms for sample in samples]
    elements = Counter(int(number) for sample in samples for number in np.asarray(sample.system.numbers))
    formulas = Counter(formula(sample) for sample in samples)
    forces = [np.linalg.norm(sample.forces, axis=1) for sample in samples if sample.forces is not None]
    return {
        "n_structures": len(samples),
        "n_atoms": sum(sizes),
        "elements": {ase.data.chemical_symbols[number]: count for number, count in sorted(elements.items())},
        "sizes": [min(sizes, default=0), max(sizes, default=0)],
        "periodic": sum(any(sample.system.pbc) for sample in samples),
        "formulas": dict(formulas.most_common(MAX_GROUPS)),
        "charges": _counted(sample.system.charge for sample in samples),
        "spins": _counted(sample.system.spin for sample in samples),
        "groups": groups_of(samples),
        "with_forces": len(forces),
        "with_stress": sum(sample.stress is not None for sample in samples),
        "with_dipole": sum(sample.dipole is not None for sample in samples),
        "energy_per_atom_ev": _energy_range(samples),
        "force_ev_per_ang": _range(np.concatenate(forces), rms=True) if forces else None,
        "sources": _counted(sample.source for sample in samples),
    }


def _counts(census: Census) -> dict[str, Any]:
    """What a census says exactly of all samples, under the names of `describe`."""
    met = [(census.kinds[k], int(n)) for k, n in enumerate(np.bincount(census.kind)) if n]
    elements, formulas, charges, spins = Counter(), Counter(), Counter(), Counter()
    for kind, count in met:
        for number, atoms in Counter(kind.numbers).items():
            elements[number] += atoms * count
        formulas[_formula(kind.numbers)] += count
        charges[kind.charge] += count
        spins[kind.spin] += count
    return {
        "n_structures": len(census),
        "n_atoms": int(census.n_atoms.sum()),
        "elements": {ase.data.chemical_symbols[number]: count for number, count in sorted(elements.items())},
        "sizes": [int(census.n_atoms.min()), int(census.n_atoms.max())],
        "periodic": sum(count for kind, count in met if any(kind.pbc)),
        "formulas": dict(formulas.most_common(MAX_GROUPS)),
        "charges": _counted(charges.elements()),
        "spins": _counted(spins.elements()),
        "with_forces": int(np.sum(~np.isnan(census.force_squares))),
        "with_stress": int(census.stressed.sum()),
        "with_dipole": int(census.polar.sum()),
    }


def formula(sample: Sample) -> str:
    """The chemical formula in Hill order."""
    return _formula(Kind.of(sample.system).numbers)


@functools.lru_cache(maxsize=4096)
def _formula(numbers: bytes) -> str:
    from ase.formula import Formula

    counts = Counter(ase.data.chemical_symbols[number] for number in numbers)
    return Formula.from_dict(dict(counts)).format("hill")


def groups_of(samples: Sequence[Sample]) -> dict[str, int]:
    """How many samples carry each value of the first tag in `GROUP_KEYS` that any of them has."""
    for key in GROUP_KEYS:
        values = [sample.info[key] for sample in samples if key in sample.info]
        if values and all(np.size(value) == 1 for value in values):
            return dict(Counter(str(value) for value in values).most_common(MAX_GROUPS))
    return {}


def _counted(values: Any) -> dict[str, int]:
    return {str(value): count for value, count in sorted(Counter(values).items())[:MAX_GROUPS]}


def _energy_range(samples: Sequence[Sample]) -> dict[str, float] | None:
    labelled = [sample for sample in samples if sample.energy is not None]
    if not labelled:
        return None
    references = fit_references(labelled)
    return _range(np.array([binding_energy(sample, references) for sample in labelled]))


def binding_energy(sample: Sample, references: dict[int, float]) -> float:
    """Energy per atom [eV] above the references of its elements."""
    total = sum(references[int(number)] for number in np.asarray(sample.system.numbers))
    return (float(sample.energy or 0.0) - total) / sample.n_atoms


def _range(values: np.ndarray, rms: bool = False) -> dict[str, float]:
    summary = {"min": values.min(), "max": values.max(), "mean": values.mean(), "std": values.std()}
    if rms:
        summary["rms"] = np.sqrt(np.mean(values**2) / 3)  # of the components
    return {name: float(value) for name, value in summary.items()}
