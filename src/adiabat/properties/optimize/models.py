"""Property models as what molecules are improved by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from adiabat.base import ConfigError, did_you_mean
from adiabat.properties.calibration import widening
from adiabat.properties.domain import Domain, Placed
from adiabat.properties.model import PropertyModel
from adiabat.properties.molecules import Molecules
from adiabat.properties.optimize.objectives import Objective
from adiabat.properties.optimize.settings import Optimization


class Trust(NamedTuple):
    """How far what models say of molecules can be believed.

    Attributes:
        lower: ends of the intervals, shape (n_molecules, n_objectives); NaN of classes.
        upper: likewise.
        verdict: 0 outside of what a model knows, 1 at the border, 2 inside of all; shape (n_molecules,).
        similarity: to the most alike known molecule, of the model that knows least, shape (n_molecules,).
        nearest: that molecule.
    """

    lower: np.ndarray
    upper: np.ndarray
    verdict: np.ndarray
    similarity: np.ndarray
    nearest: list[str]


@dataclass(frozen=True)
class ModelScores:
    """What models say of molecules, as `optimize_molecules` asks for it.

    Attributes:
        models: those asked, each once.
        columns: of each objective which of the models, and which of its targets.
    """

    models: tuple[PropertyModel, ...]
    columns: tuple[tuple[int, int], ...]

    def __call__(self, smiles: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Values and standard errors, which are zero for probabilities of classes; both of shape
        (n_molecules, n_objectives)."""
        said = [model.predict(Molecules(tuple(map(model.standardizer, smiles)))) for model in self.models]
        mean = np.stack([said[k].values[:, place] for k, place in self.columns], axis=1)
        errors = np.stack([said[k].errors[:, place] for k, place in self.columns], axis=1)
        return mean, np.nan_to_num(errors, nan=0.0)

    @property
    def domains(self) -> tuple[Domain, ...]:
        """What the models know."""
        return tuple(model.domain for model in self.models)

    def trust(self, found: Optimization, index: Sequence[int], level: float = 0.9) -> Trust:
        """Intervals and domain of molecules that were chosen because of what the models say.

        Chosen are those whose errors happen to be in their favor. The interval of the k-th best of n is
        therefore one that holds all but (1 - level) k/n of true values, see `widening`: of the intervals of
        the best, however many are looked at, the share `level` is then expected to hold. A value farther out
        than all that were measured is as uncertain as it is far out.

        Args:
            found: of a search by these scores.
            index: numbers in its archive.
            level: share of true values.
        """
        archive, order = found.archive, found.best(len(found.archive))
        rank = {k: number for number, k in enumerate(order, start=1)}
        # What breaks a limit was not chosen.
        share = np.array([rank.get(k, len(order)) / max(len(order), 1) for k in index])
        wider = widening(level, share)
        widths = [self.models[k].calibration.width(level)[place] for k, place in self.columns]
        half = np.array(widths) * wider[:, None] * archive.spread[index]
        targets = [self.models[k].targets[place] for k, place in self.columns]
        beyond = [
            np.maximum(t.low - x, x - t.high) for t, x in zip(targets, archive.mean[index].T, strict=True)
        ]
        # The set of a class says nothing of how far its probability is off.
        half = np.where([t.is_class for t in targets], np.nan, np.maximum(half, np.stack(beyond, axis=1)))
        placed = [self._placed(model, [archive.smiles[k] for k in index]) for model in self.models]
        similarity = np.stack([one.similarity for one in placed])
        least = similarity.argmin(axis=0)
        nearest = [
            self.models[m].domain.smiles[placed[m].neighbors[row, 0]] for row, m in enumerate(least.tolist())
        ]
        return Trust(
            archive.mean[index] - half,
            archive.mean[index] + half,
            np.min([one.verdict for one in placed], axis=0),
            similarity.min(axis=0),
            nearest,
        )

    @staticmethod
    def _placed(model: PropertyModel, smiles: Sequence[str]) -> Placed:
        return model.domain.place(Molecules(tuple(map(model.of_molecules, smiles))))


def scores_of(models: Sequence[PropertyModel], objectives: Sequence[Objective]) -> ModelScores:
    """What models say of molecules: the targets with the names of the objectives, in their order, with
    standard errors, which are zero for probabilities of classes.

    Raises:
        ConfigError: no model has such a target, or two have it, or one needs further columns or what takes
            long to compute.
    """
    targets = [(target.name, place) for model in models for place, target in enumerate(model.targets)]
    owners = [model for model in models for _ in model.targets]
    chosen = []
    for objective in objectives:
        found = [k for k, (name, _) in enumerate(targets) if name == objective.name]
        if not found:
            known = [name for name, _ in targets]
            raise ConfigError(f"no model predicts {objective.name!r}", did_you_mean(objective.name, known))
        if len(found) > 1:
            raise ConfigError(f"two models predict {objective.name!r}", "give one of them")
        chosen.append(found[0])
    models = tuple({id(owners[k]): owners[k] for k in chosen}.values())
    for model in models:
        _ = model.of_molecules  # refuses those of reactions
        if columns := [one.name for one in model.inputs if not one.is_computed]:
            names = ", ".join(map(repr, columns))
            raise ConfigError(
                f"a model needs {names} beside the molecule", "train one without further columns"
            )
        if model.inputs:
            names = " and ".join(one.name for one in model.inputs)
            raise ConfigError(
                f"a model is given what {names} computes of each molecule, which a search does not wait for",
                "teach a student by adiabat property distill, or train one without --xtb and --embedding",
            )
    numbers = {id(model): number for number, model in enumerate(models)}
    return ModelScores(models, tuple((numbers[id(owners[k])], targets[k][1]) for k in chosen))
