"""Ensembles of graph networks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float
from scipy.special import expit

from adiabat.base import ConfigError, DataError
from adiabat.networks.parameters import from_arrays, to_arrays
from adiabat.properties.graph_batches import Batch, packed
from adiabat.properties.graph_inference import ensemble_outputs
from adiabat.properties.graph_training import Examples, Recipe, fresh, over_members, trained
from adiabat.properties.graphs import Graph, has_labels
from adiabat.properties.message_passing import MessagePassing
from adiabat.properties.molecules import Molecules, in_spreads
from adiabat.properties.predictor import AbstractPredictor, Estimate, Labels
from adiabat.properties.property_network import PropertyNetwork, Shape

# Members of an ensemble that leaves nothing out.
_MEMBERS = 5
# Molecules among which a CPU looks for equal surroundings; more take more memory.
_TOGETHER = 512


class AbstractGraphEnsemble(AbstractPredictor):
    """Directed message passing (`MessagePassing`) in several members.

    Each fold is left out by some of the members: one training gives the ensemble and predictions of every
    molecule by members that have not seen it. All train for a number of epochs that is known before. A
    member that stopped where its own fold fits best would have chosen by that fold, and what it says of it
    would be too good.

    Attributes:
        members: all arrays have a leading axis of members.
        center: of the numbers beside the graphs, shape (n_numbers,).
        scale: their spread; infinite where there was none.
        classes: whether each target is a class, shape (n_targets,).
        handed: whether they look at handedness. Those that learned from molecules without it cannot tell what
            it does.
    """

    members: PropertyNetwork
    center: np.ndarray
    scale: np.ndarray
    classes: np.ndarray
    handed: bool
    takes_limits: ClassVar[bool] = True
    additive: ClassVar[bool]
    """Whether what is said is a sum over atoms: as of `Shape`."""

    def predict(self, molecules: Molecules) -> Estimate:
        """As of every kind; the spread is the standard deviation of the members.

        Raises:
            DataError: inputs are missing, or too many.
        """
        return self._estimate(self._of_members(molecules))

    @classmethod
    def fit(
        cls,
        molecules: Molecules,
        labels: Labels,
        folds: np.ndarray,
        seed: int = 0,
        *,
        recipe: Recipe | None = None,
        start: MessagePassing | None = None,
        minutes: float | None = None,
        on_epoch: Callable[[int, int, float], None] | None = None,
    ) -> tuple[Self, Estimate]:
        """As of every kind, in one training.

        Args:
            molecules: to learn from.
            labels: theirs.
            folds: the number of each molecule's fold, shape (n_molecules,).
            seed: of weights, batches and dropout.
            recipe: how; by default what was found best in docs/decisions/0022-graph-network.md, of reactions
                0025-reactions.md, of additive networks 0029-explanations.md.
            start: the message passing that all members begin with (`pretrained`), which sets width and depth;
                without, weights are drawn at random.
            minutes: the most it may take. The epochs that fit are planned after two of them, so that what
                comes out depends on the machine.
            on_epoch: called after each with its number, how many there will be, and the mean loss.

        Raises:
            ConfigError: a single fold.
            DataError: nothing is known.
        """
        recipe = recipe or cls._usual(molecules)
        if start is not None:
            recipe = recipe._replace(width=start.width, depth=start.depth)
        names, numbered = np.unique(folds, return_inverse=True)
        if len(names) < 2:
            raise ConfigError("one fold cannot be left out", "give molecules at least two folds")
        left_out = np.tile(np.arange(len(names)), recipe.per_fold)
        model = cls._trained(
            molecules,
            labels,
            numbered,
            left_out,
            recipe,
            seed,
            start=start,
            minutes=minutes,
            on_epoch=on_epoch,
        )
        found = model._of_members(molecules).reshape(recipe.per_fold, len(names), *labels.values.shape)
        return model, model._estimate(found[:, numbered, np.arange(len(molecules))])

    @classmethod
    def _fit(cls, molecules: Molecules, labels: Labels, seed: int) -> Self:
        nobody = np.full(_MEMBERS, -1)
        return cls._trained(
            molecules, labels, np.zeros(len(molecules), int), nobody, cls._usual(molecules), seed
        )

    @classmethod
    def _usual(cls, molecules: Molecules) -> Recipe:
        """What was found best. Reactions want more rounds, from the bonds that change to the far ends; so do
        atoms that are all that is read."""
        return Recipe(depth=5) if molecules.reacting or cls.additive else Recipe()

    @classmethod
    def _trained(
        cls,
        molecules: Molecules,
        labels: Labels,
        folds: np.ndarray,
        left_out: np.ndarray,
        recipe: Recipe,
        seed: int,
        **options: Any,
    ) -> Self:
        if np.isnan(labels.values).all():
            raise DataError("no value of any molecule is known")
        numbers = cls._numbers(molecules)
        center, scale = numbers.mean(axis=0), numbers.std(axis=0)
        # What never varied says nothing: its weights are those of the start.
        scale = np.where(scale > 1e-6 * np.maximum(np.abs(center), 1.0), scale, np.inf)
        examples = Examples.of(in_spreads(numbers, center, scale), labels, folds)
        options |= {"reacting": molecules.reacting, "additive": cls.additive}
        handed = molecules.reacting or any(map(has_labels, molecules.graphs))
        members = trained(molecules.graphs, examples, left_out, recipe, seed, **options)
        return cls(members, center, scale, np.asarray(labels.classes, bool), handed)

    def graphs(self, molecules: Molecules) -> Sequence[Graph]:
        """What the members look at."""
        return molecules.graphs if self.handed else molecules.unlabeled

    def _of_members(self, molecules: Molecules) -> np.ndarray:
        """What each member says, of classes before the sigmoid; shape (n_members, n_molecules, n_targets)."""
        return outputs_of(self.members, self.graphs(molecules), self._scaled(molecules))

    def _scaled(self, molecules: Molecules) -> np.ndarray:
        """What members read beside the graphs, shape (n_molecules, n_numbers), float32."""
        numbers, given = self._numbers(molecules), molecules.inputs.shape[1]
        if numbers.shape[1] != len(self.center):
            known = len(self.center) - (numbers.shape[1] - given)
            raise DataError(f"the model takes {known} inputs of a molecule, got {given}")
        return in_spreads(numbers, self.center, self.scale).astype(np.float32)

    @classmethod
    def _numbers(cls, molecules: Molecules) -> np.ndarray:
        """The same, not yet scaled: descriptors are of whole molecules, not of atoms."""
        return molecules.inputs.astype(float) if cls.additive else molecules.numbers

    def _estimate(self, found: np.ndarray) -> Estimate:
        """Mean over members, along the first axis, and the standard deviation of a sample: that of the two
        who did not see a molecule is to be compared with that of all. A mean of probabilities would be no sum
        over atoms any more."""
        said = np.where(self.classes, expit(found), found)
        mean = found.mean(axis=0)
        mean = np.where(self.classes, expit(mean), mean) if self.additive else said.mean(axis=0)
        return Estimate(mean, said.std(axis=0, ddof=1) if len(found) > 1 else np.zeros_like(mean))

    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        settings = {
            "width": self.members.messages.width,
            "depth": self.members.messages.depth,
            "shape": self.members.shape._asdict(),
            "classes": self.classes.tolist(),
            "members": len(self.members.last.weight),
            "handed": self.handed,
        }
        arrays = to_arrays(self.members, "members")
        return arrays | {"center": self.center, "scale": self.scale}, settings

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        center, scale = arrays["center"], arrays["scale"]
        recipe = Recipe(width=int(settings["width"]), depth=int(settings["depth"]))
        if not 1 <= recipe.depth <= len(arrays):
            raise DataError(f"a network of {recipe.depth} rounds does not fit {len(arrays)} arrays")
        classes = np.array(settings["classes"], bool)
        shape = Shape(**settings["shape"])
        if (shape.n_numbers, shape.n_targets, shape.additive) != (len(center), len(classes), cls.additive):
            raise DataError("the graph networks of the model do not fit its numbers and targets")
        template = eqx.filter_eval_shape(fresh, recipe, int(settings["members"]), shape, jax.random.key(0))
        members = from_arrays(template, arrays, "members", "the model")
        return cls(members, center, scale, classes, bool(settings.get("handed", True)))


@final
class GraphEnsemble(AbstractGraphEnsemble):
    """Networks that read descriptors and inputs beside what messages make of the atoms."""

    kind: ClassVar[str] = "graph"
    additive: ClassVar[bool] = False


def outputs_of(members: PropertyNetwork, graphs: Sequence[Graph], numbers: np.ndarray) -> np.ndarray:
    """What each member says, shape (n_members, n_molecules, n_targets).

    Args:
        members: all arrays have a leading axis of members.
        graphs: of the molecules.
        numbers: theirs, as the members take them, shape (n_molecules, n_numbers), float32.
    """
    outputs = _on_cpu if jax.default_backend() == "cpu" else _on_accelerator
    return outputs(members, graphs, numbers)


def _on_cpu(members: PropertyNetwork, graphs: Sequence[Graph], numbers: np.ndarray) -> np.ndarray:
    """What each member says, shape (n_members, n_molecules, n_targets)."""
    n_members, n_targets = members.last.weight.shape[:2]
    parts = [
        ensemble_outputs(members, graphs[start : start + _TOGETHER], numbers[start : start + _TOGETHER])
        for start in range(0, len(graphs), _TOGETHER)
    ]
    return np.concatenate([np.zeros((n_members, 0, n_targets)), *parts], axis=1)


def _on_accelerator(members: PropertyNetwork, graphs: Sequence[Graph], numbers: np.ndarray) -> np.ndarray:
    """The same."""
    padded = np.append(numbers, np.zeros_like(numbers[:1]), axis=0)
    n_members, n_targets = members.last.weight.shape[:2]
    found = np.empty((n_members, len(graphs) + 1, n_targets))
    for batch in packed(graphs):
        found[:, batch.rows] = _outputs(members, batch, padded[batch.rows])
    return found[:, :-1]


@eqx.filter_jit
def _outputs(
    members: PropertyNetwork, batch: Batch, numbers: Float[Array, "n_rows n_numbers"]
) -> Float[Array, "n_members n_rows n_targets"]:
    weights, static = eqx.partition(members, eqx.is_array)
    return over_members(lambda own: eqx.combine(own, static)(batch.graphs, numbers), weights)
