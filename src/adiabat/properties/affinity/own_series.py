"""How well the ligands of a target are ranked by what was measured of others of the same series."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adiabat.base import DataError
from adiabat.properties.affinity import nulls
from adiabat.properties.affinity.agreement import Ordering, averaged
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import Labels, predictors

PARTS, REPETITIONS = 5, 10
LEAST_LIGANDS = 10
MODEL = "gaussian-process"
_KINDS = (MODEL, "nearest")


class SeriesTest(NamedTuple):
    """Ligands of one target, each ranked by models that had not seen it.

    Attributes:
        values: pK, shape (n_ligands,).
        scores: means over the repetitions by the name of the score, shape (n_ligands,) each.
        orders: of the pairs that were left out together.
    """

    values: np.ndarray
    scores: dict[str, np.ndarray]
    orders: dict[str, Ordering]


def judge_series(
    smiles: Sequence[str],
    values: np.ndarray,
    *,
    kinds: Sequence[str] = _KINDS,
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> SeriesTest:
    """Leaves out a fifth of the ligands again and again, and ranks them by the others.

    Args:
        smiles: standardized, each once.
        values: pK, shape (n_ligands,).
        kinds: of property models.
        repetitions: how often the ligands are dealt into fifths.
        seed: of the dealing and of what is random in models.

    Raises:
        DataError: fewer than ten ligands.
    """
    count = len(smiles)
    if count < LEAST_LIGANDS:
        raise DataError(
            f"a series of {count} ligands cannot be learned from itself, at least {LEAST_LIGANDS} are needed"
        )
    random = np.random.default_rng(seed)
    folds = np.array([random.permutation(count) % PARTS for _ in range(repetitions)])
    molecules = Molecules(tuple(smiles))
    _ = molecules.counts, molecules.descriptors
    found = {kind: np.empty(folds.shape) for kind in kinds}
    for scores, kind in ((found[kind], kind) for kind in kinds):
        for row, dealt in enumerate(folds):
            for part in range(PARTS):
                inside, outside = np.flatnonzero(dealt == part), np.flatnonzero(dealt != part)
                scores[row, inside] = _said(kind, molecules, values, inside, outside, seed + row)
    for name, way in ((nulls.HEAVY_ATOMS, nulls.heavy_atoms), (nulls.LOGP, nulls.log_p)):
        found[name] = np.tile(way(smiles), (repetitions, 1))
    named = {nulls.NEAREST if kind == "nearest" else kind: scores for kind, scores in found.items()}
    return SeriesTest(
        values,
        {name: scores.mean(axis=0) for name, scores in named.items()},
        {name: averaged(scores, folds) for name, scores in named.items()},
    )


def _said(
    kind: str, molecules: Molecules, values: np.ndarray, inside: np.ndarray, outside: np.ndarray, seed: int
) -> np.ndarray:
    """What a model of the ligands outside says of those inside, shape (n_inside,)."""
    known = values[outside]
    center, scale = known.mean(), max(float(known.std()), 1e-6)
    labels = Labels(((known - center) / scale)[:, None], np.zeros((len(known), 1)), np.zeros(1, bool))
    model = predictors.get(kind).fitted(molecules.taken(outside), labels, seed)
    return center + scale * model.predict(molecules.taken(inside)).mean[:, 0]
