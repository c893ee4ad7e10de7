"""Teaching message passing what can be computed of molecules."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from adiabat.base import DataError
from adiabat.base.checkpoints import CheckpointStore
from adiabat.properties.descriptors import descriptor_names
from adiabat.properties.graph_network import outputs_of
from adiabat.properties.graph_training import Examples, Recipe, trained
from adiabat.properties.message_passing import MessagePassing
from adiabat.properties.molecules import Molecules, in_spreads
from adiabat.properties.predictor import Labels
from adiabat.properties.quantum import QUANTUM_NAMES

# One member of a single network: nothing is averaged, and there is enough to learn from.
RECIPE = Recipe(width=128, depth=3, epochs=30, batch_size=64, dropout=0.0)
# Of the molecules this share is not learned, but says how well the targets are predicted.
HELD_OUT = 0.05
FEWEST = 200


class Learned(NamedTuple):
    """Message passing, and how well it knows its targets.

    Attributes:
        messages: to begin with.
        explained: one less the share of the variance that is not explained, of molecules that were not
            learned, by target; of those that vary.
        held_out: how many molecules these are.
    """

    messages: MessagePassing
    explained: dict[str, float]
    held_out: int


def pretrain(
    molecules: Molecules,
    quantum: np.ndarray,
    *,
    recipe: Recipe = RECIPE,
    seed: int = 0,
    on_epoch: Callable[[int, int, float], None] | None = None,
    store: CheckpointStore | None = None,
) -> Learned:
    """Learns the descriptors of molecules from their graphs, and what is known of their electrons.

    All targets are less their mean, in units of their spread, cut at six. Descriptors together count as much
    as what xTB says together.

    Args:
        molecules: standardized, a few thousand or more.
        quantum: of them, as of `adiabat.properties.quantum`, shape (n_molecules, n_names); NaN where it was
            not computed.
        recipe: how.
        seed: of what is held out, weights and batches.
        on_epoch, store: as of `trained`.

    Raises:
        DataError: fewer than 200 molecules.
    """
    if len(molecules) < FEWEST:
        raise DataError(f"{len(molecules)} molecules are too few to learn from", f"at least {FEWEST}")
    held_out = np.random.default_rng(seed).random(len(molecules)) < HELD_OUT
    values, names = _targets(molecules, quantum, ~held_out)
    labels = Labels(values, np.zeros(values.shape), np.zeros(values.shape[1], bool))
    nothing = np.zeros((len(molecules), 0), np.float32)
    examples = Examples.of(nothing, labels, held_out.astype(int))
    members = trained(molecules.graphs, examples, np.array([1]), recipe, seed, on_epoch=on_epoch, store=store)
    rows = np.flatnonzero(held_out)
    (said,) = outputs_of(members, [molecules.graphs[k] for k in rows], nothing[rows])
    explained = _explained(said, values[rows])
    messages = jax.tree.map(lambda one: one[0], members.messages)
    return Learned(messages, dict(zip(names, explained, strict=True)), len(rows))


def _targets(molecules: Molecules, quantum: np.ndarray, learned: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Values in units of those that are learned, each kind of target as heavy as the other, shape
    (n_molecules, n_targets); and their names."""
    groups = [(molecules.descriptors.astype(float), descriptor_names()), (quantum, QUANTUM_NAMES)]
    parts, names = [], []
    for numbers, own in groups:
        known = np.flatnonzero(np.isfinite(numbers[learned]).any(axis=0))
        center, scale = (of(numbers[learned][:, known], axis=0) for of in (np.nanmean, np.nanstd))
        varies = scale > 1e-6 * np.maximum(np.abs(center), 1.0)
        scaled = in_spreads(numbers[:, known[varies]], center[varies], scale[varies])
        parts.append(scaled / np.sqrt(max(1, scaled.shape[1])))
        names += [own[k] for k in known[varies]]
    values = np.concatenate(parts, axis=1)
    return values / np.nanstd(values[learned]), names


def _explained(said: np.ndarray, values: np.ndarray) -> list[float]:
    """Of each target, shape (n_molecules, n_targets) both; NaN where values are not known or do not vary."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    left, there = (np.where(known, (values - one) ** 2, 0.0).sum(axis=0) for one in (said, mean))
    return np.where(there > 1e-9, 1 - left / np.maximum(there, 1e-9), np.nan).tolist()


def figures(found: Learned) -> dict[str, float]:
    """For people: of the quantum targets each, of the descriptors the median; of those that are known."""
    known = {name: value for name, value in found.explained.items() if np.isfinite(value)}
    quantum = {name: value for name, value in known.items() if name in QUANTUM_NAMES}
    rest = [value for name, value in known.items() if name not in QUANTUM_NAMES]
    return {"descriptors (median)": float(np.median(rest)), **quantum}
