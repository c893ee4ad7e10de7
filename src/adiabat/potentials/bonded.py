"""Bonded terms of classical force fields: energies of named atoms, whatever their distance."""

import abc
import itertools
from collections.abc import Callable
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from ase.geometry import find_mic
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from adiabat.base import DataError, UnsupportedError
from adiabat.base.schema import Numbers
from adiabat.potentials.potential import AbstractPotential
from adiabat.system import Batch, Neighbors, System

# No term looks at the neighbor list, so its radius [Å] only says how often dynamics make it anew.
_CUTOFF = 1.0
# A squared sine or length below this share of its scale has no direction that a derivative could follow.
_STRAIGHT = 1e-24
# By so much of its square an image has to be nearer than the one that rounding gives.
_TIE = 1e-6


class AbstractBondedTerms(AbstractPotential):
    """Energies of groups of atoms of one structure, given by their numbers in it.

    A subclass says what each group's energy is. Groups that cross a periodic boundary are followed through
    the nearest images, so the members of a group must be nearer to the next one than half the distance
    between opposite faces of the cell. Each member gets an equal share of the energy. In a batch, each
    structure has all the groups.
    """

    atoms: eqx.AbstractVar[Int[Array, "n_terms n_members"]]
    """The members of each group, in the order of the formula."""

    turns: ClassVar[bool] = False
    """Whether it is the energy of turning parts of a molecule against each other, which tempering scales."""

    @property
    def layers(self) -> int | None:
        """None: the members of a group may be far from each other, and their numbers are those of the whole
        structure."""
        return None

    @property
    def uses_neighbors(self) -> bool:
        return False

    @abc.abstractmethod
    def term_energies(self, steps: Float[Array, "... n_terms n_steps 3"]) -> Float[Array, "... n_terms"]:
        """The energy of each group [eV] from the vectors [Å] that lead from each member to the next."""

    def check(self, system: System) -> None:
        """Raise UnsupportedError when the terms name atoms that the structure lacks, or the cell is so
        skewed that their nearest images would not be found."""
        last = int(np.max(self.atoms, initial=-1))
        if last >= system.n_atoms:
            raise UnsupportedError(
                f"{type(self).__name__} has a term of atom {last}; the structure has atoms 0 to "
                f"{system.n_atoms - 1}",
                "use the structure, and the order of atoms, that the terms were made for",
            )
        if not any(system.pbc):
            return
        steps = np.asarray(self._steps(system, jnp.asarray(self.atoms)), np.float64).reshape(-1, 3)
        _, shortest = find_mic(steps, np.asarray(system.cell), system.pbc)  # pyright: ignore[reportArgumentType]
        if (np.linalg.norm(steps, axis=1) > 1.0001 * shortest).any():
            raise UnsupportedError(
                "the cell is too skewed to tell which images of bonded atoms are nearest",
                "choose shorter lattice vectors of the same lattice, as ase.build.niggli_reduce(atoms) does",
            )

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        return self._shared(system, lambda _: 1.0)

    def scaled_energies(
        self, system: System | Batch, neighbors: Neighbors, scales: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        if not self.turns:
            return self.atom_energies(system, neighbors)
        return self._shared(system, lambda atoms: jnp.sqrt(scales[atoms[..., 0]] * scales[atoms[..., -1]]))

    def _shared(
        self, system: System | Batch, factors: Callable[[Int[Array, "... n_members"]], Array | float]
    ) -> Float[Array, " n_atoms"]:
        """Energies of all groups, multiplied by a function of their members, in equal shares."""
        atoms = system.numbered(jnp.asarray(self.atoms))
        shares = factors(atoms) * self.term_energies(self._steps(system, atoms)) / atoms.shape[-1]
        if isinstance(system, Batch):
            shares = jnp.where(system.system_mask[:, None], shares, 0.0)
        shares = jnp.broadcast_to(shares[..., None], atoms.shape)
        return jnp.zeros(system.n_atoms, shares.dtype).at[atoms].add(shares, mode="drop")

    def _steps(
        self, system: System | Batch, atoms: Int[Array, "... n_terms n_members"]
    ) -> Float[Array, "... n_terms n_steps 3"]:
        """The vectors [Å] from each member of a group to the nearest image of the next."""
        places = jnp.asarray(system.positions)[atoms]
        return nearest_images(places[..., 1:, :] - places[..., :-1, :], system)


class HarmonicBonds(AbstractBondedTerms):
    """Springs between pairs of atoms: E = k (r - r0)^2 / 2.

    Args:
        atoms: the two atoms of each bond, shape (n_bonds, 2).
        stiffness: k [eV/Å^2], one or one for each bond; twice the constant of Amber, CHARMM and LAMMPS.
        length: r0 [Å], one or one for each bond.

    Raises:
        DataError: no terms, arrays that do not fit each other, or an atom twice in one term.
    """

    atoms: Int[Array, "n_bonds 2"]
    stiffness: Float[Array, " n_bonds"]
    length: Float[Array, " n_bonds"]
    cutoff: float = eqx.field(static=True)

    def __init__(
        self,
        *,
        atoms: Annotated[ArrayLike, Numbers()],
        stiffness: Annotated[ArrayLike, Numbers("stiffness")],
        length: Annotated[ArrayLike, Numbers("length")],
    ):
        self.atoms, self.stiffness, self.length = _terms("bonds", atoms, 2, stiffness, length)
        self.cutoff = _CUTOFF

    def term_energies(self, steps: Float[Array, "... n_bonds 1 3"]) -> Float[Array, "... n_bonds"]:
        return 0.5 * self.stiffness * (lengths(steps[..., 0, :]) - self.length) ** 2


class HarmonicAngles(AbstractBondedTerms):
    """Springs on the angle at the middle one of three atoms: E = k (theta - theta0)^2 / 2.

    Args:
        atoms: end, middle, end of each angle, shape (n_angles, 3).
        stiffness: k [eV/rad^2], one or one for each angle; twice the constant of Amber, CHARMM and LAMMPS.
        angle: theta0 [rad], one or one for each angle.

    Raises:
        DataError: no terms, arrays that do not fit each other, or an atom twice in one term.
    """

    atoms: Int[Array, "n_angles 3"]
    stiffness: Float[Array, " n_angles"]
    angle: Float[Array, " n_angles"]
    cutoff: float = eqx.field(static=True)

    def __init__(
        self,
        *,
        atoms: Annotated[ArrayLike, Numbers()],
        stiffness: Annotated[ArrayLike, Numbers("energy")],
        angle: Annotated[ArrayLike, Numbers("angle")],
    ):
        self.atoms, self.stiffness, self.angle = _terms("angles", atoms, 3, stiffness, angle)
        self.cutoff = _CUTOFF

    def term_energies(self, steps: Float[Array, "... n_angles 2 3"]) -> Float[Array, "... n_angles"]:
        first, second = -steps[..., 0, :], steps[..., 1, :]
        # The arc cosine would lose half of its digits near 180 degrees.
        angles = jnp.arctan2(lengths(jnp.cross(first, second)), jnp.sum(first * second, axis=-1))
        return 0.5 * self.stiffness * (angles - self.angle) ** 2


class PeriodicTorsions(AbstractBondedTerms):
    """Cosines of dihedral angles, E = k (1 + cos(n phi - phi0)): proper torsions, and Amber's impropers.

    A torsion with several cosines is several terms of the same atoms. phi is 0 when the outer atoms are on
    the same side, and positive when, seen along the middle bond, the far bond is turned clockwise (IUPAC).

    Args:
        atoms: the four atoms of each term, shape (n_torsions, 4).
        barrier: k [eV], one or one for each term; may be negative.
        periodicity: n, one or one for each term.
        phase: phi0 [rad], one or one for each term.

    Raises:
        DataError: no terms, arrays that do not fit each other, or an atom twice in one term.
    """

    atoms: Int[Array, "n_torsions 4"]
    barrier: Float[Array, " n_torsions"]
    periodicity: Float[Array, " n_torsions"]
    phase: Float[Array, " n_torsions"]
    cutoff: float = eqx.field(static=True)
    turns: ClassVar[bool] = True

    def __init__(
        self,
        *,
        atoms: Annotated[ArrayLike, Numbers()],
        barrier: Annotated[ArrayLike, Numbers("energy")],
        periodicity: Annotated[ArrayLike, Numbers()],
        phase: Annotated[ArrayLike, Numbers("angle")],
    ):
        terms = _terms("torsions", atoms, 4, barrier, periodicity, phase)
        self.atoms, self.barrier, self.periodicity, self.phase = terms
        self.cutoff = _CUTOFF

    def term_energies(self, steps: Float[Array, "... n_torsions 3 3"]) -> Float[Array, "... n_torsions"]:
        return self.barrier * (1.0 + jnp.cos(self.periodicity * dihedrals(steps) - self.phase))


class HarmonicImpropers(AbstractBondedTerms):
    """Springs on dihedral angles, E = k (phi - phi0)^2 / 2 with the difference taken within half a turn, as
    CHARMM holds groups flat.

    Args:
        atoms: the four atoms of each term, shape (n_impropers, 4).
        stiffness: k [eV/rad^2], one or one for each term; twice the constant of CHARMM and LAMMPS.
        angle: phi0 [rad], one or one for each term.

    Raises:
        DataError: no terms, arrays that do not fit each other, or an atom twice in one term.
    """

    atoms: Int[Array, "n_impropers 4"]
    stiffness: Float[Array, " n_impropers"]
    angle: Float[Array, " n_impropers"]
    cutoff: float = eqx.field(static=True)

    def __init__(
        self,
        *,
        atoms: Annotated[ArrayLike, Numbers()],
        stiffness: Annotated[ArrayLike, Numbers("energy")],
        angle: Annotated[ArrayLike, Numbers("angle")],
    ):
        self.atoms, self.stiffness, self.angle = _terms("impropers", atoms, 4, stiffness, angle)
        self.cutoff = _CUTOFF

    def term_energies(self, steps: Float[Array, "... n_impropers 3 3"]) -> Float[Array, "... n_impropers"]:
        difference = dihedrals(steps) - self.angle
        difference = difference - 2 * jnp.pi * jnp.round(difference / (2 * jnp.pi))
        return 0.5 * self.stiffness * difference**2


def _terms(name: str, atoms: ArrayLike, members: int, *parameters: ArrayLike) -> tuple:
    """The checked members of each term, and each parameter with a value for each term, as host arrays:
    JAX would cut them to single precision when x64 is off."""
    try:
        given, *values = (np.asarray(array) for array in (atoms, *parameters))
    except ValueError as error:
        raise DataError(
            f"the terms need {members} atoms each, and a parameter is one number or one for each term",
            "give lists of the same length",
        ) from error
    if not given.size:
        raise DataError(
            f"no {name} given: atoms is empty",
            f"write the {members} atoms of each, as atoms = [{list(range(members))}], or leave the term out",
        )
    if given.ndim != 2 or given.shape[1] != members or not np.issubdtype(given.dtype, np.integer):
        raise DataError(
            f"the terms need whole numbers of shape (n_terms, {members}), got {given.dtype} {given.shape}"
        )
    index = given.astype(np.int32)
    ordered = np.sort(index, axis=1)
    if index.min() < 0 or (ordered[:, 1:] == ordered[:, :-1]).any():
        raise DataError("each term needs different atoms, numbered from 0 on")
    values = [value.astype(np.float64) for value in values]
    for value in values:
        if value.shape not in ((), (len(index),)) or not np.isfinite(value).all():
            raise DataError(
                f"a parameter of {len(index)} terms is one finite number or one for each, got shape "
                f"{value.shape}"
            )
    return index, *(np.broadcast_to(value, len(index)).copy() for value in values)


def nearest_images(
    vectors: Float[Array, "*n_systems n_terms n_steps 3"], system: System | Batch
) -> Float[Array, "*n_systems n_terms n_steps 3"]:
    """The vectors with the lattice vectors taken off that an atom may have been moved by: the shortest of the
    image that rounding its shares of the lattice vectors gives and of the images around it. In a skewed cell
    the rounded one need not be the nearest.

    Raises:
        UnsupportedError: a batch of which it is not known along which directions all structures repeat.
    """
    if system.pbc is None:
        raise UnsupportedError(
            "bonds and angles of numbered atoms are followed across the cell, so structures that are taken "
            "together must repeat along the same directions; these do not",
            "put molecules, slabs and periodic cells into files of their own",
        )
    if not any(system.pbc):
        return vectors
    periodic = np.flatnonzero(system.pbc)
    around = np.array([one for one in itertools.product((-1, 0, 1), repeat=len(periodic)) if any(one)])

    def nearest(vectors: Float[Array, "n_terms n_steps 3"], cell: Float[Array, "3 3"]):
        lattice, exact = jax.lax.stop_gradient((cell[periodic], vectors))
        first = images = jnp.round(exact @ _reciprocal(lattice))
        rounded = exact - first @ lattice
        square = jnp.sum(rounded**2, axis=-1, keepdims=True)
        for shift in around:
            further = jnp.sum((rounded - shift @ lattice) ** 2, axis=-1, keepdims=True)
            nearer = further < (1.0 - _TIE) * square
            images, square = jnp.where(nearer, first + shift, images), jnp.where(nearer, further, square)
        return vectors - images @ cell[periodic]

    if isinstance(system, System):
        return nearest(vectors, jnp.asarray(system.cell))
    # Padding has no cell, and the atoms of the first structure.
    cells = jnp.where(system.system_mask[:, None, None], system.cell, system.cell[0])
    return jax.vmap(nearest)(vectors, cells)


def _reciprocal(vectors: Float[Array, "k 3"]) -> Float[Array, "3 k"]:
    """What gives the coordinates along one, two or three vectors, zero across them: the pseudo-inverse,
    written out, since XLA takes long to compile a factorization."""
    if len(vectors) == 1:
        return vectors.T / jnp.sum(vectors**2)
    if len(vectors) == 2:
        gram = vectors @ vectors.T
        turned = jnp.stack([jnp.stack([gram[1, 1], -gram[0, 1]]), jnp.stack([-gram[1, 0], gram[0, 0]])])
        return vectors.T @ turned / (gram[0, 0] * gram[1, 1] - gram[0, 1] * gram[1, 0])
    across = jnp.cross(jnp.roll(vectors, -1, axis=0), jnp.roll(vectors, -2, axis=0))
    return across.T / jnp.sum(vectors[0] * across[0])


def lengths(vectors: Float[Array, "... 3"]) -> Float[Array, "..."]:
    """Of vectors, with derivative zero where a vector vanishes."""
    squared = jnp.sum(vectors**2, axis=-1)
    some = squared > _STRAIGHT
    return jnp.where(some, jnp.sqrt(jnp.where(some, squared, 1.0)), 0.0)


def dihedrals(steps: Float[Array, "... 3 3"]) -> Float[Array, "..."]:
    """The dihedral angle [rad] of each chain of three bonds; zero, without a derivative, where two bonds are
    in line (Blondel and Karplus 1996, J. Comput. Chem. 17, 1132)."""
    first, middle, last = steps[..., 0, :], steps[..., 1, :], steps[..., 2, :]
    before, after = jnp.cross(first, middle), jnp.cross(middle, last)
    x = jnp.sum(before * after, axis=-1)
    y = jnp.sum(first * after, axis=-1) * lengths(middle)
    defined = x**2 + y**2 > _STRAIGHT
    return jnp.where(defined, jnp.arctan2(jnp.where(defined, y, 0.0), jnp.where(defined, x, 1.0)), 0.0)
