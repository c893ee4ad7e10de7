"""The best of a stream of molecules, kept in bounded memory."""

from typing import TYPE_CHECKING

import numpy as np

from adiabat.properties.fingerprints import count_morgan
from adiabat.properties.ranking import distinct, pareto_front
from adiabat.properties.screening import DESIRABILITY, Wish

if TYPE_CHECKING:
    import pyarrow


class ShortList:
    """The most desirable molecules seen so far, and those that no other is better than in everything.

    Of equally good molecules the first in the library comes first, and only the first is on the front: what
    is kept does not depend on how the stream was cut.

    Args:
        top: how many are wanted.
        wish: what makes a molecule good.
        verdicts: columns with where molecules lie in the domain of each model; those outside of one are left
            out, unless there are no columns given.
    """

    # Among so many times the top the different ones are picked.
    _POOL = 10

    def __init__(self, top: int, wish: Wish, verdicts: tuple[str, ...]):
        self.top, self._wish, self._verdicts = top, wish, verdicts
        self._best: pyarrow.Table | None = None
        self._front: pyarrow.Table | None = None

    def add(self, table: "pyarrow.Table") -> None:
        """Looks at a further part of the library."""
        import pyarrow

        usable = np.isfinite(table[DESIRABILITY].to_numpy())
        for name in self._verdicts:
            usable &= np.array(table[name].to_pylist()) != "outside"
        table = table.filter(pyarrow.array(usable))
        best = table if self._best is None else pyarrow.concat_tables([self._best, table])
        total = best[DESIRABILITY].to_numpy()
        self._best = best.take(np.argsort(-total, kind="stable")[: self.top * self._POOL])
        front = table if self._front is None else pyarrow.concat_tables([self._front, table])
        values, first = np.unique(self._wish.of(front), axis=0, return_index=True)
        self._front = front.take(np.sort(first[pareto_front(values)]))

    def best(self) -> "pyarrow.Table | None":
        """The most desirable, the best first; None before anything was added."""
        return None if self._best is None else self._best.slice(0, self.top)

    def front(self) -> "pyarrow.Table | None":
        """Those that no other is better than in everything, the most desirable first."""
        if self._front is None:
            return None
        return self._front.take(np.argsort(-self._front[DESIRABILITY].to_numpy(), kind="stable"))

    def different(self, alike: float) -> "pyarrow.Table | None":
        """The most desirable of each kind: less alike than a limit of Tanimoto's coefficient."""
        if self._best is None or not len(self._best):
            return self._best
        prints = count_morgan(self._best["smiles"].to_pylist())
        return self._best.take(distinct(prints, alike, self.top))
