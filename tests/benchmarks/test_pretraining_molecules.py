"""Which molecules the pre-trained weights learn from, and which they must not see."""

import gzip

import pytest
from benchmarks.pretraining_molecules import DRUG_LIKE, IDENTIFIERS, chosen, held_back

from adiabat.base import DataError
from benchmarks import pretraining_molecules


def test_molecules_are_chosen_by_their_size(tmp_path, monkeypatch):
    """As many of each group as are wanted, none without bonds, no salt, nothing that cannot be read."""
    small, large = (["C" * n + end for n in range(low, low + 9) for end in "ON"] for low in (2, 14))
    for size, smiles in (("small", ["O", "[Na+].[Cl-]", "C1CC", *small]), ("large", [*large, *small[:3]])):
        path = tmp_path / IDENTIFIERS.format(size)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"1\t2\t3\t4\t{text}\t5\t6\n" for text in smiles))
    with pytest.raises(DataError, match="there is no file"):
        chosen(tmp_path)
    path = tmp_path / DRUG_LIKE
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(b"SMILES\nCCOc1ccccc1\nCCNc1ccccc1\n"))
    monkeypatch.setattr(pretraining_molecules, "COUNTS", {"small": 7, "large": 5, "drug-like": 1})
    found = chosen(tmp_path, seed=3)
    assert (len(found[:7]), set(found[:7]) - set(small)) == (7, set())
    assert (len(found[7:12]), set(found[7:12]) - set(large)) == (5, set())
    assert found[12:] in (["CCOc1ccccc1"], ["CCNc1ccccc1"])
    assert chosen(tmp_path, seed=3) == found != chosen(tmp_path, seed=4)


def test_what_must_not_be_seen_is_in_all_tables(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.csv").write_text("name,SMILES\nethanol,CCO\n")
    (tmp_path / "two.csv").write_text("mol,Class\nCCN,1\n,0\n")
    (tmp_path / "three.csv").write_text("rsmi,ea\nC>>C,1\n")
    (tmp_path / "freesolv").mkdir()
    (tmp_path / "freesolv" / "database.txt").write_text("# comment\nid; CCF; name; 1\n")
    assert sorted(held_back(tmp_path)) == ["CCF", "CCN", "CCO"]
