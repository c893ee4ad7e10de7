"""The parameters as two vectors."""

import jax
import numpy as np

from adiabat.training.vectors import flatten, matrix_shapes, place, unflatten


def tree():
    rng = np.random.default_rng(0)
    shapes = [(3, 2), (4,), (2, 3), (3, 2), (2, 2, 2), (2, 3), (3, 2), ()]
    return {k: rng.normal(size=shape).astype(np.float32) for k, shape in enumerate(shapes)}


def test_there_and_back():
    arrays = tree()
    vectors = flatten(arrays)
    assert vectors.matrices.size == 3 * 6 + 2 * 6
    assert vectors.rest.size == 4 + 8 + 1
    assert jax.tree.all(jax.tree.map(np.array_equal, unflatten(vectors, arrays), arrays))


def test_matrices_of_a_shape_stand_next_to_each_other():
    arrays = tree()
    assert matrix_shapes(arrays) == [(2, 2, 3), (3, 3, 2)]
    block = flatten(arrays).matrices[2 * 6 :].reshape(3, 3, 2)
    np.testing.assert_array_equal(block, np.stack([arrays[0], arrays[3], arrays[6]]))


def test_nothing_but_matrices():
    arrays = [np.ones((2, 2), np.float32)]
    assert flatten(arrays).rest.size == 0
    np.testing.assert_array_equal(unflatten(flatten(arrays), arrays)[0], arrays[0])


def test_the_place_of_an_array():
    arrays = tree()
    for k in (1, 4, 7):
        np.testing.assert_array_equal(flatten(arrays).rest[place(arrays, arrays[k])], np.ravel(arrays[k]))
