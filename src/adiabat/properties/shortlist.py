"""The best of a stream of molecules, kept in bounded memory."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from adiabat.properties.fingerprints import count_morgan
from adiabat.properties.ranking import distinct, pareto_front
from adiabat.properties.screening import DESIRABILITY, Wish
from adiabat.properties.standardize import Standardizer

if TYPE_CHECKING:
    import pyarrow


STANDARDIZED = "standardized"


class ShortList:
    """The most desirable molecules seen so far, each once; and those that no other is better than in all.

    Of equally desirable molecules the one goes first that is farther within the goals, then the one whose
    string comes first in the alphabet; of equal ones only the first is on the front. What is kept depends
    neither on the order of the library nor on how the stream was cut.

    Args:
        top: how many are wanted.
        wish: what makes a molecule good.
        verdicts: columns with where molecules lie in the domain of each model; those outside of one are left
            out, unless there are no columns given.
        standardize: a string for each molecule, the same of its copies.
    """

    # Among so many times the top the different ones are picked.
    _POOL = 10

    def __init__(
        self,
        top: int,
        wish: Wish,
        verdicts: tuple[str, ...],
        standardize: Callable[[str], str] = Standardizer(),
    ):
        self.top, self._wish, self._verdicts, self._standardize = top, wish, verdicts, standardize
        self._best: pyarrow.Table | None = None
        self._front: pyarrow.Table | None = None

    def add(self, table: "pyarrow.Table") -> None:
        """Looks at a further part of the library."""
        import pyarrow

        usable = np.isfinite(table[DESIRABILITY].to_numpy())
        for name in self._verdicts:
            usable &= np.array(table[name].to_pylist()) != "outside"
        table = table.filter(pyarrow.array(usable))
        table = table.append_column(STANDARDIZED, pyarrow.nulls(len(table), pyarrow.string()))
        parts = [table] if self._best is None else [self._best, table]
        self._best = self._named(self._ordered(pyarrow.concat_tables(parts)), self.top * self._POOL)
        parts = [table] if self._front is None else [self._front, table]
        front = self._ordered(pyarrow.concat_tables(parts))
        values, first = np.unique(self._wish.of(front), axis=0, return_index=True)
        front = front.take(np.sort(first[pareto_front(values)]))
        self._front = self._named(front, len(front))

    def _ordered(self, table: "pyarrow.Table") -> "pyarrow.Table":
        """The best first."""
        desirable, within = table[DESIRABILITY].to_numpy(), self._wish.margin(table)
        keys = zip(-desirable, -within, table["smiles"].to_pylist(), range(len(table)), strict=True)
        return table.take(np.array([key[-1] for key in sorted(keys)], int))

    def _named(self, table: "pyarrow.Table", most: int) -> "pyarrow.Table":
        """The first of the copies of each molecule, with its standardized string; at most so many."""
        import pyarrow

        kept: dict[str, int] = {}
        for k, (text, name) in enumerate(zip(table["smiles"], table[STANDARDIZED], strict=True)):
            if len(kept) == most:
                break
            kept.setdefault(name.as_py() or self._standardize(text.as_py()), k)
        found = table.take(np.array(list(kept.values()), int))
        names = pyarrow.array(list(kept), pyarrow.string())
        return found.set_column(found.column_names.index(STANDARDIZED), STANDARDIZED, names)

    def best(self) -> "pyarrow.Table | None":
        """The most desirable, the best first; None before anything was added."""
        return None if self._best is None else self._best.slice(0, self.top)

    def front(self) -> "pyarrow.Table | None":
        """Those that no other is better than in everything, the most desirable first."""
        if self._front is None:
            return None
        return self._ordered(self._front)

    def different(self, alike: float) -> "pyarrow.Table | None":
        """The most desirable of each kind: less alike than a limit of Tanimoto's coefficient."""
        if self._best is None or not len(self._best):
            return self._best
        prints = count_morgan(self._best["smiles"].to_pylist())
        return self._best.take(distinct(prints, alike, self.top))
