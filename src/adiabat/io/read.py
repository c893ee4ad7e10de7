"""Reading structures from any file or folder that adiabat understands."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import h5py

from adiabat.base import ConfigError, DataError
from adiabat.io.conformers import ConformerFrames, find_layout
from adiabat.io.dataset import DatasetFrames, is_dataset
from adiabat.io.deepmd import iterate_deepmd
from adiabat.io.extxyz import iterate_extxyz
from adiabat.io.frame import Frame
from adiabat.io.hdf5 import damage
from adiabat.io.npz import iterate_npz
from adiabat.io.stored import StoredFrames
from adiabat.io.structures import detect_format, iterate_structures
from adiabat.io.trajectory import TrajectoryReader
from adiabat.io.unclosed import open_hdf5
from adiabat.system import System

Index = int | slice | str
# Below this size a file is read before a progress bar would be noticed.
QUIET_BYTES = 20 * 2**20
HDF5_SUFFIXES = (".h5", ".hdf5", ".h5md")


def read_systems(path: str | os.PathLike, index: Index = ":") -> list[System]:
    """The structures in a file or folder.

    Args:
        path: extxyz, any other text format that ASE reads, an rMD17-style `.npz`, the `trajectory.h5` of a
            run, another HDF5 file that `open_frames` knows, or a DeePMD folder.
        index: which frames: a number, a slice, or either as text ("0", "-1", "::10").

    Raises:
        DataError: missing, damaged, of an unknown format, or with values that cannot be right.
        ConfigError: `index` is neither a number nor a slice, or there is no such frame.
    """
    return [frame.system for frame in read_frames(path, index)]


def read_frames(path: str | os.PathLike, index: Index = ":") -> list[Frame]:
    """As `read_systems`, with everything that the file says about each structure."""
    chosen, checked = parse_index(index), _checked(path)
    if is_trajectory(checked):
        return _frames_of_run(checked, chosen)
    frames = list(itertools.islice(_all_frames(checked), _last_needed(chosen)))
    if isinstance(chosen, slice):
        return frames[chosen]
    try:
        return [frames[chosen]]
    except IndexError:
        raise _no_frame(path, len(frames), chosen) from None


def _no_frame(path: str | os.PathLike, n_frames: int, chosen: int) -> ConfigError:
    return ConfigError(f"{path}: has {n_frames} frames, there is no frame {chosen}")


def is_trajectory(path: str | os.PathLike) -> bool:
    """Whether a file is the trajectory of a run, whose frames have no labels.

    Raises:
        DataError: it is called HDF5, and is missing or damaged.
    """
    if not is_hdf5(path):
        return False
    path = _checked(path)
    with damage(path, "HDF5 file"), open_hdf5(path) as file:
        return "h5md" in file and "adiabat" in file


def _frames_of_run(path: Path, chosen: int | slice) -> list[Frame]:
    """Of the trajectory of a run; no more of them are read than are chosen."""
    with TrajectoryReader(path) as reader:
        numbers = range(len(reader))
        try:
            wanted = numbers[chosen] if isinstance(chosen, slice) else [numbers[chosen]]
        except IndexError:
            raise _no_frame(path, len(reader), int(chosen)) from None  # pyright: ignore[reportArgumentType]
        frames = []
        for number in wanted:
            one = reader.read(number, number + 1)
            info = {"step": int(one.steps[0]), "time": float(one.times[0])}
            velocities = {"velocities": one.velocities[0]}
            frames.append(Frame(one.system(0), info, velocities, str(path), number))
    return frames


def is_hdf5(path: str | os.PathLike) -> bool:
    """Whether a file's name says that it is HDF5."""
    return Path(path).suffix.lower() in HDF5_SUFFIXES


def open_frames(path: str | os.PathLike) -> StoredFrames:
    """The frames of an HDF5 file, which are read when they are asked for.

    It is one of `write_dataset`, or has a group for each molecule as SPICE and ANI-1x have.

    Raises:
        DataError: missing, damaged, of another layout, or without structures.
    """
    checked = _checked(path)
    with damage(path, "HDF5 file"):
        file = open_hdf5(checked)
        own, layout = is_dataset(file), find_layout(file)
        found = ", ".join(itertools.islice(_named(file), 6))
    if not own and layout is None:
        raise DataError(
            f"{path}: is an HDF5 file of an unknown layout; it holds {found or 'nothing'}",
            "adiabat reads what it wrote itself (trajectories, adiabat label --out FILE.h5) and files with a "
            "group for each molecule: atomic_numbers with conformations, dft_total_energy and "
            "dft_total_gradient (SPICE), or with coordinates, wb97x_dz.energy, wb97x_dz.forces (ANI-1x)",
        )
    frames = DatasetFrames(file, checked) if layout is None else ConformerFrames(file, checked, layout)
    if not len(frames):
        raise DataError(f"{path}: holds no structure with an energy")
    return frames


def _named(file: h5py.File) -> Iterator[str]:
    """What stands in a file and in its first group, for messages."""
    for name in map(str, file):
        link = file.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            yield f"{name} (a link, which is not followed)"
            continue
        node = file[name]
        yield name
        if isinstance(node, h5py.Group):
            yield from (f"{name}/{inner}" for inner in itertools.islice(node, 3))


def parse_index(index: Index) -> int | slice:
    """A frame number, or a slice of them, also from text like "5", "-1" or "10:20:2"."""
    if isinstance(index, slice) or (isinstance(index, int) and not isinstance(index, bool)):
        return index
    try:
        parts = [int(part) if part.strip() else None for part in str(index).split(":")]
        if len(parts) == 1 and parts[0] is not None:
            return parts[0]
        if 1 < len(parts) <= 3 and parts[2:] != [0]:
            return slice(*parts)
    except ValueError:
        pass
    raise ConfigError(f"index {index!r} is neither a frame number nor a slice", 'as 0, -1, ":" or "::10"')


def _last_needed(index: int | slice) -> int | None:
    """The number of frames from the start that suffice; None for all of them."""
    if isinstance(index, int):
        return index + 1 if index >= 0 else None
    forward = (index.start or 0) >= 0 and (index.step or 1) > 0
    return index.stop if forward and index.stop is not None and index.stop >= 0 else None


def _checked(path: str | os.PathLike) -> Path:
    text = os.fspath(path)
    if "\0" in text or "://" in text:
        raise DataError(f"{text!r}: is not the name of a file", "download it first, and give the file")
    checked = Path(text)
    try:
        if not checked.exists():
            raise DataError(f"{text}: no such file or folder", f"the current folder is {Path.cwd()}")
        if checked.is_file():
            if checked.stat().st_size == 0:
                raise DataError(f"{text}: is empty", "was the program that wrote it stopped? write it again")
            with checked.open("rb"):
                pass
        elif not checked.is_dir():
            raise DataError(f"{text}: is neither a file nor a folder")
    except OSError as error:
        raise DataError(f"{text}: cannot be read ({error.strerror})") from error
    return checked


def _all_frames(path: Path) -> Iterator[Frame]:
    if path.is_dir():
        yield from iterate_deepmd(path)
    elif path.suffix.lower() == ".npz":
        yield from iterate_npz(path)
    elif is_hdf5(path):
        yield from open_frames(path)
    elif (name := detect_format(path)) == "extxyz":
        yield from _with_progress(path)
    else:
        yield from iterate_structures(path, name)


def _with_progress(path: Path) -> Iterator[Frame]:
    size = path.stat().st_size
    if size < QUIET_BYTES:
        for frame, _ in iterate_extxyz(path):
            yield frame
        return
    from adiabat.base.progress import progress

    with progress(f"reading {path.name}", total=size / 1e6, unit="MB") as bar:
        done = 0
        for frame, position in iterate_extxyz(path):
            bar.advance((position - done) / 1e6)
            done = position
            yield frame
