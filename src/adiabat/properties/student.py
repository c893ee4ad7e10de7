"""A small network on fingerprints alone: quick, and as good as what it learns from."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Self, final

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from scipy.special import expit, logit

from adiabat.base import DataError
from adiabat.properties.fingerprints import BITS
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import AbstractPredictor, Estimate, Labels

_WIDTHS = 256, 128
_BATCH, _EPOCHS, _RATE, _DECAY = 256, 20, 2e-3, 1e-4
# Probabilities are learned within these ends, errors above the last.
_CERTAIN, _LEAST_ERROR = 1e-4, 1e-3


class Lesson(NamedTuple):
    """What a student is to say of molecules.

    Attributes:
        mean: in the units of `Labels`, probabilities of classes, shape (n_molecules, n_targets).
        errors: standard errors, likewise; NaN where there is none.
        classes: whether each target is a class, shape (n_targets,).
    """

    mean: np.ndarray
    errors: np.ndarray
    classes: np.ndarray


@final
class Student(AbstractPredictor):
    """Two hidden layers on the logarithms of counts of circular environments. It learns values and errors,
    of a table or of another model (distillation: Hinton, Vinyals and Dean 2015, arXiv 1503.02531).

    Attributes:
        weights: of the layers, shapes (n_in, n_out).
        biases: shapes (n_out,); the last layer has a value and the logarithm of an error for each target.
        classes: whether each target is a class, shape (n_targets,).
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    classes: np.ndarray
    kind: ClassVar[str] = "student"

    def predict(self, molecules: Molecules) -> Estimate:
        """As of every kind; the spread is the error that it learned.

        Raises:
            DataError: inputs are given, which it cannot read.
        """
        if molecules.inputs.shape[1]:
            raise DataError("a student reads molecules alone, without further columns")
        counts = molecules.sparse_counts.astype(np.float32)
        counts.data = np.log1p(counts.data)
        hidden = np.asarray(counts @ self.weights[0]) + self.biases[0]
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = np.maximum(hidden, 0) @ weight + bias
        value, error = np.split(hidden.astype(float), 2, axis=1)
        return Estimate(np.where(self.classes, expit(value), value), np.exp(error))

    @classmethod
    def taught(
        cls,
        counts: np.ndarray,
        lesson: Lesson,
        seed: int = 0,
        on_epoch: Callable[[int, int, float], None] | None = None,
    ) -> Self:
        """A student of a lesson.

        Args:
            counts: fingerprints, shape (n_molecules, 2048).
            lesson: what to say of them.
            seed: of weights and batches.
            on_epoch: called after each with its number, how many there will be, and the mean loss.

        Raises:
            DataError: no molecules.
        """
        if not len(counts):
            raise DataError("there is no molecule to learn from")
        classes = np.asarray(lesson.classes, bool)
        certain = np.clip(lesson.mean, _CERTAIN, 1 - _CERTAIN)
        errors = np.log(np.maximum(lesson.errors, _LEAST_ERROR))
        start = _center(np.where(classes, logit(certain), lesson.mean)), _center(errors)
        layers = _fresh(len(classes), np.concatenate(start), seed)
        wanted = np.where(classes, certain, lesson.mean).astype(np.float32), errors.astype(np.float32)
        layers = _trained(layers, np.minimum(counts, 255).astype(np.uint8), wanted, classes, seed, on_epoch)
        weights, biases = (tuple(np.asarray(array) for array in part) for part in layers)
        return cls(weights, biases, classes)

    @classmethod
    def _fit(cls, molecules: Molecules, labels: Labels, seed: int) -> Self:
        lesson = Lesson(labels.values, np.full(labels.values.shape, np.nan), labels.classes)
        return cls.taught(molecules.counts, lesson, seed)

    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {f"weight-{k}": array for k, array in enumerate(self.weights)}
        return arrays | {f"bias-{k}": array for k, array in enumerate(self.biases)}, {
            "classes": self.classes.tolist()
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        count = len(_WIDTHS) + 1
        weights, biases = ([arrays[f"{name}-{k}"] for k in range(count)] for name in ("weight", "bias"))
        classes = np.array(settings["classes"], bool)
        sizes = [BITS, *(len(bias) for bias in biases)]
        shapes = [weight.shape for weight in weights]
        if shapes != list(itertools.pairwise(sizes)) or sizes[-1] != 2 * len(classes):
            raise DataError("the layers of the model do not fit together")
        return cls(tuple(weights), tuple(biases), classes)


Layers = tuple[tuple[Any, ...], tuple[Any, ...]]


def _center(values: np.ndarray) -> np.ndarray:
    """The mean of what is known; zero of nothing."""
    count = np.maximum((~np.isnan(values)).sum(axis=0), 1)
    return np.nansum(values, axis=0) / count


def _fresh(n_targets: int, last_bias: np.ndarray, seed: int) -> Layers:
    random = np.random.default_rng(seed)
    sizes = [BITS, *_WIDTHS, 2 * n_targets]
    # About fifty places of a fingerprint are not zero.
    scales = [np.sqrt(2 / 50), *(np.sqrt(2 / size) for size in sizes[1:-1])]
    weights = tuple(
        jnp.asarray(random.normal(0, scale, shape), jnp.float32)
        for scale, shape in zip(scales, itertools.pairwise(sizes), strict=True)
    )
    biases = (*(jnp.zeros(size, jnp.float32) for size in _WIDTHS), jnp.asarray(last_bias, jnp.float32))
    return weights, biases


def _trained(
    layers: Layers,
    counts: np.ndarray,
    wanted: tuple[np.ndarray, np.ndarray],
    classes: np.ndarray,
    seed: int,
    on_epoch: Callable[[int, int, float], None] | None,
) -> Layers:
    size = min(_BATCH, len(counts))
    steps = _EPOCHS * (len(counts) // size)
    rate = optax.warmup_cosine_decay_schedule(0.0, _RATE, max(1, steps // 20), max(2, steps))
    optimizer = optax.adamw(rate, weight_decay=_DECAY)

    @jax.jit
    def step(layers: Layers, state: Any, counts: Array, mean: Array, errors: Array) -> tuple[Any, ...]:
        loss, slope = jax.value_and_grad(_loss)(layers, counts, mean, errors, classes)
        change, state = optimizer.update(slope, state, layers)
        return optax.apply_updates(layers, change), state, loss

    state, random = optimizer.init(layers), np.random.default_rng(seed + 1)
    for epoch in range(_EPOCHS):
        order, total = random.permutation(len(counts)), 0.0
        batches = order[: len(order) // size * size].reshape(-1, size)
        for rows in batches:
            layers, state, loss = step(layers, state, counts[rows], wanted[0][rows], wanted[1][rows])
            total += float(loss)
        if on_epoch is not None:
            on_epoch(epoch + 1, _EPOCHS, total / len(batches))
    return layers


def _loss(
    layers: Layers,
    counts: Float[Array, "n_rows n_places"],
    mean: Float[Array, "n_rows n_targets"],
    errors: Float[Array, "n_rows n_targets"],
    classes: np.ndarray,
) -> Float[Array, ""]:
    hidden = jnp.log1p(counts.astype(jnp.float32))
    for k, (weight, bias) in enumerate(zip(*layers, strict=True)):
        hidden = (jax.nn.relu(hidden) if k else hidden) @ weight + bias
    value, error = jnp.split(hidden, 2, axis=1)
    # What is not known must not be computed with: a slope of zero times NaN is NaN.
    wanted, wanted_errors = jnp.nan_to_num(mean), jnp.nan_to_num(errors)
    apart = jnp.where(classes, optax.sigmoid_binary_cross_entropy(value, wanted), (value - wanted) ** 2)
    known = jnp.where(jnp.isnan(mean), 0.0, apart).mean()
    # Of the error a factor of e is as bad as a value that is off by a third of a standard deviation.
    return known + 0.1 * jnp.where(jnp.isnan(errors), 0.0, (error - wanted_errors) ** 2).mean()
