"""`adiabat predict`: energies, forces, stresses and dipoles of structures."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from adiabat.base.files import check_out
from adiabat.base.progress import progress
from adiabat.tasks.load import load
from adiabat.tasks.trust import warn_of_unknown

if TYPE_CHECKING:
    from adiabat.networks import LearnedPotential


def predict(
    model: "LearnedPotential | str | os.PathLike",
    structures: str | os.PathLike,
    *,
    out: str | os.PathLike,
    force: bool = False,
) -> Path:
    """Predict and write an extxyz file with energy [eV], forces [eV/Å] and, for periodic cells, stress
    [eV/Å^3]; with the charges of the atoms [e] and, for molecules, the dipole [e Å] if the model was trained
    on dipoles.

    Args:
        model: a potential, a model file, a run folder or a potential file.
        structures: any structure file; labels in it are not used.
        out: the extxyz file.
        force: replace an existing file.

    Raises:
        ConfigError: `out` exists.
        DataError: a file cannot be read or written.
        UnsupportedError: an element the model does not know; terms of numbered atoms, and structures that do
            not all repeat along the same directions.
    """
    out = Path(out)
    check_out(out, force)
    potential = load(model) if isinstance(model, (str, os.PathLike)) else model
    from adiabat.data import read_samples, write_samples
    from adiabat.data.keys import NO_KEY
    from adiabat.data.read import LABELS
    from adiabat.training import evaluate

    samples = read_samples(structures, **{f"{label}_key": NO_KEY for label in LABELS}, require=())
    with progress("predicting", len(samples), "structures") as bar:
        found = evaluate(potential, samples, bar)
    warn_of_unknown(potential, found.systems, found.atom_energies, "structure")
    write_samples(out, found.predicted())
    return out
