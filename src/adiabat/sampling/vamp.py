"""Slow functions of features by a network that is trained on the VAMP-2 score."""

from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from adiabat.analysis.slow_modes import (
    folds,
    lagged_moments,
    slow_modes_of,
    standardized,
    tica,
    vamp2_score,
    with_pairs,
)
from adiabat.sampling.slow_function import SlowFunction

_BATCH = 512
# Steps between two looks at the frames that are held out, and looks without a gain before the end.
_LOOK, _PATIENCE = 50, 12
_RIDGE = 1e-6


@dataclass(frozen=True)
class TrainedVAMP:
    """Slow functions that a network has learned.

    Attributes:
        function: of the features, with one output for each mode.
        score: the VAMP-2 score of the functions on frames that were used neither for training nor for its
            end.
        linear_score: that of the best linear functions of the other frames, on the same.
        steps: of the training, until the frames held out for its end gained no more.
    """

    function: SlowFunction
    score: float
    linear_score: float
    steps: int


def train_vamp(
    trajectories: Sequence[np.ndarray],
    lag: int,
    n_modes: int = 1,
    *,
    width: int = 32,
    depth: int = 2,
    max_steps: int = 4000,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> TrainedVAMP:
    """Trains a multilayer perceptron so that its outputs have the largest VAMP-2 score (Mardt, Pasquali, Wu
    and Noe 2018, doi 10.1038/s41467-017-02388-1), and rotates them to modes by `tica`.

    The trajectories are cut in pieces: of each five, three are trained on, one says when to end, and one
    gives the score. The network is trained in float32, its score is computed in float64.

    Args:
        trajectories: features of the frames of each, shapes (n_frames, n_features).
        lag: frames between the two times that are compared.
        n_modes: how many of the slowest.
        width: of the hidden layers.
        depth: how many there are.
        max_steps: of Adam.
        learning_rate: of Adam.
        seed: of the weights and the batches.

    Raises:
        DataError: as `folds`.
        ConfigError: as `tica`.
    """
    center, scale, pieces = standardized(trajectories)
    dealt = folds(with_pairs(pieces, lag), lag)
    training, ending, testing = [piece for fold in dealt[:3] for piece in fold], dealt[3], dealt[4]
    with jax.enable_x64(True):
        key = jax.random.key(seed)
        network = eqx.nn.MLP(
            len(center), n_modes, width, depth, activation=jnp.tanh, dtype=jnp.float32, key=key
        )
        optimizer = optax.adam(learning_rate)
        network, steps = _trained(
            network, _pairs(training, lag), _pairs(ending, lag), optimizer, max_steps, key
        )
        outputs = [np.asarray(_outputs(network, jnp.asarray(piece))) for piece in pieces]
        tested = [np.asarray(_outputs(network, jnp.asarray(piece))) for piece in testing]
    modes = tica(outputs, lag, n_modes)
    *hidden, last = network.layers
    function = SlowFunction(
        center=center,
        scale=scale,
        layers=[(layer.weight, jnp.asarray(layer.bias)) for layer in hidden],
        vectors=last.weight.T @ modes.vectors,
        offset=(modes.mean - last.bias) @ modes.vectors,
    )
    return TrainedVAMP(
        function=function,
        score=vamp2_score(tested, lag),
        linear_score=_linear_score(training + ending, testing, lag, n_modes),
        steps=steps,
    )


def _linear_score(
    training: Sequence[np.ndarray], testing: Sequence[np.ndarray], lag: int, n_modes: int
) -> float:
    """The score on some pieces of the best linear functions of others; of fewer functions than asked for
    where there are fewer independent features."""
    moments = np.sum([lagged_moments(piece, lag) for piece in training], axis=0)
    vectors = slow_modes_of(moments, n_modes)[1]
    return vamp2_score([piece @ vectors for piece in testing], lag)


def vamp2(first: Float[Array, "n_pairs k"], second: Float[Array, "n_pairs k"]) -> Float[Array, ""]:
    """The VAMP-2 score of k functions at the two times of pairs of frames, with derivatives; see
    `adiabat.analysis.vamp2_score`."""
    x, y = first - jnp.mean(first, axis=0), second - jnp.mean(second, axis=0)
    return 1.0 + jnp.sum((_whitened(x).T @ _whitened(y) / len(x)) ** 2)


def _whitened(values: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """Values times the inverse of the Cholesky factor of their covariance; any root gives the same score."""
    covariance = values.T @ values / len(values)
    ridge = _RIDGE * jnp.trace(covariance) / len(covariance) * jnp.eye(len(covariance))
    factor = jnp.linalg.cholesky(covariance + ridge)
    return jax.scipy.linalg.solve_triangular(factor, values.T, lower=True).T


def _trained(
    network: eqx.nn.MLP,
    training: tuple[Array, Array],
    ending: tuple[Array, Array],
    optimizer: optax.GradientTransformation,
    max_steps: int,
    key: Array,
) -> tuple[eqx.nn.MLP, int]:
    """The network, in float64, of the step with the best score of the pairs for ending, and that step's
    number."""
    weights, rest = eqx.partition(network, eqx.is_array)

    def loss(weights, x, y):
        whole = jax.vmap(eqx.combine(weights, rest))
        return -vamp2(whole(x).astype(jnp.float64), whole(y).astype(jnp.float64))

    @jax.jit
    def some_steps(weights, state, key, x, y):
        def step(carry, key):
            weights, state = carry
            chosen = jax.random.randint(key, (min(_BATCH, len(x)),), 0, len(x))
            slopes = jax.grad(loss)(weights, x[chosen], y[chosen])
            updates, state = optimizer.update(slopes, state)
            return (optax.apply_updates(weights, updates), state), None

        (weights, state), _ = jax.lax.scan(step, (weights, state), jax.random.split(key, _LOOK))
        return weights, state

    score = jax.jit(lambda weights, x, y: -loss(weights, x, y))
    state = optimizer.init(weights)
    best, best_score, best_step = weights, -np.inf, 0
    for done in range(_LOOK, max_steps + 1, _LOOK):
        weights, state = some_steps(weights, state, jax.random.fold_in(key, done), *training)
        found = float(score(weights, *ending))
        if found > best_score:
            best, best_score, best_step = weights, found, done
        elif done - best_step >= _PATIENCE * _LOOK:
            break
    return eqx.combine(jax.tree.map(lambda leaf: leaf.astype(jnp.float64), best), rest), best_step


@eqx.filter_jit
def _outputs(network: eqx.nn.MLP, values: Float[Array, "n d"]) -> Float[Array, "n k"]:
    return jax.vmap(network)(values)


def _pairs(pieces: Sequence[np.ndarray], lag: int) -> tuple[Array, Array]:
    """The frames at the two times of all pairs, shapes (n_pairs, n_features)."""
    return (
        jnp.asarray(np.concatenate([piece[:-lag] for piece in pieces]), jnp.float32),
        jnp.asarray(np.concatenate([piece[lag:] for piece in pieces]), jnp.float32),
    )
