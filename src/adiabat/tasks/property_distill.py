"""`adiabat property distill`: a model for large libraries that learned from a better, slower one."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.base.files import check_out
from adiabat.base.processes import Processes
from adiabat.base.progress import progress
from adiabat.properties.distillation import FEWEST, Distilled, check_teacher, distilled
from adiabat.properties.library import Entry, read_library
from adiabat.properties.model import PropertyModel, load_property_model, save_property_model
from adiabat.properties.molecules import Molecules
from adiabat.tasks.precision import enable
from adiabat.tasks.screen import CHUNK, WORKER, cores
from adiabat.tasks.screen_worker import jobs


def distill_property(
    model: str | os.PathLike,
    library: str | os.PathLike,
    *,
    out: str | os.PathLike,
    molecules: int = 50_000,
    smiles: str = "smiles",
    seed: int = 0,
    workers: int | None = None,
    force: bool = False,
) -> Distilled:
    """Asks a model for molecules of a library, taken at random, and teaches a student what it says.

    Args:
        model: the teacher, a property model or its run folder.
        library: a file of molecules such as are to be screened; no values are needed.
        out: the model file of the student.
        molecules: how many to ask for, at most.
        smiles: the column of molecules of a table.
        seed: of the choice, weights and batches.
        workers: processes that ask the teacher; by default as many as there are cores.
        force: replace the file.

    Raises:
        ConfigError: a teacher that needs further columns, a column that is missing.
        DataError: a file that cannot be read, or too few molecules that can be predicted.
    """
    enable()
    check_out(out, force)
    if molecules < FEWEST:
        raise ConfigError(f"a student does not learn from {molecules} molecules", f"at least {FEWEST}")
    teacher = load_property_model(model)
    check_teacher(teacher)
    entries = sample(read_library(Path(library), smiles=smiles), molecules, seed)
    texts, values, errors = _asked(model, teacher, entries, cores(workers))
    asked = Molecules(tuple(map(teacher.standardizer, texts)))
    with progress("distilling", unit="epochs") as bar:

        def on_epoch(_: int, total: int, loss: float) -> None:
            bar.total = total
            bar.advance(loss=loss)

        found = distilled(teacher, asked, values, errors, seed, on_epoch)
    save_property_model(out, found.model)
    return found


def sample(entries: Iterable[Entry], count: int, seed: int) -> list[Entry]:
    """Entries at random, each equally likely, from a stream of any length, in its order (algorithm R:
    Vitter 1985, doi 10.1145/3147.3165)."""
    random, kept = np.random.default_rng(seed), []
    with progress("reading the library", unit="molecules") as bar:
        for k, entry in enumerate(entries):
            if k % 1000 == 0:
                bar.advance(min(k, 1000))
            if k < count:
                kept.append(entry)
            elif (place := int(random.integers(k + 1))) < count:
                kept[place] = entry
    return sorted(kept)


def _asked(
    model: str | os.PathLike, teacher: PropertyModel, entries: list[Entry], workers: int
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Molecules that the teacher can predict, and what it says of them, shapes (n_molecules, n_targets)."""
    import pyarrow

    settings = json.dumps({"models": [os.path.abspath(model)]}).encode()
    parts = []
    with (
        progress("asking the teacher", total=len(entries), unit="molecules") as bar,
        Processes(workers, WORKER, settings) as pool,
    ):
        for answer in pool.map(jobs(entries, CHUNK)):
            parts += pyarrow.ipc.open_stream(answer)
            bar.advance(parts[-1].num_rows)
    if not parts:
        raise DataError("the library has no molecules")
    table = pyarrow.Table.from_batches(parts)
    table = table.filter(pyarrow.array(np.array(table["error"].to_pylist()) == ""))
    names = [target.name for target in teacher.targets]
    values, errors = (
        np.stack([table[f"{name}{end}"].to_numpy().astype(float) for name in names], axis=1)
        for end in ("", " error")
    )
    return tuple(table["smiles"].to_pylist()), values, errors
