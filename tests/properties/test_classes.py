"""Columns of several classes."""

import csv

import numpy as np
import pytest
from sklearn import metrics

from adiabat.base import ConfigError
from adiabat.properties import Standardizer, curate, read_table
from adiabat.properties.calibration import Calibration
from adiabat.properties.evaluate import class_scores
from adiabat.properties.fingerprints import BITS
from adiabat.properties.model import load_property_model
from adiabat.properties.student import Lesson, Student
from adiabat.tasks.property_predict import predict_properties
from adiabat.tasks.property_train import train_property
from adiabat.tasks.screen import screen, summary_of

ENDS = ("O", "N", "Cl", "C(=O)O", "C1CCNCC1", "c1ccncc1", "c1ccccc1")
WORDS = ("high", "low", "Medium")  # in the alphabet


def solubility(length):
    """Longer chains dissolve less."""
    return "high" if length < 5 else "Medium" if length < 10 else "low"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Ninety-odd molecules of three classes, two of a class that is too rare, a molecule of two classes."""
    path = tmp_path_factory.mktemp("classes") / "table.csv"
    rows = [(f"{'C' * n}{end}", f"m{n}", solubility(n)) for n in range(1, 15) for end in ENDS]
    rows += [("CCBr", "a", "miscible"), ("CCCBr", "b", "miscible"), ("CCI", "c", "low"), ("CCI", "d", "HIGH")]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("smiles", "name", "sol"), *rows])
    return path


@pytest.fixture(scope="module")
def trained(table):
    return train_property(
        table, out=table.parent / "run", targets=["sol"], kinds=("mean", "gaussian-process")
    )


def test_a_column_of_words_is_a_target_for_each(table):
    found = read_table(table, smiles="smiles", targets=["sol"])
    assert found.words == {"sol": WORDS}
    assert found.targets == tuple(f"sol: {word}" for word in WORDS)
    assert found.several == {"sol": {"high": 0, "low": 1, "Medium": 2}}
    assert found.values.sum(axis=1).tolist() == [1.0] * 100
    assert found.values[0].tolist() == [1, 0, 0]
    assert [row.row for row in found.rejected] == [99, 100]
    assert found.rejected[0].reason == "'miscible' is none of the classes 'high' and 'low' and 'Medium'"


def test_rows_of_one_molecule_have_the_class_of_most(tmp_path):
    """Two of four say high; one says each of two: the most is not more than half, or there is none."""
    path = tmp_path / "t.csv"
    cells = [(n, word) for word in WORDS for n in range(5)]
    rows = [f"{'C' * (3 * n + 4 + k)}O,{word}" for k, (n, word) in enumerate(cells)]
    rows += ["C,high", "C,low", "C,high", "C,Medium", "CC,low", "CC,high"]
    path.write_text("smiles,sol\n" + "\n".join(rows) + "\n")
    found = curate(read_table(path, smiles="smiles", targets=["sol"]), Standardizer()).table
    by_name = dict(zip(found.smiles, found.values.tolist(), strict=True))
    assert by_name["C"] == [1, 0, 0]
    assert "CC" not in by_name
    assert (found.rejected[-1].row, found.rejected[-1].reason) == (20, "as often in the class as not")


def test_figures_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    true = random.choice(4, 200, p=[0.5, 0.3, 0.15, 0.05])
    predicted = random.dirichlet(np.ones(4), 200) + 0.5 * np.eye(4)[true]
    predicted /= predicted.sum(axis=1, keepdims=True)
    found = class_scores(np.eye(4)[true], predicted)
    said = predicted.argmax(axis=1)
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(true, said))
    assert found["balanced accuracy"].value == pytest.approx(metrics.balanced_accuracy_score(true, said))
    area = metrics.roc_auc_score(true, predicted, multi_class="ovr", average="macro")
    assert found["mean AUROC"].value == pytest.approx(area)
    assert found["accuracy"].lower < found["accuracy"].value < found["accuracy"].upper


def test_sets_hold_each_class_as_often_as_asked_for():
    """A rare class as well as a frequent one, with probabilities that add up to one."""
    random = np.random.default_rng(1)
    share = np.array([0.6, 0.3, 0.1])
    true = random.choice(3, 8000, p=share)
    # What is seen of a molecule, and the likelihood of it in each class.
    seen = random.normal(np.eye(3)[true], 0.7)
    odds = share * np.exp(-((seen[:, None] - np.eye(3)) ** 2).sum(axis=2) / (2 * 0.7**2))
    raw = odds / odds.sum(axis=1, keepdims=True)
    classes, values = np.ones(3, bool), np.eye(3)[true]
    nothing = np.full((4000, 3), np.nan), np.ones((4000, 3, 4))
    own = Calibration.fitted(*nothing).with_classes(raw[:4000], values[:4000], classes, np.zeros(3, int))
    said = own.probabilities(raw[4000:], classes)
    np.testing.assert_allclose(said.sum(axis=1), 1.0)
    np.testing.assert_allclose(said.mean(axis=0), share, atol=0.03)
    for level in (0.8, 0.9):
        lower, upper = own.possible(said, level)
        for k, count in enumerate(np.bincount(true[4000:])):
            held = upper[true[4000:] == k, k].mean()
            # The likeliest is in the set whatever the share: more of a frequent class are held.
            assert held > level - 4 * np.sqrt(2 * level * (1 - level) / count)
            assert k < 2 or held == pytest.approx(level, abs=4 * np.sqrt(2 * level * (1 - level) / count))
        single = upper.sum(axis=1) == 1
        assert (lower.sum(axis=1) == single).all()
        assert (upper[np.arange(4000), said.argmax(axis=1)] == 1).all()
    again = Calibration.restored(own.stored())
    np.testing.assert_array_equal(again.probabilities(raw, classes), own.probabilities(raw, classes))


def test_from_words_to_words(trained):
    found = trained.classes["sol"]
    assert found.count == trained.model.summary["n_test"] == found.confusion.sum()
    assert found.scores["model"]["accuracy"].value > 0.8 > found.scores["mean"]["accuracy"].value
    assert found.scores["mean"]["balanced accuracy"].value == pytest.approx(1 / 3)
    assert found.comparisons["mean"].p_value < 0.01
    assert found.coverage[0.9] > 0.8
    assert 1 <= found.sizes[0.5] <= found.sizes[0.9] <= 3
    assert trained.model.summary["classes"] == {"sol": list(WORDS)}
    assert trained.model.summary["cross_validation"]["sol"]["accuracy"] > 0.8
    model = load_property_model(trained.folder)
    assert model.targets == trained.model.targets
    assert [(one.name, one.words, one.places.tolist()) for one in model.classes] == [
        ("sol", WORDS, [0, 1, 2])
    ]
    one, other = predict_properties(trained.folder, ["CCCO", "CCCCCCCCCCCCN"])
    assert (one["sol"], other["sol"]) == ("high", "low")
    assert "high" in one["sol set"].split("|")
    assert sum(float(one[f"sol: {word}"]) for word in WORDS) == pytest.approx(1, abs=1e-4)
    assert float(one["sol: high"]) > 0.7
    page = trained.report.read_text()
    assert "sol: one of high, low, Medium" in page
    assert "balanced accuracy" in page
    assert "Balanced accuracy of sol" in page
    assert "classes on average" in page
    with (trained.folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    tested = [row for row in rows if row["part"] == "test"]
    right = np.mean([row["sol"] == row["sol predicted"] for row in tested])
    assert right == pytest.approx(found.scores["model"]["accuracy"].value)
    held = np.mean([row["sol"] in row["sol set"].split("|") for row in tested])
    assert held == pytest.approx(found.coverage[0.9])


def test_a_test_file_has_the_words_of_the_training(table, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("smiles,sol\nCCCF,HIGH\nCCCCCCCCCCCCF,low\nCF,insoluble\n")
    made = train_property(
        table, out=tmp_path / "run", targets=["sol"], kinds=("gaussian-process",), test=other
    )
    assert made.classes["sol"].confusion.sum(axis=1).tolist() == [1, 1, 0]
    assert made.model.summary["n_rejected_test"] == 1


def test_a_class_that_training_has_none_of(tmp_path):
    """By time: what came last is new. It cannot be said, and counts as wrong."""
    path = tmp_path / "t.csv"
    rows = [(f"{'C' * n}O", "low" if n % 2 else "high", n) for n in range(1, 41)]
    rows += [(f"{'C' * n}N", "medium", 100 + n) for n in range(1, 9)]
    path.write_text("smiles,sol,year\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    made = train_property(
        path, out=tmp_path / "run", targets=["sol"], kinds=("gaussian-process",), split="time", by="year"
    )
    assert made.model.summary["targets_left_out"] == {
        "sol: medium": "all values of 'sol: medium' are 0: there is nothing to learn"
    }
    assert made.model.classes[0].words == ("high", "low")
    found = made.classes["sol"]
    assert found.count == made.model.summary["n_test"] == 10
    assert found.confusion.sum() == 2
    assert found.scores["model"]["accuracy"].value <= 0.2


def test_the_commands(table, tmp_path):
    from tests.cli.conftest import run as adiabat

    words = ["property", "train", table, "--target", "sol", "--kind", "gaussian-process", "--split", "none"]
    answer = adiabat(*words, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    assert "sol is one of high, low, Medium" in answer.err
    assert "sol, 98 molecules, cross-validation:\naccuracy" in answer.out
    assert "AUPRC" not in answer.out
    answer = adiabat("property", "predict", tmp_path / "run", table, "--out", tmp_path / "said.csv")
    assert answer.code == 0, answer.err
    with (tmp_path / "said.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["name"], rows[0]["sol given"], rows[0]["sol"]) == ("m1", "high", "high")


def test_the_class_that_is_screened_for_is_said(trained, tmp_path):
    library = tmp_path / "library.smi"
    library.write_text("".join(f"{'C' * n}OC\n" for n in range(1, 14)))
    with pytest.raises(ConfigError, match="which class of 'sol' is wanted") as error:
        screen([trained.folder], library, out=tmp_path / "screen", workers=1)
    assert error.value.hint == "--objective 'sol: high=maximize'"
    found = screen(
        [trained.folder], library, out=tmp_path / "screen", objectives=["sol: low=maximize"], workers=1,
        top=3, explained=1, outside=True,
    )  # fmt: skip
    assert found.best["sol"].to_pylist() == ["low"] * 3
    assert "sol: low error" not in summary_of(found)["best"][0]  # of a class there is none


@pytest.mark.parametrize(
    ("words", "positive", "expected"),
    [
        (("soluble", "poor"), (), ("poor", "soluble")),
        (("soluble", "poor"), ("Poor",), ("soluble", "poor")),
        (("inactive", "active"), ("inactive",), ("active", "inactive")),
        (("inactive", "active"), ("active",), ("inactive", "active")),
    ],
)
def test_which_word_is_positive_can_be_said(tmp_path, words, positive, expected):
    path = tmp_path / "t.csv"
    path.write_text("smiles,x\n" + "".join(f"{'C' * n}O,{words[n % 2]}\n" for n in range(1, 9)))
    found = read_table(path, smiles="smiles", targets=["x"], positive=positive)
    assert found.words == {"x": expected}
    assert found.values[:, 0].tolist() == [float(words[n % 2] == expected[1]) for n in range(1, 9)]
    with pytest.raises(ConfigError, match="no target of two words has the word 'good'") as error:
        read_table(path, smiles="smiles", targets=["x"], positive=["good"])
    assert sorted(str(error.value.hint).removeprefix("'x' has ").split(" and ")) == sorted(map(repr, words))


def test_a_student_learns_classes_and_does_without_what_is_not_known():
    """Errors of classes are not known; neither is every value. One NaN made all weights NaN."""
    counts = (np.random.default_rng(0).random((1200, BITS)) < 0.02).astype(np.uint8)
    many = counts[:, :40].sum(axis=1)
    mean = np.stack([many > 0, many], axis=1).astype(float)
    mean[::7, 0], mean[::5, 1] = np.nan, np.nan
    errors = np.stack([np.full(1200, np.nan), np.full(1200, 0.1)], axis=1)
    losses = []
    student = Student.taught(
        counts, Lesson(mean, errors, np.array([True, False])), on_epoch=lambda *told: losses.append(told[2])
    )
    assert all(np.isfinite(weight).all() for weight in (*student.weights, *student.biases))
    assert losses[-1] < 0.5 * losses[0]
