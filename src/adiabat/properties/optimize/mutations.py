"""Small changes of one molecule's graph: atoms and bonds that come, go or change."""

from collections.abc import Callable
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from adiabat.properties.optimize.crossover import kekulized

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol, RWMol

# Elements that medicinal chemists use, with the bonds that they make, and how often each is tried.
_VALENCES = {6: 4, 7: 3, 8: 2, 9: 1, 16: 2, 17: 1, 35: 1}
_FREQUENCIES = {6: 0.4, 7: 0.2, 8: 0.2, 9: 0.08, 16: 0.05, 17: 0.05, 35: 0.02}
_SYMBOLS = {6: "C", 7: "N", 8: "O", 9: "F", 16: "S", 17: "Cl", 35: "Br"}
TRIES = 5
# Atoms so far apart, in bonds, close a ring of four to seven.
_RING_DISTANCES = (3, 6)


def mutate(mol: "Mol", random: np.random.Generator) -> tuple["Mol", str] | None:
    """One atom or bond is added, taken away or changed; each of the kinds is as likely.

    Returns:
        the child, not yet checked, and what was done; None where nothing was found that can be changed.
    """
    from rdkit import Chem

    for _ in range(TRIES):
        kind = _KINDS[random.integers(len(_KINDS))]
        child = Chem.RWMol(kekulized(mol))
        if words := kind(child, random):
            return child.GetMol(), words
    return None


def _append_atom(mol: "RWMol", random: np.random.Generator) -> str:
    if (atom := _pick([a for a in mol.GetAtoms() if a.GetTotalNumHs()], random)) is None:
        return ""
    number, order = _element(random, 1), 1
    if random.random() < 0.2:
        order = min(atom.GetTotalNumHs(), _VALENCES[number], 2)
    new = mol.AddAtom(_fresh(number))
    mol.AddBond(atom.GetIdx(), new, _bond_type(order))
    _free(mol, atom.GetIdx())
    return f"{_SYMBOLS[number]} added"


def _insert_atom(mol: "RWMol", random: np.random.Generator) -> str:
    if (bond := _pick(list(mol.GetBonds()), random)) is None:
        return ""
    ends, order = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()), bond.GetBondTypeAsDouble()
    number = _element(random, 2 if order == 1 else 3)
    new = mol.AddAtom(_fresh(number))
    mol.RemoveBond(*ends)
    # A double bond goes on on one side.
    mol.AddBond(ends[0], new, _bond_type(int(order)) if order <= 2 else _bond_type(1))
    mol.AddBond(new, ends[1], _bond_type(1))
    _free(mol, *ends)
    return f"{_SYMBOLS[number]} inserted"


def _delete_atom(mol: "RWMol", random: np.random.Generator) -> str:
    atom = _pick([a for a in mol.GetAtoms() if a.GetDegree() in (1, 2)], random)
    if atom is None or mol.GetNumAtoms() < 2:
        return ""
    ends = sorted(neighbor.GetIdx() for neighbor in atom.GetNeighbors())
    symbol = atom.GetSymbol()
    if len(ends) == 2:
        if mol.GetBondBetweenAtoms(ends[0], ends[1]) is not None:
            return ""
        mol.AddBond(ends[0], ends[1], _bond_type(1))
    _free(mol, *ends)
    mol.RemoveAtom(atom.GetIdx())
    return f"{symbol} removed"


def _change_atom(mol: "RWMol", random: np.random.Generator) -> str:
    atom = _pick([a for a in mol.GetAtoms() if a.GetAtomicNum() in _VALENCES], random)
    if atom is None:
        return ""
    bonds = int(sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds()))
    if bonds > 4:
        return ""
    before, number = atom.GetAtomicNum(), _element(random, bonds)
    if number == before:
        return ""
    atom.SetAtomicNum(number)
    atom.SetFormalCharge(0)
    _free(mol, atom.GetIdx())
    return f"{_SYMBOLS[before]} to {_SYMBOLS[number]}"


def _change_bond(mol: "RWMol", random: np.random.Generator) -> str:
    """Between single, double and triple, as far as hydrogens allow."""
    if (bond := _pick(list(mol.GetBonds()), random)) is None:
        return ""
    ends, order = (bond.GetBeginAtom(), bond.GetEndAtom()), int(bond.GetBondTypeAsDouble())
    highest = min(order + min(end.GetTotalNumHs() for end in ends), 3)
    choices = [k for k in range(1, highest + 1) if k != order]
    if (new := _pick(choices, random)) is None:
        return ""
    bond.SetBondType(_bond_type(new))
    _free(mol, *(end.GetIdx() for end in ends))
    return f"{('single', 'double', 'triple')[order - 1]} bond made {('single', 'double', 'triple')[new - 1]}"


def _close_ring(mol: "RWMol", random: np.random.Generator) -> str:
    from rdkit import Chem

    distance = Chem.GetDistanceMatrix(mol)
    low, high = _RING_DISTANCES
    free = [a.GetIdx() for a in mol.GetAtoms() if a.GetTotalNumHs()]
    pairs = [(i, j) for i, j in combinations(free, 2) if low <= distance[i, j] <= high]
    # Rings of five and six are what most molecules have.
    pairs = [pair for pair in pairs if distance[pair] in (4, 5)] * 4 + pairs
    if (pair := _pick(pairs, random)) is None:
        return ""
    mol.AddBond(*pair, _bond_type(1))
    _free(mol, *pair)
    return f"ring of {int(distance[pair]) + 1} closed"


def _open_ring(mol: "RWMol", random: np.random.Generator) -> str:
    if (bond := _pick([b for b in mol.GetBonds() if b.IsInRing()], random)) is None:
        return ""
    ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    mol.RemoveBond(*ends)
    _free(mol, *ends)
    return "ring opened"


_KINDS: tuple[Callable[["RWMol", np.random.Generator], str], ...] = (
    _append_atom,
    _insert_atom,
    _delete_atom,
    _change_atom,
    _change_bond,
    _close_ring,
    _open_ring,
)


def _pick[T](choices: list[T], random: np.random.Generator) -> T | None:
    return choices[random.integers(len(choices))] if choices else None


def _element(random: np.random.Generator, bonds: int) -> int:
    """One that can make so many bonds."""
    numbers = [number for number, valence in _VALENCES.items() if valence >= bonds]
    weights = np.array([_FREQUENCIES[number] for number in numbers])
    return int(random.choice(numbers, p=weights / weights.sum()))


def _bond_type(order: int):
    from rdkit.Chem import BondType

    return (BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE)[order - 1]


def _fresh(number: int) -> "Atom":
    from rdkit.Chem import Atom

    return Atom(number)


def _free(mol: "RWMol", *atoms: int) -> None:
    """Lets RDKit find the hydrogens anew, and forgets a configuration that no longer is one."""
    from rdkit.Chem import BondStereo, ChiralType

    for index in atoms:
        atom = mol.GetAtomWithIdx(index)
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
        atom.SetChiralTag(ChiralType.CHI_UNSPECIFIED)
        for bond in atom.GetBonds():
            bond.SetStereo(BondStereo.STEREONONE)
