"""What a learned potential makes of molecules, given to property models."""

import numpy as np
import pytest

from adiabat.base import ConfigError, UnsupportedError
from adiabat.networks import general_model
from adiabat.properties.distillation import check_teacher
from adiabat.properties.embedding import embedding, embedding_width
from adiabat.properties.filters import Filters
from adiabat.properties.inputs import encode
from adiabat.properties.library import Entry
from adiabat.properties.optimize import Objective
from adiabat.properties.screening import Screen, Wish
from adiabat.system import neighbor_list
from adiabat.system.smiles import conformers
from adiabat.tasks.property_predict import predict_properties
from adiabat.tasks.property_train import train_property

ACIDS = [f"{'C' * n}{end}" for n in range(2, 10) for end in ("C(=O)O", "O", "N", "F", "")]


def test_it_does_not_depend_on_how_a_molecule_is_written():
    one, same, other = (np.array(embedding(text)) for text in ("CCO", "OCC", "CCN"))
    assert len(one) == embedding_width()
    np.testing.assert_allclose(one, same, rtol=0, atol=1e-4)
    assert np.abs(one - other).max() > 0.05
    with pytest.raises(UnsupportedError, match="Br"):
        embedding("CCBr")


def test_features_of_atoms_are_those_that_energies_are_read_from():
    """They turn with the structure as energies do: not at all."""
    potential, (system,) = general_model(), conformers("CC(=O)N", 1)
    turned = system.moved(np.asarray(system.positions) @ np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]))
    found = [potential.atom_features(one, neighbor_list(one, potential.cutoff)) for one in (system, turned)]
    np.testing.assert_allclose(*found, rtol=0, atol=2e-5)
    species = potential.species(system)
    said = potential.network.readout(found[0])[:, 0] + potential.network.shift[species]
    energies = np.asarray(potential.references)[species] + float(potential.scale) * np.asarray(said)
    expected = potential.atom_energies(system, neighbor_list(system, potential.cutoff))
    np.testing.assert_allclose(energies, expected, rtol=0, atol=0.01)  # without the repulsion


def test_models_are_given_it(tmp_path):
    """Molecules that the potential does not know are left out, in training and later."""
    data = tmp_path / "data.csv"
    rows = [f"{text},{len(text) + 0.1 * (k % 3)}" for k, text in enumerate([*ACIDS, "CCBr"])]
    data.write_text("\n".join(["smiles,value", *rows]))
    options = {"targets": ["value"], "split": "none", "kinds": ("gaussian-process",)}
    found = train_property(data, out=tmp_path / "model", embedding=True, **options)
    (given,) = found.model.inputs
    assert given.name == "learned potential"
    assert "Br" in (tmp_path / "model" / "rejected.csv").read_text()
    known, unknown = predict_properties(tmp_path / "model", ["CCCO", "CCBr"])
    assert known["error"] == ""
    assert "Br" in unknown["error"]
    # Screening computes it as well, so that a student can learn from such a model.
    wish = Wish((Objective("value"),), np.ones(1), 1.0)
    table = Screen([found.model], Filters(), wish, 0.9)([Entry(1, "CCBr"), Entry(2, "CCCO")])
    assert table["error"].to_pylist() == [unknown["error"], ""]
    assert table["value"][1].as_py() == pytest.approx(float(known["value"]), rel=1e-5)
    check_teacher(found.model)
    with pytest.raises(ConfigError, match="another learned potential"):
        encode([given._replace(levels=("0" * 16,))], {given.name: ["CCCO"]}, 1)
    with pytest.raises(ConfigError, match="reactions"):
        train_property(data, out=tmp_path / "other", reaction="smiles", embedding=True, **options)
