"""From a table of reactions to a model, and rate constants from it."""

import csv

import numpy as np
import pytest

from adiabat.base import ConfigError
from adiabat.properties.optimize.models import scores_of
from adiabat.properties.optimize.objectives import Objective
from adiabat.properties.reaction_smiles import reverse
from adiabat.tasks.property_predict import predict_properties
from adiabat.tasks.property_train import train_property

QUICK = ("mean", "gaussian-process")
STRENGTH = {"F": 4.0, "Cl": 2.0, "Br": 1.0, "I": 0.5}


@pytest.fixture
def data(tmp_path):
    """Exchanges of halogens at two temperatures; one without a map, one unbalanced, one ambiguous."""
    rows = []
    for n in range(1, 7):
        chain = "".join(f"[CH2:{k + 10}]" for k in range(n))
        for own, one in STRENGTH.items():
            for other, two in STRENGTH.items():
                text = f"[CH3:1]{chain}[{own}:2].[{other}-:3]>>[CH3:1]{chain}[{other}:3].[{own}-:2]"
                rows.append([text, 10 + one - two + 0.3 * n, 2 * (one - two), 300 + 50 * (n % 2)])
    rows += [["CCCCl.[Br-]>>CCCBr.[Cl-]", 11.6, 2.0, 300], ["CCO>>C=C", 1, 1, 300]]
    rows += [["CC(=O)O.CO>>CC(=O)OC.O", 1, 1, 300]]
    path = tmp_path / "data.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["rxn", "ea", "dE", "T"], *rows])
    return path


def test_from_reactions_to_rate_constants(data, tmp_path):
    found = train_property(
        data,
        out=tmp_path / "run",
        reaction="rxn",
        targets=["ea"],
        balance="dE",
        units=["kcal/mol"],
        kinds=QUICK,
    )
    assert found.tests["ea"].scores["model"]["MAE"].value < 0.5
    assert found.tests["dE"].scores["model"]["MAE"].value < 0.5
    with (tmp_path / "run" / "rejected.csv").open() as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert "the products lack H2O" in reasons[0]
    assert "sure to" in reasons[1]
    summary = found.model.summary
    assert summary["n_merged"] == 1  # the one that was mapped here
    assert "lack H2O" in (page := found.report.read_text())
    assert "atoms mapped here" in page
    there = "CCCCCl.[I-]>>CCCCI.[Cl-]"
    asked = [there, ">>".join(there.split(">>")[::-1]), "C>>N"]
    forward, back, wrong = predict_properties(tmp_path / "run", asked, temperature=300.0)
    number = {
        key: float(value) for key, value in forward.items() if key[0] in "eld" and key != "domain" and value
    }
    assert number["ea"] == pytest.approx(10 + 1.5 + 0.9, abs=0.5)
    assert number["ea"] - number["dE"] == pytest.approx(float(back["ea"]), abs=1e-4)
    # 1.987204 cal/(mol K), Eyring's prefactor at 300 K.
    expected = np.log10(6.25098e12) - number["ea"] / (1.987204e-3 * 300 * np.log(10))
    assert number["log10 k"] == pytest.approx(expected, abs=1e-3)
    assert number["log10 k lower"] < number["log10 k"] < number["log10 k upper"]
    assert number["log10 k"] - number["log10 k reverse"] == pytest.approx(float(forward["log10 K"]), abs=1e-4)
    assert "not balanced" in wrong["error"]
    # The map is shown, and how sure it is.
    assert forward["standardized"].count(":") >= 12
    assert back["standardized"] == reverse(forward["standardized"])
    assert 0.8 < float(forward["map confidence"]) < 1
    assert wrong["map confidence"] == ""
    written = predict_properties(tmp_path / "run", ["[CH3:1][Cl:2].[Br-:3]>>[CH3:1][Br:3].[Cl-:2]"])[0]
    assert (written["standardized"], written["map confidence"]) == ("", "1")
    with (tmp_path / "run" / "predictions.csv").open() as file:
        assert {row["map confidence"] for row in csv.DictReader(file)} == {"1"}
    assert "map sure to 100%" in page
    assert "least sure map" in page


def test_measured_rate_constants_at_temperatures(data, tmp_path):
    train_property(
        data, out=tmp_path / "run", reaction="rxn", targets=["ea"], temperatures=["T"], kinds=QUICK
    )
    with pytest.raises(ConfigError, match="the model needs a column 'T'"):
        predict_properties(tmp_path / "run", ["CCCl.[Br-]>>CCBr.[Cl-]"])
    with pytest.raises(ConfigError, match="the unit of 'ea' is not known"):
        predict_properties(tmp_path / "run", data, smiles="rxn", temperature=300.0)
    rows = predict_properties(tmp_path / "run", data, smiles="rxn")
    assert float(rows[0]["ea"]) == pytest.approx(10.3, abs=1.0)


def test_what_does_not_fit_a_reaction(data, tmp_path):
    with pytest.raises(ConfigError, match="a balance belongs to one target of a reaction"):
        train_property(data, out=tmp_path / "a", smiles="rxn", targets=["ea"], balance="dE")
    found = train_property(data, out=tmp_path / "b", reaction="rxn", balance="dE", kinds=QUICK, split="none")
    assert [target.name for target in found.model.targets] == ["dE"]
    with pytest.raises(ConfigError, match="models of barriers"):
        predict_properties(tmp_path / "b", ["CCCl.[Br-]>>CCBr.[Cl-]"], temperature=300.0)
    objective = Objective("dE", "minimize")
    with pytest.raises(ConfigError, match="does not predict molecules"):
        scores_of([found.model], [objective])
