"""Bonds, angles, torsions, fragments and radial distributions."""

import numpy as np
import pytest
from ase.build import bulk, molecule

from adiabat import analysis
from adiabat.analysis.hydrogen_bonds import _near
from adiabat.base import DataError
from adiabat.data.fingerprint import pair_distances
from adiabat.system import System

ETHANOL = molecule("CH3CH2OH")


def vibrating(atoms, amplitude, n_frames, seed=0):
    noise = np.random.default_rng(seed).normal(scale=amplitude, size=(n_frames, len(atoms), 3))
    return atoms.positions + noise


def test_flat_cells_that_are_far_too_large_are_refused():
    """Where looking for pairs would end the process."""
    cell, points = np.diag([8.0, 1e6, 1e6]), np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 2.0]])
    system = System.create([8, 1], points, cell, pbc=True)
    for look in (
        lambda: analysis.radial_distribution(np.array([8, 1]), points[None], cell),
        lambda: _near(points[:1], points[1:], cell),
        lambda: pair_distances(system, 3.0),
    ):
        with pytest.raises(DataError, match="too far, for so flat a one"):
            look()


def test_bonds_angles_and_torsions_of_ethanol():
    bonds = analysis.find_bonds(ETHANOL.numbers, ETHANOL.positions)
    assert len(bonds) == 8
    assert len(analysis.angles_from_bonds(bonds)) == 6 + 6 + 1
    assert len(analysis.torsions_from_bonds(bonds)) == 3 * 3 + 3
    assert set(analysis.molecules(9, bonds)) == {0}


def test_bonds_across_a_cell_face():
    positions = np.array([[0.1, 2.0, 2.0], [9.9, 2.0, 2.0]])
    cell = np.eye(3) * 10.0
    assert len(analysis.find_bonds(np.array([1, 1]), positions)) == 0
    bonds = analysis.find_bonds(np.array([1, 1]), positions, cell)
    assert bonds.tolist() == [[0, 1]]
    assert analysis.bond_lengths(positions[None], bonds, cell)[0, 0] == pytest.approx(0.2)


def test_angles_and_torsions_agree_with_ase():
    frames = vibrating(ETHANOL, 0.1, 5)
    bonds = analysis.find_bonds(ETHANOL.numbers, ETHANOL.positions)
    triples, quadruples = analysis.angles_from_bonds(bonds), analysis.torsions_from_bonds(bonds)
    all_angles, all_torsions = (
        analysis.bond_angles(frames, triples),
        analysis.torsion_angles(frames, quadruples),
    )
    for frame, angles, torsions in zip(frames, all_angles, all_torsions, strict=True):
        atoms = ETHANOL.copy()
        atoms.positions = frame
        np.testing.assert_allclose(angles, atoms.get_angles(triples), atol=1e-8)
        expected = atoms.get_dihedrals(quadruples)
        np.testing.assert_allclose(np.mod(torsions - expected + 180, 360), 180, atol=1e-8)


def test_harmonic_bond_has_the_equipartition_width():
    k, kelvin, length = 30.0, 300.0, 1.1  # eV/Å^2
    width = np.sqrt(8.617333262e-5 * kelvin / k)
    draw = np.random.default_rng(0).normal
    frames, reference = np.zeros((2, 20_000, 2, 3))
    frames[:, 1, 0] = draw(length, width, 20_000)
    reference[:, 1, 0] = draw(length, width, 20_000)
    [bond] = analysis.bond_statistics(np.array([6, 8]), frames, reference)
    assert (bond.kind, bond.label, bond.n_coordinates) == ("bond", "C–O", 1)
    assert bond.mean == pytest.approx(length, abs=5 * width / np.sqrt(20_000))
    assert bond.deviation == pytest.approx(width, rel=0.02)
    assert bond.divergence < 0.01
    assert bond.outside < 1e-3


def test_a_shifted_distribution_is_seen():
    reference = vibrating(ETHANOL, 0.03, 400, seed=1)
    same = analysis.bond_statistics(ETHANOL.numbers, vibrating(ETHANOL, 0.03, 400), reference)
    longer = analysis.bond_statistics(ETHANOL.numbers, 1.4 * vibrating(ETHANOL, 0.03, 400), reference)
    assert [d.label for d in same if d.kind == "bond"] == ["C–C", "C–H", "C–O", "O–H"]
    assert max(d.divergence for d in same) < 0.12
    assert max(d.outside for d in same) < 0.02
    assert all(d.divergence > 0.8 and d.outside > 0.8 for d in longer if d.kind == "bond")


def test_jensen_shannon_of_equal_and_disjoint():
    assert analysis.jensen_shannon(np.array([1, 2, 3]), np.array([2, 4, 6])) == 0.0
    assert analysis.jensen_shannon(np.array([1, 0]), np.array([0, 5])) == pytest.approx(1.0)


def test_fragmentation_is_found_where_it_begins():
    frames = np.repeat(ETHANOL.positions[None], 40, axis=0)
    hydrogen = int(np.flatnonzero(ETHANOL.numbers == 1)[0])
    away = frames[0, hydrogen] - frames[0].mean(axis=0)
    frames[25:, hydrogen] += 3 * away / np.linalg.norm(away)
    found = analysis.fragmentation(ETHANOL.numbers, frames)
    assert found.changed == 25
    assert (found.n_fragments[0], found.n_fragments[-1]) == (1, 2)
    assert found.rearranged.shape == (1, 2)
    assert analysis.fragmentation(ETHANOL.numbers, frames[:20]).changed is None


def test_close_contacts_of_a_liquid_are_no_bonds():
    argon = np.random.default_rng(0).normal(scale=0.15, size=(20, 8, 3))
    argon += 3.6 * np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    found = analysis.fragmentation(np.full(8, 18), argon, np.eye(3) * 7.2)
    assert found.changed is None
    assert found.n_fragments[0] == 8


def test_ideal_gas_has_g_of_one():
    rng = np.random.default_rng(0)
    cell = np.array([[11.0, 0, 0], [2.0, 12.0, 0], [0.5, -1.0, 10.0]])
    frames = rng.random((60, 300, 3)) @ cell
    numbers = np.repeat([1, 8], [200, 100])
    for pair in analysis.radial_distribution(numbers, frames, cell, n_bins=25):
        far = pair.distance > 1.0
        # The pairs of a bin are Poisson distributed: what is left is statistics.
        assert np.abs(pair.g[far] - 1).max() < 0.1
        assert np.mean(np.abs(pair.g[far] - 1) < 3 * pair.error[far] + 0.01) > 0.9


def test_coordination_of_fcc_copper():
    copper = bulk("Cu", "fcc", a=3.615, cubic=True) * (4, 4, 4)
    frames = copper.positions[None] + 20.0  # unwrapped coordinates are fine
    [pair] = analysis.radial_distribution(copper.numbers, frames, copper.cell.array)
    assert pair.label == "Cu–Cu"
    shell = pair.coordination[np.searchsorted(pair.distance, [3.0, 4.0, 4.8])]
    np.testing.assert_allclose(shell, [12, 18, 42])


def test_radial_distribution_refuses_what_it_cannot_do():
    frames = np.zeros((1, 2, 3))
    with pytest.raises(DataError, match="no volume"):
        analysis.radial_distribution(np.array([1, 1]), frames, np.zeros((3, 3)))
    with pytest.raises(DataError, match="half the smallest height"):
        analysis.radial_distribution(np.array([1, 1]), frames, np.eye(3) * 8, r_max=5.0)


def test_molecules_are_made_whole():
    water = molecule("H2O")
    cell = np.diag([6.0, 7.0, 8.0])
    positions = np.concatenate([water.positions + shift for shift in ([0, 0.1, 0], [3, 3, 4], [3, 6.8, 1])])
    numbers = np.tile(water.numbers, 3)
    wrapped = np.mod(positions, np.diag(cell))[None]
    bonds = analysis.find_bonds(numbers, wrapped[0], cell)
    whole = analysis.whole_molecules(wrapped, bonds, cell)
    np.testing.assert_allclose(
        analysis.bond_lengths(whole, bonds), analysis.bond_lengths(wrapped, bonds, cell), atol=1e-12
    )
    assert analysis.bond_lengths(wrapped, bonds).max() > 4  # molecules were torn apart
    centers = whole.reshape(3, 3, 3).mean(axis=1)
    assert (centers >= 0).all()
    assert (centers < np.diag(cell)).all()


def test_unwrapped_frames_are_those_before_they_were_wrapped():
    rng = np.random.default_rng(1)
    cell = np.array([[6.0, 0.0, 0.0], [2.0, 5.0, 0.0], [0.0, 1.0, 7.0]])
    frames = rng.uniform(0, 5, (1, 10, 3)) + np.cumsum(rng.normal(scale=0.4, size=(300, 10, 3)), axis=0)
    for repeats in ([1, 1, 1], [1, 1, 0]):
        box = cell * np.array(repeats)[:, None]
        scaled = np.floor(frames @ np.linalg.inv(cell)) * repeats
        wrapped = frames - scaled @ box
        found = analysis.unwrapped(wrapped, box)
        np.testing.assert_allclose(found - found[0], frames - frames[0], atol=1e-10)
        assert np.abs(found - wrapped).max() > 5
    assert analysis.unwrapped(frames, cell) is frames
    assert analysis.unwrapped(wrapped[::20], cell) is None  # too far apart
    assert analysis.unwrapped(wrapped[:1], cell) is not None
