"""Preflight: faults planted in good data are found, and good data pass."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from adiabat.base import DataError
from adiabat.base.units import BOHR, HARTREE, KCAL_PER_MOL
from adiabat.data import Sample, preflight, read_samples, split
from adiabat.data.checks.levels import two_levels
from adiabat.system import System

replace = dataclasses.replace


class Springs(Calculator):
    """Ethanol as Morse bonds and Urey-Bradley springs: the stiffness and the softness of a real molecule."""

    implemented_properties = ("energy", "forces")

    def __init__(self, atoms):
        super().__init__()
        distances = atoms.get_all_distances()
        i, j = np.triu_indices(len(atoms), 1)
        bonded = distances[i, j] < 1.7
        near = bonded | (distances[i, j] < 2.7)
        self.i, self.j, self.r0, self.bonded = i[near], j[near], distances[i, j][near], bonded[near]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        assert atoms is not None
        vectors = atoms.positions[self.j] - atoms.positions[self.i]
        r = np.linalg.norm(vectors, axis=1)
        depth, width, spring = 4.5, 1.9, 3.0
        decay = np.exp(-width * (r - self.r0))
        energy = np.where(self.bonded, depth * (1 - decay) ** 2, 0.5 * spring * (r - self.r0) ** 2)
        slope = np.where(self.bonded, 2 * depth * width * (1 - decay) * decay, spring * (r - self.r0))
        pull = slope[:, None] * vectors / r[:, None]
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, self.i, pull)
        np.add.at(forces, self.j, -pull)
        self.results = {"energy": float(energy.sum()) - 4209.0, "forces": forces}


def trajectory(atoms, calculator, n_frames, temperature, every, source):
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=2 * temperature, rng=np.random.default_rng(0))
    dynamics = Langevin(
        atoms, 1 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=np.random.default_rng(1)
    )
    dynamics.run(50)
    samples = []
    for frame in range(n_frames):
        dynamics.run(every)
        atoms.get_forces()
        samples.append(Sample.from_atoms(atoms, source, frame))
    return samples


@pytest.fixture(scope="module")
def ethanol():
    atoms = molecule("CH3CH2OH")
    return trajectory(atoms, Springs(atoms), 80, 300, 8, "ethanol.xyz")


@pytest.fixture(scope="module")
def copper():
    return trajectory(bulk("Cu", cubic=True) * (2, 2, 2), EMT(), 60, 400, 5, "copper.xyz")


@pytest.fixture(params=["ethanol", "copper"])
def good(request):
    return request.getfixturevalue(request.param)


def titles(report, level="error"):
    return {finding.title for finding in report.of(level)}


def test_good_data_pass(good):
    report = preflight(good[:-10], good[-10:-5], good[-5:])
    assert not titles(report)
    assert not titles(report, "warning")
    assert "energies and forces agree" in titles(report, "info")
    assert "the forces are of a plausible size" in titles(report, "info")
    report.raise_errors()
    assert report.as_dict()["passed"]


def scaled(samples, forces=1.0, energy=1.0):
    return [replace(s, forces=s.forces * forces, energy=s.energy * energy) for s in samples]


FAULTS = {
    "sign": (lambda s: scaled(s, -1), "the forces have the wrong sign"),
    "forces in kcal": (lambda s: scaled(s, 1 / KCAL_PER_MOL), "energies and forces differ in scale"),
    "all in kcal": (lambda s: scaled(s, 1 / KCAL_PER_MOL, 1 / KCAL_PER_MOL), "the forces are far too large"),
    "energies in kcal": (lambda s: scaled(s, 1, 1 / KCAL_PER_MOL), "energies and forces differ in scale"),
    "energies in hartree": (lambda s: scaled(s, 1, 1 / HARTREE), "energies and forces differ in scale"),
    "atomic units": (lambda s: scaled(s, BOHR / HARTREE, 1 / HARTREE), "energies and forces differ in scale"),
    "forces in hartree/bohr": (lambda s: scaled(s, BOHR / HARTREE), "energies and forces differ in scale"),
    "forces in eV/bohr": (lambda s: scaled(s, BOHR), "energies and forces differ in scale"),
    "forces of another frame": (
        lambda s: [replace(a, forces=b.forces) for a, b in zip(s, s[7:] + s[:7], strict=True)],
        "energies and forces do not belong together",
    ),
    "energies of another frame": (
        lambda s: [replace(a, energy=b.energy) for a, b in zip(s, s[7:] + s[:7], strict=True)],
        "energies and forces do not belong together",
    ),
    "atoms in another order": (
        lambda s: [replace(a, forces=np.roll(a.forces, 1, axis=0)) for a in s],
        "energies and forces do not belong together",
    ),
    "forces along other axes": (
        lambda s: [replace(a, forces=a.forces[:, [1, 2, 0]]) for a in s],
        "energies and forces do not belong together",
    ),
    "no forces at all": (lambda s: scaled(s, 0.0), "all forces are zero"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_errors(good, fault):
    plant, title = FAULTS[fault]
    report = preflight(plant(good))
    assert title in titles(report), report.findings
    with pytest.raises(DataError, match=title):
        report.raise_errors()


@pytest.mark.parametrize("factor", [BOHR, 1 / BOHR])
def test_a_factor_of_two_shows_in_the_stiffness_of_ch_bonds(ethanol, factor):
    """Also where no frames are close enough to compare energies with forces."""
    assert not titles(preflight(ethanol[:40:2]), "warning")
    report = preflight(scaled(ethanol, factor))
    # Bonds half as stiff as they are come from eV/bohr and from nothing else.
    assert "the forces seem to be in another unit" in titles(report, "error" if factor < 1 else "warning")


def test_the_guessed_unit_is_named(ethanol):
    details = " ".join(f.detail for f in preflight(scaled(ethanol, 1 / KCAL_PER_MOL)).of("error"))
    assert "forces in kcal/mol" in details
    details = " ".join(f.detail for f in preflight(scaled(ethanol, BOHR / HARTREE)).of("error"))
    assert "hartree/bohr" in details


def test_labels_of_two_methods(ethanol):
    """By what the frames say, and by energies that fall into two groups."""
    shifted = [replace(s, energy=s.energy - 40.0 * s.n_atoms) for s in ethanol[:30]]
    assert "energies in two groups" in titles(preflight(shifted + ethanol[30:]))
    shifted = [replace(s, energy=s.energy - 0.4 * s.n_atoms) for s in ethanol[:30]]
    assert "energies in two groups" in titles(preflight(shifted + ethanol[30:]), "warning")
    named = [replace(s, info={"method": "gfn1" if k % 2 else "gfn2"}) for k, s in enumerate(ethanol)]
    assert "labels of several methods" in titles(preflight(named))
    assert "labels of several methods" not in titles(preflight(named[::2]))


@pytest.mark.parametrize("mixed", ["halves", "every second"])
def test_another_zero_of_energy_shows_below_the_spread(ethanol, mixed):
    """0.3 eV within 0.5 eV: no gap, but more than the work of the forces."""
    frames = np.arange(len(ethanol))
    other = frames % 2 == 0 if mixed == "every second" else frames >= 40
    energies = np.array([s.energy for s in ethanol])
    assert np.ptp(energies) > 0.5
    shifted = [replace(s, energy=s.energy + 0.3 * k) for s, k in zip(ethanol, other, strict=True)]
    (found,) = [f for f in preflight(shifted).of("error") if f.title == "energies on two levels"]
    assert float(found.detail.split(" differ by ")[1].split()[0]) == pytest.approx(0.3, abs=0.04)


def test_labels_of_another_quantum_method(ethanol):
    """Of every third frame, with the mean moved to that of the others but for half an eV."""
    from adiabat.data.labelers import labelers

    chosen = ethanol[::3]
    labelled = labelers.get("gfn2")(workers=1).label([s.system for s in chosen])
    offset = np.mean([a.energy - b.energy for a, b in zip(labelled, chosen, strict=True)]) - 0.5
    other = {
        id(b): replace(b, energy=a.energy - offset, forces=a.forces)
        for a, b in zip(labelled, chosen, strict=True)
    }
    assert "energies on two levels" in titles(preflight([other.get(id(s), s) for s in ethanol]))


def test_two_levels_are_told_from_heavy_tails():
    """Never in sets of differences on one level, nearly always where a third lies across."""
    random = np.random.default_rng(0)
    alarms, missed = 0, 0
    for number in range(24):
        noise = 0.03 * random.standard_t([1.5, 2, 4, 30][number % 4], size=random.integers(20, 300))
        alarms += two_levels(noise) is not None
        across = random.choice([-1, 0, 0, 0, 0, 1], size=120)
        distance = two_levels(0.03 * random.standard_t(4, size=120) + 0.4 * across)
        missed += distance is None or abs(distance - 0.4) > 0.05
    assert alarms == 0
    assert missed <= 1


def test_free_atoms_of_two_methods_among_many_compositions():
    """Valence and all-electron energies, as of GFN2 and DFT; no composition is there twice."""
    random = np.random.default_rng(0)
    kinds = ({1: -13.6, 6: -1028.0, 8: -2041.0}, {1: -10.7, 6: -48.9, 8: -102.6})
    samples = []
    for _ in range(80):
        numbers = np.repeat([1, 6, 8], random.integers([2, 1, 0], [12, 8, 5]))
        positions = 1.5 * np.array(list(np.ndindex(3, 3, 3)), float)[: len(numbers)]
        bound = random.normal(-5, 0.5) * len(numbers)
        energies = [bound + sum(kind[int(z)] for z in numbers) for kind in kinds]
        samples.append((System.create(numbers, positions), energies))
    title = "energies of two sets of free atoms"
    for share in (0.5, 0.2):
        mixed = [Sample(s, e[int(k < share * 80)]) for k, (s, e) in enumerate(samples)]
        assert title in titles(preflight(mixed))
    for kind in (0, 1):
        assert title not in titles(preflight([Sample(s, e[kind]) for s, e in samples]))


def test_hot_frames_are_not_another_method(copper):
    """A liquid lies above its crystal, and its forces are larger."""
    hotter = [replace(s, energy=s.energy + 0.5 * s.n_atoms, forces=2 * s.forces) for s in copper[:30]]
    assert "energies in two groups" not in titles(preflight(hotter + copper[30:]), "warning")
    same = [replace(s, energy=s.energy + 0.5 * s.n_atoms) for s in copper[:30]]
    assert "energies in two groups" in titles(preflight(same + copper[30:]), "warning")


def test_energies_per_atom_are_named(ethanol):
    details = " ".join(f.detail for f in preflight(scaled(ethanol, energy=1 / 9)).of("error"))
    assert "energies per atom" in details


def test_one_cause_is_named_for_forces_in_kcal(ethanol):
    details = [f.detail for f in preflight(scaled(ethanol, 1 / KCAL_PER_MOL)).of("error")]
    assert len(details) == 2
    assert all("kcal/mol/Å" in detail and "kJ" not in detail for detail in details)


def test_forces_that_turn_a_molecule(ethanol):
    turned = [replace(s, forces=s.forces[:, [1, 2, 0]]) for s in ethanol]
    assert "the forces turn the molecule" in titles(preflight(turned))
    assert "forces that turn the molecule" in titles(preflight(ethanol[:-1] + turned[-1:]), "warning")


def moved(samples, factor):
    return [
        replace(
            s,
            system=System.create(
                s.system.numbers, s.system.positions * factor, s.system.cell * factor, s.system.pbc
            ),
        )
        for s in samples
    ]


@pytest.mark.parametrize(("unit", "factor"), [("bohr", 1 / BOHR), ("nm", 0.1)])
def test_positions_in_other_units(good, unit, factor):
    assert f"positions look like {unit}" in titles(preflight(moved(good, factor)))


def test_leaks(good):
    train, test = good[:40], good[40:60]
    assert "test frames are in train" in titles(preflight(train, (), test + train[3:4]))
    assert "valid frames are in train" in titles(preflight(train, train[:2] + test, ()))
    # The same structure in another orientation, as in symmetric strains of a crystal: worth a look.
    turned = System.create(
        train[0].system.numbers,
        np.asarray(train[0].system.positions)[:, [1, 2, 0]],
        np.asarray(train[0].system.cell)[:, [1, 2, 0]],
        train[0].system.pbc,
    )
    report = preflight(train, (), [*test, replace(train[0], system=turned)])
    assert "test frames are in train" in titles(report, "warning")
    assert "test frames are in train" not in titles(report)
    assert not titles(preflight(*split(good, 0.1, 0)))


def test_copies_and_contradictions(good):
    assert "copies in the training set" in titles(preflight(good + good[:3]), "warning")
    contradiction = replace(good[0], energy=good[0].energy + good[0].n_atoms)
    assert "one structure with two energies" in titles(preflight([*good, contradiction]))


def test_outliers(good):
    shifted = replace(good[3], energy=good[3].energy + 2.0 * good[3].n_atoms)
    report = preflight([*good[:3], shifted, *good[4:]])
    assert {"outliers in energy", "energies that do not fit the forces"} <= titles(report, "warning")
    assert any("frame 3" in finding.detail for finding in report.of("warning"))
    other_code = replace(good[3], energy=good[3].energy - 1000.0 * good[3].n_atoms)
    assert "energies on different scales" in titles(preflight([*good[:3], other_code, *good[4:]]))
    hot = replace(good[5], forces=good[5].forces * 500)
    assert "outliers in force" in titles(preflight([*good[:5], hot, *good[6:]]), "warning")


def test_total_energies_betray_their_unit():
    water = molecule("H2O")
    samples = []
    for seed in range(5):
        atoms = water.copy()
        atoms.rattle(0.05, seed=seed)
        samples.append(replace(Sample.from_atoms(atoms), energy=-76.4 + 1e-3 * seed, forces=np.zeros((3, 3))))
    assert "energies look like hartree" in titles(preflight(samples), "warning")
    in_ev = [replace(sample, energy=sample.energy * HARTREE) for sample in samples]
    assert "energies look like hartree" not in titles(preflight(in_ev), "warning")


def test_elements(ethanol, copper):
    report = preflight(ethanol, (), copper[:3])
    assert "elements in test that are not in train" in titles(report)
    assert "Cu" in report.of("error")[0].detail
    assert "elements in train that are not in valid" in titles(
        preflight(ethanol + copper, copper[:1]), "info"
    )


def test_charges_and_spins(ethanol):
    charged = [replace(s, system=dataclasses.replace(s.system, charge=1, spin=1)) for s in ethanol[:20]]
    assert "charges or spins are mixed" in titles(preflight(ethanol[20:] + charged), "warning")
    atom = Sample(System.create([8], np.zeros((1, 3)), spin=2), -2041.0, np.zeros((1, 3)))
    assert not titles(preflight([*ethanol, atom]), "warning")  # free atoms have their own spin


def test_distances_and_neighbors(ethanol, copper):
    positions = np.array(ethanol[0].system.positions)
    positions[1] = positions[0] + [0.3, 0, 0]
    overlapping = replace(ethanol[0], system=System.create(ethanol[0].system.numbers, positions))
    assert "atoms overlap" in titles(preflight([*ethanol[1:], overlapping]))
    positions[1] = positions[0] + [60.0, 0, 0]
    lonely = replace(ethanol[0], system=System.create(ethanol[0].system.numbers, positions))
    assert "atoms without neighbors" in titles(preflight([*ethanol[1:], lonely]), "warning")
    (neighbors,) = [f for f in preflight(copper, cutoff=3.2).findings if f.title == "neighbors"]
    assert neighbors.detail.startswith("12.0 on average")


def strained(n=20, sign=1.0, factor=1.0):
    generator, samples = np.random.default_rng(0), []
    for frame in range(n):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell * (1 + 0.03 * generator.uniform(-1, 1)), scale_atoms=True)
        atoms.rattle(0.02, seed=frame)
        atoms.calc = EMT()
        atoms.get_stress()
        sample = Sample.from_atoms(atoms, "strained.xyz", frame)
        samples.append(replace(sample, stress=sign * factor * sample.stress))
    return samples


def test_stress():
    assert not titles(preflight(strained()))
    assert "the stress has the wrong sign" in titles(preflight(strained(sign=-1.0)))
    assert "the stress is very large" in titles(preflight(strained(factor=1602.0)))  # kbar
    unused = [replace(s, stress=None, info={"fitsnap_stress": s.stress}) for s in strained(5)]
    assert "stress left alone" in titles(preflight(unused), "info")


def test_few_and_odd_sets():
    atom = Sample(System.create([1], np.zeros((1, 3))), -13.6, np.zeros((1, 3)))
    dimer = Sample.from_atoms(Atoms("Ar2", [[0, 0, 0], [0, 0, 3.8]]))
    for samples in (
        [atom],
        [dimer],
        [atom, dimer],
        [replace(dimer, energy=1.0, forces=np.zeros((2, 3)))] * 4,
    ):
        preflight(samples).as_dict()
    with pytest.raises(DataError, match="no samples"):
        preflight([])


REAL = [
    (("acac/train_300K.xyz", "acac/isolated_atoms.xyz"), "acac/test_MD_300K.xyz"),
    (("acac/train_600K.xyz", "acac/isolated_atoms.xyz"), "acac/test_MD_600K.xyz"),
    (("mlearn/Cu_training.extxyz",), "mlearn/Cu_test.extxyz"),
    (("mlearn/Si_training.extxyz",), "mlearn/Si_test.extxyz"),
    (("rmd17/rmd17_ethanol_train_01.npz",), "rmd17/rmd17_ethanol_test_01.npz"),
    (("rmd17/rmd17_aspirin_train_01.npz",), "rmd17/rmd17_aspirin_test_01.npz"),
    (("water/data/data_0", "water/data/data_1", "water/data/data_2"), "water/data/data_3"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("train", "test"), REAL)
def test_published_sets_pass(train, test):
    folder = Path(os.environ.get("ADIABAT_TEST_DATA", "."))
    if not (folder / test).exists():
        pytest.skip("set ADIABAT_TEST_DATA to the folder of the published sets")
    report = preflight(read_samples([folder / name for name in train]), (), read_samples(folder / test))
    assert not report.of("error")
    assert {"energies and forces agree", "the forces are of a plausible size"} <= titles(report, "info")
