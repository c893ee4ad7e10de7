"""What atoms do on the way of a mapped reaction, and how likely nature is to do it that way."""

from itertools import combinations
from typing import TYPE_CHECKING

from adiabat.properties.reaction_smiles import bond_orders, canonical, ordered_as

if TYPE_CHECKING:
    from rdkit.Chem import Mol


def four_membered(before: "Mol", after: "Mol") -> int:
    """Rings of four bonds that break or loosen and form or tighten by turns, two or more of which break or
    form: as of [1,3] shifts, [2+2] additions and direct exchanges of two bonds.

    Such rings are of the imaginary transition structure (Fujita 1986, doi 10.1021/ci00052a009). Those of four
    bonds move four electrons, which orbital symmetry forbids the easy way (Woodward and Hoffmann 1969,
    doi 10.1002/anie.196907811); those of six, of [3,3] shifts, ene and Diels-Alder reactions, are allowed.

    Args:
        before, after: as of `with_hydrogens_followed`.
    """
    orders = bond_orders(before), bond_orders(ordered_as(before, after))
    changes = {
        ends: orders[1].get(ends, 0.0) - orders[0].get(ends, 0.0)
        for ends in orders[0].keys() | orders[1].keys()
    }
    less = [ends for ends, change in changes.items() if change < 0]
    more = {ends for ends, change in changes.items() if change > 0}
    count = 0
    for (a, b), (c, d) in combinations(less, 2):
        for pair in (((a, c), (b, d)), ((a, d), (b, c))):
            gained = [(min(ends), max(ends)) for ends in pair]
            if len({a, b, c, d}) == 4 and more.issuperset(gained):
                ring = [(a, b), (c, d), *gained]
                count += sum((ends in orders[0]) != (ends in orders[1]) for ends in ring) >= 2
    return count


def both_hands(before: "Mol", after: "Mol") -> tuple[str, str]:
    """The canonical reaction and its mirror image.

    Args:
        before, after: as of `with_hydrogens_followed`.
    """
    from rdkit import Chem

    hands = []
    for inverted in (False, True):
        mols = Chem.Mol(before), Chem.Mol(after)
        for atom in (atom for mol in mols if inverted for atom in mol.GetAtoms()):
            atom.InvertChirality()
        hands.append(canonical(*mols))
    return hands[0], hands[1]
