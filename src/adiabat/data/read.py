"""Reading and writing labelled structures."""

import itertools
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.data.keys import NO_KEY, LabelKeys, find_keys, missing_label, value_of
from adiabat.data.sample import Sample, checked_dipole, checked_energy, checked_forces, checked_stress
from adiabat.data.stored import FileSamples, StoredSamples
from adiabat.io import (
    Frame,
    StoredFrames,
    is_hdf5,
    is_trajectory,
    open_frames,
    read_frames,
    write_dataset,
    write_extxyz,
)

logger = logging.getLogger(__name__)
LABELS = ("energy", "forces", "stress", "dipole")
# HDF5 files with more atoms are not read into memory for a training: with its neighbor lists that many take
# up to about one GiB.
IN_MEMORY_ATOMS = 500_000
# How files that samples are written to may end.
WRITTEN = ".xyz, .extxyz, .h5 or .hdf5"


def read_samples(
    path: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    dipole_key: str | None = None,
    require: Sequence[str] = ("energy", "forces"),
) -> list[Sample]:
    """The labelled structures of one or several files, in their order.

    Labels are found under `energy`, `forces`, `stress` or `virial(s)`, `dipole`, alone or after a method's
    name as in `REF_energy` or `dft_forces`. Energies are in eV, forces in eV/Å, stresses in eV/Å^3 with ASE's
    sign, virials in eV, dipoles in e Å, about the center of mass where the molecule is charged. Keys such as
    `fitsnap_stress`, whose unit nobody states, are left in `info`. A free atom without forces gets zero
    forces.

    Args:
        path: a file or folder that `adiabat.io.read_systems` reads, or several.
        energy_key: the name of the energy; found by itself if None; "none" to read no energies.
        forces_key: likewise for the forces.
        stress_key: likewise for the stress (or a virial, when "virial" is in the name).
        dipole_key: likewise for the dipole of a molecule.
        require: the labels that each structure must have.

    Raises:
        DataError: a file that cannot be read, a label that is missing, not finite or of the wrong shape.
        ConfigError: a key that is not there, or several that could be meant.
    """
    unknown = [label for label in require if label not in LABELS]
    if unknown:
        raise ConfigError(f"require names {unknown}; known labels are {', '.join(LABELS)}")
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    asked = {"energy": energy_key, "forces": forces_key, "stress": stress_key, "dipole": dipole_key}
    samples: list[Sample] = []
    for entry in paths:
        if _is_stored(entry):
            found = _samples_of(open_frames(entry), asked, require)
            samples += _labelled(found, require)
            continue
        frames = read_frames(entry)
        keys = find_keys(frames, asked)
        for label in require:
            if getattr(keys, label) is None and not (
                label == "forces" and all(f.system.n_atoms == 1 for f in frames)
            ):
                raise missing_label(label, frames)
        samples += [_make_sample(frame, keys, require) for frame in frames]
    return samples


def open_samples(
    path: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    cutoff: float,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    dipole_key: str | None = None,
) -> Sequence[Sample]:
    """The structures with energies and forces of one or several files, for a training.

    They are in memory, as from `read_samples`, or stay in their files where these are HDF5 and large: then
    one pass over them gathers what a training must know of all.

    Args:
        path: as in `read_samples`.
        cutoff: of the network [Å].
        energy_key: as in `read_samples`.
        forces_key: likewise.
        stress_key: likewise.
        dipole_key: likewise.

    Raises:
        DataError: as `read_samples`.
        ConfigError: likewise.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    asked = {"energy": energy_key, "forces": forces_key, "stress": stress_key, "dipole": dipole_key}
    read = partial(read_samples, **{f"{label}_key": key for label, key in asked.items()})
    opened = {entry: open_frames(entry) for entry in paths if _is_stored(entry)}
    if sum(int(frames.n_atoms.sum()) for frames in opened.values()) <= IN_MEMORY_ATOMS:
        return read(paths)
    required = ("energy", "forces")
    samples = StoredSamples.gather(
        [_samples_of(opened[entry], asked, required) if entry in opened else read(entry) for entry in paths],
        cutoff,
    )
    unlabelled = np.isnan(samples.census.energies) | np.isnan(samples.census.force_squares)
    if unlabelled.any():
        logger.warning("%d frames without energy or forces were left out", unlabelled.sum())
        samples = samples.take(np.flatnonzero(~unlabelled))
    return samples


def _is_stored(path: str | os.PathLike) -> bool:
    """Whether a file holds frames that are read when they are asked for."""
    return is_hdf5(path) and not is_trajectory(path)


def _samples_of(frames: StoredFrames, asked: Mapping[str, str | None], require: Sequence[str]) -> FileSamples:
    """The samples of an HDF5 file. Where labels are missing by custom, they may be missing here."""
    chosen: dict[str, str | None] = {}
    for label, key in asked.items():
        if key not in (None, NO_KEY, label):
            raise ConfigError(
                f"{frames.source}: holds the {label} as {label!r}, not as {key!r}", "leave it out"
            )
        chosen[label] = label if key != NO_KEY and label in frames.labels else None
    keys = LabelKeys(**chosen)
    for label in require:
        if getattr(keys, label) is None and not (label == "forces" and frames.n_atoms.max() == 1):
            raise DataError(
                f"{frames.source}: has no {label}; its labels are: {', '.join(frames.labels) or 'none'}"
            )
    return FileSamples(frames, partial(_make_sample, keys=keys, require=() if frames.sparse else require))


def _labelled(samples: Iterable[Sample], require: Sequence[str]) -> Iterator[Sample]:
    """Those that have all labels."""
    return (s for s in samples if all(getattr(s, label) is not None for label in require))


def _make_sample(frame: Frame, keys: LabelKeys, require: Sequence[str]) -> Sample:
    where, system = frame.where, frame.system
    values = {
        label: value_of(label, key, frame) if (key := getattr(keys, label)) is not None else None
        for label in LABELS
    }
    labels = (keys.energy, keys.stress, keys.dipole)
    forces = checked_forces(values["forces"], system.n_atoms, where)
    if forces is None and system.n_atoms == 1 and not any(system.pbc):
        forces = np.zeros((1, 3))
    sample = Sample(
        system=system,
        energy=checked_energy(values["energy"], where),
        forces=forces,
        stress=checked_stress(values["stress"], where),
        dipole=checked_dipole(values["dipole"], where),
        info={name: value for name, value in frame.info.items() if name not in labels},
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
    """Writes samples as extended XYZ or HDF5 with every digit; `read_samples` gives them back, but for the
    charges, which are results and no labels.

    They are taken one by one: there may be more than the memory holds.

    Raises:
        DataError: `path` does not end in one of `WRITTEN`, or cannot be written.
    """
    if not is_written(path):
        raise DataError(
            f"{path}: samples are written as extended XYZ or HDF5", f"give a name that ends in {WRITTEN}"
        )
    if is_hdf5(path):
        write_dataset(path, map(_to_frame, samples))
        return
    systems, labels, rest = itertools.tee(samples, 3)
    names = (*LABELS, "charges")
    results = ({name: getattr(sample, name) for name in names} for sample in labels)
    write_extxyz(path, (s.system for s in systems), results, map(_free_info, rest))


def is_written(path: str | os.PathLike) -> bool:
    """Whether a file's name says that samples can be written to it."""
    return Path(path).suffix.lower() in (".xyz", ".extxyz", ".h5", ".hdf5")


def _to_frame(sample: Sample) -> Frame:
    """The sample as it stands in a file."""
    info = _free_info(sample)
    of_all, of_atoms = ("energy", "stress", "dipole"), ("forces", "charges")
    info |= {label: value for label in of_all if (value := getattr(sample, label)) is not None}
    arrays = {name: value for name in of_atoms if (value := getattr(sample, name)) is not None}
    return Frame(sample.system, info, arrays, sample.source, sample.frame)


def _free_info(sample: Sample) -> dict:
    """What stands in `info` beside the labels and the electronic state."""
    taken = {*LABELS, "charge", "spin", "Lattice", "Properties", "pbc"}
    taken |= set() if sample.charges is None else {"charges"}
    return {name: value for name, value in sample.info.items() if name not in taken}
