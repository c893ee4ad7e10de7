"""Vibrations and what is drawn from them: known frequencies, equipartition, linear molecules, saddles."""

import numpy as np
import pytest

from adiabat.base.units import BOLTZMANN
from adiabat.data.labelers import labelers
from adiabat.generate import NormalModes, Surface, minima, normal_modes
from adiabat.system import System
from adiabat.system.smiles import system_from_smiles


def modes_of(smiles: str) -> tuple[Surface, NormalModes]:
    """The surface of GFN2 and the vibrations at its minimum."""
    surface = Surface(system_from_smiles(smiles), labelers.get("gfn2")(workers=1))
    lowest = minima(surface, np.array([surface.reference.positions]), n=1, fmax=1e-3)
    return surface, normal_modes(surface, lowest[0])


@pytest.fixture(scope="module")
def water() -> tuple[Surface, NormalModes]:
    return modes_of("O")


def test_frequencies_of_water(water):
    """GFN2-xTB as other programs report it: 1539, 3643 and 3652 cm^-1 (measured: 1595, 3657, 3756)."""
    np.testing.assert_allclose(water[1].wavenumbers, [1539, 3643, 3652], atol=6)


def test_heavy_water_vibrates_slower(water):
    """The product rule of Teller and Redlich, to the accuracy of the finite differences."""
    surface, modes = water
    heavy = System.create([8, 1, 1], modes.positions, masses=[15.999, 2.014, 2.014])
    shifted = normal_modes(Surface(heavy, surface.labeler), modes.positions)
    ratio = np.prod(shifted.wavenumbers / modes.wavenumbers)

    def inertia(masses: np.ndarray) -> float:
        centered = modes.positions - np.average(modes.positions, axis=0, weights=masses)
        tensor = np.einsum("n,nij->ij", masses, np.einsum("ni,nj->nij", centered, centered))
        return float(np.prod(np.linalg.eigvalsh(np.trace(tensor) * np.eye(3) - tensor)))

    light, heavier = modes.masses, np.asarray(heavy.masses)
    expected = np.sqrt(
        (light[1] / heavier[1]) ** 6 * (heavier.sum() / light.sum()) ** 3 * inertia(heavier) / inertia(light)
    )
    assert ratio == pytest.approx(expected, rel=2e-3)


def test_equipartition_is_exact_for_the_harmonic_energy(water):
    _, modes = water
    energies = modes.energy(modes.sample(300.0, 20_000, np.random.default_rng(0), max_amplitude=np.inf))
    expected = 3 * BOLTZMANN * 300 / 2
    error = expected * np.sqrt(2 / 3 / len(energies))
    assert energies.mean() == pytest.approx(expected, abs=4 * error)
    # ... and its distribution is a gamma distribution of shape 3/2, not just of that mean.
    assert energies.var() == pytest.approx(3 / 2 * (BOLTZMANN * 300) ** 2, rel=0.06)


def test_labels_agree_with_the_harmonic_energy_when_cold(water):
    surface, modes = water
    positions = modes.sample(5.0, 20, np.random.default_rng(1), max_amplitude=np.inf)
    energies, _ = surface(positions)
    lowest, _ = surface(modes.positions[None])
    np.testing.assert_allclose(energies - lowest, modes.energy(positions), rtol=0.12, atol=2e-6)


@pytest.mark.parametrize(
    ("smiles", "n_modes"), [("[H][H]", 1), ("O=C=O", 4), ("C#C", 7), ("N", 6), ("CO", 12)]
)
def test_number_of_modes(smiles, n_modes):
    """3N-6, and 3N-5 of a linear molecule."""
    assert len(modes_of(smiles)[1].curvatures) == n_modes


def test_modes_are_orthonormal_and_do_not_move_or_turn_the_molecule(water):
    _, modes = water
    flat = modes.modes.reshape(len(modes.modes), -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(3), atol=1e-10)
    root = np.sqrt(modes.masses)[:, None]
    np.testing.assert_allclose((modes.modes * root).sum(axis=1), 0, atol=1e-10)
    centered = modes.positions - np.average(modes.positions, axis=0, weights=modes.masses)
    np.testing.assert_allclose(np.cross(centered, modes.modes * root).sum(axis=1), 0, atol=1e-10)


def test_soft_modes_do_not_run_away():
    """A free rotor has no restoring force: its Gaussian would be infinitely wide."""
    masses = np.array([1.0, 1.0])
    modes = NormalModes(
        np.zeros((2, 3)), masses, np.array([1e-12]), np.array([[[1, 0, 0], [-1, 0, 0]]]) / np.sqrt(2)
    )
    moved = modes.sample(1000.0, 1000, np.random.default_rng(0), max_amplitude=0.15)
    assert np.std(moved[:, 0, 0]) == pytest.approx(0.15, rel=0.1)
