"""D3 and D4: conformance of what wraps the libraries, and their own numbers; without them, the error."""

import importlib.util
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.base import ConfigError, MissingDependencyError, UnsupportedError
from adiabat.base.units import BOHR, HARTREE
from adiabat.dynamics import evaluate
from adiabat.potentials import D3, D4, LennardJones
from adiabat.system import System, batch_systems, neighbor_list
from adiabat.testing import NumberedPotentialChecks, systems

there = importlib.util.find_spec("dftd3") is not None and importlib.util.find_spec("dftd4") is not None
needed = pytest.mark.skipif(not there, reason="needs the extra `dispersion`")


@pytest.mark.parametrize("kind", [D3, D4])
def test_a_missing_library_is_named(kind, monkeypatch):
    for name in ("dftd3", "dftd4"):
        for module in [name, *(m for m in sys.modules if m.startswith(f"{name}."))]:
            monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match="adiabat\\[dispersion\\]"):
        kind(functional="pbe")


@pytest.mark.physics
@needed
class TestD3(NumberedPotentialChecks):
    def potential(self):
        return D3(functional="pbe")

    def structures(self):
        return [systems.ethanol(displacement=0.05)]


@pytest.mark.physics
@needed
class TestD4(NumberedPotentialChecks):
    def potential(self):
        return D4(functional="pbe")

    def structures(self):
        return [systems.water()]


@pytest.mark.physics
@needed
@pytest.mark.parametrize("kind", [D3, D4])
def test_stress_is_that_of_the_library(kind):
    """Its cut-offs make the energy jump, so that differences only agree to a part in a thousand."""
    system, potential = systems.silicon(displacement=0.1), kind(functional="pbe")
    near = neighbor_list(system, 1.0)
    stress = np.asarray(evaluate(potential, system, near).stress)
    direction = np.random.default_rng(0).normal(size=(3, 3))

    def energy(h):
        moved = System.create(
            system.numbers,
            system.positions @ (np.eye(3) + h * direction),
            system.cell @ (np.eye(3) + h * direction),
            True,
        )
        return float(evaluate(potential, moved, near).energy)

    slope = (energy(1e-3) - energy(-1e-3)) / 2e-3 / float(system.volume)
    assert slope == pytest.approx(np.vdot(stress, direction), rel=1e-3)


@pytest.mark.physics
@needed
def test_energy_is_that_of_the_library():
    from dftd3.interface import DispersionModel, RationalDampingParam

    system = systems.ethanol()
    model = DispersionModel(np.asarray(system.numbers), np.asarray(system.positions) / BOHR)
    expected = model.get_dispersion(RationalDampingParam(method="pbe"), grad=True)
    found = evaluate(D3(functional="pbe"), system, neighbor_list(system, 1.0))
    np.testing.assert_allclose(float(found.energy), expected["energy"] * HARTREE, rtol=1e-13)
    np.testing.assert_allclose(found.forces, -expected["gradient"] * HARTREE / BOHR, atol=1e-15)


@pytest.mark.physics
@needed
def test_a_hessian_and_a_sum():
    system = systems.water()
    near = neighbor_list(system, 5.0)
    potential = D3(functional="pbe") + LennardJones(cutoff=5.0)

    @eqx.filter_jit
    def hessian(potential):
        def total(positions):
            return potential.energy(eqx.tree_at(lambda s: s.positions, system, positions), near)

        return jax.jacrev(jax.grad(total))(jnp.asarray(system.positions)).reshape(9, 9)

    both, alone = hessian(potential), hessian(potential.terms[1])
    difference = np.asarray(both - alone)
    assert np.abs(difference).max() > 1e-5
    np.testing.assert_allclose(difference, difference.T, atol=1e-6)


@pytest.mark.physics
@needed
@pytest.mark.parametrize("kind", [D3, D4])
def test_a_batch_is_its_structures(kind):
    """A molecule in a box, a crystal, a slab of it and an ion, and padding."""
    molecule, crystal = systems.ethanol(displacement=0.05), systems.silicon(displacement=0.1)
    there, box = np.asarray(molecule.positions), np.asarray(crystal.cell)
    structures = [
        System.create(molecule.numbers, there, cell=10 * np.eye(3)),
        crystal,
        System.create(crystal.numbers, crystal.positions, cell=box, pbc=(True, True, False)),
        System.create(molecule.numbers, there, charge=1),
    ]
    near = [neighbor_list(system, 1.0) for system in structures]
    total = sum(system.n_atoms for system in structures) + 5
    sizes = {"n_atoms": total, "n_systems": 6, "max_neighbors": max(n.max_neighbors for n in near)}
    batch, joined = batch_systems(structures, near, **sizes)
    potential, start = kind(functional="pbe"), 0
    found = eqx.filter_jit(potential)(jax.tree.map(jnp.asarray, batch), joined, True)
    energies = []
    for number, (system, alone) in enumerate(zip(structures, near, strict=True)):
        wanted = evaluate(potential, system, alone)
        rows = slice(start, start := start + system.n_atoms)
        assert float(found.energy[number]) == pytest.approx(float(wanted.energy), rel=1e-12)
        np.testing.assert_allclose(found.forces[rows], wanted.forces, atol=1e-13)
        if system.is_periodic:
            np.testing.assert_allclose(found.stress[number], wanted.stress, atol=1e-13)
        energies.append(float(wanted.energy))
    assert abs(energies[1] - energies[2]) > 0.1
    assert (abs(energies[0] - energies[3]) > 1e-3) == (kind is D4)


@pytest.mark.physics
@needed
def test_what_is_not_covered_is_refused():
    with pytest.raises(ConfigError, match="nonsense"):
        D4(functional="nonsense")
    with pytest.raises(UnsupportedError, match="1 to 103, not 118"):
        D3(functional="pbe").check(System.create([118], [[0, 0, 0]]))
