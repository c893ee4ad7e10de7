"""The size and direction of the forces: stiffness of bonds, net force, net torque, stress against volume."""

from collections.abc import Iterator

import numpy as np
from ase.data import chemical_symbols

from adiabat.base.units import BOHR, HARTREE, KCAL_PER_MOL, KJ_PER_MOL
from adiabat.data.checks.finding import Finding, name_frames
from adiabat.data.checks.survey import METALLOIDS, NOBLE_GASES, NONMETALS, Survey, spread
from adiabat.data.sample import Sample

BONDED = 1.25  # times the sum of the covalent radii
MAX_FRAMES = 300
FEWEST = 30  # bonds that allow a verdict
# Force constants [eV/Å^2] that occur: covalent (C-H 30, C=O 75), with metalloids (Si-Si 6), metals (Cu-Cu 2).
STIFFNESS = {"covalent": (3.0, 250.0), "intermediate": (0.4, 60.0), "metallic": (0.04, 30.0)}
# C-H hardly depends on the molecule (28 to 36 eV/Å^2 in acac and rMD17): a factor of 1.9 shows.
STIFFNESS_CH, PLAUSIBLE_CH = 31.0, (20.0, 46.0)
# The factor by which forces in these units are too large.
FORCE_UNITS = {
    "kcal/mol/Å": 1 / KCAL_PER_MOL,
    "kJ/mol/Å": 1 / KJ_PER_MOL,
    "meV/Å": 1000.0,
    "hartree/bohr": BOHR / HARTREE,
    "hartree/Å": 1 / HARTREE,
    "eV/bohr": BOHR,
}


def check_stiffness(survey: Survey) -> Iterator[Finding]:
    """Stretched bonds pull back, with force constants of a known order: shows sign, unit, and disorder."""
    bonds = _bond_fluctuations(survey)
    verdicts = []
    for (first, second), (stretch, tension) in bonds.items():
        if len(stretch) >= FEWEST and stretch.std() > 3e-3:
            scale = np.sqrt(np.mean(stretch**2) * np.mean(tension**2))
            correlation = np.mean(stretch * tension) / scale if scale > 0 else 0.0
            constant = np.mean(stretch * tension) / np.mean(stretch**2)
            verdicts.append((first, second, constant, correlation, len(stretch)))
    if not verdicts:
        return
    total = sum(count * correlation for *_, correlation, count in verdicts) / sum(v[-1] for v in verdicts)
    named = ", ".join(f"{chemical_symbols[a]}-{chemical_symbols[b]} {k:.3g}" for a, b, k, *_ in verdicts[:6])
    if total < -0.4:
        yield Finding(
            "error",
            "the forces have the wrong sign",
            f"stretched bonds are pushed further apart (force constants {named} eV/Å²); "
            "forces are minus the gradient: multiply them by -1",
        )
    elif total < 0.1 and sum(v[-1] for v in verdicts) > 10 * FEWEST:
        yield Finding(
            "error",
            "the forces do not follow the structure",
            f"how far a bond is stretched says nothing about the forces on it (correlation {total:.2f}); "
            "do forces and positions come from the same frame, in the same order of atoms and the same axes?",
        )
    else:
        yield from _scale_of(verdicts, named)


def _scale_of(verdicts: list[tuple], named: str) -> Iterator[Finding]:
    """Whether the force constants are of a size that occurs."""
    excess, factors = [], []
    for first, second, constant, correlation, _ in verdicts:
        low, high = STIFFNESS[_kind(first, second)]
        if correlation > 0.2:
            excess.append(max(constant / high, 1.0) * min(constant / low, 1.0))
            factors.append(constant / np.sqrt(low * high))
        if (first, second) == (1, 6) and correlation > 0.7:
            ch_factor = constant / STIFFNESS_CH
            if not PLAUSIBLE_CH[0] < constant < PLAUSIBLE_CH[1] and 1 / 3 < ch_factor < 3:
                # Nothing but this unit makes C-H bonds half as stiff.
                certain = correlation > 0.9 and abs(ch_factor / BOHR - 1) < 0.15
                yield Finding(
                    "error" if certain else "warning",
                    "the forces seem to be in another unit",
                    f"C-H bonds are {ch_factor:.2g} times as stiff as usual ({constant:.3g} eV/Å²); "
                    f"forces in {force_unit(ch_factor)}? adiabat reads eV and eV/Å",
                )
    if not excess or 0.999 < np.median(excess) < 1.001:
        yield Finding("info", "the forces are of a plausible size", f"force constants of bonds {named} eV/Å²")
        return
    direction = "large" if np.median(excess) > 1 else "small"
    yield Finding(
        "error",
        f"the forces are far too {direction}",
        f"force constants of bonds {named} eV/Å²; "
        f"forces in {force_unit(float(np.median(factors)))}? adiabat reads eV and eV/Å",
    )


def force_unit(factor: float) -> str:
    """The units that make forces about `factor` times too large, the likeliest first."""
    misses = {unit: abs(np.log(factor / size)) for unit, size in FORCE_UNITS.items()}
    nearest = min(misses.values())
    return " or ".join(
        unit for unit in sorted(misses, key=lambda u: misses[u]) if misses[unit] < nearest + 0.8
    )


def _kind(first: int, second: int) -> str:
    if METALLOIDS[[first, second]].any() or NONMETALS[first] != NONMETALS[second]:
        return "intermediate"
    return "covalent" if NONMETALS[first] else "metallic"


def _bond_fluctuations(survey: Survey) -> dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]:
    """For each pair of elements: how far bonds deviate from their mean, and the force pulling them back."""
    collected: dict[tuple[int, int], tuple[list, list]] = {}
    known = {id(geometry.sample): geometry for geometry in survey.geometries}
    budget = MAX_FRAMES
    for group in survey.composition_groups:
        chosen = [known[id(sample)] for sample in group if id(sample) in known]
        chosen = [chosen[int(i)] for i in np.linspace(0, len(chosen) - 1, min(len(chosen), max(budget, 0)))]
        if len(chosen) < 2:
            continue
        budget -= len(chosen)
        numbers = np.asarray(group[0].system.numbers)
        keys, stretches, tensions = [], [], []
        for geometry in chosen:
            key, length, tension = _bonds(geometry, len(numbers))
            keys.append(key)
            stretches.append(length)
            tensions.append(tension)
        key, label = np.unique(np.concatenate(keys), return_inverse=True)
        count = np.bincount(label)
        length, tension = (_centered(np.concatenate(v), label, count) for v in (stretches, tensions))
        elements = np.sort(numbers[np.stack(np.divmod(key, len(numbers)))], axis=0)[:, label]
        for pair in np.unique(elements[:, count[label] > 1], axis=1).T.tolist():
            here = (elements[0] == pair[0]) & (elements[1] == pair[1]) & (count[label] > 1)
            lists = collected.setdefault((pair[0], pair[1]), ([], []))
            lists[0].append(length[here])
            lists[1].append(tension[here])
    return {pair: (np.concatenate(a), np.concatenate(b)) for pair, (a, b) in collected.items()}


def _bonds(geometry, n_atoms: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A number for each bond, its length [Å], and half the force that draws its ends together [eV/Å]."""
    numbers = np.asarray(geometry.sample.system.numbers)
    bonded = geometry.ratios < BONDED
    bonded &= ~(NOBLE_GASES[numbers[geometry.first]] | NOBLE_GASES[numbers[geometry.second]])
    first, second, length = (
        values[bonded] for values in (geometry.first, geometry.second, geometry.distances)
    )
    system, forces = geometry.sample.system, np.asarray(geometry.sample.forces)
    vectors = np.asarray(system.positions)[second] - np.asarray(system.positions)[first]
    if any(system.pbc):
        from ase.geometry import complete_cell, find_mic

        vectors, length = find_mic(vectors, complete_cell(np.asarray(system.cell)), system.pbc)
    tension = np.sum((forces[first] - forces[second]) * vectors, axis=1) / (2 * np.maximum(length, 1e-6))
    return np.minimum(first, second) * n_atoms + np.maximum(first, second), length, tension


def _centered(values: np.ndarray, label: np.ndarray, count: np.ndarray) -> np.ndarray:
    return values - (np.bincount(label, weights=values) / count)[label]


def check_net_force_and_torque(survey: Survey) -> Iterator[Finding]:
    """An isolated system exerts neither a force nor a torque on itself."""
    chosen = [sample for sample in spread(survey.molecules, 3 * MAX_FRAMES) if sample.forces is not None]
    if not chosen:
        return
    sizes = np.array([np.linalg.norm(np.asarray(sample.forces)) for sample in chosen])
    if not sizes.any():
        yield Finding("error", "all forces are zero", "the file has a column of forces, but nothing in it")
        return
    moving = [
        sample for sample, size in zip(chosen, sizes, strict=True) if size > 1e-3 and sample.n_atoms > 1
    ]
    net = np.array([_net_force(sample) for sample in moving])
    if len(net) and np.median(net) > 0.1:
        yield Finding(
            "warning",
            "the forces do not add up to zero",
            f"the net force is {np.median(net):.0%} of the forces (median): atoms missing or frozen?",
        )
    elif (net > 0.1).any():
        odd = [sample for sample, value in zip(moving, net, strict=True) if value > 0.1]
        yield Finding(
            "warning", "forces that do not add up to zero", f"{len(odd)} frames: {name_frames(odd)}"
        )
    isolated = [sample for sample in moving if not any(sample.system.pbc) and sample.n_atoms > 2]
    torque = np.array([_net_torque(sample) for sample in isolated])
    if len(torque) and np.median(torque) > 0.15:
        yield Finding(
            "error",
            "the forces turn the molecule",
            f"the net torque must vanish, and is {np.median(torque):.0%} of its scale in the median frame; "
            "forces of other frames, in another order of atoms, or along other axes (standard orientation)?",
        )
    elif (torque > 0.15).any():
        odd = [sample for sample, value in zip(isolated, torque, strict=True) if value > 0.15]
        yield Finding("warning", "forces that turn the molecule", f"{len(odd)} frames: {name_frames(odd)}")


def _net_force(sample: Sample) -> float:
    forces = np.asarray(sample.forces)
    return float(np.linalg.norm(forces.sum(axis=0)) / np.linalg.norm(forces))


def _net_torque(sample: Sample) -> float:
    positions, forces = np.asarray(sample.system.positions), np.asarray(sample.forces)
    arms = positions - positions.mean(axis=0)
    scale = np.linalg.norm(arms) * np.linalg.norm(forces) / np.sqrt(len(forces))
    return float(np.linalg.norm(np.cross(arms, forces).sum(axis=0)) / scale) if scale > 0 else 0.0


def check_stress(survey: Survey) -> Iterator[Finding]:
    """The sign and size of the stress: a cell that is stretched pulls back, which is a positive stress."""
    stressed = [sample for sample in survey.molecules if sample.stress is not None]
    unused = sorted({key for s in survey.molecules for key in s.info if "stress" in key or "virial" in key})
    if unused:
        detail = f"{', '.join(unused)}: unit not known; name it with stress_key if it is eV/Å³ (virials: eV)"
        yield Finding("info", "stress left alone", detail)
    if not stressed:
        return
    largest = max(float(np.abs(sample.stress).max()) for sample in stressed if sample.stress is not None)
    if largest > 2.0:
        detail = f"up to {largest:.3g} eV/Å³ ({largest * 160:.0f} GPa): in GPa or kbar?"
        yield Finding("error" if largest > 20 else "warning", "the stress is very large", detail)
    volumes = np.array([float(sample.system.volume) / sample.n_atoms for sample in stressed])
    tension = np.array([np.trace(np.asarray(sample.stress)) / 3 for sample in stressed])
    formulas = np.array([hash(np.sort(np.asarray(s.system.numbers)).tobytes()) for s in stressed])
    label = np.unique(formulas, return_inverse=True)[1]
    count = np.bincount(label)
    strain, pull = _centered(np.log(volumes), label, count), _centered(tension, label, count)
    if len(stressed) >= 10 and strain.std() > 0.01:
        correlation = np.mean(strain * pull) / max(strain.std() * pull.std(), 1e-300)
        if correlation < -0.5:
            yield Finding(
                "error",
                "the stress has the wrong sign",
                f"larger cells push outwards (correlation {correlation:.2f}); tension is positive, as in ASE",
            )
