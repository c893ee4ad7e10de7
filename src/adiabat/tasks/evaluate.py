"""`adiabat evaluate`: errors of a model on labelled structures."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from adiabat.base.progress import progress
from adiabat.tasks.load import load

if TYPE_CHECKING:
    from adiabat.data import Sample
    from adiabat.networks import LearnedPotential
    from adiabat.training import Evaluation

logger = logging.getLogger(__name__)
# Forces that go together so well have one unit; a scale outside of this range is another one.
SAME, PLAUSIBLE_SCALE = 0.97, (0.8, 1.25)
OFFSET = 20.0  # [meV/atom] beyond what a bad model's energies are off


def evaluate(
    model: "LearnedPotential | str | os.PathLike",
    data: "Sequence[Sample] | str | os.PathLike",
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    dipole_key: str | None = None,
    scan: bool = False,
) -> "Evaluation":
    """What a model says of labelled structures, beside the labels; `.metrics` holds the errors by name.

    Args:
        model: a potential, a model file, a run folder or a potential file.
        data: samples, or a file with energies, forces or both.
        energy_key: where the energies are, when that is not clear.
        forces_key: likewise.
        stress_key: likewise.
        dipole_key: likewise.
        scan: the frames follow a path; the energies along it are compared as well.

    Raises:
        DataError: a file cannot be read, or has neither energies nor forces.
        UnsupportedError: an element the model does not know.
    """
    potential = load(model) if isinstance(model, (str, os.PathLike)) else model
    from adiabat.base import DataError
    from adiabat.data import read_samples
    from adiabat.training import evaluate as evaluate_samples

    if isinstance(data, (str, os.PathLike)):
        samples = read_samples(
            data,
            energy_key=energy_key,
            forces_key=forces_key,
            stress_key=stress_key,
            dipole_key=dipole_key,
            require=(),
        )
        if all(sample.energy is None and sample.forces is None for sample in samples):
            raise DataError(
                f"{data} holds neither energies nor forces to compare with",
                "name them: --energy-key KEY --forces-key KEY; to predict without labels: adiabat predict",
            )
    else:
        samples = list(data)
    with progress("evaluating", len(samples), "structures") as bar:
        found = replace(evaluate_samples(potential, samples, bar), is_path=scan)
    _warn_of_offset(found)
    _warn_of_unit(found)
    return found


def _warn_of_offset(found: "Evaluation") -> None:
    """Energies of another level of theory look like a bad model."""
    total, beside = (
        found.metrics.get("energy_rmse_mev_per_atom", 0.0),
        1e3 * found.energy_error_beside_offset(),
    )
    if total > OFFSET and beside < total / 5:
        logger.warning(
            "the energies are off by a constant for each element (%.3g meV/atom on average), as between two "
            "levels of theory; without it the RMSE is %.3g meV/atom",
            found.metrics["energy_offset_mev_per_atom"],
            beside,
        )


def _warn_of_unit(found: "Evaluation") -> None:
    """Labels in another unit look like a bad model."""
    from adiabat.data.checks.mechanics import force_unit

    scale, correlation = found.force_scale()
    if abs(correlation) > SAME and not PLAUSIBLE_SCALE[0] < scale * np.sign(correlation) < PLAUSIBLE_SCALE[1]:
        other = "of the wrong sign" if correlation < 0 else f"in {force_unit(scale)}"
        logger.warning(
            "the forces of the data are %.3g times the predicted ones throughout (correlation %.3f): are "
            "they %s? adiabat reads eV/Å",
            scale * np.sign(correlation),
            correlation,
            other,
        )
