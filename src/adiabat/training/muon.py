"""The Muon optimizer, with the matrices of one shape orthogonalized together."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

MOMENTUM = 0.95
ITERATIONS = 5
# The odd quintic a x + b x^3 + c x^5 that pushes singular values in (0, 1] to about 1 (Jordan et al. 2024).
QUINTIC = (3.4445, -4.7750, 2.0315)


def muon(learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """Muon for matrices, Adam for everything else.

    A matrix moves along the orthogonal factor of its momentum (Nesterov), times sqrt(max(1, rows / columns)):
    all directions of its input learn equally fast (K. Jordan et al., kellerjordan.github.io/posts/muon, 2024;
    Liu et al., arXiv:2502.16982). `optax.contrib.muon` works on one matrix after the other, which takes twice
    as long to compile for the thirty small ones of a network.

    Args:
        learning_rate: of both.
    """
    matrices = optax.chain(
        optax.trace(MOMENTUM, nesterov=True),
        optax.stateless(lambda updates, _: _orthogonalized(updates)),
        optax.scale_by_learning_rate(learning_rate),
    )
    return optax.partition(
        {"matrix": matrices, "other": optax.adam(learning_rate)},
        lambda parameters: jax.tree.map(lambda p: "matrix" if p.ndim == 2 else "other", parameters),
    )


def _orthogonalized(updates: Any) -> Any:
    """Every matrix of the tree replaced by its orthogonal factor, scaled."""
    leaves, structure = jax.tree.flatten(updates)
    places: dict[tuple[int, ...], list[int]] = {}
    for place, leaf in enumerate(leaves):
        places.setdefault(leaf.shape, []).append(place)
    for (rows, columns), group in places.items():
        factors = orthogonal_factor(jnp.stack([leaves[place] for place in group]))
        for place, factor in zip(group, factors, strict=True):
            leaves[place] = max(1.0, rows / columns) ** 0.5 * factor
    return jax.tree.unflatten(structure, leaves)


def orthogonal_factor(matrices: Float[Array, "n rows columns"]) -> Float[Array, "n rows columns"]:
    """U V^T of each U S V^T, roughly: the singular values end between about 0.7 and 1.2."""
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
