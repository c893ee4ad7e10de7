"""`adiabat learn`: from a molecule to a validated force field."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adiabat.base import ConfigError, DataError, SimulationError, UnsupportedError
from adiabat.base.interrupts import Interrupted
from adiabat.base.runs import RunFolder
from adiabat.tasks.precision import enable

if TYPE_CHECKING:
    from adiabat.system import System

STRUCTURE_SUFFIXES = {".xyz", ".extxyz", ".pdb", ".sdf", ".mol", ".cif", ".gen", ".traj", ".json", ".vasp"}
CONFORMERS = 12


def learn(
    molecule: "str | os.PathLike | System",
    *,
    out: str | os.PathLike,
    method: str = "gfn2",
    minutes: float = 4.0,
    labels: int | None = None,
    temperature: float = 300.0,
    start: str | os.PathLike | None = None,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Samples and labels a molecule, fits a potential, tests it on other trajectories, simulates with it.

    Args:
        molecule: a SMILES string, a structure file, or a structure.
        out: the run folder, with structures, labels, model, trajectories and report.
        method: the reference method, such as "gfn2".
        minutes: wall-clock time of the whole, about.
        labels: structures for training and validation; as many as the time allows by default.
        temperature: that the potential is for [K]; it is trained and tested at higher ones, too.
        start: a model to go on from, "general" for the one that comes with adiabat, "scratch" for fresh
            weights, which is the default.
        seed: of everything random.
        resume: go on with the run in the folder; finished stages are skipped.
        force: start over in a folder that holds a run.

    Returns:
        `molecule`, `method`, `n_atoms`, `labels`, `errors` of each test set by name, `nvt` and `nve` (what
        `simulate` sums up), `minutes`, and the paths `model` and `report`.

    Raises:
        DataError: a molecule that cannot be read, or a single atom.
        UnsupportedError: an element outside the method, or a periodic structure.
        ConvergenceError: the method fails on the molecule, or the training diverges.
        SimulationError: the potential is unstable; the report is written all the same.
    """
    from adiabat.data.labelers import labelers
    from adiabat.tasks.learning import MAKES, Learning

    if minutes <= 0 or temperature <= 0 or (labels is not None and labels < 20):
        raise ConfigError("learning needs minutes and a temperature above zero, and at least 20 labels")
    environment = enable()
    name, starts = starting_structures(molecule, seed)
    labelers.get(method)().check(starts[0])
    config = {
        "molecule": name,
        "method": method,
        "minutes": float(minutes),
        "temperature": float(temperature),
        "seed": seed,
        **({} if labels is None else {"labels": labels}),
        **({} if start is None else {"start": os.fspath(start)}),
    }
    with RunFolder.create(out, "learn", config, resume=resume, force=force, makes=MAKES) as run:
        run.note(**environment)
        of_smiles = isinstance(molecule, str) and not _is_file(molecule)
        learning = Learning(run, name if of_smiles else starts[0], starts)
        try:
            learning.sample()
        except KeyboardInterrupt as stop:  # what is labelled is in the cache
            raise stop if isinstance(stop, Interrupted) else Interrupted() from None
        potential = learning.train()
        try:
            learning.simulate(potential)
        except SimulationError as error:
            learning.write_report(potential, failure=error.message)
            raise
        learning.write_report(potential)
        return learning.summary()


def starting_structures(molecule: "str | os.PathLike | System", seed: int) -> "tuple[str, list[System]]":
    """A name for the run's configuration, and conformers to start from.

    Raises:
        DataError: no such file, not a SMILES string, or a single atom.
        UnsupportedError: a periodic structure, or an element without a force field in a SMILES string.
    """
    from adiabat.system.smiles import conformers
    from adiabat.tasks.structure import as_system

    text = os.fspath(molecule) if isinstance(molecule, (str, os.PathLike)) else None
    if text is not None and _is_file(text):
        molecule, name = as_system(text), text
    elif text is not None:
        molecule, name = text, text
    else:
        molecule, name = as_system(molecule), "a structure"  # pyright: ignore[reportArgumentType]
    found = conformers(molecule, CONFORMERS, seed)
    if any(found[0].pbc):
        raise UnsupportedError(
            "learn is for molecules, and this structure is periodic",
            "label structures of it (adiabat label), then train on them (adiabat train)",
        )
    if found[0].n_atoms < 2:
        raise DataError("a single atom has no forces to learn", "give a molecule of at least two atoms")
    return name, found


def _is_file(text: str) -> bool:
    """Whether this means a file; one that is not there is the reader's error, not a wrong SMILES string."""
    path = Path(text.rpartition("@")[0] or text)
    return path.exists() or Path(text).exists() or path.suffix.lower() in STRUCTURE_SUFFIXES
