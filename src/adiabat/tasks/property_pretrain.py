"""`adiabat property pretrain`: message passing that knows what can be computed of molecules."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import AdiabatError, ConfigError
from adiabat.base.processes import Processes
from adiabat.base.progress import progress
from adiabat.base.runs import RunFolder
from adiabat.data.labelers import LabelCache
from adiabat.properties import Standardizer
from adiabat.properties.library import Entry, read_library
from adiabat.properties.molecules import Molecules
from adiabat.properties.pretrained import PRETRAINED_NAME, save_pretrained
from adiabat.properties.pretraining import FEWEST, RECIPE, figures, pretrain
from adiabat.properties.quantum import MAX_HEAVY_ATOMS, QUANTUM_NAMES
from adiabat.tasks.precision import enable
from adiabat.tasks.property_distill import sample
from adiabat.tasks.screen import cores

LABELS = "quantum.jsonl"
WORKER = "adiabat.tasks.quantum_worker"
# Molecules that a process is given at once.
_CHUNK = 16


@dataclass(frozen=True)
class Pretraining:
    """A finished pre-training.

    Attributes:
        summary: molecules, targets, and how well these are predicted of molecules left out.
        model: the file with the weights.
    """

    summary: dict[str, Any]
    model: Path


def pretrain_property(
    library: str | os.PathLike,
    *,
    out: str | os.PathLike,
    smiles: str = "smiles",
    without: Sequence[str | os.PathLike] = (),
    molecules: int = 50_000,
    quantum: int = 10_000,
    epochs: int = RECIPE.epochs,
    width: int = RECIPE.width,
    depth: int = RECIPE.depth,
    seed: int = 0,
    workers: int | None = None,
    resume: bool = False,
    force: bool = False,
) -> Pretraining:
    """Computes descriptors of molecules, and of some of the smaller ones what GFN2-xTB says of their
    electrons, and teaches message passing both. The graph networks can then begin with its weights.

    Args:
        library: a file of molecules; no values are needed.
        out: the run folder.
        smiles: the column of molecules of a table, of `library` and of `without`.
        without: files of molecules that are not to be seen, such as those a model will be tested with; in any
            of their stereoisomers.
        molecules: how many of the library to learn from, at most; taken at random.
        quantum: of how many of them GFN2-xTB is asked, at most.
        epochs: how often each molecule is seen.
        width: of the messages.
        depth: rounds of messages.
        seed: of the choice, weights and batches.
        workers: processes for GFN2-xTB; by default as many as there are cores.
        resume: go on with the run in the folder.
        force: start over in a folder that holds a run.

    Raises:
        ConfigError: a column that is missing, a number that cannot be.
        DataError: a file that cannot be read, or too few molecules.
    """
    environment = enable()
    for name, value, least in (
        ("molecules", molecules, FEWEST),
        ("quantum", quantum, 0),
        ("epochs", epochs, 1),
        ("width", width, 1),
        ("depth", depth, 1),
    ):
        if value < least:
            raise ConfigError(f"{name} cannot be {value}", f"at least {least}")
    config = {
        "library": os.fspath(library),
        "smiles": smiles,
        "without": [os.fspath(path) for path in without],
        "molecules": molecules,
        "quantum": quantum,
        "epochs": epochs,
        "width": width,
        "depth": depth,
        "seed": seed,
    }
    makes = (PRETRAINED_NAME, LABELS)
    with RunFolder.create(out, "property-pretrain", config, resume=resume, force=force, makes=makes) as run:
        run.note(**environment)
        learned = Molecules(tuple(_allowed(library, without, smiles, molecules, seed)))
        numbers = _quantum(run.path / LABELS, learned, quantum, seed, cores(workers))
        recipe = RECIPE._replace(epochs=epochs, width=width, depth=depth)
        with progress("learning", total=epochs, unit="epochs") as bar:

            def on_epoch(done: int, _: int, loss: float) -> None:
                bar.completed = done
                bar.advance(0, loss=loss)
                run.record("metrics", step=done, loss=loss)

            store = run.checkpoints("pretraining")
            found = pretrain(learned, numbers, recipe=recipe, seed=seed, on_epoch=on_epoch, store=store)
        summary = {
            "molecules": len(learned),
            "quantum": int(np.isfinite(numbers).any(axis=1).sum()),
            "held_out": found.held_out,
            "r2": figures(found),
        }
        save_pretrained(run.path / PRETRAINED_NAME, found.messages, {**summary, "config": config})
        run.result(**summary)
        return Pretraining(summary, run.path / PRETRAINED_NAME)


def _allowed(
    library: str | os.PathLike, without: Sequence[str | os.PathLike], smiles: str, count: int, seed: int
) -> Iterable[str]:
    """Standardized molecules of a library, each once, none of which is in another file."""
    banned = (read_library(Path(path), smiles=smiles) for path in without)
    seen = {bare for entries in banned for _, bare in _standardized(entries)}
    for text, bare in _standardized(sample(read_library(Path(library), smiles=smiles), count, seed)):
        if bare not in seen:
            seen.add(bare)
            yield text


def _standardized(entries: Iterable[Entry]) -> Iterable[tuple[str, str]]:
    """The molecules that can be read, with and without stereochemistry."""
    from rdkit import Chem

    standardizer = Standardizer()
    with progress("reading molecules", unit="") as bar:
        for entry in entries:
            bar.advance()
            try:
                mol = standardizer.molecule(entry.smiles)
            except AdiabatError:
                continue
            text = Chem.MolToSmiles(mol)
            Chem.RemoveStereochemistry(mol)
            yield text, Chem.MolToSmiles(mol)


def _quantum(path: Path, molecules: Molecules, count: int, seed: int, workers: int) -> np.ndarray:
    """What GFN2-xTB says of some of the molecules that are not too large, shape (n_molecules, n_names); NaN
    of the others. What is known is in the file."""
    from rdkit import Chem

    sizes = np.array([Chem.MolFromSmiles(text).GetNumHeavyAtoms() for text in molecules.smiles])
    order = np.random.default_rng(seed).permutation(np.flatnonzero(sizes <= MAX_HEAVY_ATOMS))[:count]
    wanted = [molecules.smiles[k] for k in order]
    with LabelCache(path) as cache:
        _ask(cache, [text for text in wanted if cache.get(text) is None], workers, len(wanted))
        found = np.full((len(molecules), len(QUANTUM_NAMES)), np.nan)
        for k, text in zip(order, wanted, strict=True):
            values = (cache.get(text) or {}).get("values")
            if values is not None:
                found[k] = values
    return found


def _ask(cache: LabelCache, texts: Sequence[str], workers: int, total: int) -> None:
    if not texts:
        return
    parts = [texts[k : k + _CHUNK] for k in range(0, len(texts), _CHUNK)]
    with (
        progress("GFN2-xTB", total=total, unit="molecules", completed=total - len(texts)) as bar,
        Processes(workers, WORKER, b"") as pool,
    ):
        for part, answer in zip(parts, pool.map(json.dumps(part).encode() for part in parts), strict=True):
            for text, values in zip(part, json.loads(answer), strict=True):
                cache.put(text, {"values": values})
            bar.advance(len(part))
