"""A few numbers on each of many samples: what a training must know of all of them at once."""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from adiabat.data.sample import Sample
from adiabat.system import Neighbors, System


class Kind(NamedTuple):
    """What samples of one kind have in common.

    Attributes:
        numbers: the atomic numbers in ascending order, one byte each.
        pbc: along which lattice vectors they repeat.
        charge: total charge [e].
        spin: number of unpaired electrons.
    """

    numbers: bytes
    pbc: tuple[bool, bool, bool]
    charge: int
    spin: int

    @classmethod
    def of(cls, system: System) -> "Kind":
        """The kind of a structure."""
        numbers = np.sort(np.asarray(system.numbers)).astype(np.uint8).tobytes()
        return cls(numbers, system.pbc, system.charge, system.spin)

    @property
    def is_free_atom(self) -> bool:
        """True for one atom alone, which says where the energies start and nothing about forces."""
        return len(self.numbers) == 1 and not any(self.pbc)

    def pairs(self) -> list[tuple[int, int]]:
        """The pairs of its elements, ascending."""
        elements = sorted(set(self.numbers))
        return [(a, b) for k, a in enumerate(elements) for b in elements[k:]]


@dataclass(frozen=True, eq=False)
class Census:
    """What is known of each of n samples.

    Attributes:
        kinds: those that occur.
        kind: of each sample, as a number in `kinds`, shape (n,).
        widths: columns of the neighbor list, shape (n,).
        energies: [eV], NaN where not known, shape (n,).
        force_squares: sum over all components of the squared forces [eV²/Å²], NaN where not known, (n,).
        stressed: whether there is a stress, shape (n,).
        polar: whether there is a dipole, shape (n,).
        digests: a hash of structure and labels, shape (n,).
        shortest: the shortest distance of each pair of the sample's elements, in the order of `Kind.pairs`
            [Å], infinite beyond the cut-off; one sample after the other.
    """

    kinds: tuple[Kind, ...]
    kind: np.ndarray
    widths: np.ndarray
    energies: np.ndarray
    force_squares: np.ndarray
    stressed: np.ndarray
    polar: np.ndarray
    digests: np.ndarray
    shortest: np.ndarray

    @classmethod
    def of(cls, listed: Iterable[tuple[Sample, Neighbors]]) -> "Census":
        """The census of samples with their neighbor lists, in one pass."""
        kinds: dict[Kind, int] = {}
        # Arrays, not lists: there may be millions of samples.
        kind, widths, energies, squares = array("i"), array("i"), array("d"), array("d")
        stressed, polar, digests, shortest = array("b"), array("b"), array("Q"), array("f")
        for sample, near in listed:
            kind.append(kinds.setdefault(Kind.of(sample.system), len(kinds)))
            widths.append(near.max_neighbors)
            energies.append(np.nan if sample.energy is None else sample.energy)
            squares.append(np.nan if sample.forces is None else float(np.sum(sample.forces**2)))
            stressed.append(sample.stress is not None and sample.system.is_periodic)
            polar.append(sample.dipole is not None)
            digests.append(_digest(sample))
            shortest.extend(_shortest(sample.system, near))
        columns = (kind, widths, energies, squares, stressed, polar, digests, shortest)
        return cls(tuple(kinds), *map(np.array, columns))

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def n_atoms(self) -> np.ndarray:
        """Of each sample, shape (n,)."""
        return np.array([len(kind.numbers) for kind in self.kinds], np.int64)[self.kind]

    def take(self, chosen: np.ndarray) -> "Census":
        """The census of some of the samples, by their numbers."""
        counts = np.array([len(kind.pairs()) for kind in self.kinds], np.int64)[self.kind]
        starts, wanted = np.cumsum(counts) - counts, counts[chosen]
        places = np.repeat(starts[chosen] - (np.cumsum(wanted) - wanted), wanted) + np.arange(wanted.sum())
        names = ("kind", "widths", "energies", "force_squares", "stressed", "polar", "digests")
        columns = {name: getattr(self, name)[chosen] for name in names}
        return Census(self.kinds, **columns, shortest=self.shortest[places])

    def shortest_distances(self) -> dict[tuple[int, int], float]:
        """The shortest distance [Å] of each pair of elements in all samples; infinite beyond the cut-off."""
        found: dict[tuple[int, int], float] = {}
        counts = np.array([len(kind.pairs()) for kind in self.kinds], np.int64)[self.kind]
        starts = np.cumsum(counts) - counts
        order = np.argsort(self.kind, kind="stable")
        met, firsts = np.unique(self.kind[order], return_index=True)
        for number, samples in zip(met, np.split(order, firsts[1:]), strict=True):
            pairs = self.kinds[number].pairs()
            rows = self.shortest[starts[samples][:, None] + np.arange(len(pairs))]
            for pair, distance in zip(pairs, rows.min(axis=0).tolist(), strict=True):
                found[pair] = min(distance, found.get(pair, np.inf))
        return found


def kinds_met(kinds: Sequence[Kind], kind: np.ndarray) -> list[Kind]:
    """Those of `kinds` that any of the samples has."""
    return [kinds[number] for number in np.unique(kind)]


def _digest(sample: Sample) -> int:
    system = sample.system
    found = hashlib.blake2b(digest_size=8)
    for values in (
        system.numbers,
        system.positions,
        system.cell,
        sample.energy,
        sample.forces,
        sample.stress,
    ):
        found.update(b"-" if values is None else np.ascontiguousarray(values).tobytes())
    if sample.dipole is not None:  # with what it is fitted by, beside the positions
        for values in (sample.dipole, system.masses, np.int64(system.charge)):
            found.update(np.ascontiguousarray(values).tobytes())
    return int.from_bytes(found.digest(), "little")


def _shortest(system: System, near: Neighbors) -> np.ndarray:
    """The shortest distance of each pair of elements within a structure, in the order of `Kind.pairs`."""
    elements, slot = np.unique(system.numbers, return_inverse=True)
    table = np.full((len(elements), len(elements)), np.inf)
    np.minimum.at(table, (slot[:, None], slot[near.index]), near.distances())
    return table[np.triu_indices(len(elements))].astype(np.float32)
