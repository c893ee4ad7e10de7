"""A potential whose every average is known, and simulations of it."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adiabat.base.units import BOLTZMANN, FEMTOSECOND, HBAR
from adiabat.dynamics import Langevin, PathIntegral, run_dynamics, run_path_integral
from adiabat.potentials import AbstractPotential
from adiabat.system import Batch, Neighbors, System

WAVENUMBER = 2 * np.pi * 2.99792458e-5 / FEMTOSECOND
"""Of 1/cm, an angular frequency in internal units."""
PROTON = 1.008  # u


class EinsteinCrystal(AbstractPotential):
    """Each atom on a spring of its own: E_i = k |x_i - site_i|^2 / 2, of a system as of each in a batch.

    In equilibrium the variance of each coordinate is k_B T / k.

    Args:
        sites: where the springs are fixed [Å], shape (n_atoms, 3).
        stiffness: k [eV/Å^2].
    """

    sites: Float[Array, "n_atoms 3"]
    stiffness: float
    cutoff: float = eqx.field(static=True)

    def __init__(self, *, sites: Float[Array, "n_atoms 3"], stiffness: float = 1.0):
        self.sites = sites
        self.stiffness = stiffness
        self.cutoff = 1.0

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        sites = self.sites[system.numbering()]
        return 0.5 * self.stiffness * jnp.sum((system.positions - sites) ** 2, axis=1)


def springs(n_atoms: int, stiffness: float, number: int = 18) -> tuple[System, EinsteinCrystal]:
    """Atoms on springs, too far apart to be neighbors.

    Args:
        n_atoms: how many.
        stiffness: [eV/Å^2].
        number: atomic number; argon by default.
    """
    sites = 10.0 * np.arange(n_atoms)[:, None] * np.array([1.0, 0, 0])
    system = System.create(np.full(n_atoms, number), sites)
    return system, EinsteinCrystal(sites=jnp.asarray(sites), stiffness=stiffness)


def protons(n_atoms: int, wavenumber: float) -> tuple[System, EinsteinCrystal]:
    """Hydrogen atoms on springs of a frequency [1/cm]."""
    return springs(n_atoms, PROTON * (wavenumber * WAVENUMBER) ** 2, number=1)


def configurational_temperature(timestep: float, kelvin: float = 200.0) -> float:
    """k <x^2> / k_B [K] of 200 atoms of argon by BAOAB, which is exact for it at any timestep [fs].

    The error of 4000 steps is a K or so: 600 springs, each independent about every 40 steps.
    """
    stiffness = 0.5
    system, potential = springs(200, stiffness)
    integrator = Langevin(timestep=timestep, temperature=kelvin, friction=0.5 / timestep)
    run = run_dynamics(system, potential, integrator, steps=4000, record_every=4, seed=1)
    assert run.trajectory is not None
    displacement = run.trajectory.positions[100:].astype(np.float64) - np.asarray(system.positions)
    return float(stiffness * np.mean(displacement**2) / BOLTZMANN)


def quantum_energies(
    wavenumber: float = 1000.0, kelvin: float = 300.0, beads: int = 32
) -> tuple[np.ndarray, float]:
    """Of 300 springs by a ring polymer: means of the potential energy and of the two estimators of the
    kinetic energy, shape (3,), and what each is in quantum mechanics, hbar w / 4 coth(hbar w / 2 k_B T) a
    spring [eV]."""
    system, potential = protons(100, wavenumber)
    integrator = PathIntegral(timestep=2.0, temperature=kelvin, beads=beads, friction=0.2)
    run = run_path_integral(system, potential, integrator, steps=4000, record_every=5, skin=4.0)
    quantum = HBAR * wavenumber * WAVENUMBER
    expected = 300 * quantum / 4 / np.tanh(quantum / (2 * BOLTZMANN * kelvin))
    return energies_of_rings(run.trajectory, 100), float(expected)


def energies_of_rings(trajectory, start: int) -> np.ndarray:
    """Means of the potential energy and the two estimators of the kinetic energy from a frame on [eV]."""
    names = ("potential_energy", "quantum_kinetic_energy", "primitive_kinetic_energy")
    return np.array([trajectory.observables[name][start:].mean() for name in names])
