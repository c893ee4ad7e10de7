"""Ligands in the pocket of a protein."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from adiabat.base import DataError
from adiabat.properties.affinity.ligands import Ligand
from adiabat.properties.affinity.protein import Protein
from adiabat.properties.table import Rejected

REACH = 10.0
"""How far atoms of the protein are looked at [Å]."""
CONTACT = 5.0
"""An atom of the ligand has a neighbor when one of the protein is nearer [Å]."""
# Of the atoms of a ligand in a pocket that have a neighbor; a fragment at the surface has about half.
_LEAST_SHARE = 0.3
# Atoms of a ligand that was left in the protein's file lie among those of the ligand.
_OVERLAP = 1.2


@dataclass(frozen=True, eq=False)
class Complex:
    """A ligand and what of the protein is near.

    Attributes:
        ligand: in its pose.
        protein: the whole one.
        pairs: atoms of ligand and protein that are at most 10 Å apart, shape (n_pairs, 2).
        distances: theirs [Å], shape (n_pairs,).
    """

    ligand: Ligand
    protein: Protein
    pairs: np.ndarray
    distances: np.ndarray


def make_complexes(
    protein: Protein, ligands: Sequence[Ligand]
) -> tuple[list[Complex], list[Rejected], tuple[str, ...]]:
    """Each ligand with its surroundings, the ligands that do not lie in a pocket, and notes on the protein.

    A group of the protein's file that is no residue and lies where a ligand is, is left out: a ligand that
    was crystallized.

    Raises:
        DataError: no ligand lies near the protein.
    """
    protein = _without_ligands(protein, ligands)
    tree = KDTree(protein.positions)
    found, rejected = [], []
    for row, ligand in enumerate(ligands, start=1):
        one = _complex(tree, protein, ligand)
        near = np.unique(one.pairs[one.distances < CONTACT, 0])
        share = len(near) / len(ligand.positions)
        if share < _LEAST_SHARE:
            reason = (
                f"{share:.0%} of its atoms have an atom of the protein within {CONTACT:g} Å: it is outside "
                "of the pocket"
            )
            rejected.append(Rejected(row, ligand.name, reason))
        else:
            found.append(one)
    if not found:
        raise DataError(
            f"none of {len(ligands)} ligands lies in a pocket of the protein",
            "poses and protein must be in the same coordinates",
        )
    return found, rejected, protein.notes


def _complex(tree: KDTree, protein: Protein, ligand: Ligand) -> Complex:
    near = tree.query_ball_point(ligand.positions, REACH)
    pairs = np.array([(i, j) for i, those in enumerate(near) for j in sorted(those)], int).reshape(-1, 2)
    apart = ligand.positions[pairs[:, 0]] - protein.positions[pairs[:, 1]]
    return Complex(ligand, protein, pairs, np.linalg.norm(apart, axis=1))


def _without_ligands(protein: Protein, ligands: Sequence[Ligand]) -> Protein:
    hetero = np.flatnonzero(protein.hetero)
    if not len(hetero):
        return protein
    positions = np.concatenate([ligand.positions for ligand in ligands])
    distances, _ = KDTree(positions).query(protein.positions[hetero])
    groups = dict.fromkeys(protein.residues[k] for k in hetero[distances < _OVERLAP])
    return protein.without(list(groups)) if groups else protein
