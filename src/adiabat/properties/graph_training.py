"""Fitting the members of an ensemble of graph networks together."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from scipy.special import logit

from adiabat.base.ahead import ahead
from adiabat.base.checkpoints import CheckpointStore
from adiabat.networks.parameters import from_arrays, to_arrays
from adiabat.properties.graph_batches import Batch, Shuffled
from adiabat.properties.graphs import Graph
from adiabat.properties.message_passing import MessagePassing
from adiabat.properties.predictor import Labels
from adiabat.properties.property_network import PropertyNetwork, Shape

_OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
# The learning rate rises over this share of the steps, then falls as a cosine.
_WARM_UP = 0.05


class Recipe(NamedTuple):
    """How networks are made and fitted.

    Attributes:
        width: of messages and of the hidden layer.
        depth: rounds of messages.
        per_fold: members that leave out each fold.
        epochs: how often each molecule is seen.
        batch_size: about how many molecules are in a batch.
        learning_rate: the largest.
        dropout: the share of features left out in each step.
    """

    width: int = 128
    depth: int = 3
    per_fold: int = 2
    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 2e-3
    dropout: float = 0.1


class Examples(eqx.Module):
    """A training set without its graphs; the last row is for padding, and has no values.

    Attributes:
        numbers: descriptors and inputs, shape (n_molecules + 1, n_numbers).
        values: shape (n_molecules + 1, n_targets); NaN where nothing was measured.
        limits: as of `Labels`, same shape.
        folds: shape (n_molecules + 1,).
        classes: shape (n_targets,).
    """

    numbers: Float[Array, "n_rows n_numbers"]
    values: Float[Array, "n_rows n_targets"]
    limits: Float[Array, "n_rows n_targets"]
    folds: Int[Array, " n_rows"]
    classes: Bool[Array, " n_targets"]

    @classmethod
    def of(cls, numbers: np.ndarray, labels: Labels, folds: np.ndarray) -> "Examples":
        """With a row of padding; folds of numbers that are not negative."""
        return cls(
            _with_padding(numbers, 0.0),
            _with_padding(labels.values, np.nan),
            _with_padding(labels.limits, 0.0),
            jnp.asarray(np.append(folds, -1), jnp.int32),
            jnp.asarray(labels.classes, bool),
        )


def losses(
    outputs: Float[Array, "n_molecules n_targets"],
    values: Float[Array, "n_molecules n_targets"],
    limits: Float[Array, "n_molecules n_targets"],
    classes: Bool[Array, " n_targets"],
) -> Float[Array, "n_molecules n_targets"]:
    """The squared error of each value; of a limit only where the output is on its wrong side; of a class the
    cross entropy. Zero where nothing is known."""
    known = jnp.nan_to_num(values)
    error = outputs - known
    wrong_side = jnp.where(limits == 0, True, error * limits < 0)
    squared = jnp.where(wrong_side, error**2, 0.0)
    entropy = optax.sigmoid_binary_cross_entropy(outputs, known)
    return jnp.where(jnp.isnan(values), 0.0, jnp.where(classes, entropy, squared))


def over_members(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives for each member, along the first axis of the arguments.

    All at once on an accelerator; one after the other on a CPU, where the arrays of one member stay in the
    cache: twice as fast.
    """
    if jax.default_backend() == "cpu":
        return jax.lax.map(lambda each: function(*each), arguments)
    return jax.vmap(function)(*arguments)


def fresh(recipe: Recipe, n_members: int, shape: Shape, key: PRNGKeyArray) -> PropertyNetwork:
    """Members with starting weights; all arrays have a leading axis of members."""
    keys = jax.random.split(key, n_members)
    sizes = {"width": recipe.width, "depth": recipe.depth}
    return eqx.filter_vmap(lambda key: PropertyNetwork(shape, **sizes, key=key))(keys)


def trained(
    graphs: Sequence[Graph],
    examples: Examples,
    left_out: np.ndarray,
    recipe: Recipe,
    seed: int,
    *,
    reacting: bool = False,
    additive: bool = False,
    start: MessagePassing | None = None,
    minutes: float | None = None,
    on_epoch: Callable[[int, int, float], None] | None = None,
    store: CheckpointStore | None = None,
) -> PropertyNetwork:
    """Members, each fitted to all molecules but those of one fold.

    Args:
        graphs: of the molecules.
        examples: what is known of them.
        left_out: the fold of each member, shape (n_members,); one that no molecule has leaves none out.
        recipe: how.
        seed: of weights, batches and dropout.
        reacting: as of `Shape`.
        additive: likewise.
        start: the message passing that all members begin with, of the recipe's width and depth.
        minutes, on_epoch: as of `AbstractGraphEnsemble.fit`.
        store: where the state is kept after each epoch; what is there is gone on with.
    """
    begin, ends = time.monotonic(), []
    weights_key, dropout_key = jax.random.split(jax.random.key(seed))
    shape = Shape(
        n_atom_features=graphs[0].atoms.shape[1],
        n_bond_features=graphs[0].bonds.shape[1],
        n_numbers=examples.numbers.shape[1],
        n_targets=examples.values.shape[1],
        reacting=reacting,
        additive=additive,
    )
    members = fresh(recipe, len(left_out), shape, weights_key)
    members = eqx.tree_at(lambda net: net.last.bias, members, _means(examples, left_out))
    if start is not None:
        members = eqx.tree_at(lambda net: net.messages, members, _repeated(start, len(left_out)))
    weights, static = eqx.partition(members, eqx.is_array)
    state = weights, jax.vmap(_OPTIMIZER.init)(weights)
    shuffled, random, epochs = Shuffled(graphs, recipe.batch_size), np.random.default_rng(seed), recipe.epochs
    folds, largest = jnp.asarray(left_out, jnp.int32), jnp.float32(recipe.learning_rate)
    before = None if store is None else store.latest()
    if before is not None:
        state = from_arrays(state, before.arrays, source="the checkpoint")
        for _ in range(before.step):
            shuffled.dealt(random)
    first = 0 if before is None else before.step
    dealt = (shuffled.epoch(random) for _ in range(first, epochs))
    for done, batches in enumerate(ahead(dealt), start=first):
        if done == 2 and minutes is not None:
            epochs = min(epochs, _affordable(minutes, begin, ends))
        if done == epochs:
            break
        plan = jnp.array([done * shuffled.n_batches, epochs * shuffled.n_batches], jnp.float32)
        keys = jax.random.split(jax.random.fold_in(dropout_key, done), len(left_out))
        state, loss = _epoch(state, static, folds, keys, batches, examples, recipe.dropout, largest, plan)
        loss = float(loss)  # waits until it is done
        ends.append(time.monotonic())
        if store is not None:
            store.save(done + 1, to_arrays(state), {})
        if on_epoch is not None:
            on_epoch(done + 1, epochs, loss)
    return jax.tree.map(np.asarray, eqx.combine(state[0], static))


def _repeated(messages: MessagePassing, count: int) -> MessagePassing:
    """With a leading axis, all arrays alike."""
    return jax.tree.map(lambda one: jnp.repeat(jnp.asarray(one, jnp.float32)[None], count, axis=0), messages)


def _affordable(minutes: float, begin: float, ends: Sequence[float]) -> int:
    """Epochs that end in time, by the second: the first compiled. At least one more."""
    left = 60 * minutes - (ends[-1] - begin)
    return len(ends) + max(1, int(left / (ends[-1] - ends[-2])))


@eqx.filter_jit
def _epoch(
    state: tuple[PropertyNetwork, optax.OptState],
    static: PropertyNetwork,
    left_out: Int[Array, " n_members"],
    keys: PRNGKeyArray,
    batches: Batch,
    examples: Examples,
    dropout: float,
    largest: Float[Array, ""],
    plan: Float[Array, " 2"],
) -> tuple[tuple[PropertyNetwork, optax.OptState], Float[Array, ""]]:
    """All members through all batches; the mean loss.

    Args:
        state: weights and state of the optimizer, with a leading axis of members.
        static: what of the network is no array.
        left_out: the fold of each member.
        keys: of each member's dropout.
        batches: with a leading axis.
        examples: what is known of the molecules.
        dropout: share of the features.
        largest: learning rate.
        plan: steps done before, and in all.
    """

    def of_member(state, fold, key):
        def step(carry, batch):
            (weights, moments), number = carry
            own_key = jax.random.fold_in(key, number.astype(jnp.uint32))

            def loss(weights):
                return _loss(eqx.combine(weights, static), batch, examples, fold, dropout, own_key)

            found, slopes = jax.value_and_grad(loss)(weights)
            updates, moments = _OPTIMIZER.update(slopes, moments)
            rate = largest * _share((number + 1) / plan[1])
            weights = jax.tree.map(lambda own, update: own - rate * update, weights, updates)
            return ((weights, moments), number + 1), found

        (state, _), found = jax.lax.scan(step, (state, plan[0]), batches)
        return state, found.mean()

    state, found = over_members(of_member, state, left_out, keys)
    return state, found.mean()


def _loss(
    network: PropertyNetwork,
    batch: Batch,
    examples: Examples,
    left_out: Int[Array, ""],
    dropout: float,
    key: PRNGKeyArray,
) -> Float[Array, ""]:
    """The mean over what is known of the batch outside a fold."""
    rows = batch.rows
    values = jnp.where((examples.folds[rows] != left_out)[:, None], examples.values[rows], jnp.nan)
    outputs = network(batch.graphs, examples.numbers[rows], dropout=dropout, key=key)
    found = losses(outputs, values, examples.limits[rows], examples.classes)
    return found.sum() / jnp.maximum(jnp.sum(~jnp.isnan(values)), 1).astype(found.dtype)


def _share(progress: Float[Array, ""]) -> Float[Array, ""]:
    """Of the largest learning rate, at a share of the training."""
    falling = 0.5 * (1 + jnp.cos(jnp.pi * progress))
    return jnp.minimum(progress / _WARM_UP, falling)


def _means(examples: Examples, left_out: np.ndarray) -> np.ndarray:
    """Where outputs start: the mean of what is known outside each fold, shape (n_members, n_targets)."""
    values, classes = np.asarray(examples.values, float), np.asarray(examples.classes)
    outside = np.asarray(examples.folds) != left_out[:, None]  # (n_members, n_rows)
    exact = ~np.isnan(values) & (np.asarray(examples.limits) == 0)
    count, total = outside @ exact.astype(float), outside @ np.where(exact, values, 0.0)
    share = np.where(classes, (total + 1) / (count + 2), 0.5)  # never all, never none
    return np.where(classes, logit(share), total / np.maximum(count, 1)).astype(np.float32)


def _with_padding(rows: np.ndarray, value: float) -> Float[Array, "n_rows n"]:
    return jnp.asarray(np.append(rows, np.full((1, rows.shape[1]), value), axis=0), jnp.float32)
