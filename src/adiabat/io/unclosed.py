"""Reading HDF5 files that their writer has not closed, because it is still writing or was killed.

Such a file carries a flag. HDF5 reads it only in a mode in which it tries again, without end, whatever has a
wrong checksum, so that a damaged file hangs the reader. Here the flag is taken from a copy of the file's
head instead.
"""

import io
import os
from pathlib import Path

import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_WRITING = 0b101
_HEAD = 48
_ONES = 0xFFFFFFFF


def open_hdf5(path: Path) -> h5py.File:
    """Opens a file for reading, whether its writer closed it or not.

    Raises:
        OSError: it is cut off, or no HDF5 file.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    # A superblock of version 3: flags in byte 11, the end of the file in bytes 28 to 35, a checksum in the
    # last four.
    if len(head) < _HEAD or head[:8] != _SIGNATURE or head[8] != 3 or head[9] != 8 or not head[11] & _WRITING:
        return h5py.File(path, "r")
    if path.stat().st_size < int.from_bytes(head[28:36], "little"):
        raise OSError("the file is cut off")
    if lookup3(head[:44]) != int.from_bytes(head[44:], "little"):
        raise OSError("the head of the file is damaged")
    head = head[:11] + bytes([head[11] & ~_WRITING]) + head[12:44]
    return h5py.File(_Patched(path, head + lookup3(head).to_bytes(4, "little")), "r")


def trim_hdf5(path: Path) -> None:
    """Cuts off what stands behind the end of a closed file of superblock version 3."""
    with path.open("r+b") as file:
        end = int.from_bytes(file.read(36)[28:], "little")
        if file.seek(0, os.SEEK_END) > end:
            file.truncate(end)


class _Patched(io.FileIO):
    """A file with another head."""

    def __init__(self, path: Path, head: bytes):
        super().__init__(path, "rb")
        self._head = head

    def readinto(self, buffer) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        start = self.tell()
        count = super().readinto(buffer) or 0
        if start < len(self._head):
            patch = self._head[start : start + count]
            memoryview(buffer).cast("B")[: len(patch)] = patch
        return count

    def read(self, size: int = -1) -> bytes:
        buffer = bytearray(size if size >= 0 else os.fstat(self.fileno()).st_size - self.tell())
        return bytes(buffer[: self.readinto(buffer)])


def lookup3(data: bytes) -> int:
    """The hash of HDF5's metadata: `hashlittle` of http://burtleburtle.net/bob/c/lookup3.c (Jenkins 2006)."""
    words = [int.from_bytes(data[k : k + 4], "little") for k in range(0, len(data), 4)]
    state = [(0xDEADBEEF + len(data)) & _ONES] * 3
    while len(words) > 3:
        state = [(s + w) & _ONES for s, w in zip(state, words[:3], strict=True)]
        words = words[3:]
        for round_, shift in enumerate((4, 6, 8, 16, 19, 4)):
            first, second, third = round_ % 3, (round_ + 1) % 3, (round_ + 2) % 3
            state[first] = ((state[first] - state[third]) & _ONES) ^ _turned(state[third], shift)
            state[third] = (state[third] + state[second]) & _ONES
    state = [(s + w) & _ONES for s, w in zip(state, [*words, 0, 0][:3], strict=True)]
    for round_, shift in enumerate((14, 11, 25, 16, 4, 14, 24)):
        target, source = (2 + round_) % 3, (1 + round_) % 3
        state[target] = ((state[target] ^ state[source]) - _turned(state[source], shift)) & _ONES
    return state[2]


def _turned(word: int, count: int) -> int:
    return ((word << count) | (word >> (32 - count))) & _ONES
