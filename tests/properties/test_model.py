import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from adiabat.base import ConfigError, DataError
from adiabat.properties import Standardizer, Table
from adiabat.properties.calibration import Calibration, clues
from adiabat.properties.domain import VERDICTS, Domain
from adiabat.properties.evaluate import area_under_precision, area_under_roc, compare, reliability, scores
from adiabat.properties.inputs import encode, find_inputs
from adiabat.properties.model import fit_property_model, load_property_model, save_property_model
from adiabat.properties.molecules import Molecules
from adiabat.properties.splits import split_randomly
from adiabat.properties.targets import find_targets, folds_of
from adiabat.tasks.property_predict import predict_properties

KINDS = ("mean", "gaussian-process")


def table_of(smiles, values, **columns):
    values = np.reshape(values, (len(smiles), -1)).astype(float)
    return Table(
        smiles=tuple(smiles),
        rows=np.arange(len(smiles)),
        targets=tuple("ab"[: values.shape[1]]),
        values=values,
        limits=np.zeros(values.shape, np.int8),
        columns={name: np.array(cells, dtype=str) for name, cells in columns.items()},
    )


SMILES = [f"{'C' * n}{end}" for n in range(1, 21) for end in ("O", "N", "Cl", "C(=O)O", "c1ccccc1")]
VALUES = np.repeat(np.arange(20), 5) * 0.5 + np.tile([0.0, 0.2, 1.5, -1.0, 2.0], 20)


class TestCalibration:
    def test_coverage_of_noise_that_differs(self):
        """Errors twice as large where the clue says so: intervals hold what they should in both halves."""
        random = np.random.default_rng(0)
        spread = np.tile([0.5, 1.0], 2000)[:, None]
        residuals = random.normal(size=spread.shape) * spread
        found = clues(spread, np.zeros_like(spread), np.ones(len(spread)))
        own = Calibration.fitted(residuals[:2000], found[:2000])
        errors = own.errors(found[2000:])
        for level in (0.5, 0.8, 0.9, 0.95):
            inside = np.abs(residuals[2000:]) < own.width(level) * errors
            for half in (0, 1):
                assert inside[half::2].mean() == pytest.approx(
                    level, abs=4 * np.sqrt(level * (1 - level) / 1000)
                )
        np.testing.assert_allclose(errors[:2, 0], [0.5, 1.0], rtol=0.1)

    def test_too_few_residuals_promise_nothing(self):
        own = Calibration.fitted(np.ones((5, 1)), np.ones((5, 1, 4)))
        assert np.isinf(own.width(0.9)).all()
        assert np.isfinite(own.width(0.5)).all()
        for level, least in ((0.8, 4), (0.9, 9), (0.95, 19)):  # what the report says
            for count in (least - 1, least):
                own = Calibration.fitted(np.ones((count, 1)), np.ones((count, 1, 4)))
                assert np.isfinite(own.width(level)).all() == (count == least)

    def test_probabilities_that_are_too_sure(self):
        """Odds twice too large: the logistic function halves them."""
        random = np.random.default_rng(0)
        odds = random.normal(size=(20000, 1)) * 2
        values = (random.random(odds.shape) < 1 / (1 + np.exp(-odds / 2))).astype(float)
        raw = 1 / (1 + np.exp(-odds))
        own = Calibration.fitted(np.zeros_like(raw), clues(raw, raw, np.ones(len(raw))))
        own = own.with_classes(raw, values, np.array([True]))
        np.testing.assert_allclose(own.logistic[0], [0.0, 0.5], atol=0.03)
        fitted = own.probabilities(raw, np.array([True]))
        np.testing.assert_allclose(fitted, 1 / (1 + np.exp(-odds / 2)), atol=0.02)

    def test_sets_hold_either_class(self):
        """Nine in ten of the molecules of a rare class too, which a threshold for both would miss."""
        random = np.random.default_rng(0)
        odds = random.normal(size=(40000, 1)) * 1.5 - 2.5
        probability = 1 / (1 + np.exp(-odds))
        values = (random.random(odds.shape) < probability).astype(float)
        own = Calibration.fitted(np.zeros_like(odds), clues(odds, odds, np.ones(len(odds))))
        own = own.with_classes(probability[:20000], values[:20000], np.array([True]))
        fitted = own.probabilities(probability[20000:], np.array([True]))
        for level in (0.5, 0.9):
            lower, upper = own.possible(fitted, level)
            inside = (lower <= values[20000:]) & (values[20000:] <= upper)
            for k in (0, 1):
                share = inside[values[20000:] == k].mean()
                assert share > level - 0.02
                # Of the rare class no more than that; the common one is also in where it is the likelier one.
                assert k == 0 or share < level + 0.02
        assert (lower <= upper).all()
        assert own._replace(members=np.zeros((1, 2), int)).possible(fitted, 0.9)[1].min() == 1.0


class TestInputs:
    def test_numbers_words_and_solvents(self):
        columns = {"T": ["300", "310.5"], "assay": ["b", "a"], "solvent": ["O", "CCO"]}
        inputs = find_inputs(columns, ["T", "assay", "solvent"], ["solvent"])
        assert [one.kind for one in inputs] == ["number", "levels", "molecule"]
        found = encode(inputs, columns, 2)
        np.testing.assert_allclose(found[:, :3], [[300, 0, 1], [310.5, 1, 0]])
        assert found.shape == (2, sum(one.width for one in inputs))
        assert not np.array_equal(found[0, 3:], found[1, 3:])

    @pytest.mark.parametrize(
        ("cells", "message"),
        [
            (["1", ""], "empty"),
            (["a", "a"], "no input"),
            ([str(k) + "x" for k in range(60)], "different words"),
        ],
    )
    def test_what_is_no_input(self, cells, message):
        with pytest.raises(DataError) as error:
            find_inputs({"x": cells}, ["x"])
        assert message in f"{error.value.message} {error.value.hint}"

    @pytest.mark.parametrize("name", ["T", "T [°C]", "temp_C", "Temperature (C)", "deg C", "celsius"])
    def test_degrees_celsius_are_not_taken_for_kelvin(self, name):
        cells = ["25", "37"] if name == "T" else ["250", "300"]
        with pytest.raises(DataError, match="without a unit, which would be K") as error:
            find_inputs({name: cells}, [name], temperatures=[name])
        assert '"25 °C" or "25 K"' in str(error.value)
        for unit in ("°C", "K"):
            told = {name: [f"{cell} {unit}" for cell in cells]}
            assert find_inputs(told, [name], temperatures=[name])[0].kind == "temperature"
        kelvin = ("T", "T_K", "Temperature [K]", "Temperature", "calc")
        for other in kelvin:
            assert find_inputs({other: ["250", "300"]}, [other], temperatures=[other])

    def test_what_training_did_not_have(self):
        (one,) = find_inputs({"x": ["a", "b"]}, ["x"])
        with pytest.raises(DataError, match="row 7: x is 'c'"):
            encode([one], {"x": ["c"]}, 1, [7])
        with pytest.raises(DataError, match=r"^x is 'c'"):  # of one molecule that is asked about
            encode([one], {"x": ["c"]}, 1)
        with pytest.raises(ConfigError, match="needs a column 'x'"):
            encode([one], {}, 1)


class TestEvaluate:
    def test_areas_are_those_of_scikit_learn(self):
        random = np.random.default_rng(0)
        true = (random.random(300) < 0.3).astype(float)
        said = np.round(random.random(300) + 0.3 * true, 1)  # with ties
        assert area_under_roc(true, said) == pytest.approx(metrics.roc_auc_score(true, said), abs=1e-12)
        assert area_under_precision(true, said) == pytest.approx(
            metrics.average_precision_score(true, said), abs=1e-12
        )

    def test_reliability_by_hand(self):
        said = np.array([0.05, 0.15, 0.5, 0.5, 0.95, 1.0])
        found = reliability(np.array([0.0, 1.0, 1.0, 0.0, 1.0, 1.0]), said)
        assert [one.count for one in found] == [2, 2, 2]
        np.testing.assert_allclose([one.predicted for one in found], [0.1, 0.5, 0.975])
        np.testing.assert_allclose([one.true for one in found], [0.5, 0.5, 1.0])

    def test_intervals_hold_the_figure(self):
        random = np.random.default_rng(0)
        true = random.normal(size=400)
        found = scores(true, true + 0.3 * random.normal(size=400), is_class=False)
        assert found["RMSE"].lower < 0.3 < found["RMSE"].upper
        assert found["RMSE"].upper - found["RMSE"].lower == pytest.approx(4 * 0.3 / np.sqrt(800), rel=0.3)
        assert found["R2"].value == pytest.approx(1 - 0.09 / np.var(true), abs=0.02)

    def test_paired_test(self):
        random = np.random.default_rng(0)
        true = np.zeros(200)
        errors = np.abs(random.normal(size=200))
        better = compare(true, 0.8 * errors, errors, is_class=False)
        assert better.difference == pytest.approx(-0.2 * errors.mean())
        assert better.p_value < 1e-10
        assert compare(true, errors, errors, is_class=False).p_value == 1.0
        p_values = [
            compare(true[:50], random.normal(size=50), random.normal(size=50), is_class=False).p_value
            for _ in range(200)
        ]
        assert stats.kstest(p_values, "uniform").pvalue > 1e-3


class TestModel:
    def test_stored_model_says_the_same(self, tmp_path):
        both = np.stack([VALUES, np.tile([1, 0, 1, 0, 1], 20)], axis=1)
        both[::7, 0] = np.nan
        table = table_of(SMILES, both)
        molecules = Molecules(table.smiles)
        model, validation = fit_property_model(table, molecules, kinds=KINDS, seed=2)
        assert [target.is_class for target in model.targets] == [False, True]
        found = model.predict(molecules)
        save_property_model(tmp_path / "m.safetensors", model)
        again = load_property_model(tmp_path / "m.safetensors").predict(molecules)
        np.testing.assert_allclose(again.values, found.values, atol=1e-9)
        np.testing.assert_allclose(again.lower, found.lower, atol=1e-6)
        assert np.isnan(found.errors[:, 1]).all()
        assert set(np.unique(found.lower[:, 1])) | set(np.unique(found.upper[:, 1])) <= {0.0, 1.0}
        assert (found.lower <= found.upper).all()
        np.testing.assert_array_equal(again.upper[:, 1], found.upper[:, 1])
        assert ((found.values[:, 1] > 0) & (found.values[:, 1] < 1)).all()
        assert set(validation.values) == {*KINDS, "stack"}

    def test_held_out_molecules_are_inside(self):
        """A noisy additive value: ninety in a hundred intervals hold it."""
        random = np.random.default_rng(1)
        inside = []
        for seed in range(4):
            values = VALUES + 0.3 * random.normal(size=len(VALUES))
            table = table_of(SMILES, values)
            molecules = Molecules(table.smiles)
            split = split_randomly(len(SMILES), (0.7, 0.0, 0.3), seed)
            model, _ = fit_property_model(
                table.taken(split.train), molecules.taken(split.train), kinds=KINDS, seed=seed
            )
            found = model.predict(molecules.taken(split.test))
            inside += (
                (found.lower < values[split.test, None]) & (values[split.test, None] < found.upper)
            ).tolist()
        assert np.mean(inside) == pytest.approx(0.9, abs=0.07)

    def test_rows_of_a_molecule_are_in_one_fold(self):
        folds = folds_of(["A", "B", "A", "C", "B", "D", "E", "F"], seed=0)
        assert folds[0] == folds[2]
        assert folds[1] == folds[4]

    def test_temperature_counts(self):
        """The same molecules at three temperatures: the value follows the temperature."""
        smiles = [text for text in SMILES[:40] for _ in range(3)]
        kelvin = np.tile([280.0, 300.0, 320.0], 40)
        table = table_of(smiles, np.repeat(VALUES[:40], 3) + 0.05 * kelvin, T=kelvin.astype(str))
        columns = {"T": list(table.columns["T"])}
        inputs = find_inputs(columns, ["T"])
        molecules = Molecules(table.smiles, encode(inputs, columns, len(table)))
        model, _ = fit_property_model(table, molecules, kinds=KINDS, inputs=inputs)
        asked = Molecules(("CCCO",) * 2, np.array([[290.0], [310.0]], np.float32))
        found = model.predict(asked).values[:, 0]
        assert found[1] - found[0] == pytest.approx(1.0, abs=0.15)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (np.ones(100), "nothing to learn"),
            (np.r_[np.arange(5.0), [np.nan] * 95], "at least 10"),
            # Codes of classes, which were learned as numbers.
            (np.tile([-1.0, 1.0], 50), "only two values, -1 and 1: a class"),
            (np.tile([1.0, 2.0], 50), "only two values, 1 and 2: a class"),
        ],
    )
    def test_what_cannot_be_learned(self, values, message):
        with pytest.raises(DataError, match=message):
            find_targets(table_of(SMILES, values))

    def test_damaged_model(self, tmp_path):
        path = tmp_path / "m.safetensors"
        table = table_of(SMILES, VALUES)
        save_property_model(path, fit_property_model(table, Molecules(table.smiles), kinds=("mean",))[0])
        content = bytearray(path.read_bytes())
        content[-9] ^= 1
        path.write_bytes(content)
        with pytest.raises(DataError, match="damaged"):
            load_property_model(path)


def test_molecules_larger_than_all_known_are_outside():
    """A longer chain is alike to long chains, and is not known all the same."""
    domain = Domain.of(Molecules(tuple(SMILES)))
    assert domain.largest == 26
    asked = Molecules(tuple("C" * n + "c1ccccc1" for n in (20, 22, 23, 60)))
    assert domain.place(asked).verdict.tolist() == [2, 1, 0, 0]


def test_domain():
    known = Molecules(tuple(SMILES))
    domain = Domain.of(known)
    standard = Standardizer()
    asked = Molecules(tuple(standard(text) for text in ("CCCCO", "CCCBr", "O=C1NC(=O)c2ccccc21")))
    placed = domain.place(asked)
    assert placed.verdict.tolist()[:2] == [2, 0]  # bromine is new
    assert placed.verdict[2] == 0
    assert placed.similarity[0] == 1.0
    assert domain.smiles[placed.neighbors[0, 0]] == "CCCCO"


@pytest.fixture(scope="module")
def model():
    """Of molecules measured from 290 to 310 K, from 2000 to 2010, in two solvents."""
    columns = {
        "T": [str(290 + k % 21) for k in range(100)],
        "year": [str(2000 + k % 11) for k in range(100)],
        "solvent": ["O", "CCO"] * 50,
    }
    inputs = find_inputs(columns, ["year", "solvent", "T"], ["solvent"], ["T"])
    table = table_of(SMILES, VALUES)
    molecules = Molecules(table.smiles, encode(inputs, columns, len(table)))
    return fit_property_model(table, molecules, kinds=("mean",), inputs=inputs)[0]


class TestKnownInputs:
    @pytest.mark.parametrize(
        ("asked", "verdict", "reason"),
        [
            ({}, "inside", ""),
            ({"T": "290"}, "inside", ""),
            ({"T": "311"}, "border", "T 311, known 290 to 310"),
            ({"T": "25"}, "outside", "T 25, known 290 to 310"),
            ({"T": "3000"}, "outside", "T 3000, known 290 to 310"),
            ({"year": "2024"}, "outside", "year 2024, known 2000 to 2010"),
            ({"solvent": "OCC"}, "inside", ""),
            ({"solvent": "c1ccccc1"}, "outside", "solvent is new"),
            ({"solvent": "CO", "T": "25"}, "outside", "solvent is new; T 25, known 290 to 310"),
        ],
    )
    def test_inputs_belong_to_the_domain(self, model, tmp_path, asked, verdict, reason):
        save_property_model(tmp_path / "m.safetensors", model)
        columns = {
            name: [cell] for name, cell in ({"T": "300", "year": "2005", "solvent": "O"} | asked).items()
        }
        for own in (model, load_property_model(tmp_path / "m.safetensors")):
            molecule = Molecules(("CCCCO",), encode(own.inputs, columns, 1))
            placed = own.domain.place(molecule)
            assert VERDICTS[placed.verdict[0]] == verdict
            assert placed.unknown[0] == reason

    def test_a_prediction_names_the_input(self, model, tmp_path, piped):
        save_property_model(tmp_path / "m.safetensors", model)
        asked = "smiles,T,year,solvent\nCCCCO,300,2005,O\nCCCCO,3000,2005,O\n"
        (tmp_path / "asked.csv").write_text(asked)
        for path in (tmp_path / "asked.csv", piped(asked.encode())):
            rows = predict_properties(tmp_path / "m.safetensors", path)
            assert [row["domain"] for row in rows] == ["inside", "outside"]
            assert [row["unknown inputs"] for row in rows] == ["", "T 3000, known 290 to 310"]
