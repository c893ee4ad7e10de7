"""Pair potentials."""

import abc
import math
from collections.abc import Mapping
from typing import Annotated

import ase.data
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adiabat.base import ConfigError, DataError
from adiabat.base.units import Unit
from adiabat.potentials.potential import AbstractPotential
from adiabat.potentials.smoothing import polynomial_cutoff
from adiabat.system import Batch, Neighbors, Published, System, check_elements
from adiabat.system.elements import LENNARD_JONES
from adiabat.system.system import LAST

Kinds = Mapping[int, tuple[float, float]]
# Depth of the well [eV], steepness [1/Å] and distance [Å] of copper, of Girifalco and Weizer.
_COPPER = Published("Morse", 29, {"depth": 0.3429, "steepness": 1.3588, "distance": 2.866})


class AbstractPairPotential(AbstractPotential):
    """Energies of pairs within the cut-off, half to either atom, perhaps times a smooth envelope; a subclass
    says what they are."""

    smooth: eqx.AbstractVar[bool]
    """Whether there is an envelope."""

    @abc.abstractmethod
    def pair_energies(
        self, squared: Float[Array, "n_atoms max_neighbors"], system: System | Batch, neighbors: Neighbors
    ) -> Float[Array, "n_atoms max_neighbors"]:
        """The energy of each pair [eV] at these squared distances [Å^2], without the envelope."""

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        return 0.5 * jnp.sum(self._within(system, neighbors), axis=1)

    def scaled_energies(
        self, system: System | Batch, neighbors: Neighbors, scales: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        root = jnp.sqrt(scales)
        return 0.5 * root * jnp.sum(root[neighbors.index] * self._within(system, neighbors), axis=1)

    def _within(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, "n_atoms max_neighbors"]:
        squared = neighbors.squared_distances(system.positions, system.atom_cells())
        energies = self.pair_energies(squared, system, neighbors)
        if self.smooth:
            energies = energies * polynomial_cutoff(jnp.sqrt(squared), self.cutoff)
        inside = neighbors.mask & (squared < self.cutoff**2)
        return jnp.where(inside, energies, 0.0)


class LennardJones(AbstractPairPotential):
    """One kind of Lennard-Jones particle: 4 epsilon ((sigma/r)^12 - (sigma/r)^6), times a smooth envelope;
    argon by default, and other elements with an epsilon and a sigma of their own.

    Args:
        epsilon: depth of the well [eV]; by default that of argon, 0.0104.
        sigma: where the energy is zero [Å]; by default that of argon, 3.40.
        cutoff: [Å].
        smooth: multiply by the polynomial envelope; without it the energy jumps at the cut-off.

    Raises:
        ConfigError: a sigma or a cut-off that is not positive, or a negative epsilon.
    """

    epsilon: float
    sigma: float
    cutoff: float = eqx.field(static=True)
    smooth: bool = eqx.field(static=True)
    by_default: tuple[str, ...] = eqx.field(static=True, repr=False)

    def __init__(
        self,
        *,
        epsilon: Annotated[float | None, Unit("energy")] = None,
        sigma: Annotated[float | None, Unit("length")] = None,
        cutoff: Annotated[float, Unit("length")] = 8.5,
        smooth: bool = True,
    ):
        values, self.by_default = LENNARD_JONES.completed(epsilon=epsilon, sigma=sigma)
        self.epsilon, self.sigma = values["epsilon"], values["sigma"]
        _check_depth(epsilon=self.epsilon)
        _check_positive(sigma=self.sigma, cutoff=cutoff)
        self.cutoff = cutoff
        self.smooth = smooth

    def pair_energies(
        self, squared: Float[Array, "n_atoms max_neighbors"], system: System | Batch, neighbors: Neighbors
    ) -> Float[Array, "n_atoms max_neighbors"]:
        return _lennard_jones(squared, self.epsilon, self.sigma)

    def check(self, system: System) -> None:
        """Raise UnsupportedError for another element than argon whose epsilon or sigma is argon's by
        default."""
        LENNARD_JONES.check(system, self.by_default, ", or take a mixture of kinds")


class LennardJonesMixture(AbstractPairPotential):
    """Several kinds of Lennard-Jones particles, told apart by their element.

    Unlike pairs follow Lorentz and Berthelot, sigma_ij = (sigma_i + sigma_j) / 2 and epsilon_ij =
    sqrt(epsilon_i epsilon_j), unless they have values of their own.

    Args:
        kinds: epsilon [eV] and sigma [Å] of each kind, by atomic number.
        pairs: epsilon [eV] and sigma [Å] of pairs that do not follow the rule, by two atomic numbers.
        cutoff: [Å].
        smooth: multiply by the polynomial envelope; without it the energy jumps at the cut-off.

    Raises:
        DataError: no kinds, a pair of an unknown kind, or parameters that are not finite or negative.
        ConfigError: a cut-off that is not positive.
    """

    elements: tuple[int, ...] = eqx.field(static=True)
    epsilon: Float[Array, "n_kinds n_kinds"]
    sigma: Float[Array, "n_kinds n_kinds"]
    cutoff: float = eqx.field(static=True)
    smooth: bool = eqx.field(static=True)

    def __init__(
        self,
        *,
        kinds: Kinds,
        pairs: Mapping[tuple[int, int], tuple[float, float]] | None = None,
        cutoff: float = 10.0,
        smooth: bool = True,
    ):
        _check_positive(cutoff=cutoff)
        self.elements = tuple(sorted(kinds))
        if not kinds:
            raise DataError("a mixture needs one kind of particle or more")
        for numbers, (depth, length) in [*kinds.items(), *(pairs or {}).items()]:
            if not (0 <= depth < math.inf and 0 < length < math.inf):
                raise DataError(
                    "each kind needs an epsilon that is not negative, and a positive sigma; "
                    f"{_symbols(numbers)} has {depth} eV and {length} Å"
                )
        table = np.array([kinds[number] for number in self.elements], np.float64)
        epsilon = np.sqrt(np.outer(table[:, 0], table[:, 0]))
        sigma = 0.5 * (table[:, None, 1] + table[:, 1])
        for pair, values in (pairs or {}).items():
            if not set(pair) <= set(self.elements):
                raise DataError(f"the pair {pair} has an element that is none of the kinds {self.elements}")
            i, j = (self.elements.index(number) for number in pair)
            epsilon[i, j], sigma[i, j] = epsilon[j, i], sigma[j, i] = values
        self.epsilon, self.sigma = epsilon, sigma  # pyright: ignore[reportAttributeAccessIssue]
        self.cutoff, self.smooth = cutoff, smooth

    def check(self, system: System) -> None:
        """Raise UnsupportedError when the system has an element that is none of the kinds."""
        check_elements(
            system,
            self.elements,
            "there are Lennard-Jones parameters of",
            "add them, as kinds.{} = [epsilon, sigma]",
        )

    def pair_energies(
        self, squared: Float[Array, "n_atoms max_neighbors"], system: System | Batch, neighbors: Neighbors
    ) -> Float[Array, "n_atoms max_neighbors"]:
        places = np.zeros(LAST + 1, np.int32)
        places[list(self.elements)] = np.arange(len(self.elements))
        kind = jnp.asarray(places)[jnp.asarray(system.numbers)]
        pair = kind[:, None], kind[neighbors.index]
        return _lennard_jones(squared, jnp.asarray(self.epsilon)[pair], jnp.asarray(self.sigma)[pair])


class Morse(AbstractPairPotential):
    """D ((1 - exp(-a (r - r0)))^2 - 1) between all pairs, times a smooth envelope (Morse 1929,
    doi 10.1103/PhysRev.34.57); copper by default (Girifalco and Weizer 1959, doi 10.1103/PhysRev.114.687),
    and other elements with parameters of their own.

    Args:
        depth: D [eV]; by default that of copper, 0.3429.
        steepness: a [1/Å]; by default that of copper, 1.3588.
        distance: r0, where the energy is lowest [Å]; by default that of copper, 2.866.
        cutoff: [Å].
        smooth: multiply by the polynomial envelope; without it the energy jumps at the cut-off.

    Raises:
        ConfigError: a negative depth, or another parameter that is not positive.
    """

    depth: float
    steepness: float
    distance: float
    cutoff: float = eqx.field(static=True)
    smooth: bool = eqx.field(static=True)
    by_default: tuple[str, ...] = eqx.field(static=True, repr=False)

    def __init__(
        self,
        *,
        depth: Annotated[float | None, Unit("energy")] = None,
        steepness: float | None = None,
        distance: Annotated[float | None, Unit("length")] = None,
        cutoff: Annotated[float, Unit("length")] = 6.0,
        smooth: bool = True,
    ):
        values, self.by_default = _COPPER.completed(depth=depth, steepness=steepness, distance=distance)
        self.depth, self.steepness, self.distance = (values[n] for n in ("depth", "steepness", "distance"))
        _check_depth(depth=self.depth)
        _check_positive(distance=self.distance, cutoff=cutoff)
        if not self.steepness > 0:
            raise ConfigError(f"steepness must be positive, got {self.steepness} 1/Å")
        self.cutoff = cutoff
        self.smooth = smooth

    def pair_energies(
        self, squared: Float[Array, "n_atoms max_neighbors"], system: System | Batch, neighbors: Neighbors
    ) -> Float[Array, "n_atoms max_neighbors"]:
        decay = jnp.exp(-self.steepness * (jnp.sqrt(squared) - self.distance))
        return self.depth * decay * (decay - 2.0)

    def check(self, system: System) -> None:
        """Raise UnsupportedError for another element than copper with a parameter that is copper's by
        default."""
        _COPPER.check(system, self.by_default)


def _symbols(numbers: int | tuple[int, int]) -> str:
    each = numbers if isinstance(numbers, tuple) else (numbers,)
    return "-".join(ase.data.chemical_symbols[number] for number in each)


def _check_positive(**lengths: float) -> None:
    for name, length in lengths.items():
        if not length > 0:
            raise ConfigError(f"{name} must be a positive length, got {length} Å")


def _check_depth(**depths: float) -> None:
    for name, depth in depths.items():
        if depth < 0:
            raise ConfigError(f"{name} is the depth of the well and not negative, got {depth} eV")


def _lennard_jones(squared, epsilon, sigma):
    inverse6 = (sigma**2 / squared) ** 3
    return 4 * epsilon * inverse6 * (inverse6 - 1)
