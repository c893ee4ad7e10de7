"""What is learned of a table: its targets, their classes, the labels and the folds of cross-validation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adiabat.base import DataError
from adiabat.properties.censored import moments
from adiabat.properties.predictor import Labels
from adiabat.properties.reaction_smiles import either_way
from adiabat.properties.table import Table, is_class

FOLDS = 5
_WIDE = 1e3
# Two of these are codes of classes: -1 and 1, 1 and 2.
_CODES = {-1.0, 0.0, 1.0, 2.0}
# Squares of larger numbers, and of their inverses, are beyond single precision.
_LARGEST = 1e15


class Target(NamedTuple):
    """What is predicted.

    Attributes:
        name: of the column.
        unit: as it was given.
        is_class: 0 or 1, predicted is the probability of 1.
        center: what is subtracted before learning.
        scale: what is divided by then.
        low: the lowest measured value; infinite where a model does not say.
        high: the highest.
        words: of a class that was written as words, those for 0 and for 1; of one of several classes its own.
        column: of one of several classes the column that they are in, else empty.
    """

    name: str
    unit: str
    is_class: bool
    center: float
    scale: float
    low: float = -np.inf
    high: float = np.inf
    words: tuple[str, ...] = ()
    column: str = ""


class Classes(NamedTuple):
    """A column of several classes, of which a molecule is in one.

    Attributes:
        name: of the column.
        words: the classes.
        places: which target each of them is, shape (n_classes,).
    """

    name: str
    words: tuple[str, ...]
    places: np.ndarray

    def likeliest(self, values: np.ndarray) -> list[str]:
        """The words of largest value, of arrays over all targets, shape (n_molecules, n_targets)."""
        return [self.words[k] for k in values[:, self.places].argmax(axis=1)]

    def possible(self, upper: np.ndarray) -> list[tuple[str, ...]]:
        """The words that are possible, from upper ends as of `Prediction`."""
        return [
            tuple(word for word, held in zip(self.words, row, strict=True) if held)
            for row in upper[:, self.places] > 0.5
        ]


def find_targets(table: Table, *, reversible: bool = False) -> tuple[Target, ...]:
    """Classes are columns of only 0 and 1; all others are learned less their mean, by their spread. What the
    direction of a reaction makes is learned as it is, by the spread of the value it is a difference of.

    Raises:
        DataError: a target with fewer than ten values that are not limits, one class, codes of two classes
            that are not 0 and 1, or all values equal; a class or more than one value of a reversible
            reaction.
    """
    units = table.units or ("",) * len(table.targets)
    known = ~np.isnan(table.values)
    found = tuple(
        _target(name, unit, table.values[rows, k], table.limits[rows, k])
        for k, (name, unit, rows) in enumerate(zip(table.targets, units, known.T, strict=True))
    )
    found = [one._replace(words=table.words.get(one.name, ())) for one in found]
    for column, own in table.several.items():
        for word, k in own.items():
            found[k] = found[k]._replace(words=(word,), column=column)
    found = tuple(found)
    if not reversible:
        return found
    if len(found) > 2 or any(target.is_class for target in found):
        raise DataError("both directions of a reaction have one value, that is a number, and its difference")
    values, difference = list(found[:-1]), list(found)[-1]
    scale = values[0].scale if values else difference.scale
    return *values, difference._replace(center=0.0, scale=scale)


def several_classes(targets: Sequence[Target]) -> tuple[Classes, ...]:
    """The columns of several classes among targets."""
    columns = dict.fromkeys(target.column for target in targets if target.column)
    places = {name: [k for k, one in enumerate(targets) if one.column == name] for name in columns}
    return tuple(
        Classes(name, tuple(targets[k].words[0] for k in own), np.array(own)) for name, own in places.items()
    )


def untaught(table: Table) -> dict[str, str]:
    """Which targets cannot be learned, with the reason: too few values, one class, all equal."""
    found = {}
    for name in table.targets:
        try:
            find_targets(table.of_targets([name]))
        except DataError as error:
            found[name] = error.message
    for column, own in table.several.items():
        left = [name for name in (table.targets[k] for k in own.values()) if name not in found]
        if len(left) == 1:
            found[left[0]] = f"no other class of {column!r} can be learned"
    return found


def wide(table: Table) -> dict[str, str]:
    """Which targets are positive numbers over three powers of ten or more, such as concentrations, in words:
    errors and intervals of them are those of the largest values."""
    found = {}
    for name, column, known in zip(table.targets, table.values.T, table.measured.T, strict=True):
        exact = column[known]
        if len(exact) and exact.min() > 0 and exact.max() >= _WIDE * exact.min():
            found[name] = f"{exact.min():g} to {exact.max():g}"
    return found


def labels_of(table: Table, targets: Sequence[Target], *, reversible: bool = False) -> Labels:
    """What is to be learned of a table."""
    center, scale = units_of(targets)
    classes = np.array([target.is_class for target in targets])
    return Labels((table.values - center) / scale, table.limits, classes, reversible)


def folds_of(smiles: Sequence[str], seed: int) -> np.ndarray:
    """A number from 0 to 4 for each molecule, at random, equally often; all rows of a molecule have one, and
    a reaction has that of its reverse."""
    names, which = np.unique(np.array([either_way(text) for text in smiles], str), return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[which]


def _target(name: str, unit: str, values: np.ndarray, limits: np.ndarray) -> Target:
    exact = values[limits == 0]
    if len(exact) < 2 * FOLDS and limits.any():
        raise DataError(
            f"{name!r} has {len(exact)} values and {np.count_nonzero(limits)} limits; at least {2 * FOLDS} "
            "values are needed",
            "add measured values; or learn on which side of a limit molecules are: write 1 above it, 0 below",
        )
    if len(exact) < 2 * FOLDS:
        raise DataError(f"{name!r} has {len(exact)} values, at least {2 * FOLDS} are needed")
    if np.ptp(exact) == 0:
        raise DataError(f"all values of {name!r} are {exact[0]:g}: there is nothing to learn")
    if is_class(values) and not limits.any():
        return Target(name, unit, True, 0.0, 1.0)
    if np.abs(values).max() > _LARGEST or np.ptp(exact) < 1 / _LARGEST:
        raise DataError(
            f"values of {name!r} from {values.min():g} to {values.max():g} are too large or too small to "
            "compute with",
            "give them in another unit, or their logarithms",
        )
    both = np.unique(exact)
    if len(both) == 2 and set(both.tolist()) <= _CODES:
        raise DataError(
            f"{name!r} has only two values, {both[0]:g} and {both[1]:g}: a class, not a number",
            "write classes as 0 and 1, or as words",
        )
    return Target(name, unit, False, *moments(values, limits), float(exact.min()), float(exact.max()))


def groups_of(targets: Sequence[Target]) -> np.ndarray:
    """A number for each target, the same of the classes of one column, shape (n_targets,)."""
    groups = np.arange(len(targets))
    for one in several_classes(targets):
        groups[one.places] = one.places[0]
    return groups


def units_of(targets: Sequence[Target]) -> tuple[np.ndarray, np.ndarray]:
    """Center and scale of each target, shapes (n_targets,)."""
    return np.array([one.center for one in targets]), np.array([one.scale for one in targets])
