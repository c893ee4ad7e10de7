"""Reading and writing labelled structures."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.data.keys import LabelKeys, find_keys, missing_label, value_of
from adiabat.data.sample import Sample, checked_energy, checked_forces, checked_stress
from adiabat.io import Frame, read_frames, write_extxyz

LABELS = ("energy", "forces", "stress")


def read_samples(
    path: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    require: Sequence[str] = ("energy", "forces"),
) -> list[Sample]:
    """The labelled structures of one or several files, in their order.

    Labels are found under `energy`, `forces`, `stress` or `virial(s)`, alone or after a method's name as in
    `REF_energy` or `dft_forces`. Energies are in eV, forces in eV/Å, stresses in eV/Å^3 with ASE's sign,
    virials in eV. Keys such as `fitsnap_stress`, whose unit nobody states, are left in `info`. A free atom
    without forces gets zero forces.

    Args:
        path: a file or folder that `adiabat.io.read_systems` reads, or several.
        energy_key: the name of the energy; found by itself if None; "none" to read no energies.
        forces_key: likewise for the forces.
        stress_key: likewise for the stress (or a virial, when "virial" is in the name).
        require: the labels that each structure must have.

    Raises:
        DataError: a file that cannot be read, a label that is missing, not finite or of the wrong shape.
        ConfigError: a key that is not there, or several that could be meant.
    """
    unknown = [label for label in require if label not in LABELS]
    if unknown:
        raise ConfigError(f"require names {unknown}; known labels are {', '.join(LABELS)}")
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    samples = []
    for entry in paths:
        frames = read_frames(entry)
        keys = find_keys(frames, energy_key, forces_key, stress_key)
        for label in require:
            if getattr(keys, label) is None and not (
                label == "forces" and all(f.system.n_atoms == 1 for f in frames)
            ):
                raise missing_label(label, frames)
        samples += [_make_sample(frame, keys, require) for frame in frames]
    return samples


def _make_sample(frame: Frame, keys: LabelKeys, require: Sequence[str]) -> Sample:
    where, system = frame.where, frame.system
    values = {
        label: value_of(label, key, frame) if (key := getattr(keys, label)) is not None else None
        for label in LABELS
    }
    forces = checked_forces(values["forces"], system.n_atoms, where)
    if forces is None and system.n_atoms == 1 and not any(system.pbc):
        forces = np.zeros((1, 3))
    sample = Sample(
        system=system,
        energy=checked_energy(values["energy"], where),
        forces=forces,
        stress=checked_stress(values["stress"], where),
        info={name: value for name, value in frame.info.items() if name not in (keys.energy, keys.stress)},
        source=frame.source,
        frame=frame.index,
    )
    for label in require:
        if getattr(sample, label) is None:
            raise DataError(
                f"{where}: has no {label} ({getattr(keys, label)}), which other frames of the file have",
                "remove the frame, or label it",
            )
    return sample


def write_samples(path: str | os.PathLike, samples: Iterable[Sample]) -> None:
    """Writes samples as extended XYZ with every digit; `read_samples` gives them back.

    Raises:
        DataError: `path` is not an `.xyz` or `.extxyz` file, or cannot be written.
    """
    if Path(path).suffix.lower() not in (".xyz", ".extxyz"):
        raise DataError(
            f"{path}: samples are written as extended XYZ", "give a name that ends in .xyz or .extxyz"
        )
    chosen = list(samples)
    results = [
        {"energy": sample.energy, "forces": sample.forces, "stress": sample.stress} for sample in chosen
    ]
    write_extxyz(
        path, [sample.system for sample in chosen], results, [_free_info(sample) for sample in chosen]
    )


def _free_info(sample: Sample) -> dict:
    """What stands in `info` beside the labels and the electronic state."""
    taken = {*LABELS, "charge", "spin", "Lattice", "Properties", "pbc"}
    return {name: value for name, value in sample.info.items() if name not in taken}
