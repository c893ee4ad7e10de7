"""Writing structures as extended XYZ with every digit."""

import itertools
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import ase.data
import numpy as np

from adiabat.base import DataError
from adiabat.base.files import atomic_path
from adiabat.io.comment_line import format_entry, format_numbers
from adiabat.system import System


def write_extxyz(
    path: str | os.PathLike,
    systems: Iterable[System],
    results: Iterable[Mapping[str, Any]] | None = None,
    info: Iterable[Mapping[str, Any]] | None = None,
) -> None:
    """Writes structures, and what is known of them, as extended XYZ; every number keeps all its digits.

    The file appears when it is complete. Charge and spin are written where they are not zero, masses where
    they are not the standard ones.

    Args:
        path: the file; replaced if it exists.
        systems: the structures.
        results: for each structure its results by name, as `energy` [eV], `forces` [eV/Å] (n_atoms, 3),
            `stress` [eV/Å^3] (3, 3), `dipole` [e Å] (3,), or any other; an array with one row for each atom
            becomes columns, anything else stands in the comment line. `None` values are left out.
        info: for each structure more entries of the comment line.

    Raises:
        DataError: a value that the format cannot hold, a name given twice, the disk is full.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as handle:
        triplets = zip(systems, results or itertools.repeat({}), info or itertools.repeat({}), strict=False)
        for system, values, extra in triplets:
            handle.write(_format_frame(system, values, extra))


def _format_frame(system: System, results: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    real = np.asarray(system.mask)
    numbers = np.asarray(system.numbers)[real]
    masses = np.asarray(system.masses)[real]
    columns: dict[str, np.ndarray] = {"species": np.array(ase.data.chemical_symbols)[numbers]}
    columns["pos"] = np.asarray(system.positions)[real]
    if not np.array_equal(masses, ase.data.atomic_masses[numbers]):
        columns["masses"] = masses
    entries: dict[str, Any] = {}
    for name, value in results.items():
        if value is None:
            continue
        array = np.asarray(value)
        # With three atoms a stress looks like three columns: its name decides.
        if array.ndim in (1, 2) and len(array) == len(real) and name not in ("stress", "virial", "dipole"):
            columns[name] = array[real]
        else:
            entries[name] = value if isinstance(value, str) else array
    state = {key: value for key, value in (("charge", system.charge), ("spin", system.spin)) if value}
    for key, value in itertools.chain(state.items(), info.items()):
        if key in entries or key in columns or key in ("Lattice", "Properties", "pbc"):
            raise DataError(f"cannot write {key!r} twice in one frame")
        entries[key] = value
    cell = np.asarray(system.cell)
    head = [f'Lattice="{format_numbers(cell)}"'] if cell.any() else []
    head.append("Properties=" + ":".join(_describe_column(name, values) for name, values in columns.items()))
    head += [format_entry(key, value) for key, value in entries.items()]
    head.append('pbc="{} {} {}"'.format(*("T" if periodic else "F" for periodic in system.pbc)))
    rows = zip(*(_format_column(values) for values in columns.values()), strict=True)
    return f"{len(numbers)}\n{' '.join(head)}\n" + "".join(" ".join(row) + "\n" for row in rows)


def _describe_column(name: str, values: np.ndarray) -> str:
    kind = {"f": "R", "i": "I", "u": "I", "U": "S", "b": "L"}.get(values.dtype.kind)
    if kind is None or not re.fullmatch(r"[^\s:=\"']+", name):
        raise DataError(f"cannot write a column {name!r} of {values.dtype}")
    return f"{name}:{kind}:{1 if values.ndim == 1 else values.shape[1]}"


def _format_column(values: np.ndarray) -> list[str]:
    if values.dtype.kind == "U":
        return values.tolist()
    if values.dtype.kind == "b":
        values = np.where(values, "T", "F")
        return [" ".join(row) for row in values.reshape(len(values), -1).tolist()]
    return [" ".join(map(repr, row)) for row in values.reshape(len(values), -1).tolist()]
