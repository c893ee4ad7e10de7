"""HDF5 files with a group for each molecule and its conformers in it: SPICE, ANI-1x, and files like these.

SPICE: doi:10.1038/s41597-022-01882-6. ANI-1x: doi:10.1038/s41597-020-0473-z.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from adiabat.base import DataError
from adiabat.base.progress import progress
from adiabat.io.frame import Frame, make_frame
from adiabat.io.hdf5 import damage, numbers_at, own
from adiabat.io.npz import ENERGY_UNITS, LENGTH_UNITS
from adiabat.io.stored import StoredFrames
from adiabat.system import about_center_of_mass

_KIND = "file of conformers"
_NUMBERS = "atomic_numbers"
MAX_SMILES = 10_000
CHARGE_UNITS = ("e", "elementary_charge")


@dataclass(frozen=True)
class Layout:
    """The names and units of a kind of file.

    Attributes:
        positions: dataset of the coordinates, shape (n_conformers, n_atoms, 3).
        energy: names of that of the energies, the first one found is taken; shape (n_conformers,).
        forces: likewise for the forces or the gradient; shape (n_conformers, n_atoms, 3).
        dipole: likewise for the dipoles, about the origin of the coordinates; shape (n_conformers, 3).
        length: unit of the coordinates, where the file does not state it.
        sign: -1 where `forces` is the gradient.
    """

    positions: str
    energy: tuple[str, ...]
    forces: tuple[str, ...]
    dipole: tuple[str, ...]
    length: str
    sign: int

    def units(self) -> dict[str, str]:
        """By dataset, where the file does not state them."""
        return {
            self.positions: self.length,
            **dict.fromkeys(self.energy, "hartree"),
            **dict.fromkeys(self.forces, f"hartree/{self.length}"),
            **dict.fromkeys(self.dipole, f"e*{self.length}"),
        }


LAYOUTS = {
    "SPICE": Layout(
        "conformations", ("dft_total_energy",), ("dft_total_gradient",), ("scf_dipole",), "bohr", -1
    ),
    "ANI-1x": Layout(
        "coordinates",
        ("wb97x_dz.energy", "energy"),
        ("wb97x_dz.forces", "forces"),
        ("wb97x_dz.dipole", "dipole"),
        "angstrom",
        1,
    ),
}


@dataclass(frozen=True)
class _Molecule:
    """What the conformers of a group share; factors to eV and Å by dataset."""

    name: str
    numbers: np.ndarray
    charge: int
    factors: Mapping[str, float]


class ConformerFrames(StoredFrames):
    """The frames in a file of one of `LAYOUTS`; those without an energy are left out.

    Args:
        file: opened for reading.
        path: where it is.
        layout: of the file.

    Raises:
        DataError: damaged, datasets of shapes that do not fit together, an unknown unit.
    """

    sparse = True

    def __init__(self, file: h5py.File, path: Path, layout: Layout):
        self.source, self._file, self._layout = str(path), file, layout
        self._molecules: list[_Molecule] = []
        of, rows, energies = [], [], []
        with damage(path, _KIND), progress(f"looking through {path.name}", len(file), "molecules") as bar:
            for name in map(str, file):
                molecule, found = self._look_at(name)
                known = np.flatnonzero(~np.isnan(found))
                of.append(np.full(len(known), len(self._molecules), np.int32))
                rows.append(known.astype(np.int32))
                energies.append(found[known])
                self._molecules.append(molecule)
                bar.advance()
        self._of, self._rows = np.concatenate(of), np.concatenate(rows)
        self._energies = np.concatenate(energies)
        sizes = np.array([len(molecule.numbers) for molecule in self._molecules], np.int32)
        self.n_atoms = sizes[self._of]
        known = {name for molecule in self._molecules for name in molecule.factors}
        others = {"forces": layout.forces, "dipole": layout.dipole}
        self.labels = ("energy", *(label for label, names in others.items() if known.intersection(names)))

    def read(self, start: int, stop: int) -> list[Frame]:
        frames: list[Frame] = []
        while start < stop:
            molecule = self._molecules[self._of[start]]
            end = min(stop, int(np.searchsorted(self._of, self._of[start], side="right")))
            frames += self._read(molecule, start, end)
            start = end
        return frames

    def _read(self, molecule: _Molecule, start: int, stop: int) -> list[Frame]:
        """Some conformers of one molecule."""
        rows = self._rows[start:stop]
        first, last = int(rows[0]), int(rows[-1]) + 1
        names = list(molecule.factors)
        with damage(self.source, _KIND):
            group = self._file[molecule.name]
            values = {
                name: group[name][first:last][rows - first].astype(np.float64) * molecule.factors[name]  # pyright: ignore
                for name in names
            }

        def known(names: tuple[str, ...], k: int) -> np.ndarray | None:
            """The label of a conformer under one of these names, if it has one."""
            found = (values[name][k] for name in names if name in values)
            return next((value for value in found if not np.isnan(value).all()), None)

        frames = []
        for k, index in enumerate(range(start, stop)):
            forces, dipole = known(self._layout.forces, k), known(self._layout.dipole, k)
            frame = make_frame(
                molecule.numbers,
                values[self._layout.positions][k],
                info={
                    "name": molecule.name,
                    "energy": float(self._energies[index]),
                    **({"charge": molecule.charge} if molecule.charge else {}),
                },
                arrays={} if forces is None else {"forces": self._layout.sign * forces},
                source=self.source,
                index=index,
            )
            if dipole is not None:
                frame.info["dipole"] = about_center_of_mass(dipole, frame.system)
            frames.append(frame)
        return frames

    def _look_at(self, name: str) -> tuple[_Molecule, np.ndarray]:
        """A group, its shapes and units checked, and the energies of its conformers [eV], NaN for unknown."""
        group, layout = own(self._file, name, h5py.Group), self._layout
        numbers = numbers_at(group, _NUMBERS, (None,))
        positions = numbers_at(group, layout.positions, (None, len(numbers), 3))
        shapes = {layout.positions: positions.shape}
        for names, shape in (
            (layout.energy, positions.shape[:1]),
            (layout.forces, positions.shape),
            (layout.dipole, (len(positions), 3)),
        ):
            shapes |= dict.fromkeys([n for n in names if n in group][:1], shape)
        if numbers.dtype.kind not in "iu" or not any(found in layout.energy for found in shapes):
            raise ValueError(f"{name} has no {' or '.join(layout.energy)}")
        factors, energies = {}, np.zeros(0)
        for found, shape in shapes.items():
            dataset = numbers_at(group, found, shape)
            factors[found] = _factor(dataset, layout.units()[found], f"{self.source}: {name}/{found}")
            if found in layout.energy:
                energies = dataset[()].astype(np.float64) * factors.pop(found)
        return _Molecule(name, numbers[()].astype(np.int64), _charge(group), factors), energies


def find_layout(file: h5py.File) -> Layout | None:
    """The layout that the first group of a file has, if any."""
    for name in file:
        group = file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
        if isinstance(group, h5py.Group) and _NUMBERS in group:
            return next((layout for layout in LAYOUTS.values() if layout.positions in group), None)
        break
    return None


def _factor(dataset: h5py.Dataset, unit: str, where: str) -> float:
    """From the unit that the dataset states, or else `unit`, to eV, Å and e.

    Raises:
        DataError: a unit nobody knows.
    """
    stated = dataset.attrs.get("units", unit)
    charge, product, length = str(stated).lower().replace(" ", "").partition("*")
    if product and charge in CHARGE_UNITS and length in LENGTH_UNITS:
        return LENGTH_UNITS[length]
    energy, _, length = str(stated).lower().partition("/")
    if not length and energy in LENGTH_UNITS:
        return LENGTH_UNITS[energy]
    if energy in ENERGY_UNITS and (not length or length in LENGTH_UNITS):
        return ENERGY_UNITS[energy] / (LENGTH_UNITS[length] if length else 1.0)
    raise DataError(f"{where}: is in {str(stated)[:40]!r}, which is no known unit", f"expected {unit}")


def _charge(group: h5py.Group) -> int:
    """The sum of the formal charges in the molecule's SMILES, which SPICE has; zero without."""
    if not isinstance(group.get("smiles", getlink=True), h5py.HardLink):
        return 0
    dataset: Any = own(group, "smiles", h5py.Dataset)
    if dataset.size != 1 or h5py.check_string_dtype(dataset.dtype) is None:
        return 0
    value = dataset[()]
    text = value.item() if isinstance(value, np.ndarray) else value
    smiles = (text.decode(errors="replace") if isinstance(text, bytes) else str(text))[:MAX_SMILES]
    signs = re.findall(r"\[[^\[\]]*?([+-]+)(\d*)(?::\d+)?\]", smiles)
    return sum((1 if sign[0] == "+" else -1) * (int(count) if count else len(sign)) for sign, count in signs)
