"""Free-energy differences that quadrature gives: of the double well and the surface of Müller and Brown."""

import pytest
from tests.sampling.known_answers import KELVIN, THERMAL, Coordinate, walkers

from adiabat.sampling import OPES, Metadynamics, free_energy_difference
from adiabat.testing.surfaces import DoubleWell, MuellerBrown

pytestmark = pytest.mark.physics

X, Y = Coordinate(), Coordinate(1, "y")


def report(name, found, expected, unit):
    print(f"{name}: {found.value / unit:.3f} +- {found.error / unit:.3f}, exact {expected}; {found.verdict}")
    assert found.converged
    assert abs(found.value / unit - expected) < 3 * found.error / unit + 1e-3 * abs(expected)


def skipped(kind):
    """Frames of metadynamics are weighed with all hills of the end, which those of the first half had not
    felt."""
    return 0.5 if kind is Metadynamics else 0.2


@pytest.mark.parametrize("kind", [OPES, Metadynamics])
def test_double_well(kind):
    """4 (x^2 - 1)^2 + x / 2 at k_B T = 1, by sixteen walkers: the right well is 0.932417 higher."""
    options = {"barrier": 7 * THERMAL} if kind is OPES else {"height": 0.1 * THERMAL, "bias_factor": 6.0}
    bias = kind(variables=[X], widths=[0.12], every=100 if kind is OPES else 2000, shared=True, **options)
    starts = [[-1.0, 0, 0], [1.0, 0, 0]] * 8
    places, energies = walkers(DoubleWell(unit=THERMAL), bias, starts, 40_000 if kind is OPES else 80_000)
    x = places[..., 0]
    found = free_energy_difference(x < 0, x > 0, energies, KELVIN, skip=skipped(kind))
    report(f"double well, {bias.label}", found, 0.932417, THERMAL)
    assert found.error < 0.15 * THERMAL


@pytest.mark.parametrize("kind", [OPES, Metadynamics])
@pytest.mark.parametrize(("thermal", "expected"), [(10, 38.0428), (15, 38.2693), (20, 39.3964)])
def test_mueller_brown(kind, thermal, expected):
    """B (y < 0.25, x > 0.2) less A (y > 0.75), in units of the surface, by sixteen walkers."""
    unit = THERMAL / thermal
    if kind is OPES:
        options = {"barrier": 150 * unit, "every": 100}
    else:
        options = {"height": 0.3 * THERMAL, "bias_factor": 100 / thermal, "every": 500}
    bias = kind(variables=[X, Y], widths=[0.12, 0.12], shared=True, **options)
    starts = [[-0.558, 1.442, 0], [0.623, 0.028, 0]] * 8
    places, energies = walkers(MuellerBrown(unit=unit), bias, starts, 60_000)
    x, y = places[..., 0], places[..., 1]
    first, second = y > 0.75, (y < 0.25) & (x > 0.2)
    found = free_energy_difference(first, second, energies, KELVIN, skip=skipped(kind))
    report(f"Müller-Brown at {thermal}, {bias.label}", found, expected, unit)
    assert found.error < 0.25 * THERMAL
