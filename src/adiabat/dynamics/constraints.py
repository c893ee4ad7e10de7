"""Distances that stay what they are."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from ase.geometry import find_mic
from jaxtyping import Array, Bool, Float, Int

from adiabat.analysis.topology import molecules
from adiabat.base import DataError, UnsupportedError
from adiabat.system import Batch, System

TOLERANCE = 1e-8
"""Relative error of a length at which a step is refused."""

# Each iteration doubles the digits once the start is near; one that is not near after so many never will be.
_CONVERGED, _ITERATIONS = 1e-13, 20
_LARGEST_GROUP = 12
# The least over the largest eigenvalue of the coupled constraints of a group; zero for three atoms in line.
_INDEPENDENT = 1e-3


class Constraints(eqx.Module):
    """Fixed distances between pairs of atoms, |r_j - r_i| = d.

    Constraints that share atoms are a group, such as the three bonds of a methyl; all groups are solved at
    once. Positions are brought back along the directions that the constraints had before the step (SHAKE,
    Ryckaert, Ciccotti and Berendsen 1977, doi 10.1016/0021-9991(77)90098-5), momenta along those they have
    (RATTLE, Andersen 1983, doi 10.1016/0021-9991(83)90014-1). The equations of a group are solved by Newton's
    method, to rounding (Kräutler, van Gunsteren and Hünenberger 2001, J. Comput. Chem. 22, 501). What is
    found for a group depends on its atoms alone, to the bit.

    A body is a group of constrained atoms, or an atom without constraints.

    Attributes:
        atoms: the pairs of each group, shape (n_groups, n_pairs, 2); a smaller group repeats its first.
        lengths: d [Å], shape (n_groups, n_pairs).
        real: False for a repetition, shape (n_groups, n_pairs).
        images: lattice vectors that bring the second atom of a pair to the first, whole numbers, shape
            (n_groups, n_pairs, 3).
        members: the atoms of each group, shape (n_groups, n_members); a smaller group repeats its first.
        signs: 1 where a member is the second atom of a pair, -1 where it is the first, else 0, shape
            (n_groups, n_members, n_pairs).
        wraps: lattice vectors that bring a member to the first one, shape (n_groups, n_members, 3).
        slots: the place of each atom among all members, one behind the last for an atom of no group, shape
            (n_atoms,).
    """

    atoms: Int[Array, "n_groups n_pairs 2"]
    lengths: Float[Array, "n_groups n_pairs"]
    real: Bool[Array, "n_groups n_pairs"]
    images: Float[Array, "n_groups n_pairs 3"]
    members: Int[Array, "n_groups n_members"]
    signs: Float[Array, "n_groups n_members n_pairs"]
    wraps: Float[Array, "n_groups n_members 3"]
    slots: Int[Array, " n_atoms"]

    @classmethod
    def create(cls, system: System, atoms: Any, lengths: Any = None) -> "Constraints":
        """Constraints of a structure, as host (numpy) arrays.

        Args:
            system: the structure.
            atoms: pairs, shape (n_constraints, 2); of a periodic structure the nearest images are meant.
            lengths: d [Å], one or one for each pair; by default those in the structure.

        Raises:
            DataError: numbers that do not fit each other or the structure, an atom bound to itself, a pair
                twice.
            UnsupportedError: a group of more than twelve constraints, or constraints of one group that say
                the same, as the three distances of atoms in line.
        """
        pairs = np.asarray(atoms, np.int64)
        if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) == 0:
            raise DataError(f"constraints are n x 2 numbers of atoms, got shape {pairs.shape}")
        if pairs.min() < 0 or pairs.max() >= system.n_atoms or np.any(pairs[:, 0] == pairs[:, 1]):
            raise DataError(f"a constraint needs two different atoms among 0 to {system.n_atoms - 1}")
        if len(np.unique(np.sort(pairs, axis=1), axis=0)) < len(pairs):
            raise DataError("a pair of atoms is constrained twice")
        vectors, images = nearest(system, pairs)
        given = np.linalg.norm(vectors, axis=1) if lengths is None else np.asarray(lengths, np.float64)
        given = np.broadcast_to(given, len(pairs)) if given.ndim == 0 else given
        if given.shape != (len(pairs),) or not np.all(np.isfinite(given) & (given > 0)):
            raise DataError(f"lengths are {len(pairs)} positive numbers [Å]")
        made = cls._grouped(system.n_atoms, pairs, given, images)
        made._check_independence(system)
        return made

    @classmethod
    def joined(cls, parts: "Sequence[Constraints | None]", sizes: Sequence[int]) -> "Constraints | None":
        """Those of structures one after the other, with so many atoms each; None when none has any."""
        starts = np.cumsum([0, *sizes[:-1]])
        found = [(part, start) for part, start in zip(parts, starts, strict=True) if part is not None]
        if not found:
            return None
        pairs = np.concatenate([np.asarray(part.atoms)[np.asarray(part.real)] + at for part, at in found])
        lengths, images = (
            np.concatenate([np.asarray(getattr(part, name))[np.asarray(part.real)] for part, _ in found])
            for name in ("lengths", "images")
        )
        return cls._grouped(sum(sizes), pairs, lengths, images)

    @classmethod
    def _grouped(
        cls, n_atoms: int, pairs: np.ndarray, lengths: np.ndarray, images: np.ndarray
    ) -> "Constraints":
        group = molecules(n_atoms, pairs)[pairs[:, 0]]
        groups = [np.flatnonzero(group == one) for one in np.unique(group)]
        inside = [list(dict.fromkeys(pairs[rows].ravel().tolist())) for rows in groups]
        columns, width = max(map(len, groups)), max(map(len, inside))
        if columns > _LARGEST_GROUP:
            raise UnsupportedError(
                f"{columns} constraints that share atoms are too many, the most is {_LARGEST_GROUP}",
                "constrain bonds to hydrogen only",
            )
        chosen = np.array([[*rows, *[rows[0]] * (columns - len(rows))] for rows in groups])
        real = np.array([np.arange(columns) < len(rows) for rows in groups])
        members = np.array([[*atoms, *[atoms[0]] * (width - len(atoms))] for atoms in inside])
        there = np.array([np.arange(width) < len(atoms) for atoms in inside])
        slots = np.full(n_atoms, members.size)
        slots[members[there]] = np.flatnonzero(there)
        signs = np.zeros((*members.shape, columns))
        wraps = np.zeros((*members.shape, 3))
        for number, (rows, atoms) in enumerate(zip(groups, inside, strict=True)):
            for column, row in enumerate(rows):
                first, second = (atoms.index(atom) for atom in pairs[row])
                signs[number, first, column], signs[number, second, column] = -1, 1
            _unwrap(wraps[number], signs[number], images[rows])
        return cls(
            atoms=pairs[chosen].astype(np.int32),  # pyright: ignore[reportArgumentType]
            lengths=lengths[chosen],  # pyright: ignore[reportArgumentType]
            real=real,  # pyright: ignore[reportArgumentType]
            images=images[chosen],  # pyright: ignore[reportArgumentType]
            members=members.astype(np.int32),  # pyright: ignore[reportArgumentType]
            signs=signs,  # pyright: ignore[reportArgumentType]
            wraps=wraps,  # pyright: ignore[reportArgumentType]
            slots=slots.astype(np.int32),  # pyright: ignore[reportArgumentType]
        )

    @property
    def count(self) -> int:
        """How many there are."""
        return int(np.sum(np.asarray(self.real)))

    def errors(
        self, positions: Float[Array, "n_atoms 3"], system: System | Batch
    ) -> Float[Array, " n_groups"]:
        """The largest relative error of a length in each group."""
        lengths = jnp.sqrt(jnp.sum(self._vectors(positions, system) ** 2, axis=-1))
        return jnp.max(jnp.abs(lengths / self.lengths - 1), axis=1)

    def restored(
        self, positions: Float[Array, "n_atoms 3"], before: Float[Array, "n_atoms 3"], system: System | Batch
    ) -> tuple[Float[Array, "n_atoms 3"], Float[Array, "n_atoms 3"]]:
        """Positions of the right lengths, and the masses times the displacements that lead there [amu Å].

        Atoms are moved along the directions that the constraints have at `before`. A group for which that
        finds no solution, or which had wrong lengths before, stays where it is: `errors` tells, also after
        several calls.
        """
        directions = self._vectors(before, system)
        wrong = jnp.abs(_dot(directions, directions) / self.lengths**2 - 1) > TOLERANCE
        pushed = self._pushed(directions, positions, system, given_up=jnp.any(wrong, axis=1))
        return positions + pushed / system.masses[:, None], pushed

    def imposed(self, positions: Float[Array, "n_atoms 3"], system: System) -> Float[Array, "n_atoms 3"]:
        """Positions of the right lengths near others that do not have them."""
        directions = self._vectors(positions, system)
        nobody = jnp.zeros(len(self.lengths), bool)
        return positions + self._pushed(directions, positions, system, nobody) / system.masses[:, None]

    def _pushed(self, directions, positions, system, given_up):
        """Masses times the displacements along the directions that lead to the right lengths."""
        there, coupling, target = self._vectors(positions, system), self._coupling(system), self.lengths**2

        def look(weights):
            """The vectors with so much of each direction added, what their squares have too much, and which
            groups are not there yet."""
            changes = _products(coupling, weights[..., None] * directions)
            vectors = there + changes
            excess = jnp.where(self.real, _dot(vectors, vectors) - target, 0.0)
            found = jnp.max(jnp.abs(excess) / target, axis=1) < _CONVERGED
            return vectors, excess, ~(found | given_up)

        def goes_on(carry):
            return jnp.any(carry[3]) & (carry[4] < _ITERATIONS)

        def improve(carry):
            weights, vectors, excess, missed, count = carry
            slope = 2 * coupling * _dot(vectors[:, :, None], directions[:, None])
            better = weights - self._solved(slope, excess)
            weights = jnp.where(missed[:, None], better, weights)
            return weights, *look(weights), count + 1

        nothing = jnp.zeros_like(target)
        weights, _, _, missed, _ = jax.lax.while_loop(goes_on, improve, (nothing, *look(nothing), 0))
        weights = jnp.where((missed | given_up)[:, None], 0.0, weights)
        return self._on_atoms(weights[..., None] * directions)

    def projected(
        self, momenta: Float[Array, "n_atoms 3"], positions: Float[Array, "n_atoms 3"], system: System | Batch
    ) -> Float[Array, "n_atoms 3"]:
        """The momenta without what would change a length: the nearest ones by their kinetic energy."""
        directions, coupling = self._vectors(positions, system), self._coupling(system)
        velocities = momenta / system.masses[:, None]
        opening = velocities[self.atoms[..., 1]] - velocities[self.atoms[..., 0]]
        wrong = jnp.where(self.real, _dot(opening, directions), 0.0)
        weights = self._solved(coupling * _dot(directions[:, :, None], directions[:, None]), wrong)
        return momenta - self._on_atoms(weights[..., None] * directions)

    def offsets(
        self, positions: Float[Array, "n_atoms 3"], system: System | Batch
    ) -> Float[Array, "n_atoms 3"]:
        """Where each atom is, seen from the center of mass of its body [Å]."""
        whole = positions[self.members] + _translations(self.wraps, self._cells(system))
        masses = self._masses(system)[..., None]
        center = _total(masses * whole) / _total(masses)
        return self._from_members(whole - center[:, None])

    def collective(
        self, momenta: Float[Array, "n_atoms 3"], system: System | Batch
    ) -> Float[Array, "n_atoms 3"]:
        """The momentum of each body, shared among its atoms by their masses."""
        masses = self._masses(system)[..., None]
        inside = jnp.where(masses > 0, momenta[self.members], 0.0)
        shares = masses * (_total(inside) / _total(masses))[:, None]
        return jnp.where(self._is_alone[:, None], momenta, self._from_members(shares))

    def bodies(self, system: System | Batch) -> Float[Array, "*n_systems"]:
        """How many bodies there are in each system."""
        firsts = self._is_alone | (self.slots % self.members.shape[1] == 0)
        return system.sum_atoms(firsts.astype(system.positions.dtype))

    @property
    def _is_alone(self) -> Bool[Array, " n_atoms"]:
        return self.slots == self.members.size

    def _vectors(self, positions, system):
        """From the first atom of each pair to the second, shape (n_groups, n_pairs, 3)."""
        apart = positions[self.atoms[..., 1]] - positions[self.atoms[..., 0]]
        return apart + _translations(self.images, self._cells(system))

    def _cells(self, system):
        """The cell of each group, shape (n_groups, 3, 3)."""
        cells = jnp.broadcast_to(system.atom_cells(), (system.n_atoms, 3, 3))
        return cells[self.members[:, 0]]

    def _masses(self, system):
        """Of the members, zero where one is repeated, shape (n_groups, n_members)."""
        return jnp.where(jnp.any(self.signs != 0, axis=2), system.masses[self.members], 0.0)

    def _coupling(self, system):
        """How far one direction moves the vector of another, the sum of +-1/m over the atoms they share
        [1/amu], shape (n_groups, n_pairs, n_pairs)."""
        inverse = self.signs / system.masses[self.members][..., None]
        return _total(inverse[..., :, None] * self.signs[..., None, :])

    def _solved(self, matrix, right):
        """The solution of the linear equations of each group; zero for a repetition."""
        both = self.real[:, :, None] & self.real[:, None]
        return _solved(jnp.where(both, matrix, jnp.eye(matrix.shape[1])), right)

    def _on_atoms(self, values):
        """What pushes the second atom of each pair, and the first one back, summed on the atoms."""
        return self._from_members(
            _added(
                self.signs[:, :, pair, None] * values[:, None, pair] for pair in range(self.signs.shape[2])
            )
        )

    def _from_members(self, values):
        """What each atom has of values of members, shape (n_groups, n_members, 3); zero for those alone."""
        flat = values.reshape(-1, 3)
        return jnp.concatenate([flat, jnp.zeros_like(flat[:1])])[self.slots]

    def _check_independence(self, system: System) -> None:
        masses, real = np.asarray(system.masses), self.real[:, :, None] & self.real[:, None]
        directions = nearest(system, np.asarray(self.atoms).reshape(-1, 2))[0].reshape(*self.lengths.shape, 3)
        directions = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        coupling = np.einsum("gmk,gm,gml->gkl", self.signs, 1 / masses[self.members], self.signs)
        coupling = coupling * np.einsum("gkx,glx->gkl", directions, directions)
        coupling = np.where(real, coupling, np.eye(coupling.shape[1]))
        scale = np.sqrt(np.diagonal(coupling, axis1=1, axis2=2))
        coupling = coupling / scale[:, :, None] / scale[:, None]
        values = np.linalg.eigvalsh(coupling)
        worst = int(np.argmin(values[:, 0] / values[:, -1]))
        if values[worst, 0] < _INDEPENDENT * values[worst, -1]:
            atoms = sorted(set(self.members[worst].tolist()))
            raise UnsupportedError(
                f"constraints of the atoms {atoms} depend on each other: one of them follows from the rest",
                "leave one out; the ends of three atoms in line need no constraint between them",
            )


def nearest(system: System, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors between the nearest images of pairs [Å], and the translations of the second atom, in cells of
    any shape."""
    positions = np.asarray(system.positions)
    vectors = positions[pairs[:, 1]] - positions[pairs[:, 0]]
    cell = np.where(np.asarray(system.pbc)[:, None], np.asarray(system.cell), 0.0)
    shortest, _ = find_mic(vectors, cell, system.pbc)  # pyright: ignore[reportArgumentType]
    images = np.round((shortest - vectors) @ np.linalg.pinv(cell))
    return vectors + images @ cell, images


def _unwrap(wraps: np.ndarray, signs: np.ndarray, images: np.ndarray) -> None:
    """Fills in the translations that bring the members of a group together, those of its pairs given."""
    reached = {0}
    while True:
        known = len(reached)
        for column, image in enumerate(images):
            first, second = (int(np.flatnonzero(signs[:, column] == sign)[0]) for sign in (-1, 1))
            if first in reached and second not in reached:
                wraps[second] = wraps[first] + image
            elif second in reached and first not in reached:
                wraps[first] = wraps[second] - image
            reached |= {first, second} if reached & {first, second} else set()
        if len(reached) == known:
            return


# Sums over a few terms are written out, one after the other: those over the axis of an array may be taken in
# another order when it is longer, and a replica would move otherwise beside one with larger groups.


# Likewise a product is rounded before it is added: fused, it is not, and what is fused depends on the shape.
_rounded = jax.lax.optimization_barrier


def _added(terms):
    first, *others = terms
    for term in others:
        first = first + term
    return first


def _total(values):
    """The sum over the second axis."""
    return _added(values[:, k] for k in range(values.shape[1]))


def _dot(one, other):
    """Of vectors along the last axis."""
    products = _rounded(one * other)
    return _added(products[..., axis] for axis in range(3))


def _products(matrices, vectors):
    """Matrices (n, k, k) times rows of vectors (n, k, 3)."""
    products = _rounded(matrices[..., None] * vectors[:, None])
    return _added(products[:, :, k] for k in range(vectors.shape[1]))


def _translations(images, cells):
    """Lattice vectors (n, k, 3) of cells (n, 3, 3), shape (n, k, 3) [Å]."""
    return _added(images[..., axis, None] * cells[:, None, axis] for axis in range(3))


def _solved(matrix, right):
    """Solutions of small systems of linear equations, (n, k, k) and (n, k), by elimination.

    The diagonals dominate, so that no rows need to be exchanged.
    """
    size = matrix.shape[1]
    rows = [[matrix[:, k, m] for m in range(size)] + [right[:, k]] for k in range(size)]
    for k in range(size):
        for row in range(k + 1, size):
            factor = rows[row][k] / rows[k][k]
            rows[row] = [below - factor * above for below, above in zip(rows[row], rows[k], strict=True)]
    found: list[Any] = [None] * size
    for k in reversed(range(size)):
        known = [rows[k][m] * found[m] for m in range(k + 1, size)]
        found[k] = (rows[k][-1] - _added(known) if known else rows[k][-1]) / rows[k][k]
    return jnp.stack(found, axis=1)
