"""Samples and the keys of their labels, splits, and the energies of the free atoms."""

import dataclasses

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from adiabat.base import ConfigError, DataError
from adiabat.data import (
    Sample,
    describe,
    find_isolated_atoms,
    fit_references,
    read_samples,
    split,
    without_isolated_atoms,
    write_samples,
)
from adiabat.io import read_frames, write_extxyz
from adiabat.system import System

POSITIONS = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.75]])
FORCES = np.array([[0.0, 0.0, 1.5], [0.0, 0.0, -1.5]])
STRESS = np.array([[1.0, 0.1, 0.2], [0.1, 2.0, 0.3], [0.2, 0.3, 3.0]]) / 100


def hydrogen(shift=0.0, **state):
    return System.create([1, 1], POSITIONS + shift, **state)


def crystal():
    return System.create([1, 1], POSITIONS, cell=np.diag([2.0, 3.0, 4.0]), pbc=True)


def labelled(path, *results, system=None):
    write_extxyz(path, [system or hydrogen(0.1 * i) for i in range(len(results))], results)
    return path


@pytest.mark.parametrize("prefix", ["", "REF_", "ref_", "dft_", "DFT_", "MACE_", "pbe_"])
def test_usual_keys(tmp_path, prefix):
    path = labelled(tmp_path / "a.xyz", {f"{prefix}energy": -31.5, f"{prefix}forces": FORCES})
    (sample,) = read_samples(path)
    assert sample.energy == -31.5
    np.testing.assert_array_equal(sample.forces, FORCES)
    assert sample.info == {}


def test_explicit_keys(tmp_path):
    path = labelled(tmp_path / "a.xyz", {"energy": 1.0, "toten": 2.0, "forces": FORCES, "my_f": 2 * FORCES})
    (sample,) = read_samples(path, energy_key="toten", forces_key="my_f")
    assert sample.energy == 2.0
    np.testing.assert_array_equal(sample.forces, 2 * FORCES)
    assert sample.info == {"energy": 1.0}
    with pytest.raises(ConfigError, match=r"has no 'totem'.*toten"):
        read_samples(path, energy_key="totem")


def test_ambiguous_key_names_both(tmp_path):
    path = labelled(tmp_path / "a.xyz", {"energy": 1.0, "REF_energy": 2.0, "forces": FORCES})
    with pytest.raises(ConfigError, match="energy, REF_energy"):
        read_samples(path)
    path = labelled(
        tmp_path / "b.xyz", {"energy": 1.0, "forces": FORCES}, {"REF_energy": 1.0, "forces": FORCES}
    )
    with pytest.raises(ConfigError, match="energy, REF_energy"):
        read_samples(path)


def test_the_same_value_under_two_keys_is_not_ambiguous(tmp_path):
    path = labelled(
        tmp_path / "a.xyz", {"energy": 1.0, "REF_energy": 1.0, "forces": FORCES, "dft_forces": FORCES}
    )
    assert read_samples(path)[0].energy == 1.0


def test_missing_key_names_what_is_there(tmp_path):
    path = labelled(tmp_path / "a.xyz", {"Total_Energy": 1.0, "weight": 2, "forces": FORCES})
    with pytest.raises(
        DataError, match=r"no energy under a known key; its keys are: Total_Energy, weight"
    ) as caught:
        read_samples(path)
    assert "data.energy_key=Total_Energy" in caught.value.hint


def test_missing_forces_in_one_frame_names_it(tmp_path):
    path = labelled(tmp_path / "a.xyz", {"energy": 1.0, "forces": FORCES}, {"energy": 1.0})
    with pytest.raises(DataError, match=r"a\.xyz, frame 1: has no forces"):
        read_samples(path)
    assert [s.forces is None for s in read_samples(path, require=("energy",))] == [False, True]


@pytest.mark.parametrize(
    "results",
    [
        {"energy": np.nan, "forces": FORCES},
        {"energy": np.inf, "forces": FORCES},
        {"energy": "low", "forces": FORCES},
        {"energy": np.array([1.0, 2.0, 3.0]), "forces": FORCES},
        {"energy": 1.0, "forces": FORCES * np.nan},
        {"energy": 1.0, "forces": FORCES[:, :2]},
        {"energy": 1.0, "forces": FORCES[:, 0]},
        {"energy": 1.0, "forces": np.array(["a", "b"])},
    ],
)
def test_labels_that_cannot_be_right(tmp_path, results):
    path = labelled(tmp_path / "a.xyz", {"energy": 1.0, "forces": FORCES}, results)
    with pytest.raises(DataError, match=r"a\.xyz, frame 1"):
        read_samples(path)


VOIGT = STRESS[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stress", STRESS),
        ("REF_stress", VOIGT),
        ("dft_stress", STRESS.reshape(9)),
        ("virial", -STRESS * 24),
        ("REF_virials", -STRESS * 24),
        ("dft_virial", -VOIGT * 24),
    ],
)
def test_stress_and_virial(tmp_path, key, value):
    path = labelled(tmp_path / "a.xyz", {"energy": 1.0, "forces": FORCES, key: value}, system=crystal())
    np.testing.assert_allclose(read_samples(path, require=("stress",))[0].stress, STRESS, rtol=1e-14)


def test_stress_with_its_virial_is_not_ambiguous_unless_they_differ(tmp_path):
    good = labelled(
        tmp_path / "a.xyz", {"energy": 1.0, "stress": STRESS, "virial": -STRESS * 24}, system=crystal()
    )
    assert read_samples(good, require=())[0].stress is not None
    bad = labelled(
        tmp_path / "b.xyz", {"energy": 1.0, "stress": STRESS, "virial": STRESS * 24}, system=crystal()
    )
    with pytest.raises(ConfigError, match="stress, virial"):
        read_samples(bad, require=())
    assert read_samples(bad, require=(), stress_key="none")[0].stress is None


@pytest.mark.parametrize("key", ["fitsnap_stress", "mlearn_virial_stress", "stress_kbar"])
def test_stress_of_unknown_unit_is_left_alone(tmp_path, key):
    (sample,) = read_samples(
        labelled(tmp_path / "a.xyz", {"energy": 1.0, "forces": FORCES, key: STRESS}, system=crystal())
    )
    assert sample.stress is None
    assert key in sample.info


def test_wrong_stress(tmp_path):
    lopsided = STRESS + np.triu(np.ones((3, 3)), 1)
    for value in (lopsided, np.arange(5.0), np.full((3, 3), np.nan)):
        path = labelled(tmp_path / "a.xyz", {"energy": 1.0, "stress": value}, system=crystal())
        with pytest.raises(DataError, match="stress"):
            read_samples(path, require=("energy",))


def test_a_molecule_has_no_stress(tmp_path):
    path = labelled(tmp_path / "a.xyz", {"energy": 1.0, "forces": FORCES, "stress": np.zeros((3, 3))})
    assert read_samples(path)[0].stress is None


DIPOLE = np.array([0.1, -0.2, 1 / 3])


@pytest.mark.parametrize("key", ["dipole", "REF_dipole", "dft_dipole"])
def test_dipoles(tmp_path, key):
    """Also by a name that is given, and not at all where none are wanted; a cell has none."""
    values = {"energy": 1.0, "forces": FORCES, key: DIPOLE}
    path = labelled(tmp_path / "a.xyz", values)
    np.testing.assert_array_equal(read_samples(path, require=("dipole",))[0].dipole, DIPOLE)
    assert key not in read_samples(path)[0].info
    assert read_samples(path, dipole_key="none")[0].dipole is None
    other = labelled(tmp_path / "b.xyz", {**values, "mu": 2 * DIPOLE})
    np.testing.assert_array_equal(read_samples(other, dipole_key="mu")[0].dipole, 2 * DIPOLE)
    assert read_samples(labelled(tmp_path / "c.xyz", values, system=crystal()))[0].dipole is None


@pytest.mark.parametrize("value", [np.array([0.0, np.nan, 1.0]), np.arange(4.0), 2.3, "large"])
def test_wrong_dipoles(tmp_path, value):
    path = labelled(tmp_path / "a.xyz", {"energy": 1.0, "forces": FORCES, "dipole": value})
    with pytest.raises(DataError, match=r"a\.xyz, frame 0: .*dipole"):
        read_samples(path)
    assert read_samples(path, dipole_key="none")[0].dipole is None


def test_two_dipoles_are_ambiguous_if_they_differ(tmp_path):
    both = {"energy": 1.0, "forces": FORCES, "dipole": DIPOLE}
    same = labelled(tmp_path / "a.xyz", {**both, "dft_dipole": DIPOLE})
    assert read_samples(same)[0].dipole is not None
    differing = labelled(tmp_path / "b.xyz", {**both, "dft_dipole": 2 * DIPOLE})
    with pytest.raises(ConfigError, match=r"data\.dipole_key=dipole"):
        read_samples(differing)


@pytest.mark.parametrize("name", ["s.xyz", "s.h5"])
def test_dipoles_and_charges_are_written(tmp_path, name):
    """Three atoms, so that a dipole has the shape of a column; some samples have neither."""
    triatomic = System.create([8, 1, 1], np.diag([1.0, 2.0, 3.0]), charge=1, spin=1)
    samples = [
        Sample(triatomic, 1.0, np.ones((3, 3)), dipole=DIPOLE, charges=DIPOLE),
        Sample(triatomic, 2.0, np.zeros((3, 3))),
    ]
    write_samples(tmp_path / name, samples)
    first, second = read_samples(tmp_path / name)
    np.testing.assert_array_equal(first.dipole, DIPOLE)
    assert second.dipole is None
    np.testing.assert_array_equal(read_frames(tmp_path / name)[0].arrays["charges"], DIPOLE)
    atoms = first.to_atoms()
    np.testing.assert_array_equal(atoms.get_dipole_moment(), DIPOLE)
    again = Sample.from_atoms(atoms).dipole
    np.testing.assert_array_equal(again, DIPOLE)


def test_written_samples_come_back(tmp_path):
    system = crystal()
    samples = [
        Sample(system, 1 / 3, FORCES / 7, STRESS / 9, {"config_type": "bulk", "t": 300, "units": "eV"}),
        Sample(hydrogen(charge=1, spin=1), -np.pi, -FORCES / 7),
        Sample(System.create([8], np.zeros((1, 3)), spin=2), -2000.1, np.zeros((1, 3))),
    ]
    write_samples(tmp_path / "s.xyz", samples)
    for sample, back in zip(samples, read_samples(tmp_path / "s.xyz"), strict=True):
        assert back.energy == sample.energy
        np.testing.assert_array_equal(back.forces, sample.forces)
        assert (back.system.charge, back.system.spin) == (sample.system.charge, sample.system.spin)
        assert back.info == sample.info
        assert (back.stress is None) == (sample.stress is None)
        np.testing.assert_array_equal(
            back.stress if back.stress is not None else 0, sample.stress if sample.stress is not None else 0
        )
    with pytest.raises(DataError, match="extended XYZ"):
        write_samples(tmp_path / "s.csv", samples)


def test_to_and_from_ase():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.calc = EMT()
    atoms.get_stress()
    sample = Sample.from_atoms(atoms, "emt", 5)
    back = sample.to_atoms()
    assert back.get_potential_energy() == atoms.get_potential_energy() == sample.energy
    np.testing.assert_array_equal(back.get_forces(), atoms.get_forces())
    np.testing.assert_allclose(back.get_stress(), atoms.get_stress(), rtol=1e-15)
    assert sample.where == "emt, frame 5"
    assert Sample.from_atoms(molecule("H2O")).energy is None


def random_samples(n, seed=0, copies=0):
    generator = np.random.default_rng(seed)
    made = [Sample(System.create([8, 1, 1], generator.normal(size=(3, 3)) * 2), float(i)) for i in range(n)]
    return made + [dataclasses.replace(made[i % n], frame=1) for i in range(copies)]


def test_split_is_deterministic_and_complete():
    samples = random_samples(40)
    train, valid = split(samples, 0.1, 7)
    assert [s.energy for s in split(samples, 0.1, 7)[1]] == [s.energy for s in valid]
    assert sorted(s.energy for s in train + valid) == [float(i) for i in range(40)]
    assert len(valid) == 4
    assert {s.energy for s in split(samples, 0.1, 8)[1]} != {s.energy for s in valid}


def turned(sample, seed=0):
    """The same molecule moved, turned, and with its atoms in another order."""
    generator = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    order = generator.permutation(sample.n_atoms)
    positions = (np.asarray(sample.system.positions) @ rotation + 5.0)[order]
    return dataclasses.replace(
        sample, system=System.create(np.asarray(sample.system.numbers)[order], positions)
    )


def test_split_never_tears_copies_apart():
    samples = random_samples(20)
    samples += [turned(sample, i) for i, sample in enumerate(samples)] + samples[:7]
    for seed in range(10):
        train, valid = split(samples, 0.2, seed)
        assert not {s.energy for s in train} & {s.energy for s in valid}
        assert 1 <= len(valid) <= 10


def test_split_keeps_free_atoms_for_training_and_refuses_nonsense():
    atom = Sample(System.create([1], np.zeros((1, 3))), -13.6)
    for seed in range(5):
        assert atom in split([*random_samples(3), atom], 0.5, seed)[0]
    with pytest.raises(DataError, match="1 different"):
        split(random_samples(1, copies=5), 0.5, 0)
    for fraction in (0, 1, 1.5, float("nan")):
        with pytest.raises(ConfigError):
            split(random_samples(3), fraction, 0)


def composed(numbers, energy):
    positions = np.arange(3.0 * len(numbers)).reshape(-1, 3)
    return Sample(System.create(numbers, positions), energy)


def test_references_are_exact_when_determined():
    truth = {1: -13.6, 6: -1027.0, 8: -2037.8}
    sets = [[1, 1, 8], [6, 1, 1, 1, 1], [6, 8, 8], [6, 6, 1, 1, 1, 1, 1, 1, 8]]
    samples = [composed(z, sum(truth[n] for n in z)) for z in sets]
    assert fit_references(samples) == pytest.approx(truth, abs=1e-7)


def test_references_of_a_single_composition_resemble_free_atoms():
    # Ethanol, PBE: the free atoms are at -13.6, -1027 and -2038 eV.
    references = fit_references([composed([6, 6, 8] + [1] * 6, -4209.8 + de) for de in (-0.2, 0.0, 0.2)])
    assert 2 * references[6] + references[8] + 6 * references[1] == pytest.approx(-4209.8, abs=1e-6)
    assert references[8] == pytest.approx(-2038, rel=0.02)
    assert references[6] == pytest.approx(-1027, rel=0.02)


def test_free_atoms():
    atoms = [Sample(System.create([z], np.zeros((1, 3))), -float(z)) for z in (8, 1)]
    ion = Sample(System.create([1], np.zeros((1, 3)), charge=1), 0.0)
    crystal_atom = Sample(System.create([29], np.zeros((1, 3)), cell=np.eye(3) * 2.5, pbc=True), -4.0)
    samples = [*random_samples(2), *atoms, ion, crystal_atom]
    assert find_isolated_atoms(samples) == {1: -1.0, 8: -8.0}
    assert len(without_isolated_atoms(samples)) == 3
    again = Sample(System.create([8], np.ones((1, 3))), -8.5, source="b.xyz")
    with pytest.raises(DataError, match=r"two energies.*b\.xyz"):
        find_isolated_atoms([*samples, again])


def test_free_atoms_need_no_forces(tmp_path):
    write_extxyz(tmp_path / "e0.xyz", [System.create([1], np.zeros((1, 3)))], [{"energy": -13.6}])
    (atom,) = read_samples(tmp_path / "e0.xyz")
    assert atom.forces.tolist() == [[0, 0, 0]]


def test_describe():
    sample = Sample(hydrogen(charge=1, spin=1), -31.0, FORCES, info={"config_type": "hot"})
    summary = describe([sample, composed([8, 1, 1], -2070.0)])
    assert (summary["n_structures"], summary["n_atoms"], summary["sizes"]) == (2, 5, [2, 3])
    assert summary["elements"] == {"H": 4, "O": 1}
    assert summary["formulas"] == {"H2": 1, "H2O": 1}
    assert summary["groups"] == {"hot": 1}
    assert summary["charges"] == {"0": 1, "1": 1}
    assert summary["force_ev_per_ang"]["max"] == pytest.approx(1.5)
    assert summary["force_ev_per_ang"]["rms"] == pytest.approx(1.5 / np.sqrt(3))
    assert describe([])["n_structures"] == 0
