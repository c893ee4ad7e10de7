"""Clusters cut out of periodic structures, and protons on their way."""

import ase
import ase.build
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adiabat.analysis import find_bonds, molecules
from adiabat.generate.clusters import LARGEST, MOST_ATOMS, PUSHED, cut_clusters, pushed_protons
from adiabat.system import System
from adiabat.testing import systems

WATER = systems.water(27, seed=3)


def distances(system: System) -> np.ndarray:
    """All distances between atoms [Å], ascending."""
    positions = np.asarray(system.positions)
    return np.sort(
        np.linalg.norm(positions[:, None] - positions, axis=-1)[np.triu_indices(len(positions), 1)]
    )


def test_a_cluster_is_a_molecule_with_those_nearest_to_it():
    atoms = WATER.to_ase()
    centers = np.array([atoms.positions[k : k + 3].mean(axis=0) for k in range(0, len(atoms), 3)])
    middles = ase.Atoms(numbers=[8] * len(centers), positions=centers, cell=atoms.cell, pbc=True)
    nearest = {tuple(np.sort(row)[:6].round(6)) for row in middles.get_all_distances(mic=True)}
    found = cut_clusters(WATER, 27, np.random.default_rng(0))
    assert len(found) == 27
    for cluster in found:
        numbers, positions = np.asarray(cluster.numbers), np.asarray(cluster.positions)
        assert not any(cluster.pbc)
        assert numbers.tolist() == 6 * [8, 1, 1]
        member = molecules(18, find_bonds(numbers, positions))
        assert np.bincount(member).tolist() == 6 * [3]
        arms = positions.reshape(6, 3, 3).mean(axis=1)
        assert tuple(np.sort(np.linalg.norm(arms - arms[0], axis=1)).round(6)) in nearest


@settings(max_examples=15, deadline=None)
@given(shift=st.tuples(*[st.floats(-20, 20)] * 3), seed=st.integers(0, 9))
def test_where_the_cell_begins_does_not_matter(shift, seed):
    atoms = WATER.to_ase()
    atoms.positions += shift
    atoms.wrap()
    moved = System.from_ase(atoms)
    both = (cut_clusters(one, 3, np.random.default_rng(seed)) for one in (WATER, moved))
    for old, new in zip(*both, strict=True):
        np.testing.assert_allclose(distances(new), distances(old), atol=1e-6)


def test_a_small_cell_has_its_images_for_neighbors():
    """Ice of two molecules in a cell of 4.5 Å: a cluster has more molecules than the cell."""
    small = ase.Atoms("H2O", [[0.76, 0, 0.59], [-0.76, 0, 0.59], [0, 0, 0]], cell=np.eye(3) * 4.5, pbc=True)
    small += ase.Atoms("H2O", [[2.76, 2.2, 2.79], [1.24, 2.2, 2.79], [2, 2.2, 2.2]])
    cluster = cut_clusters(System.from_ase(small), 1, np.random.default_rng(0))[0]
    assert cluster.n_atoms == 18
    assert distances(cluster)[0] > 0.9


def test_large_molecules_have_one_neighbor_at_least(monkeypatch):
    box = ase.build.molecule("C6H6")
    box.set_cell([8.0, 8.0, 5.0])
    box.pbc = True
    pair = box.copy()
    pair.positions += [4.0, 4.0, 2.5]
    box += pair
    cluster = cut_clusters(System.from_ase(box), 5, np.random.default_rng(0))
    assert [one.n_atoms for one in cluster] == [24, 24]
    assert MOST_ATOMS < 24 <= LARGEST
    monkeypatch.setattr("adiabat.generate.clusters.LARGEST", 23)
    assert cut_clusters(System.from_ase(box), 5, np.random.default_rng(0)) == []


@pytest.mark.parametrize(
    "system",
    [
        systems.copper(2),
        systems.silicon(),
        systems.water(),
        System.from_ase(ase.build.bulk("NaCl", "rocksalt", a=5.64, cubic=True)),
        System.from_ase(ase.Atoms("NH4", ase.build.molecule("CH4").positions, cell=np.eye(3) * 8, pbc=True)),
        System.create(WATER.numbers, WATER.positions, cell=WATER.cell, pbc=True, charge=1),
    ],
    ids=["metal", "network", "no cell", "salt", "ions", "charged"],
)
def test_nothing_is_cut_where_there_are_no_neutral_molecules(system):
    assert cut_clusters(system, 3, np.random.default_rng(0)) == []


def test_one_proton_leaves_along_its_bond():
    found = cut_clusters(WATER, 27, np.random.default_rng(0))
    lengths = []
    for old, new in zip(found, pushed_protons(found, np.random.default_rng(1)), strict=True):
        way = np.asarray(new.positions) - np.asarray(old.positions)
        (proton,) = np.flatnonzero(np.linalg.norm(way, axis=1))
        assert old.numbers[proton] == 1
        bond = np.asarray(old.positions)[proton] - np.asarray(old.positions)[proton - proton % 3]
        np.testing.assert_allclose(np.cross(way[proton], bond), 0, atol=1e-9)
        lengths.append(1 + way[proton] @ bond / (bond @ bond))
    assert min(lengths) > 1
    assert 0.9 * PUSHED < max(lengths) < PUSHED


def test_a_proton_that_would_collide_is_left_out():
    crowded = System.create([8, 1, 9], [[0.0, 0, 0], [0.97, 0, 0], [2.0, 0, 0]])
    found = pushed_protons([crowded] * 50, np.random.default_rng(0))
    assert 0 < len(found) < 50
    assert min(distances(one).min() for one in found) > 0.4


def test_without_a_proton_nothing_is_pushed():
    assert pushed_protons([systems.argon_cluster(5)], np.random.default_rng(0)) == []
