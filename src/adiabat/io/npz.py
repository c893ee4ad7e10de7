"""MD17-style `.npz` files: one molecule, many geometries, in kcal/mol unless the file says otherwise."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import DataError
from adiabat.base.units import BOHR, HARTREE, KCAL_PER_MOL, KJ_PER_MOL
from adiabat.io.arrays import NpzFile, as_numbers
from adiabat.io.frame import Frame, make_frame

# rMD17 (10.24435/materialscloud:wy-kn), then the sGDML distribution of MD17.
NAMES = {
    "numbers": ("nuclear_charges", "z", "numbers", "atomic_numbers"),
    "positions": ("coords", "R", "positions", "coordinates"),
    "energies": ("energies", "E", "energy"),
    "forces": ("forces", "F"),
    "cells": ("cells", "cell", "lattice"),
}
ENERGY_UNITS = {
    "kcal/mol": KCAL_PER_MOL,
    "kj/mol": KJ_PER_MOL,
    "ev": 1.0,
    "hartree": HARTREE,
    "ha": HARTREE,
    "mev": 1e-3,
}
LENGTH_UNITS = {"ang": 1.0, "angstrom": 1.0, "a": 1.0, "å": 1.0, "bohr": BOHR, "au": BOHR, "nm": 10.0}
UNIT_NAMES = {"energy": ("e_unit", "energy_unit"), "length": ("r_unit", "length_unit")}


def iterate_npz(path: Path) -> Iterator[Frame]:
    """The frames of an rMD17 or sGDML file, in eV and Å; `info["units"]` says what they were converted from.

    Raises:
        DataError: damaged, pickled or too large; arrays missing or of shapes that do not fit together.
    """
    file = NpzFile(path)
    values = _load(file)
    positions = as_numbers(values["positions"], (None, None, 3), f"{path}: coordinates")
    n_frames, n_atoms, _ = positions.shape
    if n_frames == 0:
        raise DataError(f"{path}: holds no structure")
    numbers = _numbers(values["numbers"], n_frames, n_atoms, path)
    energy_unit, energy_factor = _unit(file, "energy", ENERGY_UNITS, "kcal/mol")
    length_unit, length_factor = _unit(file, "length", LENGTH_UNITS, "Ang")
    positions = positions * length_factor
    energies = forces = cells = None
    if "energies" in values:
        flat = values["energies"]
        flat = flat.reshape(-1) if flat.size == n_frames else flat
        energies = as_numbers(flat, (n_frames,), f"{path}: energies") * energy_factor
    if "forces" in values:
        shape = (n_frames, n_atoms, 3)
        forces = as_numbers(values["forces"], shape, f"{path}: forces") * (energy_factor / length_factor)
    if "cells" in values:
        cells = (
            np.broadcast_to(
                as_numbers(values["cells"], (None,) * values["cells"].ndim, f"{path}: cells"),
                (n_frames, 3, 3),
            )
            * length_factor
        )
    stated = f"{energy_unit}, {length_unit}; converted to eV, Å"
    for index in range(n_frames):
        real = numbers[index] > 0
        info: dict[str, Any] = {"units": stated}
        if energies is not None:
            info["energy"] = float(energies[index])
        yield make_frame(
            numbers[index][real],
            positions[index][real],
            cell=None if cells is None else cells[index],
            pbc=cells is not None,
            info=info,
            arrays={} if forces is None else {"forces": forces[index][real]},
            source=path,
            index=index,
        )


def _load(file: NpzFile) -> dict[str, np.ndarray]:
    chosen = {role: next((name for name in names if name in file), None) for role, names in NAMES.items()}
    for role in ("numbers", "positions"):
        if chosen[role] is None:
            raise DataError(
                f"{file.path}: no {role} among its arrays ({', '.join(file.names) or 'none'})",
                "rMD17 files hold nuclear_charges, coords, energies, forces; sGDML files z, R, E, F",
            )
    return {role: file[name] for role, name in chosen.items() if name is not None}


def _numbers(values: np.ndarray, n_frames: int, n_atoms: int, path: Path) -> np.ndarray:
    """Atomic numbers (n_frames, n_atoms); zeros are padding."""
    if values.dtype.kind not in "iu" or values.shape not in ((n_atoms,), (n_frames, n_atoms)):
        raise DataError(
            f"{path}: atomic numbers of shape {values.shape} and {values.dtype} do not fit {n_atoms} atoms"
        )
    return np.broadcast_to(values.astype(np.int64), (n_frames, n_atoms))


def _unit(file: NpzFile, kind: str, factors: dict[str, float], default: str) -> tuple[str, float]:
    """The unit the file states, or the one of MD17, with its factor."""
    name = next((name for name in UNIT_NAMES[kind] if name in file), None)
    if name is None:
        return default, factors[default.lower()]
    value = file[name]
    text = value.item() if value.size == 1 else None
    unit = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    if unit.lower() not in factors:
        raise DataError(f"{file.path}: {name} is {unit[:40]!r}, expected one of {', '.join(factors)}")
    return unit, factors[unit.lower()]
