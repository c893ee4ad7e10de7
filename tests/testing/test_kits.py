"""The kits on what is known to be right, and on what is known to be wrong."""

import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.dynamics import Langevin, NoseHoover, VelocityVerlet
from adiabat.potentials import ZBL, AbstractPotential, LennardJones
from adiabat.testing import IntegratorChecks, PotentialChecks, systems


class TestSumOfLennardJones(PotentialChecks):
    def potential(self):
        return LennardJones(cutoff=5.0) + LennardJones(cutoff=4.0)


class TestZBL(PotentialChecks):
    def potential(self):
        return ZBL(scale=1.5)

    def structures(self):
        return [
            systems.ethanol(displacement=0.05),
            systems.silicon(displacement=0.1),
            systems.random_gas([6, 1, 8, 1, 1, 14], size=5.0),
        ]


class TestVelocityVerlet(IntegratorChecks):
    reversible = True
    order = 4

    def integrator(self, timestep, temperature):
        return VelocityVerlet(timestep=timestep, temperature=temperature)


class TestLangevin(IntegratorChecks):
    def integrator(self, timestep, temperature):
        return Langevin(timestep=timestep, temperature=temperature, friction=2e-4)


class TestNoseHoover(IntegratorChecks):
    def integrator(self, timestep, temperature):
        return NoseHoover(timestep=timestep, temperature=temperature, relaxation_time=500)


class Wrong(AbstractPotential):
    """Lennard-Jones with one of several mistakes."""

    mistake: str
    cutoff: float

    def __init__(self, mistake: str):
        self.mistake = mistake
        self.cutoff = 6.0

    def atom_energies(self, system, neighbors):
        right = LennardJones(cutoff=6.0, smooth=self.mistake != "jump").atom_energies(system, neighbors)
        match self.mistake:
            case "field":
                return right + 0.01 * system.positions[:, 0]
            case "order":
                return right * (1 + 0.1 * jnp.arange(system.n_atoms) / system.n_atoms)
            case "padding":
                return right + 0.001 * neighbors.max_neighbors
        return right


@pytest.mark.parametrize(
    ("mistake", "check"),
    [
        ("jump", "test_smooth_at_the_cutoff"),
        ("field", "test_translation_rotation_permutation"),
        ("order", "test_translation_rotation_permutation"),
        ("padding", "test_list_may_be_longer_or_wider"),
    ],
)
def test_mistakes_are_found(mistake, check):
    class Checks(PotentialChecks):
        def potential(self):
            return Wrong(mistake)

    with pytest.raises(AssertionError):
        getattr(Checks(), check)()


@pytest.mark.parametrize(
    "system", [systems.water(27), systems.ethanol(), systems.copper(), systems.argon(108)]
)
def test_systems_are_plausible(system):
    distances = np.linalg.norm(np.asarray(system.positions)[:, None] - np.asarray(system.positions), axis=-1)
    assert distances[np.triu_indices(len(distances), 1)].min() > 0.9


def test_water_has_the_density_of_water():
    box = systems.water(27)
    grams = np.asarray(box.masses).sum() / 6.02214076e23
    assert grams / (float(box.volume) * 1e-24) == pytest.approx(0.997, rel=1e-3)
