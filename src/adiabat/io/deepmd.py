"""DeePMD-kit's npy folders: `type.raw`, `type_map.raw` and `set.*` folders; also its mixed-type layout."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import DataError
from adiabat.io.arrays import as_numbers, load_npy
from adiabat.io.frame import Frame, make_frame

MAX_TYPE_FILE = 2**26
MAX_SYSTEMS = 100_000


def iterate_deepmd(folder: Path) -> Iterator[Frame]:
    """The frames of a system folder, or of all system folders below a folder, in the order of their names.

    Energies are in eV, forces in eV/Å, `virial` in eV, as DeePMD-kit has them. A system without `box.npy`, or
    with a file `nopbc`, is not periodic.

    Raises:
        DataError: no system there, a file missing or damaged, shapes that do not fit together.
    """
    for system in _system_folders(folder):
        yield from _iterate_system(system)


def _system_folders(folder: Path) -> list[Path]:
    if (folder / "type.raw").is_file():
        return [folder]
    below = sorted(path.parent for path in folder.rglob("type.raw"))[:MAX_SYSTEMS]
    if below:
        return below
    if any(folder.glob("set.*")):
        raise DataError(
            f"{folder}: has sets but no type.raw", "type.raw lists the type of each atom, one a line"
        )
    raise DataError(
        f"{folder}: is a folder without a DeePMD system (type.raw, set.000/coord.npy)", "give a file"
    )


def _iterate_system(folder: Path) -> Iterator[Frame]:
    types = _words(folder / "type.raw")
    if not types or not all(re.fullmatch(r"\d{1,4}", word) for word in types):
        raise DataError(f"{folder / 'type.raw'}: expected whole numbers, one for each atom")
    type_indices = np.array([int(word) for word in types])
    elements = _elements(folder)
    sets = sorted(path for path in folder.glob("set.*") if path.is_dir())
    if not sets:
        raise DataError(f"{folder}: has no set.000 folder")
    index = 0
    for path in sets:
        for numbers, positions, cell, info, arrays in _iterate_set(path, type_indices, elements, folder):
            yield make_frame(
                numbers,
                positions,
                cell=cell,
                pbc=cell is not None,
                info=info,
                arrays=arrays,
                source=folder,
                index=index,
            )
            index += 1


def _iterate_set(path: Path, types: np.ndarray, elements: np.ndarray, folder: Path) -> Iterator[tuple]:
    n_atoms = len(types)
    coordinates = as_numbers(
        load_npy(_required(path / "coord.npy")), (None, 3 * n_atoms), str(path / "coord.npy")
    )
    n_frames = len(coordinates)
    boxes = _optional(path / "box.npy", (n_frames, 9)) if not (folder / "nopbc").exists() else None
    energies = _optional(path / "energy.npy", (n_frames,))
    forces = _optional(path / "force.npy", (n_frames, 3 * n_atoms))
    virials = _optional(path / "virial.npy", (n_frames, 9))
    mixed = path / "real_atom_types.npy"
    all_types = (
        _mixed_types(mixed, n_frames, n_atoms)
        if mixed.exists()
        else np.broadcast_to(types, (n_frames, n_atoms))
    )
    if all_types.max(initial=0) >= len(elements):
        raise DataError(
            f"{path}: an atom has type {all_types.max()}, but type_map.raw names {len(elements)} elements"
        )
    for frame in range(n_frames):
        real = all_types[frame] >= 0
        info: dict[str, Any] = {}
        if energies is not None:
            info["energy"] = float(energies[frame])
        if virials is not None and boxes is not None:
            info["virial"] = virials[frame].reshape(3, 3)
        arrays = {} if forces is None else {"forces": forces[frame].reshape(-1, 3)[real]}
        cell = None if boxes is None else boxes[frame].reshape(3, 3)
        yield elements[all_types[frame][real]], coordinates[frame].reshape(-1, 3)[real], cell, info, arrays


def _mixed_types(path: Path, n_frames: int, n_atoms: int) -> np.ndarray:
    """The types of each frame in the mixed layout; -1 marks atoms that are not there."""
    return as_numbers(load_npy(path), (n_frames, n_atoms), str(path)).astype(np.int64)


def _elements(folder: Path) -> np.ndarray:
    """The atomic number of each type."""
    from ase.data import atomic_numbers

    path = folder / "type_map.raw"
    if not path.is_file():
        raise DataError(
            f"{folder}: has no type_map.raw, so the elements are not known", "write it: one symbol a line"
        )
    symbols = _words(path)
    unknown = [symbol for symbol in symbols if not atomic_numbers.get(symbol)]
    if unknown or not symbols:
        raise DataError(f"{path}: {unknown[:5]} are not chemical symbols")
    return np.array([atomic_numbers[symbol] for symbol in symbols])


def _words(path: Path) -> list[str]:
    try:
        if path.stat().st_size > MAX_TYPE_FILE:
            raise DataError(f"{path}: too large for a list of types")
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _required(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path}: missing")
    return path


def _optional(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    if not path.is_file():
        return None
    values = load_npy(path)
    if values.size == shape[0] and len(shape) == 1:
        values = values.reshape(-1)
    return as_numbers(values, shape, str(path))
