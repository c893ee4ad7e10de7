"""The model that comes with adiabat, on molecules it was not trained on."""

from itertools import combinations_with_replacement

import numpy as np
import pytest

from adiabat.data import Sample
from adiabat.data.labelers import labelers
from adiabat.generate import Surface
from adiabat.generate import relax as relax_by_labels
from adiabat.generate.molecules import distorted
from adiabat.networks import GENERAL, load_model
from adiabat.system import System
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
    """As large as on its own test molecules: 77 meV/Å, where the forces themselves are 1000 and more."""
    samples = labelers.get("gfn2")(workers=1).label(distorted(smiles, 12, seed=1))
    metrics = evaluate(general, samples).metrics
    size = 1e3 * np.sqrt(np.mean(np.concatenate([s.forces for s in samples]) ** 2))
    assert metrics["force_rmse_mev_per_ang"] < min(160.0, 0.15 * size)
    assert metrics["energy_rmse_mev_per_atom"] < 15.0


# Here the network's energy falls by 0.4 eV within the wall; a model that does not has to lose the entry.
DIPS = {(6, 6)}


@pytest.mark.parametrize("pair", list(combinations_with_replacement((1, 6, 7, 8, 9, 16, 17), 2)))
def test_there_is_no_hole_at_short_range(general, pair, request):
    """Two atoms pressed together to 0.2 Å. From where the repulsion ends, the energy never lies half an eV
    below all that is farther apart, and once it has risen by as much it rises all the way, by 20 eV at least.
    """
    if pair in DIPS:
        request.applymarker(pytest.mark.xfail(strict=True, reason="a dip of the network"))
    (end,) = (end for *ends, end in general.repulsion.ends if tuple(ends) == pair)
    outside, inside = np.arange(4.9, end, -0.05), np.arange(end, 0.2 - 1e-9, -0.01)
    pairs = [System.create(pair, [[0.0, 0, 0], [r, 0, 0]]) for r in (*outside, *inside)]
    found = evaluate(general, [Sample(system) for system in pairs]).energies
    farther, energies = np.split(found, [len(outside)])
    assert energies.min() > farther.min() - 0.5
    risen = np.flatnonzero(energies > np.minimum.accumulate(energies) + 0.5)
    assert np.all(np.diff(energies[risen[0] :]) > 0)
    assert energies[-1] > energies.min() + 20


@pytest.mark.parametrize("smiles", ["OO", "CS(C)=O", "CCO"])
def test_no_shaken_molecule_is_far_below_the_relaxed_one(general, smiles):
    """Atoms moved by 0.4 Å, so that some collide: without the floors one of the three falls by 64 keV."""
    molecule = relax(general, system_from_smiles(smiles)).system
    positions = np.asarray(molecule.positions)
    moves = np.random.default_rng(0).normal(scale=0.4, size=(300, *positions.shape))
    found = evaluate(general, [Sample(molecule.moved(positions + move)) for move in (0 * moves[0], *moves)])
    assert np.min(found.energies) > found.energies[0] - 3.0


def test_it_finds_the_shape_of_ethanol(general):
    """The heavy atoms' bonds and the O-H bond as GFN2 has them, within 0.01 Å."""
    start = system_from_smiles("CCO")
    found = np.asarray(relax(general, start).system.positions)
    surface = Surface(start, labelers.get("gfn2")(workers=1))
    own = relax_by_labels(surface, np.asarray(start.positions)[None]).positions[0]
    for first, second in ((0, 1), (1, 2), (2, 8)):
        lengths = [np.linalg.norm(x[first] - x[second]) for x in (found, own)]
        assert lengths[0] == pytest.approx(lengths[1], abs=0.01)
