"""Buckets, the order of batches, padding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adiabat.training.batches import MAX_BUCKETS, Batches, Listed, plan_buckets

SIZES = st.lists(
    st.tuples(st.integers(1, 300), st.integers(1, 60).map(lambda k: 4 * k)), min_size=1, max_size=200
)


@given(SIZES, st.integers(10, 300))
def test_few_buckets_hold_every_structure(sizes, atoms_per_batch):
    buckets = plan_buckets(np.array(sizes), atoms_per_batch)
    assert 1 <= len(buckets) <= MAX_BUCKETS
    for n_atoms, width in sizes:
        assert any(n_atoms <= b.n_atoms and width <= b.max_neighbors for b in buckets)
    assert all(b.batch_size >= 1 for b in buckets)
    assert sorted(b.n_atoms for b in buckets) == [b.n_atoms for b in buckets]


def test_one_size_is_one_bucket():
    (bucket,) = plan_buckets(np.array([(15, 16)] * 100), 75)
    assert (bucket.n_atoms, bucket.max_neighbors, bucket.batch_size) == (15, 16, 5)


def test_very_different_sizes_are_kept_apart():
    buckets = plan_buckets(np.array([(3, 4)] * 500 + [(200, 60)] * 20), 75)
    assert [b.n_atoms for b in buckets] == [3, 200]


def test_an_epoch_visits_every_sample_in_an_order_of_the_seed(make_argon):
    listed = Listed(make_argon(7, 5) + make_argon(23, 13), 6.0)
    batches = Batches(listed, plan_buckets(listed.sizes, 40))
    first = list(batches.epoch(seed=1, epoch=3))
    assert len(first) == batches.per_epoch
    assert {n for _, numbers in first for n in numbers} == set(range(30))
    assert list(batches.epoch(seed=1, epoch=3)) == first
    assert list(batches.epoch(seed=1, epoch=4)) != first
    assert list(batches.epoch(seed=2, epoch=3)) != first


def test_a_batch_holds_the_labels_of_its_samples(make_argon):
    samples = make_argon(3, 5)
    listed = Listed(samples, 6.0)
    (bucket,) = plan_buckets(listed.sizes, 20)
    data = Batches(listed, [bucket]).make(bucket, [2, 0])
    assert data.batch.n_systems == bucket.batch_size
    np.testing.assert_array_equal(data.energy[:2], [samples[2].energy, samples[0].energy])
    np.testing.assert_array_equal(data.forces[5:10], samples[0].forces)
    assert data.batch.mask.sum() == 10
    np.testing.assert_array_equal(data.counts[:2], 5)
