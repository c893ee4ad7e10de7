"""Free-energy differences that quadrature gives: of the double well and the surface of Müller and Brown."""

import numpy as np
import pytest

from adiabat.sampling import OPES, Metadynamics
from adiabat.testing.free_energies import DOUBLE_WELL, MUELLER_BROWN, THERMAL, double_well, mueller_brown

pytestmark = pytest.mark.physics


def check(name, found, expected, unit):
    print(f"{name}: {found.value / unit:.3f} +- {found.error / unit:.3f}, exact {expected}; {found.verdict}")
    assert found.converged
    assert abs(found.value / unit - expected) < 3 * found.error / unit


@pytest.mark.device
@pytest.mark.parametrize("kind", [OPES, Metadynamics])
def test_double_well(kind):
    """By sixteen walkers."""
    found = double_well(kind)
    check(f"double well, {kind.__name__}", found, DOUBLE_WELL, THERMAL)
    assert found.error < 0.03 * THERMAL


def test_errors_are_the_scatter_of_runs():
    """Of short ones with other seeds: of sixteen the scatter is known to a fifth."""
    each = [mueller_brown(OPES, 15, steps=60_000, seed=seed) for seed in range(16)]
    scatter = np.std([one.value for one in each], ddof=1)
    stated = np.sqrt(np.mean([one.error**2 for one in each]))
    print(f"scatter {scatter / THERMAL:.3f}, stated {stated / THERMAL:.3f} k_B T")
    assert 0.5 * scatter < stated < 2 * scatter


@pytest.mark.parametrize("kind", [OPES, Metadynamics])
@pytest.mark.parametrize("thermal", MUELLER_BROWN)
def test_mueller_brown(kind, thermal):
    """By sixteen walkers."""
    found = mueller_brown(kind, thermal)
    check(f"Müller-Brown at {thermal}, {kind.__name__}", found, MUELLER_BROWN[thermal], THERMAL / thermal)
    assert found.error < 0.5 * THERMAL / thermal
