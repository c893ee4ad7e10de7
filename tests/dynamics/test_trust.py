"""A warning where a model was asked about what it knows nothing of."""

import logging

import equinox as eqx
import numpy as np
import pytest

from adiabat.dynamics import Langevin
from adiabat.io import write_extxyz
from adiabat.networks import general_model
from adiabat.potentials import LennardJones
from adiabat.tasks.predict import predict
from adiabat.tasks.relax import relax
from adiabat.tasks.simulate import simulate
from adiabat.testing import systems


def raised(by: float):
    """The general model as if all oxygen of its training set had had more energy [eV]."""
    general = general_model()
    oxygen = np.array([by / float(general.scale) if z == 8 else 0.0 for z in general.elements], np.float32)
    return eqx.tree_at(lambda p: p.floors, general, np.asarray(general.floors) + oxygen)


@pytest.mark.parametrize("by", [0.0, 6.0])
@pytest.mark.parametrize("task", ["predict", "relax", "simulate"])
def test_atoms_far_below_all_of_the_training_set_are_named(task, by, tmp_path, caplog):
    potential, ethanol = raised(by), systems.ethanol()
    with caplog.at_level(logging.WARNING):
        if task == "predict":
            write_extxyz(tmp_path / "two.xyz", [systems.ethanol(displacement=0.02), ethanol])
            predict(potential, tmp_path / "two.xyz", out=tmp_path / "out.xyz")
        elif task == "relax":
            relax(potential, ethanol)
        else:
            simulate(ethanol, potential, Langevin(temperature=300, timestep=0.5), steps=20)
    oxygen = list(np.asarray(ethanol.numbers)).index(8)
    assert (f"the energies of atoms O{oxygen} are far below" in caplog.text) == (by > 0)
    if by and task == "predict":
        assert "structure 0 (the first of 2 such)" in caplog.text


def test_a_formula_is_never_in_doubt(caplog):
    argon = systems.argon_cluster(13)
    with caplog.at_level(logging.WARNING):
        simulate(argon, LennardJones(epsilon=0.0104, sigma=3.4, cutoff=6.0), Langevin(), steps=5)
    assert not caplog.records
