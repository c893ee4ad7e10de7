"""What models say of a part of a library: a table with a row for each molecule."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adiabat.base import AdiabatError, ConfigError
from adiabat.properties.domain import VERDICTS
from adiabat.properties.filters import Filters
from adiabat.properties.inputs import encode, with_molecules
from adiabat.properties.library import Entry
from adiabat.properties.model import Prediction, PropertyModel
from adiabat.properties.molecules import Molecules
from adiabat.properties.optimize.objectives import Objective, desirabilities, weights

if TYPE_CHECKING:
    import pyarrow
    from rdkit.Chem import Mol

ENDS = ("", " error", " lower", " upper")
PLACES = ("domain", "similarity", "nearest")
# Columns of every table; `left_out` names the filter that a molecule does not pass, `error` what is wrong.
FIRST = ("row", "smiles", "name", "left_out", "error")
DESIRABILITY = "desirability"


class Wish(NamedTuple):
    """What makes a molecule good.

    Attributes:
        objectives: each named after a target.
        scales: a difference of each value that matters, shape (n_objectives,).
        caution: values are taken by their worst within so many standard errors.
    """

    objectives: tuple[Objective, ...]
    scales: np.ndarray
    caution: float

    def of(self, table: "pyarrow.Table | pyarrow.RecordBatch") -> np.ndarray:
        """Desirabilities of the molecules of a table, shape (n_molecules, n_objectives)."""
        return desirabilities(self.objectives, *self._values(table), self.scales, self.caution)

    def margin(self, table: "pyarrow.Table") -> np.ndarray:
        """The weighted mean of how far within the goals molecules are, shape (n_molecules,)."""
        mean, errors = self._values(table)
        found = [
            objective.margin(mean[:, k], errors[:, k], float(self.scales[k]), self.caution)
            for k, objective in enumerate(self.objectives)
        ]
        return self.total(np.stack(found, axis=1))

    def _values(self, table: "pyarrow.Table | pyarrow.RecordBatch") -> tuple[np.ndarray, np.ndarray]:
        def column(name: str) -> np.ndarray:
            return np.asarray(table[name].to_numpy(zero_copy_only=False), float)

        names = [objective.name for objective in self.objectives]
        mean = np.stack([column(name) for name in names], axis=1)
        return mean, np.nan_to_num(np.stack([column(f"{name} error") for name in names], axis=1))

    def total(self, found: np.ndarray) -> np.ndarray:
        """The weighted mean of desirabilities, shape (n_molecules,)."""
        return found @ weights(self.objectives)


class Screen:
    """Models and filters, asked for a few hundred molecules at once.

    Args:
        models: to ask.
        filters: molecules that break one are not predicted.
        wish: what makes a molecule good.
        level: share of true values that intervals are to hold.

    Raises:
        ConfigError: two models of one target, one that needs further columns, or one of reactions.
    """

    def __init__(self, models: Sequence[PropertyModel], filters: Filters, wish: Wish, level: float):
        names = [target.name for model in models for target in model.targets]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two models predict {name!r}", "screen with one of them at a time")
        for model in models:
            _ = model.of_molecules  # refuses those of reactions
        for one in (one for model in models for one in model.inputs if not one.is_computed):
            raise ConfigError(
                f"a model needs {one.name!r} beside the molecule", "train one without further columns"
            )
        if not 0 < level < 1:
            raise ConfigError(f"an interval holds a share between 0 and 1, not {level}")
        self.models, self.filters, self.wish, self.level = tuple(models), filters, wish, level

    def __call__(self, entries: Sequence[Entry]) -> "pyarrow.RecordBatch":
        """A row for each entry; numbers are NaN where there is no prediction."""
        import pyarrow

        left_out, errors = [""] * len(entries), [entry.error for entry in entries]
        mols = [self._read(entry, k, errors) for k, entry in enumerate(entries)]
        for k, mol in enumerate(mols):
            if mol is not None:
                left_out[k] = self.filters.reason(mol)
        asked = [k for k, mol in enumerate(mols) if mol is not None and not left_out[k]]
        columns: dict[str, Any] = {
            "row": np.array([entry.row for entry in entries], np.int64),
            "smiles": [entry.smiles for entry in entries],
            "name": [entry.name for entry in entries],
            "left_out": left_out,
            "error": errors,
        }
        for model in self.models:
            own = self._prepared(model, entries, mols, asked, errors)
            columns |= _columns(
                model, self._names(model), len(entries), _predicted(model, own, self.level, errors)
            )
        table = pyarrow.RecordBatch.from_pydict(columns)
        if not self.wish.objectives:
            return table
        return table.append_column(DESIRABILITY, pyarrow.array(self.wish.total(self.wish.of(table))))

    def _read(self, entry: Entry, k: int, errors: list[str]) -> "Mol | None":
        if errors[k]:
            return None
        try:
            return self.models[0].of_molecules.molecule(entry.smiles)
        except AdiabatError as error:
            errors[k] = error.message
            return None

    def _prepared(
        self,
        model: PropertyModel,
        entries: Sequence[Entry],
        mols: "Sequence[Mol | None]",
        asked: Sequence[int],
        errors: list[str],
    ) -> "dict[int, _Read]":
        """Molecules as the model wants them written, by their places, with what is computed of them."""
        found: dict[int, _Read] = {}
        for k in asked:
            mol, inputs = mols[k], _NO_INPUTS
            try:
                if model.standardizer != self.models[0].standardizer:
                    mol = model.of_molecules.molecule(entries[k].smiles)
                if model.inputs:
                    name = model.of_molecules(entries[k].smiles)
                    inputs = encode(model.inputs, with_molecules(model.inputs, {}, [name]), 1)
            except ConfigError:
                raise
            except AdiabatError as error:
                errors[k] = errors[k] or error.message
                continue
            found[k] = _Read(entries[k].smiles, mol, inputs)
        return found

    def _names(self, model: PropertyModel) -> tuple[str, ...]:
        return place_names(self.models, model)


def place_names(models: Sequence[PropertyModel], model: PropertyModel) -> tuple[str, ...]:
    """The columns of where molecules lie in a model's domain; of one model among several with its first
    target before."""
    return PLACES if len(models) == 1 else tuple(f"{model.targets[0].name} {name}" for name in PLACES)


class _Read(NamedTuple):
    """What `Molecules` takes, of one."""

    smiles: str
    mol: Any
    inputs: np.ndarray


_NO_INPUTS = np.zeros((1, 0), np.float32)


def _predicted(
    model: PropertyModel, asked: dict[int, _Read], level: float, errors: list[str]
) -> list[tuple[list[int], Prediction]]:
    """Predictions with the places that they are of; what cannot be predicted has its reason in `errors`."""
    if not asked:
        return []
    places = list(asked)
    texts, mols, inputs = zip(*asked.values(), strict=True)
    try:
        return [(places, model.predict(Molecules(texts, np.concatenate(inputs), mols), level))]
    except (AdiabatError, RuntimeError, ValueError) as error:
        if len(places) == 1:
            errors[places[0]] = error.message if isinstance(error, AdiabatError) else str(error)
            return []
    # One of them is to blame: the others are predicted.
    half = len(places) // 2
    parts = ({k: asked[k] for k in some} for some in (places[:half], places[half:]))
    return [found for part in parts for found in _predicted(model, part, level, errors)]


def _columns(
    model: PropertyModel, places: tuple[str, ...], count: int, found: list[tuple[list[int], Prediction]]
) -> dict[str, Any]:
    """Of one model, single precision."""
    import pyarrow

    numbers = np.full((len(model.targets), len(ENDS), count), np.nan, np.float32)
    verdict, similarity = np.full(count, -1), np.full(count, np.nan, np.float32)
    nearest = np.full(count, -1)
    for index, said in found:
        for k, array in enumerate((said.values, said.errors, said.lower, said.upper)):
            numbers[:, k, index] = array.T
        verdict[index], similarity[index] = said.placed.verdict, said.placed.similarity
        nearest[index] = said.placed.neighbors[:, 0]
    columns: dict[str, Any] = {
        f"{target.name}{end}": numbers[t, k]
        for t, target in enumerate(model.targets)
        for k, end in enumerate(ENDS)
    }
    for one in model.classes:
        # The likeliest class, where there is a prediction.
        best = numbers[one.places, 0].argmax(axis=0)
        columns[one.name] = [
            one.words[k] if place >= 0 else None for k, place in zip(best, nearest, strict=True)
        ]
    known = pyarrow.array([*VERDICTS, None]).take(pyarrow.array(verdict % (len(VERDICTS) + 1)))
    names = [model.domain.smiles[k] if k >= 0 else None for k in nearest]
    return columns | dict(zip(places, (known, similarity, pyarrow.array(names, "string")), strict=True))
