"""Structures of many molecules from a force field: its forces, its vibrations, what is drawn from them."""

import numpy as np
import pytest

from adiabat.base import ConfigError, DataError
from adiabat.base.units import BOLTZMANN
from adiabat.data import read_samples
from adiabat.generate.molecules import distorted
from adiabat.generate.normal_modes import normal_modes
from adiabat.system.mechanics import MolecularMechanics
from adiabat.tasks.sample import read_smiles, sample


@pytest.fixture(scope="module")
def ethanol():
    return MolecularMechanics("CCO", 2)


def test_forces_are_the_energys_derivative(ethanol):
    """Also after a call for another geometry: RDKit keeps the distances of the one before."""
    rng = np.random.default_rng(0)
    positions = np.asarray(ethanol.reference.positions) + rng.normal(scale=0.1, size=(9, 3))
    shifts = 1e-4 * np.eye(27).reshape(27, 9, 3)
    (plus, _), (minus, _) = ethanol(positions + shifts), ethanol(positions - shifts)
    _, forces = ethanol(np.stack([positions + 1.0, positions]))
    np.testing.assert_allclose(forces[1].ravel(), -(plus - minus) / 2e-4, atol=2e-5)


def test_conformers_are_minima_and_vibrate_as_ethanol_does(ethanol):
    """Measured: O-H 3653, C-H 2989 to 2888, C-O 1033 cm^-1 (Shimanouchi, NSRDS-NBS 39, 1972)."""
    for one in ethanol.conformers:
        _, forces = ethanol(np.asarray(one.positions)[None])
        assert np.abs(forces).max() < 1e-3
    found = normal_modes(ethanol, np.asarray(ethanol.reference.positions)).wavenumbers
    assert len(found) == 21
    assert found[0] > 100
    assert found[-1] == pytest.approx(3653, rel=0.05)
    assert ((found > 2700) & (found < 3200)).sum() == 5
    assert np.abs(found / 1033 - 1).min() < 0.05


def test_vibrations_have_the_energy_of_their_temperature(ethanol):
    modes = normal_modes(ethanol, np.asarray(ethanol.reference.positions))
    drawn = modes.sample(20.0, 400, np.random.default_rng(1), max_amplitude=1.0)
    energies, _ = ethanol(drawn)
    lowest, _ = ethanol(np.asarray(ethanol.reference.positions)[None])
    assert (energies - lowest).mean() == pytest.approx(21 / 2 * BOLTZMANN * 20.0, rel=0.06)


def test_structures_are_different_whole_and_the_same_for_the_same_seed():
    drawn = [np.asarray(one.positions) for one in distorted("CC(=O)CC", 12, seed=3)]
    again = [np.asarray(one.positions) for one in distorted("CC(=O)CC", 12, seed=3)]
    other = [np.asarray(one.positions) for one in distorted("CC(=O)CC", 12, seed=4)]
    assert len(drawn) == 12
    np.testing.assert_array_equal(drawn, again)
    assert not np.array_equal(drawn, other)
    distances = np.linalg.norm(np.array(drawn)[:, :, None] - np.array(drawn)[:, None], axis=-1)
    assert len(np.unique(distances[:, 0, 1])) == 12
    assert distances[:, *np.triu_indices(13, 1)].min() > 0.6


def test_sample_writes_what_label_reads_and_says_what_it_skipped(tmp_path):
    (tmp_path / "some.smi").write_text("CCO ethanol\n\nC1CC\n[Cl-]\nO\nCCO\n")
    result = sample(tmp_path / "some.smi", out=tmp_path / "out.xyz", per_molecule=3)
    assert (result["n_molecules"], result["n_skipped"], result["n_structures"]) == (2, 2, 6)
    assert any("single atom" in reason for reason in result["skipped"])
    found = read_samples(tmp_path / "out.xyz", require=())
    assert [one.info["molecule"] for one in found] == ["CCO"] * 3 + ["O"] * 3
    with pytest.raises(ConfigError, match="exists"):
        sample(tmp_path / "some.smi", out=tmp_path / "out.xyz")


def test_lists_of_molecules(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text('name,SMILES\n"a, b",CCO\nc,O\n')
    assert read_smiles(table) == ["CCO", "O"]
    table.write_text("name,structure\na,CCO\n")
    with pytest.raises(DataError, match="no column 'smiles'"):
        read_smiles(table)
    (tmp_path / "empty.smi").write_text("\n")
    with pytest.raises(DataError, match="no SMILES"):
        read_smiles(tmp_path / "empty.smi")
    (tmp_path / "raw.smi").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        read_smiles(tmp_path / "raw.smi")
    (tmp_path / "wrong.smi").write_text("nonsense\n")
    with pytest.raises(DataError, match="none of the 1 molecules"):
        sample(tmp_path / "wrong.smi", out=tmp_path / "x.xyz")
