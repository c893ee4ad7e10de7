"""Ensembles and integrators judged by `physical_validation` (Merz and Shirts 2018,
doi 10.1371/journal.pone.0202764): argon by Lennard-Jones, each thermostat and barostat.

Bars are those of the package's authors: three standard errors for distributions, a tenth for the order in the
timestep. `pip install physical_validation`; `pytest -m slow tests/dynamics/test_physical_validation.py`.
"""

import numpy as np
import pytest
from scipy.stats import norm

from adiabat.testing import argon
from adiabat.testing.ensembles import ensemble_slopes, kinetic_deviations

pytest.importorskip("physical_validation")

pytestmark = pytest.mark.slow


def assert_kinetic_energies(data):
    """The kinetic energy has the mean and the width of the canonical ensemble within three standard errors,
    and so have those of two halves of the atoms, whose four figures together are as unlikely beyond their
    bar as one is beyond three."""
    whole, halves = kinetic_deviations(data)
    print("kinetic energy:", np.round(whole, 2), "halves:", np.round(halves, 2))
    assert np.max(np.abs(whole)) < 3
    assert np.max(np.abs(halves)) < norm.isf(norm.sf(3) / halves.size)


@pytest.mark.parametrize("barostat", argon.BAROSTATS)
@pytest.mark.parametrize("thermostat", argon.THERMOSTATS)
def test_ensemble(thermostat, barostat):
    """The energies at two temperatures have a ratio of probabilities whose slope is the difference of 1/k_B T
    (Shirts 2013, doi 10.1021/ct300688p); at constant pressure energies and volumes at two temperatures and
    pressures. Both are replicas in one program."""
    data = argon.ensemble(thermostat, barostat)
    for one in data:
        assert_kinetic_energies(one)
    slopes = ensemble_slopes(*data)
    print(thermostat, barostat, "slopes:", np.round(slopes, 2))
    assert np.max(np.abs(slopes)) < 3


@pytest.mark.parametrize("integrator", argon.INTEGRATORS)
def test_order_in_the_timestep(integrator):
    """Second order within 10 %."""
    deviation = argon.order_in_the_timestep(integrator)
    print(integrator, "deviation from second order:", round(deviation, 3))
    assert deviation < 0.1
