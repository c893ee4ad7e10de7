"""Potentials of which some atoms interact more weakly."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from tests.potentials.test_bonded import bonded, chain, padded, pairs

from adiabat.base import DataError
from adiabat.potentials import (
    AllPairs,
    Ewald,
    HarmonicAngles,
    HarmonicBonds,
    LennardJones,
    PeriodicTorsions,
    Scaled,
    StillingerWeber,
    SumPotential,
)
from adiabat.system import System, neighbor_list
from adiabat.testing import NumberedPotentialChecks, systems

SCALES = np.array([0.3, 0.3, 1.0, 0.6])


class TestScaledTerms(NumberedPotentialChecks):
    def potential(self):
        return Scaled(potential=SumPotential(terms=(bonded(), pairs())), scales=SCALES)  # pyright: ignore[reportArgumentType]

    def structures(self):
        return [chain()]


def energy(potential, system):
    return float(potential.energy(system, neighbor_list(system, potential.cutoff)))


def scaled(potential, system, scales):
    return energy(Scaled(potential=potential, scales=jnp.asarray(scales)), system)


def test_each_kind_of_term_has_its_rule():
    """Bonds and angles as they are, torsions by the scales of their ends, pairs by those of both."""
    system = chain()
    bonds = HarmonicBonds(atoms=[[0, 1]], stiffness=20.0, length=1.2)
    angles = HarmonicAngles(atoms=[[0, 1, 2]], stiffness=2.0, angle=1.9)
    for stiff in (bonds, angles):
        assert scaled(stiff, system, SCALES) == pytest.approx(energy(stiff, system), rel=1e-14)
    torsion = PeriodicTorsions(atoms=[[0, 1, 2, 3]], barrier=0.3, periodicity=3, phase=0.4)
    assert scaled(torsion, system, SCALES) == pytest.approx(np.sqrt(0.18) * energy(torsion, system))
    for pair, factor in (((0, 1), 0.3), ((1, 2), np.sqrt(0.3)), ((0, 3), np.sqrt(0.18))):
        chosen = np.zeros((4, 4))
        chosen[pair] = chosen[pair[::-1]] = 1.0
        only = AllPairs(epsilon=0.01 * chosen, sigma=1.5 * chosen, charges=0.1 * chosen)
        assert scaled(only, system, SCALES) == pytest.approx(factor * energy(only, system), rel=1e-12)


def test_pairs_of_neighbors_and_charges():
    """A solute of the first two atoms: itself by lambda, with the rest by its square root."""
    argon = systems.argon_cluster(7)
    scales = np.where(np.arange(7) < 2, 0.25, 1.0)
    pair = LennardJones(cutoff=12.0)
    parts = {}
    for name, atoms in (("solute", [0, 1]), ("rest", range(2, 7)), ("all", range(7))):
        chosen = list(atoms)
        parts[name] = energy(pair, System.create([18] * len(chosen), argon.positions[chosen]))
    across = parts["all"] - parts["solute"] - parts["rest"]
    expected = 0.25 * parts["solute"] + 0.5 * across + parts["rest"]
    assert scaled(pair, argon, scales) == pytest.approx(expected, rel=1e-12)
    salt = System.create([11, 17, 11, 17], 2.5 * np.random.default_rng(1).random((4, 3)), 5 * np.eye(3), True)
    charges = np.array([1.0, -1.0, 0.8, -0.8])
    by_scales = scaled(Ewald(charges=charges, cell=salt.cell), salt, SCALES)
    direct = energy(Ewald(charges=np.sqrt(SCALES) * charges, cell=salt.cell), salt)
    assert by_scales == pytest.approx(direct, rel=1e-12)


def test_energies_of_atoms_where_there_are_no_terms():
    silicon = systems.silicon(displacement=0.1)
    potential = StillingerWeber()
    near = neighbor_list(silicon, potential.cutoff)
    scales = np.linspace(0.2, 1.0, silicon.n_atoms)
    expected = np.sum(scales * potential.atom_energies(silicon, near))
    assert scaled(potential, silicon, scales) == pytest.approx(float(expected), rel=1e-13)


def test_a_batch_has_its_own_scales():
    """Two copies, the second of which is as it is."""
    whole = SumPotential(terms=(bonded(), pairs()))
    batch, near = padded([chain(), chain()], (False, False, False))
    scales = jnp.ones(batch.n_atoms).at[:4].set(SCALES)
    found = eqx.filter_jit(Scaled(potential=whole, scales=scales).energy)(batch, near)
    np.testing.assert_allclose(found[:2], [scaled(whole, chain(), SCALES), energy(whole, chain())])


def test_scales_that_do_not_fit_are_refused():
    for scales in (np.ones(3), -np.ones(4), np.full(4, np.nan)):
        with pytest.raises(DataError, match="4 atoms need as many scales"):
            Scaled(potential=pairs(), scales=scales).check(chain())  # pyright: ignore[reportArgumentType]
