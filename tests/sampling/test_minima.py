"""Minima of surfaces whose minima and passes are known."""

import numpy as np
import pytest

from adiabat.base.units import BOLTZMANN
from adiabat.sampling import FreeEnergyProfile, free_energy_minima, free_energy_profile
from adiabat.system import System
from adiabat.testing.surfaces import MuellerBrown

KELVIN = 300.0
THERMAL = BOLTZMANN * KELVIN


def surface(axes, function, error=0.0):
    """A free energy without noise, in k_B T."""
    values = function(*np.meshgrid(*axes, indexing="ij"))
    values = THERMAL * (values - values.min())
    return FreeEnergyProfile(tuple(axes), values, np.full(values.shape, THERMAL * error), 1.0, True, "")


def middles(low, high, n):
    edges = np.linspace(low, high, n + 1)
    return 0.5 * (edges[1:] + edges[:-1])


def mueller_brown(x, y):
    """A unit of its authors is 0.2 k_B T."""
    places = np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3)
    system = System.create([6] * len(places), places)
    return 0.2 * np.asarray(MuellerBrown().atom_energies(system, None)).reshape(x.shape)


def test_mueller_brown():
    """Müller and Brown 1979: minima at -146.70, -108.17 and -80.77, passes at -40.66 and -72.25."""
    axes = middles(-1.6, 1.2, 140), middles(-0.4, 2.0, 120)
    found = free_energy_minima(surface(axes, mueller_brown), KELVIN, [None, None])
    assert np.array([one.at for one in found]) == pytest.approx(
        np.array([[-0.558, 1.442], [0.623, 0.028], [-0.050, 0.467]]), abs=0.025
    )
    depths = np.array([one.free_energy for one in found]) / THERMAL
    assert depths == pytest.approx(0.2 * np.array([0.0, 146.70 - 108.17, 146.70 - 80.77]), abs=0.1)
    exits = np.array([one.exit for one in found]) / THERMAL
    assert exits == pytest.approx(0.2 * np.array([np.inf, 146.70 - 40.66, 146.70 - 72.25]), abs=0.2)


def test_a_minimum_at_the_end_of_a_period_is_one():
    """-3 cos x has its minimum at 0, 3 cos x the one at pi, which is also that at -pi."""
    for sign, at in ((-1, 0), (1, np.pi)):
        profile = surface(
            [middles(-np.pi, np.pi, 37)] * 2, lambda x, y, s=sign: 3 * s * (np.cos(x) + np.cos(y))
        )
        around = free_energy_minima(profile, KELVIN, [2 * np.pi] * 2)
        assert [np.abs(one.at) for one in around] == [pytest.approx([at, at], abs=0.1)]
        apart = free_energy_minima(profile, KELVIN, [None, None])
        assert len(apart) == (1 if sign < 0 else 4)
        assert all(one.exit == pytest.approx(12 * THERMAL / 2, rel=0.02) for one in apart[1:])


def test_dips_that_are_not_known_to_be_are_none():
    """A second well of 2 k_B T below its barrier, both known to 0.4 or to 0.5; and one of half a k_B T."""

    def wells(x, y, height=2.0):
        return height * (x**2 - 1) ** 2 + 0.001 * x + y**2

    axes = middles(-1.5, 1.5, 31), middles(-1, 1, 21)
    for error, height, count in ((0.4, 2.0, 2), (0.5, 2.0, 1), (0.0, 0.5, 1)):
        profile = surface(axes, lambda x, y, h=height: wells(x, y, h), error)
        assert len(free_energy_minima(profile, KELVIN, [None, None])) == count


def test_noise_of_fine_bins_has_no_minima():
    """Two wells some 3 k_B T below their pass, of independent frames. By the error of the bottom alone there
    were three in 100 bins and four in 200: some among scarcely visited ones, and islands among empty ones."""
    random = np.random.default_rng(0)
    axes = middles(-1.7, 1.7, 400), middles(-1.5, 1.5, 400)
    height = np.add.outer(3 * (axes[0] ** 2 - 1) ** 2 + 0.3 * axes[0], 3 * axes[1] ** 2)
    weights = np.exp(-height).ravel() / np.exp(-height).sum()
    places = np.unravel_index(random.choice(weights.size, 40_000, p=weights), height.shape)
    values = np.stack([axis[place] for axis, place in zip(axes, places, strict=True)], axis=1)
    for bins, fewest in ((20, 2), (40, 2), (100, 2), (200, 1)):
        profile = free_energy_profile(values, np.zeros(len(values)), KELVIN, bins=bins, skip=0.0)
        found = free_energy_minima(profile, KELVIN, [None, None])
        assert fewest <= len(found) <= 2
        np.testing.assert_allclose([np.abs(one.at) for one in found], [[1, 0]] * len(found), atol=0.2)


def test_places_that_nothing_leads_to():
    """A second well beyond bins without frames has no way out; one whose error is unknown is none."""
    axes = middles(-1.5, 1.5, 31), middles(-1, 1, 21)
    profile = surface(
        axes, lambda x, y: np.where(np.abs(x) < 0.3, np.inf, 4 * (x**2 - 1) ** 2 + 0.1 * x + y**2)
    )
    found = free_energy_minima(profile, KELVIN, [None, None])
    assert [one.exit for one in found] == [np.inf, np.inf]
    assert found[1].free_energy == pytest.approx(0.2 * THERMAL, rel=0.1)
    profile.error[
        np.unravel_index(
            np.argmin(np.where(axes[0][:, None] > 0, profile.free_energy, np.inf)), profile.error.shape
        )
    ] = np.inf
    assert len(free_energy_minima(profile, KELVIN, [None, None])) == 1
