"""A model that ranks the ligands of a target by their poses, and what its parts say of targets left out."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

import adiabat
from adiabat.base import DataError
from adiabat.base.archive import read_archive, understood, write_archive
from adiabat.networks.parameters import from_arrays, to_arrays
from adiabat.properties.affinity import nulls
from adiabat.properties.affinity.complexes import Complex
from adiabat.properties.affinity.interactions import Interactions
from adiabat.properties.affinity.network import InteractionNetwork
from adiabat.properties.affinity.shells import shell_counts, shell_names
from adiabat.properties.affinity.training import Recipe, fresh, scores, trained
from adiabat.properties.descriptors import descriptor_names, descriptors
from adiabat.properties.trees import Trees, boosted

KIND, MODEL_NAME = "affinity-model", "model.safetensors"
REVISION = 1
BOTH, BOOSTING, NETWORK = "boosting + network", "boosting", "network"
OWN = (BOTH, BOOSTING, NETWORK)
LEAST_LIGANDS = 5
# Forests of boosted trees with different seeds, of which the mean is taken.
_SEEDS, _ROUNDS = 3, 100


@dataclass(frozen=True, eq=False)
class Series:
    """The ligands of one target.

    Attributes:
        name: of the target.
        complexes: its ligands in their poses.
        values: pK, shape (n_ligands,).
    """

    name: str
    complexes: tuple[Complex, ...]
    values: np.ndarray

    @property
    def smiles(self) -> list[str]:
        """Of the ligands."""
        return [one.ligand.smiles for one in self.complexes]


class LeftOut(NamedTuple):
    """What is said of each target by models that had not seen any of its ligands.

    Attributes:
        series: the targets.
        scores: by the name of the score, for each target shape (n_ligands,).
    """

    series: tuple[Series, ...]
    scores: dict[str, list[np.ndarray]]


@dataclass(frozen=True, eq=False)
class AffinityModel:
    """Ranks the ligands of a target. Scores are in units of pK, and have no zero: only differences between
    the ligands of one target mean something.

    Attributes:
        boosting: boosted trees on shells and descriptors, of several seeds.
        ligand_only: the same on descriptors alone.
        members: interaction networks; all arrays have a leading axis of members.
        scale: of pK in one unit of the networks.
        smiles: of the ligands learned from.
        values: theirs, less the mean of their target [pK], shape (n_known,).
        residuals: how far the scores of left-out targets were off, ascending [pK], shape (n_known,).
        summary: of the training.
    """

    boosting: tuple[Trees, ...]
    ligand_only: tuple[Trees, ...]
    members: InteractionNetwork
    scale: float
    smiles: tuple[str, ...]
    values: np.ndarray
    residuals: np.ndarray
    summary: dict[str, Any] = field(default_factory=dict)

    def score(self, complexes: Sequence[Complex]) -> dict[str, np.ndarray]:
        """Our scores and those that know nothing of the protein, each of shape (n_ligands,)."""
        smiles = [one.ligand.smiles for one in complexes]
        of_ligands, all_features = _features(complexes, smiles)
        trees = _said(self.boosting, all_features)
        network = self.scale * np.asarray(scores(self.members, Interactions.of(complexes))).mean(axis=0)
        return {
            BOTH: (trees + network) / 2,
            BOOSTING: trees,
            NETWORK: network,
            nulls.HEAVY_ATOMS: nulls.heavy_atoms(smiles),
            nulls.LOGP: nulls.log_p(smiles),
            nulls.LIGAND_ONLY: _said(self.ligand_only, of_ligands),
            nulls.NEAREST: nulls.nearest_neighbor(smiles, self.smiles, self.values),
        }

    def half_width(self, level: float = 0.9) -> float:
        """Of the interval around a score that holds this share of true values, both less the mean of their
        target: as far as the scores of left-out targets were off [pK]."""
        place = int(np.ceil(level * (len(self.residuals) + 1))) - 1
        return float(self.residuals[min(place, len(self.residuals) - 1)])


def fit_affinity_model(
    series: Sequence[Series],
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    on_steps: Callable[[int], None] = lambda _: None,
) -> tuple[AffinityModel, LeftOut]:
    """Learns from several targets, and says what it would have said of each without having seen it.

    Args:
        series: at least two targets with at least five ligands each.
        seed: of everything random.
        recipe: of the networks.
        on_steps: called after every few of the recipe's steps with their number.

    Raises:
        DataError: fewer targets or ligands.
    """
    _check(series)
    recipe = recipe or Recipe()
    complexes = [one for target in series for one in target.complexes]
    smiles = [text for target in series for text in target.smiles]
    which = np.repeat(np.arange(len(series)), [len(target.values) for target in series])
    values = np.concatenate([target.values - target.values.mean() for target in series])
    scale = float(values.std())
    of_ligands, all_features = _features(complexes, smiles)
    left_out = np.repeat(np.append(np.arange(len(series)), -1), recipe.members)
    interactions = Interactions.of(complexes)
    networks = trained(interactions, values / scale, which, left_out, recipe, seed, on_steps)
    said = scale * np.asarray(scores(networks, interactions))
    found = {name: np.empty(len(values)) for name in (*OWN, *nulls.NULLS)}
    for target in range(len(series)):
        inside, outside = np.flatnonzero(which == target), np.flatnonzero(which != target)
        for name, features in ((BOOSTING, all_features), (nulls.LIGAND_ONLY, of_ligands)):
            grown = _grown(features[outside], values[outside], seed)
            found[name][inside] = _said(grown, features[inside])
        found[NETWORK][inside] = said[left_out == target][:, inside].mean(axis=0)
        found[nulls.NEAREST][inside] = nulls.nearest_neighbor(
            [smiles[k] for k in inside], [smiles[k] for k in outside], values[outside]
        )
    found[BOTH] = (found[BOOSTING] + found[NETWORK]) / 2
    found[nulls.HEAVY_ATOMS], found[nulls.LOGP] = nulls.heavy_atoms(smiles), nulls.log_p(smiles)
    parts = {
        name: [scored[which == target] for target in range(len(series))] for name, scored in found.items()
    }
    errors = [s - s.mean() - (t.values - t.values.mean()) for s, t in zip(parts[BOTH], series, strict=True)]
    model = AffinityModel(
        boosting=_grown(all_features, values, seed),
        ligand_only=_grown(of_ligands, values, seed),
        members=jax.tree.map(lambda array: array[left_out == -1], networks),
        scale=scale,
        smiles=tuple(smiles),
        values=values,
        residuals=np.sort(np.abs(np.concatenate(errors))),
    )
    return model, LeftOut(tuple(series), parts)


def save_affinity_model(path: str | os.PathLike, model: AffinityModel) -> None:
    """Writes a model file, replacing an old one at once.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    forests = {"boosting": model.boosting, "ligand_only": model.ligand_only}
    arrays = {"values": model.values, "residuals": model.residuals} | to_arrays(model.members, "members")
    for name, forest in forests.items():
        for number, trees in enumerate(forest):
            arrays |= {f"{name}/{number}.{key}": array for key, array in trees.arrays().items()}
    header = {
        "revision": REVISION,
        "depths": {name: [trees.depth for trees in forest] for name, forest in forests.items()},
        "channels": model.members.kinds.shape[-1],
        "rounds": len(model.members.messages.rounds) + 1,
        "members": len(model.members.kinds),
        "scale": model.scale,
        "smiles": list(model.smiles),
        "features": _feature_names(),
        "summary": model.summary,
        "versions": {"adiabat": adiabat.__version__},
    }
    write_archive(path, KIND, arrays, header)


def load_affinity_model(path: str | os.PathLike) -> AffinityModel:
    """The model in a file or a run folder.

    Raises:
        DataError: no such file, damaged, not an affinity model, or one of another version.
    """
    path = Path(path)
    if path.is_dir():
        path = path / MODEL_NAME
    arrays, header = read_archive(path, KIND)
    if header.get("revision") != REVISION or header.get("features") != _feature_names():
        raise DataError(
            f"{path} was made by another version of adiabat or RDKit", "train it anew with this one"
        )
    with understood(path, "an affinity model"):
        return _rebuilt(arrays, header)


def _rebuilt(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> AffinityModel:
    def forest(name: str) -> tuple[Trees, ...]:
        count = len(descriptor_names()) + (len(shell_names()) if name == "boosting" else 0)
        found = []
        for number, depth in enumerate(header["depths"][name]):
            start = f"{name}/{number}."
            own = {key.removeprefix(start): a for key, a in arrays.items() if key.startswith(start)}
            found.append(Trees.restored(own, depth))
            if not ((own["feature"] >= 0) & (own["feature"] < count)).all():
                raise DataError("trees of the model ask for features that there are not")
        return tuple(found)

    recipe = Recipe(channels=int(header["channels"]), depth=int(header["rounds"]))
    if not (1 <= recipe.depth <= len(arrays) and 1 <= recipe.channels <= 4096):
        raise DataError("the networks of the model do not fit its arrays")
    template = eqx.filter_eval_shape(fresh, recipe, int(header["members"]), jax.random.key(0))
    return AffinityModel(
        boosting=forest("boosting"),
        ligand_only=forest("ligand_only"),
        members=from_arrays(template, arrays, "members", "the model"),
        scale=float(header["scale"]),
        smiles=tuple(header["smiles"]),
        values=arrays["values"],
        residuals=arrays["residuals"],
        summary=header["summary"],
    )


def _check(series: Sequence[Series]) -> None:
    if len(series) < 2:
        raise DataError(
            "one target cannot be left out: give at least two",
            "for the ligands of one target there is `adiabat affinity series`",
        )
    for target in series:
        if len(target.values) < LEAST_LIGANDS:
            raise DataError(
                f"{target.name} has {len(target.values)} ligands with an affinity, at least {LEAST_LIGANDS} "
                "are needed"
            )


def _features(complexes: Sequence[Complex], smiles: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Of the ligands alone, and with their surroundings."""
    of_ligands = descriptors(smiles)
    return of_ligands, np.concatenate([shell_counts(complexes), of_ligands], axis=1)


def _feature_names() -> list[str]:
    return [*shell_names(), *descriptor_names()]


def _grown(features: np.ndarray, values: np.ndarray, seed: int) -> tuple[Trees, ...]:
    return tuple(boosted(features, values, seed + number, _ROUNDS) for number in range(_SEEDS))


def _said(forest: Sequence[Trees], features: np.ndarray) -> np.ndarray:
    return np.mean([trees(features).sum(axis=1, dtype=float) for trees in forest], axis=0)
