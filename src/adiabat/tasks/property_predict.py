"""`adiabat property predict`: values, intervals and domain of molecules in a file."""

import csv
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.base.files import atomic_path, check_out
from adiabat.base.progress import progress
from adiabat.base.units import parse
from adiabat.properties.model import PropertyModel, load_property_model
from adiabat.properties.rates import log10_equilibrium, log10_rate
from adiabat.properties.reaction_standardizer import ReactionStandardizer
from adiabat.properties.rows import name_of
from adiabat.properties.targets import Target
from adiabat.tasks.precision import enable
from adiabat.tasks.property_files import cell, place, places_of, set_cell, set_name, sure_names
from adiabat.tasks.property_molecules import Asked, asked_parts, usable

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
    """Predicts properties of molecules or reactions; what cannot be predicted has a reason instead. For files
    that are too large for the memory there is `prediction_parts`.

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
        for each molecule `smiles`; of a file the other columns of a table, or the `name` that the file gives
        it (a column that is called like one of these here gets `given` behind its name); `standardized` where
        the prediction is of another molecule than was written (without a salt, a charge), or of a reaction
        that was mapped here; of reactions how sure the map is (`map confidence`, 1 where it was written); of
        each target the value, `NAME lower` and `NAME upper`; of a column of several classes the likeliest,
        those that are possible (`NAME set`) and the probability of each (`NAME: CLASS`); where it lies
        (`domain`, `similarity`, `nearest`; of a model with inputs `unknown inputs`, those not as in
        training); and `error`, empty where all went well. With a temperature also `log10 k` with `lower` and
        `upper`, and where the model knows both directions `log10 k reverse` and `log10 K`.

    Raises:
        DataError: no such file, a damaged one, one without molecules, or none of the molecules could be
            predicted.
        ConfigError: a column is missing; rate constants of what is no barrier.
    """
    parts = prediction_parts(
        model,
        molecules,
        out=out,
        smiles=smiles,
        level=level,
        temperature=temperature,
        prefactor=prefactor,
        force=force,
    )
    return list(itertools.chain.from_iterable(parts))


def prediction_parts(
    model: str | os.PathLike,
    molecules: str | os.PathLike | Sequence[str],
    *,
    out: str | os.PathLike | None = None,
    smiles: str = "smiles",
    level: float = 0.9,
    temperature: float | None = None,
    prefactor: float | None = None,
    force: bool = False,
) -> Iterator[list[dict[str, Any]]]:
    """As `predict_properties`, some hundred rows at once, so that memory does not grow with the file; `out`
    is there after the last.

    Raises:
        DataError, ConfigError: as of `predict_properties`.
    """
    enable()
    if out is not None:
        check_out(out, force)
    found = load_property_model(model)
    rates = None if temperature is None else _Rates(found, temperature, prefactor)
    parts = _predicted(found, molecules, smiles, level, rates)
    if out is None:
        yield from parts
        return
    with atomic_path(out) as path, path.open("w", encoding="utf-8", newline="") as file:
        writer = None
        for rows in parts:
            if writer is None:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
            writer.writerows(rows)
            yield rows


def _predicted(
    model: PropertyModel,
    molecules: str | os.PathLike | Sequence[str],
    smiles: str,
    level: float,
    rates: "_Rates | None",
) -> Iterator[list[dict[str, Any]]]:
    """Rows, all with the same columns."""
    is_file = isinstance(molecules, (str, os.PathLike))
    count = failed = 0
    first = ""
    with progress("predicting", total=None if is_file else len(molecules), unit="molecules") as bar:
        for part in asked_parts(model, molecules, smiles, _BATCH):
            rows = _rows(model, part, level, rates)
            count, first = count + len(rows), first or rows[0]["error"]
            failed += sum(bool(row["error"]) for row in rows)
            yield rows
            bar.advance(len(rows))
    if is_file and not count:
        raise DataError(f"{name_of(Path(molecules))} has no molecules")
    if count and failed == count:
        raise DataError(f"none of the {count} molecules can be predicted: {first}")


def _rows(model: PropertyModel, asked: Asked, level: float, rates: "_Rates | None") -> list[dict[str, Any]]:
    names = [name for target in model.targets for name in _names(target)]
    of_classes = [name for one in model.classes for name in (one.name, set_name(one))]
    made = [STANDARDIZED, *sure_names(model), *of_classes, *names, *(rates.names if rates else ())]
    empty = dict.fromkeys([*made, *places_of(model)], "")
    reserved = {"smiles", *empty, "error"}
    others = [
        {f"{name} given" if name in reserved else name: text for name, text in one.items()}
        for one in asked.others or [{}] * len(asked.texts)
    ]
    molecules, index, reasons, sure = usable(model, asked)
    rows: list[dict[str, Any]] = [
        {"smiles": text, **others[k], **empty, "error": reasons.get(k, "")}
        for k, text in enumerate(asked.texts)
    ]
    if not index:
        return rows
    for k, name, confidence in zip(index, molecules.smiles, sure, strict=True):
        if model.standardizer.changes(asked.texts[k], name):
            rows[k][STANDARDIZED] = name
        rows[k] |= dict.fromkeys(sure_names(model), cell(confidence))
    found = model.predict(molecules, level)
    said = [(one, one.likeliest(found.values), one.possible(found.upper)) for one in model.classes]
    arrays = np.stack([found.values, found.lower, found.upper], axis=2)
    for j, k in enumerate(index):
        for one, likeliest, possible in said:
            rows[k] |= {one.name: likeliest[j], set_name(one): set_cell(possible[j])}
        for t, target in enumerate(model.targets):
            rows[k] |= dict(zip(_names(target), map(cell, arrays[j, t].tolist()), strict=False))
        if rates:
            rows[k] |= dict(zip(rates.names, map(cell, rates(arrays[j].ravel())), strict=True))
        rows[k] |= dict(zip(places_of(model), place(model, found, j), strict=True))
    return rows


def _names(target: Target) -> list[str]:
    """The columns of a target; what is possible of several classes stands in their set."""
    return [f"{target.name}{end}" for end in (("",) if target.column else ("", " lower", " upper"))]


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
