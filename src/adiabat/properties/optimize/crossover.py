"""Children of two molecules: a part of each, joined where both were cut (Jensen 2019,
doi 10.1039/C8SC05372C)."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rdkit.Chem import Mol

TRIES = 10


def cross(one: "Mol", other: "Mol", random: np.random.Generator) -> tuple["Mol", str] | None:
    """A part of each of two molecules, cut at a bond outside of rings or through a ring, as often the one as
    the other.

    Returns:
        the child, not yet checked, and what was done; None where no cut fits both.
    """
    for _ in range(TRIES):
        through_ring = bool(random.integers(2))
        cuts = [_cut(mol, through_ring, random) for mol in (one, other)]
        if cuts[0] is None or cuts[1] is None:
            continue
        pieces = [cut[random.integers(2)] for cut in cuts if cut is not None]
        if (child := _joined(pieces[0], pieces[1], random)) is not None:
            return child, "crossover through a ring" if through_ring else "crossover at a bond"
    return None


def kekulized(mol: "Mol") -> "Mol":
    """A copy with single and double bonds in the place of aromatic ones."""
    from rdkit import Chem

    copy = Chem.Mol(mol)
    Chem.Kekulize(copy, clearAromaticFlags=True)
    return copy


def _cut(mol: "Mol", through_ring: bool, random: np.random.Generator) -> tuple["Mol", ...] | None:
    """Two pieces with numbered wildcards where the bonds were."""
    from rdkit import Chem

    bonds = _ring_bonds(mol, random) if through_ring else _open_bonds(mol, random)
    if bonds is None:
        return None
    labels = [(k + 1, k + 1) for k in range(len(bonds))]
    cut = Chem.FragmentOnBonds(kekulized(mol), bonds, addDummies=True, dummyLabels=labels)
    pieces = Chem.GetMolFrags(cut, asMols=True, sanitizeFrags=False)
    return pieces if len(pieces) == 2 else None


def _open_bonds(mol: "Mol", random: np.random.Generator) -> list[int] | None:
    ends = mol.GetSubstructMatches(_open_bond())
    return [mol.GetBondBetweenAtoms(*ends[random.integers(len(ends))]).GetIdx()] if ends else None


@cache
def _open_bond() -> "Mol":
    from rdkit import Chem

    return Chem.MolFromSmarts("*-;!@*")


def _ring_bonds(mol: "Mol", random: np.random.Generator) -> list[int] | None:
    """Two bonds of one ring; where another ring shares the part between them the cut leaves one piece."""
    rings = mol.GetRingInfo().BondRings()
    if not rings:
        return None
    ring = rings[random.integers(len(rings))]
    return sorted(int(k) for k in random.choice(ring, 2, replace=False))


def _joined(one: "Mol", other: "Mol", random: np.random.Generator) -> "Mol | None":
    """The pieces bonded at wildcards of one number, with the bond that one of them had there."""
    from rdkit import Chem, rdBase

    one, other = (Chem.RWMol(piece) for piece in (one, other))
    ends, others = _wildcards(one), _wildcards(other)
    if len(others) > 1 and random.integers(2):  # the other way round
        for atom in others.values():
            atom.SetIsotope(3 - atom.GetIsotope())
        others = _wildcards(other)
    for label, atom in ends.items():
        bonds = [end.GetBonds()[0] for end in (atom, others[label])]
        order = bonds[random.integers(2)].GetBondType()
        for bond in bonds:
            bond.SetBondType(order)
    settings = Chem.MolzipParams()
    settings.label = Chem.MolzipLabel.Isotope
    with rdBase.BlockLogs():
        try:
            return Chem.molzip(one, other, settings)
        except (ValueError, RuntimeError):
            return None


def _wildcards(piece: "Mol") -> dict:
    return {atom.GetIsotope(): atom for atom in piece.GetAtoms() if atom.GetAtomicNum() == 0}
