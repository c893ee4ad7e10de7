"""Small structures that are ready to use, each from a formula and a seed."""

import ase.build
import numpy as np

from adiabat.system import System

_ALANINE_DIPEPTIDE = """
HH31 ACE 1 H 2.000 1.000 0.000|CH3 ACE 1 C 2.000 2.090 0.000|HH32 ACE 1 H 1.486 2.454 0.890
HH33 ACE 1 H 1.486 2.454 -0.890|C ACE 1 C 3.427 2.641 0.000|O ACE 1 O 4.391 1.877 0.000
N ALA 2 N 3.555 3.970 0.000|H ALA 2 H 2.733 4.556 0.000|CA ALA 2 C 4.853 4.614 0.000
HA ALA 2 H 5.408 4.316 0.890|CB ALA 2 C 5.661 4.221 -1.232|HB1 ALA 2 H 5.123 4.521 -2.131
HB2 ALA 2 H 6.630 4.719 -1.206|HB3 ALA 2 H 5.809 3.141 -1.241|C ALA 2 C 4.713 6.129 0.000
O ALA 2 O 3.601 6.653 0.000|N NME 3 N 5.846 6.835 0.000|H NME 3 H 6.737 6.359 0.000
C NME 3 C 5.846 8.284 0.000|H1 NME 3 H 4.819 8.648 0.000|H2 NME 3 H 6.360 8.648 0.890
H3 NME 3 H 6.360 8.648 -0.890
"""


def argon(n_atoms: int = 256, density: float = 1.374, displacement: float = 0.0, seed: int = 0) -> System:
    """Argon in a periodic cubic cell, on a face-centered lattice.

    Args:
        n_atoms: 4 m^3: 4, 32, 108, 256, 500, ...
        density: [g/cm^3]; by default that of Rahman's liquid (1964, doi 10.1103/PhysRev.136.A405).
        displacement: standard deviation of random displacements [Å].
        seed: of the displacements.
    """
    repeat = round((n_atoms / 4) ** (1 / 3))
    if 4 * repeat**3 != n_atoms:
        raise ValueError(
            f"a cubic cell of a face-centered lattice has 4, 32, 108, 256, ... atoms, not {n_atoms}"
        )
    lattice = (4 * 39.948 / (density * 0.602214076)) ** (1 / 3)
    atoms = ase.build.bulk("Ar", "fcc", a=lattice, cubic=True) * ((repeat,) * 3)
    return _displaced(atoms, displacement, seed)


def argon_cluster(n_atoms: int = 13, seed: int = 0) -> System:
    """Argon atoms around a lattice point, without a cell; displaced, so that no force vanishes."""
    atoms = ase.build.bulk("Ar", "fcc", a=5.35, cubic=True) * (5, 5, 5)
    order = np.argsort(np.linalg.norm(atoms.positions - atoms.positions.mean(0) - 0.1, axis=1), kind="stable")
    cluster = atoms[order[:n_atoms]]
    cluster.set_cell(None)
    cluster.pbc = False
    return _displaced(cluster, 0.1, seed)


def copper(repeat: int = 2, displacement: float = 0.0, seed: int = 0) -> System:
    """Face-centered copper, 4 repeat^3 atoms."""
    return _displaced(ase.build.bulk("Cu", "fcc", a=3.615, cubic=True) * ((repeat,) * 3), displacement, seed)


def silicon(displacement: float = 0.0, seed: int = 0) -> System:
    """Diamond-type silicon, two atoms in a skewed cell smaller than most cut-offs."""
    return _displaced(ase.build.bulk("Si", "diamond", a=5.431), displacement, seed)


def ethanol(displacement: float = 0.0, seed: int = 0) -> System:
    """An ethanol molecule (the G2 geometry)."""
    return _displaced(ase.build.molecule("CH3CH2OH"), displacement, seed)


def water(n_molecules: int = 1, seed: int = 0) -> System:
    """Water: one molecule without a cell, or n = m^3 in a cubic cell at 0.997 g/cm^3, turned at random."""
    molecule = ase.build.molecule("H2O")
    molecule.positions -= molecule.get_center_of_mass()
    if n_molecules == 1:
        return System.from_ase(molecule)
    repeat = round(n_molecules ** (1 / 3))
    if repeat**3 != n_molecules:
        raise ValueError(f"a cubic box holds 8, 27, 64, ... molecules, not {n_molecules}")
    spacing = (18.015 / (0.997 * 0.602214076)) ** (1 / 3)
    random = np.random.default_rng(seed)
    box = ase.Atoms(cell=np.eye(3) * spacing * repeat, pbc=True)
    for site in np.ndindex(repeat, repeat, repeat):
        turned = molecule.copy()
        rotation, triangular = np.linalg.qr(random.normal(size=(3, 3)))
        turned.positions = molecule.positions @ (
            rotation * np.sign(np.diag(triangular))
        ) + spacing * np.array(site)
        box += turned
    return System.from_ase(box)


def alanine_dipeptide_pdb() -> str:
    """Alanine dipeptide as the text of a PDB file, with the names of force fields."""
    words = [entry.split() for entry in _ALANINE_DIPEPTIDE.replace("\n", "|").split("|") if entry]
    return "".join(
        f"ATOM  {k:5d} {name:<4s} {residue} A{number:>4s}    {float(x):8.3f}{float(y):8.3f}{float(z):8.3f}"
        f"  1.00  0.00          {element:>2s}\n"
        for k, (name, residue, number, element, x, y, z) in enumerate(words, start=1)
    )


def random_gas(numbers: list[int], size: float = 6.0, pbc: bool = True, seed: int = 0) -> System:
    """Atoms of these elements at random in a skewed cell, none nearer than 1.2 Å to another or an image."""
    random = np.random.default_rng(seed)
    cell = size * (np.eye(3) + 0.2 * np.tril(random.uniform(-1, 1, (3, 3)), -1))
    images = np.array(list(np.ndindex(3, 3, 3))) - 1 if pbc else np.zeros((1, 3))
    placed: list[np.ndarray] = []
    while len(placed) < len(numbers):
        candidate = random.uniform(0, 1, 3) @ cell
        others = np.array(placed).reshape(-1, 1, 3) + images @ cell
        if np.linalg.norm(others - candidate, axis=-1).min(initial=np.inf) > 1.2:
            placed.append(candidate)
    return System.create(np.array(numbers), np.array(placed), cell=cell if pbc else None, pbc=pbc)


def _displaced(atoms: ase.Atoms, displacement: float, seed: int) -> System:
    random = np.random.default_rng(seed)
    atoms.positions += random.normal(scale=displacement, size=(len(atoms), 3))
    return System.from_ase(atoms)
