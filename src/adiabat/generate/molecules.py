"""Geometries of a molecule without a quantum calculation: conformers, vibrations, torsions, stretched bonds.

What a general model is trained on: few structures each of many molecules, which a labeler sees once.
"""

import numpy as np

from adiabat.base import DataError
from adiabat.generate.filters import geometry_fault
from adiabat.generate.normal_modes import normal_modes
from adiabat.generate.sources import PRESSED, STRETCHED
from adiabat.generate.surface import Array
from adiabat.generate.torsions import bonds, turnable_bonds
from adiabat.system import System
from adiabat.system.mechanics import MolecularMechanics

# Vibrations are drawn at these temperatures [K]: from what is simulated to where bonds begin to give.
TEMPERATURES = (150.0, 300.0, 600.0, 1000.0, 1500.0)
CONFORMERS = 4
# Shares of the structures with torsions turned to any angle, and with one bond pressed or stretched.
TURNED, BOND_CHANGED = 0.35, 0.15
TRIES = 5


def distorted(smiles: str, n: int, seed: int = 0) -> list[System]:
    """Up to `n` structures of a molecule: its conformers, drawn from their vibrations by MMFF94 at 150 to
    1500 K, a third of them with torsions at random, one in seven with a bond pressed or stretched.

    Args:
        smiles: one molecule.
        n: how many; fewer where most attempts end with atoms on top of each other.
        seed: of conformers and draws.

    Raises:
        DataError, UnsupportedError: no molecule, or one that MMFF94 does not know.
    """
    molecule = MolecularMechanics(smiles, CONFORMERS, seed)
    if molecule.n_atoms < 2:
        raise DataError(f"{smiles!r} is a single atom: it has no forces")
    rng = np.random.default_rng(seed)
    vibrations = [normal_modes(molecule, np.asarray(one.positions)) for one in molecule.conformers]
    found: list[System] = []
    for _ in range(TRIES * n):
        if len(found) == n:
            break
        modes = vibrations[rng.integers(len(vibrations))]
        positions = modes.sample(rng.choice(TEMPERATURES), 1, rng)[0]
        if rng.random() < TURNED:
            positions = _turned(molecule.reference, positions, rng)
        if rng.random() < BOND_CHANGED:
            positions = _stretched(molecule.reference, positions, rng)
        if geometry_fault(np.asarray(molecule.reference.numbers), positions, pieces=1) is None:
            found.append(molecule.reference.moved(positions))
    return found


def _turned(reference: System, positions: Array, rng: np.random.Generator) -> Array:
    """One or two torsions at any angle."""
    turnable = turnable_bonds(reference)
    for index in rng.permutation(len(turnable))[: rng.integers(1, 3)]:
        positions = turnable[index].turned(positions, rng.uniform(-np.pi, np.pi))
    return positions


def _stretched(reference: System, positions: Array, rng: np.random.Generator) -> Array:
    """One bond longer or shorter."""
    pairs = bonds(reference)
    return pairs[rng.integers(len(pairs))].stretched(positions, rng.uniform(PRESSED, STRETCHED))
