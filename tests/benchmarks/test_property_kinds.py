"""How tables are split for the benchmarks of property models."""

from pathlib import Path

import numpy as np
from benchmarks.property_kinds import BARS, SPLITS, parts, seeds_of

from adiabat.properties import Table


def test_each_molecule_is_in_one_of_five_folds():
    """And rows of one molecule in the same."""
    names = [*("C" * n + "O" for n in range(1, 41)), "CO", "CCO"]
    values = np.zeros((len(names), 1))
    table = Table(tuple(names), np.arange(len(names)), ("y",), values, np.zeros(values.shape, np.int8))
    found = [parts(table, "5-fold", fold, Path()) for fold in seeds_of("5-fold", [0, 1, 2])]
    assert len(found) == 5
    assert sorted(row for _, tested in found for row in tested) == list(range(len(names)))
    for learned, tested in found:
        assert len(learned) + len(tested) == len(names)
        assert not {names[k] for k in learned} & {names[k] for k in tested}
        assert len({names[k] for k in tested}) == 8
    assert seeds_of("random", [0, 1, 2]) == [0, 1, 2]


def test_bars_are_of_splits_that_there_are():
    assert {split for _, split in BARS} <= set(SPLITS)
    assert BARS["esol", "5-fold"] == "RMSE <= 0.65"
