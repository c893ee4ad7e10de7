"""Ewald sums: conformance, Madelung constants, and the mesh against the sum over waves."""

import contextlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.base.units import COULOMB
from adiabat.dynamics import evaluate
from adiabat.potentials import PME, Ewald, ewald
from adiabat.potentials.ewald import cosines_and_sines
from adiabat.system import System, neighbor_list
from adiabat.testing import PotentialChecks, systems

CHARGES = {11: 1.0, 17: -1.0}


def gas() -> System:
    return systems.random_gas([11, 17, 17, 11, 11], size=5.0, seed=2)


class LongRanged(PotentialChecks):
    """The kit, for what has no end; the structure also has a net charge."""

    def structures(self):
        return [gas()]

    def test_smooth_at_the_cutoff(self):
        """The cut-off is where one sum hands over to the other: forces agree on both sides of it."""
        cutoff = self._potential.cutoff
        system = System.create([11, 17], [[0.0, 0, 0], [cutoff, 0, 0]], 18 * np.eye(3), True)
        pull = [
            evaluate(self._potential, at, neighbor_list(at, cutoff)).forces
            for at in (system.moved([[0, 0, 0], [cutoff + step, 0, 0]]) for step in (-1e-7, 1e-7))
        ]
        np.testing.assert_allclose(pull[0], pull[1], atol=1e-5)

    def test_far_atoms_do_not_feel_each_other(self):
        """But they do."""


@pytest.mark.device
class TestEwald(LongRanged):
    def potential(self):
        return Ewald(charges=CHARGES, cell=gas().cell * np.array([[2], [1], [1]]), cutoff=8.0, accuracy=1e-13)


@pytest.mark.device
@pytest.mark.physics  # its programs take long to compile
class TestPME(LongRanged):
    """What the mesh breaks is left out: atoms that move or turn against it, and the larger cell's mesh."""

    def potential(self):
        potential = PME(charges=CHARGES, cell=gas().cell, cutoff=8.0, accuracy=1e-13)
        # A coarse mesh is quick, and as consistent as a fine one.
        object.__setattr__(potential, "mesh", (16, 15, 18))
        return potential

    def test_translation_rotation_permutation(self):
        pass

    def test_supercell(self):
        pass


@pytest.mark.device
@pytest.mark.parametrize(
    ("lattice", "madelung"),
    # Of the nearest distance: the constants of Crandall and Delord, and of cesium chloride.
    [("rocksalt", 1.74756459463318219), ("cesiumchloride", 1.76267477307098)],
)
def test_madelung_constants(lattice, madelung):
    import ase.build

    crystal = System.from_ase(ase.build.bulk("NaCl", lattice, a=4.0))
    nearest = 2.0 if lattice == "rocksalt" else 2.0 * 3**0.5
    potential = Ewald(charges=CHARGES, cell=crystal.cell, cutoff=9.0, accuracy=1e-15)
    energy = energy_of(potential, crystal)
    assert energy == pytest.approx(-COULOMB * madelung / nearest, rel=1e-12)


def energy_of(potential, system) -> float:
    return float(eqx.filter_jit(potential.energy)(system, neighbor_list(system, potential.cutoff)))


@pytest.mark.device
def test_the_mesh_gives_what_the_waves_give():
    exact = energy_of(Ewald(charges=CHARGES, cell=gas().cell, cutoff=7.0, accuracy=1e-12), gas())
    mesh = energy_of(PME(charges=CHARGES, cell=gas().cell, cutoff=7.0, accuracy=1e-4), gas())
    assert mesh == pytest.approx(exact, rel=1e-4)


@pytest.mark.physics
def test_the_split_does_not_matter_and_the_mesh_converges():
    system = gas()
    exact = [
        evaluate(
            Ewald(charges=CHARGES, cell=system.cell, cutoff=cutoff, accuracy=1e-14),
            system,
            neighbor_list(system, cutoff),
        )
        for cutoff in (7.0, 9.0)
    ]
    np.testing.assert_allclose(exact[0].energy, exact[1].energy, rtol=1e-11)
    np.testing.assert_allclose(exact[0].forces, exact[1].forces, atol=1e-10)
    np.testing.assert_allclose(exact[0].stress, exact[1].stress, atol=1e-11)
    near, size = neighbor_list(system, 7.0), np.abs(np.asarray(exact[0].forces)).max()
    for accuracy in (1e-3, 1e-5):
        mesh = PME(charges=CHARGES, cell=system.cell, cutoff=7.0, accuracy=accuracy)
        error = np.abs(np.asarray(evaluate(mesh, system, near).forces - exact[0].forces)).max() / size
        print(f"accuracy {accuracy}: mesh {mesh.mesh}, relative error of the forces {error:.1e}")
        assert error < 2 * accuracy


def test_cosines_and_sines():
    """To rounding, however many turns, and with their derivatives."""
    turns = np.random.default_rng(0).uniform(-20, 20, (50, 40))
    found = cosines_and_sines(jnp.asarray(turns))
    np.testing.assert_allclose(found, [f(2 * np.pi * turns) for f in (np.cos, np.sin)], atol=1e-13)
    slopes = jax.jvp(cosines_and_sines, (jnp.asarray(turns),), (jnp.ones_like(turns),))[1]
    np.testing.assert_allclose(slopes, [-2 * np.pi * found[1], 2 * np.pi * found[0]], rtol=1e-12)


def test_charges_by_atom_are_charges_by_element():
    system = gas()
    by_atom = [CHARGES[z] for z in system.numbers.tolist()]
    first, second = (energy_of(Ewald(charges=c, cell=system.cell), system) for c in (CHARGES, by_atom))
    assert first == second


def test_what_does_not_fit_is_refused():
    system, cell = gas(), gas().cell
    with pytest.raises(ConfigError, match="accuracy"):
        Ewald(charges=CHARGES, cell=cell, accuracy=0.0)
    with pytest.raises(DataError, match="cell"):
        PME(charges=CHARGES, cell=jnp.zeros((3, 3)))
    with pytest.raises(DataError, match="charges"):
        PME(charges=[np.nan], cell=cell)
    with pytest.raises(UnsupportedError, match="images"):
        Ewald(charges=CHARGES, cell=cell).check(systems.water())
    with pytest.raises(UnsupportedError, match="charges of Na Cl only"):
        Ewald(charges=CHARGES, cell=cell).check(systems.copper(1))
    with pytest.raises(UnsupportedError, match="for 5 atoms"):
        PME(charges=[1.0], cell=cell).check(system)


def test_a_net_charge_is_said_once(monkeypatch):
    """Of one charge in a cube it is the energy of Wigner's crystal, k q^2 2.8373 / 2 L less than nothing."""
    said = []
    monkeypatch.setattr(ewald.logger, "warning", lambda text, *values: said.append(text % values))
    system = System.create([11], [[0.0, 0, 0]], cell=10 * np.eye(3), pbc=True)
    potential = Ewald(charges={11: 0.77}, cell=system.cell, cutoff=6.0, accuracy=1e-12)
    assert energy_of(potential, system) == pytest.approx(-COULOMB * 0.77**2 * 2.837297 / 20, rel=1e-6)
    for _ in range(2):
        potential.check(system)
    PME(charges={11: 0.77}).check(system)
    assert len(said) == 1
    assert "add up to +0.77 e: a uniform background" in said.pop()
    salt = System.create([11, 17], [[0, 0, 0], [2.82, 0, 0]], cell=5.64 * np.eye(3), pbc=True)
    Ewald(charges={11: 0.77, 17: -0.7701}).check(salt)  # rounded charges
    assert not said
    Ewald(charges=[0.5, -0.75]).check(salt)
    assert "add up to -0.25 e" in said.pop()


@pytest.mark.parametrize("kind", [Ewald, PME])
def test_another_cell_than_the_one_it_was_made_for_is_refused(kind):
    """Waves and mesh are those of that cell: a cell three times as long gave 1 % too much."""
    potential = kind(charges={11: 1.0, 17: -1.0}, cell=5.64 * np.eye(3))
    for times, refused in ((1.05, False), (3.0, True)):
        system = System.create([11, 17], [[0, 0, 0], [2.82, 0, 0]], cell=5.64 * times * np.eye(3), pbc=True)
        with pytest.raises(UnsupportedError, match="largest cell") if refused else contextlib.nullcontext():
            potential.check(system)
