"""The Muon optimizer, with the matrices of one shape orthogonalized together."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from adiabat.networks.kernel import orthogonal_factors
from adiabat.training.vectors import Parameters

MOMENTUM = 0.95
ITERATIONS = 5
# The odd quintic a x + b x^3 + c x^5 that pushes singular values in (0, 1] to about 1 (Jordan et al. 2024).
QUINTIC = (3.4445, -4.7750, 2.0315)


def muon(
    learning_rate: optax.ScalarOrSchedule, shapes: Sequence[tuple[int, int, int]]
) -> optax.GradientTransformation:
    """Muon for matrices, Adam for everything else.

    A matrix moves along the orthogonal factor of its momentum (Nesterov), times sqrt(max(1, rows / columns)):
    all directions of its input learn equally fast (K. Jordan et al., kellerjordan.github.io/posts/muon, 2024;
    Liu et al., arXiv:2502.16982).

    Args:
        learning_rate: of both.
        shapes: of the matrices in `Parameters.matrices`, as `matrix_shapes` gives them.
    """
    matrices = optax.chain(
        optax.trace(MOMENTUM, nesterov=True),
        optax.stateless(lambda updates, _: jax.tree.map(lambda v: _orthogonalized(v, shapes), updates)),
        optax.scale_by_learning_rate(learning_rate),
    )
    return optax.partition(
        {"matrices": matrices, "rest": optax.adam(learning_rate)},
        Parameters("matrices", "rest"),  # pyright: ignore[reportArgumentType]
    )


def _orthogonalized(vector: Float[Array, " n"], shapes: Sequence[tuple[int, int, int]]) -> Float[Array, " n"]:
    """Every matrix in the vector replaced by its orthogonal factor, scaled."""
    scales = [
        np.full(n * rows * columns, max(1.0, rows / columns) ** 0.5, np.float32)
        for n, rows, columns in shapes
    ]
    return orthogonal_factors_of(vector, shapes) * np.concatenate([np.zeros(0, np.float32), *scales])


def orthogonal_factors_of(
    vector: Float[Array, " n"], shapes: Sequence[tuple[int, int, int]]
) -> Float[Array, " n"]:
    """U V^T of each matrix U S V^T in the vector, roughly: the singular values end between about 0.7 and 1.2.

    Args:
        vector: matrices one after the other.
        shapes: how many of how many rows and columns.
    """
    each = [(rows, columns) for n, rows, columns in shapes for _ in range(n)]
    found = orthogonal_factors(vector, each, QUINTIC, ITERATIONS)
    if found is not None:
        return found
    ends = np.cumsum([n * rows * columns for n, rows, columns in shapes])[:-1]
    parts = zip(jnp.split(vector, ends) if shapes else [], shapes, strict=True)
    return jnp.concatenate(
        [vector[:0], *(jnp.ravel(_iterated(part.reshape(shape))) for part, shape in parts)]
    )


def _iterated(matrices: Float[Array, "n rows columns"]) -> Float[Array, "n rows columns"]:
    """The same of matrices of one shape, by XLA."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = jnp.swapaxes(matrices, 1, 2) if tall else matrices
    x = x / (jnp.linalg.norm(x, axis=(1, 2), keepdims=True) + 1e-8)
    a, b, c = QUINTIC
    one = jnp.eye(x.shape[1], dtype=x.dtype)
    # The polynomials of x x^T commute: they are multiplied up among themselves, where they are small, and
    # applied to x at the end.
    gram, product = x @ jnp.swapaxes(x, 1, 2), one
    for _ in range(ITERATIONS):
        polynomial = a * one + b * gram + c * gram @ gram
        product, gram = polynomial @ product, polynomial @ gram @ polynomial
    x = product @ x
    return jnp.swapaxes(x, 1, 2) if tall else x
