"""Bonded terms and all pairs: conformance, and answers known in closed form."""

import dataclasses
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.base import DataError, UnsupportedError
from adiabat.base.units import COULOMB
from adiabat.potentials import (
    AllPairs,
    HarmonicAngles,
    HarmonicBonds,
    HarmonicImpropers,
    PeriodicTorsions,
    SumPotential,
)
from adiabat.potentials.bonded import nearest_images
from adiabat.system import System, batch_systems, neighbor_list
from adiabat.testing import NumberedPotentialChecks

# Four atoms in a chain with a dihedral angle of 70 degrees or so, none of it symmetric.
CHAIN = np.array([[0.1, 0.9, 1.1], [0.0, 0.0, 0.2], [1.5, 0.1, 0.0], [2.1, 1.3, -0.3]])


def chain(positions=CHAIN, **cell) -> System:
    return System.create([1, 6, 6, 1], positions, **cell)


def energy(potential, system):
    return float(potential.energy(system, neighbor_list(system, 1.0)))


def pairs() -> AllPairs:
    sigma = np.full((4, 4), 1.5)
    charges = np.outer([0.3, -0.2, -0.3, 0.2], [0.3, -0.2, -0.3, 0.2])
    charges[0, 1] = charges[1, 0] = 0.0
    return AllPairs(epsilon=np.full((4, 4), 0.01), sigma=sigma, charges=charges)


def bonded() -> SumPotential:
    return SumPotential(
        terms=(
            HarmonicBonds(atoms=[[0, 1], [1, 2], [2, 3]], stiffness=[20.0, 15.0, 20.0], length=1.2),
            HarmonicAngles(atoms=[[0, 1, 2], [1, 2, 3]], stiffness=2.0, angle=[1.9, 2.0]),
            PeriodicTorsions(
                atoms=[[0, 1, 2, 3]] * 2, barrier=[0.3, -0.1], periodicity=[3, 1], phase=[0.0, np.pi]
            ),
            HarmonicImpropers(atoms=[[1, 0, 2, 3]], stiffness=0.5, angle=0.0),
        )
    )


@pytest.mark.device
class TestBonded(NumberedPotentialChecks):
    def potential(self):
        return bonded()

    def structures(self):
        cell = [[6.5, 0, 0], [0.5, 7.0, 0], [-0.4, 0.6, 8.0]]
        return [chain(), chain(cell=cell, pbc=True), chain(cell=cell, pbc=(True, False, True))]


@pytest.mark.device
class TestAllPairs(NumberedPotentialChecks):
    def potential(self):
        return pairs()

    def structures(self):
        return [chain()]


# Bonds along x, y and z: looking along the middle one, the last is a quarter turn clockwise from the first.
CORNERS = [[0.0, 0, 0], [1.0, 0, 0], [1.0, 1.0, 0], [1.0, 1.0, 1.0]]


def test_known_angles():
    bonds = HarmonicBonds(atoms=[[0, 2]], stiffness=2.0, length=1.0)
    assert energy(bonds, chain(CORNERS)) == pytest.approx((2**0.5 - 1) ** 2, rel=1e-14)
    angles = HarmonicAngles(atoms=[[0, 1, 2]], stiffness=2.0, angle=2.0)
    assert energy(angles, chain(CORNERS)) == pytest.approx((np.pi / 2 - 2) ** 2, rel=1e-14)
    torsions = PeriodicTorsions(atoms=[[0, 1, 2, 3]], barrier=1.0, periodicity=1, phase=np.pi / 2)
    assert energy(torsions, chain(CORNERS)) == pytest.approx(2.0, rel=1e-14)
    assert energy(torsions, chain(np.array(CORNERS) * [1, 1, -1])) == pytest.approx(0.0, abs=1e-14)


@pytest.mark.parametrize("turns", [-1, 0, 1])
def test_an_improper_takes_the_short_way_round(turns):
    angle = np.pi / 2 - 0.3 + 2 * np.pi * turns
    term = HarmonicImpropers(atoms=[[0, 1, 2, 3]], stiffness=2.0, angle=angle)
    assert energy(term, chain(CORNERS)) == pytest.approx(0.09, rel=1e-12)


def test_known_pairs():
    only = np.zeros((4, 4))
    only[0, 3] = only[3, 0] = 1.0
    distance = np.linalg.norm(CHAIN[3] - CHAIN[0])
    charged = AllPairs(epsilon=np.zeros((4, 4)), sigma=only, charges=-0.5 * only)
    assert energy(charged, chain()) == pytest.approx(-0.5 * COULOMB / distance, rel=1e-14)
    neutral = AllPairs(epsilon=0.7 * only, sigma=distance / 2 ** (1 / 6) * only, charges=0 * only)
    assert energy(neutral, chain()) == pytest.approx(-0.7, rel=1e-14)


def test_straight_and_folded_chains_have_finite_derivatives():
    potential = bonded()
    lines = (
        [[0.0, 0, 0], [1.2, 0, 0], [2.4, 0, 0], [3.6, 0, 0]],
        [[0, 0, 0], [1.2, 0, 0], [0, 0, 0.1], [1, 0, 0]],
    )
    for positions in lines:
        system = chain(positions)
        near = neighbor_list(system, 1.0)
        hessian = second_derivatives(potential, system, near)
        assert np.isfinite(potential(system, near).forces).all()
        assert np.isfinite(hessian).all()


def test_second_derivatives_are_symmetric():
    system = chain()
    near = neighbor_list(system, 500.0)
    hessian = second_derivatives(SumPotential(terms=(bonded(), pairs())), system, near)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-10)
    np.testing.assert_allclose(hessian.reshape(12, 4, 3).sum(axis=1), 0.0, atol=1e-9)


@eqx.filter_jit
def second_derivatives(potential, system, near):
    def total(positions):
        return potential.energy(eqx.tree_at(lambda s: s.positions, system, positions), near)

    return jax.jacrev(jax.grad(total))(jnp.asarray(system.positions)).reshape(12, 12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match="no bonds given") as refused:
        HarmonicBonds(atoms=[], stiffness=1.0, length=1.0)
    assert "atoms = [[0, 1]]" in str(refused.value.hint)
    with pytest.raises(DataError, match="no torsions given"):
        PeriodicTorsions(atoms=np.zeros((0, 4), int), barrier=1.0, periodicity=1, phase=0.0)
    with pytest.raises(DataError, match="not negative"):
        AllPairs(epsilon=-np.ones((4, 4)), sigma=np.ones((4, 4)), charges=np.ones((4, 4)))
    with pytest.raises(DataError, match="shape"):
        HarmonicBonds(atoms=[[0, 1, 2]], stiffness=1.0, length=1.0)
    with pytest.raises(DataError, match="different atoms"):
        HarmonicBonds(atoms=[[1, 1]], stiffness=1.0, length=1.0)
    with pytest.raises(DataError, match="one for each"):
        HarmonicAngles(atoms=[[0, 1, 2]], stiffness=[1.0, 2.0], angle=1.0)
    with pytest.raises(DataError, match="the same for"):
        AllPairs(epsilon=np.triu(np.ones((4, 4))), sigma=np.ones((4, 4)), charges=np.ones((4, 4)))
    with pytest.raises(UnsupportedError, match="atom 9"):
        (pairs() + HarmonicBonds(atoms=[[0, 9]], stiffness=1.0, length=1.0)).check(chain())
    with pytest.raises(UnsupportedError, match="does not repeat"):
        pairs().check(System.create([1], [[0, 0, 0]]))
    batch, joined = padded([chain()])
    with pytest.raises(UnsupportedError, match="same directions"):
        bonded()(batch, joined, False)
    spring, place = HarmonicBonds(atoms=[[0, 1]], stiffness=1.0, length=1.0), [[0, 0, 0], [1, 2, 5]]
    for skew, seen in ((0, True), (4, True), (8, False)):
        cell = 6.0 * np.array([[1, 0, 0], [skew, 1, 0], [skew**2, skew, 1]])
        system = System.create([1, 1], place, cell=cell, pbc=True)
        if seen:
            spring.check(system)
            continue
        with pytest.raises(UnsupportedError, match="too skewed"):
            spring.check(system)


def padded(structures, pbc=None):
    """A batch with room for five more atoms and two more structures."""
    near = [neighbor_list(system, 1.0) for system in structures]
    total = sum(system.n_atoms for system in structures) + 5
    batch, joined = batch_systems(
        structures, near, n_atoms=total, n_systems=len(structures) + 2, max_neighbors=4
    )
    return dataclasses.replace(batch, pbc=pbc), joined


@pytest.mark.parametrize(
    "cell",
    [
        [[8, 0, 0], [0, 9, 0], [0, 0, 7]],
        [[8, 0, 0], [-4, 4 * 3**0.5, 0], [0, 0, 7]],  # hexagonal
        [[0, 4, 4], [4, 0, 4], [4, 4, 0]],  # primitive of a face-centered cubic one
        [[0, 4, 4], [4, 4, 0], [4, 0, 4]],  # the same, left-handed
    ],
)
def test_the_nearest_image_is_the_shortest_of_all(cell):
    vectors = np.random.default_rng(0).uniform(-12, 12, (100, 3))
    for pbc in ((True, True, True), (True, True, False), (False, True, False)):
        system = System.create([1], np.zeros((1, 3)), cell=cell, pbc=pbc)
        found = np.asarray(nearest_images(jnp.asarray(vectors)[:, None], system))[:, 0]
        steps = [range(-8, 9) if periodic else (0,) for periodic in pbc]
        lattice = np.array(list(itertools.product(*steps))) @ np.array(cell, float)
        wanted = np.linalg.norm(vectors[:, None] - lattice, axis=-1).min(axis=1)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), wanted, atol=1e-10)


@pytest.mark.parametrize("pbc", [(False, False, False), (True, False, True)])
def test_a_batch_is_its_structures(pbc):
    """Copies of a molecule, a larger one of which it is a part, and padding."""
    cell = [[6.5, 0, 0], [0.5, 7.0, 0], [-0.4, 0.6, 8.0]] if any(pbc) else None
    larger = System.create([1, 6, 6, 1, 8], np.concatenate([CHAIN, [[3.0, 3.0, 3.0]]]), cell=cell, pbc=pbc)
    moved = chain(CHAIN + np.random.default_rng(0).normal(scale=0.1, size=(4, 3)), cell=cell, pbc=pbc)
    together = [(bonded(), [chain(cell=cell, pbc=pbc), larger, moved])]
    if not any(pbc):
        together.append((pairs(), [chain(), moved, chain()]))
    for potential, structures in together:
        batch, joined = padded(structures, pbc)
        found = eqx.filter_jit(potential)(jax.tree.map(jnp.asarray, batch), joined, False)
        start = 0
        for number, system in enumerate(structures):
            alone = potential(system, neighbor_list(system, 1.0), False)
            assert found.energy[number] == pytest.approx(float(alone.energy), rel=1e-13)
            rows = slice(start, start + system.n_atoms)
            np.testing.assert_allclose(found.forces[rows], alone.forces, atol=1e-12)
            np.testing.assert_allclose(found.atom_energies[rows], alone.atom_energies, atol=1e-13)
            start += system.n_atoms
        assert np.isfinite(found.forces).all()
        assert not found.forces[start:].any()
        assert not found.energy[len(structures) :].any()
