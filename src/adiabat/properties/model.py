"""The property model that users see: several predictors weighed, with errors, domain and a file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import adiabat
from adiabat.base import ConfigError, DataError
from adiabat.base.archive import read_archive, understood, write_archive
from adiabat.properties.calibration import Calibration, clues
from adiabat.properties.censored import completed, to_fit
from adiabat.properties.descriptors import descriptor_names
from adiabat.properties.domain import Domain, Placed, similarity_to_others
from adiabat.properties.inputs import Input
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import AbstractPredictor, Estimate, Labels, predictors
from adiabat.properties.reaction_standardizer import ReactionStandardizer
from adiabat.properties.reactions import Reactions
from adiabat.properties.reversible import both_ways, estimate, fit_kind
from adiabat.properties.standardize import Standardizer
from adiabat.properties.table import Table
from adiabat.properties.targets import (
    Classes,
    Target,
    find_targets,
    folds_of,
    groups_of,
    labels_of,
    several_classes,
    units_of,
)

KIND, MODEL_NAME = "property-model", "model.safetensors"
REVISION = 3
# What knows no chemistry: shown beside the others, and weighed only where there is nothing else.
NULLS = ("mean", "nearest")
BASELINES = (*NULLS, "forest", "boosting", "gaussian-process")
STANDARDIZERS = {"molecules": Standardizer, "reactions": ReactionStandardizer}
# A predictor that weighs less is left out.
_LEAST_WEIGHT = 0.02


class Prediction(NamedTuple):
    """What a model says of molecules, in the units of the targets.

    Attributes:
        values: probabilities of classes, which of several classes add up to one; shape (n_molecules,
            n_targets).
        errors: standard errors, likewise; NaN of classes.
        lower: end of the interval that holds the asked-for share of true values; of a class the lowest of 0
            and 1 that is possible: 0 to 0, 1 to 1, or 0 to 1 where the model cannot tell.
        upper: likewise.
        placed: where the molecules lie in the domain.
    """

    values: np.ndarray
    errors: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    placed: Placed


class CrossValidation(NamedTuple):
    """What predictors that had not seen a molecule say of it, in the units of the targets.

    Attributes:
        folds: the number of each molecule's fold, shape (n_molecules,).
        values: of each kind and of their "stack", shape (n_molecules, n_targets) each.
    """

    folds: np.ndarray
    values: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class PropertyModel:
    """Predicts measured properties of molecules, with intervals and where it can be asked.

    Attributes:
        targets: what it predicts.
        members: the predictors by kind.
        weights: of the members for each target, shape (n_members, n_targets).
        calibration: of errors and probabilities.
        domain: the molecules it knows.
        inputs: columns it needs beside the molecule.
        standardizer: how molecules are written; reactions, if it is one of reactions.
        reversible: whether the last target is how much larger the one before is than that of the reverse
            reaction (see `fit_kind`).
        summary: of the training, for the report and the model card.
    """

    targets: tuple[Target, ...]
    members: dict[str, AbstractPredictor]
    weights: np.ndarray
    calibration: Calibration
    domain: Domain
    inputs: tuple[Input, ...] = ()
    standardizer: Standardizer | ReactionStandardizer = field(default_factory=Standardizer)
    reversible: bool = False
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def of_molecules(self) -> Standardizer:
        """How molecules are standardized.

        Raises:
            ConfigError: a model of reactions.
        """
        if isinstance(self.standardizer, ReactionStandardizer):
            raise ConfigError("a model of reactions does not predict molecules", "give a model of molecules")
        return self.standardizer

    @property
    def classes(self) -> tuple[Classes, ...]:
        """The columns of several classes."""
        return several_classes(self.targets)

    def described(self, smiles: Sequence[str], inputs: np.ndarray | None = None) -> Molecules:
        """Standardized molecules, or reactions, as `predict` takes them."""
        return described(self.standardizer, smiles, inputs)

    def estimate(self, member: AbstractPredictor, molecules: Molecules) -> Estimate:
        """What one predictor says of all targets, in units of their spread."""
        return estimate(member, molecules, reversible=len(self.targets) if self.reversible else 0)

    def predict(self, molecules: Molecules, level: float = 0.9) -> Prediction:
        """Values of molecules.

        Args:
            molecules: standardized by `standardizer`, with what `encode` makes of the columns of `inputs`.
            level: share of true values that the intervals are to hold.

        Raises:
            ConfigError: a share that is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ConfigError(f"an interval holds a share between 0 and 1, not {level}")
        placed = self.domain.place(molecules)
        estimates = [self.estimate(member, molecules) for member in self.members.values()]
        mean, found = _weighed(estimates, self.weights, placed.similarity)
        errors = self.calibration.errors(found)
        half = self.calibration.width(level) * errors
        scale = units_of(self.targets)[1]
        values = self.in_units(mean)
        classes = np.array([target.is_class for target in self.targets])
        half = half * scale
        lowest, highest = self.calibration.possible(values, level)
        lower, upper = np.where(classes, lowest, values - half), np.where(classes, highest, values + half)
        return Prediction(values, np.where(classes, np.nan, errors * scale), lower, upper, placed)

    def in_units(self, mean: np.ndarray) -> np.ndarray:
        """Weighed means of the members, shape (n_molecules, n_targets), in the units of the targets;
        of classes as calibrated probabilities."""
        classes = np.array([target.is_class for target in self.targets])
        center, scale = units_of(self.targets)
        return np.where(classes, self.calibration.probabilities(mean, classes), center + scale * mean)


def fit_property_model(
    table: Table,
    molecules: Molecules,
    *,
    kinds: Sequence[str],
    inputs: Sequence[Input] = (),
    standardizer: Standardizer | ReactionStandardizer | None = None,
    reversible: bool = False,
    seed: int = 0,
    fitted: Mapping[str, tuple[AbstractPredictor, Estimate]] | None = None,
) -> tuple[PropertyModel, CrossValidation]:
    """Fits each kind of predictor, weighs them by what they say of molecules they had not seen, calibrates.

    Args:
        table: standardized molecules with their values.
        molecules: the same, with inputs.
        kinds: of predictors, by their names in `predictors`.
        inputs: what the inputs are.
        standardizer: how the molecules were standardized.
        reversible: whether the last target is how much larger the one before is than that of the reverse
            reaction.
        seed: of the folds and of what is random in the fits.
        fitted: kinds that are fitted already, with their out-of-fold predictions.

    Raises:
        DataError: fewer molecules than folds, or a target that cannot be learned.
    """
    targets = find_targets(table, reversible=reversible)
    labels = labels_of(table, targets, reversible=reversible)
    folds = folds_of(table.smiles, seed)
    done = dict(fitted or {})
    for kind, learned in to_fit(kinds, molecules, labels, folds, done, seed):
        done[kind] = fit_kind(kind, molecules, learned, folds, seed)
    stacked = [kind for kind in kinds if kind not in NULLS] or list(kinds)
    outside = [done[kind][1] for kind in stacked]
    weights = _weights(np.stack([one.mean for one in outside]), labels)
    used = np.flatnonzero((weights > 0).any(axis=1))
    # A model of both directions knows each reaction in both.
    known = both_ways(molecules) if reversible else molecules
    similarity = similarity_to_others(known, np.resize(folds, len(known)))[: len(molecules)]
    mean, found = _weighed([outside[k] for k in used], weights[used], similarity)
    possible = completed(molecules, labels, folds, done, seed).possible
    residuals, many = (possible - mean).reshape(-1, len(targets)), (len(possible), 1, 1)
    calibration = Calibration.fitted(residuals, np.tile(found, many), table.measured.sum(axis=0))
    calibration = calibration.with_classes(mean, labels.values, labels.classes, groups_of(targets))
    model = PropertyModel(
        targets=targets,
        members={stacked[k]: done[stacked[k]][0] for k in used},
        weights=weights[used],
        calibration=calibration,
        domain=Domain.of(known, inputs),
        inputs=tuple(inputs),
        standardizer=standardizer or Standardizer(),
        reversible=reversible,
    )
    center, scale = units_of(targets)
    values = {kind: center + scale * one.mean for kind, (_, one) in done.items()}
    classes = labels.classes
    values["stack"] = np.where(classes, calibration.probabilities(mean, classes), center + scale * mean)
    return model, CrossValidation(folds, values)


def described(
    standardizer: Standardizer | ReactionStandardizer, smiles: Sequence[str], inputs: np.ndarray | None = None
) -> Molecules:
    """Molecules or reactions, by how they were standardized."""
    kind = Reactions if isinstance(standardizer, ReactionStandardizer) else Molecules
    return kind(tuple(smiles)) if inputs is None else kind(tuple(smiles), inputs)


def save_property_model(path: str | os.PathLike, model: PropertyModel) -> None:
    """Writes a model file, replacing an old one at once.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    arrays = {"weights": model.weights}
    arrays |= {f"calibration/{name}": array for name, array in model.calibration.stored().items()}
    arrays |= {f"domain/{name}": array for name, array in model.domain.stored().items()}
    settings = {}
    for kind, member in model.members.items():
        own, settings[kind] = member.stored()
        arrays |= {f"{kind}/{name}": array for name, array in own.items()}
    header = {
        "revision": REVISION,
        "targets": [_plain(target) for target in model.targets],
        "members": settings,
        "inputs": [one._asdict() for one in model.inputs],
        "of": next(name for name, kind in STANDARDIZERS.items() if isinstance(model.standardizer, kind)),
        "standardizer": asdict(model.standardizer),
        "reversible": model.reversible,
        "smiles": list(model.domain.smiles),
        "descriptors": list(descriptor_names()),
        "summary": model.summary,
        "versions": {"adiabat": adiabat.__version__},
    }
    write_archive(path, KIND, arrays, header)


def load_property_model(path: str | os.PathLike) -> PropertyModel:
    """The model in a file or a run folder.

    Raises:
        DataError: no such file, damaged, not a property model, or one of another version.
    """
    path = Path(path)
    if path.is_dir():
        path = path / MODEL_NAME
    arrays, header = read_archive(path, KIND)
    if header.get("revision") != REVISION or header.get("descriptors") != list(descriptor_names()):
        raise DataError(
            f"{path} was made by another version of adiabat or RDKit", "train it anew with this one"
        )
    with understood(path, "a property model"):
        return _rebuilt(arrays, header)


def _plain(target: Target) -> dict[str, Any]:
    """Without what is infinite, which JSON cannot hold."""
    return {k: v for k, v in target._asdict().items() if not (isinstance(v, float) and np.isinf(v))}


def _rebuilt(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> PropertyModel:
    def part(prefix: str) -> dict[str, np.ndarray]:
        start = f"{prefix}/"
        return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}

    members = {
        kind: predictors.get(kind).restored(part(kind), settings)
        for kind, settings in header["members"].items()
    }
    targets = tuple(Target(**{**one, "words": tuple(one.get("words", ()))}) for one in header["targets"])
    if arrays["weights"].shape != (len(members), len(targets)):
        raise DataError("the weights of the model do not fit its members")
    inputs = tuple(Input(one["name"], one["kind"], tuple(one["levels"])) for one in header["inputs"])
    return PropertyModel(
        targets=targets,
        members=members,
        weights=arrays["weights"],
        calibration=Calibration.restored(part("calibration")),
        domain=Domain.restored(part("domain"), header["smiles"], inputs),
        inputs=inputs,
        standardizer=STANDARDIZERS[header["of"]](**header["standardizer"]),
        reversible=bool(header["reversible"]),
        summary=header["summary"],
    )


def _weighed(
    estimates: Sequence[Estimate], weights: np.ndarray, similarity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The mean by weights and the clues of its error."""
    means, spreads = (np.stack([one[k] for one in estimates]) for k in (0, 1))
    mean = (weights[:, None] * means).sum(axis=0)
    spread = (weights[:, None] * spreads).sum(axis=0)
    return mean, clues(spread, means.std(axis=0), similarity)


def _weights(means: np.ndarray, labels: Labels) -> np.ndarray:
    """Weights of least squares that are not negative and add up to one, shape (n_kinds, n_targets).

    Args:
        means: out of fold, shape (n_kinds, n_molecules, n_targets).
        labels: shape (n_molecules, n_targets).
    """
    found = np.zeros((len(means), means.shape[2]))
    if labels.reversible and means.shape[2] > 1:
        # One weight for both: only then do both directions agree.
        one = Labels(labels.values.T.reshape(-1, 1), labels.limits.T.reshape(-1, 1), labels.classes[:1])
        return found + _weights(means.transpose(0, 2, 1).reshape(len(means), -1, 1), one)
    for target in range(means.shape[2]):
        rows = ~np.isnan(labels.values[:, target])
        values, offered = labels.values[rows, target], means[:, rows, target].T
        weights = _one_sided(offered, values, labels.limits[rows, target])
        weights[weights < _LEAST_WEIGHT] = 0.0
        found[:, target] = weights / weights.sum()
    return found


def _one_sided(offered: np.ndarray, values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Weights that are not negative and add up to one, shape (n_kinds,), of least squared errors, where a
    prediction on the right side of a limit has no error.

    Args:
        offered: predictions, shape (n_molecules, n_kinds).
        values: shape (n_molecules,).
        limits: as of `Labels`, shape (n_molecules,).
    """
    from scipy.optimize import minimize, nnls

    heavy = 1e3 * np.sqrt(len(values))  # holds the sum at one
    system = np.vstack([offered, np.full((1, offered.shape[1]), heavy)])
    weights, _ = nnls(system, np.append(values, heavy))
    if not limits.any():
        return weights

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        errors = offered @ weights - values
        errors = np.where(limits * errors > 0, 0.0, errors)
        return float(np.mean(errors**2)), 2 * errors @ offered / len(values)

    one = {"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": np.ones_like}
    bounds = [(0.0, 1.0)] * len(weights)
    return minimize(loss, weights, jac=True, method="SLSQP", bounds=bounds, constraints=one).x
