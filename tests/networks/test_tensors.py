"""Products of Cartesian tensors against full matrices, harmonics against their addition theorem."""

import jax.numpy as jnp
import numpy as np

from adiabat.networks.tensors import contract, harmonics, matrix_product, matrix_vector, outer


def _full(m):
    return np.array([[m[0], m[3], m[4]], [m[3], m[1], m[5]], [m[4], m[5], m[2]]])


def _traceless(matrix):
    symmetric = 0.5 * (matrix + matrix.T)
    return symmetric - np.eye(3) * np.trace(symmetric) / 3


def test_products_are_those_of_matrices():
    random = np.random.default_rng(0)
    a, b = (outer(*jnp.asarray(random.normal(size=(2, 3)))) for _ in range(2))
    u, v = jnp.asarray(random.normal(size=(2, 3)))
    np.testing.assert_allclose(_full(outer(u, v)), _traceless(np.outer(u, v)), atol=1e-14)
    np.testing.assert_allclose(matrix_vector(a, v), _full(a) @ np.asarray(v), atol=1e-14)
    np.testing.assert_allclose(contract(a, b), np.trace(_full(a) @ _full(b)), atol=1e-14)
    np.testing.assert_allclose(_full(matrix_product(a, b)), _traceless(_full(a) @ _full(b)), atol=1e-14)


def test_harmonics_obey_the_addition_theorem():
    """Y_l(u) . Y_l(v) = P_l(u . v), the Legendre polynomial."""
    random = np.random.default_rng(1)
    u, v = random.normal(size=(2, 50, 3))
    u, v = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (u, v))
    cosine = np.sum(u * v, axis=1)
    first, second = harmonics(jnp.asarray(u.T)), harmonics(jnp.asarray(v.T))
    legendre = [cosine, (3 * cosine**2 - 1) / 2, (5 * cosine**3 - 3 * cosine) / 2]
    products = [
        jnp.sum(first[0] * second[0], 0),
        contract(first[1], second[1]),
        jnp.sum(first[2] * second[2], 0),
    ]
    for product, expected in zip(products, legendre, strict=True):
        np.testing.assert_allclose(product, expected, atol=1e-12)
