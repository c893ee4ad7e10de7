"""Samples that stay in their HDF5 files: read when asked for, with a census of all of them in memory."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import overload

import numpy as np

from adiabat.base.progress import progress
from adiabat.data.census import Census, Kind, kinds_met
from adiabat.data.fingerprint import fingerprint
from adiabat.data.sample import Sample
from adiabat.io import Frame, StoredFrames
from adiabat.system import Neighbors, neighbor_list

# Consecutive samples in a selection, so that a trajectory shows its small steps.
RUN = 10
# Atoms of an element that a selection has at least, where the samples have as many.
ENOUGH_ATOMS = 20


class StoredSamples(Sequence[Sample]):
    """Samples of files larger than the memory.

    Attributes:
        census: of all of them.
        prints: their fingerprints, shape (n_samples, 8).
        cutoff: of the neighbor lists that the census is about [Å].
    """

    def __init__(
        self,
        parts: Sequence[Sequence[Sample]],
        numbers: np.ndarray,
        census: Census,
        prints: np.ndarray,
        cutoff: float,
    ):
        self._parts, self._numbers = parts, numbers
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        self.census, self.prints, self.cutoff = census, prints, cutoff

    @classmethod
    def gather(cls, parts: Sequence[Sequence[Sample]], cutoff: float) -> "StoredSamples":
        """The samples of several files, after one pass over them.

        Args:
            parts: the samples of each file.
            cutoff: of the neighbor lists [Å].
        """
        prints, total = array("d"), sum(len(part) for part in parts)

        def listed() -> Iterator[tuple[Sample, Neighbors]]:
            with progress("looking at all frames", total, "frames") as bar:
                for sample in (sample for part in parts for sample in part):
                    prints.extend(fingerprint(sample.system))
                    yield sample, neighbor_list(sample.system, cutoff)
                    bar.advance()

        census = Census.of(listed())
        return cls(parts, np.arange(total), census, np.array(prints).reshape(total, -1), cutoff)

    def take(self, chosen: np.ndarray) -> "StoredSamples":
        """Some of the samples, by their numbers."""
        census = self.census.take(chosen)
        return StoredSamples(self._parts, self._numbers[chosen], census, self.prints[chosen], self.cutoff)

    def selection(self, count: int) -> list[Sample]:
        """About `count` samples in short runs, evenly over all of them, and some of every element."""
        n_runs = max(1, count // RUN)
        starts = evenly(max(1, len(self) - RUN + 1), n_runs)
        chosen = {int(start) + k for start in starts for k in range(RUN)}
        for element in {
            number for kind in kinds_met(self.census.kinds, self.census.kind) for number in kind.numbers
        }:
            holds = np.array([kind.numbers.count(element) for kind in self.census.kinds])[self.census.kind]
            having = np.flatnonzero(holds)
            chosen.update(having[: 1 + int(np.searchsorted(np.cumsum(holds[having]), ENOUGH_ATOMS))].tolist())
        return [self[number] for number in sorted(chosen) if number < len(self)]

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "StoredSamples": ...
    def __getitem__(self, index: int | slice) -> "Sample | StoredSamples":
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        number = int(self._numbers[index])
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._parts[part][number - int(self._starts[part])]


class FileSamples(Sequence[Sample]):
    """The samples of one HDF5 file.

    Args:
        frames: of the file.
        make: a sample from a frame.
    """

    def __init__(self, frames: StoredFrames, make: Callable[[Frame], Sample]):
        self._frames, self._make = frames, make

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._make(self._frames[index])

    def __iter__(self) -> Iterator[Sample]:
        return map(self._make, self._frames)


def evenly(total: int, count: int, seed: int = 0) -> np.ndarray:
    """At most `count` of `total` numbers, one at random from each of as many equal stretches, ascending.

    At random, because files have an order: every tenth frame may be of one kind.
    """
    if count >= total:
        return np.arange(total)
    places = np.arange(count) + np.random.default_rng(seed).random(count)
    return np.unique((places * total / count).astype(np.int64))


def kinds_of(samples: Sequence[Sample]) -> tuple[Sequence[Kind], np.ndarray]:
    """The kinds that occur among samples, and that of each as a number, shape (n_samples,)."""
    if isinstance(samples, StoredSamples):
        return samples.census.kinds, samples.census.kind
    kinds: dict[Kind, int] = {}
    found = [kinds.setdefault(Kind.of(sample.system), len(kinds)) for sample in samples]
    return tuple(kinds), np.array(found, np.int32)


def elements_of(samples: Sequence[Sample]) -> set[int]:
    """The atomic numbers that occur among samples."""
    return {number for kind in kinds_met(*kinds_of(samples)) for number in kind.numbers}


def prints_of(samples: Sequence[Sample]) -> np.ndarray:
    """The fingerprints of samples, shape (n_samples, 8)."""
    if isinstance(samples, StoredSamples):
        return samples.prints
    return np.array([fingerprint(sample.system) for sample in samples]).reshape(len(samples), -1)


def taken(samples: Sequence[Sample], chosen: np.ndarray) -> Sequence[Sample]:
    """Some of the samples, by their numbers."""
    if isinstance(samples, StoredSamples):
        return samples.take(chosen)
    return [samples[int(number)] for number in chosen]
