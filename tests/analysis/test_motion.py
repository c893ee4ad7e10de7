"""Diffusion, correlation functions and spectra of motions whose answer is known in closed form."""

import numpy as np
import pytest
import scipy.constants
from scipy.signal import lfilter

from adiabat import analysis
from adiabat.base import DataError, UnsupportedError
from adiabat.base.units import BOLTZMANN

PER_CM = scipy.constants.c * 1e-13  # 1/cm in oscillations per fs
AMU = scipy.constants.atomic_mass / scipy.constants.e * 1e10  # amu Å^2/fs^2 in eV


def brownian(n_frames, n_atoms, step, friction, thermal, seed=0):
    """Velocities [Å/fs] of free Langevin particles, <v_x^2> = `thermal`, and the positions [Å]."""
    phi = np.exp(-friction * step)
    noise = np.sqrt(thermal) * np.random.default_rng(seed).normal(size=(n_frames, n_atoms, 3))
    noise[1:] *= np.sqrt(1 - phi**2)
    velocities = lfilter([1.0], [1.0, -phi], noise, axis=0)
    return velocities, np.cumsum(velocities * step, axis=0)


def test_velocities_and_displacements_give_the_same_diffusion():
    friction, thermal, step = 0.02, 1e-4, 5.0
    velocities, positions = brownian(10_000, 60, step, friction, thermal)
    phi = np.exp(-friction * step)
    exact = thermal * step * (1 + phi) / (2 * (1 - phi)) * 0.1  # of the discrete process; cm^2/s
    assert exact == pytest.approx(thermal / friction * 0.1, rel=0.01)
    time = step * np.arange(10_000)
    for found in (
        analysis.green_kubo_diffusion(time, velocities),
        analysis.diffusion_coefficient(time, positions),
    ):
        assert found.mean == pytest.approx(exact, rel=0.08)
        assert abs(found.mean - exact) < 4 * found.error
    decay = analysis.velocity_autocorrelation(velocities, 40)
    np.testing.assert_allclose(decay, 3 * thermal * phi ** np.arange(40), atol=0.03 * 3 * thermal)


def test_both_diffusion_coefficients_see_velocities_that_reverse():
    """Steps at random, of which a part is taken back within a picosecond: free at first, and slow at last."""
    rng, step, n = np.random.default_rng(0), 10.0, 6000
    free, caged, memory = 2e-3, 5e-4, 800.0  # Å^2/fs at first and at last, and the time between [fs]
    phi = np.exp(-step / memory)
    noise = rng.normal(size=(n, 100, 3)) * np.sqrt(2 * free * step)
    back = (1 - np.sqrt(caged / free)) * lfilter([1 - phi], [1.0, -phi], noise, axis=0)
    moved = noise - np.concatenate([np.zeros((1, 100, 3)), back[:-1]])
    time = step * np.arange(n)
    exact = caged * 0.1
    for found in (
        analysis.green_kubo_diffusion(time, moved / step),
        analysis.diffusion_coefficient(time, np.cumsum(moved, axis=0)),
    ):
        assert found.mean == pytest.approx(exact, rel=0.1)
        assert abs(found.mean - exact) < 4 * found.error


def test_an_autocorrelation_equals_its_definition():
    velocities = np.random.default_rng(0).normal(size=(25, 4, 3)) + 0.3
    direct = [np.mean(np.sum(velocities[k:] * velocities[: 25 - k], axis=2)) for k in range(12)]
    np.testing.assert_allclose(analysis.velocity_autocorrelation(velocities), direct, atol=1e-12)


def test_the_correction_of_yeh_and_hummer():
    """216 waters at 298 K: 18.6 Å and 0.90 mPa s give 0.37e-5 cm^2/s (kT xi / 6 pi eta L)."""
    cell = np.eye(3) * 18.6
    found = analysis.finite_size_correction(cell, 298.0, 0.90)
    by_hand = 1.380649e-23 * 298 * 2.837297 / (6 * np.pi * 0.90e-3 * 18.6e-10) * 1e4
    assert found == pytest.approx(by_hand, rel=1e-9)
    assert found == pytest.approx(0.37e-5, rel=0.02)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert analysis.finite_size_correction(cell @ turned, 298.0, 0.90) == pytest.approx(found)
    with pytest.raises(UnsupportedError, match="cubic"):
        analysis.finite_size_correction(np.diag([18.0, 18.0, 30.0]), 298.0, 0.90)
    with pytest.raises(DataError, match="above zero"):
        analysis.finite_size_correction(cell, 298.0, 0.0)


def test_density_of_states_of_harmonic_oscillators():
    """Peaks at the frequencies, and as many states as degrees of freedom, whatever the mass."""
    rng, step = np.random.default_rng(0), 2.0
    time = step * np.arange(20_000)
    wavenumbers, masses = np.repeat([400.0, 1600.0, 3100.0], [1, 1, 1]), np.array([1.0, 16.0])
    velocities = np.zeros((len(time), 2, 3))
    for atom, mass in enumerate(masses):
        frequency = 2 * np.pi * PER_CM * wavenumbers
        velocities[:, atom] = np.cos(frequency * time[:, None] + rng.uniform(0, 6, 3)) / np.sqrt(mass)
    found = analysis.vibrational_density_of_states(time, velocities, masses)
    np.testing.assert_allclose(found.peaks(), wavenumbers, atol=found.resolution)
    assert found.resolution == pytest.approx(8.0, rel=0.02)
    assert found.highest == pytest.approx(0.5 / step / PER_CM, rel=1e-6)
    assert np.trapezoid(found.density, found.wavenumber) == pytest.approx(6.0, rel=1e-3)
    for center in wavenumbers:  # one state of each atom
        near = np.abs(found.wavenumber - center) < 60
        assert np.trapezoid(found.density[near], found.wavenumber[near]) == pytest.approx(2.0, rel=0.01)
    # A line of an undamped oscillator is as wide as is said.
    line = found.density > found.density.max() / 2
    assert 1 <= line.sum() <= 3 * len(wavenumbers)


def test_zero_of_the_density_of_states_is_diffusion():
    """D(0) = 12 c m D / kT for three dimensions, here in numbers of a Langevin particle."""
    friction, thermal, step = 0.02, 1e-4, 5.0
    velocities, _ = brownian(20_000, 40, step, friction, thermal, seed=1)
    found = analysis.vibrational_density_of_states(step * np.arange(20_000), velocities, np.ones(40))
    phi = np.exp(-friction * step)
    two_sided = step * (1 + phi) / (1 - phi)  # of unit variance, by frequency [fs]
    exact = 3 * 40 * 2 * two_sided * PER_CM
    near = (found.wavenumber > 0) & (found.wavenumber < 25)
    assert found.density[near].mean() == pytest.approx(exact, rel=0.05)
    inside = np.abs(found.density[near] - exact) < 3 * found.error[near]
    assert inside.mean() > 0.8


def test_errors_of_a_spectrum_shrink_with_the_length():
    def error(n):
        velocities, _ = brownian(n, 5, 5.0, 0.02, 1e-4, seed=3)
        found = analysis.vibrational_density_of_states(
            5.0 * np.arange(n), velocities, np.ones(5), resolution=40
        )
        return found.error[2:20].mean()

    assert error(32_000) / error(2_000) == pytest.approx(0.25, rel=0.25)


def test_infrared_intensity_of_a_charged_oscillator():
    """A = N_A q^2 / (12 eps0 c^2 m) for each direction that a charge q of mass m oscillates along."""
    kelvin, mass, charge, step = 300.0, 2.0, 0.4, 1.0
    time = step * np.arange(30_000)
    frequency = 2 * np.pi * PER_CM * 1850.0
    amplitude = np.sqrt(2 * BOLTZMANN * kelvin / (mass * AMU)) / frequency  # <v^2> = kT/m
    dipoles = np.zeros((len(time), 3))
    dipoles[:, 1] = 5.0 + charge * amplitude * np.cos(frequency * time)
    found = analysis.infrared_spectrum(time, dipoles, kelvin)
    assert found.peaks() == pytest.approx([1850.0], abs=found.resolution)
    debye_per_angstrom = charge / (1e-11 / (scipy.constants.c * scipy.constants.e))
    exact = 42.2561 * debye_per_angstrom**2 / mass  # km/mol, the textbook's conversion
    assert np.trapezoid(found.density, found.wavenumber) == pytest.approx(exact, rel=2e-3)


def test_what_cannot_be_a_spectrum_is_refused():
    velocities = np.ones((200, 2, 3))
    with pytest.raises(DataError, match="at least 64 frames"):
        analysis.vibrational_density_of_states(np.arange(20.0), velocities[:20], np.ones(2))
    with pytest.raises(DataError, match="evenly spaced"):
        analysis.vibrational_density_of_states(np.arange(200.0) ** 2, velocities, np.ones(2))
    with pytest.raises(DataError, match="not all zero"):
        analysis.vibrational_density_of_states(np.arange(200.0), 0 * velocities, np.ones(2))
    with pytest.raises(DataError, match="finite dipoles"):
        analysis.infrared_spectrum(np.arange(200.0), np.full((200, 3), np.nan), 300.0)


def test_long_trajectories_take_seconds():
    """Memory and time of 20,000 frames of 50 atoms: a tenth of what a long run has."""
    import resource
    import time as clock

    velocities = np.random.default_rng(0).normal(size=(20_000, 50, 3)).astype(np.float32)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, clock.process_time()
    analysis.velocity_autocorrelation(velocities)
    analysis.mean_squared_displacement(velocities)
    analysis.vibrational_density_of_states(np.arange(20_000.0), velocities, np.ones(50))
    assert clock.process_time() - start < 5
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 64 + 3 * velocities.nbytes * 2 / 2**20 + 60  # MB
