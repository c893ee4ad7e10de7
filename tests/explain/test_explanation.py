"""Contributions to what models say: that they add up for every kind, find what is there, and warn."""

from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem

from adiabat.explain import explain, held_out_skill
from adiabat.explain.anatomy import Anatomy
from adiabat.explain.kinds import of_atoms, worth_of
from adiabat.properties.additive_network import AdditiveEnsemble
from adiabat.properties.evaluate import area_under_roc
from adiabat.properties.graph_network import GraphEnsemble
from adiabat.properties.graph_training import Recipe
from adiabat.properties.graphs import joined
from adiabat.properties.model import fit_property_model
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import Labels, predictors
from adiabat.properties.table import Table

HEADS = ("C", "CC(C)", "C1CCCC1", "c1ccccc1", "OCC", "NCC", "C1COCCN1C", "Cc1ccncc1C")
TAILS = ("O", "Cl", "C(=O)NC", "C#N", "S(C)(=O)=O", "C", "F")
# By SMARTS, what it is worth.
WORTH = {"[Cl,F]": 1.0, "C(=O)N": 2.0, "[OH]": -1.5}
NAMES = tuple(
    dict.fromkeys(Chem.CanonSmiles(f"{h}{'C' * n}{t}") for h in HEADS for n in (0, 1, 2) for t in TAILS)
)
UNSEEN = ("CC(=O)NCCc1ccc(Cl)cc1", "OCCCCC#N", "C[C@H](O)CC(=O)NC")
QUICK = ("mean", "nearest", "forest", "boosting", "gaussian-process", "multi-kernel")
EXACT = (*QUICK[2:], "graph", "additive")


def value(smiles):
    mol = Chem.MolFromSmiles(smiles)
    found = sum(v * len(mol.GetSubstructMatches(Chem.MolFromSmarts(s))) for s, v in WORTH.items())
    return found + 0.05 * mol.GetNumHeavyAtoms()


@pytest.fixture(scope="module")
def molecules():
    return Molecules(NAMES)


@pytest.fixture(scope="module")
def labels():
    values = np.array([[value(name), value(name) > 0.5] for name in NAMES], float)
    values[:, 0] = (values[:, 0] - values[:, 0].mean()) / values[:, 0].std()
    return Labels(values, np.zeros(values.shape, np.int8), np.array([False, True]))


@pytest.fixture(scope="module")
def fitted(molecules, labels):
    folds = np.arange(len(NAMES)) % 2
    found = {kind: predictors.get(kind).fit(molecules, labels, folds) for kind in QUICK}
    recipe = Recipe(width=16, depth=2, per_fold=1, epochs=8, batch_size=32)
    found["graph"] = GraphEnsemble.fit(molecules, labels, folds, recipe=recipe)
    found["additive"] = AdditiveEnsemble.fit(molecules, labels, folds, recipe=recipe)
    return found


@pytest.fixture(scope="module")
def model(fitted, molecules):
    """A stack of two targets, in units."""
    values = np.array([[10 * value(name), value(name) > 0.5] for name in NAMES], float)
    table = Table(
        NAMES, np.arange(len(NAMES)), ("level", "active"), values, np.zeros(values.shape, np.int8), ("mM", "")
    )
    found, _ = fit_property_model(table, molecules, kinds=tuple(fitted), fitted=fitted)
    skill = {"level": {"R2": 0.9}, "active": {"AUROC": 0.95}}
    return replace(found, summary={"cross_validation": skill, "test": {}})


@pytest.mark.parametrize("kind", [*QUICK, "graph", "additive"])
def test_contributions_add_up(kind, fitted):
    predictor = fitted[kind][0]
    for row in range(len(UNSEEN)):
        anatomy = Anatomy.of(Molecules(UNSEEN), row)
        found = of_atoms(predictor, anatomy)
        ends = worth_of(predictor, anatomy)(np.tile([[False], [True]], anatomy.n_atoms))
        np.testing.assert_allclose(ends[1], predictor.predict(anatomy.molecule).mean[0], atol=1e-6)
        np.testing.assert_allclose(found.values.sum(axis=0), ends[1] - ends[0], atol=1e-4)
        assert found.values.shape == found.errors.shape == (anatomy.n_atoms, 2)
        assert found.errors.any() == (kind == "nearest")


@pytest.mark.parametrize("kind", EXACT)
def test_equal_atoms_bring_the_same(kind, fitted):
    """The six atoms of benzene, and the methyl groups of a chain that are mirror images."""
    predictor = fitted[kind][0]
    benzene = of_atoms(predictor, Anatomy.of(Molecules(("c1ccccc1",)))).values
    assert np.ptp(benzene, axis=0).max() < 1e-5
    chain = of_atoms(predictor, Anatomy.of(Molecules(("CCCCC",)))).values
    np.testing.assert_allclose(chain, chain[::-1], atol=1e-5)


def test_of_a_sum_the_contributions_are_its_own(fitted, molecules, labels):
    """No integral: the terms of the network. Exact Shapley values of fragments are sums over their atoms, and
    of a class the terms are in proportion."""
    predictor = fitted["additive"][0]
    table = Table(
        NAMES,
        np.arange(len(NAMES)),
        ("level", "active"),
        labels.values,
        np.zeros(labels.values.shape, np.int8),
    )
    alone = {"additive": fitted["additive"]}
    model, _ = fit_property_model(table, molecules, kinds=("additive",), fitted=alone)
    for row in range(len(UNSEEN)):
        terms = predictor.terms(Molecules(UNSEEN[row : row + 1])).atoms
        values = of_atoms(predictor, Anatomy.of(Molecules(UNSEEN), row)).values
        np.testing.assert_array_equal(values[:, 0], terms[:, 0])
        assert abs(np.corrcoef(values[:, 1], terms[:, 1])[0, 1]) == pytest.approx(1.0)
        found = explain(model, Molecules(UNSEEN), row)
        scale = model.targets[0].scale
        np.testing.assert_allclose(found.atoms[:, 0], terms[:, 0] * scale, atol=1e-5)
        np.testing.assert_allclose(found.fragments, found.fragment_sums, atol=1e-12)
        assert np.abs(found.residuals).max() < 2e-6
        assert "own sum" in found.methods["additive"]


def test_an_absent_atom_sends_nothing(fitted):
    """Presence of zero is the graph without the atom, to every atom that is left."""
    import jax

    network = jax.tree.map(
        lambda leaf: leaf[0] if hasattr(leaf, "shape") else leaf, fitted["graph"][0].members
    )
    anatomy = Anatomy.of(Molecules(UNSEEN))
    kept = np.ones(anatomy.n_atoms, bool)
    kept[[1, 7]] = False
    whole = network.messages.of_atoms(joined([anatomy.graph]), kept.astype(np.float32))
    part = network.messages.of_atoms(joined(anatomy.with_atoms(kept[None]).graphs))
    np.testing.assert_allclose(np.asarray(whole)[kept], part, atol=1e-5)
    assert not np.asarray(whole)[~kept].any()


def test_a_stack_in_units(model):
    for row in range(len(UNSEEN)):
        found = explain(model, Molecules(UNSEEN), row)
        assert found.smiles == UNSEEN[row]
        said = found.prediction.values[0]
        np.testing.assert_allclose(found.baseline + found.fragments.sum(axis=0), said, atol=1e-6)
        np.testing.assert_allclose(found.baseline + found.atoms.sum(axis=0), said, atol=1e-3)
        assert np.abs(found.residuals).max() < 1e-3  # of values that spread over twenty units
        np.testing.assert_allclose(found.fragment_sums.sum(axis=0), found.atoms.sum(axis=0), atol=1e-9)
        assert 0 < said[1] < 1
        assert found.doubts == ((), ()) or "outside" in found.doubts[0][0]


def test_it_names_what_was_planted(model):
    """The chlorine and the amide of the first raise, the hydroxyl of the second lowers the level most."""
    first = explain(model, Molecules(UNSEEN))
    chlorine = first.fragment_smiles.index("*Cl")
    others = [n for n, name in enumerate(first.fragment_smiles) if name == "*c1ccc(*)cc1"]
    assert first.fragments[chlorine, 0] > first.fragments[others, 0].max()
    atoms = np.array([atom.GetSymbol() for atom in Chem.MolFromSmiles(UNSEEN[0]).GetAtoms()])
    assert first.atoms[np.isin(atoms, ["Cl", "N", "O"]), 0].min() > np.median(first.atoms[:, 0])
    second = explain(model, Molecules(UNSEEN), 1)
    assert np.argmin(second.atoms[:, 0]) == 0


def test_the_order_of_atoms_does_not_matter(model):
    one = explain(model, Molecules(("CC(=O)NCCCl",)))
    other = explain(model, Molecules(("ClCCNC(C)=O",)))
    np.testing.assert_allclose(np.sort(one.atoms, axis=0), np.sort(other.atoms, axis=0), atol=1e-3)
    pairs = [dict(zip(f.fragment_smiles, f.fragments[:, 0], strict=True)) for f in (one, other)]
    assert pairs[0] == pytest.approx(pairs[1], abs=1e-4)


def test_a_row_among_others_is_what_it_is_alone(model):
    among = explain(model, Molecules(UNSEEN), 2)
    alone = explain(model, Molecules(UNSEEN[2:]))
    np.testing.assert_allclose(among.atoms, alone.atoms, atol=1e-9)
    assert among.neighbors == alone.neighbors
    assert among.neighbors[0].similarity == pytest.approx(among.prediction.placed.similarity[0])


def test_one_atom(model):
    found = explain(model, Molecules(("C",)))
    assert found.fragment_smiles == ("C",)
    np.testing.assert_allclose(found.atoms, found.fragments, atol=1e-3)


def test_it_warns(model):
    weak = replace(
        model, summary={"test": {"level": {"R2": 0.2}}, "cross_validation": {"level": {"R2": 0.9}}}
    )
    assert held_out_skill(weak, weak.targets[0]).source == "test"
    found = explain(weak, Molecules(UNSEEN))
    assert "R² of its test is 0.20, less than 0.5" in found.doubts[0][0]
    assert "does not say" in found.doubts[1][0]
    strange = explain(model, Molecules(("[SiH3]CBr",)))
    assert all("outside" in doubts[0] for doubts in strange.doubts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in EXACT if kind != "additive"])
def test_planted_groups_are_found(kind, molecules, labels):
    """Atoms of groups that raise the value have larger contributions than others, those of groups that lower
    it smaller ones: areas under the ROC curve within molecules that were left out. Graph networks train in
    full. Each atom of an additive one sees all of such small molecules, and may bear what another is worth:
    docs/decisions/0029-explanations.md."""
    left_out = np.arange(len(NAMES)) % 5 == 0
    index = np.flatnonzero(~left_out)
    predictor = predictors.get(kind).fit(
        molecules.taken(index), labels.taken(index), np.arange(len(index)) % 5
    )[0]
    areas = []
    for row in np.flatnonzero(left_out):
        mol = Chem.MolFromSmiles(NAMES[row])
        values = of_atoms(predictor, Anatomy.of(molecules, row)).values[:, 0]
        for sign in (1, -1):
            inside = np.zeros(len(values))
            for smarts, worth in WORTH.items():
                for match in mol.GetSubstructMatches(Chem.MolFromSmarts(smarts)) if worth * sign > 0 else ():
                    inside[list(match)] = 1
            if 0 < inside.sum() < len(inside):
                areas.append(area_under_roc(inside, sign * values))
    assert len(areas) > 10
    assert np.mean(areas) >= 0.95
