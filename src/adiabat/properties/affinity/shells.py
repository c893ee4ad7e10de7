"""How many pairs of elements are in shells of distance: the surroundings of a ligand as a row of numbers."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from adiabat.properties.affinity.complexes import REACH, Complex

EDGES = (0.0, 4.0, 6.0, 8.0, REACH)
"""Ends of the shells [Å]."""
# Atomic numbers; the last place of the protein is for metals and all else.
_PROTEIN = ((6,), (7,), (8,), (16, 34), ())
_LIGAND = ((6,), (7,), (8,), (15, 16), (9,), (17, 35, 53))
_PROTEIN_NAMES = ("C", "N", "O", "S", "metal")
_LIGAND_NAMES = ("C", "N", "O", "S+P", "F", "Cl+Br+I")


def shell_counts(complexes: Sequence[Complex]) -> np.ndarray:
    """Pairs of an atom of the protein and one of the ligand, by elements and distance: as RF-Score (Ballester
    and Mitchell 2010, doi 10.1093/bioinformatics/btq112), in shells as OnionNet (Zheng et al. 2019,
    doi 10.1021/acsomega.9b01997).

    Returns:
        shape (n_complexes, n_features), float32; what a feature is says `shell_names`.
    """
    return np.array([_counts(one) for one in complexes], np.float32).reshape(len(complexes), -1)


@cache
def shell_names() -> tuple[str, ...]:
    """Of each feature, such as "C..N 4-6 Å", the ligand's element second."""
    shells = [f"{low:g}-{high:g} Å" for low, high in pairwise(EDGES)]
    return tuple(f"{p}..{q} {shell}" for p in _PROTEIN_NAMES for q in _LIGAND_NAMES for shell in shells)


def _counts(one: Complex) -> np.ndarray:
    numbers = np.array([atom.GetAtomicNum() for atom in one.ligand.mol.GetAtoms()])
    of_ligand = _places(numbers, _LIGAND)[one.pairs[:, 0]]
    of_protein = _places(one.protein.numbers, _PROTEIN)[one.pairs[:, 1]]
    # Each shell holds its inner end, the last one also its outer.
    shell = np.searchsorted(EDGES[1:-1], one.distances, side="right")
    known = of_ligand < len(_LIGAND)
    of_protein = np.minimum(of_protein, len(_PROTEIN) - 1)
    found = np.zeros((len(_PROTEIN), len(_LIGAND), len(EDGES) - 1))
    np.add.at(found, (of_protein[known], of_ligand[known], shell[known]), 1.0)
    return found.ravel()


def _places(numbers: np.ndarray, classes: Sequence[Sequence[int]]) -> np.ndarray:
    """The class of each element; their count for one that is in none."""
    found = np.full(len(numbers), len(classes))
    for place, members in enumerate(classes):
        found[np.isin(numbers, members)] = place
    return found
