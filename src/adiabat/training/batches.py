"""Samples in batches of a few fixed sizes, in an order that depends on the seed alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from adiabat.data import Sample
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
        counts: atoms of each structure, at least 1, shape (n_systems,).
    """

    batch: Batch
    neighbors: Neighbors
    energy: Float[Array, " n_systems"]
    forces: Float[Array, "n_atoms 3"]
    stress: Float[Array, "n_systems 3 3"]
    has_stress: Bool[Array, " n_systems"]
    counts: Float[Array, " n_systems"]


@dataclass(frozen=True)
class Bucket:
    """One compiled shape: `batch_size` structures of up to `n_atoms` atoms with `max_neighbors` neighbors."""

    n_atoms: int
    max_neighbors: int
    batch_size: int

    def holds(self, n_atoms: int, max_neighbors: int) -> bool:
        """Whether a structure fits."""
        return n_atoms <= self.n_atoms and max_neighbors <= self.max_neighbors


def plan_buckets(
    sizes: Sequence[tuple[int, int]], atoms_per_batch: int, max_buckets: int = MAX_BUCKETS
) -> list[Bucket]:
    """The few shapes that hold all structures with the least padding.

    Args:
        sizes: (atoms, neighbors of the most crowded atom) of each structure.
        atoms_per_batch: about how many atoms a batch should have.
        max_buckets: at most so many shapes.

    Returns:
        Buckets by ascending number of atoms; a structure goes into the first that is large enough.
    """
    table = np.array(sorted(sizes))
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


class Batches:
    """Samples with their neighbor lists, sorted into buckets.

    Args:
        samples: with energies and forces.
        neighbors: their lists.
        buckets: the shapes, from `plan_buckets`.
        n_devices: batches that a step works on at once, one on each device.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        neighbors: Sequence[Neighbors],
        buckets: Sequence[Bucket],
        n_devices: int = 1,
    ):
        self.n_devices = n_devices
        self.samples = list(samples)
        self.neighbors = list(neighbors)
        self.buckets = list(buckets)
        self._members: list[list[int]] = [[] for _ in self.buckets]
        for number, (sample, near) in enumerate(zip(self.samples, self.neighbors, strict=True)):
            self._members[self._bucket_of(sample.n_atoms, near.max_neighbors)].append(number)

    @property
    def per_epoch(self) -> int:
        """Steps that visit every sample at least once."""
        return sum(
            -(-len(members) // (self.n_devices * bucket.batch_size))
            for bucket, members in zip(self.buckets, self._members, strict=True)
        )

    def epoch(self, seed: int, epoch: int) -> list[tuple[Bucket, list[int]]]:
        """What each step of an epoch works on, as numbers of samples, shuffled; the last of a bucket is
        filled up."""
        rng = np.random.default_rng([seed, epoch])
        batches = []
        for bucket, members in zip(self.buckets, self._members, strict=True):
            size = self.n_devices * bucket.batch_size
            full = -(-len(members) // size) * size
            order = np.resize(rng.permutation(members), full).astype(int).tolist() if members else []
            batches += [(bucket, order[i : i + size]) for i in range(0, len(order), size)]
        return [batches[i] for i in rng.permutation(len(batches))]

    def in_order(self) -> list[tuple[Bucket, list[int]]]:
        """Every sample once, in batches that may not be full."""
        return [
            (bucket, members[i : i + bucket.batch_size])
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
        chosen = [self.samples[n] for n in numbers]
        n_atoms = bucket.n_atoms * bucket.batch_size
        batch, neighbors = batch_systems(
            [sample.system for sample in chosen],
            [self.neighbors[n] for n in numbers],
            n_atoms=n_atoms,
            n_systems=bucket.batch_size,
            max_neighbors=bucket.max_neighbors,
        )
        energy, stress = np.zeros(bucket.batch_size), np.zeros((bucket.batch_size, 3, 3))
        has_stress, counts = np.zeros(bucket.batch_size, bool), np.ones(bucket.batch_size)
        forces = np.zeros((n_atoms, 3))
        start = 0
        for k, sample in enumerate(chosen):
            energy[k], counts[k] = sample.energy or 0.0, sample.n_atoms
            if sample.forces is not None:
                forces[start : start + sample.n_atoms] = sample.forces
            if sample.stress is not None and sample.system.is_periodic:
                stress[k], has_stress[k] = sample.stress, True
            start += sample.n_atoms
        # Host arrays: jit moves them to the device.
        return LabeledBatch(batch, neighbors, energy, forces, stress, has_stress, counts)  # pyright: ignore[reportArgumentType]

    def _bucket_of(self, n_atoms: int, max_neighbors: int) -> int:
        for number, bucket in enumerate(self.buckets):
            if bucket.holds(n_atoms, max_neighbors):
                return number
        raise ValueError("no bucket is large enough: plan the buckets for all samples")


def find_neighbors(samples: Sequence[Sample], cutoff: float) -> list[Neighbors]:
    """The neighbor list of each sample."""
    return [neighbor_list(sample.system, cutoff) for sample in samples]


def size_of(sample: Sample, neighbors: Neighbors) -> tuple[int, int]:
    """What decides a sample's bucket: its atoms, and the columns of its neighbor list."""
    return sample.n_atoms, neighbors.max_neighbors
