"""Minima of a surface: many geometries relaxed side by side, so that all cores have work."""

from dataclasses import dataclass

import ase
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator
from ase.optimize import BFGS

from adiabat.base import ConvergenceError
from adiabat.generate.surface import Array, Surface

# Two minima are one when their sorted interatomic distances agree to this [Å].
SAME_MINIMUM = 0.05


@dataclass(frozen=True)
class Relaxed:
    """Geometries after a relaxation.

    Attributes:
        positions: [Å], shape (k, n_atoms, 3).
        energies: [eV], shape (k,); nan where the method failed on the way.
        converged: shape (k,).
    """

    positions: Array
    energies: Array
    converged: np.ndarray


def relax(surface: Surface, positions: Array, *, fmax: float = 0.02, steps: int = 150) -> Relaxed:
    """Follows the forces down from each geometry, by BFGS.

    Args:
        surface: the molecule.
        positions: where to start [Å], shape (k, n_atoms, 3).
        fmax: converged when no atom feels more [eV/Å].
        steps: at most this many.
    """
    atoms = [ase.Atoms(surface.reference.numbers, p) for p in positions]
    optimizers: list[BFGS | None] = [None] * len(atoms)
    energies = np.full(len(atoms), np.nan)
    converged = np.zeros(len(atoms), bool)
    active = list(range(len(atoms)))
    for _ in range(steps + 1):
        found, forces = surface(np.array([atoms[index].positions for index in active]))
        still = []
        for index, energy, force in zip(active, found, forces, strict=True):
            energies[index] = energy
            if not np.isfinite(energy):
                continue
            if np.linalg.norm(force, axis=1).max() < fmax:
                converged[index] = True
                continue
            atoms[index].calc = SinglePointCalculator(atoms[index], energy=energy, forces=force)
            optimizer = optimizers[index]
            if optimizer is None:
                optimizer = optimizers[index] = BFGS(atoms[index], logfile=None)
            optimizer.step()
            still.append(index)
        active = still
        if not active:
            break
    return Relaxed(np.array([a.positions for a in atoms]), energies, converged)


def minima(surface: Surface, positions: Array, *, n: int, fmax: float = 0.02) -> Array:
    """Up to `n` distinct minima reached from the geometries, the lowest first, shape (k, n_atoms, 3).

    Raises:
        ConvergenceError: the method failed on every geometry.
    """
    relaxed = relax(surface, positions, fmax=fmax)
    usable = np.isfinite(relaxed.energies)
    if not usable.any():
        reasons = "; ".join(surface.failures) or "no energy"
        raise ConvergenceError(f"{surface.labeler.name} fails on every starting structure: {reasons}")
    order = [int(i) for i in np.argsort(relaxed.energies) if usable[i]]
    best = [i for i in order if relaxed.converged[i]] or order
    kept: list[int] = []
    for index in best:
        here = _fingerprint(relaxed.positions[index])
        if all(np.abs(here - _fingerprint(relaxed.positions[k])).max(initial=0) > SAME_MINIMUM for k in kept):
            kept.append(index)
    return relaxed.positions[kept[:n]]


def _fingerprint(positions: Array) -> Array:
    """Interatomic distances, sorted: the same for a permuted, turned or mirrored copy."""
    i, j = np.triu_indices(len(positions), 1)
    return np.sort(np.linalg.norm(positions[i] - positions[j], axis=1))
