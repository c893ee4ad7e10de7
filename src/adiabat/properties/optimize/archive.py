"""All molecules that a search has evaluated, and how it came to each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from adiabat.base import DataError
from adiabat.properties.fingerprints import count_morgan


class Origin(NamedTuple):
    """Where a molecule came from.

    Attributes:
        parents: SMILES of none, one or two.
        edit: what was done to them, in words.
    """

    parents: tuple[str, ...]
    edit: str


class Step(NamedTuple):
    """One molecule on the way to another: its SMILES, and where it came from."""

    smiles: str
    origin: Origin


@dataclass
class Archive:
    """Molecules with their values, in the order in which they were evaluated.

    Attributes:
        smiles: standardized, each once.
        mean: shape (n, n_objectives); NaN where a molecule could not be scored.
        spread: uncertainties, same shape.
        broken: the limit that a molecule breaks (one of the start may), or empty; length n.
        rounds: in which round each was evaluated; length n.
        origins: of these molecules, and of those between them that were never evaluated; parents first.
    """

    mean: np.ndarray
    spread: np.ndarray
    smiles: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    origins: dict[str, Origin] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._counts = count_morgan(self.smiles)
        self._known = set(self.smiles)

    @classmethod
    def empty(cls, n_objectives: int) -> "Archive":
        """Without molecules."""
        return cls(np.zeros((0, n_objectives)), np.zeros((0, n_objectives)))

    def __len__(self) -> int:
        return len(self.smiles)

    def __contains__(self, smiles: str) -> bool:
        return smiles in self._known

    @property
    def counts(self) -> np.ndarray:
        """Count-Morgan fingerprints, shape (n, 2048)."""
        return self._counts

    @property
    def usable(self) -> np.ndarray:
        """Whether each has values and keeps the limits, shape (n,)."""
        return np.isfinite(self.mean).all(axis=1) & np.array([not text for text in self.broken], bool)

    def add(
        self, smiles: Sequence[str], mean: np.ndarray, spread: np.ndarray, broken: Sequence[str], round_: int
    ) -> None:
        """Adds molecules that are not yet in it."""
        self.smiles += smiles
        self.broken += broken
        self.rounds += [round_] * len(smiles)
        self.mean, self.spread = np.concatenate([self.mean, mean]), np.concatenate([self.spread, spread])
        self._counts = np.concatenate([self._counts, count_morgan(smiles)])
        self._known.update(smiles)

    def lineage(self, smiles: str) -> list[Step]:
        """The steps that led to a molecule, the earliest first; of two parents both lines.

        Raises:
            DataError: the search did not make it.
        """
        if smiles not in self.origins:
            raise DataError(f"{smiles} is none of the molecules that this search made")
        # Parents are entered before their children.
        wanted = {smiles}
        for name in reversed(self.origins):
            if name in wanted:
                wanted.update(self.origins[name].parents)
        return [Step(name, origin) for name, origin in self.origins.items() if name in wanted]

    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The numbers, and what JSON can hold."""
        return {"mean": self.mean, "spread": self.spread}, {
            "smiles": self.smiles,
            "broken": self.broken,
            "rounds": self.rounds,
            # A list: their order says who came first.
            "origins": [[name, list(origin.parents), origin.edit] for name, origin in self.origins.items()],
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], content: Mapping[str, Any]) -> "Archive":
        """The archive that was stored."""
        origins = {name: Origin(tuple(parents), edit) for name, parents, edit in content["origins"]}
        smiles, broken, rounds = (list(content[key]) for key in ("smiles", "broken", "rounds"))
        return cls(arrays["mean"], arrays["spread"], smiles, broken, rounds, origins)
