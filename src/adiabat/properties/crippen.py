"""What atoms add to descriptors that are sums over atoms, learned from RDKit surroundings by surroundings."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.properties.environments import Side, coded, mixed
from adiabat.properties.graphs import charges_of, elements_of, hydrogens_of, is_aromatic, unhanded

if TYPE_CHECKING:
    from rdkit.Chem import Mol

# logP and refractivity of an atom with its hydrogens and without, its surface; whether it accepts, can be an
# end of a rotatable bond, and one that is not of an amide or the like; whether it gives a hydrogen bond; its
# amide bonds, if it is their carbon.
N_SHARES = 10
_ACCEPTOR = (
    "[$([O,S;H1;v2]-[!$(*=[O,N,P,S])]),$([O,S;H0;v2]),$([O,S;-]),$([N;v3;!$(N-*=!@[O,N,P,S])]),"
    "$([nH0X2,o,s;+0])]"
)
# RDKit's strict definition, by the two ends of a bond.
_END = "!$(*#*)&!D1&!$(C(F)(F)F)&!$(C(Cl)(Cl)Cl)&!$(C(Br)(Br)Br)&!$(C([CH3])([CH3])[CH3])&!$([CH3])"
_NO_AMIDE = (
    "!$([CD3](=[N,O,S])-!@[#7,O,S!D1])&!$([#7,O,S!D1]-!@[CD3]=[N,O,S])"
    "&!$([CD3](=[N+])-!@[#7!D1])&!$([#7!D1]-!@[CD3]=[N+])"
)
# RDKit's donors and amide bonds.
_DONOR = "[N&!H0&v3,N&!H0&+1&v4,O&H1&+0,S&H1&+0,n&H1&+0]"
_AMIDE = "C(=[O;!R])N"
# So many surroundings take 100 MB; further ones are computed each time.
_MOST = 1_000_000


class Shares:
    """Contributions of atoms (Wildman and Crippen 1999, doi 10.1021/ci990307l; Labute 2000,
    doi 10.1016/S1093-3263(00)00068-1) by the number of their surroundings.

    RDKit's patterns take a third of a millisecond a molecule. Atoms of which these see the same add the same,
    so that each kind is asked for once.
    """

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._known = np.zeros((1024, N_SHARES))

    def of(self, mols: "list[Mol]", side: Side) -> np.ndarray:
        """What atoms add, shape (n_atoms, 10)."""
        first, numbers = np.concatenate([[0], np.cumsum(side.sizes)]), _seen(side)
        names, which = np.unique(numbers, return_inverse=True)
        places = np.array([self._places.get(name, -1) for name in names.tolist()])[which]
        found = np.empty((len(numbers), N_SHARES))
        for k in map(int, np.unique(np.searchsorted(first, np.flatnonzero(places < 0), side="right") - 1)):
            rows = slice(first[k], first[k + 1])
            found[rows] = _asked(mols[k])
            self._learn(numbers[rows].tolist(), found[rows])
        known = places >= 0
        found[known] = self._known[places[known]]
        return found

    def _learn(self, numbers: Sequence[int], shares: np.ndarray) -> None:
        for number, own in zip(numbers, shares, strict=True):
            place = len(self._places)
            if number in self._places or place >= _MOST:
                continue
            if place == len(self._known):
                self._known = np.concatenate([self._known, np.zeros_like(self._known)])
            self._places[number], self._known[place] = place, own


def _seen(side: Side) -> np.ndarray:
    """Numbers of 64 bits that are equal where the patterns see the same: an atom, the bonds and atoms next to
    it, and around another one than carbon the bonds and elements behind these (Weisfeiler and Leman 1968, as
    hashes: that two others agree by chance is as likely as 1e-6 among a million)."""
    atoms, bonds = unhanded(side.atoms, side.bonds)
    own, edges = coded(atoms), np.repeat(coded(bonds), 2)
    elements = elements_of(atoms)
    far = mixed((2 * elements + is_aromatic(atoms)).astype(np.uint64))
    degree = np.bincount(side.target, minlength=len(atoms))
    rest = (hydrogens_of(atoms) * 16 + degree) * 8 + charges_of(atoms) + 2
    near = mixed(far + rest.astype(np.uint64))
    beyond = mixed(near + side.arriving(mixed(far[side.source] + edges)))
    along = np.where(elements[side.target] == 6, near[side.source], beyond[side.source])
    return mixed(own + side.arriving(mixed(along + edges)))


def _asked(mol: "Mol") -> np.ndarray:
    from rdkit import Chem
    from rdkit.Chem import rdMolDescriptors

    count = mol.GetNumAtoms()
    found = np.zeros((count, N_SHARES))
    # Patterns of other atoms than hydrogen see no hydrogen atoms, and all of those on carbon are of one type.
    on = [atom for (atom,) in mol.GetSubstructMatches(_polar(), maxMatches=count)]
    whole = Chem.AddHs(mol, onlyOnAtoms=on) if on else mol
    shares = np.array(rdMolDescriptors._CalcCrippenContribs(whole))
    carbons = [atom.GetTotalNumHs() * (atom.GetAtomicNum() == 6) for atom in mol.GetAtoms()]
    found[:, 2:4] = shares[:count]
    found[:, :2] = shares[:count] + np.outer(carbons, _hydrogen_of_carbon())
    added = map(whole.GetBondWithIdx, range(mol.GetNumBonds(), whole.GetNumBonds()))
    owners = [bond.GetBeginAtomIdx() for bond in added]
    np.add.at(found[:, :2], owners, shares[count:])
    # Rounded, so that what is learned does not depend on the order of an atom's neighbors.
    found[:, 4] = np.round(rdMolDescriptors._CalcLabuteASAContribs(mol)[0], 9)
    for k, pattern in enumerate(_patterns(), 5):
        for atom, *_ in mol.GetSubstructMatches(pattern, maxMatches=8 * count):
            found[atom, k] += 1.0
    return np.round(found, 9)


@cache
def _patterns() -> tuple[Any, ...]:
    from rdkit import Chem

    texts = (_ACCEPTOR, f"[{_END}]", f"[{_END}&{_NO_AMIDE}]", _DONOR, _AMIDE)
    return tuple(map(Chem.MolFromSmarts, texts))


@cache
def _polar() -> Any:
    """Other atoms than carbon that have hydrogen."""
    from rdkit import Chem

    return Chem.MolFromSmarts("[!#6;!H0]")


@cache
def _hydrogen_of_carbon() -> np.ndarray:
    from rdkit import Chem
    from rdkit.Chem import rdMolDescriptors

    return np.array(rdMolDescriptors._CalcCrippenContribs(Chem.AddHs(Chem.MolFromSmiles("C")))[1])
