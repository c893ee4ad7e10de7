"""`adiabat explain`: pages, numbers for programs, and input that cannot be explained."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from adiabat.base import ConfigError, DataError
from adiabat.cli.main import app
from adiabat.properties.model import load_property_model
from adiabat.report.contributions import _told, signed
from adiabat.report.explanations import reason_figures
from adiabat.tasks.explain import explain_properties, explaining
from adiabat.tasks.property_train import train_property

ENDS = {"O": 0.0, "C1CCNCC1": 0.2, "c1ccncc1": 1.5, "C1CC1": -1.0, "c1ccccc1": 2.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run with a good and a weak target, and one whose values depend on a temperature."""
    path = tmp_path_factory.mktemp("explain")
    with (path / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", "logS", "noise", "temperature"])
        for n in range(1, 21):
            for k, (end, value) in enumerate(ENDS.items()):
                writer.writerow([f"{'C' * n}{end}", n / 2 + value, (n * 37 + k * 11) % 17, 280 + n])
    options = {"split": "none", "kinds": ("mean", "gaussian-process")}
    train_property(
        path / "data.csv", out=path / "run", targets=["logS", "noise"], units=["log <M>", ""], **options
    )
    train_property(path / "data.csv", out=path / "warm", targets=["logS"], inputs=["temperature"], **options)
    return path


def run(*words):
    answer = CliRunner().invoke(app, [str(word) for word in words], prog_name="adiabat")
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer


def test_a_page_of_one_molecule(folder, tmp_path):
    answer = run("explain", folder / "run", "OCCCCCc1ccccc1", "--out", tmp_path / "why.html", "--json")
    assert answer.exit_code == 0, answer.output
    row = json.loads(answer.stdout)["molecules"][0]
    found = row["targets"]["logS"]
    total = found["baseline"] + sum(part["contribution"] for part in found["fragments"])
    assert total == pytest.approx(found["prediction"], abs=1e-6)
    assert found["baseline"] + sum(found["atoms"]) == pytest.approx(found["prediction"], abs=1e-4)
    assert found["residual"] < 1e-4
    assert found["lower"] < found["prediction"] < found["upper"]
    assert found["doubts"] == []
    assert "weak" in row["targets"]["noise"]["doubts"][0]
    assert row["nearest"][0]["similarity"] > 0.3
    page = (tmp_path / "why.html").read_text()
    # Two drawings of what can be trusted, none of what cannot; and the neighbors.
    assert page.count("colored by what they bring to logS") == 2
    assert "colored by what they bring to noise" not in page
    assert "What atoms bring to noise is not shown" in page
    assert "log &lt;M&gt;" in page
    assert "log <M>" not in page
    for part in found["fragments"]:
        assert part["smiles"] in page
    assert page.count("<svg") - page.count("</svg>") == 0
    assert "<?xml" not in page
    # Numbers beside atoms have their sign: RDKit leaves out what it has no glyph for.
    assert all("−" not in text for text in _told(np.array(found["atoms"])).values())
    numbers = re.findall(r"add up to within</dt><dd>([^<]*)", page)
    assert len(numbers) == 4


def test_the_terminal_shows_each_of_equal_fragments(folder, tmp_path):
    """Of two hydroxyls one was printed, so that lines did not add up."""
    answer = run("explain", folder / "run", "OCCCCCO", "--out", tmp_path / "why.html")
    head, *lines = answer.stdout.split("OCCCCCO: noise")[0].splitlines()
    said, lower, upper = map(float, re.search(r"logS (\S+) \((\S+) to (\S+)\)", head).groups())
    assert lower < said < upper
    brought = [line.split() for line in lines]
    assert sum(words[0] == "*O" for words in brought) == 2
    assert brought[-1][:-1] == ["without", "any", "atom"]
    assert sum(float(words[-1]) for words in brought) == pytest.approx(said, abs=0.02)


def test_reasons_beside_other_molecules(folder):
    """As the reports of a screening and of improved molecules show them."""
    model = load_property_model(folder / "run")
    with explaining([model]) as why:
        found = why("OCCCCCc1ccccc1")
        assert why("OCCCCCc1ccccc1") is found  # once
        assert why("no molecule") == []
        outside = reason_figures(why("C[SiH3]"), ["logS"])
    assert reason_figures(found, ["other"]) == []
    shown, hidden = reason_figures(found, ["logS", "noise"])
    k = int(np.argmax(np.abs(found[0].fragments[:, 0])))
    strongest = f"{found[0].fragment_smiles[k]} {signed(float(found[0].fragments[k, 0]))}"
    assert f"Most is brought by {strongest}" in shown.caption
    assert "log <M>" in shown.caption
    assert "colored by what they bring to logS" in shown.alt
    assert "What atoms bring is not shown: the model is weak" in hidden.caption
    assert "colored" not in hidden.alt
    assert "What atoms bring is not shown: the molecule is outside" in outside[0].caption
    assert "colored" not in outside[0].alt
    # A student says as much of its teacher's skill as it has learned from it.
    for r2, doubts in ((0.9, 0), (0.3, 1)):
        student = replace(model, summary={**model.summary, "student": {"r2": {"logS": r2}}})
        with explaining([student]) as why:
            said = why("OCCCCCc1ccccc1")[0].doubts[0]
        assert len(said) == doubts
        assert all("has not learned what its teacher says: R² is 0.30" in text for text in said)


def test_a_file_of_molecules(folder, tmp_path):
    path = tmp_path / "asked.smi"
    path.write_text("CCCCO\nnot-one\nC[SiH3]\nCCCCCCc1ccncc1\nCCCO\n")
    rows = explain_properties(folder / "run", path, out=tmp_path / "why.html", count=4)
    assert [bool(row["error"]) for row in rows] == [False, True, False, False]
    assert rows[2]["domain"] == "outside"
    assert "outside" in rows[2]["targets"]["logS"]["doubts"][0]
    page = (tmp_path / "why.html").read_text()
    assert "not-one" in page
    assert "Not explained" in page
    with pytest.raises(ConfigError, match="exists"):
        explain_properties(folder / "run", path, out=tmp_path / "why.html")


def test_inputs_come_from_a_table(folder):
    with pytest.raises(ConfigError, match="needs a column 'temperature'"):
        explain_properties(folder / "warm", "CCCCO")
    rows = explain_properties(folder / "warm", folder / "data.csv", count=2)
    for row in rows:
        found = row["targets"]["logS"]
        assert found["baseline"] + sum(found["atoms"]) == pytest.approx(found["prediction"], abs=1e-4)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("C1CC", "not a SMILES|not a possible"),
        ("", "no SMILES"),
        ("CCCc1ccccc1.CCCCCCN", "mixture"),
        ("missing.csv", "no file"),
        ("*CC", "wildcard"),
        ("C" * 300, "300 heavy atoms"),  # too long for the name of a file
    ],
)
def test_what_cannot_be_explained(folder, tmp_path, asked, words):
    answer = run("explain", folder / "run", asked, "--out", tmp_path / "why.html")
    assert answer.exit_code == 2
    assert re.search(words, answer.output)
    assert not (tmp_path / "why.html").exists()


def test_a_model_of_forces_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"nothing of that")
    with pytest.raises(DataError):
        explain_properties(tmp_path, "CCO")
