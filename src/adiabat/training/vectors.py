"""The parameters of a network as two vectors, one of all matrices and one of everything else.

Each array costs a call of a compiled function some ten microseconds, and an optimizer's update of it one more
loop; a step on a few molecules takes no more than a few milliseconds.
"""

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Parameters(NamedTuple):
    """All numbers that are fitted.

    Attributes:
        matrices: those of the matrices, the ones of the same shape next to each other.
        rest: those of all other arrays.
    """

    matrices: Float[Array, " n_matrices"]
    rest: Float[Array, " n_rest"]


def flatten(tree: Any) -> Parameters:
    """The vectors of a tree of arrays."""
    leaves = jax.tree.leaves(tree)
    order, n_matrices = _order(leaves)
    arrays = [jnp.ravel(leaves[k]) for k in order]
    return Parameters(
        *(
            jnp.concatenate([jnp.zeros(0, jnp.float32), *part])
            for part in (arrays[:n_matrices], arrays[n_matrices:])
        )
    )


def unflatten(parameters: Parameters, like: Any) -> Any:
    """The tree that vectors were made from; `like` has its arrays' shapes."""
    leaves, structure = jax.tree.flatten(like)
    order, n_matrices = _order(leaves)
    found: list[Any] = [None] * len(leaves)
    for vector, places in zip(parameters, (order[:n_matrices], order[n_matrices:]), strict=True):
        ends = np.cumsum([leaves[k].size for k in places])[:-1]
        for k, part in zip(places, jnp.split(vector, ends) if places else [], strict=True):
            found[k] = part.reshape(leaves[k].shape)
    return jax.tree.unflatten(structure, found)


def place(like: Any, array: Any) -> slice:
    """Where an array of a tree, that is not a matrix, stands in the vector of the rest."""
    leaves = jax.tree.leaves(like)
    order, n_matrices = _order(leaves)
    ends = itertools.accumulate(leaves[k].size for k in order[n_matrices:])
    end = next(end for k, end in zip(order[n_matrices:], ends, strict=True) if leaves[k] is array)
    return slice(end - array.size, end)


def matrix_shapes(like: Any) -> list[tuple[int, int, int]]:
    """How many matrices of how many rows and columns follow each other in the vector."""
    shapes = sorted(leaf.shape for leaf in jax.tree.leaves(like) if leaf.ndim == 2)
    return [(len(list(group)), *shape) for shape, group in itertools.groupby(shapes)]


def _order(leaves: list[Any]) -> tuple[list[int], int]:
    """The places of the arrays in the vectors, and how many are matrices."""
    matrices = [k for k, leaf in enumerate(leaves) if leaf.ndim == 2]
    rest = [k for k, leaf in enumerate(leaves) if leaf.ndim != 2]
    return [*sorted(matrices, key=lambda k: leaves[k].shape), *rest], len(matrices)
