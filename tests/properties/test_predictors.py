import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from adiabat.base import DataError
from adiabat.properties import trees
from adiabat.properties.fingerprints import similarities
from adiabat.properties.gaussian_process import GaussianProcess, _likeliest, _Process, _Sites
from adiabat.properties.kernels import Apart, Kernel
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import Labels, predictors
from adiabat.properties.trees import Trees, _of_forest

SMILES = tuple(
    f"{'C' * n}{end}" for n in range(1, 13) for end in ("O", "N", "Cl", "C(=O)O", "c1ccccc1", "C#N", "S")
)
# Errors of molecules left out, in standard deviations.
BOUNDS = {
    "mean": 1.1,
    "nearest": 0.6,
    "forest": 0.45,
    "boosting": 0.4,
    "gaussian-process": 0.15,
    "multi-kernel": 0.15,
}


@pytest.fixture(scope="module")
def molecules():
    found = Molecules(SMILES)
    assert found.counts.shape[0] == found.descriptors.shape[0] == len(SMILES)
    return found


@pytest.fixture(scope="module")
def labels():
    """Additive: half a unit for each carbon, what the end is worth."""
    ends = np.tile([0.0, 0.2, 1.5, -1.0, 2.0, 0.5, 1.0], 12)
    values = np.stack([np.repeat(np.arange(12), 7) * 0.5 + ends, np.tile(ends[:7] > 0.7, 12)], axis=1)
    values = (values - [values[:, 0].mean(), 0]) / [values[:, 0].std(), 1]
    values[::5, 0] = np.nan
    return Labels(values, np.zeros(values.shape, np.int8), np.array([False, True]))


@pytest.mark.parametrize("kind", BOUNDS)
def test_learns_stores_and_repeats(kind, molecules, labels):
    folds = np.arange(len(SMILES)) % 3
    model, outside = predictors.get(kind).fit(molecules, labels, folds, seed=1)
    known = ~np.isnan(labels.values)
    assert not np.isnan(outside.mean[known]).any()
    found = model.predict(molecules)
    assert found.mean.shape == found.spread.shape == labels.values.shape
    restored = type(model).restored(*model.stored()).predict(molecules)
    np.testing.assert_allclose(restored.mean, found.mean, atol=1e-12)
    np.testing.assert_allclose(restored.spread, found.spread, atol=1e-6)
    again, _ = predictors.get(kind).fit(molecules, labels, folds, seed=1)
    np.testing.assert_array_equal(again.predict(molecules).mean, found.mean)
    # one molecule alone is what it is among others
    np.testing.assert_allclose(model.predict(molecules.taken([17])).mean[0], found.mean[17], atol=1e-9)
    error = np.sqrt(np.nanmean((outside.mean[:, 0] - labels.values[:, 0]) ** 2))
    assert error < BOUNDS[kind]


def test_out_of_fold_does_not_see_the_fold(molecules, labels):
    """Other values in a fold change nothing of what is said of it."""
    folds = np.arange(len(SMILES)) % 3
    changed = Labels(
        np.where((folds == 1)[:, None], -labels.values, labels.values), labels.limits, labels.classes
    )
    for kind in ("nearest", "forest"):
        before = predictors.get(kind).fit(molecules, labels, folds)[1].mean
        after = predictors.get(kind).fit(molecules, changed, folds)[1].mean
        np.testing.assert_array_equal(before[folds == 1], after[folds == 1])
        assert not np.array_equal(before[folds == 0], after[folds == 0])


def test_trees_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 6)).astype(np.float32)
    values = features[:, 0] * features[:, 1] + features[:, 2]
    forest = RandomForestRegressor(20, random_state=0).fit(features, values)
    trees = Trees.joined([_of_forest(tree.tree_) for tree in forest.estimators_])
    new = random.normal(size=(300, 6)).astype(np.float32)
    np.testing.assert_allclose(trees(new).mean(axis=1), forest.predict(new), atol=1e-6)


def test_trees_that_lead_nowhere_are_refused(molecules, labels):
    model = predictors.get("boosting")._fit(molecules, labels, 0)
    arrays, settings = model.stored()
    arrays["0.left"] = arrays["0.left"] + 10**6
    with pytest.raises(DataError, match="do not fit together"):
        type(model).restored(arrays, settings)


def test_gaussian_process_left_out_in_closed_form(molecules, labels):
    """What the formula leaves out is what a process without it says."""
    _, [process, *_] = GaussianProcess._solved(molecules, labels, 0)
    folds = np.arange(len(process.rows)) % 4
    values = labels.values[process.rows, 0]
    inside, rest = np.flatnonzero(folds == 0), np.flatnonzero(folds)
    mean, spread = (found[inside] for found in process.of_folds(folds))
    own = process.factor @ process.factor.T
    known = own[np.ix_(rest, rest)]
    cross = own[np.ix_(inside, rest)]
    np.testing.assert_allclose(mean, cross @ np.linalg.solve(known, values[rest]), atol=1e-7)
    variance = np.diag(own)[inside] - np.einsum("ij,ji->i", cross, np.linalg.solve(known, cross.T))
    np.testing.assert_allclose(spread, np.sqrt(variance), rtol=1e-6)


def test_settings_of_largest_likelihood():
    """The slopes of the likelihood are those of finite differences: the search ends where they vanish."""
    random = np.random.default_rng(0)
    points = random.normal(size=(60, 3))
    squared = ((points[:, None] - points) ** 2).mean(axis=2)
    likeness = np.exp(-0.5 * (points[:, None, 0] - points[:, 0]) ** 2)
    parts = random.poisson(2, size=(60, 4)) / 4
    apart = Apart((np.eye(60) * 0.5 + 0.5, likeness), squared, (parts @ parts.T,))
    values = np.sin(2 * points[:, 0]) + parts @ [1, -1, 0, 0.5] + 0.1 * random.normal(size=60)
    kernel = _likeliest(apart, _Sites(values, np.zeros(60)))

    def likelihood(*settings):
        own = Kernel(settings[:2], *settings[2:5], settings[5:])
        covariance = own(apart) + own.noise * np.eye(60)
        _, logarithm = np.linalg.slogdet(covariance)
        return -0.5 * values @ np.linalg.solve(covariance, values) - 0.5 * logarithm

    found = [*kernel.alike, *kernel[1:4], *kernel.summed]
    best = likelihood(*found)
    for k in (1, 2, 3, 4, 5):
        for factor in (0.9, 1.1):
            moved = list(found)
            moved[k] *= factor
            assert likelihood(*moved) < best + 1e-6


def test_small_spreads_are_exact():
    """Of a smooth function that many points nearly give away, the factor partly in single precision."""
    random = np.random.default_rng(0)
    known, query = random.normal(size=(900, 2)), random.normal(size=(200, 2))
    kernel = Kernel((), 9.0, 2.0, 1e-3)

    def apart(one, other):
        return Apart((), ((one[:, None] - other) ** 2).mean(axis=2))

    own = kernel(apart(known, known)) + kernel.noise * np.eye(900)
    cross, values = kernel(apart(query, known)), np.sin(known[:, 0])
    factor, weights = np.linalg.cholesky(own), np.linalg.solve(own, values)
    process = _Process.of(np.arange(900), weights, factor, kernel, np.zeros(900))
    mean, variance = process(apart(query, known))
    exact = 9.0 - (np.linalg.solve(factor, cross.T) ** 2).sum(axis=0)
    assert np.median(exact) < 1e-4
    np.testing.assert_allclose(variance + kernel.noise, exact + kernel.noise, rtol=1e-6)
    np.testing.assert_allclose(mean, cross @ weights, rtol=1e-12)


def test_similarity_of_counts():
    one, other = np.array([[2, 0, 3]], np.uint16), np.array([[1, 1, 3], [0, 0, 0], [2, 0, 3]], np.uint16)
    np.testing.assert_allclose(similarities(one, other), [[4 / 6, 0.0, 1.0]])


def test_boosting_does_not_depend_on_threads(monkeypatch):
    """Of small tables it takes one thread, of others as many as there are."""
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 12)).astype(np.float32)
    values = features[:, 0] + np.abs(features[:, 1])
    found = []
    for small in (trees._SMALL, 0):
        monkeypatch.setattr(trees, "_SMALL", small)
        found.append(trees.boosted(features, values, seed=3, rounds=5).arrays())
    assert np.std(found[0]["value"]) > 0
    for name, array in found[0].items():
        np.testing.assert_array_equal(array, found[1][name])
