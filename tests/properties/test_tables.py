"""Tables of molecules: what is read, how molecules are written, what is joined and what is left out."""

import gzip
import os
import threading
import tracemalloc

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.properties import Standardizer, curate, read_table
from adiabat.properties.library import read_library

DRUGS = (
    "C[C@H](N)C(=O)O",
    "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
    "C/C=C/C(=O)NCc1ccccn1",
    "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21",
    "O=[N+]([O-])c1ccc(S(N)(=O)=O)cc1",
    "C[N+](C)(C)CC(=O)[O-]",
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[Na+].CC(=O)[O-]", "CC(=O)O"),
        ("CC(=O)O[Na]", "CC(=O)O"),
        ("Cl.NCCc1ccccc1", "NCCc1ccccc1"),
        ("C[NH+](C)CCCCC([NH3+])C(=O)[O-]", "CN(C)CCCCC(N)C(=O)O"),
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("CCO.CCO", "CCO"),
        ("[2H]C([2H])([2H])O", "[2H]C([2H])([2H])O"),
        ("O.O", "O"),
        ("OS(=O)(=O)O", "O=S(=O)(O)O"),
        ("C[N+](C)(C)CCO.[Cl-]", "C[N+](C)(C)CCO"),
        ("[NH4+].[O-]C(=O)c1ccccc1", "O=C(O)c1ccccc1"),
        ("C[N+](C)(C)CC.[Br-]", "CC[N+](C)(C)C"),
        ("[Ca+2].CC(=O)[O-].CC(=O)[O-]", "CC(=O)O"),
        ("CC(=O)O.CC(=O)[O-].[Na+]", "CC(=O)O"),
        ("O.CCO", "CCO"),
        ("Cc1ccccc1O.CS(C)=O", "Cc1ccccc1O"),
        # Salts of drugs: besylate, maleate, tartrate of two, citrate as an ion, tromethamine; an acid alone.
        ("CN1CCN(C)CC1c1ccccc1.OS(=O)(=O)c1ccccc1", "CN1CCN(C)C(c2ccccc2)C1"),
        (r"OC(=O)\C=C/C(O)=O.CN1CCN(C)CC1", "CN1CCN(C)CC1"),
        ("CNC(C)CC.CNC(C)CC.O[C@H]([C@@H](O)C(O)=O)C(O)=O", "CCC(C)NC"),
        ("C[NH+]1CCOCC1.OC(CC(O)=O)(CC([O-])=O)C(O)=O", "CN1CCOCC1"),
        ("NC(CO)(CO)CO.CC(C(=O)O)c1ccccc1", "CC(C(=O)O)c1ccccc1"),
        ("OC(=O)CC(O)(CC(O)=O)C(=O)[O-].[Na+]", "O=C(O)CC(O)(CC(=O)O)C(=O)O"),
        # What cannot be neutral stays an ion; as a counterion it goes.
        ("F[P-](F)(F)(F)(F)F", "F[P-](F)(F)(F)(F)F"),
        ("F[P-](F)(F)(F)(F)F.CC[n+]1ccn(C)c1", "CC[n+]1ccn(C)c1"),
        # Of a racemate, or where the hand is not known, one of two is drawn.
        ("C[C@H](N)C(=O)O |&1:1|", "CC(N)C(=O)O"),
        ("C[C@H](F)[C@@H](O)Cl |o1:1|", "CC(F)[C@@H](O)Cl"),
        ("C[C@H](F)[C@@H](O)Cl |a:1,3|", "C[C@H](F)[C@@H](O)Cl"),
        ("C[C@H](F)[C@@H](O)Cl |&1:1,3|", "C[C@H](F)[C@@H](O)Cl"),
        # Numbers that map atoms of a reaction are no part of a molecule.
        ("[CH3:1][CH2:2][OH:3]", "CCO"),
        ("[CH3:1][C@@H:2]([F:4])[Cl:3]", "C[C@@H](F)Cl"),
        ("[H:9][O:3][CH2:2][CH3:1]", "CCO"),
        ("c1:c:c:c:c:c1", "c1ccccc1"),
        # A metal that stays bound is part of the molecule.
        ("C[Sn](C)(C)C", "[CH3][Sn]([CH3])([CH3])[CH3]"),
    ],
)
def test_one_way_to_write_a_molecule(written, expected):
    assert Standardizer()(written) == expected


@given(st.sampled_from(DRUGS), st.integers(0, 2**31 - 1))
def test_order_of_atoms_does_not_matter_and_twice_is_once(smiles, seed):
    standardize = Standardizer()
    once = standardize(smiles)
    mol = Chem.MolFromSmiles(smiles)
    order = np.random.default_rng(seed).permutation(mol.GetNumAtoms()).tolist()
    shuffled = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
    assert standardize(shuffled) == once
    assert standardize(once) == once


def test_what_stays_is_chosen():
    assert Standardizer(salts=True)("[Na+].CC(=O)[O-]") == "CC(=O)[O-].[Na+]"
    assert Standardizer(charges=True)("[Na+].CC(=O)[O-]") == "CC(=O)[O-]"
    assert Standardizer(tautomers=True)("Oc1ccccn1") == Standardizer(tautomers=True)("O=c1cccc[nH]1")
    assert Standardizer()("Oc1ccccn1") != Standardizer()("O=c1cccc[nH]1")
    mixture = "OC(=O)c1ccncc1.CN1CCCC1c1cccnc1"
    with pytest.raises(DataError, match="mixture"):
        Standardizer()(mixture)
    assert Standardizer(mixtures=True)(mixture) == "CN1CCCC1c1cccnc1"


@pytest.mark.parametrize(
    ("smiles", "error", "said"),
    [
        ("", DataError, "no SMILES"),
        ("hello", DataError, "not a SMILES"),
        ("C(C", DataError, "not a SMILES"),
        ("C(C)(C)(C)(C)C", DataError, "valence"),
        ("c1cccc1", DataError, "not a possible"),
        ("C*", UnsupportedError, "wildcard"),
        ("C" * 300, UnsupportedError, "heavy atoms"),
        ("C" * 3000, UnsupportedError, "characters"),
        ("[Zn+2].CC(=O)[O-].CC(=O)[O-]", UnsupportedError, "compound of Zn: without the metal"),
        ("N[Pt](N)(Cl)Cl", UnsupportedError, "compound of Pt"),
        ("O=C1O[Pt]2(OC1=O)NC1CCCCC1N2", UnsupportedError, "compound of Pt"),
        ("[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1", UnsupportedError, "compound of Fe"),
        ("CC[Zn]CC", UnsupportedError, "compound of Zn"),
        ("CO.CCO", DataError, "mixture of CCO and CO"),
        ("CCN(CC)CC.OC(=O)c1ccccc1", DataError, "mixture"),
        ("CS(C)=O.CCO", DataError, "mixture"),
        ("C1CCOC1.CCCCCC", DataError, "mixture"),
        ("[Na+].[Cl-]", DataError, "no organic parent: it is an inorganic salt"),
        ("[Na]Cl", DataError, "no organic parent"),
        ("[K+].[O-]S(=O)(=O)[O-].[K+]", DataError, "no organic parent"),
        ("[Ca+2].[O-]C(=O)[O-]", DataError, "no organic parent"),
        ("[K+].[C-]#N", DataError, "no organic parent"),
        ("[Zn+2].[Cl-].[Cl-]", DataError, "no organic parent"),
        ("[NH4+].[Cl-]", DataError, "no organic parent"),
        # Of choline bitartrate either ion is known as a counterion.
        ("C[N+](C)(C)CCO.OC(=O)C(O)C(O)C(=O)[O-]", DataError, r"is a salt of C\[N\+\].* and O=C\(O\)C"),
    ],
)
def test_what_is_no_molecule_is_refused(smiles, error, said):
    with pytest.raises(error, match=said):
        Standardizer()(smiles)


CSV = """smiles,logS,pKa,solvent
CCO,1.5,,water
OCC,1.7,<4,water
C(C)O,,5,water
c1ccccc1,-1.6, >= 40 ,ethanol
hello,2,,water
CCN,n/a,,water
CCCN,many,,water
CCC,-2.0,3,"water, salted"
CCCC,-2.5,3,water
CCCCC,-3.0,3,water
"""


def written(folder, name, text=CSV):
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_reading_and_joining(tmp_path, name):
    table = read_table(
        written(tmp_path, name),
        smiles="smiles",
        targets=["logS", "pKa"],
        columns=["solvent"],
        units=["log mol/L", ""],
    )
    assert [(r.row, r.reason) for r in table.rejected] == [(6, "no value"), (7, "'many' is not a number")]
    assert len(table) == 8
    assert table.columns["solvent"][5] == "water, salted"
    made = curate(table, Standardizer())
    assert made.table.smiles[:2] == ("CCO", "c1ccccc1")
    np.testing.assert_allclose(made.table.values[:2], [[1.6, 5.0], [-1.6, 40.0]])
    np.testing.assert_array_equal(made.table.limits[:2], [[0, 0], [0, 1]])
    assert made.merged == 2
    assert [r.row for r in made.table.rejected] == [5, 6, 7]
    assert [(one.smiles, one.target, one.written) for one in made.conflicts] == [("CCO", "pKa", ("<4", "5"))]


def test_measurements_in_other_solvents_are_not_joined(tmp_path):
    text = "smiles,y,solvent\nCCO,1,water\nOCC,3,hexane\nCCO,2,water\n"
    table = read_table(written(tmp_path, "t.csv", text), smiles="smiles", targets=["y"], columns=["solvent"])
    made = curate(table, Standardizer(), keep=("solvent",))
    np.testing.assert_allclose(made.table.values[:, 0], [1.5, 3.0])


def test_rows_that_disagree_are_reported(tmp_path):
    rows = "".join(f"{'C' * n},{n}\n" for n in range(1, 20))
    table = read_table(
        written(tmp_path, "t.csv", f"smiles,y\n{rows}OCC,1\nCCO,9\n"), smiles="smiles", targets=["y"]
    )
    made = curate(table, Standardizer())
    assert [(c.smiles, c.rows, c.values) for c in made.conflicts] == [("CCO", (20, 21), (1.0, 9.0))]


def test_limits_that_contradict_are_reported_and_teach_nothing(tmp_path):
    """The lower of <3 and >17 was taken, and 9 in spite of <4, without a word."""
    rows = "".join(f"{'C' * n}O,{n}\n" for n in range(1, 20))
    rows += "CCBr,<3\nCCBr,>17\nCCI,9\nCCI,<4\nCCF,<9\nCCF,>4\nCCCl,>12\nCCCl,12.5\n"
    table = read_table(written(tmp_path, "t.csv", f"smiles,y\n{rows}"), smiles="smiles", targets=["y"])
    made = curate(table, Standardizer())
    assert [(one.smiles, one.rows, one.written) for one in made.conflicts] == [
        ("CCBr", (20, 21), ("<3", ">17")),
        ("CCI", (22, 23), ("9", "<4")),
    ]
    kept = dict(zip(made.table.smiles, made.table.values[:, 0], strict=True))
    assert "CCBr" not in kept
    assert (kept["CCI"], kept["CCF"], kept["CCCl"]) == (9.0, 9.0, 12.5)
    assert [(one.row, one.reason) for one in made.table.rejected] == [(20, "limits contradict each other")]


def test_rows_that_disagree_on_a_class_are_counted(tmp_path):
    """A median of 0 and 1 would be neither, and make numbers of all classes."""
    path = tmp_path / "classes.csv"
    path.write_text("smiles,active\nCCO,1\nOCC,0\nCCN,1\nNCC,1\nCCN,0\nCCC,0\n")
    found = curate(read_table(path, smiles="smiles", targets=["active"]), Standardizer())
    assert dict(zip(found.table.smiles, found.table.values[:, 0], strict=True)) == {"CCN": 1.0, "CCC": 0.0}
    assert [(one.row, one.reason) for one in found.table.rejected] == [(1, "as often in the class as not")]


def test_limits_count_where_nothing_else_is_known(tmp_path):
    text = "smiles,y\nCCO,<5\nOCC,<3\nCCN,>2\nNCC,>7\nCCC,<3\nCCC,4\n"
    made = curate(
        read_table(written(tmp_path, "t.csv", text), smiles="smiles", targets=["y"]), Standardizer()
    )
    np.testing.assert_allclose(made.table.values[:, 0], [3, 7, 4])
    np.testing.assert_array_equal(made.table.limits[:, 0], [-1, 1, 0])


def test_parquet(tmp_path):
    pyarrow.parquet.write_table(
        pyarrow.table({"smiles": ["CCO", "CC"], "y": [1.25, None]}), tmp_path / "t.parquet"
    )
    table = read_table(tmp_path / "t.parquet", smiles="smiles", targets=["y"])
    assert table.values.tolist() == [[1.25]]


def test_a_row_with_too_many_cells_is_left_out_by_its_number(tmp_path):
    text = "smiles,y\nCCO,1.5\nCC,1,5\nCCC\nCCN,2\nCCS,caf\xe9\n"
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("latin-1"))
    table = read_table(path, smiles="smiles", targets=["y"])
    assert table.smiles == ("CCO", "CCN")
    assert [(row.row, row.reason) for row in table.rejected] == [
        (2, "3 cells, the header has 2; decimals are written with a point"),
        (3, "1 cells, the header has 2"),
        (5, "it is not written in UTF-8"),
    ]
    assert [row.text for row in table.rejected] == ["CC,1,5", "CCC", "CCS"]


def test_a_table_that_unfolds_does_not_fill_the_memory(tmp_path, monkeypatch):
    """Half a megabyte of gzip is 160 MB of text, of which nothing is kept but the columns asked for."""
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b"smiles,y,notes\n")
        for _ in range(20):
            file.write((b"CCO,1.5," + b"x" * 8000 + b"\n") * 1000)
    tracemalloc.start()
    assert len(read_table(path, smiles="smiles", targets=["y"])) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
    for name, most in (("MAX_ROWS", 19_999), ("MAX_CHARACTERS", 100_000)):
        with monkeypatch.context() as changed:
            changed.setattr(f"adiabat.properties.table.{name}", most)
            with pytest.raises(UnsupportedError, match="too large to be read at once"):
                read_table(path, smiles="smiles", targets=["y"])


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.csv").write_bytes("smiles,µM\nCCO,1\n".encode("latin-1"))
    with pytest.raises(DataError, match="not written in UTF-8"):
        read_table(tmp_path / "latin.csv", smiles="smiles", targets=["µM"])
    with pytest.raises(DataError, match="no file"):
        read_table(tmp_path / "absent.csv", smiles="smiles", targets=["y"])
    with pytest.raises(ConfigError, match=r"'logs'") as caught:
        read_table(written(tmp_path, "t.csv"), smiles="smiles", targets=["logs"])
    assert "logS" in str(caught.value)
    with pytest.raises(DataError, match=r"no molecule with a value; row 1: '1,5' is no.*point") as caught:
        read_table(written(tmp_path, "t.csv", 'smiles,y\nCC,"1,5"\n'), smiles="smiles", targets=["y"])
    assert "classes" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"'smiles\|y'; cells are separated by commas or semicolons, those"):
        read_table(written(tmp_path, "t.csv", "smiles|y\nCC|1.5\n"), smiles="smiles", targets=["y"])
    with pytest.raises(DataError, match=r"'1,5' is no.*point"):
        read_table(written(tmp_path, "t.csv", "smiles;y\nCC;1,5\n"), smiles="smiles", targets=["y"])
    active = written(tmp_path, "t.csv", "smiles,y\nCC,active\n")
    with pytest.raises(DataError, match="all of 'y' are 'active'"):
        read_table(active, smiles="smiles", targets=["y"])
    with pytest.raises(DataError, match="'active' is not a number") as caught:
        read_table(active, smiles="smiles", targets=["y"], words={})
    assert "write classes as 0 and 1" in str(caught.value)
    with pytest.raises(DataError, match="no molecule with a value"):
        read_table(written(tmp_path, "t.csv", "smiles,y\nCC,\n"), smiles="smiles", targets=["y"])
    (tmp_path / "bad.csv.gz").write_bytes(gzip.compress(CSV.encode())[:40])
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "bad.csv.gz", smiles="smiles", targets=["logS"])
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "bad.parquet", smiles="smiles", targets=["logS"])
    with pytest.raises(DataError, match="none of the 1 molecules"):
        curate(
            read_table(written(tmp_path, "t.csv", "smiles,y\nhello,1\n"), smiles="smiles", targets=["y"]),
            Standardizer(),
        )


def test_as_spreadsheets_and_chembl_write_tables(tmp_path, piped):
    """By semicolons, quoted, with a mark of byte order, and with what a spreadsheet could not compute."""
    text = '\ufeff"Name, all";"Smiles";"pKi"\r\n"a;b";"CCO";"5.5"\r\n"c";"CCN";"#N/A"\r\n"d";"CCC";"<4"\r\n'
    path = written(tmp_path, "chembl.csv", text)
    table = read_table(path, smiles="Smiles", targets=["pKi"], columns=["Name, all"])
    assert (table.smiles, table.values.tolist()) == (("CCO", "CCC"), [[5.5], [4.0]])
    assert table.columns["Name, all"].tolist() == ["a;b", "d"]
    assert [(one.row, one.reason) for one in table.rejected] == [(2, "no value")]
    for source in (path, piped(text.encode())):
        entries = list(read_library(source, smiles="Smiles", name="Name, all"))
        assert [(one.smiles, one.name) for one in entries] == [("CCO", "a;b"), ("CCN", "c"), ("CCC", "d")]
    # Columns that are there by commas are by commas, whatever else is in the line.
    path = written(tmp_path, "t.csv", "smiles,y,a;b\nCCO,1.5,;\n")
    assert read_table(path, smiles="smiles", targets=["y"]).values.tolist() == [[1.5]]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_table_from_a_stream(tmp_path, piped, delimiter, zipped):
    """Of standard input, a pipe with a name, and a file whose name says nothing."""
    content = f"smiles{delimiter}y\r\nCCO{delimiter}1\r\nCCC{delimiter}<2\r\n".encode()
    content = gzip.compress(content) if zipped else content
    (tmp_path / "file").write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    for path in (piped(content), tmp_path / "pipe", tmp_path / "file"):
        table = read_table(path, smiles="smiles", targets=["y"])
        assert table.smiles == ("CCO", "CCC")
        assert table.limits.tolist() == [[0], [-1]]
    writer.join()
    with pytest.raises(UnsupportedError, match="standard input: Parquet is read from its end"):
        read_table(piped(b"PAR1PAR1"), smiles="smiles", targets=["y"])


def test_strings_of_parquet_may_be_bytes(tmp_path):
    columns = {"smiles": pyarrow.array([b"CCO", b"CCC"]), "y": [1.5, 2.0]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", smiles="smiles", targets=["y"]).smiles == ("CCO", "CCC")
