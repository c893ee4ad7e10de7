"""Coulomb energy of charges spread as Gaussians, which may depend on where the atoms are."""

import math
from collections.abc import Iterable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf
from jaxtyping import Array, Float, Int

from adiabat.base import ConfigError, UnsupportedError
from adiabat.base.units import COULOMB
from adiabat.potentials.ewald import wave_numbers, wave_potential
from adiabat.system import Batch, System, gather

# Waves of smaller weights exp(-s^2 k^2 / 2) are left out: when they are chosen, and at the most once the
# cell has grown, by about a tenth of its lengths.
_CHOSEN, _ENOUGH = 1e-6, 1e-5
# Makes one whole number of the three of a wave.
_AS_ONE = np.array([2**40, 2**20, 1])


class GaussianCharges(eqx.Module):
    """The Coulomb energy between Gaussians of standard deviation s / sqrt(2) and all their periodic images,
    without what each has by itself.

    E_i = k q_i / 2 sum_j q_j erf(r_ij / (sqrt(2) s)) / r_ij for a molecule. For a periodic structure it is
    the part of Ewald's sum over waves (`Ewald`, a = 1 / (sqrt(2) s)) less k q_i^2 / (sqrt(2 pi) s), with
    conducting surroundings and a uniform background if the charges do not add up to zero. It has no
    singularity where atoms meet, and at distances of a few widths it is that of point charges (Cheng 2025,
    doi 10.1038/s41524-025-01577-7).

    The waves are those of the cells that `for_systems` was told of: the energy is smooth as a cell changes,
    and right until its lengths have grown by a tenth.

    Args:
        width: s [Å].
        waves: what is summed over, as from `wave_numbers`; None before there was a periodic structure.
        largest: atoms of the largest molecule in a batch; None as long as nobody has said.

    Raises:
        ConfigError: a width that is not positive.
    """

    waves: Int[Array, "n_waves 3"] | None
    width: float = eqx.field(static=True)
    largest: int | None = eqx.field(static=True)

    def __init__(self, *, width: float = 1.5, waves: np.ndarray | None = None, largest: int | None = None):
        if not (width > 0 and math.isfinite(width)):
            raise ConfigError(f"the width of a charge is a positive length, got {width}")
        self.width, self.largest = float(width), largest
        self.waves = waves  # pyright: ignore[reportAttributeAccessIssue]

    def for_systems(self, systems: Iterable[System]) -> "GaussianCharges":
        """The same, ready for these structures beside those it was ready for; itself if it is."""
        largest, cells = self.largest or 0, {}
        for system in systems:
            if system.is_periodic:
                cells[np.asarray(system.cell).tobytes()] = np.asarray(system.cell)
            else:
                largest = max(largest, system.n_atoms)
        lacking = [cell for cell in cells.values() if not self.covers(cell)]
        if not lacking and largest == (self.largest or 0):
            return self
        waves = None if self.waves is None else np.asarray(self.waves)
        if lacking:
            made = [wave_numbers(cell, self._shortest(_CHOSEN)) for cell in lacking]
            known = made if waves is None else [waves, *made]
            waves = np.unique(np.concatenate(known).astype(np.int32), axis=0)
        return GaussianCharges(width=self.width, waves=waves, largest=largest or None)

    def covers(self, cell: np.ndarray) -> bool:
        """Whether the waves are enough for a cell [Å], shape (3, 3)."""
        if self.waves is None:
            return False
        needed = wave_numbers(cell, self._shortest(_ENOUGH))
        return bool(np.isin(needed @ _AS_ONE, np.asarray(self.waves, np.int64) @ _AS_ONE).all())

    def check(self, system: System) -> None:
        """Raise UnsupportedError for a structure that repeats along some directions only, or one whose cell
        has outgrown the waves."""
        if any(system.pbc) and not system.is_periodic:
            raise UnsupportedError(
                "charges act along all directions or none; the structure repeats along some of them",
                "give a slab a cell with vacuum, and pbc along all three directions",
            )
        if system.is_periodic and self.waves is not None and not self.covers(np.asarray(system.cell)):
            raise UnsupportedError(
                "the cell has grown by more than a tenth since the waves of the charges' energy were chosen:"
                f" its volume is {abs(np.linalg.det(np.asarray(system.cell))):.0f} Å^3",
                "start anew from the last frame: the waves are chosen for the cell at the start",
            )

    def energies(self, system: System | Batch, charges: Float[Array, " n_atoms"]) -> Float[Array, " n_atoms"]:
        """Half the energy of each atom with all others [eV].

        Args:
            system: one structure or a batch, which may have molecules beside periodic structures.
            charges: [e]; those of padding do not matter.

        Raises:
            UnsupportedError: a periodic structure, before `for_systems` was called for it.
        """
        charges = jnp.where(system.mask, charges, 0.0)
        return 0.5 * COULOMB * charges * self._potential(system, charges)

    def _potential(
        self, system: System | Batch, charges: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        if isinstance(system, System) or system.pbc is not None:
            if not any(system.pbc or ()):
                return self._of_pairs(system, charges)
            return self._of_waves(system, charges)
        of_pairs = self._of_pairs(system, charges)
        # Nobody is to take a periodic structure for a molecule.
        unknown = jnp.full_like(of_pairs, jnp.nan)
        of_waves = unknown if self.waves is None else self._of_waves(system, charges)
        return jnp.where(system.spread(jnp.asarray(system.periodic)), of_waves, of_pairs)

    def _of_waves(
        self, system: System | Batch, charges: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        if self.waves is None:
            raise UnsupportedError(
                "the charges' energy has no waves for a periodic structure yet",
                "take potential.for_systems([system])",
            )
        smooth = wave_potential(jnp.asarray(self.waves), system, charges, self._screening)
        return smooth - 2 * self._screening / math.sqrt(math.pi) * charges

    def _of_pairs(
        self, system: System | Batch, charges: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        real, index, reverse = _pairs(system, self.largest)
        vectors = gather(jnp.asarray(system.positions), index, reverse) - system.positions[:, None]
        # Where there is no pair, the distance is there lest the derivative divide by zero.
        distances = jnp.sqrt(jnp.where(real, jnp.sum(vectors**2, axis=-1), 1.0))
        partners = gather(charges, index, reverse)
        return jnp.sum(jnp.where(real, partners * erf(self._screening * distances) / distances, 0.0), axis=1)

    @property
    def _screening(self) -> float:
        return 1 / (math.sqrt(2) * self.width)

    def _shortest(self, weight: float) -> float:
        """The length of the waves that have a weight [1/Å]."""
        return math.sqrt(-2 * math.log(weight)) / self.width


def _pairs(system: System | Batch, largest: int | None) -> tuple[Array, Array, Array]:
    """All pairs of each structure as a neighbor list: which entries are real, whom they point to, and where
    the entry is that points back; shape (n_atoms, columns)."""
    columns = system.n_atoms if isinstance(system, System) or largest is None else largest
    atoms, number = jnp.arange(system.n_atoms)[:, None], system.numbering()[:, None]
    count = system.spread(system.sum_atoms(jnp.ones(system.n_atoms, jnp.int32)))[:, None]
    column = jnp.arange(columns)
    real = (column < count) & (column != number) & jnp.asarray(system.mask)[:, None]
    index = jnp.where(real, atoms - number + column, atoms)
    reverse = jnp.where(real, index * columns + number, atoms * columns + column)
    return real, index, reverse
