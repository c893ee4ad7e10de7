"""Variables of two, three and four atoms."""

import math
from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.potentials.bonded import dihedrals, lengths, nearest_images
from adiabat.sampling.variable import AbstractVariable, atom_numbers, checked_name
from adiabat.system import System


class Distance(AbstractVariable):
    """The distance between two atoms [Å], in a periodic cell that of the nearest images.

    Args:
        atoms: the two, numbered from 0.
        name: under which it is recorded.

    Raises:
        ConfigError: not two atoms.
    """

    atoms: tuple[int, ...] = eqx.field(static=True)
    name: str = eqx.field(static=True)
    unit: ClassVar[str] = "Å"
    period: ClassVar[float | None] = None

    def __init__(self, *, atoms: Sequence[int], name: str = "distance"):
        self.atoms, self.name = atom_numbers(atoms, 2, f"the distance {name!r}"), checked_name(name)

    def members(self) -> tuple[int, ...]:
        return self.atoms

    def __call__(self, system: System) -> Float[Array, ""]:
        return lengths(steps(system, self.atoms)[:, 0])[0]


class Angle(AbstractVariable):
    """The angle at the middle one of three atoms [rad], 0 to pi.

    Args:
        atoms: end, middle, end, numbered from 0.
        name: under which it is recorded.

    Raises:
        ConfigError: not three atoms.
    """

    atoms: tuple[int, ...] = eqx.field(static=True)
    name: str = eqx.field(static=True)
    unit: ClassVar[str] = "rad"
    period: ClassVar[float | None] = None

    def __init__(self, *, atoms: Sequence[int], name: str = "angle"):
        self.atoms, self.name = atom_numbers(atoms, 3, f"the angle {name!r}"), checked_name(name)

    def members(self) -> tuple[int, ...]:
        return self.atoms

    def __call__(self, system: System) -> Float[Array, ""]:
        along = steps(system, self.atoms)
        first, second = -along[:, 0], along[:, 1]
        # The arc cosine would lose half of its digits near 180 degrees, and its derivative there.
        return jnp.arctan2(lengths(jnp.cross(first, second)), jnp.sum(first * second, axis=-1))[0]


class Torsion(AbstractVariable):
    """The dihedral angle of a chain of four atoms [rad], -pi to pi; 0 when the outer ones are on the same
    side (cis), positive when the far bond is turned clockwise (IUPAC).

    Args:
        atoms: the four, numbered from 0.
        name: under which it is recorded.

    Raises:
        ConfigError: not four atoms.
    """

    atoms: tuple[int, ...] = eqx.field(static=True)
    name: str = eqx.field(static=True)
    unit: ClassVar[str] = "rad"
    period: ClassVar[float | None] = 2 * math.pi

    def __init__(self, *, atoms: Sequence[int], name: str = "torsion"):
        self.atoms, self.name = atom_numbers(atoms, 4, f"the torsion {name!r}"), checked_name(name)

    def members(self) -> tuple[int, ...]:
        return self.atoms

    def __call__(self, system: System) -> Float[Array, ""]:
        return dihedrals(steps(system, self.atoms))[0]


def steps(system: System, chain: tuple[int, ...]) -> Float[Array, "1 n_steps 3"]:
    """The vectors from each atom of a chain to the next [Å], between nearest images; one chain of many."""
    places = system.positions[jnp.array([chain])]
    return nearest_images(places[:, 1:] - places[:, :-1], system)
