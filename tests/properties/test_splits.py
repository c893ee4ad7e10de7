"""Parts of a table, and what a test could know of its answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adiabat.base import ConfigError, DataError
from adiabat.properties import (
    audit,
    split_by_column,
    split_by_time,
    split_groups,
    split_molecules,
    split_randomly,
)
from adiabat.properties.fingerprints import count_morgan, nearest, similarities
from adiabat.properties.splits import scaffolds

CHAINS = ["C" * n + tail for n in range(1, 9) for tail in ("O", "N", "(=O)O", "Cl", "F", "C#N", "S")]
RINGS = [
    head + ring
    for head in ("C", "O", "N", "CC", "CO", "CN")
    for ring in (
        "c1ccccc1",
        "c1ccncc1",
        "C1CCCCC1",
        "c1ccc2ccccc2c1",
        "c1ccoc1",
        "c1ccsc1",
        "C1CCNCC1",
        "C1CCOCC1",
    )
]
MOLECULES = RINGS + CHAINS[:10]


@given(st.lists(st.integers(0, 12), min_size=30, max_size=200), st.integers(0, 2**31))
def test_groups_stay_together(numbers, seed):
    groups = np.array(numbers)
    if len(np.unique(groups)) < 8:
        return
    try:
        split = split_groups(groups, seed=seed)
    except DataError:
        return
    assert sorted(np.concatenate(split).tolist()) == list(range(len(groups)))
    parts = [set(groups[part].tolist()) for part in split]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


@pytest.mark.parametrize("method", ["random", "scaffold", "cluster"])
def test_sizes_and_seeds(method):
    split = split_molecules(MOLECULES, method, (0.6, 0.2, 0.2), seed=3)
    assert len(split.train) == pytest.approx(0.6 * len(MOLECULES), abs=9)
    again = split_molecules(MOLECULES, method, (0.6, 0.2, 0.2), seed=3)
    other = split_molecules(MOLECULES, method, (0.6, 0.2, 0.2), seed=4)
    assert all(np.array_equal(a, b) for a, b in zip(split, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(split, other, strict=True))


def test_no_scaffold_of_the_test_is_in_training():
    split = split_molecules(MOLECULES, "scaffold", (0.6, 0.2, 0.2))
    frames = scaffolds(MOLECULES)
    train, test = ({frames[k] for k in part} for part in (split.train, split.test))
    assert not train & test
    assert scaffolds(["CCO", "Cc1ccccc1"]) == ["", "c1ccccc1"]


def test_columns_and_times():
    split = split_by_column(["train", "Test", "train", "val", "test"])
    assert [part.tolist() for part in split] == [[0, 2], [3], [1, 4]]
    assert len(split_by_column(["train"] * 20 + ["test"]).valid) == 2
    with pytest.raises(DataError, match="'other'"):
        split_by_column(["train", "other"])
    with pytest.raises(DataError, match="test"):
        split_by_column(["train"] * 20)
    years = ["2024-05-31", "2019-01-01", "2022-03-04", "2020-01-01", "2023-01-01"]
    assert [part.tolist() for part in split_by_time(years, (0.6, 0.2, 0.2))] == [[1, 2, 3], [4], [0]]
    assert split_by_time(["3", "1", "2"], (1 / 3, 1 / 3, 1 / 3)).test.tolist() == [0]
    years = [f"{2000 + n % 3}" for n in range(30)]  # none of 2002 is in training
    split = split_by_time(years, (0.8, 0.0, 0.2))
    assert [len(part) for part in split] == [20, 0, 10]
    assert {years[k] for k in split.test} == {"2002"}
    for unknown in ("soon", "", "nan", "inf"):
        for known in ("2024-05-31", "2024"):
            with pytest.raises(DataError, match=f"times has '{unknown}'"):
                split_by_time([known, unknown])


def test_shares_that_make_no_sense():
    for sizes in ((0.5, 0.1, 0.1), (1.2, -0.1, -0.1), (0.8, 0.2), (0.0, 0.5, 0.5)):
        with pytest.raises(ConfigError, match="add up"):
            split_randomly(10, sizes)
    with pytest.raises(DataError, match="too few"):
        split_randomly(2)
    with pytest.raises(ConfigError, match="no split"):
        split_molecules(["C"], "alphabet")  # pyright: ignore[reportArgumentType]


def test_similarities_are_those_of_rdkit():
    from rdkit import Chem, DataStructs
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(2, includeChirality=True, fpSize=2048)
    prints = [generator.GetCountFingerprint(Chem.MolFromSmiles(one)) for one in MOLECULES]
    expected = [DataStructs.BulkTanimotoSimilarity(one, prints) for one in prints]
    found = similarities(*[count_morgan(MOLECULES)] * 2)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    index, similarity = nearest(count_morgan(MOLECULES[:5]), count_morgan(MOLECULES), 3, block=2)
    assert index[:, 0].tolist() == list(range(5))
    np.testing.assert_allclose(similarity, -np.sort(-found[:5], axis=1)[:, :3])


def test_what_leaks_is_found():
    train = ["C[C@H](N)C(=O)O", "Cc1ccccc1", "CCCO"]
    found = audit(train, ["C[C@@H](N)C(=O)O", "Oc1ccccc1", "CCCO", "c1ccncc1"])
    assert found.exact == 0.25
    assert found.stereoisomers == 0.5
    assert found.near == 0.5
    assert found.scaffolds == 0.5
