"""How a search goes, and how far it is."""

from dataclasses import dataclass, field

import numpy as np

from adiabat.base import ConfigError
from adiabat.properties.optimize.archive import Archive
from adiabat.properties.optimize.edits import Edits
from adiabat.properties.optimize.objectives import Objective, desirabilities, scales, weights
from adiabat.properties.ranking import pareto_front


@dataclass(frozen=True)
class Search:
    """How molecules are searched for.

    Args:
        evaluations: how many molecules are scored, those of the start included.
        batch: how many in a round.
        first: how many are scored before the surrogate is asked, the start and random edits of it.
        population: so many of the best are parents.
        alike: parents are less alike than this (Tanimoto similarity), so that one family does not crowd out
            the others.
        proposals: children made in each generation of a round. The most promising that are not evaluated
            stay, for the next rounds, as many as parents.
        generations: of children within a round; half of them have parents that only the surrogate has judged.
        surrogate: without it all children are scored: a plain graph-based genetic algorithm.
        pressure: the k-th best of n parents is chosen with odds 1 / (k + n / pressure).
        caution: a molecule is judged by the worst values within so many of its spreads.
        edits: how often each kind of edit is made.
    """

    evaluations: int = 1000
    batch: int = 10
    first: int = 50
    population: int = 100
    alike: float = 0.7
    proposals: int = 200
    generations: int = 5
    surrogate: bool = True
    pressure: float = 10.0
    caution: float = 1.0
    edits: Edits = field(default_factory=Edits)

    def __post_init__(self) -> None:
        for name in ("evaluations", "batch", "first", "population", "proposals", "generations"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, which has to be 1 or more")
        if self.pressure <= 0 or not 0 <= self.caution < float("inf") or not 0 < self.alike <= 1:
            raise ConfigError(
                "the pressure has to be positive, the caution not negative, the similarity from 0 to 1"
            )


@dataclass
class Optimization:
    """A search that can go on, and what it found.

    Attributes:
        objectives: what was asked for.
        archive: all molecules evaluated.
        caution: how many spreads worse than its mean each value is taken.
        first: how many of the archive's molecules give the objectives their scales.
        done: why it ended, or empty.
    """

    objectives: tuple[Objective, ...]
    archive: Archive
    caution: float
    first: int
    done: str = ""

    @property
    def desirabilities(self) -> np.ndarray:
        """Of each objective, shape (n_molecules, n_objectives); NaN where a molecule could not be scored."""
        archive = self.archive
        units = scales(self.objectives, archive.mean[: self.first])
        return desirabilities(self.objectives, archive.mean, archive.spread, units, self.caution)

    @property
    def total(self) -> np.ndarray:
        """Weighted means of the desirabilities, shape (n_molecules,); NaN where a limit is broken."""
        found = self.desirabilities @ weights(self.objectives)
        return np.where(self.archive.usable, found, np.nan)

    def best(self, count: int = 10) -> list[int]:
        """Numbers in the archive of the most desirable molecules, the best first."""
        total = self.total
        usable = np.flatnonzero(np.isfinite(total))
        return usable[np.argsort(-total[usable], kind="stable")][:count].tolist()

    def front(self) -> list[int]:
        """Numbers in the archive of the molecules that no other is better than in everything."""
        values = np.where(self.archive.usable[:, None], self.desirabilities, np.nan)
        return pareto_front(values).tolist()
