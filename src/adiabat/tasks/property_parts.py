"""The molecules of a table, or of two, that a property model learns from and is tested with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from adiabat.base import AdiabatError, DataError
from adiabat.base.progress import progress
from adiabat.properties import (
    Curation,
    Split,
    Standardizer,
    Table,
    joined,
    read_table,
    rewritten,
    split_by_column,
    split_by_time,
    split_groups,
    split_molecules,
)
from adiabat.properties.curation import odd_limits
from adiabat.properties.inputs import Input, bad_cells, compute, encode
from adiabat.properties.model import described
from adiabat.properties.reaction_splits import split_reactions
from adiabat.properties.reaction_standardizer import ReactionStandardizer
from adiabat.properties.reactions import Reactions
from adiabat.properties.table import Rejected
from adiabat.properties.targets import find_targets, untaught
from adiabat.tasks.property_files import MAP_CONFIDENCE

# Splits that a column of the table decides.
BY_COLUMN = ("time", "group", "file")
# Shares of training and test; what chooses among predictors is cross-validation within training.
SIZES = (0.8, 0.0, 0.2)

AnyStandardizer = Standardizer | ReactionStandardizer


@dataclass(frozen=True)
class Parts:
    """The molecules to train on and to test with.

    Attributes:
        curation: of the table, of both parts.
        train: to learn from.
        test: to test with.
        split: rows of the parts.
        tested: of the other file to test with, where there is one.
        untaught: targets that are left out, with the reason.
        odd: those of the rows left out of the table whose limits cannot be meant.
        signs: columns that seem to hold the signs of limits, and are not used.
    """

    curation: Curation
    train: Table
    test: Table | None
    split: dict[str, Any]
    tested: Curation | None = None
    untaught: dict[str, str] = field(default_factory=dict)
    odd: tuple[Rejected, ...] = ()
    signs: tuple[str, ...] = ()

    def rejected(self, config: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Rows left out, each with its file."""
        files = [(config["data"], self.curation), (config.get("test"), self.tested)]
        return [(*row, file) for file, found in files if found for row in found.table.rejected]

    def teachable(self, *, reversible: bool) -> "Parts":
        """Without the targets that cannot be learned, where others can.

        Raises:
            DataError: there is none, or one of the two of a reaction cannot.
        """
        left_out = {} if reversible else untaught(self.train)
        names = [name for name in self.train.targets if name not in left_out]
        if not names or reversible:
            find_targets(self.train, reversible=reversible)  # says why
        if not left_out:
            return self
        test = None if self.test is None else self.test.of_targets(names)
        return replace(self, train=self.train.of_targets(names), test=test, untaught=left_out)

    def answerable(self, inputs: Sequence[Input]) -> "Parts":
        """Without the test rows that a model with these inputs refuses to answer: with a word that training
        does not have, or a cell that cannot be read.

        Raises:
            DataError: none is left.
        """
        table = self.test
        if table is None:
            return self
        kept, rejected = [], []
        for row, cells in enumerate(zip(*(table.columns[one.name] for one in inputs), strict=True)):
            try:
                encode(inputs, {one.name: [str(cell)] for one, cell in zip(inputs, cells, strict=True)}, 1)
            except AdiabatError as error:
                rejected.append(Rejected(int(table.rows[row]), table.smiles[row], error.message))
            else:
                kept.append(row)
        if not rejected:
            return self
        if not kept:
            raise DataError(
                f"none of the {len(table)} molecules to test with can be asked about; row {rejected[0].row}: "
                f"{rejected[0].reason}",
                "the inputs of the test must be among those of the training",
            )
        test = table.taken(kept)
        if self.tested is not None:
            return replace(self, test=test, tested=_without(self.tested, rejected))
        split = self.split | {"test": test.rows.tolist()}
        return replace(self, test=test, split=split, curation=_without(self.curation, rejected))


def read_parts(config: Mapping[str, Any], standardizer: AnyStandardizer, computed: Sequence[Input]) -> Parts:
    """The table in its parts."""
    depends = (*config["inputs"], *config["solvents"], *config.get("temperatures", ()))
    by = config.get("by")
    sure: dict[str, float] = {}

    def read(
        path: str, columns: Sequence[str], words: Mapping[str, tuple[str, ...]] | None = None
    ) -> Curation:
        with progress("reading molecules", unit="") as bar:
            table = read_table(
                path,
                smiles=config["smiles"],
                targets=config["targets"],
                columns=columns,
                units=config["units"],
                words=words,
                positive=config.get("positive", ()),
                relations=config.get("relations", ()),
            )

            def standardized(text: str) -> str:
                bar.advance()
                name, confidence = standardizer.mapped(text)
                sure[name] = max(confidence, sure.get(name, 0.0))
                compute(computed, name)  # what cannot be treated is refused here
                return name

            found = _complete(rewritten(table, standardized, changes=standardizer.changes), columns)
            return _understood(found, config) if words is None else found

    def known(table: Table) -> Table:
        """With how sure the maps of reactions are."""
        if isinstance(standardizer, Standardizer):
            return table
        found = np.array([sure[name] for name in table.smiles])
        return replace(table, columns={**table.columns, MAP_CONFIDENCE: found})

    rows = read(config["data"], (*depends, *([by] if by else [])))
    odd = tuple(odd_limits(rows.table))
    rows = _without_rows(rows, odd)
    if by is not None and "test" not in config:
        whole, train, test = _split_by(rows, depends, config)
        return Parts(whole, known(train), known(test), _rows(train, test), odd=odd)
    whole = joined(rows, keep=depends)
    if "test" in config:
        tested = read(config["test"], depends, rows.table.words)
        tested = joined(_without_rows(tested, odd_limits(tested.table, rows.table)), keep=depends)
        split = {"test": config["test"]}
        return Parts(whole, known(whole.table), known(tested.table), split, tested, odd=odd)
    if config["split"] == "none":
        return Parts(whole, known(whole.table), None, {"train": whole.table.rows.tolist()}, odd=odd)
    split = _split(whole.table, config["split"], config["seed"], standardizer)
    train, test = (known(whole.table.taken(part)) for part in (_taught(split), split.test))
    return Parts(whole, train, test, _rows(train, test), odd=odd)


def _split(table: Table, split: str, seed: int, standardizer: AnyStandardizer) -> Split:
    asked = described(standardizer, table.smiles)
    if isinstance(asked, Reactions):
        return split_reactions(asked, split, SIZES, seed)
    molecules = np.unique(np.array(table.smiles, dtype=str), return_inverse=True)[1]
    if split == "random" and len(table) > molecules.max() + 1:
        return split_groups(molecules, SIZES, seed)  # rows of one molecule stay together
    return split_molecules(table.smiles, split, SIZES, seed)  # pyright: ignore[reportArgumentType]


def _split_by(
    rows: Curation, depends: Sequence[str], config: Mapping[str, Any]
) -> tuple[Curation, Table, Table]:
    """By a column. Rows of one molecule are joined within each part: none sees the values of another."""
    column = [str(cell) for cell in rows.table.columns[config["by"]]]
    if config["split"] == "time":
        split = split_by_time(column, SIZES)
    elif config["split"] == "group":
        split = split_groups(np.unique(column, return_inverse=True)[1], SIZES, config["seed"])
    else:
        split = split_by_column(column)
    parts = [
        joined(replace(rows, table=replace(rows.table.taken(part), rejected=())), keep=tuple(depends))
        for part in (_taught(split), split.test)
    ]
    rejected = sorted((*rows.table.rejected, *(row for part in parts for row in part.table.rejected)))
    whole = Curation(
        replace(rows.table, rejected=tuple(rejected)),
        sum(part.merged for part in parts),
        rows.changed,
        tuple(conflict for part in parts for conflict in part.conflicts),
    )
    return whole, parts[0].table, parts[1].table


def _taught(split: Split) -> np.ndarray:
    """What is learned from; a column may say what is to choose by."""
    return np.sort(np.concatenate([split.train, split.valid]))


def _rows(train: Table, test: Table) -> dict[str, Any]:
    return {"train": train.rows.tolist(), "test": test.rows.tolist()}


def _without(curation: Curation, rejected: Sequence[Rejected]) -> Curation:
    """With further rows that are left out."""
    everything = tuple(sorted((*curation.table.rejected, *rejected)))
    return replace(curation, table=replace(curation.table, rejected=everything))


def _understood(rows: Curation, config: Mapping[str, Any]) -> Curation:
    """Without those with an input that cannot be read."""
    temperatures = config.get("temperatures", ())
    names = (*config["inputs"], *config["solvents"], *temperatures)
    table = rows.table
    reasons = bad_cells(strings_of(table), names, config["solvents"], temperatures)
    bad = [Rejected(int(table.rows[k]), table.smiles[k], reasons[k]) for k in sorted(reasons)]
    return _without_rows(rows, bad) if bad else rows


def _without_rows(curation: Curation, rejected: Sequence[Rejected]) -> Curation:
    """Without these rows of its table.

    Raises:
        DataError: none is left.
    """
    table, odd = curation.table, {one.row for one in rejected}
    kept = [k for k, row in enumerate(table.rows) if row not in odd]
    if not kept:
        raise DataError(
            f"none of the {len(table)} rows can be used; row {rejected[0].row}: {rejected[0].reason}"
        )
    return _without(replace(curation, table=table.taken(kept)), rejected)


def strings_of(table: Table) -> dict[str, list[str]]:
    return {name: [str(cell) for cell in column] for name, column in table.columns.items()}


def _complete(rows: Curation, columns: Sequence[str]) -> Curation:
    """Without those of which an input, or the column that splits, says nothing.

    Raises:
        DataError: none is left.
    """
    for name in columns:
        table = rows.table
        given = np.char.strip(table.columns[name]) != ""
        if not given.any():
            raise DataError(f"the column {name!r} is empty")
        missing = [
            Rejected(int(table.rows[k]), table.smiles[k], f"{name} is empty") for k in np.flatnonzero(~given)
        ]
        rows = _without_rows(rows, missing)
    return rows
