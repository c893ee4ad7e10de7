"""The best molecules of a library, found by evaluating few of them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from adiabat.base import ConfigError
from adiabat.base.checkpoints import CheckpointStore
from adiabat.base.digest import digest
from adiabat.base.interrupts import interruptible
from adiabat.base.jsonlines import plain
from adiabat.base.progress import progress
from adiabat.properties.fingerprints import count_morgan
from adiabat.properties.optimize.acquisition import best_so_far, fitted_surrogate, pick, wished
from adiabat.properties.optimize.archive import Archive, Origin
from adiabat.properties.optimize.objectives import Objective
from adiabat.properties.optimize.search import Scores, check_same, evaluated
from adiabat.properties.optimize.settings import Optimization, Search

KIND = "choice"
# So many molecules of the library are looked at in each round: its memory and time stay bounded.
_LOOKED_AT = 20_000


def choose_molecules(
    library: Sequence[str],
    scores: Scores,
    objectives: Sequence[Objective],
    *,
    search: Search | None = None,
    until: Callable[[Optimization], bool] | None = None,
    folder: str | Path | None = None,
    seed: int = 0,
) -> Optimization:
    """Evaluates those molecules of a library that a Gaussian process on the ones evaluated so far expects
    most of (expected improvement), the first of them at random.

    Args:
        library: standardized SMILES; each is taken once.
        scores: as of `optimize_molecules`.
        objectives: what is looked for.
        search: its `evaluations`, `batch`, `first` and `caution` are used.
        until: ends the search early; asked after each round.
        folder: where checkpoints are kept, with which the same call goes on where one was stopped, and ends
            with what it would have without the stop. `search.evaluations` and `until` may be others.
        seed: the same seed, the same molecules.

    Raises:
        ConfigError: nothing to choose from, no objective, or another search in the folder.
        DataError: scores of another shape.
        Interrupted: stopped by a signal; the checkpoint is written.
    """
    search, random = search or Search(), np.random.default_rng(seed)
    names = list(dict.fromkeys(library))
    if not names or not objectives:
        raise ConfigError("there is nothing to choose from", "give molecules and an objective")
    first = min(search.first, len(names))
    state = Optimization(tuple(objectives), Archive.empty(len(objectives)), search.caution, first)
    asked = plain(
        {"library": digest("\n".join(names)), "objectives": [asdict(one) for one in objectives], "seed": seed}
        | {name: getattr(search, name) for name in ("batch", "first", "caution")}
    )
    store = None if folder is None else CheckpointStore(folder, KIND)
    if store is not None and folder is not None and (found := store.latest()) is not None:
        check_same(asked, found.header["asked"], folder)
        state.archive = Archive.restored(found.arrays, found.header["archive"])
        random.bit_generator.state = found.header["random"]
    counts, left = count_morgan(names), np.array([name not in state.archive for name in names])
    goal = min(search.evaluations, len(names))
    with interruptible() as stop, progress("choosing", goal, "molecules", len(state.archive)) as bar:
        while True:
            missing = goal - len(state.archive)
            if missing <= 0:
                state.done = "all evaluations are done"
            elif len(state.archive) and until is not None and until(state):
                state.done = "what was asked for is reached"
            if state.done or stop.requested:
                return state
            if len(state.archive):
                picked = _next(state, counts, left, min(search.batch, missing), random)
            else:
                picked = random.permutation(len(names))[: min(search.first, missing)]
            left[picked] = False
            texts = [names[k] for k in picked]
            state.archive.add(texts, *evaluated(scores, texts, len(objectives)), [""] * len(texts), 0)
            state.archive.origins |= dict.fromkeys(texts, Origin((), "library"))
            bar.advance(len(texts))
            if store is not None:
                arrays, content = state.archive.stored()
                header = {"asked": asked, "archive": content, "random": random.bit_generator.state}
                store.save(len(state.archive), arrays, header)


def _next(
    state: Optimization, counts: np.ndarray, left: np.ndarray, count: int, random: np.random.Generator
) -> np.ndarray:
    """Numbers of the most promising molecules, each taken for known when the next is chosen."""
    looked_at = np.flatnonzero(left)
    if len(looked_at) > _LOOKED_AT:
        looked_at = np.sort(random.choice(looked_at, _LOOKED_AT, replace=False))
    if np.isfinite(state.total).sum() < 2:
        return random.permutation(looked_at)[:count]
    wishes = wished(state.objectives, count, random)
    best, posterior = best_so_far(state, wishes), fitted_surrogate(state).predict(counts[looked_at])
    return looked_at[pick(posterior, wishes, best)]
