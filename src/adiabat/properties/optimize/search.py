"""Improves molecules: many children, of which a surrogate says which are worth an evaluation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.base.checkpoints import CheckpointStore
from adiabat.base.interrupts import interruptible
from adiabat.base.jsonlines import plain
from adiabat.base.progress import progress
from adiabat.properties.optimize.archive import Archive, Origin
from adiabat.properties.optimize.edits import Editor
from adiabat.properties.optimize.fragments import Fragments
from adiabat.properties.optimize.limits import Limits
from adiabat.properties.optimize.objectives import Objective
from adiabat.properties.optimize.proposals import Proposal, Proposals
from adiabat.properties.optimize.settings import Optimization, Search
from adiabat.properties.standardize import Standardizer

KIND = "optimization"
Scores = Callable[[list[str]], tuple[np.ndarray, np.ndarray]]


def optimize_molecules(
    start: Sequence[str],
    scores: Scores,
    objectives: Sequence[Objective],
    *,
    limits: Limits | None = None,
    search: Search | None = None,
    fragments: Fragments | None = None,
    until: Callable[[Optimization], bool] | None = None,
    folder: str | Path | None = None,
    seed: int = 0,
) -> Optimization:
    """Improves molecules under several objectives, by a graph-based genetic algorithm (Jensen 2019,
    doi 10.1039/C8SC05372C) of whose children those are evaluated that a Gaussian process on the molecules
    evaluated so far expects most of (expected improvement).

    Args:
        start: SMILES of one molecule or more.
        scores: gives for SMILES strings the values and their uncertainties, both of shape (n, n_objectives);
            NaN where there is none.
        objectives: what to improve.
        limits: what every proposed molecule keeps.
        search: how.
        fragments: groups to put in.
        until: ends the search early; asked after each round.
        folder: where checkpoints are kept, with which the same call goes on where one was stopped, and ends
            with what it would have without the stop. `search.evaluations` and `until` may be others.
        seed: the same seed, the same molecules.

    Raises:
        ConfigError: limits that nothing keeps, another search in the folder.
        DataError: a molecule that cannot be read, or scores of another shape.
        Interrupted: stopped by a signal; the checkpoint is written.
    """
    search, limits, standardize = search or Search(), limits or Limits(), Standardizer()
    if not objectives:
        raise ConfigError("there is nothing to optimize", "give an objective")
    names = list(dict.fromkeys(standardize(text) for text in start))
    if not names:
        raise DataError("there is no molecule to start from")
    run = _Run(names, scores, tuple(objectives), limits, search, Editor(search.edits, fragments), seed)
    run.restore(folder)
    with (
        interruptible() as stop,
        progress("optimizing", search.evaluations, "molecules", len(run.state.archive)) as bar,
    ):
        while not run.ended(until):
            before = len(run.state.archive)
            run.round()
            run.save()
            best = run.state.best(1)
            bar.advance(len(run.state.archive) - before, best=run.state.total[best[0]] if best else np.nan)
            if stop.requested:
                break
    return run.state


class _Run:
    """The loop over rounds; between two of them the archive and the random numbers are all there is."""

    def __init__(
        self,
        start: list[str],
        scores: Scores,
        objectives: tuple[Objective, ...],
        limits: Limits,
        search: Search,
        editor: Editor,
        seed: int,
    ):
        self.start, self.scores, self.search = start, scores, search
        self.reason = limits.of(start)
        self.random = np.random.default_rng(seed)
        self.round_number = 0
        first = max(len(start), search.first)
        self.state = Optimization(objectives, Archive.empty(len(objectives)), search.caution, first)
        self.proposals = Proposals(editor, self.reason, search)
        self.store: CheckpointStore | None = None
        asked = asdict(search)
        del asked["evaluations"]
        self.asked = plain(
            {"start": start, "objectives": [asdict(o) for o in objectives], "search": asked, "seed": seed}
            | {name: getattr(limits, name) for name in ("scaffold", "least_similarity", "most_heavy_atoms")}
        )

    def ended(self, until: Callable[[Optimization], bool] | None) -> bool:
        """Whether there is nothing left to do."""
        state = self.state
        if len(state.archive) >= self.search.evaluations:
            state.done = "all evaluations are done"
        elif len(state.archive) and until is not None and until(state):
            state.done = "what was asked for is reached"
        return bool(state.done)

    def round(self) -> None:
        """Proposes molecules and evaluates them."""
        archive, left = self.state.archive, self.search.evaluations - len(self.state.archive)
        if not len(archive):
            self._evaluate([(name, Origin((), "start")) for name in self.start][:left])
            return
        made = self.proposals.make(self.state, self.random)[:left]
        if not made:
            self.state.done = "no new molecule that keeps the limits was found"
            if len(archive) == len(self.start):
                raise ConfigError(*self.proposals.complaint())
            return
        self._evaluate([(one.smiles, one.origin) for one in made], [step for one in made for step in one.way])

    def _evaluate(self, molecules: list[tuple[str, Origin]], way: Sequence[tuple[str, Origin]] = ()) -> None:
        """Scores molecules; `way` are those between them and their ancestors."""
        from rdkit import Chem

        names = [name for name, _ in molecules]
        archive = self.state.archive
        mean, spread = evaluated(self.scores, names, archive.mean.shape[1])
        broken = [self.reason(Chem.MolFromSmiles(name)) for name in names]
        self.round_number += 1
        archive.add(names, mean, spread, broken, self.round_number)
        for name, origin in (*way, *molecules):
            # The first way stays: no molecule descends from itself.
            archive.origins.setdefault(name, origin)

    def save(self) -> None:
        """Writes a checkpoint."""
        if self.store is not None:
            arrays, content = self.state.archive.stored()
            header = {"asked": self.asked, "archive": content, "random": self.random.bit_generator.state}
            header |= {"pool": list(self.proposals.pool.values()), "done": self.state.done}
            self.store.save(self.round_number, arrays, header)

    def restore(self, folder: str | Path | None) -> None:
        """Goes on from the last checkpoint, if there is one."""
        if folder is None:
            return
        self.store = CheckpointStore(folder, KIND)
        if (found := self.store.latest()) is None:
            return
        check_same(self.asked, found.header["asked"], folder)
        self.round_number = found.step
        self.random.bit_generator.state = found.header["random"]
        self.state.archive = Archive.restored(found.arrays, found.header["archive"])
        self.state.done = found.header["done"]
        for smiles, origin, way in found.header["pool"]:
            steps = tuple((name, _origin(one)) for name, one in way)
            self.proposals.pool[smiles] = Proposal(smiles, _origin(origin), steps)


def check_same(asked: Mapping[str, Any], before: Mapping[str, Any], folder: str | Path) -> None:
    """Refuses to go on with a search that was asked something else.

    Args:
        asked: now, as JSON holds it.
        before: likewise.
        folder: of the checkpoints.

    Raises:
        ConfigError: something is different.
    """
    for name, value in asked.items():
        if before.get(name) != value:
            what = name.replace("_", " ")
            raise ConfigError(f"{folder} holds a search with another {what}", "choose another folder")


def _origin(stored: list) -> Origin:
    parents, edit = stored
    return Origin(tuple(parents), edit)


def evaluated(scores: Scores, smiles: list[str], n_objectives: int) -> tuple[np.ndarray, np.ndarray]:
    """Values and uncertainties, both of shape (n, n_objectives).

    Raises:
        DataError: what came is of another shape, or an uncertainty negative.
    """
    mean, spread = (np.array(part, float) for part in scores(smiles))
    wanted = (len(smiles), n_objectives)
    if mean.shape != wanted or spread.shape != wanted:
        raise DataError(
            f"scores of shapes {mean.shape} and {spread.shape} came for {wanted[0]} molecules and "
            f"{wanted[1]} objectives",
            f"return two arrays of shape {wanted}: means and spreads",
        )
    known = np.isfinite(mean)
    if (spread[known] < 0).any() or not np.isfinite(spread[known]).all():
        raise DataError("an uncertainty is negative or not a number", "return zeros where there is none")
    return mean, np.where(known, spread, 0.0)
