"""The ensemble of graph networks: masks, losses, independence of company and order, storage, learning."""

import json

import jax
import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Crippen

from adiabat.base import ConfigError, DataError
from adiabat.properties.graph_batches import Shuffled, packed
from adiabat.properties.graph_network import GraphEnsemble
from adiabat.properties.graph_training import Recipe, losses
from adiabat.properties.graphs import graph
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import Labels, predictors

SMALL = Recipe(width=16, depth=2, per_fold=2, epochs=3, batch_size=16)
CHAINS = [
    f"{head}{'C' * n}{tail}"
    for head in ("C", "N", "OC", "FC", "ClC", "O=C", "N#C", "c1ccccc1C")
    for n in range(5)
    for tail in ("C", "O", "N", "C(C)C", "C=C")
]
CHIRAL = ("C[C@H](N)C(=O)O", "F/C=C\\C=C\\[C@H](Br)C", "C/C(Cl)=C/C[C@@]1(O)CC[C@H](F)CC1")


def measured(names):
    """Molecules, each at a temperature."""
    return Molecules(tuple(names), np.linspace(0, 1, len(names), dtype=np.float32)[:, None])


def some(count=40):
    """Molecules, two targets without meaning, and folds."""
    random = np.random.default_rng(0)
    values = random.normal(size=(count, 2))
    labels = Labels(values, np.zeros((count, 2)), np.zeros(2, bool))
    return measured(CHAINS[:count]), labels, random.permutation(count) % 3


def fitted(molecules, labels, folds, recipe=SMALL, **options):
    return GraphEnsemble.fit(molecules, labels, folds, 0, recipe=recipe, **options)


def test_it_is_the_kind_called_graph():
    assert predictors.get("graph") is GraphEnsemble


def test_a_member_does_not_see_its_own_fold():
    """Other labels there: the same member to the bit, and the same out-of-fold predictions."""
    molecules, labels, folds = some()
    values = labels.values.copy()
    values[folds == 1] += 5.0
    (one, out), (other, changed) = (
        fitted(molecules, Labels(v, labels.limits, labels.classes), folds) for v in (labels.values, values)
    )
    np.testing.assert_array_equal(out.mean[folds == 1], changed.mean[folds == 1])
    assert np.abs(out.mean[folds != 1] - changed.mean[folds != 1]).max() > 0.1
    ones, others = (jax.tree.leaves(model.members) for model in (one, other))
    for a, b in zip(ones, others, strict=True):
        np.testing.assert_array_equal(a[[1, 4]], b[[1, 4]])


def test_what_each_fold_gets_is_from_the_members_that_left_it_out():
    molecules, labels, folds = some()
    model, out = fitted(molecules, labels, folds)
    said = model._of_members(molecules)  # members 0 and 3 left out fold 0
    for fold in range(3):
        rows = folds == fold
        np.testing.assert_allclose(out.mean[rows], said[[fold, fold + 3]][:, rows].mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(
            out.spread[rows], said[[fold, fold + 3]][:, rows].std(axis=0, ddof=1), atol=1e-6
        )
    mean, spread = model.predict(molecules)
    np.testing.assert_allclose(mean, said.mean(axis=0))
    np.testing.assert_allclose(spread, said.std(axis=0, ddof=1))


def test_losses_by_hand():
    """Values 1, below 1, above 1, nothing; then a class."""
    outputs = np.array([[2.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    values = np.array([[1.0, 1.0, 1.0, np.nan]] * 2)
    limits = np.array([[0, -1, 1, 0]] * 2)
    found = losses(outputs, values, limits, np.zeros(4, bool))
    np.testing.assert_allclose(found, [[1, 1, 0, 0], [1, 0, 1, 0]])
    found = losses(outputs[:, :3], np.array([[1.0, 0.0, np.nan]] * 2), limits[:, :3], np.ones(3, bool))
    log = np.log
    expected = [[log(1 + np.exp(-2)), log(1 + np.exp(2)), 0], [log(2), log(2), 0]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_batches_hold_every_molecule_once_and_fit():
    graphs = [graph(name) for name in CHAINS]
    shuffled = Shuffled(graphs, 16)
    one, other = (shuffled.epoch(np.random.default_rng(k)) for k in (0, 1))
    assert shuffled.n_batches == 12
    for epoch in (one, other):
        rows = epoch.rows[epoch.rows < len(graphs)]
        np.testing.assert_array_equal(np.sort(rows), np.arange(len(graphs)))
    assert (one.rows != other.rows).any()
    used = (one.graphs.molecule < one.graphs.n_molecules).mean()
    assert used > 0.9  # next to no padding
    many = graphs * 5
    rows = np.concatenate([batch.rows[batch.rows < len(many)] for batch in packed(many)])
    np.testing.assert_array_equal(rows, np.arange(len(many)))


def test_neither_company_nor_the_order_of_atoms_matters():
    _, labels, folds = some()
    model, _ = fitted(measured((*CHAINS[:37], *CHIRAL)), labels, folds)
    names = (*CHIRAL, *CHAINS[:50])
    together = model.predict(Molecules(names, np.full((len(names), 1), 0.5, np.float32))).mean

    def alone(name):
        return model.predict(Molecules((name,), np.full((1, 1), 0.5, np.float32))).mean[0]

    for k, name in enumerate(CHIRAL):
        np.testing.assert_allclose(alone(name), together[k], atol=1e-6)
        mol, random = Chem.MolFromSmiles(name), np.random.default_rng(k)
        for _ in range(20):
            order = random.permutation(mol.GetNumAtoms()).tolist()
            written = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
            np.testing.assert_allclose(alone(written), together[k], atol=1e-5)
    assert np.abs(alone("C[C@@H](N)C(=O)O") - together[0]).max() > 1e-4  # the mirror image of the first


def test_mirror_images_are_one_to_a_model_that_never_saw_any():
    """Weights that nothing was learned for do not matter."""
    model, _ = fitted(*some())
    assert not model.handed
    assert not GraphEnsemble.restored(*model.stored()).handed
    names = ("C[C@@H](N)C(=O)O", "C[C@H](N)C(=O)O", "CC(N)C(=O)O", "C/C=C/C", "CC=CC")
    found = model.predict(Molecules(names, np.full((len(names), 1), 0.5, np.float32))).mean
    np.testing.assert_allclose(found[:2], found[[2, 2]], atol=1e-6)
    np.testing.assert_allclose(found[3], found[4], atol=1e-6)


def test_stored_and_restored_to_the_bit():
    molecules, labels, folds = some()
    model, _ = fitted(molecules, labels, folds)
    arrays, settings = model.stored()
    again = GraphEnsemble.restored(arrays, json.loads(json.dumps(settings)))
    for one, other in zip(model.predict(molecules), again.predict(molecules), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(DataError, match="inputs"):
        again.predict(Molecules(molecules.smiles))
    with pytest.raises(DataError, match="fit"):
        GraphEnsemble.restored({**arrays, "members.extra": np.zeros(3)}, settings)
    with pytest.raises(DataError, match="members"):
        GraphEnsemble.restored(arrays, {**settings, "width": 17})
    with pytest.raises(DataError, match="rounds"):
        GraphEnsemble.restored(arrays, {**settings, "depth": 10**9})


def test_a_descriptor_that_never_varied_says_nothing():
    molecules, labels, folds = some()
    model, _ = fitted(molecules, labels, folds)
    never = np.append(np.ptp(molecules.descriptors, axis=0) == 0, False)
    assert never.any()
    np.testing.assert_array_equal(np.isinf(model.scale), never)
    # A spiro compound among chains: other descriptors than those that never varied are the same.
    odd = measured(["C1CCC2(CC1)CCCC2", "CCO"])
    plain = measured(odd.smiles)
    plain.__dict__["descriptors"] = np.where(never[:-1], molecules.descriptors[0], odd.descriptors)
    np.testing.assert_array_equal(model.predict(odd).mean, model.predict(plain).mean)


def test_the_same_seed_gives_the_same_model():
    molecules, labels, folds = some()
    ones, others, third = (
        GraphEnsemble.fit(molecules, labels, folds, seed, recipe=SMALL)[1].mean for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(ones, others)
    assert np.abs(ones - third).max() > 1e-2


def test_it_learns_an_additive_property_with_gaps_limits_and_a_class():
    """logP of Crippen, half of it missing, some as limits; whether there is nitrogen."""
    names = tuple(CHAINS)
    random = np.random.default_rng(0)
    mols = [Chem.MolFromSmiles(name) for name in names]
    truth = np.array([Crippen.MolLogP(mol) for mol in mols])
    truth = (truth - truth.mean()) / truth.std()
    nitrogen = np.array([any(atom.GetAtomicNum() == 7 for atom in mol.GetAtoms()) for mol in mols])
    values = np.stack([truth, nitrogen], axis=1).astype(float)
    limits = np.zeros(values.shape)
    censored = random.random(len(names)) < 0.2
    values[censored, 0], limits[censored, 0] = truth[censored] + 0.5, -1
    values[random.random(len(names)) < 0.3, 0] = np.nan
    labels = Labels(values, limits, np.array([False, True]))
    recipe = Recipe(width=48, depth=2, per_fold=1, epochs=40, batch_size=16)
    _, out = GraphEnsemble.fit(Molecules(names), labels, random.permutation(len(names)) % 3, recipe=recipe)
    assert 1 - np.var(out.mean[:, 0] - truth) > 0.9
    probability = out.mean[:, 1]
    assert ((probability >= 0) & (probability <= 1)).all()
    assert ((probability > 0.5) == nitrogen).mean() > 0.97


def test_minutes_and_reports():
    molecules, labels, folds = some()
    seen = []
    recipe = SMALL._replace(epochs=50)
    fitted(molecules, labels, folds, recipe, minutes=1e-6, on_epoch=lambda *told: seen.append(told))
    assert [(done, epochs) for done, epochs, _ in seen] == [(1, 50), (2, 50), (3, 3)]


def test_what_cannot_be_fitted_is_refused():
    molecules, labels, folds = some()
    with pytest.raises(ConfigError, match="two folds"):
        fitted(molecules, labels, np.zeros_like(folds))
    nothing = Labels(np.full_like(labels.values, np.nan), labels.limits, labels.classes)
    with pytest.raises(DataError, match="known"):
        fitted(molecules, nothing, folds)
