"""Fitting an ensemble of interaction networks to several series of ligands."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from adiabat.properties.affinity.interactions import Interactions
from adiabat.properties.affinity.network import InteractionNetwork
from adiabat.properties.graph_training import over_members

# Between two signs of life.
_STEPS = 10


class Recipe(NamedTuple):
    """How interaction networks are made and fitted.

    Attributes:
        channels: of the features.
        depth: rounds of messages along bonds.
        members: of the ensemble.
        steps: of the optimizer, each on all complexes.
        learning_rate: the largest; it falls as a cosine.
        decay: of the weights.
    """

    channels: int = 16
    depth: int = 2
    members: int = 2
    steps: int = 100
    learning_rate: float = 3e-3
    decay: float = 1e-2


def fresh(recipe: Recipe, n_members: int, key: PRNGKeyArray) -> InteractionNetwork:
    """Members with starting weights; all arrays have a leading axis of members."""
    sizes = {"channels": recipe.channels, "depth": recipe.depth}
    return eqx.filter_vmap(lambda key: InteractionNetwork(**sizes, key=key))(jax.random.split(key, n_members))


def trained(
    interactions: Interactions,
    values: np.ndarray,
    series: np.ndarray,
    left_out: np.ndarray,
    recipe: Recipe,
    seed: int,
    on_steps: Callable[[int], None] = lambda _: None,
) -> InteractionNetwork:
    """Members, each fitted to all series but one.

    Only differences within a series are learned: the mean of each series is taken from its scores and values.

    Args:
        interactions: of all complexes.
        values: in units of their spread, shape (n_complexes,).
        series: the number of each complex's series, shape (n_complexes,).
        left_out: the series that each member does not see, shape (n_members,); -1 for none.
        recipe: how.
        seed: of the weights.
        on_steps: called after every few steps of all members with their number.
    """
    members = fresh(recipe, len(left_out), jax.random.key(seed))
    weights, static = eqx.partition(members, eqx.is_array)
    arrays = jnp.asarray(values, jnp.float32), jnp.asarray(series, jnp.int32)
    given = jnp.asarray(left_out, jnp.int32), interactions, *arrays
    carried = weights, over_members(_optimizer(recipe).init, weights)
    for start in range(0, recipe.steps, _STEPS):
        steps = min(_STEPS, recipe.steps - start)
        carried = jax.block_until_ready(_advanced(carried, static, *given, recipe, steps))
        on_steps(steps)
    return jax.tree.map(np.asarray, eqx.combine(carried[0], static))


@eqx.filter_jit
def scores(members: InteractionNetwork, interactions: Interactions) -> Float[Array, "n_members n_ligands"]:
    """What each member says."""
    weights, static = eqx.partition(members, eqx.is_array)
    return over_members(lambda own: eqx.combine(own, static)(interactions), weights)


def _optimizer(recipe: Recipe) -> optax.GradientTransformation:
    schedule = optax.cosine_decay_schedule(recipe.learning_rate, recipe.steps)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=recipe.decay))


@eqx.filter_jit
def _advanced(
    carried: tuple[InteractionNetwork, Any],
    static: InteractionNetwork,
    left_out: Int[Array, " n_members"],
    interactions: Interactions,
    values: Float[Array, " n_complexes"],
    series: Int[Array, " n_complexes"],
    recipe: Recipe,
    steps: int,
) -> tuple[InteractionNetwork, Any]:
    """Weights and states of the optimizer, some steps on."""
    optimizer = _optimizer(recipe)

    def of_member(own, state, out):
        used = (series != out).astype(values.dtype)

        def step(carry, _):
            own, state = carry

            def loss(own):
                return _loss(eqx.combine(own, static)(interactions), values, series, used)

            slopes = jax.grad(loss)(own)
            updates, state = optimizer.update(slopes, state, own)
            return (optax.apply_updates(own, updates), state), None

        return jax.lax.scan(step, (own, state), None, length=steps)[0]

    return over_members(of_member, *carried, left_out)


def _loss(
    scores: Float[Array, " n"], values: Float[Array, " n"], series: Int[Array, " n"], used: Float[Array, " n"]
) -> Float[Array, ""]:
    """The mean squared error of the differences from the mean of the series."""
    count = len(values)  # more series than complexes there are not
    sizes = jax.ops.segment_sum(used, series, count)
    means = jax.ops.segment_sum(used * (scores - values), series, count) / jnp.maximum(sizes, 1.0)
    errors = scores - values - means[series]
    return (used * errors**2).sum() / jnp.maximum(used.sum(), 1.0)
