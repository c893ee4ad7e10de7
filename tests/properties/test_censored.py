"""Limits such as `<5` are no values."""

import numpy as np
import pytest
from scipy import integrate, stats

from adiabat.base import ConfigError, DataError
from adiabat.properties import Table, read_table
from adiabat.properties.censored import beyond, completed, drawn, moments
from adiabat.properties.curation import odd_limits
from adiabat.properties.gaussian_process import GaussianProcess, _told
from adiabat.properties.model import _one_sided, fit_property_model, load_property_model
from adiabat.properties.molecules import Molecules
from adiabat.properties.splits import split_randomly
from adiabat.properties.substructures import SUMMED
from adiabat.properties.targets import find_targets, folds_of, labels_of
from adiabat.tasks.property_train import train_property

ENDS = ("O", "N", "Cl", "C(=O)O", "c1ccccc1")
SMILES = tuple(f"{'C' * n}{end}" for n in range(1, 25) for end in ENDS)
NOISE = 0.4
VALUES = (
    np.repeat(np.arange(24), 5) * 0.5
    + np.tile([0.0, 0.2, 1.5, -1.0, 2.0], 24)
    + NOISE * np.random.default_rng(0).normal(size=120)
)


def table_of(values, limits):
    return Table(SMILES, np.arange(len(SMILES)), ("a",), values[:, None], limits[:, None].astype(np.int8))


def cut_at(limit, side):
    """What is beyond a limit is not known."""
    hidden = (VALUES - limit) * side > 0
    return hidden, table_of(np.where(hidden, limit, VALUES), np.where(hidden, side, 0))


def _beyond(mean, spread, limit, side):
    return beyond(np.array(mean), np.array(spread), np.array(limit), np.array(side))


def test_what_is_beyond_a_limit():
    own = stats.truncnorm(1.5, np.inf, loc=0.5, scale=2.0)  # above 3.5
    assert _beyond(0.5, 2.0, 3.5, 1) == pytest.approx(own.mean(), rel=1e-10)
    assert _beyond(-0.5, 2.0, -3.5, -1) == pytest.approx(-own.mean(), rel=1e-10)
    shares = (np.arange(9) + 0.5) / 9
    np.testing.assert_allclose(np.sort(own.ppf(shares)), np.sort(0.5 + 2 * drawn(np.array([1.5]))[:, 0]))
    assert _beyond(0.0, 1.0, 60.0, 1) == pytest.approx(60, abs=0.02)  # far in the tail


def test_moments_of_values_with_limits():
    values = np.random.default_rng(1).normal(3.0, 2.0, size=4000)
    assert moments(values, np.zeros(4000)) == (values.mean(), values.std())
    limits = np.where(values < 2.5, -1, np.where(values > 6, 1, 0))
    mean, spread = moments(np.clip(values, 2.5, 6), limits)
    assert mean == pytest.approx(3.0, abs=0.15)
    assert spread == pytest.approx(2.0, abs=0.15)


def test_a_limit_as_a_value_with_a_variance():
    """It changes mean and variance of what is not known as the limit does, by numerical integration."""
    mean, variance, noise, limit = 0.3, 0.5, 0.1, 1.2
    site = _told(np.array([mean]), np.array([variance]), noise, np.array([limit]), np.array([1]))
    own = site.extra[0] + noise
    after = 1 / (1 / variance + 1 / own)

    def weight(f, power):
        chance = stats.norm.sf((limit - f) / np.sqrt(noise))
        return f**power * chance * stats.norm.pdf(f, mean, np.sqrt(variance))

    whole, first, second = (integrate.quad(weight, -5, 6, args=(power,))[0] for power in range(3))
    assert after * (mean / variance + site.values[0] / own) == pytest.approx(first / whole, rel=1e-6)
    assert after == pytest.approx(second / whole - (first / whole) ** 2, rel=1e-5)


@pytest.mark.parametrize(("limit", "side"), [(3.0, -1), (9.0, 1)])
def test_true_values_beyond_limits_are_in_the_intervals(limit, side):
    """A noisy additive value. Taken for exact the limits gave RMSE of 1.5 and 2.3, 39 and 6 % inside."""
    hidden, table = cut_at(limit, side)
    errors, inside = [], []
    for seed in range(3):
        split = split_randomly(len(SMILES), (0.7, 0.0, 0.3), seed)
        train, molecules = table.taken(split.train), Molecules(SMILES)
        model, _ = fit_property_model(
            train, molecules.taken(split.train), kinds=("nearest", "gaussian-process"), seed=seed
        )
        found = model.predict(molecules.taken(split.test))
        own, beyond_limit = VALUES[split.test], hidden[split.test]
        errors += (found.values[:, 0] - own)[beyond_limit].tolist()
        inside += ((found.lower[:, 0] < own) & (own < found.upper[:, 0]))[beyond_limit].tolist()
    assert np.sqrt(np.mean(np.square(errors))) < 2 * NOISE
    assert np.mean(inside) > 0.7


def test_a_stored_process_with_limits_says_the_same():
    _, table = cut_at(3.0, -1)
    labels = labels_of(table, find_targets(table))
    molecules = Molecules(SMILES)
    model, outside = GaussianProcess.fit(molecules, labels, folds_of(SMILES, 0))
    again = GaussianProcess.restored(*model.stored())
    np.testing.assert_allclose(again.predict(molecules).spread, model.predict(molecules).spread, rtol=1e-6)
    np.testing.assert_allclose(again.predict(molecules).mean, model.predict(molecules).mean, rtol=1e-6)
    assert (outside.spread > 0).all()


def test_without_limits_nothing_is_different():
    table = table_of(VALUES, np.zeros(120))
    labels = labels_of(table, find_targets(table))
    found = completed(Molecules(SMILES), labels, folds_of(SMILES, 0), {})
    assert found.labels is labels
    assert found.possible.shape == (1, 120, 1)
    model = GaussianProcess.fitted(Molecules(SMILES), labels)
    assert not model.processes[0].extra.any()
    parts = {f"{kind}.{what}" for kind in SUMMED for what in ("data", "indices", "indptr")}
    assert set(model.stored()[0]) == {"counts", "scaled", "center", "scale", "0.rows", "0.weights", *parts}


def test_the_right_side_of_a_limit_is_no_error():
    """The first kind is exact and beyond the limits, the second is the limits themselves."""
    values, limits = np.r_[np.arange(10.0), [0.0] * 10], np.r_[[0] * 10, [-1] * 10]
    right = np.r_[np.arange(10.0), -np.arange(10.0)]
    offered = np.stack([right, np.r_[np.arange(10.0) + 1, [0.0] * 10]], axis=1)
    np.testing.assert_allclose(_one_sided(offered, values, limits), [1, 0], atol=1e-3)
    assert _one_sided(offered, values, np.zeros(20))[0] < 0.5


def test_limits_alone_teach_nothing(tmp_path):
    table = table_of(np.full(120, 5.0), np.full(120, -1))
    with pytest.raises(DataError, match="0 values and 120 limits") as error:
        find_targets(table)
    assert "write 1 above it, 0 below" in str(error.value.hint)
    path = tmp_path / "limits.csv"
    path.write_text("smiles,a\n" + "".join(f"{text},<5\n" for text in SMILES))
    with pytest.raises(DataError, match="0 values and 120 limits"):
        train_property(path, out=tmp_path / "run", targets=["a"], kinds=("mean",), split="none")


def test_limits_of_a_test(tmp_path):
    """Errors are of values; limits have a side. A test of limits only still leaves a model and a report."""
    _, table = cut_at(3.0, -1)
    cells = [
        f"{'<' if side else ''}{value}"
        for value, side in zip(table.values[:, 0], table.limits[:, 0], strict=True)
    ]
    part = np.where(np.arange(120) % 5 == 0, "test", "train")
    path = tmp_path / "limits.csv"
    path.write_text(
        "smiles,a,part\n" + "".join(f"{s},{c},{p}\n" for s, c, p in zip(SMILES, cells, part, strict=True))
    )
    kinds = ("mean", "gaussian-process")
    made = train_property(path, out=tmp_path / "run", targets=["a"], kinds=kinds, split="file", by="part")
    count, share = made.tests["a"].limits
    assert count == sum("<" in cell for cell in cells[::5])
    assert share > 0.8
    assert made.model.summary["limits"] == {"a": {"n": count, "right_side": round(share, 3)}}
    assert made.tests["a"].scores["model"]["RMSE"].value < 2 * NOISE
    assert f"% of {count}" in made.report.read_text()
    assert ",<3," in (tmp_path / "run" / "predictions.csv").read_text()

    only = tmp_path / "only.csv"
    only.write_text("smiles,a\nCCCO,<3\nCCCN,<3\n")
    made = train_property(path, out=tmp_path / "only", targets=["a"], kinds=kinds, test=only)
    assert made.tests["a"].scores == {}
    assert made.tests["a"].limits == (2, 1.0)
    assert "no value that is not a limit" in made.report.read_text()


@pytest.mark.parametrize(
    ("values", "limit", "why"),
    [
        (np.linspace(-5, 2, 40), ">1e9", "y is >1e+09, which cannot be meant: exact values are -5 to 2"),
        (np.linspace(-5, 2, 40), "<-400", "y is <-400, which cannot be meant: exact values are -5 to 2"),
        (np.arange(40) % 2, ">0", "y is >0, which cannot be meant: its exact values are 0 and 1, a class"),
        (np.arange(40) % 2, "<1", "y is <1, which cannot be meant: its exact values are 0 and 1, a class"),
        (np.linspace(-5, 2, 40), ">22", ""),  # three times as far beyond as they span
        (np.linspace(-5, 2, 40), "<1e9", ""),  # says nothing, and does no harm
        (np.linspace(0, 1, 40), ">0", ""),
    ],
)
def test_a_limit_that_cannot_be_meant_is_left_out(tmp_path, values, limit, why):
    """One such cell made numbers of a class, or the spread of all values a hundred million times as large."""
    from tests.cli.conftest import run as adiabat

    path = tmp_path / "t.csv"
    rows = [f"{'C' * n}O,{value:g}\n" for n, value in enumerate(values, start=1)]
    path.write_text("smiles,y\n" + "".join(rows) + f"CCBr,{limit}\n")
    words = ("--target", "y", "--kind", "mean", "--split", "none", "--out", tmp_path / "run")
    answer = adiabat("property", "train", path, *words)
    assert answer.code == 0, answer.err
    target = load_property_model(tmp_path / "run").targets[0]
    assert target.is_class == (set(values) == {0, 1})
    rejected = (tmp_path / "run" / "rejected.csv").read_text()
    if why:
        assert f"row 41 is left out: {why}" in answer.err
        assert why in rejected
        assert why.replace(">", "&gt;").replace("<", "&lt;") in (tmp_path / "run" / "report.html").read_text()
        if not target.is_class:
            assert target.scale == pytest.approx(values.std())
    else:
        assert "left out" not in answer.err
        assert rejected.count("\n") == 1


def test_limits_that_are_many_are_meant():
    """Twelve values within 0.3, as many inactive ones a unit below, and two that no unit explains."""
    values = np.concatenate([np.linspace(6.0, 6.3, 12), np.full(12, 5.0), np.full(2, -1e6)])[:, None]
    limits = np.repeat([0, -1], [12, 14])[:, None].astype(np.int8)
    table = Table(SMILES[:26], np.arange(1, 27), ("y",), values, limits)
    assert [one.row for one in odd_limits(table)] == [25, 26]
    assert odd_limits(table.taken(range(24))) == []
    assert [one.row for one in odd_limits(table.taken(range(13)))] == [13]  # a single one


def test_signs_of_limits_in_a_column_of_their_own(tmp_path):
    """As ChEMBL writes them. Without --relation they were exact values, and nothing said so."""
    from tests.cli.conftest import run as adiabat

    rows = [(f"{'C' * n}{end}", n, "'='") for n in range(1, 20) for end in ("O", "N")]
    rows += [("CCCCBr", "6", "'>'"), ("CCCBr", "7", "<"), ("CCBr", "", "'>'"), ("CBr", "5", "'~'")]
    rows += [("CCI", "<2", "<"), ("CCCI", "3", "about")]
    path = tmp_path / "chembl.csv"
    path.write_text("smiles,y,Standard Relation\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    table = read_table(path, smiles="smiles", targets=["y"], relations=["Standard Relation"])
    said = {text: table.limits[k, 0] for k, text in enumerate(table.smiles) if "Br" in text or "I" in text}
    assert said == {"CCCCBr": 1, "CCCBr": -1, "CBr": 0, "CCI": -1}
    assert [(one.row, one.reason) for one in table.rejected] == [
        (41, "no value"),
        (44, "'about3' is not a number"),
    ]
    words = ("property", "train", path, "--target", "y", "--kind", "mean", "--split", "none")
    answer = adiabat(*words, "--out", tmp_path / "run")
    assert "the column 'Standard Relation' has signs of limits" not in answer.err  # a word is in it
    path.write_text(path.read_text().replace("about", "="))
    answer = adiabat(*words, "--out", tmp_path / "other")
    assert answer.code == 0, answer.err
    assert "the column 'Standard Relation' has signs of limits" in answer.err
    assert "all values count as exact" in (tmp_path / "other" / "report.html").read_text()
    answer = adiabat(*words, "--out", tmp_path / "third", "--relation", "Standard Relation")
    assert "signs of limits" not in answer.err
    assert "y, 43 molecules, 40 of them with an exact value" in answer.out
    with pytest.raises(ConfigError, match="1 targets need as many columns of relations, got 2"):
        read_table(path, smiles="smiles", targets=["y"], relations=["a", "b"])
