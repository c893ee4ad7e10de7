import csv
import itertools
import json
from typing import Any

import numpy as np
import pytest

from adiabat.base import ConfigError, DataError
from adiabat.base.runs import RunFolder
from adiabat.properties import read_table, trees
from adiabat.properties.model import load_property_model
from adiabat.report.formatting import number
from adiabat.tasks import property_predict
from adiabat.tasks.property_predict import predict_properties, prediction_parts
from adiabat.tasks.property_train import train_property

QUICK = ("mean", "gaussian-process")
ENDS = {"O": 0.0, "C1CCNCC1": 0.2, "c1ccncc1": 1.5, "C1CC1": -1.0, "c1ccccc1": 2.0}


@pytest.fixture
def data(tmp_path):
    """A hundred molecules, a salt of one of them, a limit, two rows that cannot be used."""
    rows = [
        (f"{'C' * n}{end}", f"{n / 2 + value:.2f}", 2000 + n, f"{n % 4}")
        for n in range(1, 21)
        for end, value in ENDS.items()
    ]
    rows += [("CCCC[O-].[Na+]", "2.0", 2001, "0"), ("CCCCCCBr", "<9", 2002, "1")]
    rows += [("C1CC", "1.0", 2003, "2"), ("CCI", "soluble", 2004, "3")]
    path = tmp_path / "data.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", "logS", "year", "series"])
        writer.writerows(rows)
    return path


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_from_table_to_predictions(data, tmp_path):
    found = train_property(data, out=tmp_path / "run", targets=["logS"], units=["log M"], kinds=QUICK)
    assert found.tests["logS"].scores["model"]["RMSE"].value < 0.2
    assert found.tests["logS"].comparisons["mean"].p_value < 0.01
    rejected = rows_of(tmp_path / "run" / "rejected.csv")
    assert [int(row["row"]) for row in rejected] == [103, 104]
    assert "not a SMILES" in rejected[0]["reason"]
    assert "'soluble' is not a number" in rejected[1]["reason"]
    predicted = rows_of(tmp_path / "run" / "predictions.csv")
    summary = found.model.summary
    assert summary["n_merged"] == 1  # the salt
    assert len(predicted) == summary["n_train"] + summary["n_test"] == 101
    inside = [float(r["logS lower"]) < float(r["logS predicted"]) for r in predicted if r["part"] == "test"]
    assert all(inside)
    page = found.report.read_text()
    assert "Model card" in page
    assert "log M" in page
    alone = found.tests["logS"].scores["gaussian-process"]["RMSE"].value
    assert f"the best kind alone, gaussian-process, {number(alone)}, model against it" in page
    values = predict_properties(tmp_path / "run", ["CCCCO", "OCCCC", "not one", "CCCBr", "[Na+].CC[O-]"])
    assert [row["standardized"] for row in values] == ["", "", "", "", "CCO"]
    for word in ("at the border in between", "Limits: a cell such as", "from -inf to inf promises nothing"):
        assert word in page
    assert float(values[0]["logS"]) == pytest.approx(2.0, abs=0.2)
    assert values[0]["logS"] == values[1]["logS"]
    assert values[0]["domain"] == "inside"
    assert "not a SMILES" in values[2]["error"]
    wider = predict_properties(tmp_path / "run", ["CCCCO"], level=0.95)[0]
    assert float(wider["logS lower"]) < float(values[0]["logS lower"])


@pytest.mark.parametrize(
    ("split", "by"), [("scaffold", None), ("time", "year"), ("group", "series"), ("none", None)]
)
def test_splits(data, tmp_path, split, by):
    train_property(data, out=tmp_path / "run", targets=["logS"], kinds=QUICK, split=split, by=by)
    predicted = rows_of(tmp_path / "run" / "predictions.csv")
    given = {row["smiles"]: row for row in rows_of(data)}
    parts = {part: [given[r["smiles"]] for r in predicted if r["part"] == part and r["smiles"] in given]
             for part in ("train", "test")}  # fmt: skip
    assert bool(parts["test"]) == (split != "none")
    if split == "time":
        assert max(int(row["year"]) for row in parts["train"]) <= min(
            int(row["year"]) for row in parts["test"]
        )
    if split == "group":
        assert not {row["series"] for row in parts["train"]} & {row["series"] for row in parts["test"]}


def test_a_file_to_test_with(data, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("smiles,logS\nCCCCCO,2.5\nCCCCCCCCCCCCCCCCCCCCCCCCCO,12.5\n")
    found = train_property(data, out=tmp_path / "run", targets=["logS"], kinds=QUICK, test=other)
    assert found.model.summary["n_test"] == 2
    assert found.model.summary["leakage"]["exact"] == 0.5
    assert found.model.summary["n_rejected_test"] == 0


def test_the_command_says_what_errors_are_of(data, tmp_path):
    """Limits and gaps have no error; molecules of the training tell little."""
    from tests.cli.conftest import run as adiabat

    other = tmp_path / "other.csv"
    other.write_text(
        "smiles,logS\nCCCCCO,2.5\nCCCCCCCCCCCCCCCCCCCCCCCCCO,12.5\nCCCCCCCCCCCCCCCCCCCCCCCCCCO,>9\n"
    )
    words = ["property", "train", data, "--target", "logS", "--kind", "gaussian-process", "--test", other]
    answer = adiabat(*words, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    assert "logS, 101 molecules, 100 of them with an exact value, cross-validation:" in answer.out
    assert "logS, 3 test molecules, 2 of them with an exact value (" in answer.out
    assert "33% of the test molecules are in training as well" in answer.err
    answer = adiabat(*words, "--out", tmp_path / "run", "--force", "--split", "scaffold")
    assert answer.code == 2
    assert "takes the place of the split 'scaffold'" in answer.err


def test_rows_of_the_test_file_that_are_left_out_are_said(data, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(
        "smiles,logS\nCCCCCO,2.5\nOCCCCC,2.7\nC1CC,1\nCCCCCCCCCCCCCCCCCCCCCCCCCO,12.5\nCCN,many\n"
    )
    found = train_property(data, out=tmp_path / "run", targets=["logS"], kinds=QUICK, test=other)
    assert (found.model.summary["n_rejected"], found.model.summary["n_rejected_test"]) == (2, 2)
    rejected = rows_of(tmp_path / "run" / "rejected.csv")
    assert [(row["row"], row["file"]) for row in rejected] == [
        ("103", str(data)), ("104", str(data)), ("3", str(other)), ("5", str(other))
    ]  # fmt: skip
    page = found.report.read_text()
    assert "row 3 of the test file is left out" in page
    assert "rows of the test file joined with another" in page


@pytest.mark.parametrize(("split", "by"), [("time", "year"), ("file", "part")])
def test_values_of_the_test_are_not_joined_into_the_training(tmp_path, split, by):
    """Ethanol was measured in 2000 and, with another result, in 2030."""
    path = tmp_path / "years.csv"
    old = "".join(f"{'C' * n}O,{n},{2000 + n % 3},train\n" for n in range(3, 43))
    new = "".join(f"{'C' * n}N,{n},{2020 + n % 3},test\n" for n in range(3, 12))
    path.write_text(f"smiles,y,year,part\n{old}{new}CCO,1,2000,train\nOCC,1.4,2000,train\nCCO,9,2030,test\n")
    found = train_property(path, out=tmp_path / "run", targets=["y"], kinds=QUICK, split=split, by=by)
    rows = [row for row in rows_of(tmp_path / "run" / "predictions.csv") if row["smiles"] == "CCO"]
    assert [(row["part"], float(row["y"])) for row in rows] == [("train", 1.2), ("test", 9.0)]
    assert found.model.summary["n_merged"] == 1
    assert found.model.summary["leakage"]["exact"] == pytest.approx(0.1)  # and it is said


@pytest.mark.parametrize("by_file", [False, True])
def test_a_test_row_that_cannot_be_asked_about_is_left_out(tmp_path, by_file):
    """What a model refuses to answer is found before it is trained, not when it is tested."""
    head, rows = (
        "smiles,y,T,assay,part\n",
        [f"{'C' * n}O,{n},{290 + n % 3},{'AB'[n % 2]}" for n in range(3, 33)],
    )
    known = "".join(f"{row},train\n" for row in rows[:25])
    asked = "".join(f"{row},test\n" for row in [*rows[25:], "CCN,1,290,Z", "CCS,1,cold,A", "CCF,1,,A"])
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text(head + known + ("" if by_file else asked))
    other.write_text(head + asked)
    where: dict[str, Any] = {"test": other} if by_file else {"split": "file", "by": "part"}
    given: dict[str, Any] = {"targets": ["y"], "kinds": QUICK, "inputs": ["assay"], "temperatures": ["T"]}
    found = train_property(one, out=tmp_path / "run", **given, **where)
    assert found.model.summary["n_test"] == 5
    rejected = rows_of(tmp_path / "run" / "rejected.csv")
    first = 6 if by_file else 31
    assert [(int(row["row"]), row["reason"]) for row in rejected] == [
        (first, "assay is 'Z', which training did not have"),
        (first + 1, "T: cannot read 'cold' as a temperature"),
        (first + 2, "T is empty"),
    ]
    left_out = found.model.summary["n_rejected_test" if by_file else "n_rejected"]
    assert left_out == 3
    if not by_file:
        assert json.loads((tmp_path / "run" / "split.json").read_text())["test"] == [26, 27, 28, 29, 30]
    other.write_text(head + "CCN,1,290,Z,test\n")
    one.write_text(head + known)
    with pytest.raises(
        DataError, match="none of the 1 molecules to test with can be asked about; row 1: ass"
    ):
        train_property(one, out=tmp_path / "none", **given, test=other)


@pytest.mark.parametrize("split", ["time", "group", "file"])
def test_rows_of_which_the_column_of_a_split_says_nothing_are_left_out(tmp_path, split):
    path = tmp_path / "years.csv"
    part = {"time": "{}", "group": "g{}", "file": "{}"}[split]
    rows = [f"{'C' * n}O,{n}," + part.format(2000 + n) for n in range(3, 43)]
    if split == "file":
        rows = [row[:-4] + ("test" if int(row[-4:]) > 2033 else "train") for row in rows]
    path.write_text("smiles,y,by\n" + "\n".join([*rows[:20], "CCN,1,", "CCF,1,  ", *rows[20:]]) + "\n")
    found = train_property(path, out=tmp_path / "run", targets=["y"], kinds=QUICK, split=split, by="by")
    rejected = [(row["row"], row["reason"]) for row in rows_of(tmp_path / "run" / "rejected.csv")]
    assert rejected == [("21", "by is empty"), ("22", "by is empty")]
    assert found.model.summary["n_train"] + found.model.summary["n_test"] == 40


def test_rows_without_an_input_are_left_out_wherever_they_are(tmp_path):
    path = tmp_path / "warm.csv"
    rows = [f"{'C' * n}O,{n},{290 + n}" for n in range(3, 43)]
    path.write_text("smiles,y,T\n" + "\n".join([*rows[:20], "CCN,1,", *rows[20:]]) + "\n")
    given: dict[str, Any] = {"targets": ["y"], "kinds": QUICK, "temperatures": ["T"]}
    found = train_property(path, out=tmp_path / "run", split="none", **given)
    rejected = [(row["row"], row["reason"]) for row in rows_of(tmp_path / "run" / "rejected.csv")]
    assert rejected == [("21", "T is empty")]
    assert found.model.summary["n_train"] == 40
    path.write_text("smiles,y,T\n" + "\n".join(row[:-3] for row in rows) + "\n")
    with pytest.raises(DataError, match="the column 'T' is empty"):
        train_property(path, out=tmp_path / "none", **given)


def test_a_target_with_few_values_is_left_out(data, tmp_path):
    rows = [{**row, "pKa": "1" if k < 3 else ""} for k, row in enumerate(rows_of(data))]
    path = tmp_path / "two.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows, {"smiles": "CCSCC", "pKa": "3", "year": 2000, "series": "0"}])
    found = train_property(path, out=tmp_path / "run", targets=["pKa", "logS"], units=["", "M"], kinds=QUICK)
    assert [(target.name, target.unit) for target in found.model.targets] == [("logS", "M")]
    reason = "'pKa' has 4 values, at least 10 are needed"
    summary = found.model.summary
    assert reason.split(" has")[0] in summary["targets_left_out"]["pKa"]
    assert summary["n_train"] + summary["n_test"] == 101  # not the one that has a pKa only
    assert "the target pKa is left out" in found.report.read_text()
    # Where nothing can be learned, the folder is free for the next try.
    for _ in range(2):
        with pytest.raises(DataError, match=r"'pKa' has \d values"):
            train_property(path, out=tmp_path / "again", targets=["pKa"], kinds=QUICK)


def test_stopped_and_resumed(data, tmp_path, monkeypatch):
    """The model is that of an unbroken run, byte for byte."""
    kinds = ("mean", "nearest", "forest", "gaussian-process")
    arguments = {"targets": ["logS"], "kinds": kinds, "seed": 3}
    whole = train_property(data, out=tmp_path / "whole", **arguments)
    grow = trees.Forest._grow

    def stop(*_):
        raise MemoryError

    monkeypatch.setattr(trees.Forest, "_grow", staticmethod(stop))
    with pytest.raises(MemoryError):
        train_property(data, out=tmp_path / "run", **arguments)
    monkeypatch.setattr(trees.Forest, "_grow", staticmethod(grow))
    monkeypatch.setattr(
        "adiabat.properties.baselines.NearestNeighbor._fit", lambda *_: pytest.fail("fitted twice")
    )
    train_property(data, out=tmp_path / "run", resume=True, **arguments)
    assert RunFolder.open(tmp_path / "run").status == "finished"
    one, other = (load_property_model(folder) for folder in (whole.folder, tmp_path / "run"))
    np.testing.assert_array_equal(one.weights, other.weights)
    assert (tmp_path / "whole" / "predictions.csv").read_text() == (
        tmp_path / "run" / "predictions.csv"
    ).read_text()


def test_wrong_input(data, tmp_path):
    run = {"out": tmp_path / "run", "kinds": QUICK}
    with pytest.raises(ConfigError, match="no column 'x'"):
        train_property(data, targets=["x"], **run)
    with pytest.raises(ConfigError, match="there is no split 'odd'"):
        train_property(data, targets=["logS"], split="odd", **run)
    with pytest.raises(ConfigError, match="needs a column"):
        train_property(data, targets=["logS"], split="time", **run)
    with pytest.raises(ConfigError, match="takes no column"):
        train_property(data, targets=["logS"], by="year", **run)
    with pytest.raises(ConfigError, match="property model 'magic'"):
        train_property(data, targets=["logS"], out=tmp_path / "run", kinds=["magic"])
    with pytest.raises(DataError, match="cannot read"):
        predict_properties(tmp_path / "nothing", ["C"])
    with pytest.raises(DataError, match="no file"):
        train_property(tmp_path / "nothing.csv", targets=["logS"], **run)
    for one, other, words in (
        ("1e300", "0", "another unit"),
        ("1e-300", "0", "another unit"),
    ):
        rows = [f"{'C' * n}O,{one if n % 2 else other}\n" for n in range(20)]
        (tmp_path / "odd.csv").write_text("smiles,y\n" + "".join(rows))
        with pytest.raises(DataError) as caught:
            train_property(tmp_path / "odd.csv", targets=["y"], **run, force=True)
        assert words in str(caught.value)


def test_kinds_by_the_command(data, tmp_path):
    """The null models are fitted beside what is asked for, and have no weight."""
    from tests.cli.conftest import run as adiabat

    words = ["property", "train", data, "--target", "logS", "--out", tmp_path / "run"]
    answer = adiabat(*words, "--kind", "gaussian-process", "--kind", "gaussian-process")
    assert answer.code == 0, answer.err
    assert list(load_property_model(tmp_path / "run").members) == ["gaussian-process"]
    page = (tmp_path / "run" / "report.html").read_text()
    assert ">mean</th>" in page
    assert ">nearest</th>" in page
    for kind, words_said in (("grpah", "did you mean 'graph'"), ("student", "adiabat property distill")):
        answer = adiabat(*words, "--kind", kind, "--force")
        assert answer.code == 2
        assert words_said in answer.err


def test_from_models_to_better_molecules(data, tmp_path):
    from adiabat.report.candidates import main_line
    from adiabat.tasks.property_optimize import optimize_by_models

    train_property(data, out=tmp_path / "model", targets=["logS"], kinds=("nearest",))
    asked = {
        "models": [tmp_path / "model"],
        "objectives": ["logS>=4"],
        "out": tmp_path / "run",
        "scaffold": "C1CCNCC1",
        "evaluations": 70,
    }
    made = optimize_by_models(["CC1CCNCC1"], **asked)
    rows = rows_of(tmp_path / "run" / "candidates.csv")
    assert float(rows[0]["logS"]) > 2
    assert all(float(a["desirability"]) >= float(b["desirability"]) for a, b in itertools.pairwise(rows))
    page = made.report.read_text()
    assert "came about" in page
    # Beside each step why the model likes it, or why that is not shown.
    told = page.count("colored by what they bring to logS") + page.count("What atoms bring is not shown")
    archive = made.found.archive
    lines = [main_line(archive.lineage(archive.smiles[k])) for k in made.found.best(3)]
    assert told == sum(map(len, lines))
    assert RunFolder.open(tmp_path / "run").results["n_evaluated"] == 70
    with pytest.raises(ConfigError, match="--force"):
        optimize_by_models(["CC1CCNCC1"], **asked)
    more = optimize_by_models(["CC1CCNCC1"], **{**asked, "evaluations": 80}, resume=True)
    assert more.found.archive.smiles[:70] == made.found.archive.smiles
    assert len(more.found.archive) == 80
    with pytest.raises(ConfigError, match="scaffold"):
        optimize_by_models(["CC1CCNCC1"], **{**asked, "scaffold": "N"}, resume=True)
    with pytest.raises(ConfigError, match="no model predicts 'logD'"):
        optimize_by_models(
            ["CC"], models=asked["models"], objectives=["logD=maximize"], out=tmp_path / "other"
        )


def test_better_molecules_by_the_command(data, tmp_path):
    from tests.cli.conftest import run as adiabat

    train_property(data, out=tmp_path / "model", targets=["logS"], kinds=("nearest",))
    words = ["property", "optimize", "CC1CCNCC1", "--model", tmp_path / "model", "--evaluations", "30"]
    words += ["--scaffold", "C1CCNCC1", "--most-sa", "4", "--forbid", "[Cl,Br]", "--out", tmp_path / "run"]
    answer = adiabat(*words, "--objective", "logS>=3", "--json")
    assert answer.code == 0
    said = answer.json
    assert said["n_evaluated"] == 30
    assert said["best"][0]["logS"] > 0.9
    rows = rows_of(tmp_path / "run" / "candidates.csv")
    assert {row["domain"] for row in rows} <= {"inside", "border"}
    assert float(rows[0]["logS lower"]) < float(rows[0]["logS"]) < float(rows[0]["logS upper"])
    widths = [float(row["logS upper"]) - float(row["logS lower"]) for row in rows]
    widths = [width / float(row["logS error"]) for width, row in zip(widths, rows, strict=True)]
    assert all(a >= b - 1e-3 for a, b in itertools.pairwise(widths))  # the best is the most suspicious
    assert said["best"][0]["domain"] == rows[0]["domain"]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Domain of the best" in page
    assert "Desirability says how well" in page
    answer = adiabat(*words, "--objective", "logS is high", "--force")
    assert answer.code == 2
    assert "is not an objective" in answer.err


def test_two_words_are_a_class(tmp_path):
    """The probability is that of the word that is not a negation, also for a test of one word only."""
    rows = [
        (f"{'C' * n}{end}", end in ("N", "C1CCNCC1")) for n in range(1, 25) for end in ("O", "N", "Cl", *ENDS)
    ]
    rows = list(dict(rows).items())
    path = tmp_path / "words.csv"
    text = [f"{smiles},{'Active' if active else 'inactive'}\n" for smiles, active in rows]
    path.write_text("smiles,assay\n" + "".join(text) + "CCF,\nCCBr,NA\n")
    made = train_property(path, out=tmp_path / "run", targets=["assay"], kinds=("forest", "mean"))
    assert made.model.targets[0].words == ("inactive", "Active")
    assert load_property_model(tmp_path / "run").targets == made.model.targets
    assert made.tests["assay"].scores["model"]["AUROC"].value > 0.95
    assert made.tests["assay"].coverage[0.9] > 0.8
    assert sum(one.count for one in made.tests["assay"].reliability) == made.model.summary["n_test"]
    page = made.report.read_text()
    assert "the probability of Active, not inactive" in page
    assert "90 % sets" in page
    assert "share in the class" in page
    said = predict_properties(tmp_path / "run", ["CCCCCCN", "CCCCCCO"])
    assert float(said[0]["assay"]) > 0.8 > 0.2 > float(said[1]["assay"])
    assert [(row["assay lower"], row["assay upper"]) for row in said] == [("1", "1"), ("0", "0")]
    only = tmp_path / "only.csv"
    only.write_text("smiles,assay\nCCCCCCCCN,ACTIVE\n")
    made = train_property(path, out=tmp_path / "only", targets=["assay"], kinds=("mean",), test=only)
    assert made.model.summary["n_test"] == 1


@pytest.mark.parametrize(
    ("words", "told", "advice"),
    [
        (
            tuple(f"CHEMBL{n}" for n in range(10, 40)),
            "30 different words ('CHEMBL10'",
            "column of the values",
        ),
        (("active",), "all of 'assay' are 'active'", ""),
    ],
)
def test_words_that_are_no_class(tmp_path, words, told, advice):
    path = tmp_path / "words.csv"
    cells = [f"{'C' * n}O,{words[n % len(words)]}\n" for n in range(1, 31)]
    path.write_text("smiles,assay\n" + "".join(cells))
    with pytest.raises(DataError) as error:
        train_property(path, out=tmp_path / "run", targets=["assay"], kinds=("mean",))
    assert told in error.value.message
    assert advice in str(error.value.hint)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no", "yes"),
        ("False", "True"),
        ("nontoxic", "toxic"),
        ("low", "high"),
        ("unbound", "bound"),
        ("a", "b"),
        ("-", "+"),
        ("BBB-", "BBB+"),
    ],
)
def test_which_word_is_the_class(tmp_path, one, other):
    for cells in (f"C,{one}\nCC,{other}\n", f"C,{other}\nCC,{one}\n"):
        path = tmp_path / "words.csv"
        path.write_text("smiles,x\n" + cells)
        assert read_table(path, smiles="smiles", targets=["x"]).words == {"x": (one, other)}


@pytest.mark.parametrize("cells", [("1,5", "2,5"), ("<10 uM", "20 uM"), ("10 %", "20 %"), ("~5", "6 mg/L")])
def test_numbers_that_cannot_be_read_are_no_words(tmp_path, cells):
    path = tmp_path / "numbers.csv"
    path.write_text("smiles,x\n" + "".join(f'C,"{cell}"\n' for cell in cells))
    with pytest.raises(DataError, match=f"'{cells[0]}' is not a number") as error:
        read_table(path, smiles="smiles", targets=["x"])
    assert error.value.hint == ("leave units out of the cells" if "uM" in cells[0] else None)


def test_the_commands_say_what_a_probability_is_of(tmp_path):
    from tests.cli.conftest import run as adiabat

    path = tmp_path / "words.csv"
    path.write_text("smiles,x\n" + "".join(f"{'C' * n}O,{'yes' if n > 9 else 'no'}\n" for n in range(1, 31)))
    answer = adiabat(
        "property", "train", path, "--target", "x", "--kind", "gaussian-process", "--out", tmp_path / "run"
    )
    assert answer.code == 0, answer.err
    assert "x is the probability of 'yes', not 'no'" in answer.err
    assert "class in 90% sets" in answer.out
    words = ("--target", "x", "--kind", "mean", "--out", tmp_path / "other", "--positive")
    answer = adiabat("property", "train", path, *words, "No")
    assert "x is the probability of 'no', not 'yes'" in answer.err
    assert "the probability of no, not yes" in (tmp_path / "other" / "report.html").read_text()
    answer = adiabat("property", "train", path, *words, "maybe", "--force")
    assert (answer.code, "has the word 'maybe'" in answer.err) == (2, True)
    assert "'x' has 'no' and 'yes'" in answer.err
    (tmp_path / "asked.csv").write_text("smiles,z\nCCCCCCO,1\nCC[O-],2\nCCC\n")
    answer = adiabat("property", "predict", tmp_path / "run", tmp_path / "asked.csv")
    head, one, other, bad = answer.out.splitlines()
    assert " ".join(head.split()) == "smiles z standardized x x lower x upper domain similarity nearest error"
    assert one.split()[0] == "CCCCCCO"
    assert other.split()[:3] == ["CC[O-]", "2", "CCO"]
    assert bad.split(maxsplit=1) == ["CCC", "row 3: 1 cells, the header has 2"]


def test_concentrations_are_better_learned_as_logarithms(tmp_path):
    from tests.cli.conftest import run as adiabat

    path = tmp_path / "ic50.csv"
    rows = [f"{'C' * n}O,{10 ** (n / 5):.3g},{n}\n" for n in range(1, 25)]
    path.write_text("smiles,IC50,pIC50\n" + "".join(rows))
    words = ("property", "train", path, "--kind", "mean", "--split", "none", "-t", "IC50", "-t", "pIC50")
    answer = adiabat(*words, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    assert (
        "values of 'IC50' are 1.58 to 63100: over powers of ten logarithms are better learned" in answer.err
    )
    assert "values of 'pIC50'" not in answer.err
    assert "values of IC50 are 1.58 to 63100" in (tmp_path / "run" / "report.html").read_text()


def test_predictions_keep_what_the_file_says_and_go_on_in_parts(data, tmp_path, piped, monkeypatch):
    from tests.cli.conftest import run as adiabat

    train_property(data, out=tmp_path / "run", targets=["logS"], kinds=("mean",), split="none")
    monkeypatch.setattr(property_predict, "_BATCH", 50)
    out = tmp_path / "said.csv"
    parts = list(prediction_parts(tmp_path / "run", data, out=out))
    assert [len(part) for part in parts] == [50, 50, 4]
    rows = rows_of(out)
    assert list(rows[0])[:5] == ["smiles", "logS given", "year", "series", "standardized"]
    assert [row["year"] for row in rows] == [row["year"] for row in rows_of(data)]
    assert (rows[101]["logS given"], rows[101]["error"]) == ("<9", "")
    assert rows[102]["error"].startswith("'C1CC' is not")
    for text, name in ((b"CCO ethanol\n", "ethanol"), (b"CCO,ethanol\nCCC,propane\n", "ethanol")):
        assert predict_properties(tmp_path / "run", piped(text))[0]["name"] == name
    answer = adiabat("property", "predict", tmp_path / "run", piped(b""))
    assert answer.code == 2
    assert "standard input has no molecules" in answer.err
    (tmp_path / "empty.csv").write_text("smiles,id\n")
    with pytest.raises(DataError, match=r"empty\.csv has no molecules"):
        predict_properties(tmp_path / "run", tmp_path / "empty.csv", out=out, force=True)
    assert len(rows_of(out)) == 104  # an old file is replaced by a whole one only
    assert predict_properties(tmp_path / "run", []) == []


def test_rows_with_an_input_that_cannot_be_read_are_left_out(tmp_path):
    """A word among numbers made all of them words, or ended the training."""
    path = tmp_path / "t.csv"
    cells = [
        (f"{'C' * n}{end}", n / 2, f"{290 + n}", f"{n % 7}", "CCO") for n in range(1, 21) for end in ENDS
    ]
    cells += [("CCBr", 1, "25 °C", "3", "O"), ("CCI", 1, "25 C", "3", "O"), ("CCF", 1, "0", "3", "O")]
    cells += [("CCCBr", 1, "300", "RT", "O"), ("CCCI", 1, "300", "3", "water")]
    path.write_text("smiles,y,T,dose,in\n" + "".join(",".join(map(str, row)) + "\n" for row in cells))
    made = train_property(
        path, out=tmp_path / "run", targets=["y"], kinds=("mean",), inputs=["dose"], solvents=["in"],
        temperatures=["T"], split="none",
    )  # fmt: skip
    rejected = [(int(row["row"]), row["reason"]) for row in rows_of(tmp_path / "run" / "rejected.csv")]
    assert rejected == [
        (102, "T: '25 C' is not a temperature: unknown unit 'C'"),
        (103, "T is 0, a temperature is above 0 K"),
        (104, "dose is 'RT', not a number"),
        (105, "in: 'water' is not a SMILES string"),
    ]
    assert [one.kind for one in made.model.inputs] == ["number", "molecule", "temperature"]
    (tmp_path / "asked.csv").write_text("smiles,T,dose,in\nCCO,27 °C,1,O\nCCO,300.15,1,O\nCCO,27 C,1,O\n")
    warm, same, bad = predict_properties(tmp_path / "run", tmp_path / "asked.csv")
    assert warm["unknown inputs"] == same["unknown inputs"] == ""
    assert bad["error"] == "T: '27 C' is not a temperature: unknown unit 'C'"
