"""The learned potential says on a GPU what it says on the CPU."""

import equinox as eqx
import jax
import numpy as np
import pytest

from adiabat.networks import load_model
from adiabat.potentials import Prediction
from adiabat.system import System, neighbor_list
from adiabat.testing import PotentialChecks, systems

pytestmark = pytest.mark.gpu


class TestGeneralModel(PotentialChecks):
    """Trained weights: with random ones, half as large as those of double precision, rounding on a GPU leaves
    differences of energies that say little about forces."""

    single = True
    # Of the formula, not of the device; here the slopes that a third atom makes are as large as the bound.
    test_smooth_at_the_cutoff = None

    def potential(self):
        return load_model("general")

    def structures(self):
        return [systems.ethanol(0.05), systems.water(8)]


@pytest.mark.parametrize("system", [systems.ethanol(0.05), systems.water(64)], ids=["ethanol", "water"])
def test_the_numbers_are_those_of_the_cpu(system: System):
    here = call(system)
    with jax.default_device(jax.devices("cpu")[0]):
        there = call(system)
    np.testing.assert_allclose(here.forces, there.forces, rtol=0, atol=1e-5 * np.abs(there.forces).max())
    np.testing.assert_allclose(here.energy, there.energy, rtol=0, atol=1e-6 * system.n_atoms)
    if system.is_periodic:
        assert here.stress is not None
        np.testing.assert_allclose(here.stress, there.stress, rtol=0, atol=1e-5 * np.abs(there.stress).max())


def call(system: System) -> Prediction:
    """What the general model says, as host arrays."""
    model = load_model("general")
    found = eqx.filter_jit(lambda m, s, n: m(s, n))(model, system, neighbor_list(system, model.cutoff))
    return jax.tree.map(np.asarray, found)
