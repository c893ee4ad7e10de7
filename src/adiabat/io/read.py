"""Reading structures from any file or folder that adiabat understands."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from adiabat.base import ConfigError, DataError
from adiabat.io.deepmd import iterate_deepmd
from adiabat.io.extxyz import iterate_extxyz
from adiabat.io.frame import Frame
from adiabat.io.npz import iterate_npz
from adiabat.io.structures import detect_format, iterate_structures
from adiabat.system import System

Index = int | slice | str
# Below this size a file is read before a progress bar would be noticed.
QUIET_BYTES = 20 * 2**20


def read_systems(path: str | os.PathLike, index: Index = ":") -> list[System]:
    """The structures in a file or folder.

    Args:
        path: extxyz, any other text format that ASE reads, an rMD17-style `.npz`, or a DeePMD folder.
        index: which frames: a number, a slice, or either as text ("0", "-1", "::10").

    Raises:
        DataError: missing, damaged, of an unknown format, or with values that cannot be right.
        ConfigError: `index` is neither a number nor a slice, or there is no such frame.
    """
    return [frame.system for frame in read_frames(path, index)]


def read_frames(path: str | os.PathLike, index: Index = ":") -> list[Frame]:
    """As `read_systems`, with everything that the file says about each structure."""
    chosen = parse_index(index)
    frames = list(itertools.islice(_all_frames(_checked(path)), _last_needed(chosen)))
    if isinstance(chosen, slice):
        return frames[chosen]
    try:
        return [frames[chosen]]
    except IndexError:
        raise ConfigError(f"{path}: has {len(frames)} frames, there is no frame {chosen}") from None


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
