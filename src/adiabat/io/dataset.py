"""Labelled structures of mixed sizes in one HDF5 file: adiabat's own layout.

`frames` has a row for each structure, `atoms` a row for each atom of the first, the second, ... structure.
What no structure has (a stress, unusual masses) takes no room. `frames/info` is JSON, whose bytes are one
after the other in `info`.
"""

import json
import math
import os
from collections.abc import Iterable, Sequence
from itertools import batched
from pathlib import Path
from typing import Any

import ase.data
import h5py
import numpy as np

from adiabat import __version__
from adiabat.base import DataError
from adiabat.base.files import atomic_path
from adiabat.io.comment_line import numeric_array, to_list
from adiabat.io.frame import Frame, make_frame
from adiabat.io.hdf5 import damage, numbers_at, reserve, write_failures
from adiabat.io.stored import StoredFrames
from adiabat.io.unclosed import trim_hdf5

FORMAT = "adiabat-samples-1"
_KIND = "file of samples"
_CHUNK_BYTES = 1 << 16
_FRAMES_PER_WRITE = 256
MAX_SOURCES = 100
# Name, type, shape of a row, what stands where nothing is known, unit.
_COLUMNS: tuple[tuple[str, str, tuple[int, ...], Any, str], ...] = (
    ("frames/n_atoms", "<i4", (), None, ""),
    ("frames/info_bytes", "<i4", (), None, ""),
    ("frames/charge", "<i4", (), None, "e"),
    ("frames/spin", "<i4", (), None, "unpaired electrons"),
    ("frames/pbc", "|u1", (3,), None, ""),
    ("frames/cell", "<f8", (3, 3), 0.0, "Angstrom"),
    ("frames/energy", "<f8", (), np.nan, "eV"),
    ("frames/stress", "<f8", (3, 3), np.nan, "eV/Angstrom^3"),
    ("frames/dipole", "<f8", (3,), np.nan, "e Angstrom"),
    ("atoms/numbers", "|u1", (), None, ""),
    ("atoms/positions", "<f8", (3,), None, "Angstrom"),
    ("atoms/forces", "<f8", (3,), np.nan, "eV/Angstrom"),
    ("atoms/charges", "<f8", (), np.nan, "e"),
    ("atoms/masses", "<f8", (), np.nan, "u"),
    ("info", "|u1", (), None, ""),
)
# What a frame may lack: where it is written at all, the others have the value for nothing known.
_OPTIONAL = {name: fill for name, _, _, fill, _ in _COLUMNS if fill is not None}
_LABELS = {
    "energy": "frames/energy",
    "forces": "atoms/forces",
    "stress": "frames/stress",
    "dipole": "frames/dipole",
}
_OF_ATOMS = ("forces", "charges")  # what `Frame.arrays` may hold
# Not in files of earlier versions.
_LATER = ("frames/dipole", "atoms/charges")
# A few bytes for each frame, which are kept in memory.
_KEPT = ("frames/charge", "frames/spin", "frames/pbc", "frames/energy")


def write_dataset(path: str | os.PathLike, frames: Iterable[Frame]) -> None:
    """Writes frames to an HDF5 file, a few at a time; `DatasetFrames` gives them back.

    The file appears when it is complete.

    Args:
        path: the file; replaced if it exists.
        frames: structures with what is known of them: `energy` [eV], `stress` [eV/Å^3] and `dipole` [e Å] in
            `info`, beside anything that JSON can hold, `forces` [eV/Å] and `charges` [e] in `arrays`.

    Raises:
        DataError: a value that the format cannot hold, or the disk is full.
    """
    sources: dict[str, None] = {}
    with atomic_path(path) as temporary, write_failures(Path(path)):
        with h5py.File(temporary, "w", libver="v110") as file:
            file.attrs.update({"format": FORMAT, "creator": f"adiabat {__version__}"})
            columns = {
                name: _add(file, name, dtype, shape, fill, unit)
                for name, dtype, shape, fill, unit in _COLUMNS
            }
            for block in batched(frames, _FRAMES_PER_WRITE):
                rows = [_rows_of(frame) for frame in block]
                size = sum(
                    _count(name, row) * _bytes(column) for row in rows for name, column in columns.items()
                )
                reserve(file, temporary, columns.values(), size)
                for name, column in columns.items():
                    _append(column, [row.get(name) for row in rows], [_count(name, row) for row in rows])
                file.flush()
                if len(sources) < MAX_SOURCES:
                    sources.update(dict.fromkeys(frame.source for frame in block if frame.source))
            file.attrs["source"] = json.dumps(list(sources)[:MAX_SOURCES])
        trim_hdf5(temporary)


class DatasetFrames(StoredFrames):
    """The frames in a file by `write_dataset`.

    Args:
        file: opened for reading.
        path: where it is.

    Raises:
        DataError: damaged, or of another layout.
    """

    sparse = False

    def __init__(self, file: h5py.File, path: Path):
        self.source, self._file = str(path), file
        with damage(path, _KIND):
            columns = self._checked()
            written = {name for name, column in columns.items() if column.id.get_storage_size()}
            self._columns: dict[str, Any] = {
                name: column[()] if name in _KEPT else column
                for name, column in columns.items()
                if name in written
            }
        self.labels = tuple(label for label, name in _LABELS.items() if name in written)

    def read(self, start: int, stop: int) -> list[Frame]:
        ranges = {
            "frames": slice(start, stop),
            "atoms": slice(*self._starts[[start, stop]].tolist()),
            "info": slice(*self._info_starts[[start, stop]].tolist()),
        }
        with damage(self.source, _KIND):
            rows = {name: column[ranges[name.split("/")[0]]] for name, column in self._columns.items()}
        cuts = {
            "atoms": self._starts[start + 1 : stop] - self._starts[start],
            "info": self._info_starts[start + 1 : stop] - self._info_starts[start],
        }
        parts: dict[str, Sequence[np.ndarray]] = {
            name: values if name.startswith("frames") else np.split(values, cuts[name.split("/")[0]])
            for name, values in rows.items()
        }
        return [
            self._frame({name: values[k] for name, values in parts.items()}, start + k)
            for k in range(stop - start)
        ]

    def _checked(self) -> dict[str, h5py.Dataset]:
        """The columns, once their lengths are known to go together."""
        counts = [numbers_at(self._file, f"frames/{name}", (None,))[()] for name in ("n_atoms", "info_bytes")]
        n_atoms, info_bytes = counts
        plain = all(values.dtype.kind in "iu" for values in counts) and len(n_atoms) == len(info_bytes)
        if not plain or n_atoms.min(initial=1) < 1 or info_bytes.min(initial=0) < 0:
            raise ValueError("the sizes of its structures make no sense")
        self.n_atoms = n_atoms
        self._starts, self._info_starts = (
            np.concatenate([[0], np.cumsum(values, dtype=np.int64)]) for values in counts
        )
        lengths = {"frames": len(n_atoms), "atoms": int(self._starts[-1]), "info": int(self._info_starts[-1])}
        return {
            name: numbers_at(self._file, name, (lengths[name.split("/")[0]], *shape), name in _OPTIONAL)
            for name, _, shape, _, _ in _COLUMNS
            if name not in ("frames/n_atoms", "frames/info_bytes")
            and (name not in _LATER or name in self._file)
        }

    def _frame(self, row: dict[str, np.ndarray], index: int) -> Frame:
        where = f"{self.source}, frame {index}"
        known = {
            name.split("/")[1]: value
            for name, value in row.items()
            if name in _OPTIONAL and not (np.isnan(_OPTIONAL[name]) and np.isnan(value).all())
        }
        numbers = row["atoms/numbers"].astype(np.int64)
        info = _info(row["info"], where) if "info" in row else {}
        info |= {name: int(row[f"frames/{name}"]) for name in ("charge", "spin") if row[f"frames/{name}"]}
        if "energy" in known:
            info["energy"] = float(known["energy"])
        info |= {name: known[name] for name in ("stress", "dipole") if name in known}
        masses = known.get("masses")
        if masses is not None:
            standard = ase.data.atomic_masses[np.minimum(numbers, len(ase.data.atomic_masses) - 1)]
            masses = np.where(np.isnan(masses), standard, masses)
        return make_frame(
            numbers,
            row["atoms/positions"],
            cell=known.get("cell"),
            pbc=tuple(bool(periodic) for periodic in row["frames/pbc"]),
            masses=masses,
            info=info,
            arrays={name: known[name] for name in _OF_ATOMS if name in known},
            source=self.source,
            index=index,
        )


def is_dataset(file: h5py.File) -> bool:
    """Whether a file is of this layout."""
    found = file.attrs.get("format")
    return isinstance(found, str) and found == FORMAT


def _add(
    file: h5py.File, name: str, dtype: str, shape: tuple[int, ...], fill: Any, unit: str
) -> h5py.Dataset:
    row = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    dataset = file.create_dataset(
        name,
        (0, *shape),
        dtype,
        maxshape=(None, *shape),
        chunks=(max(1, _CHUNK_BYTES // row), *shape),
        fillvalue=fill,
        fletcher32=True,  # damage is noticed when it is read
    )
    if unit:
        dataset.attrs["unit"] = unit
    return dataset


def _bytes(column: h5py.Dataset) -> int:
    """Of a row."""
    return math.prod(column.shape[1:]) * column.dtype.itemsize


def _count(name: str, row: dict[str, np.ndarray]) -> int:
    """How many rows of a column a frame takes."""
    sizes = {"frames": 1, "atoms": len(row["atoms/numbers"]), "info": len(row["info"])}
    return sizes[name.split("/")[0]]


def _append(dataset: Any, values: Sequence[np.ndarray | None], counts: Sequence[int]) -> None:
    """Adds the rows of some frames; where none of them has any, the room is left unwritten."""
    begin, shape = len(dataset), dataset.shape[1:]
    dataset.resize(begin + sum(counts), axis=0)
    if all(value is None for value in values) or not sum(counts):
        return
    filled = [
        np.full((count, *shape), dataset.fillvalue) if value is None else np.reshape(value, (count, *shape))
        for value, count in zip(values, counts, strict=True)
    ]
    dataset[begin:] = np.concatenate(filled)


def _rows_of(frame: Frame) -> dict[str, np.ndarray]:
    """What each column holds of a frame."""
    system, info = frame.system, dict(frame.info)
    real = np.asarray(system.mask)
    numbers = np.asarray(system.numbers)[real]
    energy, stress, dipole = (info.pop(name, None) for name in ("energy", "stress", "dipole"))
    cell = np.asarray(system.cell)
    masses = np.asarray(system.masses)[real]
    unknown = [name for name in frame.arrays if name not in _OF_ATOMS]
    if unknown:
        raise DataError(f"{frame.where}: an HDF5 file of samples has no place for {unknown[0]!r}")
    text = _text(info, frame.where)
    found = {
        "frames/n_atoms": len(numbers),
        "frames/info_bytes": len(text),
        "frames/charge": system.charge,
        "frames/spin": system.spin,
        "frames/pbc": system.pbc,
        "frames/cell": cell if cell.any() else None,
        "frames/energy": energy,
        "frames/stress": stress,
        "frames/dipole": dipole,
        "atoms/numbers": numbers,
        "atoms/positions": np.asarray(system.positions)[real],
        **{f"atoms/{name}": np.asarray(values)[real] for name, values in frame.arrays.items()},
        "atoms/masses": None if np.array_equal(masses, ase.data.atomic_masses[numbers]) else masses,
        "info": np.frombuffer(text, np.uint8),
    }
    return {name: np.asarray(value) for name, value in found.items() if value is not None}


def _text(info: dict[str, Any], where: str) -> bytes:
    if not info:
        return b""
    try:
        return json.dumps(info, default=to_list).encode()
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: cannot write {info!r:.80}: it is not plain data") from error


def _info(text: np.ndarray, where: str) -> dict[str, Any]:
    if not len(text):
        return {}
    try:
        found = json.loads(text.astype(np.uint8).tobytes())
        return {name: numeric_array(value) for name, value in found.items()}
    except (ValueError, RecursionError, AttributeError) as error:
        raise DataError(f"{where}: its info is damaged ({str(error)[:80]})") from error
