"""Minima against ASE's optimizers and against what is known."""

import ase
import ase.build
import numpy as np
import pytest
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE

from adiabat.base import ConfigError, ConvergenceError, SimulationError, UnsupportedError
from adiabat.dynamics import minimize
from adiabat.interfaces import AdiabatCalculator
from adiabat.io import read_systems
from adiabat.potentials import LennardJones
from adiabat.system import System
from adiabat.tasks.relax import relax
from adiabat.testing import systems

PAIRS = LennardJones(epsilon=1.0, sigma=1.0, cutoff=12.0, smooth=False)


def strained_crystal():
    atoms = ase.build.bulk("Ar", "fcc", a=5.5, cubic=True)
    random = np.random.default_rng(0)
    atoms.set_cell(atoms.cell @ (np.eye(3) + random.normal(scale=0.03, size=(3, 3))), scale_atoms=True)
    atoms.rattle(0.2, seed=1)
    return atoms


@pytest.mark.parametrize("n_atoms", [2, 3, 4, 13])
def test_known_clusters(n_atoms):
    """-1, -3, -6 and, for the icosahedron, -44.326801 epsilon (Wales, Doye 1997, doi 10.1021/jp970984n)."""
    expected = {2: -1.0, 3: -3.0, 4: -6.0, 13: -44.326801}[n_atoms]
    golden = (1 + 5**0.5) / 2
    corners = np.array([[0, a, b * golden] for a in (-1, 1) for b in (-1, 1)]) * 0.55
    positions = np.concatenate(
        [[[0, 0, 0]], corners, np.roll(corners, 1, axis=1), np.roll(corners, 2, axis=1)]
    )
    if n_atoms < 13:
        positions = np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.9, 0], [0.5, 0.3, 0.8]])[:n_atoms]
    positions = positions + np.random.default_rng(0).normal(scale=0.05, size=positions.shape)
    found = minimize(System.create(np.full(n_atoms, 18), positions), PAIRS, fmax=1e-6)
    assert found.converged
    assert found.fmax <= 1e-6
    assert float(found.prediction.energy) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("cell", [False, True])
def test_same_minimum_as_ase(cell):
    """And in fewer steps than FIRE."""
    atoms = strained_crystal()
    found = minimize(System.from_ase(atoms), LennardJones(), fmax=1e-4, cell=cell)
    atoms.calc = AdiabatCalculator(LennardJones())
    fire = FIRE(FrechetCellFilter(atoms) if cell else atoms, logfile=None)
    assert fire.run(fmax=1e-4, steps=1000)
    assert found.converged
    assert float(found.prediction.energy) == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
    assert found.steps < fire.nsteps
    if cell:
        assert np.abs(found.prediction.stress).max() < 1e-5
        ours = np.sort(np.linalg.norm(found.system.cell, axis=1))
        np.testing.assert_allclose(ours, np.sort(atoms.cell.lengths()), rtol=1e-3)


def test_cluster_from_far_away():
    """A random start, far uphill: many rebuilt lists, no step that raises the energy."""
    gas = systems.random_gas([18] * 25, size=14.0, pbc=False, seed=3)
    found = minimize(gas, LennardJones(sigma=3.0, cutoff=7.0), fmax=1e-3)
    assert found.converged
    assert np.isfinite(found.system.positions).all()


def test_the_cell_does_not_turn():
    found = minimize(System.from_ase(strained_crystal()), LennardJones(), fmax=1e-3, cell=True)
    start = np.asarray(System.from_ase(strained_crystal()).cell)
    deformation = np.linalg.solve(start, found.system.cell)
    np.testing.assert_allclose(deformation, deformation.T, atol=1e-10)


def test_already_at_the_minimum():
    dimer = System.create([18, 18], [[0, 0, 0], [0, 0, 2 ** (1 / 6)]])
    found = minimize(dimer, PAIRS, fmax=1e-3)
    assert found.converged
    assert found.steps == 0


def test_refusals():
    with pytest.raises(UnsupportedError, match="periodic"):
        minimize(systems.argon_cluster(4), LennardJones(), cell=True)
    with pytest.raises(ConfigError):
        minimize(systems.argon_cluster(4), LennardJones(), fmax=0)
    with pytest.raises(SimulationError, match="not a finite"):
        minimize(systems.argon_cluster(4), LennardJones(epsilon=float("nan")))


def test_relax_writes_the_structure(tmp_path):
    out = tmp_path / "relaxed.xyz"
    relaxed = relax(LennardJones(), systems.argon_cluster(6), out=out, fmax=1e-3)
    (back,) = read_systems(out)
    np.testing.assert_allclose(back.positions, relaxed.system.positions)
    with pytest.raises(ConfigError, match="exists"):
        relax(LennardJones(), systems.argon_cluster(6), out=out)
    with pytest.raises(ConvergenceError) as caught:
        relax(LennardJones(), systems.argon_cluster(6), out=out, max_steps=2, fmax=1e-8, force=True)
    assert caught.value.exit_code == 3
    assert "best structure" in caught.value.message
    assert len(read_systems(out)) == 1
