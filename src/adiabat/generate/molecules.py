"""Geometries of a molecule without a quantum calculation: conformers, vibrations, torsions, stretched bonds.

What a general model is trained on: few structures each of many molecules, which a labeler sees once.
"""

import numpy as np

from adiabat.base import DataError
from adiabat.generate.filters import geometry_fault
from adiabat.generate.normal_modes import normal_modes
from adiabat.generate.sources import PRESSED, STRETCHED
from adiabat.generate.torsions import bonds, turnable_bonds, turned_at_random
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
    numbers = np.asarray(molecule.reference.numbers)
    pairs, turnable = bonds(molecule.reference), turnable_bonds(molecule.reference)
    vibrations = [normal_modes(molecule, np.asarray(one.positions)) for one in molecule.conformers]
    found: list[System] = []
    for _ in range(TRIES * n):
        if len(found) == n:
            break
        modes = vibrations[rng.integers(len(vibrations))]
        positions = modes.sample(rng.choice(TEMPERATURES), 1, rng)[0]
        if rng.random() < TURNED:
            positions = turned_at_random(positions, turnable, rng)
        if rng.random() < BOND_CHANGED:
            bond = pairs[rng.integers(len(pairs))]
            positions = bond.stretched(positions, rng.uniform(PRESSED, STRETCHED))
        if geometry_fault(numbers, positions, pieces=1) is None:
            found.append(molecule.reference.moved(positions))
    return found
