"""What every potential must do, as tests to inherit."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from adiabat.potentials import AbstractPotential, Prediction
from adiabat.system import Neighbors, System, batch_systems, neighbor_list
from adiabat.testing import systems


class Result(NamedTuple):
    """A prediction of one structure as host arrays."""

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray
    """Zeros when there is none."""
    atom_energies: np.ndarray

    @property
    def size(self) -> float:
        """The largest component of a force [eV/Å]."""
        return float(np.abs(self.forces).max())


class NumberedPotentialChecks:
    """For a potential of the atoms of one structure, such as the bonds of a molecule: subclass it in a test
    and override `potential` and `structures`, which gives that structure in several shapes.

    The checks need double precision (`jax_enable_x64`). Tolerances are relative to the largest force or
    energy; a potential that computes in single precision sets `single = True`, which loosens them to what
    rounding leaves.
    """

    single: bool = False
    _numbered: bool = True

    def potential(self) -> AbstractPotential:
        """The potential under test."""
        raise NotImplementedError

    def structures(self) -> Sequence[System]:
        """What it is tested on."""
        raise NotImplementedError

    @cached_property
    def _potential(self) -> AbstractPotential:
        return self.potential()

    @property
    def _exact(self) -> float:
        return 1e-5 if self.single else 1e-10

    @property
    def _repeated(self) -> float:
        """How well a supercell is the same: a sum over reciprocal vectors ends elsewhere in it."""
        return self._exact

    @property
    def _difference(self) -> float:
        return 2e-3 if self.single else 1e-6

    @property
    def _spacing(self) -> float:
        return 1e-2 if self.single else 1e-3

    def predict(self, system: System, neighbors: Neighbors | None = None) -> Result:
        """A prediction, compiled once for each shape."""
        neighbors = self._near(system) if neighbors is None else neighbors
        return _result(_call(self._potential, system, neighbors))

    def energy_at(self, system: System, positions: ArrayLike, cell: ArrayLike | None = None) -> float:
        """The energy [eV] with other positions, and perhaps another cell."""
        columns = self._near(system).max_neighbors
        moved = _moved(system, positions, cell)
        return float(
            self.predict(moved, neighbor_list(moved, self._potential.cutoff, capacity=columns)).energy
        )

    def _near(self, system: System, skin: float = 0.0) -> Neighbors:
        """A list in a table that is wide enough for pairs 1 Å beyond the cut-off: most checks compile one
        shape of a structure."""
        cutoff = self._potential.cutoff
        columns = neighbor_list(system, cutoff, skin=1.0).max_neighbors
        return neighbor_list(system, cutoff, skin, capacity=columns)

    def test_forces_are_minus_the_gradient(self) -> None:
        """Along random directions, by central differences of fourth order."""
        for system in self.structures():
            forces = self.predict(system).forces
            for direction in _directions(system, count=3):
                slope = _derivative(
                    lambda h, s=system, d=direction: self.energy_at(s, s.positions + h * d), self._spacing
                )
                expected = -np.vdot(forces, direction)
                size = np.linalg.norm(forces) + 1e-3
                assert abs(slope - expected) <= self._difference * size, (slope, expected)

    def test_stress_is_the_derivative_by_strain(self) -> None:
        """For random strains, symmetric or not, of the systems periodic along all directions."""
        for system in self.structures():
            stress = self.predict(system).stress
            if not system.is_periodic:
                assert not stress.any()
                continue
            np.testing.assert_allclose(stress, stress.T, atol=1e-12)
            volume = float(system.volume)
            for direction in np.random.default_rng(5).normal(size=(3, 3, 3)):

                def energy(h: float, system: System = system, direction: np.ndarray = direction) -> float:
                    deformation = np.eye(3) + h * direction
                    return self.energy_at(system, system.positions @ deformation, system.cell @ deformation)

                slope = _derivative(energy, 0.1 * self._spacing) / volume
                size = np.abs(stress).max() * np.linalg.norm(direction) + 1e-4
                # A rotation costs nothing, so the antisymmetric part of the strain adds nothing.
                assert abs(slope - np.vdot(stress, direction)) <= 10 * self._difference * size

    def test_translation_rotation_permutation(self) -> None:
        """Energy unchanged, forces and stress turned along; a mirror image is no different, nor is another
        order of atoms that have no numbers of their own."""
        for system in self.structures():
            before = self.predict(system)
            random = np.random.default_rng(7)
            turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
            order = np.arange(system.n_atoms) if self._numbered else random.permutation(system.n_atoms)
            for sign in (1, -1):  # a rotation, and one with a reflection
                after = self.predict(
                    System.create(
                        np.asarray(system.numbers)[order],
                        ((system.positions @ (sign * turn)) + random.normal(size=3))[order],
                        cell=system.cell @ (sign * turn),
                        pbc=system.pbc,
                    )
                )
                self._same(after.energy, before.energy)
                self._same(after.forces, (before.forces @ (sign * turn))[order], before.size)
                self._same(after.stress, turn.T @ before.stress @ turn, np.abs(before.stress).max())

    def test_images_of_atoms(self) -> None:
        """An atom moved by lattice vectors is the same atom."""
        for system in self.structures():
            if not any(system.pbc):
                continue
            jumps = np.random.default_rng(2).integers(-2, 3, (system.n_atoms, 3)) * np.asarray(system.pbc)
            before = self.predict(system)
            after = self.predict(_moved(system, system.positions + jumps @ system.cell))
            self._same(after.energy, before.energy)
            self._same(after.forces, before.forces, before.size)

    def test_list_may_be_longer_or_wider(self) -> None:
        """Pairs beyond the cut-off and empty columns change nothing."""
        for system in self.structures():
            exact = self.predict(system, neighbor_list(system, self._potential.cutoff))
            for skin in (0.0, 1.0):
                other = self.predict(system, self._near(system, skin))
                self._same(other.energy, exact.energy)
                self._same(other.forces, exact.forces, exact.size)

    def test_no_work_around_a_loop(self) -> None:
        """The integral of F dx along a closed path is zero: the forces conserve energy."""
        for system in self.structures():
            first, second = _directions(system, count=2)
            angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
            near = self._near(system, skin=0.5)
            work, path = 0.0, 0.0
            for angle in angles:
                place = 0.1 * (np.cos(angle) * first + np.sin(angle) * second)
                velocity = 0.1 * (-np.sin(angle) * first + np.cos(angle) * second)
                forces = self.predict(_moved(system, system.positions + place), near).forces
                work += np.vdot(forces, velocity) * 2 * np.pi / len(angles)
                path += np.linalg.norm(forces) * np.linalg.norm(velocity) * 2 * np.pi / len(angles)
            assert abs(work) <= max((1e-4 if self.single else 1e-7) * path, 1e-8)

    def test_atom_energies_sum_to_the_energy(self) -> None:
        """And nobody is left out."""
        for system in self.structures():
            prediction = self.predict(system)
            assert prediction.atom_energies.shape == (system.n_atoms,)
            self._same(prediction.atom_energies.sum(), prediction.energy)

    def _same(self, value: object, expected: object, size: float | None = None) -> None:
        scale = max(1e-2, np.abs(np.asarray(expected)).max() if size is None else size)
        np.testing.assert_allclose(np.asarray(value), np.asarray(expected), rtol=0, atol=self._exact * scale)


class PotentialChecks(NumberedPotentialChecks):
    """For a potential of any atoms: subclass it in a test and override `potential`, and `structures` when it
    does not know argon."""

    _numbered = False

    def structures(self) -> Sequence[System]:
        """What it is tested on: molecules and cells, a skewed one smaller than the cut-off among them."""
        return [
            systems.argon_cluster(13),
            systems.argon(4, displacement=0.15, seed=1),
            systems.random_gas([18] * 5, size=8.0, seed=2),
        ]

    def test_supercell(self) -> None:
        """Twice the cell has twice the energy and the same forces and stress."""
        for system in self.structures():
            if not system.is_periodic:
                continue
            double = System.create(
                np.tile(system.numbers, 2),
                np.concatenate([system.positions, system.positions + system.cell[0]]),
                cell=system.cell * np.array([[2], [1], [1]]),
                pbc=True,
            )
            before, after = self.predict(system), self.predict(double)
            scale = self._repeated / self._exact
            self._same(after.energy, 2 * before.energy, scale * float(np.abs(2 * before.energy)))
            self._same(after.forces, np.tile(before.forces, (2, 1)), scale * before.size)
            self._same(after.stress, before.stress, scale * float(np.abs(before.stress).max()))

    def test_smooth_at_the_cutoff(self) -> None:
        """Energy, force and second derivative are continuous where an atom crosses the cut-off of another."""
        potential = self._potential
        for first, second in sorted(
            {tuple(np.asarray(s.numbers)[[0, -1]].tolist()) for s in self.structures()}
        ):
            # A third atom within reach of both: what it feels must not jump either.
            system = System.create(
                [first, second, first], [[0.0, 0, 0], [potential.cutoff, 0, 0], [1.5, 2.0, 0]]
            )
            near = neighbor_list(system, potential.cutoff, skin=0.5)
            # So near that the slope of the second derivative stays below the tolerance.
            h = 1e-5 if self.single else 1e-6
            values = [_along_x(potential, system, near, potential.cutoff + step) for step in (-h, h)]
            sizes = np.abs(_along_x(potential, system, near, 0.6 * potential.cutoff)) + 1e-3
            tolerance = (1e-3 if self.single else 1e-4) * np.array([0.01, 0.1, 1.0]) * sizes
            # Energy and force also change along their slopes, which the third atom makes.
            along = h * np.append(values[0][1:] + values[1][1:], 0.0)
            assert np.all(np.abs(values[1] - values[0] - along) <= tolerance), (values, tolerance)

    def test_batch_is_its_structures(self) -> None:
        """Several structures in one padded batch are what they are alone."""
        potential, found = self._potential, list(self.structures())
        lists = [self._near(system) for system in found]
        batch, near = batch_systems(
            found,
            lists,
            n_atoms=sum(s.n_atoms for s in found) + 5,
            n_systems=len(found) + 2,
            max_neighbors=max(n.max_neighbors for n in lists) + 4,
        )
        together = _result(_call(potential, batch, near, True))
        start = 0
        for number, (system, list_) in enumerate(zip(found, lists, strict=True)):
            alone = self.predict(system, list_)
            stop = start + system.n_atoms
            self._same(together.energy[number], alone.energy)
            self._same(together.forces[start:stop], alone.forces, alone.size)
            if system.is_periodic:
                self._same(together.stress[number], alone.stress, np.abs(alone.stress).max())
            start = stop
        assert not together.energy[len(found) :].any()
        assert not together.forces[start:].any()

    def test_far_atoms_do_not_feel_each_other(self) -> None:
        """No force beyond the cut-off, and nothing that is not a number without a single neighbor."""
        number = int(np.asarray(self.structures()[0].numbers)[0])
        far = System.create([number] * 2, [[0.0, 0, 0], [2 * self._potential.cutoff, 0, 0]])
        prediction = self.predict(far)
        assert np.isfinite(prediction.energy)
        assert not prediction.forces.any()


@eqx.filter_jit
def _call(potential, system, neighbors, stress=None):
    return potential(system, neighbors, stress)


def _result(prediction: Prediction) -> Result:
    forces, atom_energies, stress = prediction.forces, prediction.atom_energies, prediction.stress
    assert forces is not None
    assert atom_energies is not None
    return Result(
        np.asarray(prediction.energy),
        np.asarray(forces, np.float64),
        np.zeros((3, 3)) if stress is None else np.asarray(stress),
        np.asarray(atom_energies),
    )


def _directions(system: System, count: int) -> np.ndarray:
    directions = np.random.default_rng(11).normal(size=(count, system.n_atoms, 3))
    return directions / np.linalg.norm(directions, axis=(1, 2), keepdims=True)


def _derivative(function: Callable[[float], float], h: float) -> float:
    """f'(0), to fourth order in h."""
    return (8 * (function(h) - function(-h)) - (function(2 * h) - function(-2 * h))) / (12 * h)


def _moved(system: System, positions: ArrayLike, cell: ArrayLike | None = None) -> System:
    """The system at other host positions."""
    there = (np.asarray(positions, np.float64), np.asarray(system.cell if cell is None else cell, np.float64))
    return eqx.tree_at(lambda s: (s.positions, s.cell), system, there)


@eqx.filter_jit
def _along_x(potential: AbstractPotential, system: System, near: Neighbors, distance: float) -> np.ndarray:
    """Energy and its first two derivatives as the second atom stands at a distance along x."""

    def energy(x):
        positions = jnp.asarray(system.positions).at[1, 0].set(x)
        return potential.energy(eqx.tree_at(lambda s: s.positions, system, positions), near)

    slope = jax.grad(energy)
    x = jnp.asarray(distance)
    return jnp.stack([energy(x), slope(x), jax.grad(slope)(x)])  # pyright: ignore[reportReturnType]
