"""`adiabat property predict`: values, intervals and domain of molecules in a file."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.base.files import atomic_write, check_out
from adiabat.base.progress import progress
from adiabat.base.units import parse
from adiabat.properties.model import PropertyModel, load_property_model
from adiabat.properties.rates import log10_equilibrium, log10_rate
from adiabat.properties.reaction_standardizer import ReactionStandardizer
from adiabat.tasks.precision import enable
from adiabat.tasks.property_files import as_csv, cell, place, places_of, sure_names
from adiabat.tasks.property_molecules import Asked, read_asked, usable

_BATCH = 512
# What was predicted of, where it is not what was written: without salts and charges, with a map.
STANDARDIZED = "standardized"


def predict_properties(
    model: str | os.PathLike,
    molecules: str | os.PathLike | Sequence[str],
    *,
    out: str | os.PathLike | None = None,
    smiles: str = "smiles",
    level: float = 0.9,
    temperature: float | None = None,
    prefactor: float | None = None,
    force: bool = False,
) -> list[dict[str, Any]]:
    """Predicts properties of molecules or reactions; what cannot be predicted has a reason instead.

    Args:
        model: a property model or its run folder.
        molecules: a file (.smi, .csv, .tsv, .parquet, .sdf, also .gz), or SMILES strings.
        out: a CSV file to write.
        smiles: the column of molecules, or reactions, in a table.
        level: the share of true values that intervals are to hold.
        temperature: of rate constants, if the model is one of barriers [K].
        prefactor: of Arrhenius' equation [1/s]; without, Eyring's equation gives rate constants.
        force: replace the file.

    Returns:
        for each molecule `smiles`; `standardized` where the prediction is of another molecule than was
        written (without a salt, a charge), or of a reaction that was mapped here; of reactions how sure the
        map is (`map confidence`, 1 where it was written); of each target the value, `NAME lower` and
        `NAME upper`; where it lies (`domain`, `similarity`, `nearest`; of a model with inputs `unknown
        inputs`, those not as in training); and `error`, empty where all went well. With a temperature also
        `log10 k` with `lower` and `upper`, and where the model knows both directions `log10 k reverse` and
        `log10 K`.

    Raises:
        DataError: no such file, a damaged one, or none of the molecules could be predicted.
        ConfigError: a column is missing; rate constants of what is no barrier.
    """
    enable()
    if out is not None:
        check_out(out, force)
    found = load_property_model(model)
    rates = None if temperature is None else _Rates(found, temperature, prefactor)
    asked = read_asked(found, molecules, smiles)
    count = len(asked.texts)
    rows: list[dict[str, Any]] = []
    with progress("predicting", total=count, unit="molecules") as bar:
        for start in range(0, count, _BATCH):
            part = asked.part(slice(start, start + _BATCH))
            rows += _rows(found, part, level, rates)
            bar.advance(len(part.texts))
    if rows and all(row["error"] for row in rows):
        raise DataError(f"none of the {len(rows)} molecules can be predicted: {rows[0]['error']}")
    if out is not None:
        header = list(dict.fromkeys(key for row in rows for key in row))
        atomic_write(out, as_csv(header, [[row.get(key, "") for key in header] for row in rows]))
    return rows


def _rows(model: PropertyModel, asked: Asked, level: float, rates: "_Rates | None") -> list[dict[str, Any]]:
    names = [f"{target.name}{end}" for target in model.targets for end in ("", " lower", " upper")]
    empty = dict.fromkeys(
        [STANDARDIZED, *sure_names(model), *names, *(rates.names if rates else ()), *places_of(model)], ""
    )
    molecules, index, reasons, sure = usable(model, asked)
    rows: list[dict[str, Any]] = [
        {"smiles": text, **empty, "error": reasons.get(k, "")} for k, text in enumerate(asked.texts)
    ]
    if not index:
        return rows
    for k, name, confidence in zip(index, molecules.smiles, sure, strict=True):
        if model.standardizer.changes(asked.texts[k], name):
            rows[k][STANDARDIZED] = name
        rows[k] |= dict.fromkeys(sure_names(model), cell(confidence))
    found = model.predict(molecules, level)
    arrays = np.stack([found.values, found.lower, found.upper], axis=2).reshape(len(index), -1)
    for j, k in enumerate(index):
        rows[k] |= dict(zip(names, map(cell, arrays[j].tolist()), strict=True))
        if rates:
            rows[k] |= dict(zip(rates.names, map(cell, rates(arrays[j])), strict=True))
        rows[k] |= dict(zip(places_of(model), place(model, found, j), strict=True))
    return rows


class _Rates:
    """Rate constants from the barriers of a model.

    Attributes:
        names: of the columns.
    """

    def __init__(self, model: PropertyModel, temperature: float, prefactor: float | None):
        barrier = model.targets[0]
        is_barrier = len(model.targets) > 1 or not model.reversible
        if not (is_barrier and isinstance(model.standardizer, ReactionStandardizer)):
            raise ConfigError("rate constants come of models of barriers", "leave --temperature out")
        if not barrier.unit:
            raise ConfigError(
                f"the unit of {barrier.name!r} is not known", "train with --unit kcal/mol, kJ/mol or eV"
            )
        self._ev = parse(f"1 {barrier.unit}", "energy")
        self._reversible = model.reversible
        self._given = temperature, prefactor
        log10_rate(np.zeros(1), *self._given)  # refuses impossible ones before the work begins
        back = ("log10 k reverse", "log10 K") if model.reversible else ()
        self.names = ("log10 k", "log10 k lower", "log10 k upper", *back)

    def __call__(self, values: np.ndarray) -> list[float]:
        """From value, lower and upper end of the barrier, then of the reaction energy."""
        barrier, lower, upper = values[:3] * self._ev
        energies = [barrier, upper, lower]
        if self._reversible:
            energy = values[3] * self._ev
            energies.append(barrier - energy)
        rates = log10_rate(np.array(energies), *self._given).tolist()
        if self._reversible:
            rates.append(float(log10_equilibrium(np.array(energy), self._given[0])))
        return rates
