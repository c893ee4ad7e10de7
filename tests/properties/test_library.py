"""Streams of molecules, rules for them, and the best of many."""

import gzip
import os
import tracemalloc
from threading import Thread

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rdkit import Chem

from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.properties.filters import Filters, drug_likeness, synthetic_accessibility
from adiabat.properties.fingerprints import count_morgan, similarities
from adiabat.properties.library import MAX_RECORD, Entry, read_library
from adiabat.properties.ranking import diverse, pareto_front
from adiabat.properties.standardize import Standardizer

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


def sdf(*smiles):
    blocks = []
    for number, one in enumerate(smiles):
        mol = Chem.MolFromSmiles(one)
        mol.SetProp("_Name", f"m{number}")
        blocks.append(Chem.MolToMolBlock(mol) + "> <value>\n1\n\n$$$$\n")
    return "".join(blocks)


FILES = {
    "a.smi": "CCO ethanol\n\n# a comment\nc1ccccc1\tbenzene ring\nCC\n",
    "a.csv": 'name,smiles\nethanol,CCO\n"benzene ring",c1ccccc1\n,CC\n',
    "a.tsv": "smiles\tname\nCCO\tethanol\nc1ccccc1\tbenzene ring\nCC\t\n",
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_what_is_read(tmp_path, name, zipped):
    path = tmp_path / (name + ".gz" * zipped)
    path.write_bytes(gzip.compress(FILES[name].encode()) if zipped else FILES[name].encode())
    found = list(read_library(path, name="name"))
    assert [(e.row, e.smiles, e.name) for e in found] == [
        (1, "CCO", "ethanol"),
        (2, "c1ccccc1", "benzene ring"),
        (3, "CC", ""),
    ]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("kind", ["smi", "csv", "tsv", "sdf"])
def test_a_stream_tells_by_its_beginning_what_it_is(tmp_path, piped, kind, zipped):
    """From standard input, from a pipe with a name, and from a file whose name says nothing."""
    text = FILES.get(f"a.{kind}", sdf("CCO", "c1ccccc1", "CC"))
    content = gzip.compress(text.encode()) if zipped else text.encode()
    (tmp_path / "file").write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    Thread(target=(tmp_path / "pipe").write_bytes, args=[content]).start()
    for path in (piped(content), tmp_path / "pipe", tmp_path / "file"):
        assert [(e.row, e.smiles, e.error) for e in read_library(path)] == [
            (1, "CCO", ""),
            (2, "c1ccccc1", ""),
            (3, "CC", ""),
        ]


def test_a_format_that_is_said(tmp_path, piped):
    (tmp_path / "a.ism").write_text("CCO ethanol\n")
    with pytest.raises(UnsupportedError, match="none of the files"):
        list(read_library(tmp_path / "a.ism"))
    assert list(read_library(tmp_path / "a.ism", kind="smi")) == [Entry(1, "CCO", "ethanol")]
    with pytest.raises(ConfigError, match="standard input has no column 'smiles'"):
        list(read_library(piped(b"structure,name\nCCO,a\n"), kind="csv"))
    with pytest.raises(ConfigError, match="no format 'smiles'"):
        list(read_library(tmp_path / "a.ism", kind="smiles"))
    with pytest.raises(DataError, match="no file"):
        list(read_library(tmp_path))


def test_parquet_needs_its_end(tmp_path, piped):
    pyarrow.parquet.write_table(pyarrow.table({"smiles": ["CCO"]}), tmp_path / "table")
    assert list(read_library(tmp_path / "table")) == [Entry(1, "CCO")]
    with pytest.raises(UnsupportedError, match="standard input: Parquet is read from its end"):
        list(read_library(piped((tmp_path / "table").read_bytes())))


def test_sdf_and_parquet(tmp_path):
    (tmp_path / "a.sdf").write_text(sdf("CCO", ASPIRIN))
    assert [(e.row, e.smiles, e.name) for e in read_library(tmp_path / "a.sdf")] == [
        (1, "CCO", "m0"),
        (2, ASPIRIN, "m1"),
    ]
    lines = "C[C@H](N)C(=O)O |&1:1| alanine\nCCO |not an end\nC[C@H](F)O |o1:1|\nCCC\tpropane |a|\n"
    (tmp_path / "a.cxsmiles").write_text(lines)
    assert [(e.smiles, e.name) for e in read_library(tmp_path / "a.cxsmiles")] == [
        ("C[C@H](N)C(=O)O |&1:1|", "alanine"),
        ("CCO", "|not an end"),
        ("C[C@H](F)O |o1:1|", ""),
        ("CCC", "propane |a|"),
    ]
    # A racemate is not the one hand that is drawn.
    racemate = Chem.MolToV3KMolBlock(Chem.MolFromSmiles("C[C@H](N)C(=O)O |&1:1|"))
    (tmp_path / "racemate.sdf").write_text(f"{racemate}$$$$\n")
    assert [entry.smiles for entry in read_library(tmp_path / "racemate.sdf")] == ["CC(N)C(=O)O"]
    table = pyarrow.table({"smiles": ["CCO", None], "id": [7, 8]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert [(e.smiles, e.name) for e in read_library(tmp_path / "a.parquet", name="id")] == [
        ("CCO", "7"),
        ("", "8"),
    ]


def test_bad_records_are_told_and_the_rest_goes_on(tmp_path):
    flood = "x" * (3 * MAX_RECORD)
    good = sdf("CCO")
    (tmp_path / "a.sdf").write_text(f"bad\n  nothing\n\nhello\n$$$$\n{flood}\n$$$$\n{good}cut off\n")
    found = list(read_library(tmp_path / "a.sdf"))
    assert [bool(e.error) for e in found] == [True, True, False, True]
    assert found[2].smiles == "CCO"
    (tmp_path / "a.csv").write_text("smiles,name\nCCO\nCC,ethane\n")
    found = list(read_library(tmp_path / "a.csv"))
    assert [(e.smiles, e.error) for e in found] == [("CCO", "1 cells, the header has 2"), ("CC", "")]


def test_a_table_without_names_of_columns(tmp_path):
    """Its molecules come first; not where a column is asked for, nor below letters that may be atoms."""
    path = tmp_path / "a.csv"
    path.write_text("CCO,ethanol\nc1ccccc1,benzene\n,nothing\nC(C,half\n")
    found = list(read_library(path))
    assert [(one.row, one.smiles, one.name) for one in found[:2]] == [
        (1, "CCO", "ethanol"),
        (2, "c1ccccc1", "benzene"),
    ]
    assert len(found) == 4
    for text, options in (
        ("CCO\n", {"smiles": "structure"}),
        ("CCO,a\n", {"name": "id"}),
        ("N,CO\n7,CCO\n", {}),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match="has no column") as caught:
            list(read_library(path, **options))
        assert "its first row names the columns" in str(caught.value)
    (tmp_path / "a.tsv").write_text("CCO\n")
    assert [one.smiles for one in read_library(tmp_path / "a.tsv")] == ["CCO"]


def test_a_stream_without_a_header(piped):
    """As SMILES, with what follows a comma or a space for a name."""
    found = list(read_library(piped(b"CCO,ethanol\nC1CC1C,a, b\nCC 1,2\nC[C@H](F)Cl |&1:1,r|\n")))
    assert [(one.smiles, one.name) for one in found] == [
        ("CCO", "ethanol"), ("C1CC1C", "a, b"), ("CC", "1,2"), ("C[C@H](F)Cl |&1:1,r|", "")
    ]  # fmt: skip


def test_other_columns_where_they_are_asked_for(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,smiles,y\n7,CCO,1\n8,CC\n")
    pyarrow.parquet.write_table(
        pyarrow.table({"id": [7], "smiles": ["CCO"], "y": [None]}), tmp_path / "a.parquet"
    )
    assert [one.others for one in read_library(path, others=True)] == [
        {"id": "7", "y": "1"},
        {"id": "", "y": ""},
    ]
    assert [one.others for one in read_library(tmp_path / "a.parquet", others=True)] == [{"id": "7", "y": ""}]
    assert [one.others for one in read_library(path)] == [None, None]


def test_a_quotation_mark_without_a_second_loses_no_more_than_it_must(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('smiles,name\nCCO,a\n"CCN,b\nCCC,c\n')
    first, second = read_library(path)
    assert (first.smiles, second.error) == ("CCO", "lines 3 to 4: 1 cells, the header has 2")
    rows = MAX_RECORD // 5
    path.write_text('smiles,name\nCCO,a\n"CCN,b\n' + "CCC,c\n" * rows)
    found = list(read_library(path))
    lost = MAX_RECORD // 6
    assert found[0].smiles == "CCO"
    assert f"lines 3 to {lost + 3}: " in found[1].error
    assert "quotation mark" in found[1].error
    assert [(e.smiles, e.error) for e in found[2:]] == [("CCC", "")] * (rows - lost)
    path.write_text('smiles\nCCO\n"CCN\nCCC\n')
    with pytest.raises(DataError, match="goes on after"):  # not the one molecule of three that RDKit reads
        Standardizer().molecule(list(read_library(path))[1].smiles)


def test_sd_records_without_end_marks_are_not_one_molecule(tmp_path):
    block = sdf("CCO").split("> <value>")[0]
    (tmp_path / "a.sdf").write_text(block * 3 + "$$$$\n" + sdf("CCN"))
    first, second = read_library(tmp_path / "a.sdf")
    assert first.error == "several molecules without $$$$ between them"
    assert second.smiles == "CCN"
    (tmp_path / "a.sdf").write_text(f"{block}> <parent>\n{block}\n$$$$\n")  # a field may hold a molecule
    assert [e.smiles for e in read_library(tmp_path / "a.sdf")] == ["CCO"]


def test_marks_of_byte_order_and_old_line_ends(tmp_path):
    (tmp_path / "a.smi").write_bytes(b"\xef\xbb\xbfCCO a\rCCN b\r")
    assert [(e.smiles, e.name) for e in read_library(tmp_path / "a.smi")] == [("CCO", "a"), ("CCN", "b")]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="no file"):
        list(read_library(tmp_path / "a.smi"))
    (tmp_path / "a.pkl").write_text("")
    with pytest.raises(UnsupportedError, match="none of the files"):
        list(read_library(tmp_path / "a.pkl"))
    (tmp_path / "a.csv").write_text("structure\nCCO\n")
    with pytest.raises(ConfigError, match="'smiles'") as caught:
        list(read_library(tmp_path / "a.csv"))
    assert "'structure'" in str(caught.value)
    (tmp_path / "a.smi.gz").write_bytes(gzip.compress(b"CCO\n" * 1000)[:-8])
    with pytest.raises(DataError, match="to its end"):
        list(read_library(tmp_path / "a.smi.gz"))
    damaged = bytearray(gzip.compress(b"CCO\n" * 1000))
    damaged[12] ^= 0xFF
    (tmp_path / "a.smi.gz").write_bytes(damaged)
    with pytest.raises(DataError, match="to its end"):
        list(read_library(tmp_path / "a.smi.gz"))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="to its end"):
        list(read_library(tmp_path / "a.parquet"))


@pytest.mark.parametrize("kind", ["smi", "csv"])
def test_a_zip_bomb_does_not_fill_the_memory(tmp_path, kind):
    """A line of 50 MB from a file of 50 kB."""
    path = tmp_path / f"a.{kind}.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b"smiles\n" if kind == "csv" else b"")
        for _ in range(50):
            file.write(b"C" * 1_000_000)
        file.write(b"\nCCO\n")
    tracemalloc.start()
    found = [e.smiles for e in read_library(path)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[1:] == ["CCO"]
    assert len(found[0]) == MAX_RECORD
    assert peak < 20e6


@pytest.mark.parametrize("split", [False, True])
def test_a_record_that_announces_more_than_it_has_is_not_given_to_rdkit(tmp_path, split):
    """RDKit made room for a hundred million atoms, 3 GB."""
    block = Chem.MolToV3KMolBlock(Chem.MolFromSmiles("CCO"))
    good = f"{block}$$$$\n"
    counts = "COU-\nM  V30 NTS 100000000" if split else "COUNTS 100000000"
    (tmp_path / "a.sdf").write_text(good.replace("COUNTS 3", counts) + good)
    bad, fine = read_library(tmp_path / "a.sdf")
    assert "announces 100000000 atoms" in bad.error
    assert (fine.smiles, fine.error) == ("CCO", "")


def test_rules():
    molecules = {
        "aspirin": ASPIRIN,
        "quinone": "O=C1C=CC(=O)C=C1",
        "waxy": "C" * 40 + "C(=O)OC" + "C" * 10,
        "chain": "CCCCCCCCCCCCCCO",
    }
    mols = {name: Chem.MolFromSmiles(smiles) for name, smiles in molecules.items()}
    assert Filters(rules=["pains", "lipinski", "veber"]).reason(mols["aspirin"]) == ""
    assert Filters(rules=["pains"]).reason(mols["quinone"]).startswith("pains: quinone")
    assert "phenol_ester" in Filters(rules=["brenk"]).reason(mols["aspirin"])
    assert Filters(rules=["lipinski"]).reason(mols["waxy"]) == (
        "lipinski: molecular weight above 500 and logP above 5"
    )
    assert Filters(rules=["veber"]).reason(mols["chain"]) == "veber: more than 10 rotatable bonds"
    assert Filters(forbidden=["C(=O)[OH]"]).reason(mols["aspirin"]) == "has C(=O)[OH]"
    assert Filters(required=["[NX3]"]).reason(mols["aspirin"]) == "lacks [NX3]"
    assert Filters(least_qed=0.6).reason(mols["aspirin"]) == "QED 0.55"
    assert Filters(most_sa=1.5).reason(mols["aspirin"]) == "synthetic accessibility 1.6"
    assert drug_likeness(mols["aspirin"]) == pytest.approx(0.550, abs=1e-3)
    assert synthetic_accessibility(mols["aspirin"]) == pytest.approx(1.580, abs=1e-3)
    with pytest.raises(ConfigError, match="no rule"):
        Filters(rules=["nice"])
    with pytest.raises(ConfigError, match="SMARTS"):
        Filters(forbidden=["(("])


@given(arrays(float, (30, 3), elements=st.integers(0, 6).map(float)))
def test_the_front_is_what_nothing_dominates(values):
    front = set(pareto_front(values, np.array([True, False, True])).tolist())
    cost = values * [-1, 1, -1]
    for k, one in enumerate(cost):
        dominated = ((cost <= one).all(axis=1) & (cost < one).any(axis=1)).any()
        assert (k in front) == (not dominated)


def test_missing_values_are_not_on_the_front():
    assert pareto_front(np.array([[1.0, np.nan], [0.0, 0.0]])).tolist() == [1]


def test_different_molecules():
    names = ["CCO", "CCCO", "CCCCO", "c1ccccc1", "Cc1ccccc1", "C1CCNCC1", "CC1CCNCC1"]
    prints = count_morgan(names)
    picked = diverse(prints, 3, scores=np.array([0, 0, 0, 0, 1, 0, 0]))
    assert picked[0] == 4
    assert {names[k] for k in picked} - {"CCO", "CCCO", "CCCCO"} >= {"Cc1ccccc1"}
    distance = 1 - similarities(prints, prints)
    assert distance[picked[0], picked[1]] == distance[picked[0]].max()
    assert len(set(diverse(prints, 7).tolist())) == 7
    with pytest.raises(ConfigError, match="cannot be picked"):
        diverse(prints, 8)
