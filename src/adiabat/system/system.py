"""One structure: atoms in a cell."""

from typing import TYPE_CHECKING, Any

import ase.data
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from adiabat.base import DataError, UnsupportedError

if TYPE_CHECKING:
    import ase

LAST = 118


class System(eqx.Module):
    """Atoms in a cell; a frozen pytree.

    Attributes:
        numbers: atomic numbers, shape (n_atoms,); 0 marks padding.
        positions: Cartesian coordinates [Å], shape (n_atoms, 3). They are not wrapped into the cell.
        cell: lattice vectors as rows [Å], shape (3, 3); zero rows where the system is not periodic.
        masses: [amu], shape (n_atoms,).
        mask: True for real atoms, shape (n_atoms,).
        pbc: along which lattice vectors the system repeats.
        charge: total charge [e].
        spin: number of unpaired electrons.
    """

    numbers: Int[Array, " n_atoms"]
    positions: Float[Array, "n_atoms 3"]
    cell: Float[Array, "3 3"]
    masses: Float[Array, " n_atoms"]
    mask: Bool[Array, " n_atoms"]
    pbc: tuple[bool, bool, bool] = eqx.field(static=True, default=(False, False, False))
    charge: int = eqx.field(static=True, default=0)
    spin: int = eqx.field(static=True, default=0)

    @classmethod
    def create(
        cls,
        numbers: Any,
        positions: Any,
        cell: Any = None,
        pbc: bool | tuple[bool, bool, bool] = False,
        masses: Any = None,
        charge: int = 0,
        spin: int = 0,
    ) -> "System":
        """A checked system of host (numpy) arrays.

        Args:
            numbers: atomic numbers, shape (n_atoms,).
            positions: [Å], shape (n_atoms, 3).
            cell: rows are lattice vectors [Å], shape (3, 3); needed along periodic directions.
            pbc: periodic or not, one value or one for each lattice vector.
            masses: [amu], shape (n_atoms,); the standard atomic weights by default.
            charge: total charge [e].
            spin: number of unpaired electrons.

        Raises:
            DataError: wrong shapes, values that are not finite, no atoms, or a periodic direction without
                extent.
            UnsupportedError: an atomic number outside 1 to 118.
        """
        numbers = np.asarray(numbers)
        positions = np.array(positions, dtype=np.float64)  # a copy: ase.Atoms move
        cell = np.zeros((3, 3)) if cell is None else np.array(cell, dtype=np.float64)
        periodic = (bool(pbc),) * 3 if isinstance(pbc, (bool, np.bool_)) else tuple(bool(p) for p in pbc)
        if numbers.ndim != 1 or numbers.shape[0] == 0:
            raise DataError(
                f"a structure needs at least one atom; its numbers have shape {numbers.shape}",
                "check that the file is complete and of the format its name says",
            )
        if positions.shape != (len(numbers), 3):
            raise DataError(f"positions have shape {positions.shape}, expected ({len(numbers)}, 3)")
        if not np.issubdtype(numbers.dtype, np.integer) or not 1 <= numbers.min() <= numbers.max() <= LAST:
            raise UnsupportedError(f"atomic numbers must be 1 to {LAST}, found {np.unique(numbers)}")
        if not np.isfinite(positions).all():
            atom = int(np.argwhere(~np.isfinite(positions))[0, 0])
            raise DataError(
                f"the position of atom {atom} is not finite: {positions[atom]}",
                "remove or mend this structure",
            )
        if cell.shape != (3, 3) or not np.isfinite(cell).all() or len(periodic) != 3:
            raise DataError(
                f"expected a cell of 3 x 3 finite numbers and three pbc flags, got {cell} and {pbc}"
            )
        if any(periodic):
            vectors = cell[list(periodic)]
            gram = np.linalg.det(vectors @ vectors.T)
            if gram <= 1e-6 * np.prod(np.sum(vectors**2, axis=1)) or gram <= 0:
                message = f"the periodic directions {periodic} need linearly independent lattice vectors"
                raise DataError(f"{message}, got\n{cell}")
        masses = ase.data.atomic_masses[numbers] if masses is None else np.asarray(masses, dtype=np.float64)
        if masses.shape != numbers.shape or not np.all(masses > 0):
            raise DataError("masses must be positive, one for each atom")
        return cls(
            numbers=numbers.astype(np.int32),  # pyright: ignore[reportArgumentType]
            positions=positions,  # pyright: ignore[reportArgumentType]
            cell=cell,  # pyright: ignore[reportArgumentType]
            masses=masses,  # pyright: ignore[reportArgumentType]
            mask=np.ones(len(numbers), dtype=bool),  # pyright: ignore[reportArgumentType]
            pbc=periodic,  # pyright: ignore[reportArgumentType]
            charge=int(charge),
            spin=int(spin),
        )

    @classmethod
    def from_ase(cls, atoms: "ase.Atoms") -> "System":
        """The system in an `ase.Atoms`; `atoms.info["charge"]` and `["spin"]` (unpaired electrons) are
        honored."""
        return cls.create(
            numbers=atoms.numbers,
            positions=atoms.positions,
            cell=atoms.cell.array,
            pbc=tuple(bool(p) for p in atoms.pbc),  # pyright: ignore[reportArgumentType]
            masses=atoms.get_masses(),
            charge=int(atoms.info.get("charge", 0)),
            spin=int(atoms.info.get("spin", 0)),
        )

    def to_ase(self) -> "ase.Atoms":
        """The same structure as `ase.Atoms`, without padding."""
        import ase

        real = np.asarray(self.mask)
        atoms = ase.Atoms(
            numbers=np.asarray(self.numbers)[real],
            positions=np.asarray(self.positions)[real],
            cell=np.asarray(self.cell),
            pbc=self.pbc,
            masses=np.asarray(self.masses)[real],
        )
        if self.charge:
            atoms.info["charge"] = self.charge
        if self.spin:
            atoms.info["spin"] = self.spin
        return atoms

    @property
    def n_atoms(self) -> int:
        """Number of atoms, padding included."""
        return self.numbers.shape[0]

    @property
    def is_periodic(self) -> bool:
        """True when the system repeats along all three directions, so that a stress is defined."""
        return all(self.pbc)

    @property
    def volume(self) -> Float[Array, ""]:
        """Volume of the cell [Å^3]; zero unless periodic along all three directions."""
        return jnp.abs(jnp.linalg.det(jnp.asarray(self.cell))) if self.is_periodic else jnp.zeros(())

    def moved(self, positions: Any) -> "System":
        """The same atoms at `positions` (n_atoms, 3) [Å].

        Raises:
            DataError: positions of another shape or not finite.
        """
        return type(self).create(
            self.numbers,
            positions,
            cell=self.cell,
            pbc=self.pbc,
            masses=self.masses,
            charge=self.charge,
            spin=self.spin,
        )

    def strained(self, strain: Float[Array, "3 3"]) -> "System":
        """The system with positions and cell mapped by x -> x (1 + strain)."""
        deformation = jnp.eye(3, dtype=strain.dtype) + strain
        positions = self.mapped(self.positions, deformation)
        return eqx.tree_at(lambda s: (s.positions, s.cell), self, (positions, self.cell @ deformation))

    def mapped(
        self, vectors: Float[Array, "n_atoms 3"], matrix: Float[Array, "3 3"]
    ) -> Float[Array, "n_atoms 3"]:
        """A vector of each atom times the matrix of its system."""
        return vectors @ matrix

    def atom_cells(self) -> Float[Array, "... 3 3"]:
        """The cell each atom lives in, broadcastable to (n_atoms, 3, 3)."""
        return jnp.asarray(self.cell)[None]

    def sum_atoms(self, values: Float[Array, "n_atoms ..."]) -> Float[Array, "..."]:
        """The sum over the atoms of each system."""
        real = jnp.expand_dims(self.mask, range(1, values.ndim))
        return jnp.sum(jnp.where(real, values, 0), axis=0)

    def numbering(self) -> Int[Array, " n_atoms"]:
        """The number of each atom within its system."""
        return jnp.arange(self.n_atoms)

    def numbered(self, numbers: Int[Array, "..."]) -> Int[Array, "..."]:
        """Where the atoms of these numbers are, which is what a number says."""
        return numbers

    def spread(self, values: Float[Array, "..."]) -> Float[Array, "n_atoms ..."]:
        """The value of its system for each atom."""
        return jnp.broadcast_to(values, (self.n_atoms, *values.shape))


def repeating_cell(cell: np.ndarray, pbc: tuple[bool, bool, bool]) -> np.ndarray | None:
    """Cells [Å] with rows of zeros along the directions that do not repeat; None where none does.

    Args:
        cell: rows are lattice vectors [Å], shape (..., 3, 3).
        pbc: along which of them the system repeats.
    """
    return np.where(np.asarray(pbc)[:, None], np.asarray(cell, np.float64), 0.0) if any(pbc) else None


def cell_heights(cell: np.ndarray) -> np.ndarray:
    """Distances between the opposite faces of a cell [Å], shape (3,).

    Args:
        cell: rows are lattice vectors [Å], shape (3, 3).

    Raises:
        DataError: the cell has no volume.
    """
    volume = abs(float(np.linalg.det(cell)))
    if volume < 1e-9:
        raise DataError("the cell has no volume", "give three lattice vectors that are not in one plane")
    return volume / np.linalg.norm(np.cross(np.roll(cell, -1, axis=0), np.roll(cell, -2, axis=0)), axis=1)
