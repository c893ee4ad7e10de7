"""Charges spread as Gaussians: against Ewald's sum, limits, batches, and cells that change."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import erfc

from adiabat.base import ConfigError, UnsupportedError
from adiabat.base.units import COULOMB
from adiabat.dynamics import evaluate
from adiabat.potentials import Ewald, GaussianCharges
from adiabat.system import System, batch_systems, neighbor_list
from adiabat.testing import systems

CHARGES = {11: 1.0, 17: -1.0}
SCREENING = 1 / (math.sqrt(2) * 1.5)


def gas(size: float = 5.0) -> System:
    """With a charge of 1 e."""
    return systems.random_gas([11, 17, 17, 11, 11], size=size, seed=2)


def charges_of(system) -> jnp.ndarray:
    return jnp.where(jnp.asarray(system.numbers) == 11, 1.0, -1.0)


@eqx.filter_jit
def total(term: GaussianCharges, system) -> jax.Array:
    return system.sum_atoms(term.energies(system, charges_of(system)))


@eqx.filter_jit
def slopes(term: GaussianCharges, system: System) -> tuple[jax.Array, jax.Array]:
    """Forces [eV/Å] and the derivative by the strain [eV]."""

    def energy(positions, strain):
        moved = eqx.tree_at(lambda s: s.positions, system, positions)
        return total(term, moved.strained(strain))

    by_positions, by_strain = jax.grad(energy, (0, 1))(jnp.asarray(system.positions), jnp.zeros((3, 3)))
    return -by_positions, by_strain


def test_it_is_ewald_but_for_what_is_near():
    """Point charges and a background, less the pairs' k q q erfc(a r) / r: energy, forces and stress."""
    system = gas()
    exact = Ewald(charges=CHARGES, cell=system.cell, cutoff=8.0, accuracy=1e-13)
    expected = evaluate(exact, system, neighbor_list(system, 8.0))
    near = neighbor_list(system, 12.0)

    @eqx.filter_jit
    def of_pairs(positions, strain):
        moved = eqx.tree_at(lambda s: s.positions, system, positions).strained(strain)
        vectors = near.vectors(moved.positions, moved.atom_cells())
        distances = jnp.sqrt(jnp.sum(vectors**2, axis=-1))
        products = charges_of(system)[:, None] * charges_of(system)[near.index]
        pairs = jnp.where(near.mask, products * erfc(SCREENING * distances) / distances, 0.0)
        background = math.pi / (SCREENING**2 * jnp.abs(jnp.linalg.det(moved.cell)))  # Q = 1 e
        return 0.5 * COULOMB * (jnp.sum(pairs) - background)

    here = (jnp.asarray(system.positions), jnp.zeros((3, 3)))
    rest, (by_positions, by_strain) = jax.value_and_grad(of_pairs, (0, 1))(*here)
    term = GaussianCharges().for_systems([system])
    # What the waves left out have is 1e-6 of the energy.
    assert float(total(term, system)) == pytest.approx(float(expected.energy - rest), abs=2e-5)
    forces, virial = slopes(term, system)
    np.testing.assert_allclose(forces, expected.forces + by_positions, atol=1e-4)
    np.testing.assert_allclose((virial + by_strain) / system.volume, expected.stress, atol=1e-5)


def test_a_molecule_is_the_limit_of_a_large_cell():
    """The difference is that of a dipole between its images, -2 pi k mu^2 / (3 V)."""
    length, apart = 30.0, np.array([0.8, 1.0, 1.2])
    alone = System.create([11, 17], [[0, 0, 0], apart])
    boxed = System.create([11, 17], [[0, 0, 0], apart], length * np.eye(3), True)
    distance = float(np.linalg.norm(apart))
    term = GaussianCharges().for_systems([boxed])
    energy = float(total(term, alone))
    assert energy == pytest.approx(-COULOMB * math.erf(SCREENING * distance) / distance, rel=1e-12)
    expected = -2 * math.pi * COULOMB * distance**2 / (3 * length**3)
    assert float(total(term, boxed)) - energy == pytest.approx(expected, rel=0.02)


def test_far_away_it_is_coulomb_and_where_atoms_meet_it_is_finite():
    for distance, expected in ((9.0, -COULOMB / 9.0), (1e-6, -COULOMB * 2 * SCREENING / math.sqrt(math.pi))):
        pair = System.create([11, 17], [[0, 0, 0], [distance, 0, 0]])
        assert float(total(GaussianCharges(), pair)) == pytest.approx(expected, rel=1e-8)
        assert np.isfinite(slopes(GaussianCharges(), pair)[0]).all()


def test_molecules_and_cells_in_one_batch():
    """Each is what it is alone, and padding is nothing; a molecule may come with the cell of its file."""
    chain = System.create([11, 17, 11, 17], 2.0 * np.outer(np.arange(4), np.ones(3)), 9 * np.eye(3), False)
    found = [gas(), chain, gas(6.0), System.create([17], np.zeros((1, 3)))]
    term = GaussianCharges().for_systems(found)
    assert term.largest == 4
    lists = [neighbor_list(system, 3.0) for system in found]
    batch, _ = batch_systems(found, lists, n_atoms=20, n_systems=6, max_neighbors=20)
    together = total(term, batch)
    np.testing.assert_allclose(together[:4], [total(term, system) for system in found], atol=1e-9)
    assert not np.asarray(together[4:]).any()
    # Without waves a periodic structure has no energy, rather than that of a molecule.
    unready = np.asarray(total(GaussianCharges(), batch))
    np.testing.assert_array_equal(np.isfinite(unready[:4]), [False, True, False, True])


def test_cells_that_change():
    """The waves stay those of the start, so that the energy is smooth, and are enough for a tenth more."""
    system = gas()
    term = GaussianCharges().for_systems([system])
    assert term.for_systems([system, gas()]) is term
    grown = gas(5.4)
    term.check(grown)
    np.testing.assert_allclose(total(term, grown), total(term.for_systems([gas(6.0)]), grown), atol=2e-4)
    with pytest.raises(UnsupportedError, match="grown by more than a tenth"):
        term.check(gas(5.9))
    both = term.for_systems([gas(5.9)])
    assert both.covers(np.asarray(gas(5.9).cell))
    assert both.covers(np.asarray(system.cell))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="width"):
        GaussianCharges(width=0.0)
    slab = System.create([11, 17], [[0, 0, 0], [2.0, 0, 0]], 8 * np.eye(3), (True, True, False))
    with pytest.raises(UnsupportedError, match="vacuum"):
        GaussianCharges().check(slab)
    with pytest.raises(UnsupportedError, match="for_systems"):
        total(GaussianCharges(), gas())
