"""Potential files: the same numbers as the potentials in Python, and errors that name the line."""

import importlib.util
import shutil

import ase.io
import equinox as eqx
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

import adiabat
from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.base.units import KCAL_PER_MOL
from adiabat.io.trajectory import read_trajectory
from adiabat.networks import load_model, save_model
from adiabat.potentials import (
    PME,
    Ewald,
    HarmonicAngles,
    HarmonicBonds,
    LennardJones,
    LennardJonesMixture,
    StillingerWeber,
)
from adiabat.system import System, neighbor_list
from adiabat.tasks.potential import load_potential
from adiabat.tasks.structure import as_potential
from adiabat.testing import systems

ARGON = """
[[terms]]
kind = "lennard_jones"
epsilon = "0.238 kcal/mol"
sigma = "3.405 Å"
cutoff = "8 Å"
"""
SALT = """
task = "potential"

[[terms]]
kind = "ewald"
charges = { Na = 1.0, Cl = -1.0 }

[[terms]]
kind = "lennard_jones_mixture"
kinds.Na = ["0.13 kcal/mol", "2.35 Å"]
kinds.Cl = ["0.1 kcal/mol", "0.44 nm"]
pairs.Na-Cl = [0.005, 3.3]
cutoff = "7 Å"
"""
WATER = """
[[terms]]
kind = "harmonic_bonds"
atoms = [[0, 1], [0, 2]]
stiffness = ["900 kcal/mol/Å^2", 39.0]
length = "0.9572 Å"

[[terms]]
kind = "harmonic_angles"
atoms = [[1, 0, 2]]
stiffness = "110 kcal/mol"
angle = "104.52 deg"
"""


def salt() -> System:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.rattle(0.1, seed=1)
    return System.from_ase(atoms)


def written(path, text):
    path.write_text(text)
    return path


def energy(potential, system) -> float:
    potential = potential.for_systems([system])
    return float(_energy(potential, system, neighbor_list(system, potential.cutoff)))


@eqx.filter_jit
def _energy(potential, system, neighbors):
    return potential.energy(system, neighbors)


def test_numbers_are_those_of_python(tmp_path):
    water, box = systems.water(1), salt()
    mixture = LennardJonesMixture(
        kinds={11: (0.13 * KCAL_PER_MOL, 2.35), 17: (0.1 * KCAL_PER_MOL, 4.4)},
        pairs={(11, 17): (0.005, 3.3)},
        cutoff=7.0,
    )
    stretched = HarmonicBonds(
        atoms=[[0, 1], [0, 2]], stiffness=[900 * KCAL_PER_MOL, 39.0], length=0.9572
    ) + HarmonicAngles(atoms=[[1, 0, 2]], stiffness=110 * KCAL_PER_MOL, angle=np.deg2rad(104.52))
    argon = systems.argon(4)
    for text, system, potential in (
        (ARGON, argon, LennardJones(epsilon=0.238 * KCAL_PER_MOL, sigma=3.405, cutoff=8.0)),
        (SALT, box, Ewald(charges={11: 1.0, 17: -1.0}, cell=box.cell) + mixture),
        (SALT.replace('"ewald"', '"pme"'), box, PME(charges={11: 1, 17: -1}, cell=box.cell) + mixture),
        (WATER, water, stretched),
        ('[[terms]]\nkind = "stillinger_weber"', systems.silicon(), StillingerWeber()),
    ):
        found = load_potential(written(tmp_path / "potential.toml", text))
        assert energy(found, system) == pytest.approx(energy(potential, system), rel=1e-13)


def test_charges_learn_of_the_cells_to_come():
    """Of several, also one larger than the first; and for as long as it grows by a tenth."""
    small = salt()
    large = System.from_ase(small.to_ase() * (1, 1, 2))
    for kind in (Ewald, PME):
        bare = kind(charges={11: 1.0, 17: -1.0})
        assert bare.for_systems([systems.ethanol()]) is bare
        both = bare.for_systems([small]).for_systems([large])
        assert both.for_systems([small, large]) is both
        assert energy(both, large) == pytest.approx(2 * energy(both, small), rel=1e-5)
        slightly = System.create(small.numbers, small.positions, 1.05 * np.asarray(small.cell), True)
        first = bare.for_systems([small])
        assert first.for_systems([slightly]) is first
        assert first.for_systems([large]) is not first


def test_md_relax_and_predict(adiabat, tmp_path):
    sharp = ARGON.replace("8 Å", "10 Å") + "smooth = false\n"
    file = written(tmp_path / "argon.toml", sharp)
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=0)
    start = tmp_path / "start.xyz"
    ase.io.write(start, atoms)
    relaxed = adiabat("relax", file, start, "--cell", "--out", tmp_path / "relaxed.xyz", "--json")
    # Kittel's sum of a face-centered cubic crystal, less what the sharp cut-off leaves out.
    assert relaxed.json["energy_ev"] / len(atoms) == pytest.approx(-8.61 * 0.238 * KCAL_PER_MOL, rel=0.05)
    options = ("--temperature", "40 K", "--timestep", "4 fs", "--steps", 40, "--out", tmp_path / "run")
    done = adiabat("md", file, tmp_path / "relaxed.xyz", *options, "--json")
    assert done.code == 0, done.err
    assert done.json["temperature"] < 45
    # The run knows its potential: another one does not go on with it.
    assert "0.0103" in (tmp_path / "run" / "config.toml").read_text()
    written(file, sharp.replace("3.405", "3.3"))
    more = ("md", file, tmp_path / "relaxed.xyz", *options[:5], 80, *options[6:], "--resume")
    refused = adiabat(*more)
    assert refused.code == 2
    assert "model_terms" in refused.err
    written(file, sharp)
    assert adiabat(*more).code == 0
    assert adiabat("analyze", tmp_path / "run", "--json").json["n_atoms"] == 32
    # Its last frame is a structure to go on from.
    last = f"{tmp_path}/run/trajectory.h5@-1"
    assert adiabat("md", file, last, "--steps", 2, "--out", tmp_path / "on").code == 0
    predicted = tmp_path / "predicted.xyz"
    assert adiabat("predict", file, tmp_path / "relaxed.xyz", "--out", predicted).code == 0
    found = ase.io.read(predicted)
    assert isinstance(found.calc, SinglePointCalculator)
    assert found.get_potential_energy() == pytest.approx(relaxed.json["energy_ev"], rel=1e-10)
    described = adiabat("info", file, "--json").json
    assert described["cutoff"] == 10.0
    assert described["terms"][0]["sigma"] == "3.405 Å"


def test_files_are_seen_from_the_potential_file(adiabat, copper, tmp_path, monkeypatch):
    """Wherever the command runs; and a run does not go on with a learned term that was replaced."""
    folder = tmp_path / "potentials"
    folder.mkdir()
    first = shutil.copy(f"{copper.run}/model.safetensors", folder / "first.safetensors")
    text = '[[terms]]\nkind = "learned"\nmodel = "first.safetensors"\n\n[[terms]]\nkind = "morse"\n'
    written(folder / "both.toml", text)
    monkeypatch.chdir(tmp_path)
    for file in ("potentials/both.toml", folder / "both.toml"):
        assert load_potential(file).cutoff == 6.0
    shutil.copy(folder / "both.toml", folder / "CAPITALS.TOML")
    assert as_potential(folder / "CAPITALS.TOML").cutoff == 6.0
    monkeypatch.chdir(folder)
    assert load_potential("both.toml").cutoff == 6.0
    monkeypatch.chdir(tmp_path)
    words = ("md", "potentials/both.toml", copper.start, "--out", "run", "--record-every", 1)
    assert adiabat(*words, "--steps", 2).code == 0
    kept = read_trajectory("run/trajectory.h5").positions
    other = load_model(first)
    save_model(first, eqx.tree_at(lambda p: p.references, other, np.asarray(other.references) + 0.1))
    for steps in (2, 4):
        refused = adiabat(*words, "--steps", steps, "--resume")
        assert refused.code == 2
        assert "the potential of the run to be resumed had other numbers" in refused.err
    assert np.array_equal(read_trajectory("run/trajectory.h5").positions, kept)
    save_model(first, other)
    assert adiabat(*words, "--steps", 4, "--resume").code == 0


def test_terms_of_numbered_atoms_predict_several_structures(adiabat, tmp_path):
    """Of one size or not: the terms are of the first three atoms of each."""
    several = [systems.water(1), systems.ethanol(), systems.water(1)]
    ase.io.write(tmp_path / "water.xyz", [one.to_ase() for one in several])
    file, out = written(tmp_path / "potential.toml", WATER), tmp_path / "predicted.xyz"
    done = adiabat("predict", file, tmp_path / "water.xyz", "--out", out)
    assert done.code == 0, done.err
    potential = load_potential(file)
    for one, atoms in zip(several, ase.io.read(out, ":"), strict=True):
        assert isinstance(atoms, ase.Atoms)
        assert atoms.get_potential_energy() == pytest.approx(energy(potential, one), abs=1e-6)


def test_molecules_and_cells_in_one_file_are_refused_with_advice(adiabat, tmp_path):
    water = systems.water(1).to_ase()
    cell = water.copy()
    cell.set_cell([8, 8, 8])
    cell.pbc = True
    ase.io.write(tmp_path / "mixed.xyz", [water, cell])
    file = written(tmp_path / "potential.toml", WATER)
    refused = adiabat("predict", file, tmp_path / "mixed.xyz", "--out", tmp_path / "predicted.xyz")
    assert refused.code == 2
    assert "must repeat along the same directions" in refused.err
    assert "files of their own" in refused.err


def test_frames_of_a_run_are_predicted(adiabat, tmp_path):
    """With the energies that the run had, whatever the file is called; a training says what they lack."""
    file, run = written(tmp_path / "argon.toml", ARGON), tmp_path / "run"
    ase.io.write(tmp_path / "start.xyz", systems.argon(4).to_ase())
    words = ("md", file, tmp_path / "start.xyz", "--steps", 20, "--temperature", "40 K", "--out", run)
    assert adiabat(*words).code == 0
    kept = read_trajectory(run / "trajectory.h5").observables["potential_energy"]
    shutil.copy(run / "trajectory.h5", tmp_path / "copy.h5md")
    for number, path in enumerate((run / "trajectory.h5", tmp_path / "copy.h5md")):
        out = tmp_path / f"predicted-{number}.xyz"
        done = adiabat("predict", file, path, "--out", out)
        assert done.code == 0, done.err
        found = [atoms.get_potential_energy() for atoms in ase.io.read(out, ":")]
        assert len(found) == 3
        np.testing.assert_allclose(found, kept, atol=1e-6)  # positions are kept in single precision
    lacking = adiabat("evaluate", file, run / "trajectory.h5")
    assert lacking.code == 2
    assert "energy" in lacking.err
    wrong = adiabat("predict", file, run / "trajectory.h5", "--out", tmp_path / "predicted.h5md")
    assert wrong.code == 2
    assert ".hdf5" in wrong.err


def test_an_element_without_parameters_is_named(tmp_path):
    atoms = bulk("KCl", "rocksalt", a=6.3, cubic=True)
    mixture, charges = SALT.split("\n\n")[1:][::-1]
    for text, message in ((mixture, "of Na Cl only; the structure also has K"), (charges, "of Na Cl only")):
        with pytest.raises(UnsupportedError, match=message):
            load_potential(written(tmp_path / "potential.toml", text)).check(System.from_ase(atoms))


def test_from_python(tmp_path):
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.calc = adiabat.load(written(tmp_path / "argon.toml", ARGON)).calculator()
    wanted = energy(
        LennardJones(epsilon=0.238 * KCAL_PER_MOL, sigma=3.405, cutoff=8.0), System.from_ase(atoms)
    )
    assert atoms.get_potential_energy() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("dftd3") is None, reason="needs the extra `dispersion`")
def test_a_learned_potential_with_dispersion(adiabat, tmp_path):
    """Of one structure, of a batch, and in dynamics of replicas."""
    text = '[[terms]]\nkind = "learned"\nmodel = "general"\n\n[[terms]]\nkind = "d3"\nfunctional = "pbe"\n'
    file, start = written(tmp_path / "both.toml", text), tmp_path / "ethanol.xyz"
    system = systems.ethanol()
    ase.io.write(start, [system.to_ase(), systems.water().to_ase()])
    both = load_potential(file)
    parts = [energy(term, system) for term in both.terms]
    assert energy(both, system) == pytest.approx(sum(parts), abs=1e-9)
    assert -1.0 < parts[1] < -0.05
    assert adiabat("predict", file, start, "--out", tmp_path / "p.xyz").code == 0
    assert ase.io.read(tmp_path / "p.xyz", 0).get_potential_energy() == pytest.approx(sum(parts), abs=1e-4)
    words = ("md", file, f"{start}@0", "--replicas", 2, "--steps", 5, "--out", tmp_path / "run", "--json")
    assert adiabat(*words).json["replicas"] == 2


BONDS = '[[terms]]\nkind = "harmonic_bonds"\n'


def test_half_of_the_parameters_of_another_element_are_refused(tmp_path):
    """Argon's sigma is not taken for krypton without a word."""
    file = written(tmp_path / "krypton.toml", ARGON.replace('sigma = "3.405 Å"\n', ""))
    krypton = System.create([36, 36], [[0, 0, 0], [0, 0, 4.5]])
    load_potential(written(tmp_path / "whole.toml", ARGON)).check(krypton)
    with pytest.raises(UnsupportedError, match=r"(?s)has the sigma of Ar only.*give sigma for Kr"):
        load_potential(file).check(krypton)


MIXTURE = '[[terms]]\nkind = "lennard_jones_mixture"\nkinds.Ar = [1, 1]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[terms]]\nkind = "morse"\n[[terms]]\nkind = "morse"\ndepth = "1 Å"', ["line 5", "terms.1.depth"]),
        ('[[terms]]\nkind = "mores"', ["line 2", "did you mean 'morse'"]),
        ('[[terms]]\nkind = "morse"\ndeph = 1.0', ["line 3", "did you mean 'depth'"]),
        ('[[terms]]\nkind = "morse"\ncutoff = "-1 Å"', ["terms.0", "positive"]),
        ('[terms]\nkind = "morse"', ["[[terms]]"]),
        ("", ["no terms"]),
        ('[[terms]]\nkind = "ewald"\ncharges = { Na = 1, Cll = -1 }', ["'Cll'", "did you mean 'Cl'"]),
        (BONDS + 'atoms = [[0, 1]]\nstiffness = "1 eV"\nlength = 1', ["line 4", "measures energy"]),
        (BONDS + "atoms = [[0, 1], [2]]\nstiffness = 1\nlength = 1", ["same length"]),
        (MIXTURE + "pairs.Ar = [1, 1]", ["'Ar' is no pair"]),
        (MIXTURE.replace("[1, 1]", "[1]"), ["terms.0.kinds.Ar: value 2 is missing"]),
        ('[[terms]]\nkind = "embedded_atom"\nfile = "none.eam"', ["potentials/none.eam"]),
        ('[[terms]]\nkind = "learned"\nmodel = "none.safetensors"', ["potentials/none.safetensors"]),
    ],
)
def test_what_is_wrong_is_said(text, words, tmp_path):
    (tmp_path / "potentials").mkdir()
    with pytest.raises((ConfigError, DataError)) as refused:
        load_potential(written(tmp_path / "potentials" / "potential.toml", text))
    for word in words:
        assert word in str(refused.value) + str(refused.value.hint)
