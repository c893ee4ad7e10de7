"""Gathers over a table of neighbors whose derivatives are gathers too: XLA scatters slowly."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

# Without barriers XLA:CPU computes what is gathered anew at each place that it is gathered to, which took ten
# times the time of the forces of a Lennard-Jones fluid.
_computed = jax.lax.optimization_barrier


@jax.custom_vjp
def gather(
    values: Float[Array, "n_atoms *features"],  # noqa: F821
    index: Int[Array, "n_atoms max_neighbors"],
    reverse: Int[Array, "n_atoms max_neighbors"],  # noqa: ARG001 (the derivative needs it)
) -> Float[Array, "n_atoms max_neighbors *features"]:
    """The values of each atom's neighbors; its derivative is a gather as well, to every order."""
    return values[index]


@jax.custom_vjp
def _swap(
    values: Float[Array, "n_atoms max_neighbors *features"], reverse: Int[Array, "n_atoms max_neighbors"]
) -> Float[Array, "n_atoms max_neighbors *features"]:
    """Each edge's value replaced by its reverse edge's: a permutation that is its own inverse."""
    return _computed(values).reshape((-1, *values.shape[2:]))[reverse]


def _gather_forward(values, index, reverse):
    return gather(values, index, reverse), reverse


def _gather_backward(reverse, cotangent):
    # The sum over edges that point to j runs over the reverses of the edges that leave j. An unused entry
    # (i, k) points to i and is its own reverse, so it is counted where it was read.
    return _swap(cotangent, reverse).sum(axis=1), None, None


gather.defvjp(_gather_forward, _gather_backward)
_swap.defvjp(
    lambda values, reverse: (_swap(values, reverse), reverse),
    lambda reverse, cotangent: (_swap(cotangent, reverse), None),
)


@jax.custom_vjp
def squared_lengths(
    positions: Float[Array, "n_atoms 3"],
    cells: Float[Array, "... 3 3"],
    index: Int[Array, "n_atoms max_neighbors"],
    shift: Float[Array, "n_atoms max_neighbors 3"],
    reverse: Int[Array, "n_atoms max_neighbors"],
) -> Float[Array, "n_atoms max_neighbors"]:
    """|r_j + shift·cell - r_i|^2 of each edge [Å^2]; its derivative swaps one number an edge, not three.

    Args:
        positions: [Å].
        cells: of the atoms [Å], or one for all.
        index: j of each edge.
        shift: lattice translations of j.
        reverse: flat position of the edge from j back to i.
    """
    x, y, z = _components(positions, cells, index, shift, reverse)
    return x**2 + y**2 + z**2


def _components(positions, cells, index, shift, reverse):
    # A table for each direction: XLA:CPU gathers single numbers within a fused loop, rows of three one by
    # one.
    cells = cells.astype(positions.dtype)
    translations = [sum(shift[..., i] * cells[:, i, axis, None] for i in range(3)) for axis in range(3)]
    return [
        gather(own, index, reverse) - own[:, None] + translation
        for own, translation in zip(positions.T, translations, strict=True)
    ]


def _squared_forward(*given):
    return squared_lengths(*given), given


def _squared_backward(given, cotangent):
    positions, cells, _, shift, reverse = given
    cotangent = 2 * _computed(cotangent)
    # An edge and its reverse are as long: either moves with the atom they leave.
    both = cotangent + _swap(cotangent, reverse)
    components = _components(*given)
    moved = jnp.stack([-jnp.sum(both * component, axis=1) for component in components], axis=-1)
    strained = [[cotangent * x * shift[..., i] for x in components] for i in range(3)]
    by_cell = jnp.stack([jnp.stack([jnp.sum(x, axis=1) for x in row], axis=-1) for row in strained], axis=1)
    if len(cells) != len(positions):
        by_cell = by_cell.sum(axis=0, keepdims=True)
    return moved, by_cell.astype(cells.dtype), None, None, None


squared_lengths.defvjp(_squared_forward, _squared_backward)
