"""The best molecules of a library, found by evaluating few of them."""

from collections.abc import Callable, Sequence

import numpy as np

from adiabat.base import ConfigError
from adiabat.base.progress import progress
from adiabat.properties.fingerprints import count_morgan
from adiabat.properties.optimize.acquisition import best_so_far, fitted_surrogate, pick, wished
from adiabat.properties.optimize.archive import Archive, Origin
from adiabat.properties.optimize.objectives import Objective
from adiabat.properties.optimize.search import Scores, evaluated
from adiabat.properties.optimize.settings import Optimization, Search

# So many molecules of the library are looked at in each round: its memory and time stay bounded.
_LOOKED_AT = 20_000


def choose_molecules(
    library: Sequence[str],
    scores: Scores,
    objectives: Sequence[Objective],
    *,
    search: Search | None = None,
    until: Callable[[Optimization], bool] | None = None,
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
        seed: the same seed, the same molecules.

    Raises:
        ConfigError: nothing to choose from, or no objective.
        DataError: scores of another shape.
    """
    search, random = search or Search(), np.random.default_rng(seed)
    names = list(dict.fromkeys(library))
    if not names or not objectives:
        raise ConfigError("there is nothing to choose from", "give molecules and an objective")
    state = Optimization(
        tuple(objectives), Archive.empty(len(objectives)), search.caution, min(search.first, len(names))
    )
    counts = count_morgan(names)
    left = np.ones(len(names), bool)
    picked = random.permutation(len(names))[: min(search.first, search.evaluations)]
    goal = min(search.evaluations, len(names))
    with progress("choosing", goal, "molecules") as bar:
        while True:
            texts = [names[k] for k in picked]
            left[picked] = False
            state.archive.add(texts, *evaluated(scores, texts, len(objectives)), [""] * len(texts), 0)
            state.archive.origins |= dict.fromkeys(texts, Origin((), "library"))
            bar.advance(len(texts))
            missing = goal - len(state.archive)
            if missing <= 0:
                state.done = "all evaluations are done"
            elif until is not None and until(state):
                state.done = "what was asked for is reached"
            if state.done:
                return state
            picked = _next(state, counts, left, min(search.batch, missing), random)


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
