"""Coulomb energy of point charges in a periodic cell: Ewald sums, and what they share with meshes."""

import abc
import logging
import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfc
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.base.units import COULOMB
from adiabat.potentials.potential import AbstractPotential
from adiabat.system import Batch, Neighbors, System, check_elements
from adiabat.system.system import LAST

logger = logging.getLogger(__name__)

# A smaller net charge [e] is one of charges that were rounded, and changes no energy that counts.
_NEUTRAL = 1e-3
# Of the series of cosine and sine up to an angle of pi / 8: what is left out is less than 1e-17.
_TERMS = 7
# By so much the vectors of the cell that waves or a mesh were chosen for may grow: what is left out grows
# from 1e-6 to 1e-5.
_GROWTH = 1.1


Cells = tuple[tuple[tuple[float, float, float], ...], ...]


class AbstractEwald(AbstractPotential):
    """The Coulomb energy of fixed charges and of all their periodic images, split into a short-ranged part
    over neighbors and a smooth part over waves; a subclass says how the smooth part is summed.

    E_i = k q_i / 2 (sum_j q_j erfc(a r_ij) / r_ij + smooth_i - 2 a q_i / sqrt(pi) - pi Q / (a^2 V)),
    with conducting surroundings, and a uniform background if the total charge Q is not zero (de Leeuw,
    Perram, Smith 1980, doi 10.1098/rspa.1980.0135).
    """

    charges: eqx.AbstractVar[Float[Array, " n"]]
    """[e], by atomic number or by atom."""
    by_element: eqx.AbstractVar[bool]
    accuracy: eqx.AbstractVar[float]
    screening: eqx.AbstractVar[float]
    """a [1/Å]"""
    cells: eqx.AbstractVar[Cells]
    """That it was made for; none as long as nobody has said."""

    @property
    def layers(self) -> int | None:
        return None

    @abc.abstractmethod
    def smooth_potential(
        self, system: System | Batch, charges: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        """Sum over all waves but the constant one, at each atom [e/Å]."""

    def check(self, system: System) -> None:
        """Raise UnsupportedError for a structure that is not periodic along all directions, an element
        without a charge, another number of atoms than there are charges, or a cell that has grown by more
        than a tenth from the one that was given. Of a net charge there is a warning, once."""
        if not system.is_periodic:
            raise UnsupportedError(
                f"{type(self).__name__} sums over periodic images, which the structure lacks in part",
                "use AllPairs for a molecule",
            )
        charges = np.asarray(self.charges)
        if self.by_element:
            known = np.flatnonzero(~np.isnan(charges[1:])) + 1
            check_elements(system, known.tolist(), "there are charges of")
        if not self.by_element and len(charges) != system.n_atoms:
            raise UnsupportedError(f"there are {len(charges)} charges for {system.n_atoms} atoms")
        of_atoms = charges[np.asarray(system.numbers)] if self.by_element else charges
        net = float(np.sum(of_atoms[np.asarray(system.mask)]))
        if abs(net) > _NEUTRAL:
            _warn_of_charge(round(net, 3))
        if self.cells and not self.covers(system):
            raise UnsupportedError(
                f"{type(self).__name__} was made for a cell with vectors of {np.round(self.lengths, 2)} Å; "
                f"those of this one have {np.round(lengths_of(system.cell), 2)} Å",
                "give `cell` the largest cell that it will see; at constant pressure, start anew from the "
                "last frame",
            )

    @property
    def lengths(self) -> np.ndarray:
        """The longest vectors of the cells [Å], shape (3,); zero as long as there are none."""
        return np.max([np.zeros(3), *(lengths_of(np.array(cell)) for cell in self.cells)], axis=0)

    def covers(self, system: System) -> bool:
        """Whether a cell is no more than a tenth longer than those that it was made for."""
        return bool((lengths_of(system.cell) <= _GROWTH * self.lengths).all())

    def for_systems(self, systems: Iterable[System]) -> "AbstractEwald":
        """The same, made for the cells of these structures beside those that it knows; itself if it is."""
        lacking = [system.cell for system in systems if system.is_periodic and not self.covers(system)]
        if not lacking:
            return self
        charges = np.asarray(self.charges)
        known = np.flatnonzero(~np.isnan(charges))
        return type(self)(
            charges=dict(zip(known.tolist(), charges[known], strict=True)) if self.by_element else charges,
            cell=np.array([*self.cells, *lacking]),  # pyright: ignore[reportCallIssue]
            cutoff=self.cutoff,
            accuracy=self.accuracy,
        )

    def _unprepared(self) -> NoReturn:
        raise UnsupportedError(
            f"{type(self).__name__} does not know the cell yet", "take potential.for_systems([system])"
        )

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        return self._coulomb(system, neighbors, self._atom_charges(system))

    def scaled_energies(
        self, system: System | Batch, neighbors: Neighbors, scales: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        return self._coulomb(system, neighbors, jnp.sqrt(scales) * self._atom_charges(system))

    def _coulomb(
        self, system: System | Batch, neighbors: Neighbors, charges: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        squared = neighbors.squared_distances(system.positions, system.atom_cells())
        near = neighbors.mask & (squared < self.cutoff**2)
        distances = jnp.sqrt(squared)
        pairs = charges[neighbors.index] * erfc(self.screening * distances) / distances
        potential = jnp.sum(jnp.where(near, pairs, 0.0), axis=1) + self.smooth_potential(system, charges)
        potential = potential - 2 * self.screening / math.sqrt(math.pi) * charges
        _, volumes = inverted(cells_of(system))
        excess = system.spread(system.sum_atoms(charges) / volumes)
        return 0.5 * COULOMB * charges * (potential - math.pi / self.screening**2 * excess)

    def _atom_charges(self, system: System | Batch) -> Float[Array, " n_atoms"]:
        charges = jnp.asarray(self.charges, system.positions.dtype)
        if not self.by_element:
            return jnp.where(system.mask, charges[system.numbering()], 0.0)
        return jnp.where(system.mask, jnp.nan_to_num(charges)[jnp.asarray(system.numbers)], 0.0)


class Ewald(AbstractEwald):
    """Coulomb energy by Ewald's sum over waves: exact to any accuracy, in time n_atoms^1.5.

    sum_k 4 pi / (V k^2) exp(-k^2 / 4 a^2) |sum_i q_i exp(i k r_i)|^2 / 2 (Ewald 1921,
    doi 10.1002/andp.19213690304). The waves are those of the cell given, whatever the cell
    of the structure, so that the energy is smooth as the cell changes.

    Args:
        charges: [e], by atomic number, or an array with one for each atom of the one structure it is for.
        cell: the largest cell it will see, rows are lattice vectors [Å], shape (3, 3), or several; by default
            those that `for_systems` tells it of.
        cutoff: of the sum over neighbors [Å].
        accuracy: what is left out of either sum, relative to the nearest neighbors; the energy jumps by as
            much where a pair crosses the cut-off.

    Raises:
        ConfigError: an accuracy not between 0 and 1, or a cut-off that is not positive.
        DataError: charges or a cell that are not finite, or a cell without volume.
    """

    charges: Float[Array, " n"]
    waves: Float[Array, "n_waves 3"] | None
    by_element: bool = eqx.field(static=True)
    accuracy: float = eqx.field(static=True)
    screening: float = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)
    cells: Cells = eqx.field(static=True)

    def __init__(
        self,
        *,
        charges: Mapping[int, float] | ArrayLike,
        cell: ArrayLike | None = None,
        cutoff: float = 9.0,
        accuracy: float = 1e-6,
    ):
        self.charges, self.by_element = charge_table(charges)
        self.cutoff, self.screening = split(cutoff, accuracy)
        self.accuracy, self.cells = float(accuracy), checked_cells(cell)
        shortest = 2 * self.screening * math.sqrt(-math.log(accuracy))  # of the waves left out [1/Å]
        waves = [wave_numbers(np.array(one), shortest).astype(np.float64) for one in self.cells]
        self.waves = np.unique(np.concatenate(waves), axis=0) if waves else None  # pyright: ignore[reportAttributeAccessIssue]

    def smooth_potential(
        self, system: System | Batch, charges: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        if self.waves is None:
            self._unprepared()
        return wave_potential(jnp.asarray(self.waves), system, charges, self.screening)


@cache
def _warn_of_charge(net: float) -> None:
    """Once in a process for each charge [e]: dynamics ask again whenever the cell has changed."""
    logger.warning(
        "the charges of a periodic cell add up to %+g e: a uniform background neutralizes it, with which "
        "energies and pressures depend on the size of the cell, and constant pressure gives a wrong volume; "
        "add ions of the opposite charge, or correct the charges, for a neutral one",
        net,
    )


def wave_numbers(cell: ArrayLike, shortest: float) -> np.ndarray:
    """How often the waves up to a length repeat along each lattice vector, whole numbers, shape (n_waves, 3):
    of a wave and its opposite, which give the same, the one whose first component is positive.

    Args:
        cell: rows are lattice vectors [Å], shape (3, 3).
        shortest: of the waves left out [1/Å].

    Raises:
        DataError: a cell that is not finite, or without volume.
    """
    box = checked_cell(cell)
    reach = np.floor(shortest * np.linalg.norm(box, axis=1) / (2 * math.pi)).astype(int)
    along = [np.arange(-most, most + 1) for most in reach]
    counts = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 3)
    length = np.linalg.norm(2 * math.pi * counts @ np.linalg.inv(box).T, axis=1)
    half = (counts @ np.array([1.0, 1e-4, 1e-8])) > 0
    return counts[half & (length <= shortest)]


def wave_potential(
    waves: Float[Array, "n_waves 3"],
    system: System | Batch,
    charges: Float[Array, " n_atoms"],
    screening: float,
) -> Float[Array, " n_atoms"]:
    """sum_k 4 pi / (V k^2) exp(-k^2 / 4 a^2) sum_j q_j cos(k (r_i - r_j)) at each atom [e/Å].

    Args:
        waves: from `wave_numbers`; each stands for its opposite, too.
        system: periodic structures; of others it means nothing.
        charges: [e], zero for padding.
        screening: a [1/Å].
    """
    inverse, volumes = inverted(cells_of(system))
    waves = waves.astype(charges.dtype)
    fractions = jnp.einsum("na,nab->nb", system.positions, system.spread(inverse))
    cosines, sines = cosines_and_sines(fractions @ waves.T)
    weights = smooth_weights(waves, inverse, volumes, screening).reshape(-1, len(waves))
    # Products of matrices: XLA would work out the cosines again for each sum over atoms or waves.
    own = _membership(system).astype(charges.dtype)
    real, imaginary = ((own * charges[:, None]).T @ waving for waving in (cosines, sines))
    potentials = cosines @ (weights * real).T + sines @ (weights * imaginary).T
    return 2 * jnp.sum(own * potentials, axis=1)


def _membership(system: System | Batch) -> Bool[Array, "n_atoms n_systems"]:
    """Which system each atom belongs to."""
    if isinstance(system, System):
        return jnp.ones((system.n_atoms, 1), bool)
    return system.system_index[:, None] == jnp.arange(system.n_systems)


@jax.custom_jvp
def cosines_and_sines(
    turns: Float[Array, "n_atoms n_waves"],
) -> tuple[Float[Array, "n_atoms n_waves"], Float[Array, "n_atoms n_waves"]]:
    """Of 2 pi times the argument, by the series of an eighth of the angle, to rounding in double precision.

    XLA's own take fifty nanoseconds each on a CPU; these vectorize.
    """
    angles = (2 * math.pi / 8) * (turns - jnp.round(turns))
    squares = angles * angles
    cosines, sines = jnp.ones_like(angles), jnp.ones_like(angles)
    for n in range(_TERMS, 0, -1):
        cosines = 1 - squares * cosines / ((2 * n - 1) * 2 * n)
        sines = 1 - squares * sines / (2 * n * (2 * n + 1))
    sines = angles * sines
    for _ in range(3):
        cosines, sines = 1 - 2 * sines * sines, 2 * sines * cosines
    return cosines, sines


@cosines_and_sines.defjvp
def _(primals, tangents):
    cosines, sines = cosines_and_sines(*primals)
    moved = 2 * math.pi * tangents[0]
    return (cosines, sines), (-sines * moved, cosines * moved)


def smooth_weights(
    counts: Float[Array, "*waves 3"],
    inverse: Float[Array, "*n_systems 3 3"],
    volumes: Float[Array, "*n_systems"],
    screening: float,
) -> Float[Array, "..."]:
    """4 pi / (V k^2) exp(-k^2 / 4 a^2) of waves k = 2 pi n inverse(cell)^T, zero for n = 0 [1/Å]."""
    waves = 2 * math.pi * jnp.einsum("...x,sax->s...a", counts, inverse.reshape(-1, 3, 3))
    squared = jnp.sum(waves**2, axis=-1).reshape(*volumes.shape, *counts.shape[:-1])
    constant = jnp.sum(counts**2, axis=-1) == 0
    safe = jnp.where(constant, 1.0, squared)
    volumes = jnp.expand_dims(volumes, tuple(range(volumes.ndim, squared.ndim)))
    return jnp.where(constant, 0.0, 4 * math.pi / (volumes * safe) * jnp.exp(-safe / (4 * screening**2)))


def cells_of(system: System | Batch) -> Float[Array, "*n_systems 3 3"]:
    """The cells [Å], with unit vectors where a structure of a batch does not repeat along all directions.

    Raises UnsupportedError for one structure that is not periodic along all three directions.
    """
    if isinstance(system, System) and not system.is_periodic:
        raise UnsupportedError(
            "a sum over periodic images needs a structure periodic along all directions",
            "use AllPairs for a molecule",
        )
    cells = jnp.asarray(system.cell)
    if isinstance(system, System):
        return cells
    return jnp.where(jnp.asarray(system.periodic)[:, None, None], cells, jnp.eye(3, dtype=cells.dtype))


def charge_table(charges: Mapping[int, float] | ArrayLike) -> tuple[Array, bool]:
    """Charges by atomic number (not a number where there is none), or by atom, and whether by number."""
    if isinstance(charges, Mapping):
        table = np.full(LAST + 1, np.nan)
        for number, charge in charges.items():
            table[number] = charge
        values = np.array(list(charges.values()), np.float64)
    else:
        table = values = np.array(charges, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise DataError(f"charges must be finite numbers, one for each element or atom, got {charges}")
    return table, isinstance(charges, Mapping)  # pyright: ignore[reportReturnType]


def split(cutoff: float, accuracy: float) -> tuple[float, float]:
    """The cut-off [Å] and the screening a [1/Å] that leaves beyond it what the accuracy allows."""
    if not 0 < accuracy < 1 or not cutoff > 0:
        raise ConfigError(f"expected a cut-off > 0 and 0 < accuracy < 1, got {cutoff} and {accuracy}")
    return float(cutoff), math.sqrt(-math.log(accuracy)) / float(cutoff)


def checked_cells(cell: ArrayLike | None) -> Cells:
    """No cell, one or several, as tuples of numbers; DataError for one without volume."""
    if cell is None:
        return ()
    given = np.asarray(cell, np.float64)
    found = [checked_cell(one) for one in (given if given.ndim == 3 else given[None])]
    return tuple(tuple(map(tuple, one.tolist())) for one in found)  # pyright: ignore[reportReturnType]


def lengths_of(cell: ArrayLike) -> tuple[float, ...]:
    """Of the vectors of a cell [Å]; DataError for one without volume."""
    return tuple(np.linalg.norm(checked_cell(cell), axis=1).tolist())


def checked_cell(cell: ArrayLike) -> np.ndarray:
    """A cell as a host array; DataError for one without volume."""
    box = np.asarray(cell, np.float64)
    if box.shape != (3, 3) or not np.isfinite(box).all() or abs(np.linalg.det(box)) < 1e-9:
        raise DataError(f"expected a cell of three lattice vectors not in one plane, got\n{box}")
    return box


def inverted(
    cells: Float[Array, "*n_systems 3 3"],
) -> tuple[Float[Array, "*n_systems 3 3"], Float[Array, "*n_systems"]]:
    """The inverse [1/Å] and the volume [Å^3] of cells, written out: XLA takes long to compile a factorization
    and its derivative."""
    normals = jnp.cross(jnp.roll(cells, -1, axis=-2), jnp.roll(cells, -2, axis=-2))
    volumes = jnp.sum(cells[..., 0, :] * normals[..., 0, :], axis=-1)
    return jnp.swapaxes(normals, -1, -2) / volumes[..., None, None], jnp.abs(volumes)
