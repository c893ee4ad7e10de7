"""The model that comes with adiabat, on molecules it was not trained on."""

import numpy as np
import pytest

from adiabat.data.labelers import labelers
from adiabat.generate import Surface
from adiabat.generate import relax as relax_by_labels
from adiabat.generate.molecules import distorted
from adiabat.networks import GENERAL, load_model
from adiabat.system.smiles import system_from_smiles
from adiabat.tasks.relax import relax
from adiabat.training import evaluate


@pytest.fixture(scope="module")
def general():
    return load_model(GENERAL)


def test_it_knows_organic_molecules(general):
    assert general.elements == (1, 6, 7, 8, 9, 16, 17)
    assert general.summary["training"]["method"] == "gfn2"


@pytest.mark.parametrize("smiles", ["CC(=O)C=C(C)O", "CCO"])
def test_forces_on_molecules_left_out_of_its_training(general, smiles):
    """As large as on its own test molecules: 63 meV/Å, where the forces themselves are 1000 and more."""
    samples = labelers.get("gfn2")(workers=1).label(distorted(smiles, 12, seed=1))
    metrics = evaluate(general, samples).metrics
    size = 1e3 * np.sqrt(np.mean(np.concatenate([s.forces for s in samples]) ** 2))
    assert metrics["force_rmse_mev_per_ang"] < min(160.0, 0.15 * size)
    assert metrics["energy_rmse_mev_per_atom"] < 15.0


def test_it_finds_the_shape_of_ethanol(general):
    """The heavy atoms' bonds and the O-H bond as GFN2 has them, within 0.01 Å."""
    start = system_from_smiles("CCO")
    found = np.asarray(relax(general, start).system.positions)
    surface = Surface(start, labelers.get("gfn2")(workers=1))
    own = relax_by_labels(surface, np.asarray(start.positions)[None]).positions[0]
    for first, second in ((0, 1), (1, 2), (2, 8)):
        lengths = [np.linalg.norm(x[first] - x[second]) for x in (found, own)]
        assert lengths[0] == pytest.approx(lengths[1], abs=0.01)
