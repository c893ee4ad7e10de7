"""Which temperatures, solvents and assays a model was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from adiabat.properties.inputs import Input

# A number may be so far out of those of training, as a share of their range, and is at the border then.
TOLERANCE = 0.1
OUTSIDE, BORDER, INSIDE = range(3)


@dataclass(frozen=True, eq=False)
class KnownInputs:
    """What inputs were in training. A word that was not there is refused by `encode` already.

    Attributes:
        inputs: what they are.
        known: of each the lowest and highest number, shape (2,), or each different solvent's descriptors,
            shape (n_solvents, n_descriptors); nothing of others, and where a model does not say.
    """

    inputs: tuple[Input, ...] = ()
    known: tuple[np.ndarray, ...] = ()

    @classmethod
    def of(cls, inputs: Sequence[Input], given: np.ndarray) -> Self:
        """Of a training.

        Args:
            inputs: what the columns are.
            given: encoded, shape (n_molecules, n_numbers).
        """
        known = [_known(one, column) for one, column in zip(inputs, _columns(inputs, given), strict=True)]
        return cls(tuple(inputs), tuple(known))

    def place(self, given: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Verdicts, 0 outside, 1 at the border, 2 inside, of the worst input, shape (n_molecules,); and what
        is not as in training, in words.

        Args:
            given: encoded, shape (n_molecules, n_numbers).
        """
        verdict, reasons = np.full(len(given), INSIDE), [""] * len(given)
        columns = _columns(self.inputs, given)
        for one, known, column in zip(self.inputs, self.known, columns, strict=True):
            if not known.size:
                continue
            place = _of_solvent if one.kind == "molecule" else _of_number
            own, words = place(one, known, column)
            for k in np.flatnonzero(own < INSIDE):
                reasons[k] += ("; " if reasons[k] else "") + words[k]
            verdict = np.minimum(verdict, own)
        return verdict, reasons

    def stored(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {f"input.{k}": known for k, known in enumerate(self.known)}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], inputs: Sequence[Input]) -> Self:
        """From the arrays by name."""
        nothing = np.zeros(0)
        return cls(tuple(inputs), tuple(arrays.get(f"input.{k}", nothing) for k in range(len(inputs))))


def _columns(inputs: Sequence[Input], given: np.ndarray) -> list[np.ndarray]:
    """Of each input, shape (n_molecules, width)."""
    return np.split(given, np.cumsum([one.width for one in inputs])[:-1], axis=1) if inputs else []


def _known(one: Input, column: np.ndarray) -> np.ndarray:
    if one.kind in ("number", "temperature"):
        return np.array([column.min(), column.max()], np.float32)
    return np.unique(column, axis=0) if one.kind == "molecule" else np.zeros(0)


def _of_number(one: Input, known: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """By how far a number is out of the range."""
    # Temperatures are encoded as 1000 K/T, but their range is one of temperatures.
    low, high = np.sort(_in_units(one, known.astype(float)))
    values = _in_units(one, column[:, 0].astype(float))
    far = np.maximum(low - values, values - high)
    slack = 1e-5 * max(abs(low), abs(high))  # of single precision
    verdict = np.where(
        far <= slack, INSIDE, np.where(far <= TOLERANCE * (high - low) + slack, BORDER, OUTSIDE)
    )
    return verdict, [f"{one.name} {value:.4g}, known {low:.4g} to {high:.4g}" for value in values]


def _of_solvent(one: Input, known: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Whether a molecule was there."""
    same = [np.isclose(row, known, rtol=1e-4, atol=1e-5).all(axis=1).any() for row in column]
    return np.where(same, INSIDE, OUTSIDE), [f"{one.name} is new"] * len(column)


def _in_units(one: Input, encoded: np.ndarray) -> np.ndarray:
    return 1000 / encoded if one.kind == "temperature" else encoded
