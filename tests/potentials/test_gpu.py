"""Each classical potential says on a GPU what it says on the CPU, to rounding in double precision."""

import equinox as eqx
import jax
import numpy as np
import pytest

from adiabat.potentials import (
    PME,
    AbstractPotential,
    Ewald,
    LennardJones,
    LennardJonesMixture,
    Morse,
    Prediction,
    StillingerWeber,
)
from adiabat.system import System, neighbor_list
from adiabat.testing import systems

pytestmark = pytest.mark.gpu

ARGON, SALT = systems.argon(108, displacement=0.2), systems.random_gas([11, 17] * 10, size=14.0)
COPPER = systems.copper(2, displacement=0.1)
SILICON = systems.silicon(displacement=0.2)
CHARGES = {11: 1.0, 17: -1.0}
CASES = {
    "Lennard-Jones": (LennardJones(), ARGON),
    "mixture": (LennardJonesMixture(kinds={11: (0.01, 2.4), 17: (0.02, 3.6)}), SALT),
    "Morse": (Morse(), COPPER),
    "Stillinger-Weber": (StillingerWeber(), SILICON),
    "Ewald": (Ewald(charges=CHARGES, cell=SALT.cell), SALT),
    "PME": (PME(charges=CHARGES, cell=SALT.cell, accuracy=1e-4), SALT),
}


def call(potential: AbstractPotential, system: System) -> Prediction:
    found = eqx.filter_jit(lambda p, s, n: p(s, n))(
        potential, system, neighbor_list(system, potential.cutoff)
    )
    return jax.tree.map(np.asarray, found)


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_the_cpu(name: str):
    here = call(*CASES[name])
    with jax.default_device(jax.devices("cpu")[0]):
        there = call(*CASES[name])
    largest = np.abs(there.forces).max()
    assert largest > 1e-3
    np.testing.assert_allclose(here.forces, there.forces, rtol=0, atol=1e-10 * largest)
    np.testing.assert_allclose(here.energy, there.energy, rtol=1e-11)
    assert there.stress is not None
    np.testing.assert_allclose(here.stress, there.stress, rtol=0, atol=1e-10 * np.abs(there.stress).max())
