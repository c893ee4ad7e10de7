"""Charges and dipoles of a learned potential: what chemistry and geometry say of them, kernel, files."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.calculators.calculator import PropertyNotImplementedError

from adiabat.base import AdiabatError
from adiabat.base.archive import read_archive, write_archive
from adiabat.dynamics import evaluate
from adiabat.interfaces import calculator
from adiabat.networks import LearnedPotential, load_model, networks, save_model
from adiabat.networks.kernel import build
from adiabat.potentials import ZBL
from adiabat.system import System, about_center_of_mass, batch_systems, center_of_mass, neighbor_list
from adiabat.testing import systems

ELEMENTS = (1, 6, 8)
CUTOFF = 4.0


def network(key: int, **settings):
    chosen = {"channels": 4, "n_interactions": 1, "cutoff": CUTOFF} | settings
    return networks.get("cartesian")(**chosen, n_elements=len(ELEMENTS), density=6.0, key=jax.random.key(key))


def make(charges: bool = True, **settings) -> LearnedPotential:
    return LearnedPotential(
        network=network(1, **settings),
        elements=ELEMENTS,
        references={1: -13.6, 6: -1028.0, 8: -2041.0},
        scale=1.0,
        repulsion=ZBL(longest=CUTOFF),
        charges=network(2) if charges else None,
    )


def ethanol(turn=np.eye(3), shift=np.zeros(3), charge: int = 0, seed: int = 0) -> System:
    start = systems.ethanol(displacement=0.05, seed=seed)
    return System.create(start.numbers, start.positions @ turn + shift, charge=charge, spin=abs(charge) % 2)


@pytest.mark.parametrize("charge", [0, 1, -1])
def test_the_dipole_turns_with_the_molecule_and_stays_when_it_is_moved(charge):
    """A mirror image has the mirrored dipole; about the center of mass that holds for ions, too."""
    model = make()
    before = model.predict(ethanol(charge=charge))
    assert np.linalg.norm(before.dipole) > 0.1
    assert float(before.charges.sum()) == pytest.approx(charge, abs=1e-6)
    turn = np.linalg.qr(np.random.default_rng(7).normal(size=(3, 3)))[0]
    for sign in (1, -1):
        after = model.predict(ethanol(sign * turn, np.array([30.0, -20.0, 10.0]), charge))
        np.testing.assert_allclose(after.dipole, before.dipole @ (sign * turn), atol=1e-5)
        np.testing.assert_allclose(after.charges, before.charges, atol=1e-5)


def test_the_dipole_is_that_of_the_charges_at_the_atoms():
    system = ethanol(charge=1, shift=np.array([3.0, 0, 0]))
    found = make().predict(system)
    arms = system.positions - np.average(system.positions, axis=0, weights=system.masses)
    np.testing.assert_allclose(found.dipole, np.asarray(found.charges) @ arms, atol=1e-12)
    about_origin = np.asarray(found.charges) @ system.positions
    np.testing.assert_allclose(about_center_of_mass(about_origin, system), found.dipole, atol=1e-12)
    np.testing.assert_allclose(center_of_mass(system), np.asarray(system.to_ase().get_center_of_mass()))


def test_where_there_is_no_dipole():
    """A crystal has charges only, one atom alone that of the system, and a model may have neither."""
    crystal = systems.random_gas([1, 6, 8, 1], size=4.5)
    found = make().predict(crystal)
    assert found.dipole is None
    assert float(found.charges.sum()) == pytest.approx(0.0, abs=1e-6)
    ion = make().predict(System.create([8], np.ones((1, 3)), charge=-1, spin=1))
    np.testing.assert_allclose(ion.charges, [-1.0])
    np.testing.assert_allclose(ion.dipole, 0.0, atol=1e-12)
    bare = make(charges=False).predict(ethanol())
    assert bare.charges is None
    assert bare.dipole is None
    # The charges are beside the energy, not in it.
    np.testing.assert_array_equal(bare.forces, make().predict(ethanol()).forces)


def test_a_sum_of_potentials_keeps_them():
    near = neighbor_list(ethanol(), CUTOFF)
    model = make()
    together, alone = (evaluate(p, ethanol(), near) for p in (ZBL(longest=CUTOFF) + model, model))
    np.testing.assert_allclose(together.dipole, alone.dipole)


def members():
    found = [ethanol(seed=1), ethanol(seed=2, charge=1), System.create([8, 1], [[0, 0, 0], [0.9, 0.2, 0]])]
    lists = [neighbor_list(system, CUTOFF) for system in found]
    widest = max(near.max_neighbors for near in lists) + 3
    return found, batch_systems(found, lists, n_atoms=24, n_systems=5, max_neighbors=widest)


def test_a_batch_is_its_structures():
    found, (batch, near) = members()
    together = eqx.filter_jit(make())(batch, near, stress=False)
    for number, system in enumerate(found):
        np.testing.assert_allclose(together.dipole[number], make().predict(system).dipole, atol=1e-5)
    assert not np.asarray(together.dipole[3:]).any()


@pytest.mark.skipif(build.kernel() is None, reason="there is no C++ compiler")
def test_the_kernel_gives_the_same_dipoles_and_derivatives_by_the_weights():
    _, (batch, near) = members()
    model = make()
    inference, training = model.for_inference(), model.for_training()
    expected = eqx.filter_jit(model)(batch, near, stress=False).dipole
    for prepared, tolerance in ((inference, 1e-5), (training, 1e-3)):
        assert type(prepared.charges).__name__ == "KernelNetwork"
        found = eqx.filter_jit(prepared)(batch, near, stress=False).dipole
        np.testing.assert_allclose(found, expected, atol=tolerance)

    @eqx.filter_jit
    @eqx.filter_grad
    def slope(by, by_kernel):
        changed = eqx.tree_at(lambda p: p.charges, model, by[0])
        changed = changed.for_training() if by_kernel else changed
        moved = eqx.tree_at(lambda b: b.positions, batch, by[-1]) if len(by) > 1 else batch
        return jnp.sum(changed.atom_charges(moved, near)[:18] ** 2)

    # By the weights alone, as a training asks, and by the positions with them: those are the smaller numbers.
    for by in ((model.charges,), (model.charges, jnp.asarray(batch.positions))):
        for found, expected, size in zip(slope(by, True), slope(by, False), (0.1, 0.01), strict=False):
            a, b = (np.concatenate(list(map(np.ravel, jax.tree.leaves(x)))) for x in (found, expected))
            assert np.linalg.norm(b) > size
            assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(b)


def test_a_model_file_holds_the_charges(tmp_path):
    path, model = tmp_path / "model.safetensors", make()
    save_model(path, model.with_summary({"made": "here"}))
    again = load_model(path)
    np.testing.assert_array_equal(again.predict(ethanol()).dipole, model.predict(ethanol()).dipole)
    arrays, header = read_archive(path, "model")
    for shape in ({"channels": 5}, {"channels": 10**6}, {"layers_of_cake": 7}):
        changed = header["charges"] | {"hyperparameters": header["charges"]["hyperparameters"] | shape}
        write_archive(path, "model", dict(arrays), header | {"charges": changed})
        with pytest.raises(AdiabatError):
            load_model(path)


def test_a_file_without_charges_is_what_it_was(tmp_path):
    """Not a byte of it says that there could be any."""
    path = tmp_path / "model.safetensors"
    save_model(path, make(charges=False))
    arrays, header = read_archive(path, "model")
    assert "charges" not in header
    assert not any(name.startswith("charges") for name in arrays)
    assert load_model(path).charges is None


def test_in_ase():
    """Dipole [e Å] and charges [e] by ASE's own names."""
    atoms = ethanol(charge=1).to_ase()
    atoms.calc = calculator(make())
    found = make().predict(ethanol(charge=1))
    np.testing.assert_allclose(atoms.get_dipole_moment(), found.dipole, atol=1e-5)
    np.testing.assert_allclose(atoms.get_charges(), found.charges, atol=1e-5)
    crystal = systems.random_gas([1, 6, 8, 1], size=4.5).to_ase()
    crystal.calc = calculator(make())
    assert crystal.get_charges().sum() == pytest.approx(0, abs=1e-9)
    atoms.calc = calculator(make(charges=False))
    for nothing in (atoms, crystal):
        with pytest.raises(PropertyNotImplementedError, match="no dipole"):
            nothing.get_dipole_moment()
