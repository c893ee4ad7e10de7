"""The sum over domains is the whole: energies, forces that go home from ghosts, virial."""

import itertools

import jax
import numpy as np
import pytest
from tests.networks.test_kernel import make

from adiabat.base import SimulationError, UnsupportedError
from adiabat.dynamics import evaluate
from adiabat.interfaces.domain import Domain, _evaluate
from adiabat.networks.kernel import build
from adiabat.potentials import Ewald, HarmonicBonds, LennardJones
from adiabat.system import System, neighbor_list
from adiabat.testing import systems

SKIN = 0.4


def skewed(system: System) -> System:
    """The same atoms in a cell whose vectors lean, with the atoms wrapped into it."""
    cell = np.asarray(system.cell) @ [[1, 0, 0], [0.3, 1, 0], [-0.2, 0.25, 1]]
    places = np.linalg.solve(cell.T, np.asarray(system.positions).T).T
    return System.create(system.numbers, (places - np.floor(places)) @ cell, cell=cell, pbc=True)


def with_ghosts(system: System, divisions: tuple[int, int, int], part: tuple[int, ...], shell: float):
    """Numbers of own atoms and of ghosts, their positions, how many are own, and what is periodic."""
    cell, divided = np.asarray(system.cell), np.array(divisions) > 1
    places = np.linalg.solve(cell.T, np.asarray(system.positions).T).T
    places -= np.floor(places)
    low, high = np.array(part) / divisions, (np.array(part) + 1) / divisions
    own = np.flatnonzero(np.all((places >= low) & (places < high), axis=1))
    margin = shell * np.linalg.norm(np.linalg.inv(cell), axis=0)
    atoms, where = [own], [places[own]]
    for image in itertools.product(*(range(-2, 3) if d else (0,) for d in divided)):
        moved = places + image
        near = np.all((moved >= low - margin) & (moved < high + margin) | ~divided, axis=1)
        near[own] &= np.any(image)
        atoms.append(np.flatnonzero(near))
        where.append(moved[near])
    return np.concatenate(atoms), np.concatenate(where) @ cell, len(own), tuple(bool(not d) for d in divided)


def check(potential, system, divisions, *, within):
    """Energy per atom, largest force and virial per atom agree with those of the whole to `within`."""
    whole = evaluate(potential.for_inference(), system, neighbor_list(system, potential.cutoff))
    energy, forces, virial = 0.0, np.zeros((system.n_atoms, 3)), np.zeros((3, 3))
    atom_energies = np.zeros(system.n_atoms)
    domain = Domain(potential, SKIN)
    for part in itertools.product(*map(range, divisions)):
        atoms, positions, n_own, pbc = with_ghosts(system, divisions, part, domain.reach + SKIN)
        cell = np.asarray(system.cell)
        domain.take(np.asarray(system.numbers)[atoms], positions, n_own, cell, pbc)
        found = domain.evaluate(positions, cell)
        energy, virial = energy + found.energy, virial + found.virial
        np.add.at(forces, atoms, found.forces)
        atom_energies[atoms[:n_own]] = found.atom_energies
    volume = float(system.volume)
    assert abs(energy - float(whole.energy)) / system.n_atoms < within
    np.testing.assert_allclose(forces, whole.forces, atol=within * np.abs(whole.forces).max())
    np.testing.assert_allclose(virial, -np.asarray(whole.stress) * volume, atol=within * system.n_atoms)
    np.testing.assert_allclose(atom_energies, whole.atom_energies, rtol=1e-6, atol=within)


@pytest.mark.parametrize("divisions", [(2, 1, 1), (3, 2, 2)])
def test_pairs(divisions):
    """In a skewed cell, down to domains thinner than the cut-off, with images of own atoms as ghosts."""
    check(LennardJones(cutoff=6.0), skewed(systems.argon(108, displacement=0.2)), divisions, within=1e-12)


@pytest.mark.skipif(build.kernel() is None, reason="there is no C++ compiler")
def test_messages_by_the_kernel():
    check(make(cutoff=3.0), systems.water(64), (2, 2, 1), within=1e-6)


@pytest.mark.physics
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_messages(layers):
    """In double precision: ghosts have to reach a cut-off for each round, and not farther."""
    network = make(channels=4, n_interactions=layers, cutoff=3.0)
    exact = jax.tree.map(
        lambda x: x.astype(np.float64) if getattr(x, "dtype", None) == np.float32 else x, network
    )
    check(exact, systems.water(125), (2, 2, 1), within=1e-11)


def test_atoms_come_and_go_without_compiling():
    """A few percent more atoms and ghosts run the same program; the list follows atoms that move."""
    argon = systems.argon(256, displacement=0.1)
    domain = Domain(LennardJones(cutoff=5.0), SKIN)
    numbers, positions, cell = (np.asarray(x) for x in (argon.numbers, argon.positions, argon.cell))
    pbc = (True, True, True)
    for count in (200, 205, 196, 203):
        domain.take(numbers[:count], positions[:count], 120, cell, pbc)
        domain.evaluate(positions[:count], cell)
        if count == 200:
            compiled = _evaluate._cached._cache_size()  # pyright: ignore[reportFunctionMemberAccess]
    assert _evaluate._cached._cache_size() == compiled  # pyright: ignore[reportFunctionMemberAccess]
    assert domain.builds == 4
    moved = positions[:203] + np.random.default_rng(0).normal(scale=0.3, size=(203, 3))
    found = domain.evaluate(moved, cell)
    assert domain.builds == 5
    fresh = Domain(LennardJones(cutoff=5.0), SKIN)
    fresh.take(numbers[:203], moved, 120, cell, pbc)
    np.testing.assert_allclose(found.forces, fresh.evaluate(moved, cell).forces, atol=1e-12)


def test_a_domain_may_be_empty():
    domain = Domain(LennardJones(), SKIN)
    domain.take(np.full(3, 18), np.zeros((3, 3)), 0, np.eye(3), (False,) * 3)
    found = domain.evaluate(np.zeros((3, 3)), np.eye(3))
    assert found.energy == 0.0
    assert found.forces.shape == (3, 3)


def test_what_cannot_be_cut():
    """A sum over waves sees all atoms, alone and in a sum; terms of numbered atoms need the numbers of the
    whole structure; a network that explodes is told."""
    ewald = Ewald(charges={11: 1.0, 17: -1.0}, cell=20.0 * np.eye(3))
    bonds = HarmonicBonds(atoms=[[0, 1]], stiffness=1.0, length=1.0)
    for potential in (ewald, bonds, LennardJones() + ewald, LennardJones() + bonds):
        with pytest.raises(UnsupportedError, match="however far"):
            Domain(potential, SKIN)
    domain = Domain(LennardJones(epsilon=np.nan), SKIN)
    argon = systems.argon(32)
    arrays = np.asarray(argon.positions), np.asarray(argon.cell)
    domain.take(np.asarray(argon.numbers), arrays[0], 32, arrays[1], (True,) * 3)
    with pytest.raises(SimulationError, match="not finite"):
        domain.evaluate(*arrays)
