"""Vibrations in the harmonic approximation, and geometries drawn from their Boltzmann distribution."""

from dataclasses import dataclass

import numpy as np
from scipy import constants

from adiabat.base import ConvergenceError
from adiabat.base.units import BOLTZMANN, FEMTOSECOND
from adiabat.generate.surface import Array, Surface
from adiabat.system.mechanics import MolecularMechanics

# Step of the finite differences [Å]: the forces' noise of 1e-5 eV/Å and their third derivative both stay
# below 0.1 %.
STEP = 0.005
# A soft mode is a curve, a torsion as a rule; along the straight line that a normal coordinate is, no atom is
# to move farther than this in one standard deviation [Å].
MAX_AMPLITUDE = 0.15
_WAVENUMBER = (
    FEMTOSECOND * 1e15 / (2 * np.pi * constants.c * 100)
)  # cm^-1 of an angular frequency in internal units


@dataclass(frozen=True)
class NormalModes:
    """The vibrations about one geometry.

    Attributes:
        positions: the geometry [Å], shape (n_atoms, 3).
        masses: [amu], shape (n_atoms,).
        curvatures: squared angular frequencies [eV/(amu Å^2)], ascending, shape (n_modes,); negative along a
            saddle.
        modes: orthonormal in mass-weighted coordinates, shape (n_modes, n_atoms, 3).
    """

    positions: Array
    masses: Array
    curvatures: Array
    modes: Array

    @property
    def wavenumbers(self) -> Array:
        """[cm^-1]; an imaginary frequency is given as a negative number."""
        return np.sign(self.curvatures) * np.sqrt(np.abs(self.curvatures)) * _WAVENUMBER

    def sample(
        self, temperature: float, n: int, rng: np.random.Generator, max_amplitude: float = MAX_AMPLITUDE
    ) -> Array:
        """`n` geometries [Å] of classical harmonic oscillators at `temperature` [K], shape (n, n_atoms, 3).

        Each mass-weighted coordinate is Gaussian with variance kT/omega^2 (curvature by its magnitude along a
        saddle), its width limited so that no atom moves farther than `max_amplitude` [Å] in a standard
        deviation.
        """
        cartesian = self.modes / np.sqrt(self.masses)[:, None]
        widest = np.linalg.norm(cartesian, axis=2).max(axis=1, initial=1e-12)
        with np.errstate(divide="ignore"):
            thermal = np.sqrt(BOLTZMANN * temperature / np.abs(self.curvatures))
        width = np.minimum(thermal, max_amplitude / widest)
        amplitudes = rng.normal(size=(n, len(width))) * width
        return self.positions + np.einsum("km,mai->kai", amplitudes, cartesian)

    def energy(self, positions: Array) -> Array:
        """Harmonic energy [eV] of geometries (k, n_atoms, 3), without rotation from the reference."""
        weighted = (positions - self.positions) * np.sqrt(self.masses)[:, None]
        amplitudes = np.einsum("kai,mai->km", weighted, self.modes)
        return 0.5 * amplitudes**2 @ self.curvatures


def normal_modes(surface: Surface | MolecularMechanics, positions: Array, step: float = STEP) -> NormalModes:
    """The vibrations about `positions` (n_atoms, 3), by central differences of the forces.

    That takes 6 n_atoms evaluations. Translations and rotations (two of a linear molecule) are projected out:
    3 n_atoms - 6 (or 5) modes are left.

    Raises:
        ConvergenceError: the method fails on one of the displaced geometries.
    """
    n_atoms = surface.n_atoms
    shifts = np.eye(3 * n_atoms).reshape(-1, n_atoms, 3) * step
    _, forces = surface(np.concatenate([positions + shifts, positions - shifts]))
    if not np.isfinite(forces).all():
        raise ConvergenceError("the reference method fails next to this minimum; it has no normal modes")
    plus, minus = forces.reshape(2, 3 * n_atoms, 3 * n_atoms)
    hessian = (minus - plus) / (2 * step)
    masses = np.asarray(surface.reference.masses, dtype=np.float64)
    inverse_root = np.repeat(1 / np.sqrt(masses), 3)
    weighted = 0.5 * (hessian + hessian.T) * inverse_root[:, None] * inverse_root
    basis = _internal_basis(positions, masses)
    curvatures, vectors = np.linalg.eigh(basis.T @ weighted @ basis)
    return NormalModes(positions, masses, curvatures, (basis @ vectors).T.reshape(-1, n_atoms, 3))


def _internal_basis(positions: Array, masses: Array) -> Array:
    """Orthonormal columns that span what is neither translation nor rotation, shape (3 n_atoms, n_modes)."""
    root = np.sqrt(masses)[:, None]
    centered = positions - np.average(positions, axis=0, weights=masses)
    rigid = [np.broadcast_to(axis, centered.shape) * root for axis in np.eye(3)]
    rigid += [np.cross(axis, centered) * root for axis in np.eye(3)]
    left, singular, _ = np.linalg.svd(np.array([r.ravel() for r in rigid]).T, full_matrices=True)
    # About its own axis a linear molecule does not turn: that singular value is zero but for the noise of
    # relaxation.
    rank = int((singular > 1e-2 * np.sqrt(masses.min())).sum())
    return left[:, rank:]
