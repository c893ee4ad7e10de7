"""Whether two runs have the same structure, and the temperature that steps of a length show."""

import numpy as np
import pytest
from benchmarks.respa import chance
from benchmarks.water import expected_temperature

from adiabat.dynamics import Langevin, run_dynamics
from adiabat.testing.springs import WAVENUMBER, protons


def blocks(random, shift=0.0, amount=6):
    """Curves whose bins are not independent, as those of a radial distribution."""
    waves = random.normal(size=(amount, 4)) @ np.sin(np.outer(np.arange(1, 5), np.linspace(0, 3, 40)))
    return 1.0 + 0.1 * waves + shift


def test_chance_of_a_difference():
    """Of the same distribution any share is as likely as another; what is shifted by three errors is seen."""
    random = np.random.default_rng(0)
    same = np.array([chance(blocks(random), blocks(random)) for _ in range(60)])
    assert np.mean(same) == pytest.approx(0.5, abs=4 / np.sqrt(12 * 60))
    assert np.mean(same < 0.1) < 0.25
    assert chance(blocks(random), blocks(random, shift=0.3)) < 0.01
    one = blocks(random)
    assert chance(one, one) == 1.0


def test_expected_temperature():
    """Of water at 0.5 fs, and of a proton on a spring of a stretch: what BAOAB shows."""
    assert expected_temperature(0.5) == pytest.approx(297.9, abs=0.05)
    system, potential = protons(200, 3500.0)
    langevin = Langevin(timestep=1.0, temperature=300, friction=0.1)
    run = run_dynamics(system, potential, langevin, steps=3000, record_every=5)
    shown = run.trajectory.observables["temperature"][50:].mean()
    omega = 3500.0 * WAVENUMBER * langevin.internal_timestep
    assert shown == pytest.approx(300 * (1 - omega**2 / 4), abs=2.0)
    assert 300 * omega**2 / 4 > 6.0
