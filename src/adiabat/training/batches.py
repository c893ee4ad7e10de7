"""Samples in batches of a few fixed sizes, in an order that depends on the seed alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from adiabat.data import Sample
from adiabat.data.census import Census
from adiabat.data.stored import StoredSamples, taken
from adiabat.system import Batch, Neighbors, batch_systems, neighbor_list

# Each bucket costs two compilations, one for training and one for evaluation: at most eight compiled shapes.
MAX_BUCKETS = 4
# Another bucket must save at least this share of the work to be worth its compilation.
WORTHWHILE = 0.15
MAX_BATCH_SIZE = 16


class LabeledBatch(eqx.Module):
    """A batch, its neighbors and its labels; what is not known has weight zero.

    Attributes:
        energy: [eV], shape (n_systems,).
        forces: [eV/Å], shape (n_atoms, 3).
        stress: [eV/Å^3], shape (n_systems, 3, 3).
        has_stress: where the stress is known, shape (n_systems,).
        dipole: [e Å], shape (n_systems, 3).
        has_dipole: where the dipole is known, shape (n_systems,).
        counts: atoms of each structure, at least 1, shape (n_systems,).
        heads: whose labels they are, 0 for the main ones, shape (n_systems,); None where there are no others.
    """

    batch: Batch
    neighbors: Neighbors
    energy: Float[Array, " n_systems"]
    forces: Float[Array, "n_atoms 3"]
    stress: Float[Array, "n_systems 3 3"]
    has_stress: Bool[Array, " n_systems"]
    dipole: Float[Array, "n_systems 3"]
    has_dipole: Bool[Array, " n_systems"]
    counts: Float[Array, " n_systems"]
    heads: Int[Array, " n_systems"] | None = None


@dataclass(frozen=True)
class Bucket:
    """One compiled shape: `batch_size` structures of up to `n_atoms` atoms with `max_neighbors` neighbors."""

    n_atoms: int
    max_neighbors: int
    batch_size: int

    def holds(self, n_atoms: int, max_neighbors: int) -> bool:
        """Whether a structure fits."""
        return n_atoms <= self.n_atoms and max_neighbors <= self.max_neighbors


def plan_buckets(sizes: np.ndarray, atoms_per_batch: int, max_buckets: int = MAX_BUCKETS) -> list[Bucket]:
    """The few shapes that hold all structures with the least padding.

    Args:
        sizes: (atoms, neighbors of the most crowded atom) of each structure, shape (n, 2).
        atoms_per_batch: about how many atoms a batch should have.
        max_buckets: at most so many shapes.

    Returns:
        Buckets by ascending number of atoms; a structure goes into the first that is large enough.
    """
    table = sizes[np.lexsort(sizes.T[::-1])]
    atoms, starts = np.unique(table[:, 0], return_index=True)
    widths = np.maximum.reduceat(table[:, 1], starts)
    counts = np.diff([*starts, len(table)])
    atoms, widths, counts = _thinned(atoms, widths, counts, limit=64)

    @cache
    def best(stop: int, buckets: int) -> tuple[float, tuple[int, ...]]:
        """Cost of the first `stop` sizes in at most `buckets` buckets, and where these end."""
        whole = float(counts[:stop].sum() * atoms[stop - 1] * widths[:stop].max()), (stop,)
        if buckets == 1 or stop == 1:
            return whole
        options: list[tuple[float, tuple[int, ...]]] = [whole]
        for cut in range(1, stop):
            cost, ends = best(cut, buckets - 1)
            options.append(
                (
                    cost + float(counts[cut:stop].sum() * atoms[stop - 1] * widths[cut:stop].max()),
                    (*ends, stop),
                )
            )
        return min(options)

    plans = [best(len(atoms), buckets) for buckets in range(1, max_buckets + 1)]
    chosen = plans[0]
    for plan in plans[1:]:
        if plan[0] < (1 - WORTHWHILE) * chosen[0]:
            chosen = plan
    result, begin = [], 0
    widest = 0
    for end in chosen[1]:
        widest = max(widest, int(widths[begin:end].max()))
        n_atoms = int(atoms[end - 1])
        size = int(
            np.clip(round(atoms_per_batch / n_atoms), 1, min(MAX_BATCH_SIZE, int(counts[begin:end].sum())))
        )
        result.append(Bucket(n_atoms, widest, size))
        begin = end
    return result


def _thinned(atoms: np.ndarray, widths: np.ndarray, counts: np.ndarray, limit: int):
    """At most `limit` sizes, neighboring ones merged, so that the plan is quick for any data set."""
    if len(atoms) <= limit:
        return atoms, widths, counts
    starts = np.linspace(0, len(atoms), limit, endpoint=False).astype(int)
    ends = np.append(starts[1:], len(atoms)) - 1
    return atoms[ends], np.maximum.reduceat(widths, starts), np.add.reduceat(counts, starts)


class Listed(Sequence[tuple[Sample, Neighbors]]):
    """Samples with their neighbor lists, which are made at once for samples in memory, and again and again
    for those that stay in their files.

    Args:
        samples: in memory, or `StoredSamples` looked at with this cut-off.
        cutoff: of the lists [Å].

    Attributes:
        samples: as they were given.
        cutoff: likewise.
        heads: None; all are of one head.
    """

    heads = None

    def __init__(self, samples: Sequence[Sample], cutoff: float):
        stored = isinstance(samples, StoredSamples)
        if stored and samples.cutoff != cutoff:
            raise ValueError(
                f"the samples were looked at with a cut-off of {samples.cutoff} Å, not {cutoff} Å"
            )
        self.samples, self.cutoff = samples, cutoff
        self._lists = None if stored else [neighbor_list(sample.system, cutoff) for sample in samples]

    @cached_property
    def census(self) -> Census:
        """What must be known of all of them."""
        return self.samples.census if isinstance(self.samples, StoredSamples) else Census.of(self)

    @property
    def sizes(self) -> np.ndarray:
        """What decides a sample's bucket: its atoms, and the columns of its neighbor list, shape (n, 2)."""
        if self._lists is None:
            return np.stack([self.census.n_atoms, self.census.widths], axis=1)
        pairs = zip(self.samples, self._lists, strict=True)
        return np.array([(sample.n_atoms, near.max_neighbors) for sample, near in pairs]).reshape(-1, 2)

    def visited(self, members: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        """Those of some samples that an epoch works on: all."""
        return members

    def take(self, chosen: np.ndarray) -> "Listed":
        """Some of them, by their numbers."""
        return Listed(taken(self.samples, chosen), self.cutoff)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Sample, Neighbors]:  # pyright: ignore[reportIncompatibleMethodOverride]
        sample = self.samples[index]
        near = neighbor_list(sample.system, self.cutoff) if self._lists is None else self._lists[index]
        return sample, near


class Mixed(Sequence[tuple[Sample, Neighbors]]):
    """Samples of several heads, those of one after those of another, as one training set.

    Args:
        parts: the samples of each head, those of the main one first.
        shifts: what is added to the energies of its structures for each atom [eV], by atomic number, so that
            all are counted from the same zeros; shape (n_heads, n_numbers).

    Attributes:
        heads: of each sample, shape (n_samples,).
    """

    def __init__(self, parts: Sequence[Listed], shifts: np.ndarray):
        self._parts, self._shifts = parts, shifts
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        self.heads = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])

    @property
    def sizes(self) -> np.ndarray:
        """As `Listed.sizes`."""
        return np.concatenate([part.sizes for part in self._parts])

    def visited(self, members: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        """Those of some samples that an epoch works on: all of the main head, and of the others together at
        most as many, in turn from epoch to epoch.

        Args:
            members: numbers of samples.
            seed: of the order in which the others have their turn.
            epoch: which.

        Returns:
            Numbers of samples, as many in each epoch.
        """
        of_members, (n_main, *others) = self.heads[members], (len(part) for part in self._parts)
        chosen = [members[of_members == 0]]
        for head, n_samples in enumerate(others, start=1):
            order = np.random.default_rng([seed, head]).permutation(members[of_members == head])
            count = int(np.ceil(min(1.0, n_main / (len(others) * n_samples)) * len(order)))
            turn = np.arange(epoch * count, (epoch + 1) * count)
            chosen.append(np.take(order, turn, mode="wrap") if count else order)
        return np.concatenate(chosen)

    def __len__(self) -> int:
        return len(self.heads)

    def __getitem__(self, index: int) -> tuple[Sample, Neighbors]:  # pyright: ignore[reportIncompatibleMethodOverride]
        head = int(self.heads[index])
        sample, near = self._parts[head][index - int(self._starts[head])]
        assert sample.energy is not None
        shift = float(np.sum(self._shifts[head][np.asarray(sample.system.numbers)]))
        return replace(sample, energy=sample.energy + shift), near


class Epoch(Sequence[tuple[Bucket, list[int]]]):
    """What each step of an epoch works on: a bucket and numbers of samples.

    Attributes:
        rows: the batches of each bucket that has any, shape (n_batches, batch_size).
    """

    def __init__(self, rows: Sequence[tuple[Bucket, np.ndarray]], order: np.ndarray):
        self.rows, self._order = rows, order  # the order of all batches, counted through the buckets
        self._starts = np.cumsum([0, *(len(numbers) for _, numbers in rows)])

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> tuple[Bucket, list[int]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        batch = int(self._order[index])
        part = int(np.searchsorted(self._starts, batch, side="right")) - 1
        bucket, numbers = self.rows[part]
        return bucket, numbers[batch - int(self._starts[part])].tolist()


class Batches:
    """Samples with their neighbor lists, sorted into buckets.

    Args:
        listed: with energies and forces.
        buckets: the shapes, from `plan_buckets`.
        n_devices: batches that a step works on at once, one on each device.
    """

    def __init__(self, listed: Listed | Mixed, buckets: Sequence[Bucket], n_devices: int = 1):
        self.n_devices = n_devices
        self.listed = listed
        self.buckets = list(buckets)
        sizes = listed.sizes
        place = np.full(len(sizes), -1)
        for number, bucket in reversed(list(enumerate(self.buckets))):  # the first that is large enough
            place[np.all(sizes <= (bucket.n_atoms, bucket.max_neighbors), axis=1)] = number
        if (place < 0).any():
            raise ValueError("no bucket is large enough: plan the buckets for all samples")
        self._members = [np.flatnonzero(place == number) for number in range(len(self.buckets))]

    @property
    def per_epoch(self) -> int:
        """Steps that visit every sample of the main head at least once."""
        return sum(
            -(-len(self.listed.visited(members, 0, 0)) // (self.n_devices * bucket.batch_size))
            for bucket, members in zip(self.buckets, self._members, strict=True)
        )

    def epoch(self, seed: int, epoch: int) -> Epoch:
        """What each step of an epoch works on, shuffled; the last batch of a bucket is filled up."""
        rng = np.random.default_rng([seed, epoch])
        rows = []
        for bucket, members in zip(self.buckets, self._members, strict=True):
            if len(members):
                members = self.listed.visited(members, seed, epoch)
                size = self.n_devices * bucket.batch_size
                full = -(-len(members) // size) * size
                rows.append((bucket, np.resize(rng.permutation(members), full).reshape(-1, size)))
        return Epoch(rows, rng.permutation(sum(len(numbers) for _, numbers in rows)))

    def in_order(self) -> list[tuple[Bucket, list[int]]]:
        """Every sample once, in batches that may not be full."""
        return [
            (bucket, members[i : i + bucket.batch_size].tolist())
            for bucket, members in zip(self.buckets, self._members, strict=True)
            for i in range(0, len(members), bucket.batch_size)
        ]

    def for_step(self, bucket: Bucket, numbers: Sequence[int]) -> LabeledBatch:
        """What a step works on: one batch, or one for each device along a new first axis."""
        if self.n_devices == 1:
            return self.make(bucket, numbers)
        size = bucket.batch_size
        parts = [self.make(bucket, numbers[i : i + size]) for i in range(0, len(numbers), size)]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *parts)

    def make(self, bucket: Bucket, numbers: Sequence[int]) -> LabeledBatch:
        """The samples of these numbers, padded to the bucket's shape."""
        chosen, lists = zip(*(self.listed[n] for n in numbers), strict=True)
        n_atoms = bucket.n_atoms * bucket.batch_size
        batch, neighbors = batch_systems(
            [sample.system for sample in chosen],
            lists,
            n_atoms=n_atoms,
            n_systems=bucket.batch_size,
            max_neighbors=bucket.max_neighbors,
        )
        energy, stress = np.zeros(bucket.batch_size), np.zeros((bucket.batch_size, 3, 3))
        has_stress, counts = np.zeros(bucket.batch_size, bool), np.ones(bucket.batch_size)
        dipole, has_dipole = np.zeros((bucket.batch_size, 3)), np.zeros(bucket.batch_size, bool)
        forces = np.zeros((n_atoms, 3))
        start = 0
        for k, sample in enumerate(chosen):
            energy[k], counts[k] = sample.energy or 0.0, sample.n_atoms
            if sample.forces is not None:
                forces[start : start + sample.n_atoms] = sample.forces
            if sample.stress is not None and sample.system.is_periodic:
                stress[k], has_stress[k] = sample.stress, True
            if sample.dipole is not None:
                dipole[k], has_dipole[k] = sample.dipole, True
            start += sample.n_atoms
        heads = self.listed.heads
        if heads is not None:
            heads = np.resize(heads[list(numbers)], bucket.batch_size)
        # Host arrays: jit moves them to the device.
        labels = (energy, forces, stress, has_stress, dipole, has_dipole)
        return LabeledBatch(batch, neighbors, *labels, counts, heads)  # pyright: ignore[reportArgumentType]
