"""Small synthetic runs whose numbers are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import molecule

from adiabat.system import System

ETHANOL = molecule("CH3CH2OH")
FORCE_ERROR, ENERGY_ERROR = 0.02, 0.005  # eV/Å, eV


def make_evaluation(n=60, seed=0):
    """Gaussian errors of known size on vibrating ethanol."""
    rng = np.random.default_rng(seed)
    shape = (n, len(ETHANOL), 3)
    positions = ETHANOL.positions + rng.normal(scale=0.05, size=shape)
    forces = rng.normal(scale=1.2, size=shape)
    energies = -4000 + rng.normal(scale=0.3, size=n)
    return SimpleNamespace(
        metrics={},
        systems=[System.create(ETHANOL.numbers, frame) for frame in positions],
        tags=[{"temperature": 300.0 if k % 2 else 600.0} for k in range(n)],
        n_atoms=np.full(n, len(ETHANOL)),
        reference_energies=energies,
        energies=energies + rng.normal(scale=ENERGY_ERROR, size=n),
        reference_forces=list(forces),
        forces=list(forces + rng.normal(scale=FORCE_ERROR, size=shape)),
    )


def make_trajectory(n=200, seed=0, temperature=300.0):
    """Vibrating ethanol with an energy that neither drifts nor is noiseless."""
    rng = np.random.default_rng(seed)
    freedom = 3 * len(ETHANOL) - 6
    kelvin = temperature * rng.chisquare(freedom, size=n) / freedom
    kinetic = 0.5 * freedom * 8.617333262e-5 * kelvin
    conserved = -4000 + rng.normal(scale=1e-5, size=n)
    return SimpleNamespace(
        positions=ETHANOL.positions + rng.normal(scale=0.04, size=(n, len(ETHANOL), 3)),
        cell=None,
        time=np.arange(n) * 5000.0,
        kinetic=kinetic,
        potential=conserved - kinetic,
        conserved=conserved,
        temperature=kelvin,
    )


HISTORY = [
    {
        "step": step,
        "minutes": step / 100,
        "loss": 10 / (1 + step),
        "learning_rate": 1e-3,
        "valid_force_rmse_mev_per_ang": 300 / (1 + step),
        "valid_energy_rmse_mev": None if step else float("nan"),
    }
    for step in range(0, 1000, 50)
]


@pytest.fixture
def evaluation():
    return make_evaluation()


@pytest.fixture
def trajectory():
    return make_trajectory()


@pytest.fixture
def history():
    return HISTORY
