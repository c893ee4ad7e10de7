"""What every collective variable is: one number of a structure, with derivatives."""

import abc
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.base import ConfigError, UnsupportedError
from adiabat.system import Batch, System


class AbstractVariable(eqx.Module):
    """Turns a structure into one number, whose derivatives by positions and cell exist everywhere.

    A subclass says what the number is. Atoms are numbered from 0.
    """

    name: eqx.AbstractVar[str]
    """Under which it is recorded."""
    unit: eqx.AbstractVar[str]
    """"Å", "rad", or another; "" for a number without one."""
    period: eqx.AbstractVar[float | None]
    """By which it repeats; None for one that does not. Its values are within half a period of zero."""

    @abc.abstractmethod
    def __call__(self, system: System) -> Float[Array, ""]:
        """The value in this structure."""

    @abc.abstractmethod
    def members(self) -> tuple[int, ...]:
        """The atoms that it looks at, which a structure must have."""

    def check(self, system: System) -> None:
        """Refuses a structure without one of the atoms.

        Raises:
            UnsupportedError: it has too few.
        """
        last = max(self.members(), default=-1)
        if last >= system.n_atoms:
            raise UnsupportedError(
                f"the variable {self.name!r} looks at atom {last}; the structure has atoms 0 to "
                f"{system.n_atoms - 1}",
                "atoms are numbered from 0, in the order of the file",
            )


def values_of(variables: Sequence[AbstractVariable], system: System | Batch) -> Float[Array, "*n_systems d"]:
    """The values of several variables in a structure, or in each of a batch of copies."""

    def one(structure: System) -> Float[Array, " d"]:
        return jnp.stack([jnp.asarray(variable(structure)) for variable in variables])

    if isinstance(system, System):
        return one(jax.tree.map(jnp.asarray, system))
    return jax.vmap(one)(copies(system))


def copies(batch: Batch) -> System:
    """The structures of a batch of equal numbers of atoms, as one `System` with a leading axis of copies.

    Raises:
        UnsupportedError: of different numbers, or with different periodic directions.
    """
    if batch.pbc is None or batch.n_atoms % batch.n_systems:
        raise UnsupportedError(
            "collective variables of a batch need structures of the same size and periodic directions"
        )

    def rows(values: Any) -> Array:
        return jnp.reshape(values, (batch.n_systems, -1, *values.shape[1:]))

    return System(
        numbers=rows(batch.numbers),
        positions=rows(batch.positions),
        cell=batch.cell,
        masses=rows(batch.masses),
        mask=rows(batch.mask),
        pbc=batch.pbc,
    )


def differences(
    values: Float[Array, "... d"], others: Float[Array, "... d"], variables: Sequence[AbstractVariable]
) -> Float[Array, "... d"]:
    """values - others, by the shorter way around where a variable repeats."""
    apart = values - others
    periods = [variable.period for variable in variables]
    if all(period is None for period in periods):
        return apart
    repeats = jnp.array([period is not None for period in periods])
    lengths = jnp.array([1.0 if period is None else period for period in periods])
    return jnp.where(repeats, apart - lengths * jnp.round(apart / lengths), apart)


def wrapped(values: Float[Array, "... d"], variables: Sequence[AbstractVariable]) -> Float[Array, "... d"]:
    """Values within half a period of zero where a variable repeats."""
    return differences(values, jnp.zeros_like(values), variables)


def atom_numbers(
    atoms: Sequence[int], count: int | None = None, what: str = "the variable"
) -> tuple[int, ...]:
    """Atoms as a tuple of different numbers from 0 on.

    Args:
        atoms: their numbers.
        count: how many there must be; any number but none by default.
        what: for the message.

    Raises:
        ConfigError: other numbers, or another number of them.
    """
    numbers = tuple(int(atom) for atom in atoms)
    if (
        any(number != atom for number, atom in zip(numbers, atoms, strict=True))
        or min(numbers, default=0) < 0
    ):
        raise ConfigError(f"{what} needs whole numbers of atoms, from 0 on, got {list(atoms)}")
    if len(set(numbers)) != len(numbers):
        raise ConfigError(f"{what} names an atom twice: {list(numbers)}")
    if not numbers or (count is not None and len(numbers) != count):
        wanted = "at least one atom" if count is None else f"{count} atoms"
        raise ConfigError(f"{what} needs {wanted}, got {list(numbers)}")
    return numbers


def checked_name(name: str) -> str:
    """A name that fits in the header of a table, and in a file of arrays.

    Raises:
        ConfigError: it is empty, or has a space or a slash in it.
    """
    if not name or any(letter.isspace() or letter == "/" for letter in name):
        raise ConfigError(
            f"{name!r} is no name for a variable", "choose a word without spaces and slashes, such as phi"
        )
    return name
