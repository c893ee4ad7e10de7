"""What the structures are: elements, charges, distances and neighbors, and whether all sets have them."""

from collections.abc import Iterator, Sequence

import numpy as np
from ase.data import chemical_symbols

from adiabat.data.checks.finding import Finding, Level, name_frames
from adiabat.data.checks.survey import NOBLE_GASES, Geometry, Survey
from adiabat.data.describe import formula
from adiabat.data.sample import Sample

OVERLAP = 0.45  # times the sum of the covalent radii: no electronic structure method is meant for less
CLOSE = 0.6
FEW_ATOMS = 20  # an element with fewer atoms in all of the training set is hardly learned


def check_elements(survey: Survey) -> Iterator[Finding]:
    """Elements that are not in every set, or too rare to be learned."""
    found = {name: _element_counts(samples) for name, samples in survey.parts.items()}
    known = found["train"]
    for name in ("valid", "test"):
        if not survey.parts[name]:
            continue
        foreign = sorted(set(found[name]) - set(known))
        if foreign:
            odd = [s for s in survey.parts[name] if np.isin(np.asarray(s.system.numbers), foreign).any()]
            yield Finding(
                "error",
                f"elements in {name} that are not in train",
                f"{_symbols(foreign)}: {name_frames(odd)}",
            )
        absent = sorted(set(known) - set(found[name]))
        if absent:
            yield Finding("info", f"elements in train that are not in {name}", _symbols(absent))
    rare = [number for number, count in _element_counts(survey.molecules).items() if count < FEW_ATOMS]
    if rare and len(survey.molecules) >= FEW_ATOMS:
        yield Finding(
            "warning", "rare elements", f"{_symbols(rare)}: fewer than {FEW_ATOMS} atoms in all of train"
        )


def check_states(survey: Survey) -> Iterator[Finding]:
    """Charges and spins that are mixed, where a potential that does not know them sees one structure."""
    states: dict[str, set[tuple[int, int]]] = {}
    for sample in survey.molecules:
        states.setdefault(formula(sample), set()).add((sample.system.charge, sample.system.spin))
    mixed = sorted(name for name, found in states.items() if len(found) > 1)
    if mixed:
        detail = (
            f"{', '.join(mixed[:5])} in several: a potential does not tell them apart; train one for each"
        )
        yield Finding("warning", "charges or spins are mixed", detail)
    elif len({state for found in states.values() for state in found}) > 1:
        detail = "each molecule has its own charge and spin, which the potential is not told"
        yield Finding("info", "several charges or spins", detail)
    periodic = {any(sample.system.pbc) for sample in survey.molecules}
    if len(periodic) > 1:
        yield Finding("info", "molecules and periodic cells", "both are in the training set")


def check_distances(survey: Survey) -> Iterator[Finding]:
    """Atoms that overlap, and distances that are all too long or too short: the unit is not Å."""
    geometries = [g for g in survey.geometries if g.sample.n_atoms > 1]
    nearest = [g.nearest() for g in geometries]
    if not nearest:
        return
    usual = _usual_distance(geometries, nearest)
    if usual is not None and (usual < 0.2 or 1.65 < usual < 2.3):
        unit = "bohr" if usual > 1 else "nm"
        yield Finding(
            "error",
            f"positions look like {unit}",
            f"the median atom has its nearest neighbor at {usual:.2f} bond lengths; adiabat reads Å",
        )
        return
    smallest = np.array([ratios.min() for ratios in nearest])
    ranges: tuple[tuple[Level, str, float, float], ...] = (
        ("error", "atoms overlap", 0.0, OVERLAP),
        ("warning", "atoms very close to each other", OVERLAP, CLOSE),
    )
    for level, title, low, high in ranges:
        odd = [g for g, ratio in zip(geometries, smallest, strict=True) if low <= ratio < high]
        if odd:
            shortest = min(odd, key=lambda g: g.ratios.min())
            detail = (
                f"{len(odd)} frames, down to {_shortest(shortest)}: {name_frames([g.sample for g in odd])}"
            )
            yield Finding(level, title, detail)


def _usual_distance(geometries: Sequence[Geometry], nearest: Sequence[np.ndarray]) -> float | None:
    """The median of the nearest distance over the bond length; None where that does not tell a unit."""
    bound = [
        ratios[~NOBLE_GASES[np.asarray(g.sample.system.numbers)] & np.isfinite(ratios)]
        for g, ratios in zip(geometries, nearest, strict=True)
    ]
    joined = np.concatenate(bound)
    # Dissociation curves have long distances too, but among shorter ones.
    mixed = len(joined) < 10 or np.mean((joined > 0.6) & (joined < 1.3)) > 0.02
    return None if mixed else float(np.median(joined))


def _shortest(geometry: Geometry) -> str:
    edge = int(geometry.ratios.argmin())
    pair = (geometry.sample.system.numbers[atom[edge]] for atom in (geometry.first, geometry.second))
    return f"{'-'.join(chemical_symbols[int(z)] for z in pair)} {geometry.distances[edge]:.2f} Å"


def check_neighbors(survey: Survey) -> Iterator[Finding]:
    """How many neighbors atoms have within the cut-off, and atoms that have none."""
    geometries = [g for g in survey.geometries if g.sample.n_atoms > 1]
    if not geometries:
        return
    counts = [g.neighbor_counts() for g in geometries]
    joined = np.concatenate(counts)
    yield Finding(
        "info",
        "neighbors",
        f"{joined.mean():.1f} on average within {survey.cutoff:g} Å, {joined.min()} to {joined.max()}",
    )
    lonely = [g.sample for g, count in zip(geometries, counts, strict=True) if count.min() == 0]
    bound = [s for s in lonely if not NOBLE_GASES[np.asarray(s.system.numbers)].all()]
    if bound:
        detail = f"{len(bound)} frames have an atom alone within {survey.cutoff:g} Å: {name_frames(bound)}"
        yield Finding("warning", "atoms without neighbors", detail)


def _element_counts(samples: Sequence[Sample]) -> dict[int, int]:
    if not samples:
        return {}
    counts = np.bincount(np.concatenate([np.asarray(sample.system.numbers) for sample in samples]))
    return {int(number): int(counts[number]) for number in np.flatnonzero(counts)}


def _symbols(numbers: Sequence[int]) -> str:
    return ", ".join(chemical_symbols[number] for number in numbers)
