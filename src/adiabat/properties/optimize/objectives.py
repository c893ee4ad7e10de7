"""What a molecule should be like, in several respects at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from adiabat.base import ConfigError


@dataclass(frozen=True)
class Objective:
    """One value of a molecule and where it should be.

    Its desirability follows Derringer and Suich (1980, doi 10.1080/00224065.1980.11980968) in that it is a
    straight line: it falls by one with each `scale` that the value is away from the goal, and is 1 within. It
    has no lower end, so that molecules far from the goal can be told apart.

    Args:
        name: of the value, for reports.
        goal: "maximize", "minimize", the value to meet, or its lower and upper end; one of them can be
            infinite, for a value that is to be at least or at most so high.
        weight: of the desirability in the sum.
        scale: a difference in the value that matters as much as one `scale` of another objective; by default
            the standard deviation among the first molecules that were evaluated.

    Raises:
        ConfigError: a goal that nothing can meet, a weight or a scale that is not positive.
    """

    name: str
    goal: Literal["maximize", "minimize"] | float | tuple[float, float] = "maximize"
    weight: float = 1.0
    scale: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.goal, str):
            if self.goal not in ("maximize", "minimize"):
                raise ConfigError(
                    f"objective {self.name!r} cannot be {self.goal!r}",
                    "say maximize, minimize, a value or two",
                )
        elif not self._ends[0] <= self._ends[1] or np.isinf(self._ends).all():
            raise ConfigError(f"objective {self.name!r}: no value is from {self._ends[0]} to {self._ends[1]}")
        for what, number in (("weight", self.weight), ("scale", self.scale)):
            if number is not None and not 0 < number < np.inf:
                raise ConfigError(f"objective {self.name!r} has {what} {number}, which has to be positive")

    @property
    def _ends(self) -> tuple[float, float]:
        if isinstance(self.goal, str):
            return (np.inf, np.inf) if self.goal == "maximize" else (-np.inf, -np.inf)
        return self.goal if isinstance(self.goal, tuple) else (self.goal, self.goal)

    def desirability(self, mean: np.ndarray, spread: np.ndarray, scale: float, caution: float) -> np.ndarray:
        """How much each molecule is wished for.

        Args:
            mean: the values, shape (n,).
            spread: their uncertainties, shape (n,).
            scale: a difference that matters, see above.
            caution: a molecule is judged by the worst value within so many spreads.

        Returns:
            shape (n,); NaN where the value is.
        """
        if isinstance(self.goal, str):
            worst = mean - caution * spread if self.goal == "maximize" else -(mean + caution * spread)
            return worst / scale
        return 1.0 + np.minimum(self.margin(mean, spread, scale, caution), 0.0)

    def margin(self, mean: np.ndarray, spread: np.ndarray, scale: float, caution: float) -> np.ndarray:
        """How far within the goal each molecule is, in scales, negative outside: what tells those apart that
        are all as desirable as can be. Zero of a goal without an end.

        Args:
            mean, spread, scale, caution: as of `desirability`.
        """
        if isinstance(self.goal, str):
            return np.zeros_like(mean)
        low, high = mean - caution * spread, mean + caution * spread
        return np.minimum(low - self._ends[0], self._ends[1] - high) / scale


def desirabilities(
    objectives: Sequence[Objective], mean: np.ndarray, spread: np.ndarray, scales: np.ndarray, caution: float
) -> np.ndarray:
    """Those of all objectives, shape (n_molecules, n_objectives)."""
    columns = [
        objective.desirability(mean[:, k], spread[:, k], float(scales[k]), caution)
        for k, objective in enumerate(objectives)
    ]
    return np.stack(columns, axis=1)


def weights(objectives: Sequence[Objective]) -> np.ndarray:
    """With sum one, shape (n_objectives,)."""
    found = np.array([objective.weight for objective in objectives])
    return found / found.sum()


def scales(objectives: Sequence[Objective], first: np.ndarray) -> np.ndarray:
    """What was given, or the standard deviation of the first values, shape (n_first, n_objectives)."""
    found = []
    for objective, column in zip(objectives, first.T, strict=True):
        values = column[np.isfinite(column)]
        deviation = float(values.std()) if len(values) > 1 else 0.0
        found.append(objective.scale or deviation or 1.0)
    return np.array(found)
