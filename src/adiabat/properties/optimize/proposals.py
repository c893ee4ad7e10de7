"""Which children are made, and which of them are worth an evaluation."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from adiabat.base import AdiabatError
from adiabat.properties.fingerprints import count_morgan
from adiabat.properties.optimize.acquisition import (
    best_so_far,
    fitted_surrogate,
    improvements,
    pick,
    wished,
)
from adiabat.properties.optimize.archive import Origin
from adiabat.properties.optimize.edits import Editor, parsed
from adiabat.properties.optimize.settings import Optimization, Search
from adiabat.properties.ranking import distinct
from adiabat.properties.standardize import Standardizer

if TYPE_CHECKING:
    from rdkit.Chem import Mol

# Of so many times the batch the order of expected improvement is followed exactly.
_SHORTLIST = 5
# Parents are chosen among so many times as many of the best.
_CHOICE = 4
# So many edits in vain for each molecule that is wanted, and the search is over.
_TRIES = 50


class Proposal(NamedTuple):
    """A molecule that could be evaluated.

    Attributes:
        smiles: canonical.
        origin: its parents and the edit.
        way: those of its ancestors that are not evaluated, with their origins, the earliest first.
    """

    smiles: str
    origin: Origin
    way: tuple[tuple[str, Origin], ...] = ()


class Proposals:
    """Makes children of the best molecules, and chooses among them.

    Args:
        editor: makes them.
        reason: says which limit a molecule breaks.
        search: how many.

    Attributes:
        pool: promising children that were not evaluated yet.
    """

    def __init__(self, editor: Editor, reason: Callable[["Mol"], str], search: Search):
        self._editor, self._reason, self._search = editor, reason, search
        self.pool: dict[str, Proposal] = {}
        self._standardize = Standardizer()
        self._broken: dict[str, str] = {}
        self._accepted: dict[str, Proposal | None] = {}

    def make(self, state: Optimization, random: np.random.Generator) -> list[Proposal]:
        """The molecules to evaluate next; fewer than a batch, or none, where no more were found."""
        search, missing = self._search, self._search.first - len(state.archive)
        if search.surrogate and missing <= 0 and np.isfinite(state.total).sum() > 1:
            return self._chosen(state, random)
        return self._any(state, missing if missing > 0 else search.batch, random)

    def complaint(self) -> tuple[str, str]:
        """Why nothing was found, and what to do."""
        reasons = Counter(filter(None, self._broken.values()))
        if not reasons:
            return "no edit of these molecules gives another one", "start from other ones, allow other edits"
        reason, count = reasons.most_common(1)[0]
        return (
            f"none of {len(self._broken)} edited molecules keeps the limits; {count} of them: {reason}",
            "relax this limit, or start from molecules that are further from it",
        )

    def _any(self, state: Optimization, count: int, random: np.random.Generator) -> list[Proposal]:
        """Children of the population, without a surrogate."""
        parents, odds = self._population(state)
        made: dict[str, Proposal] = {}
        for _ in range(_TRIES * count):
            child = self._editor.child(parents, odds, random)
            if child is None:
                continue
            proposal = self._ready(Proposal(child.smiles, Origin(child.parents, child.edit)))
            if proposal is not None and proposal.smiles not in state.archive:
                made.setdefault(proposal.smiles, proposal)
            if len(made) == count:
                break
        self._forget()
        return list(made.values())

    def _chosen(self, state: Optimization, random: np.random.Generator) -> list[Proposal]:
        """Those of many children that the surrogate expects most of."""
        wishes = wished(state.objectives, self._search.batch, random)
        surrogate, best = fitted_surrogate(state), best_so_far(state, wishes)
        self.pool = {name: one for name, one in self.pool.items() if name not in state.archive}
        gains = improvements(surrogate, list(self.pool), wishes, best)
        for _ in range(self._search.generations):
            fresh = self._children(state, self._survivors(gains), random)
            self.pool |= {one.smiles: one for one in fresh}
            gains = np.concatenate(
                [gains, improvements(surrogate, [one.smiles for one in fresh], wishes, best)]
            )
        short: dict[str, Proposal] = {}
        for name in self._ordered(gains):
            proposal = self._ready(self.pool[name])
            if proposal is not None and proposal.smiles not in state.archive:
                short.setdefault(proposal.smiles, proposal)
            if len(short) == _SHORTLIST * self._search.batch:
                break
        kept = [*self._survivors(gains), *self._ordered(gains)[: self._search.population // 2]]
        self.pool = {name: self.pool[name] for name in kept if not self._refused(name)}
        self._forget()
        if not short:
            return []
        proposals = list(short.values())
        return [proposals[k] for k in pick(surrogate.predict(count_morgan(list(short))), wishes, best)]

    def _population(self, state: Optimization) -> tuple[list[str], np.ndarray]:
        """Parents and the odds of each: by their order, and with several objectives as often by being on the
        Pareto front. Before any molecule is both scored and allowed, all of the start."""
        names, count = state.archive.smiles, self._search.population
        best = state.best(_CHOICE * count)
        if not best:
            return list(names), np.ones(len(names))
        best = [best[k] for k in distinct(state.archive.counts[best], self._search.alike, count)]
        odds = _odds(len(best), self._search.pressure)
        if len(state.objectives) == 1:
            return [names[k] for k in best], odds
        front = state.front()
        parents = [names[k] for k in best + front]
        return parents, np.concatenate([odds, np.full(len(front), 1 / len(front))]) / 2

    def _children(
        self, state: Optimization, survivors: Sequence[str], random: np.random.Generator
    ) -> list[Proposal]:
        """New ones, half of them of the most promising in the pool."""
        parents, odds = self._population(state)
        odds = odds / odds.sum()
        if survivors:
            parents = [*parents, *survivors]
            odds = np.concatenate([odds, _odds(len(survivors), self._search.pressure)])
        found: dict[str, Proposal] = {}
        for _ in range(self._search.proposals):
            child = self._editor.child(parents, odds, random)
            if child is None or child.smiles in state.archive or child.smiles in self.pool:
                continue
            way: dict[str, Origin] = {}
            for parent in child.parents:
                if parent in self.pool:
                    way |= dict(self.pool[parent].way)
                    way[parent] = self.pool[parent].origin
            proposal = Proposal(child.smiles, Origin(child.parents, child.edit), tuple(way.items()))
            found.setdefault(child.smiles, proposal)
        return list(found.values())

    def _ordered(self, gains: np.ndarray) -> list[str]:
        """The pool, the most promising first: the expected improvements, shape (n_pool, n_wishes), are
        compared with the highest for each wish."""
        names = list(self.pool)
        if not names:
            return []
        promise = (gains / np.maximum(gains.max(axis=0), 1e-300)).max(axis=1)
        return [names[k] for k in np.argsort(-promise, kind="stable")]

    def _survivors(self, gains: np.ndarray) -> list[str]:
        """Promising ones of different families that keep the limits; others must not lead the search
        astray."""
        count = self._search.population // 2
        names = [name for name in self._ordered(gains)[: _CHOICE * count] if not self._refused(name)]
        return [names[k] for k in distinct(count_morgan(names), self._search.alike, count)]

    def _ready(self, proposal: Proposal) -> Proposal | None:
        """A proposal as it is evaluated, or None where it breaks a limit."""
        name = proposal.smiles
        if name not in self._accepted:
            self._accepted[name] = None if self._refused(name) else self._standardized(proposal)
        return self._accepted[name]

    def _standardized(self, proposal: Proposal) -> Proposal | None:
        try:
            smiles = self._standardize(proposal.smiles)
        except AdiabatError:
            return None
        if smiles == proposal.smiles:
            return proposal
        way = (*proposal.way, (proposal.smiles, proposal.origin))
        made = Proposal(smiles, Origin((proposal.smiles,), "standardized"), way)
        return None if self._refused(smiles) else made

    def _refused(self, name: str) -> str:
        """The limit that a molecule breaks; each is asked once."""
        if name not in self._broken:
            self._broken[name] = self._reason(parsed(name))
        return self._broken[name]

    def _forget(self) -> None:
        """Keeps what is known of the pool only: the rest would fill the memory."""
        if self.pool:
            for known in (self._broken, self._accepted):
                for name in known.keys() - self.pool.keys():
                    del known[name]


def _odds(count: int, pressure: float) -> np.ndarray:
    odds = 1 / (np.arange(1, count + 1) + count / pressure)
    return odds / odds.sum()
