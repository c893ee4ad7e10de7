"""Sums over the atoms of each structure of a batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.system import Batch, batch_systems, neighbor_list
from adiabat.testing import systems


@pytest.fixture
def batch() -> Batch:
    """Three molecules of different sizes, and room for a fourth."""
    molecules = [systems.water(1), systems.ethanol(), systems.argon_cluster(6)]
    lists = [neighbor_list(molecule, 8.0) for molecule in molecules]
    widest = max(near.max_neighbors for near in lists)
    made, _ = batch_systems(molecules, lists, n_atoms=30, n_systems=4, max_neighbors=widest)
    return jax.tree.map(jnp.asarray, made)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_sums_are_of_the_atoms_of_one_structure(batch: Batch, backend, shape, monkeypatch):
    """By either way of summing; each atom's value counts once in the sum of its own structure."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    values = np.random.default_rng(0).normal(size=(batch.n_atoms, *shape))
    index, mask = np.asarray(batch.system_index), np.asarray(batch.mask)
    expected = [values[mask & (index == k)].sum(axis=0) for k in range(batch.n_systems)]
    np.testing.assert_allclose(batch.sum_atoms(jnp.asarray(values)), expected, rtol=0, atol=1e-13)
    weights = jnp.arange(1.0, 5.0).reshape(4, *[1] * len(shape))
    slope = jax.grad(lambda v: jnp.sum(weights * batch.sum_atoms(v)))(jnp.asarray(values))
    np.testing.assert_array_equal(
        slope, np.where(mask, index + 1.0, 0).reshape(-1, *[1] * len(shape)) * np.ones_like(values)
    )


def test_a_number_that_is_none_stays_in_its_structure(batch: Batch, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    sums = batch.sum_atoms(jnp.ones(batch.n_atoms).at[4].set(jnp.nan))
    np.testing.assert_array_equal(sums, [3, np.nan, 6, 0])


def test_atoms_are_numbered_within_their_structure(batch: Batch):
    np.testing.assert_array_equal(np.asarray(batch.numbering())[:18], [*range(3), *range(9), *range(6)])
