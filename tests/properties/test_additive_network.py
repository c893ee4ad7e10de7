"""Additive graph networks: sums over atoms to rounding, and everything else that a kind of model can do."""

import json
from itertools import product

import jax
import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Crippen
from scipy.special import expit

from adiabat.base import DataError
from adiabat.properties.additive_network import AdditiveEnsemble
from adiabat.properties.graph_inference import ensemble_outputs, ensemble_terms
from adiabat.properties.graph_network import GraphEnsemble, _on_accelerator
from adiabat.properties.graph_training import Recipe, fresh
from adiabat.properties.graphs import N_ATOM_FEATURES, N_BOND_FEATURES, Graph, joined
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import Labels
from adiabat.properties.pretrained import GENERAL
from adiabat.properties.property_network import Shape
from adiabat.tasks.explain import explain_properties
from adiabat.tasks.property_distill import distill_property
from adiabat.tasks.property_optimize import optimize_by_models
from adiabat.tasks.property_predict import predict_properties
from adiabat.tasks.property_train import KINDS, train_property
from adiabat.tasks.screen import screen

HEADS = ("C", "N", "OC", "FC", "ClC", "O=C", "N#C", "c1ccccc1C")
TAILS = ("C", "O", "N", "C(C)C", "C=C")
NAMES = tuple(f"{head}{'C' * n}{tail}" for head, n, tail in product(HEADS, range(5), TAILS))
LARGER = ("CC(=O)NCCc1ccc(Cl)cc1", "O=C(N)c1ccncc1CCCCCC#N", "C", "C[C@H](O)CC(=O)NC")
RECIPE = Recipe(width=32, depth=2, per_fold=1, epochs=40, batch_size=16)


@pytest.fixture(scope="module")
def labels():
    """Crippen's logP, a sum over atoms, and whether there is nitrogen."""
    mols = [Chem.MolFromSmiles(name) for name in NAMES]
    values = np.array([[Crippen.MolLogP(mol), "N" in Chem.MolToSmiles(mol)] for mol in mols], float)
    values[:, 0] = (values[:, 0] - values[:, 0].mean()) / values[:, 0].std()
    return Labels(values, np.zeros(values.shape), np.array([False, True]))


@pytest.fixture(scope="module")
def fitted(labels):
    return AdditiveEnsemble.fit(Molecules(NAMES), labels, np.arange(len(NAMES)) % 3, recipe=RECIPE)


def summed(model, name):
    """The terms added up, before the sigmoid."""
    constant, atoms = model.terms(Molecules((name,)))
    assert atoms.shape == (Chem.MolFromSmiles(name).GetNumAtoms(), 2)
    return constant + atoms.sum(axis=0)


def test_it_learns(fitted, labels):
    _, out = fitted
    assert np.sqrt(np.mean((out.mean[:, 0] - labels.values[:, 0]) ** 2)) < 0.25  # of spreads, left out
    assert ((out.mean[:, 1] > 0.5) == labels.values[:, 1]).mean() > 0.95


def test_contributions_add_up(fitted):
    """Of a class before the sigmoid: also over the members, whose probabilities would not."""
    model, _ = fitted
    said = model.predict(Molecules(LARGER)).mean
    for name, one in zip(LARGER, said, strict=True):
        value, odds = summed(model, name)
        assert value == pytest.approx(one[0], abs=1e-5)
        assert expit(odds) == pytest.approx(one[1], abs=1e-6)
    nothing = Molecules.described(
        ("",), np.zeros((1, 0)), counts=None, descriptors=None, graphs=(without_atoms(),), fingerprints={}
    )
    constant = model.predict(nothing).mean[0]
    np.testing.assert_allclose(constant, summed_constant(model), atol=1e-6)


def summed_constant(model):
    constant = model.terms(Molecules(("C",))).constant
    return np.where(model.classes, expit(constant), constant)


def without_atoms():
    return Graph(
        np.zeros((0, N_ATOM_FEATURES), np.uint8),
        np.zeros((0, N_BOND_FEATURES), np.uint8),
        np.zeros((0, 2), np.int32),
    )


def test_two_molecules_side_by_side_are_their_sum(fitted):
    """Less the constant once, in one graph of two parts; the other networks know no such thing."""
    model, _ = fitted
    constant = model.terms(Molecules(("C",))).constant
    both, one, other = (
        model._of_members(Molecules((name,))).mean(axis=0)[0] for name in ("CCO.NCCCCl", "CCO", "NCCCCl")
    )
    np.testing.assert_allclose(both - constant, (one - constant) + (other - constant), atol=1e-5)


def test_a_homologous_series_is_a_straight_line(fitted):
    """Each further CH2 group brings the same, once the ends are further away than messages go."""
    model, _ = fitted
    said = model._of_members(Molecules(tuple("C" * n + "O" for n in range(6, 30)))).mean(axis=0)
    steps = np.diff(said, axis=0)
    assert np.abs(steps[0]).min() > 1e-3
    np.testing.assert_allclose(steps, np.tile(steps[0], (len(steps), 1)), atol=1e-5)


def test_the_order_of_atoms_does_not_matter(fitted):
    model, random = fitted[0], np.random.default_rng(0)
    mol = Chem.MolFromSmiles(LARGER[0])
    atoms = model.terms(Molecules(LARGER[:1])).atoms
    for _ in range(5):
        order = random.permutation(mol.GetNumAtoms())
        written = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order.tolist()), canonical=False)
        again = model.terms(Molecules((written,))).atoms
        place = Chem.MolFromSmiles(written).GetSubstructMatches(mol, uniquify=False)
        # Equal atoms may be exchanged: one of the ways to lay one on the other fits.
        assert min(np.abs(again[list(match)] - atoms).max() for match in place) < 1e-5


def test_inference_on_a_cpu_is_that_of_xla():
    """Starting weights without biases of zero, numbers and several targets."""
    shape = Shape(N_ATOM_FEATURES, N_BOND_FEATURES, 3, 2, additive=True)
    members = fresh(Recipe(width=24, depth=3), 3, shape, jax.random.key(1))
    molecules = Molecules(LARGER * 2)
    numbers = np.random.default_rng(0).normal(size=(len(molecules), 3)).astype(np.float32)
    quick = ensemble_outputs(members, molecules.graphs, numbers)
    assert np.ptp(quick, axis=1).min() > 0.01
    np.testing.assert_allclose(quick, _on_accelerator(members, molecules.graphs, numbers), atol=2e-6)
    one = jax.tree.map(lambda array: array[0] if hasattr(array, "shape") else array, members)
    terms = ensemble_terms(members, molecules.graphs[0], numbers[:1])
    np.testing.assert_allclose(terms[0] + terms[1].sum(axis=1), quick[:, 0], atol=2e-6)
    nothing = one(joined([without_atoms()]), numbers[:1])[0]
    np.testing.assert_allclose(terms[0][0], nothing, atol=2e-6)


def test_stored_and_restored_to_the_bit(fitted):
    model, _ = fitted
    arrays, settings = model.stored()
    settings = json.loads(json.dumps(settings))
    again = AdditiveEnsemble.restored(arrays, settings)
    for one, other in zip(model.predict(Molecules(LARGER)), again.predict(Molecules(LARGER)), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(
        again.terms(Molecules(("CCO",))).atoms, model.terms(Molecules(("CCO",))).atoms
    )
    with pytest.raises(DataError, match="fit"):
        GraphEnsemble.restored(arrays, settings)


def test_files_from_before_are_read():
    """Their shape does not say whether it is additive."""
    molecules = Molecules(LARGER)
    count = molecules.numbers.shape[1]
    shape = Shape(N_ATOM_FEATURES, N_BOND_FEATURES, count, 1)
    members = fresh(Recipe(width=8, depth=2), 2, shape, jax.random.key(0))
    model = GraphEnsemble(members, np.zeros(count), np.ones(count), np.zeros(1, bool), handed=True)
    arrays, settings = model.stored()
    del settings["shape"]["additive"]
    again = GraphEnsemble.restored(arrays, settings)
    np.testing.assert_array_equal(again.predict(molecules).mean, model.predict(molecules).mean)


def test_it_reads_inputs():
    """A value that grows with the temperature, for each molecule the same; and they are asked for."""
    inputs = np.random.default_rng(0).uniform(280, 330, (len(NAMES), 1)).astype(np.float32)
    sizes = np.array([[Chem.MolFromSmiles(name).GetNumAtoms()] for name in NAMES], float)
    values = (sizes - sizes.mean()) / sizes.std() + (inputs - 305) / 15
    labels = Labels(values, np.zeros(values.shape), np.zeros(1, bool))
    model, _ = AdditiveEnsemble.fit(
        Molecules(NAMES, inputs), labels, np.arange(len(NAMES)) % 2, recipe=RECIPE
    )
    names = ("CCO", "CCO", "NCCCCCC", "NCCCCCC")
    said = model.predict(Molecules(names, np.array([[290], [320]] * 2, np.float32))).mean[:, 0]
    assert said[1] - said[0] == pytest.approx(30 / 15, abs=0.2)
    assert said[3] - said[2] == pytest.approx(30 / 15, abs=0.2)
    constant, atoms = model.terms(Molecules(("CCO",), np.array([[320]], np.float32)))
    assert (constant + atoms.sum(axis=0))[0] == pytest.approx(said[1], abs=1e-5)
    with pytest.raises(DataError, match="1 inputs"):
        model.predict(Molecules(("CCO",)))


def table_of(folder):
    path = folder / "table.csv"
    rows = [f"{name},{Crippen.MolLogP(Chem.MolFromSmiles(name)):.3f}" for name in NAMES[::2]]
    path.write_text("\n".join(["smiles,logP", *rows]))
    return path


@pytest.mark.slow
def test_beside_another_kind_it_screens_explains_teaches_and_improves(tmp_path):
    """Never by default. Begun with the weights that come with adiabat."""
    assert "additive" not in KINDS
    run, library = tmp_path / "run", tmp_path / "library.smi"
    kinds = ("mean", "forest", "additive")
    done = train_property(
        table_of(tmp_path), out=run, targets=["logP"], split="none", kinds=kinds, start=GENERAL
    )
    assert done.model.weights.sum() == pytest.approx(1.0)
    assert done.model.weights[list(done.model.members).index("additive"), 0] > 0.5
    assert done.model.summary["start"] == GENERAL
    library.write_text(
        "\n".join([*LARGER, *(f"C{name}" for name in NAMES), *(f"CC(C){name}" for name in NAMES)])
    )
    found = screen([run], library, out=tmp_path / "screen", top=3, explained=1, outside=True, workers=1)
    best = found.best.to_pylist()
    said = predict_properties(run, [row["smiles"] for row in best])
    for row, one in zip(best, said, strict=True):
        assert row["logP"] == pytest.approx(float(one["logP"]), abs=1e-4)
    assert "colored by what they bring to logP" in found.report.read_text(encoding="utf-8")
    (told,) = explain_properties(run, LARGER[0], out=tmp_path / "explanation.html")
    assert "own sum" in (tmp_path / "explanation.html").read_text(encoding="utf-8")
    assert told["smiles"] == LARGER[0]
    student = distill_property(run, library, out=tmp_path / "student.safetensors", molecules=400, workers=1)
    assert student.explained["logP"] > 0.8
    objectives, out = ["logP=minimize"], tmp_path / "improved"
    improved = optimize_by_models(
        ["CCCCCCCl"], models=[run], objectives=objectives, out=out, evaluations=60, outside=True
    )
    assert "what they bring to logP" in improved.report.read_text(encoding="utf-8")
