"""The random numbers of a simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.dynamics.noise import normal, threefry, uniform


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers_of_threefry(key, counter, expected):
    """Those of Random123's kat_vectors for threefry2x32 with 20 rounds."""
    words = threefry(jnp.asarray(key, jnp.uint32), *jnp.asarray(counter, jnp.uint32))
    assert tuple(int(word) for word in words) == expected


def test_numbers_have_their_distribution():
    """Means, variances and the fourth moment; none of a hundred neighbors in step or number knows another."""
    key = jax.random.key_data(jax.random.key(7))
    numbers = np.asarray(normal(key, jnp.arange(100)[:, None], jnp.arange(3000)))
    error = 1 / np.sqrt(numbers.size)
    assert abs(numbers.mean()) < 4 * error
    assert abs(numbers.var() - 1) < 4 * np.sqrt(2) * error
    assert abs(np.mean(numbers**4) - 3) < 4 * np.sqrt(96) * error
    assert abs(np.mean(numbers[1:] * numbers[:-1])) < 4 * error
    assert abs(np.mean(numbers[:, 1:] * numbers[:, :-1])) < 4 * error
    even = np.asarray(uniform(key, jnp.asarray(3), jnp.arange(100_000)))
    assert 0 < even.min() < 1e-4
    assert 1 - 1e-4 < even.max() < 1
    assert abs(even.mean() - 0.5) < 4 / np.sqrt(12 * even.size)
