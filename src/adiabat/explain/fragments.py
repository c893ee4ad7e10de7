"""Molecules cut into ring systems, functional groups and what links them."""

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Bond, Mol

# Shapley values of so many fragments take two to the tenth predictions.
MOST = 10


def fragments(mol: "Mol", most: int = MOST) -> np.ndarray:
    """The fragment of each atom.

    Cut are the bonds that BRICS cuts (Degen et al. 2008, doi 10.1002/cmdc.200800178), all other single bonds
    between a ring system and what hangs on it, and those between an alkyl chain and a functional group. Where
    these are too many fragments, the smallest is joined with the smallest of its neighbors, again and again.

    Args:
        mol: an RDKit molecule.
        most: fragments.

    Returns:
        numbers from 0 in the order of their first atoms, shape (n_atoms,).
    """
    bonds = list(mol.GetBonds())
    ends = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in bonds], int).reshape(-1, 2)
    cut = _cut(mol)
    found = _components(ends[~cut], mol.GetNumAtoms())
    while (count := found.max() + 1) > most:
        sizes = np.bincount(found)
        small = int(np.argmin(sizes))
        across = found[ends]
        touching = across[(across == small).any(axis=1)]
        others = np.setdiff1d(touching, small)
        others = others if len(others) else np.setdiff1d(np.arange(count), small)  # a part of its own
        found[found == small] = others[np.argmin(sizes[others])]
        found = np.unique(found, return_inverse=True)[1]
    return _in_order(found)


def fragment_smiles(mol: "Mol", found: np.ndarray) -> list[str]:
    """Each fragment as SMILES, an asterisk where it was cut."""
    from rdkit import Chem

    bonds = [
        bond.GetIdx()
        for bond in mol.GetBonds()
        if found[bond.GetBeginAtomIdx()] != found[bond.GetEndAtomIdx()]
    ]
    cut = Chem.FragmentOnBonds(mol, bonds, dummyLabels=[(0, 0)] * len(bonds)) if bonds else mol
    parts: list[list[str]] = [[] for _ in range(found.max() + 1)]
    for atoms in Chem.GetMolFrags(cut):
        real = next(atom for atom in atoms if atom < len(found))
        parts[found[real]].append(Chem.MolFragmentToSmiles(cut, atoms))
    return [".".join(sorted(part)) for part in parts]


def _cut(mol: "Mol") -> np.ndarray:
    from rdkit.Chem import BRICS

    chosen = {frozenset(pair) for pair, _ in BRICS.FindBRICSBonds(mol)}
    return np.array([_is_cut(bond, chosen) for bond in mol.GetBonds()], bool)


def _is_cut(bond: "Bond", chosen: set[frozenset[int]]) -> bool:
    from rdkit import Chem

    ends = bond.GetBeginAtom(), bond.GetEndAtom()
    if bond.IsInRing():
        return False
    if frozenset(atom.GetIdx() for atom in ends) in chosen:
        return True
    if bond.GetBondType() != Chem.BondType.SINGLE:
        return False
    if any(atom.IsInRing() for atom in ends):
        return True
    alkyl = [_is_alkyl(atom) for atom in ends]
    if alkyl[0] == alkyl[1]:
        return False
    # A methyl group belongs to what it is on, and a carbon with several groups, as of CF3, is a group itself.
    carbon = ends[alkyl.index(True)]
    return carbon.GetDegree() > 1 and sum(not _is_alkyl(other) for other in carbon.GetNeighbors()) == 1


def _is_alkyl(atom: "Atom") -> bool:
    from rdkit import Chem

    return atom.GetAtomicNum() == 6 and atom.GetHybridization() == Chem.HybridizationType.SP3


def _components(ends: np.ndarray, count: int) -> np.ndarray:
    links = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    return connected_components(links, directed=False)[1]


def _in_order(found: np.ndarray) -> np.ndarray:
    names, first = np.unique(found, return_index=True)
    rank = np.empty(len(names), int)
    rank[np.argsort(first)] = np.arange(len(names))
    return rank[np.searchsorted(names, found)]
