"""Numbers by GFN2-xTB, message passing that learns them, and models that begin with it or are given them."""

import json
from importlib import resources
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Crippen

import adiabat.properties
from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.base.archive import read_archive, write_archive
from adiabat.base.checkpoints import CheckpointStore
from adiabat.data.labelers.xtb import GFN2
from adiabat.properties import inputs
from adiabat.properties.graph_network import GraphEnsemble
from adiabat.properties.graph_training import Recipe
from adiabat.properties.graphs import joined
from adiabat.properties.message_passing import MessagePassing
from adiabat.properties.model import load_property_model
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import Labels
from adiabat.properties.pretrained import KIND, load_pretrained, save_pretrained
from adiabat.properties.pretraining import pretrain
from adiabat.properties.quantum import QUANTUM_NAMES, quantum
from adiabat.system import System
from adiabat.system.smiles import system_from_smiles
from adiabat.tasks import property_train
from adiabat.tasks.property_predict import predict_properties
from adiabat.tasks.property_pretrain import LABELS, pretrain_property
from adiabat.tasks.property_train import train_property

SMALL = Recipe(width=16, depth=2, epochs=4, batch_size=32, dropout=0.0)
NAMES = tuple(
    f"{head}{'C' * n}{tail}"
    for head in ("C", "N", "OC", "FC", "ClC", "O=C", "N#C", "c1ccccc1C")
    for n in range(6)
    for tail in ("O", "N", "F", "C(C)C", "C=C")
)


def leaves(messages):
    return jax.tree.leaves(eqx.filter(messages, eqx.is_array))


def without_quantum(names=NAMES):
    return Molecules(tuple(names)), np.full((len(names), len(QUANTUM_NAMES)), np.nan)


def said(smiles):
    return dict(zip(QUANTUM_NAMES, quantum(smiles), strict=True))


def test_what_xtb_says_of_molecules_is_chemistry():
    water, hexane, phenol = said("O"), said("CCCCCC"), said("c1ccccc1O")
    assert water["dipole"] == pytest.approx(0.46, abs=0.03)  # 2.2 D; measured 1.85
    assert hexane["dipole"] < 0.01
    # Measured free energies of hydration are -6.3, +2.5 and -6.6 kcal/mol, ALPB is two or three away.
    assert water["water"] == pytest.approx(-0.27, abs=0.15)
    assert hexane["water"] > -0.05 > phenol["water"]
    assert hexane["octanol"] < hexane["water"] - 0.1
    assert phenol["octanol"] < phenol["water"]
    assert phenol["gap"] == pytest.approx(phenol["lumo"] - phenol["homo"])
    assert 0 < phenol["gap"] < hexane["gap"]
    assert phenol["donor"] > 0.25 > 0.1 > hexane["donor"]
    assert phenol["acceptor"] < -0.3 < hexane["acceptor"] < 0


def test_what_xtb_cannot_treat_is_refused():
    ethanol = system_from_smiles("CCO")
    with pytest.raises(DataError, match=r"(?i)solvent"):
        GFN2().electronic(ethanol, ("wine",))
    with pytest.raises(UnsupportedError, match="closed shells"):
        GFN2().electronic(system_from_smiles("C[CH2]"))
    cell = System.create(ethanol.numbers, ethanol.positions, cell=np.eye(3) * 20, pbc=True)
    with pytest.raises(UnsupportedError, match=r"periodic|closed shells"):
        GFN2().electronic(cell)


def test_it_learns_what_it_is_taught_and_not_what_is_held_out():
    molecules, nothing = without_quantum()
    known = nothing.copy()
    known[:, QUANTUM_NAMES.index("dipole")] = molecules.descriptors[:, 0]  # some number of the molecule
    found = pretrain(molecules, known, recipe=SMALL._replace(epochs=20, width=32, learning_rate=4e-3))
    assert found.explained["dipole"] > 0.8
    assert "gap" not in found.explained
    held_out = np.random.default_rng(0).random(len(molecules)) < 0.05
    assert found.held_out == held_out.sum() > 5
    changed = known.copy()
    changed[held_out] += 100.0
    one, other = (pretrain(molecules, numbers, recipe=SMALL) for numbers in (known, changed))
    for a, b in zip(leaves(one.messages), leaves(other.messages), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(DataError, match="too few"):
        pretrain(*without_quantum(NAMES[:50]))


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path):
    molecules, nothing = without_quantum()

    def stop(done, *_):
        if done == 2:
            raise KeyboardInterrupt

    store = CheckpointStore(tmp_path, "pretraining")
    with pytest.raises(KeyboardInterrupt):
        pretrain(molecules, nothing, recipe=SMALL, on_epoch=stop, store=store)
    seen = []
    resumed = pretrain(
        molecules, nothing, recipe=SMALL, on_epoch=lambda done, *_: seen.append(done), store=store
    )
    whole = pretrain(molecules, nothing, recipe=SMALL)
    assert seen == [3, 4]
    for a, b in zip(leaves(resumed.messages), leaves(whole.messages), strict=True):
        np.testing.assert_array_equal(a, b)


def test_files(tmp_path):
    messages = MessagePassing(width=8, depth=3, key=jax.random.key(0))
    path = tmp_path / "own.safetensors"
    save_pretrained(path, messages, {"molecules": 7})
    found = load_pretrained(path)
    assert found.summary == {"molecules": 7}
    assert (found.messages.width, found.messages.depth) == (8, 3)
    for a, b in zip(leaves(found.messages), leaves(messages), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    arrays, header = read_archive(path, KIND)
    for change, match in (
        ({"features": [1, 2]}, "other features"),
        ({"width": 10**9}, "plausible"),
        ({"width": 9}, "expected"),
        ({"depth": "deep"}, r"cannot|can read"),
    ):
        write_archive(path, KIND, arrays, {**header, **change})
        with pytest.raises(DataError, match=match):
            load_pretrained(path)
    arrays[sorted(arrays)[0]][:] = np.nan
    write_archive(path, KIND, arrays, header)
    with pytest.raises(DataError, match="finite"):
        load_pretrained(path)
    with pytest.raises(DataError, match="cannot read"):
        load_pretrained(tmp_path / "none")


def test_what_comes_with_adiabat_knows_molecules_better_than_chance():
    """A straight line from its features, pooled over fewer molecules than features, to Crippen's logP."""
    found = load_pretrained("general")
    assert found.summary["r2"]["descriptors (median)"] > 0.9
    assert Path(str(resources.files(adiabat.properties) / "pretrained.safetensors")).stat().st_size < 3e6
    graphs = joined(Molecules(NAMES).graphs)
    logp = np.array([Crippen.MolLogP(Chem.MolFromSmiles(name)) for name in NAMES])
    learned, asked = np.arange(0, len(NAMES), 4), np.arange(2, len(NAMES), 4)

    def error(messages):
        pooled = np.asarray(messages(graphs), float)
        pooled = (pooled - pooled[learned].mean(axis=0)) / (pooled[learned].std(axis=0) + 1e-6)
        own, mean = pooled[learned], logp[learned].mean()
        weights = own.T @ np.linalg.solve(own @ own.T + np.eye(len(own)), logp[learned] - mean)
        return np.sqrt(np.mean((pooled[asked] @ weights + mean - logp[asked]) ** 2))

    width, depth = found.messages.width, found.messages.depth
    fresh = [error(MessagePassing(width=width, depth=depth, key=jax.random.key(k))) for k in range(3)]
    assert error(found.messages) < 0.8 * min(fresh)


def test_networks_begin_with_it():
    messages = MessagePassing(width=8, depth=4, key=jax.random.key(1))
    names, random = NAMES[:40], np.random.default_rng(0)
    labels = Labels(random.normal(size=(40, 1)), np.zeros((40, 1)), np.zeros(1, bool))
    still = SMALL._replace(learning_rate=0.0, epochs=1)
    model, _ = GraphEnsemble.fit(Molecules(names), labels, np.arange(40) % 3, recipe=still, start=messages)
    for a, b in zip(leaves(model.members.messages), leaves(messages), strict=True):
        np.testing.assert_array_equal(a, np.repeat(np.asarray(b, np.float32)[None], 6, axis=0))
    arrays, settings = model.stored()
    again = GraphEnsemble.restored(arrays, json.loads(json.dumps(settings)))
    np.testing.assert_array_equal(again.predict(Molecules(names)).mean, model.predict(Molecules(names)).mean)


@pytest.fixture
def run(tmp_path):
    """A run on the molecules, three of which must not be seen, of two of these only stereoisomers."""
    library, banned = tmp_path / "library.smi", tmp_path / "banned.csv"
    library.write_text("\n".join((*NAMES, "C[C@H](F)Cl", "CC(O)C=C", "not one", "CCO", "OCC")) + "\n")
    banned.write_text("smiles,value\nC[C@@H](F)Cl,1\nCCO,2\nnothing,3\nC[C@H](O)C=C,4\n")
    options = {"without": [banned], "quantum": 12, "epochs": 2, "width": 8, "workers": 1}
    found = pretrain_property(library, out=tmp_path / "run", **options)
    return found, library, options


def test_the_task(run, tmp_path):
    found, library, options = run
    assert found.summary["molecules"] == len({Chem.CanonSmiles(name) for name in NAMES} - {"CCO"})
    assert found.summary["quantum"] == 12
    labels = [json.loads(line) for line in (tmp_path / "run" / LABELS).read_text().splitlines()]
    assert len(labels) == 12
    for one in labels[:2]:
        np.testing.assert_allclose(one["values"], quantum(one["key"], 1), rtol=1e-6, atol=1e-6)
    assert load_pretrained(tmp_path / "run").summary["config"]["width"] == 8
    with pytest.raises(ConfigError, match="--force"):
        pretrain_property(library, out=tmp_path / "run", **options)
    with pytest.raises(ConfigError, match="width"):
        pretrain_property(library, out=tmp_path / "other", **{**options, "width": 0})


@pytest.fixture
def data(tmp_path):
    """Sixty molecules with values, and two that GFN2-xTB is not asked of."""
    path = tmp_path / "data.csv"
    rows = [f"{name},{n % 7}" for n, name in enumerate(NAMES[:60])]
    path.write_text("\n".join(("smiles,value", *rows, "CC[CH]C,3", "C[CH2],1")) + "\n")
    return path


@pytest.mark.slow
def test_models_begin_with_it(run, data, tmp_path):
    options = {"targets": ["value"], "split": "none", "kinds": ("graph",)}
    found = train_property(data, out=tmp_path / "model", start=tmp_path / "run", **options)
    assert found.model.members["graph"].members.messages.width == run[2]["width"]
    assert "began with" in found.report.read_text()
    with pytest.raises(DataError, match="cannot read"):
        train_property(data, out=tmp_path / "other", start=tmp_path / "missing", **options)


def test_models_are_given_what_xtb_says(data, tmp_path):
    options = {"targets": ["value"], "split": "none", "kinds": ("gaussian-process",)}
    found = train_property(data, out=tmp_path / "model", xtb=True, **options)
    assert [one.name for one in found.model.inputs] == ["GFN2-xTB"]
    rejected = (tmp_path / "model" / "rejected.csv").read_text()
    assert "closed shells" in rejected
    rows = predict_properties(tmp_path / "model", ["CCCO", "C[CH2]", "CCCN"])
    assert rows[0]["error"] == rows[2]["error"] == ""
    assert "closed shells" in rows[1]["error"]
    with pytest.raises(ConfigError, match="reactions"):
        train_property(data, out=tmp_path / "other", reaction="smiles", xtb=True, **options)


def test_what_xtb_said_is_not_asked_again(data, tmp_path, monkeypatch):
    """A training that was broken off, after the answers or among them, ends with the same model."""
    options = {"targets": ["value"], "split": "none", "kinds": ("gaussian-process",), "xtb": True}
    whole = train_property(data, out=tmp_path / "whole", **options)
    kept = (tmp_path / "whole" / "computed.jsonl").read_text().splitlines(keepends=True)
    assert len(kept) == len(whole.model.domain.smiles)

    def stop(*_, **__):
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(property_train, "fit_kind", stop)
        with pytest.raises(MemoryError):
            train_property(data, out=tmp_path / "run", **options)
    path = tmp_path / "run" / "computed.jsonl"
    assert path.read_text() == "".join(kept)
    path.write_text("".join(kept[:-1]) + kept[-1][:20])  # the last one is torn
    asked = []
    with monkeypatch.context() as counted:
        way = inputs.quantum
        counted.setitem(inputs._COMPUTED, "quantum", lambda text: asked.append(text) or way(text))
        found = train_property(data, out=tmp_path / "run", resume=True, **options)
    assert [text for text in asked if text in whole.model.domain.smiles] == [json.loads(kept[-1])["key"][8:]]
    arrays = [load_property_model(folder).domain.counts for folder in (whole.folder, found.folder)]
    np.testing.assert_array_equal(*arrays)
    assert (whole.folder / "predictions.csv").read_text() == (found.folder / "predictions.csv").read_text()
