"""The long range of a learned potential: conformance, kernel, files, dynamics, ASE, domains."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.base import UnsupportedError
from adiabat.base.archive import read_archive, write_archive
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    evaluate,
    run_dynamics,
    run_replicas,
)
from adiabat.interfaces import calculator
from adiabat.interfaces.domain import Domain
from adiabat.networks import LearnedPotential, load_model, networks, save_model
from adiabat.networks.kernel import build
from adiabat.potentials import ZBL, GaussianCharges
from adiabat.system import System, batch_systems, neighbor_list
from adiabat.testing import PotentialChecks, systems

ELEMENTS = (1, 6, 8)
CUTOFF = 4.0


def network(key: int, dtype=np.float32, **settings):
    chosen = {"channels": 4, "n_interactions": 1, "cutoff": CUTOFF} | settings
    made = networks.get("cartesian")(**chosen, n_elements=len(ELEMENTS), density=6.0, key=jax.random.key(key))
    return jax.tree.map(lambda a: a.astype(dtype) if eqx.is_inexact_array(a) else a, made)


def make(dtype=np.float32, long_range: bool = True, **settings) -> LearnedPotential:
    return LearnedPotential(
        network=network(1, dtype, **settings),
        elements=ELEMENTS,
        references={1: -13.6, 6: -1028.0, 8: -2041.0},
        scale=1.0,
        repulsion=ZBL(longest=CUTOFF),
        charges=network(2, dtype, **settings),
        long_range=GaussianCharges() if long_range else None,
    )


def gas() -> System:
    return systems.random_gas([1, 6, 8, 1], size=4.5)


class Checks(PotentialChecks):
    """The kit, for what has no end."""

    def structures(self):
        return [gas()]

    def ready(self, dtype) -> LearnedPotential:
        """For the cell twice as large as well."""
        double = System.create([1], np.zeros((1, 3)), gas().cell * np.array([[2], [1], [1]]), True)
        return make(dtype).for_systems([gas(), double])

    def test_far_atoms_do_not_feel_each_other(self):
        """But they do."""


@pytest.mark.physics
class TestDouble(Checks):
    @property
    def _repeated(self):
        return 1e-5  # for what the reciprocal sum is good enough

    def potential(self):
        return self.ready(np.float64)


@pytest.mark.physics
@pytest.mark.skipif(build.kernel() is None, reason="there is no C++ compiler")
class TestKernel(Checks):
    single = True

    def potential(self):
        return self.ready(np.float32).for_inference()

    def test_smooth_at_the_cutoff(self):
        """The kernel has no second derivatives."""


@pytest.mark.physics
class TestMolecules(PotentialChecks):
    def potential(self):
        return make(np.float64)

    def structures(self):
        return [systems.ethanol(displacement=0.05, seed=1)]

    def test_far_atoms_do_not_feel_each_other(self):
        """But they do."""


def members():
    found = [
        systems.ethanol(displacement=0.05, seed=1),
        gas(),
        System.create([8, 1], [[0, 0, 0], [0.9, 0.2, 0]]),
    ]
    lists = [neighbor_list(system, CUTOFF) for system in found]
    widest = max(near.max_neighbors for near in lists) + 3
    return found, batch_systems(found, lists, n_atoms=24, n_systems=5, max_neighbors=widest)


def test_a_batch_is_its_structures():
    """Molecules and a cell; padding is nothing, and an atom alone has no energy but its reference."""
    found, (batch, near) = members()
    model = make().for_systems(found).for_inference()
    together = eqx.filter_jit(model)(batch, near, stress=True)
    alone = [evaluate(model, system, neighbor_list(system, CUTOFF)) for system in found]
    np.testing.assert_allclose(together.energy[:3], [one.energy for one in alone], atol=1e-5)
    np.testing.assert_allclose(together.forces[:15], np.concatenate([o.forces for o in alone]), atol=1e-5)
    np.testing.assert_allclose(together.stress[1], alone[1].stress, atol=1e-6)
    assert not np.asarray(together.energy[3:]).any()
    free = System.create([8], np.zeros((1, 3)))
    assert float(evaluate(model, free, neighbor_list(free, CUTOFF)).energy) == pytest.approx(
        -2041.0, abs=1e-9
    )


@pytest.mark.physics
@pytest.mark.skipif(build.kernel() is None, reason="there is no C++ compiler")
def test_the_kernel_gives_the_same_and_the_same_derivatives_by_the_weights():
    """Forces depend on the charges' network through what its derivatives are weighted with, too."""
    found, (batch, near) = members()
    model = make(n_interactions=2).for_systems(found)
    expected = eqx.filter_jit(model)(batch, near, stress=True)
    for prepared, tolerance in ((model.for_inference(), 1e-5), (model.for_training(), 1e-3)):
        said = eqx.filter_jit(prepared)(batch, near, stress=True)
        np.testing.assert_allclose(
            said.forces, expected.forces, atol=tolerance * np.abs(expected.forces).max()
        )
        np.testing.assert_allclose(said.stress[1], expected.stress[1], atol=tolerance)
    weights = np.random.default_rng(0).normal(size=(24, 3))

    @eqx.filter_jit
    @eqx.filter_grad
    def slope(parts, by_kernel):
        changed = eqx.tree_at(lambda p: (p.network, p.charges), model, parts)
        changed = changed.for_training() if by_kernel else changed
        said = changed(batch, near, stress=True)
        return jnp.sum(said.forces * weights) + jnp.sum(said.stress[1] ** 2) + jnp.sum(said.dipole[0])

    by_kernel, by_xla = (slope((model.network, model.charges), by) for by in (True, False))
    for which in (0, 1):
        a, b = (np.concatenate(list(map(np.ravel, jax.tree.leaves(x[which])))) for x in (by_kernel, by_xla))
        assert np.linalg.norm(b) > 1.0
        assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(b)


def test_a_model_file_holds_it(tmp_path):
    """Under a revision of its own: a version that does not know of it must not leave it out."""
    path, model = tmp_path / "model.safetensors", make()
    save_model(path, model.with_summary({"made": "here"}))
    again = load_model(path)
    for system in (gas(), systems.ethanol()):
        np.testing.assert_array_equal(again.predict(system).forces, model.predict(system).forces)
    arrays, header = read_archive(path, "model")
    assert header["revision"] == 3
    assert header["long_range"] == {"width": 1.5}
    save_model(path, make(long_range=False))
    assert read_archive(path, "model")[1]["revision"] == 2
    write_archive(path, "model", dict(arrays), header | {"revision": 4})
    with pytest.raises(Exception, match="revision"):
        load_model(path)


def test_in_ase_through_cells_of_any_size():
    """Also far larger than the first, and as a molecule."""
    atoms, model = gas().to_ase(), make()
    atoms.calc = calculator(model)
    for factor in (1.0, 1.05, 1.4):
        atoms.set_cell(factor * gas().cell, scale_atoms=True)
        expected = model.predict(System.from_ase(atoms))
        assert atoms.get_potential_energy() == pytest.approx(float(expected.energy), abs=1e-5)
        assert atoms.get_charges().sum() == pytest.approx(0.0, abs=1e-5)
    molecule = systems.ethanol().to_ase()
    molecule.calc = atoms.calc
    np.testing.assert_allclose(
        molecule.get_dipole_moment(), model.predict(systems.ethanol()).dipole, atol=1e-5
    )


def test_dynamics_goes_on_to_the_bit_and_replicas_are_each_alone(tmp_path):
    model, move = make(), Langevin(temperature=100.0, timestep=0.2, friction=0.01)
    whole = run_dynamics(gas(), model, move, steps=20, folder=tmp_path / "whole")
    run_dynamics(gas(), model, move, steps=10, folder=tmp_path / "parts")
    again = run_dynamics(gas(), model, move, steps=20, folder=tmp_path / "parts", resume=True)
    np.testing.assert_array_equal(again.state.positions, whole.state.positions)
    both = run_replicas([gas(), gas()], model, [move, move], steps=20, seeds=[0, 1])
    np.testing.assert_allclose(both[0].state.positions, whole.state.positions, atol=1e-9)


def test_a_cell_that_grows_too_far_ends_the_run(tmp_path):
    """With a sentence, and with what was done saved."""
    system = gas()
    barostat = CellRescaling(pressure=-500.0, relaxation_time=100.0)  # GPa: torn apart
    langevin = Langevin(temperature=300.0, timestep=0.2, friction=0.01)
    pressed = ConstantPressure(thermostat=langevin, barostat=barostat)
    with pytest.raises(UnsupportedError, match="grown by more than a tenth"):
        run_dynamics(system, make(), pressed, steps=2000, folder=tmp_path)
    assert (tmp_path / "trajectory.h5").exists()


def test_domains_are_refused():
    with pytest.raises(UnsupportedError, match="however far"):
        Domain(make(), skin=0.5)
    assert make(long_range=False).layers == 1


def test_charges_are_needed():
    with pytest.raises(ValueError, match="charges"):
        LearnedPotential(
            network=network(1),
            elements=ELEMENTS,
            references=dict.fromkeys(ELEMENTS, 0.0),
            scale=1.0,
            repulsion=None,
            long_range=GaussianCharges(),
        )
