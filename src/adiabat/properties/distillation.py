"""A quick model that learned from another."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.properties.calibration import Calibration, clues
from adiabat.properties.fingerprints import nearest
from adiabat.properties.model import PropertyModel
from adiabat.properties.molecules import Molecules
from adiabat.properties.student import Lesson, Student

# Of the molecules this share is not learned, but says how far the student is from its teacher.
HELD_OUT = 0.1
FEWEST = 200


class Distilled(NamedTuple):
    """A student with what is known of it.

    Attributes:
        model: like its teacher.
        rmse: between the two on molecules that were not learned, in the units of the targets, by target.
        explained: one less the share of the teacher's variance that is not explained, likewise.
        held_out: how many molecules these are.
    """

    model: PropertyModel
    rmse: dict[str, float]
    explained: dict[str, float]
    held_out: int


def check_teacher(model: PropertyModel) -> None:
    """Refuses a model that is not told enough by molecules. What is computed of them a student does without.

    Raises:
        ConfigError: a model of reactions, or one that needs further columns.
    """
    _ = model.of_molecules
    for one in (one for one in model.inputs if not one.is_computed):
        raise ConfigError(f"a model that needs {one.name!r} beside the molecule has no student")


def distilled(
    teacher: PropertyModel,
    molecules: Molecules,
    values: np.ndarray,
    errors: np.ndarray,
    seed: int = 0,
    on_epoch: Callable[[int, int, float], None] | None = None,
) -> Distilled:
    """Teaches a student what a model says of molecules.

    Its intervals are as wide as the teacher's and what was found between the two call for: the variances
    of both add up, the latter with a part for strangeness to the known molecules.

    Args:
        teacher: the model.
        molecules: a few thousand or more, such as are to be screened.
        values: what the teacher says of them, shape (n_molecules, n_targets).
        errors: its standard errors, likewise; NaN of classes.
        seed: of what is held out, weights and batches.
        on_epoch: as of `Student.taught`.

    Raises:
        ConfigError: a teacher that needs further columns.
        DataError: fewer than 200 molecules.
    """
    check_teacher(teacher)
    if len(molecules) < FEWEST:
        raise DataError(f"{len(molecules)} molecules are too few to learn from, at least {FEWEST}")
    classes = np.array([target.is_class for target in teacher.targets])
    center, scale = (np.array([getattr(one, k) for one in teacher.targets]) for k in ("center", "scale"))
    mean, spread = (values - center) / scale, errors / scale
    order = np.random.default_rng(seed).permutation(len(molecules))
    outside, inside = np.split(order, [max(FEWEST // 4, round(HELD_OUT * len(order)))])
    lesson = Lesson(mean[inside], spread[inside], classes)
    student = Student.taught(molecules.counts[inside], lesson, seed, on_epoch)
    asked = molecules.taken(outside)
    said = student.predict(asked).mean
    residuals = said - mean[outside]
    similarity = nearest(asked.counts, teacher.domain.counts)[1][:, 0]
    model = PropertyModel(
        targets=teacher.targets,
        members={Student.kind: student},
        weights=np.ones((1, len(classes))),
        calibration=_calibrated(teacher.calibration, residuals, similarity),
        domain=teacher.domain,
        standardizer=teacher.standardizer,
    )
    names = [target.name for target in teacher.targets]
    rmse = scale * np.sqrt((residuals**2).mean(axis=0))
    explained = 1 - (residuals**2).mean(axis=0) / mean[outside].var(axis=0)
    found = Distilled(
        model,
        dict(zip(names, rmse.tolist(), strict=True)),
        dict(zip(names, explained.tolist(), strict=True)),
        len(outside),
    )
    told = {"n_learned": len(inside), "n_held_out": len(outside), "rmse": found.rmse, "r2": found.explained}
    return found._replace(model=replace(model, summary={**teacher.summary, "student": told}))


def _calibrated(teacher: Calibration, residuals: np.ndarray, similarity: np.ndarray) -> Calibration:
    """Errors of a student: those it learned from its teacher, and between the two."""
    nothing = np.zeros_like(residuals)
    own = Calibration.fitted(residuals, clues(nothing, nothing, similarity))
    coefficients = own.coefficients.copy()
    coefficients[:, 1] = 1.0
    # The teacher's logistic functions are in what the student learned.
    return teacher._replace(coefficients=coefficients, logistic=own.logistic)
