"""Which children are made, and which of them are worth an evaluation."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from adiabat.base import AdiabatError
from adiabat.properties.fingerprints import count_morgan
from adiabat.properties.optimize.acquisition import best_so_far, fitted_surrogate, pick, promise, wished
from adiabat.properties.optimize.archive import Origin
from adiabat.properties.optimize.edits import Child, Editor
from adiabat.properties.optimize.settings import Optimization, Search
from adiabat.properties.standardize import Standardizer

if TYPE_CHECKING:
    from rdkit.Chem import Mol

# Of so many times the batch the order of expected improvement is followed exactly.
_SHORTLIST = 5
# So many edits in vain for each molecule that is wanted, and the search is over.
_TRIES = 50


class Proposal(NamedTuple):
    """A molecule to evaluate.

    Attributes:
        smiles: standardized.
        origin: its parents and the edit.
        way: those of its ancestors that are not evaluated, with their origins, the earliest first.
    """

    smiles: str
    origin: Origin
    way: tuple[tuple[str, Origin], ...]


class Proposals:
    """Makes children of the best molecules, and chooses among them.

    Args:
        editor: makes them.
        reason: says which limit a molecule breaks.
        search: how many.
    """

    def __init__(self, editor: Editor, reason: Callable[["Mol"], str], search: Search):
        self._editor, self._reason, self._search = editor, reason, search
        self._standardize = Standardizer()
        self._broken: Counter[str] = Counter()

    def make(self, state: Optimization, random: np.random.Generator) -> list[Proposal]:
        """The molecules to evaluate next; fewer than a batch, or none, where no more were found."""
        search, known = self._search, len(state.archive)
        self._broken.clear()
        missing = search.first - known
        if search.surrogate and missing <= 0 and np.isfinite(state.total).sum() > 1:
            return self._chosen(state, random)
        return self._any(state, missing if missing > 0 else search.batch, random)

    def complaint(self) -> tuple[str, str]:
        """Why nothing was found, and what to do."""
        tried = sum(self._broken.values())
        if not tried:
            return "no edit of these molecules gives another one", "start from other ones, allow other edits"
        reason, count = self._broken.most_common(1)[0]
        return (
            f"none of {tried} edited molecules keeps the limits; {count} of them: {reason}",
            "relax this limit, or start from molecules that are further from it",
        )

    def _any(self, state: Optimization, count: int, random: np.random.Generator) -> list[Proposal]:
        """Children of the population, without a surrogate."""
        parents, odds = self._population(state)
        made: dict[str, Proposal] = {}
        for _ in range(_TRIES * count):
            child = self._editor.child(parents, odds, random)
            if child is not None and (proposal := self._accepted(child, state, {})) is not None:
                made.setdefault(proposal.smiles, proposal)
            if len(made) == count:
                break
        return list(made.values())

    def _chosen(self, state: Optimization, random: np.random.Generator) -> list[Proposal]:
        """Those of many children that the surrogate expects most of."""
        wishes = wished(state.objectives, self._search.batch, random)
        surrogate, best = fitted_surrogate(state), best_so_far(state, wishes)
        pool: dict[str, Child] = {}
        promises: dict[str, float] = {}
        survivors: list[str] = []
        for _ in range(self._search.generations):
            fresh = self._children(state, survivors, pool, random)
            if fresh:
                posterior = surrogate.predict(count_morgan([child.smiles for child in fresh]))
                for child, value in zip(fresh, promise(posterior, wishes, best).tolist(), strict=True):
                    pool[child.smiles], promises[child.smiles] = child, value
            survivors = self._survivors(pool, promises)
        short: dict[str, Proposal] = {}
        for name in sorted(promises, key=promises.__getitem__, reverse=True):
            if (proposal := self._accepted(pool[name], state, pool)) is not None:
                short.setdefault(proposal.smiles, proposal)
            if len(short) == _SHORTLIST * self._search.batch:
                break
        if not short:
            return []
        proposals, posterior = list(short.values()), surrogate.predict(count_morgan(list(short)))
        return [proposals[k] for k in pick(posterior, wishes, best)]

    def _population(self, state: Optimization) -> tuple[list[str], np.ndarray]:
        """Parents and the odds of each: by their order, and with several objectives as often by being on the
        Pareto front. Before any molecule is both scored and allowed, all of the start."""
        best = state.best(self._search.population)
        names = state.archive.smiles
        if not best:
            return list(names), np.ones(len(names))
        odds = _odds(len(best), self._search.pressure)
        if len(state.objectives) == 1:
            return [names[k] for k in best], odds
        front = state.front()
        parents = [names[k] for k in best + front]
        return parents, np.concatenate([odds, np.full(len(front), 1 / len(front))])

    def _children(
        self,
        state: Optimization,
        survivors: Sequence[str],
        pool: dict[str, Child],
        random: np.random.Generator,
    ) -> list[Child]:
        """New ones, half of them of what survived so far in this round."""
        parents, odds = self._population(state)
        odds = odds / odds.sum()
        if survivors:
            parents = [*parents, *survivors]
            odds = np.concatenate([odds, _odds(len(survivors), self._search.pressure)])
        found: dict[str, Child] = {}
        for _ in range(self._search.proposals):
            child = self._editor.child(parents, odds, random)
            if child is not None and child.smiles not in state.archive and child.smiles not in pool:
                found.setdefault(child.smiles, child)
        return list(found.values())

    def _survivors(self, pool: dict[str, Child], promises: dict[str, float]) -> list[str]:
        """The most promising ones that keep the limits; others must not lead the search astray."""
        found: list[str] = []
        for name in sorted(promises, key=promises.__getitem__, reverse=True)[: 4 * self._search.population]:
            if not self._reason(pool[name].mol):
                found.append(name)
            if len(found) == self._search.population // 2:
                break
        return found

    def _accepted(self, child: Child, state: Optimization, pool: dict[str, Child]) -> Proposal | None:
        """A child as it is evaluated, if it keeps the limits and was not evaluated before."""
        from rdkit import Chem

        if self._refused(child.mol):
            return None
        try:
            smiles = self._standardize(child.smiles)
        except AdiabatError:
            return None
        way, origin = _way(child, pool), Origin(child.parents, child.edit)
        if smiles != child.smiles:
            if self._refused(Chem.MolFromSmiles(smiles)):
                return None
            way, origin = (*way, (child.smiles, origin)), Origin((child.smiles,), "standardized")
        return None if smiles in state.archive else Proposal(smiles, origin, way)

    def _refused(self, mol: "Mol") -> str:
        reason = self._reason(mol)
        self._broken[reason] += bool(reason)
        return reason


def _odds(count: int, pressure: float) -> np.ndarray:
    odds = 1 / (np.arange(1, count + 1) + count / pressure)
    return odds / odds.sum()


def _way(child: Child, pool: dict[str, Child]) -> tuple[tuple[str, Origin], ...]:
    """The ancestors of a child that were made in this round."""
    found: dict[str, Origin] = {}
    for parent in child.parents:
        if parent in pool:
            found |= dict(_way(pool[parent], pool))
            found[parent] = Origin(pool[parent].parents, pool[parent].edit)
    return tuple(found.items())
