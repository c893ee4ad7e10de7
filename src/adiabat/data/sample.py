"""A structure with what quantum mechanics says about it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base import DataError
from adiabat.io.frame import location, make_frame
from adiabat.system import System

if TYPE_CHECKING:
    import ase


@dataclass(frozen=True, eq=False)
class Sample:
    """One structure with its labels, and where they came from. Host (numpy) values in float64.

    Attributes:
        system: the structure.
        energy: total energy [eV], None when not known.
        forces: [eV/Å], shape (n_atoms, 3), None when not known.
        stress: [eV/Å^3], shape (3, 3), symmetric, positive under tension as in ASE; None when not known.
        info: what else the file says about the structure.
        source: the file, or the method that made the labels.
        frame: number of the frame in its file.
        dipole: of a molecule, about its center of mass [e Å], shape (3,); None when not known.
        charges: of the atoms [e], shape (n_atoms,), as a model gave them; nothing is fitted to them.
    """

    system: System
    energy: float | None = None
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None
    info: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    frame: int = 0
    dipole: np.ndarray | None = None
    charges: np.ndarray | None = None

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return self.system.n_atoms

    @property
    def where(self) -> str:
        """The file and frame, for messages."""
        return location(self.source, self.frame)

    def to_atoms(self) -> "ase.Atoms":
        """The structure as `ase.Atoms`, its labels as results of a calculator, `info` included."""
        from ase.calculators.singlepoint import SinglePointCalculator
        from ase.stress import full_3x3_to_voigt_6_stress

        atoms = self.system.to_ase()
        atoms.info.update(self.info)
        stress = None if self.stress is None else full_3x3_to_voigt_6_stress(self.stress)
        results = {"energy": self.energy, "forces": self.forces, "stress": stress, "dipole": self.dipole}
        results["charges"] = self.charges
        known = {name: value for name, value in results.items() if value is not None}
        if known:
            atoms.calc = SinglePointCalculator(atoms, **known)
        return atoms

    @classmethod
    def from_atoms(cls, atoms: "ase.Atoms", source: str = "", frame: int = 0) -> "Sample":
        """The sample in an `ase.Atoms`: its structure, and the results its calculator already holds.

        Nothing is computed. `atoms.info` gives the charge and the spin, as in a file.

        Raises:
            DataError: an invalid structure, labels that are not finite or have the wrong shape.
        """
        made = make_frame(
            atoms.numbers,
            atoms.positions,
            cell=atoms.cell.array,
            pbc=tuple(bool(periodic) for periodic in atoms.pbc),
            masses=atoms.get_masses(),
            info=dict(atoms.info),
            source=source,
            index=frame,
        )
        results = atoms.calc.results if atoms.calc is not None else {}
        return cls(
            system=made.system,
            energy=checked_energy(results.get("energy"), made.where),
            forces=checked_forces(results.get("forces"), made.system.n_atoms, made.where),
            stress=checked_stress(results.get("stress"), made.where),
            dipole=None if any(made.system.pbc) else checked_dipole(results.get("dipole"), made.where),
            info=made.info,
            source=source,
            frame=frame,
        )


def checked_energy(value: Any, where: str) -> float | None:
    """One finite number, or a DataError that names `where`."""
    if value is None:
        return None
    number = _numbers(value, where, "energy")
    if number.size != 1:
        raise DataError(f"{where}: the energy has shape {number.shape}, expected one number")
    return float(number.reshape(()))


def checked_forces(value: Any, n_atoms: int, where: str) -> np.ndarray | None:
    """Finite forces of shape (n_atoms, 3), or a DataError that names `where`."""
    if value is None:
        return None
    forces = _numbers(value, where, "forces")
    if forces.shape != (n_atoms, 3):
        raise DataError(f"{where}: the forces have shape {forces.shape}, expected ({n_atoms}, 3)")
    return forces


def checked_stress(value: Any, where: str) -> np.ndarray | None:
    """A symmetric (3, 3) stress from 3 x 3, 9 or 6 (Voigt: xx yy zz yz xz xy) numbers.

    Raises:
        DataError: another shape, values that are not finite, or a tensor that is far from symmetric.
    """
    if value is None:
        return None
    stress = _numbers(value, where, "stress")
    if stress.shape == (6,):
        xx, yy, zz, yz, xz, xy = stress
        stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if stress.size != 9:
        raise DataError(f"{where}: the stress has shape {stress.shape}, expected 3 x 3, 9 or 6 numbers")
    stress = stress.reshape(3, 3)
    if np.abs(stress - stress.T).max() > 0.05 * np.abs(stress).max() + 1e-6:
        raise DataError(f"{where}: the stress is not symmetric: {stress.tolist()}")
    return (stress + stress.T) / 2


def checked_dipole(value: Any, where: str) -> np.ndarray | None:
    """A finite dipole of shape (3,), or a DataError that names `where`."""
    if value is None:
        return None
    dipole = _numbers(value, where, "dipole")
    if dipole.shape != (3,):
        raise DataError(
            f"{where}: the dipole has shape {dipole.shape}, expected x, y and z [e Å]",
            'leave dipoles out with the key "none"',
        )
    return dipole


def _numbers(value: Any, where: str, name: str) -> np.ndarray:
    try:
        numbers = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{where}: the {name} is no table of numbers") from error
    if numbers.dtype.kind not in "fiu":
        raise DataError(f"{where}: the {name} is not a number: {str(value)[:60]!r}")
    numbers = numbers.astype(np.float64)
    if not np.isfinite(numbers).all():
        n_bad = np.count_nonzero(~np.isfinite(numbers))
        raise DataError(
            f"{where}: {n_bad} of {numbers.size} values of the {name} are not finite",
            "the calculation of this frame failed; remove the frame",
        )
    return numbers
