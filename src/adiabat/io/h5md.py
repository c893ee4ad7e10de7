"""Where things stand in an H5MD file of adiabat.

H5MD 1.1 (de Buyl, Colberg and Höfling 2014, doi 10.1016/j.cpc.2014.01.018), with one group of particles,
`all`. `/adiabat` holds what the format has no place for: charge, spin, the starting structure in double
precision, and a CRC-32 of each frame.
"""

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from adiabat import __version__
from adiabat.io.hdf5 import own
from adiabat.system import System

_GROUP = "particles/all"
_UNITS = {"position": "Angstrom", "velocity": "Angstrom fs-1", "box/edges": "Angstrom"}
_CHUNK_BYTES = 1 << 16


def checksums(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """CRC-32 of each frame, over its values in the order of their names."""
    sums = np.zeros(len(rows["step"]), np.uint32)
    for name in sorted(rows):
        if name != "checksum":
            values = np.ascontiguousarray(rows[name])
            sums = np.array(
                [zlib.crc32(v.tobytes(), int(s)) for v, s in zip(values, sums, strict=True)], np.uint32
            )
    return sums


def lay_out(file: h5py.File, template: System, observables: Mapping[str, str]) -> None:
    """Groups, attributes and empty datasets; nothing but rows is added later."""
    file.create_group("h5md").attrs["version"] = np.array([1, 1], np.int32)
    file.create_group("h5md/author").attrs["name"] = "unknown"
    file.create_group("h5md/creator").attrs.update({"name": "adiabat", "version": __version__})
    file.create_group("h5md/modules/units").attrs.update(
        {"version": np.array([1, 0], np.int32), "system": "custom"}
    )
    group = file.create_group(_GROUP)
    real = np.asarray(template.mask)
    group.create_dataset("species", data=np.asarray(template.numbers)[real])
    group.create_dataset("mass", data=np.asarray(template.masses, np.float64)[real]).attrs["unit"] = "u"
    box = group.create_group("box")
    box.attrs["dimension"] = np.int32(3)
    box.attrs["boundary"] = ["periodic" if p else "none" for p in template.pbc]
    settings = file.create_group("adiabat")
    settings.attrs.update({"charge": template.charge, "spin": template.spin})
    settings.create_dataset("positions", data=np.asarray(template.positions, np.float64)[real])
    settings.create_dataset("cell", data=np.asarray(template.cell, np.float64))
    _add(settings, "checksum", (), np.uint32)
    step = _add(group, "position/step", (), np.int64)
    time = _add(group, "position/time", (), np.float64, "fs")
    n_atoms = int(real.sum())
    _add(group, "position/value", (n_atoms, 3), np.float32, _UNITS["position"])
    _add(group, "velocity/value", (n_atoms, 3), np.float32, _UNITS["velocity"])
    # Readers take an edge for a periodic box: a molecule keeps its (zero) cells out of their sight.
    cells = "box/edges/value" if any(template.pbc) else None
    _add(group, cells, (3, 3), np.float64, _UNITS["box/edges"]) if cells else _add(
        settings, "cells", (3, 3), np.float64
    )
    elements = [group["velocity"]] + ([group["box/edges"]] if cells else [])
    for name, unit in observables.items():
        _add(file, f"observables/{name}/value", (), np.float64, unit)
        elements.append(file[f"observables/{name}"])
    for element in elements:
        assert isinstance(element, h5py.Group)
        element["step"], element["time"] = step, time  # hard links: one set of steps for all


def _add(group: Any, name: str, shape: tuple[int, ...], dtype: Any, unit: str | None = None) -> h5py.Dataset:
    row = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    chunk = int(np.clip(_CHUNK_BYTES // row, 1, 1024))
    dataset = group.create_dataset(name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(chunk, *shape))
    if unit is not None:
        dataset.attrs["unit"] = unit
    return dataset


def frame_datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """The datasets with a row for each frame, by short names."""
    periodic = "edges" in own(file, f"{_GROUP}/box", h5py.Group)
    paths = {
        "step": f"{_GROUP}/position/step",
        "time": f"{_GROUP}/position/time",
        "position": f"{_GROUP}/position/value",
        "velocity": f"{_GROUP}/velocity/value",
        "cell": f"{_GROUP}/box/edges/value" if periodic else "adiabat/cells",
        "checksum": "adiabat/checksum",
    }
    if "observables" in file:
        paths |= {
            f"observables/{name}": f"observables/{name}/value"
            for name in own(file, "observables", h5py.Group)
        }
    for name, path in paths.items():
        yield name, own(file, path, h5py.Dataset)


def read_template(file: h5py.File) -> System:
    def values(path: str) -> np.ndarray:
        dataset = own(file, path, h5py.Dataset)
        if dataset.id.get_storage_size() < dataset.size * dataset.dtype.itemsize:
            raise ValueError(f"{path} holds less than its header says")
        return dataset[()]

    boundary = own(file, f"{_GROUP}/box", h5py.Group).attrs["boundary"]
    pbc = tuple(b == "periodic" for b in boundary)
    settings = own(file, "adiabat", h5py.Group).attrs
    return System.create(
        values(f"{_GROUP}/species"),
        values("adiabat/positions"),
        cell=values("adiabat/cell"),
        pbc=pbc,  # pyright: ignore[reportArgumentType]
        masses=values(f"{_GROUP}/mass"),
        charge=int(settings["charge"]),
        spin=int(settings["spin"]),
    )
