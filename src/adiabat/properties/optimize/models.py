"""Property models as what molecules are improved by."""

from collections.abc import Sequence

import numpy as np

from adiabat.base import ConfigError, did_you_mean
from adiabat.properties.model import PropertyModel
from adiabat.properties.molecules import Molecules
from adiabat.properties.optimize.objectives import Objective
from adiabat.properties.optimize.search import Scores


def scores_of(models: Sequence[PropertyModel], objectives: Sequence[Objective]) -> Scores:
    """What models say of molecules: the targets with the names of the objectives, in their order, with
    standard errors, which are zero for probabilities of classes.

    Raises:
        ConfigError: no model has such a target, or two have it, or one needs further columns.
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
    for model in {id(owners[k]): owners[k] for k in chosen}.values():
        _ = model.of_molecules  # refuses those of reactions
        if model.inputs:
            names = ", ".join(repr(one.name) for one in model.inputs)
            raise ConfigError(
                f"a model needs {names} beside the molecule", "train one without further columns"
            )

    def scores(smiles: list[str]) -> tuple[np.ndarray, np.ndarray]:
        asked = {id(owners[k]): owners[k] for k in chosen}
        said = {
            key: model.predict(Molecules(tuple(map(model.standardizer, smiles))))
            for key, model in asked.items()
        }
        columns = [(said[id(owners[k])], targets[k][1]) for k in chosen]
        mean = np.stack([prediction.values[:, place] for prediction, place in columns], axis=1)
        errors = np.stack([prediction.errors[:, place] for prediction, place in columns], axis=1)
        return mean, np.nan_to_num(errors, nan=0.0)

    return scores
