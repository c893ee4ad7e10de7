"""What a learned surface must be to move atoms on: smooth, the same whatever the list, right at its ends.

Each check is of the default network in double precision by XLA and of the kernel, which is in single.
"""

import equinox as eqx
import jax
import numpy as np
import pytest
from tests.networks.test_potential import ELEMENTS, make

from adiabat.dynamics import VelocityVerlet, VerletList, run_dynamics
from adiabat.networks.kernel import build
from adiabat.potentials.smoothing import polynomial_cutoff
from adiabat.system import System, neighbor_list
from adiabat.testing import systems

CUTOFF = 4.0
REFERENCES = dict(zip(ELEMENTS, (-13.6, -1028.0, -2041.0), strict=True))

call = eqx.filter_jit(lambda potential, system, near: potential(system, near))
needs_kernel = pytest.mark.skipif(build.kernel() is None, reason="there is no C++ compiler")
BOTH = pytest.mark.parametrize("kind", ["double", pytest.param("kernel", marks=needs_kernel)])


def potential_of(kind: str):
    """In double precision, or the kernel."""
    return make(np.float64 if kind == "double" else np.float32).for_inference()


def passing(distance: float) -> System:
    """A hydrogen at this distance from an oxygen, and two atoms that see both."""
    return System.create([8, 1, 6, 1], [[0.0, 0, 0], [distance, 0, 0], [1.2, 1.0, 0], [2.0, -1.1, 0.6]])


@pytest.fixture(scope="module")
def wide():
    """A list for `passing` on both sides of the cut-off."""
    return neighbor_list(passing(CUTOFF), CUTOFF, skin=0.5)


@BOTH
def test_forces_bend_nowhere_as_an_atom_crosses_the_cutoff(kind, wide):
    """A jump of a force is one of their second differences, a jump of the Hessian is one over the spacing."""
    potential, spacing = potential_of(kind), 1e-3
    distances = CUTOFF + spacing * np.arange(-60.5, 61)
    found = [call(potential, passing(r), wide) for r in distances]
    forces = np.array([f.forces for f in found]).reshape(len(found), -1)
    energies = np.array([f.energy for f in found])
    size = np.abs(forces).max()
    rounding = 1e-12 if kind == "double" else 1e-6
    bends = np.abs(np.diff(forces, n=2, axis=0)).max(axis=1)
    middle = slice(len(bends) // 2 - 3, len(bends) // 2 + 3)
    elsewhere = np.delete(bends, np.arange(len(bends))[middle]).max()
    assert bends[middle].max() <= 1.5 * elsewhere + 8 * rounding * size
    # Energies are the work of the forces on the moving atom, across the cut-off as elsewhere.
    work = -np.cumsum(0.5 * (forces[1:, 3] + forces[:-1, 3])) * spacing
    atol = (1e-6 if kind == "double" else 1e-5) * size
    np.testing.assert_allclose(energies[1:] - energies[0], work, rtol=0, atol=atol)


def test_the_hessian_is_continuous_where_an_atom_crosses_the_cutoff(wide):
    """By differences of forces on either side, which must not straddle it."""
    potential = potential_of("double")

    def column(distance, h=2e-6):
        sides = [np.asarray(call(potential, passing(distance + step), wide).forces) for step in (-h, h)]
        return (sides[1] - sides[0]) / (2 * h)

    inside, outside = column(CUTOFF - 1e-5), column(CUTOFF + 1e-5)
    np.testing.assert_allclose(inside, outside, atol=1e-4 * np.abs(column(0.8 * CUTOFF)).max())


def test_the_hessian_of_a_pair_ends_like_its_envelope():
    """In proportion to the second derivative of u, which goes to zero linearly; beyond it is zero."""
    potential = potential_of("double")

    def second_derivative(distance, h=1e-5):
        pairs = [System.create([8, 1], [[0.0, 0, 0], [distance + step, 0, 0]]) for step in (-h, h)]
        near = neighbor_list(pairs[1], CUTOFF, skin=0.5)
        low, high = (float(call(potential, pair, near).forces[1, 0]) for pair in pairs)
        return (low - high) / (2 * h)

    bend = jax.grad(jax.grad(lambda r: polynomial_cutoff(r, CUTOFF)))
    depths = np.array([0.016, 0.008, 0.004])
    found = np.array([second_derivative(CUTOFF - d) for d in depths])
    ratios = found / [float(bend(CUTOFF - d)) for d in depths]
    assert abs(ratios[0]) > 1e-3
    np.testing.assert_allclose(found[1:], 0.5 * found[:-1], rtol=0.1)
    np.testing.assert_allclose(ratios[1:], ratios[:-1], rtol=0.05)
    assert second_derivative(CUTOFF + 1e-4) == 0.0


@pytest.mark.parametrize(
    "kind", [pytest.param("double", marks=pytest.mark.physics), pytest.param("kernel", marks=needs_kernel)]
)
def test_dynamics_does_not_feel_when_its_list_is_made_anew(kind):
    """Every few steps, or never: the same run to rounding."""
    system = systems.random_gas([1, 6, 8, 1], size=4.5)
    potential = eqx.tree_at(lambda p: p.scale, potential_of(kind), np.asarray(0.02))
    arguments = (system, potential, VelocityVerlet(timestep=0.5, temperature=1000))
    often, never = (run_dynamics(*arguments, steps=40, record_every=1, skin=s) for s in (0.1, 3.0))
    assert often.neighbor_lists > 3
    assert never.neighbor_lists == 1
    atol = 1e-9 if kind == "double" else 1e-5
    for name in ("potential_energy", "conserved", "pressure"):
        one, other = (run.trajectory.observables[name] for run in (often, never))
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)
    np.testing.assert_allclose(often.state.forces, never.state.forces, rtol=0, atol=atol)
    assert np.ptp(often.trajectory.observables["potential_energy"]) > 100 * atol


@pytest.mark.physics
def test_energy_forces_and_hessian_by_a_list_that_is_about_to_be_remade():
    """Along a path on which atoms come and go at the cut-off, by a kept list and by a fresh one."""
    potential, system = potential_of("double"), systems.random_gas([1, 6, 8, 1], size=4.5)
    kept = VerletList(CUTOFF, skin=0.6)
    direction = np.random.default_rng(3).normal(size=(4, 3))

    @eqx.filter_jit
    def everything(positions, near):
        def energy(x):
            return potential.energy(eqx.tree_at(lambda s: s.positions, system, x), near)

        return energy(positions), jax.grad(energy)(positions), jax.jacrev(jax.grad(energy))(positions)

    for step in range(12):
        positions = np.asarray(system.positions) + 0.07 * step * direction
        moved = eqx.tree_at(lambda s: s.positions, system, positions)
        near = kept.update(moved)
        fresh = neighbor_list(moved, CUTOFF, capacity=near.max_neighbors)
        for one, other in zip(everything(positions, near), everything(positions, fresh), strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-10 * max(1.0, np.abs(other).max()))
    assert 3 < kept.builds < 12


def test_stress_by_finite_strain():
    """Each of the nine strains of a triclinic cell, to a millionth of the largest component."""
    potential, system = potential_of("double"), systems.random_gas([1, 6, 8, 1], size=4.5)
    stress = np.asarray(call(potential, system, neighbor_list(system, CUTOFF, capacity=96)).stress)
    cell, found, h = np.asarray(system.cell), np.zeros((3, 3)), 1e-4
    assert np.abs(np.triu(cell @ cell.T, 1)).max() > 1.0  # no right angle

    def energy(deformation):
        moved = System.create(
            system.numbers, np.asarray(system.positions) @ deformation, cell @ deformation, True
        )
        return float(call(potential, moved, neighbor_list(moved, CUTOFF, capacity=96)).energy)

    for row, column in np.ndindex(3, 3):
        unit = np.zeros((3, 3))
        unit[row, column] = h
        values = np.array([energy(np.eye(3) + step * unit) for step in (-2, -1, 1, 2)])
        found[row, column] = values @ [1, -8, 8, -1] / (12 * h) / float(system.volume)
    np.testing.assert_allclose(found, stress, rtol=0, atol=1e-6 * np.abs(stress).max())


@BOTH
def test_free_atoms_and_the_end_of_a_bond(kind):
    """A free atom has its reference to the bit; a pair comes near the sum of both and ends at it."""
    potential = potential_of(kind)
    for number, reference in REFERENCES.items():
        atom = System.create([number], [[0.0, 0, 0]])
        assert float(call(potential, atom, neighbor_list(atom, CUTOFF)).energy) == reference
    for first in ELEMENTS:
        for second in ELEMENTS:
            pairs = [System.create([first, second], [[0.0, 0, 0], [r, 0, 0]]) for r in (3.9, 3.99, 4.0, 7.0)]
            near = neighbor_list(pairs[0], CUTOFF, skin=9.0)
            found = [call(potential, pair, near) for pair in pairs]
            left = [abs(float(f.energy) - REFERENCES[first] - REFERENCES[second]) for f in found]
            assert left[0] > 100 * left[1]
            assert left[2] < 1e-9
            assert left[3] < 1e-9
            assert not np.any(found[3].forces)
