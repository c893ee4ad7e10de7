"""Reactions as text: reading, checking and numbering their atoms."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from adiabat.base import DataError
from adiabat.properties.standardize import parsed, short

if TYPE_CHECKING:
    from rdkit.Chem import Mol, RWMol

ARROW = ">>"


def reverse(reaction: str) -> str:
    """The same reaction, standardized as well, from products to reactants."""
    return ARROW.join(reversed(reaction.split(ARROW)))


def either_way(smiles: str) -> str:
    """One string for a reaction and its reverse; a molecule's own."""
    return min(smiles, reverse(smiles))


def sides(reaction: str) -> tuple["Mol", "Mol"]:
    """Reactants and products of a standardized reaction, with the same atoms in the same order."""
    from rdkit import Chem

    params = Chem.SmilesParserParams()
    params.removeHs = False
    mols = []
    for text in reaction.split(ARROW):
        mol = Chem.MolFromSmiles(text, params)
        maps = [atom.GetAtomMapNum() for atom in mol.GetAtoms()]
        mols.append(Chem.RenumberAtoms(mol, sorted(range(len(maps)), key=maps.__getitem__)))
    return mols[0], mols[1]


def read(text: str) -> tuple["Mol", "Mol"]:
    """Reactants and products with all their hydrogens.

    Raises:
        DataError: not a reaction, or a molecule that cannot be.
        UnsupportedError: a wildcard atom, or more than 250 heavy atoms.
    """
    from rdkit import Chem

    parts = [part.strip() for part in text.split(">")]
    if len(parts) != 3:
        raise DataError(
            f"{short(text)} is not a reaction", "write reactants>>products, or reactants>agents>products"
        )
    reactants, agents, products = parts
    for name, part in (("reactants", reactants), ("products", products)):
        if not part:
            raise DataError(f"{short(text)} has no {name}")
    mols = [parsed(".".join(filter(None, (part, agents)))) for part in (reactants, products)]
    return Chem.AddHs(mols[0]), Chem.AddHs(mols[1])


def check_balance(before: "Mol", after: "Mol", text: str) -> None:
    """That no atom and no charge is lost or comes from nowhere.

    Raises:
        DataError: else, with what is missing.
    """
    from rdkit.Chem import GetFormalCharge

    counts = [
        Counter((atom.GetIsotope(), atom.GetSymbol()) for atom in mol.GetAtoms()) for mol in (before, after)
    ]
    lacking = [(name, more - less) for name, more, less in
               (("products", *counts), ("reactants", *counts[::-1])) if more - less]  # fmt: skip
    if lacking:
        told = " and ".join(f"the {name} lack {_formula(counter)}" for name, counter in lacking)
        raise DataError(f"{short(text)} is not balanced: {told}", "write every reactant and every product")
    charges = GetFormalCharge(before), GetFormalCharge(after)
    if charges[0] != charges[1]:
        raise DataError(
            f"{short(text)} is not balanced: a charge of {charges[0]:+d} becomes {charges[1]:+d}",
            "write every reactant and every product",
        )


def check_maps(before: "Mol", after: "Mol", text: str) -> None:
    """That every heavy atom is found on both sides, once, and is of one element.

    Raises:
        DataError: else.
    """
    elements = []
    for name, mol in (("reactants", before), ("products", after)):
        numbers = Counter(atom.GetAtomMapNum() for atom in mol.GetAtoms() if atom.GetAtomMapNum())
        twice = sorted(number for number, count in numbers.items() if count > 1)
        if twice:
            raise DataError(f"{short(text)}: the {name} have the map number {twice[0]} twice")
        elements.append(
            {atom.GetAtomMapNum(): atom.GetSymbol() for atom in mol.GetAtoms() if atom.GetAtomMapNum()}
        )
    for number in sorted(elements[0].keys() & elements[1].keys()):
        one, other = (of[number] for of in elements)
        if one != other:
            raise DataError(f"{short(text)}: the map number {number} is {one} before and {other} after")
    for name, mol, there in (("reactants", before, elements[1]), ("products", after, elements[0])):
        lone = [atom for atom in heavy_atoms(mol) if atom.GetAtomMapNum() not in there]
        if lone:
            atom = lone[0]
            number = atom.GetAtomMapNum()
            which = f"the map number {number} on one side only" if number else "no map number"
            raise DataError(
                f"{short(text)}: an atom {atom.GetSymbol()} of the {name} has {which}",
                "give map numbers to all atoms but hydrogens, or to none",
            )


def with_hydrogens_followed(before: "Mol", after: "Mol", text: str) -> tuple["Mol", "Mol"]:
    """Mapped reactants and products, hydrogens that stay implicit, those that move as atoms with map numbers.

    Raises:
        DataError: where a hydrogen without a heavy atom, or an isotope, comes from or goes to is not known.
    """
    _follow_hydrogens(before, after, text)
    found = _without_spectators(before), _without_spectators(after)
    if any(not atom.GetAtomMapNum() for mol in found for atom in mol.GetAtoms()):
        raise DataError(
            f"{short(text)}: isotopes of hydrogen, and hydrogens without heavy atoms, need map numbers"
        )
    return found


def heavy_atoms(mol: "Mol") -> list[Any]:
    """All atoms but hydrogens."""
    return [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1]


def canonical(before: "Mol", after: "Mol") -> str:
    """The reaction with map numbers that depend on nothing but itself.

    Args:
        before, after: as of `with_hydrogens_followed`.
    """
    from rdkit import Chem

    after = ordered_as(before, after)
    plain = [_unmapped(mol) for mol in (before, after)]
    # One numbering for both directions: from the side whose string is the lower, both where they are equal.
    found = []
    for mols, keys in (((before, after), plain), ((after, before), plain[::-1])):
        if keys[0] > keys[1]:
            continue
        ranks = _ranks(*mols)
        for mol in (before, after):
            for atom, rank in zip(mol.GetAtoms(), ranks, strict=True):
                atom.SetAtomMapNum(rank + 1)
        found.append([Chem.MolToSmiles(mol) for mol in (before, after)])
    return ARROW.join(min(found, key=lambda pair: (sorted(pair), pair)))


def reacting(before: "Mol", after: "Mol") -> list[int]:
    """Numbers of the atoms whose bonds, charge or hydrogens change.

    Args:
        before, after: the same atoms in the same order.
    """
    ones, others = _states(before), _states(after)
    return [k for k, (one, other) in enumerate(zip(ones, others, strict=True)) if one != other]


def bond_orders(mol: "Mol") -> dict[tuple[int, int], float]:
    """By the two atoms, the lower number first."""
    return {
        (min(ends), max(ends)): bond.GetBondTypeAsDouble()
        for bond in mol.GetBonds()
        for ends in [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())]
    }


def _states(mol: "Mol") -> list[tuple[Any, ...]]:
    """What of each atom a reaction can change."""
    around: list[list[tuple[int, float]]] = [[] for _ in range(mol.GetNumAtoms())]
    for (one, other), order in bond_orders(mol).items():
        around[one].append((other, order))
        around[other].append((one, order))
    return [
        (sorted(near), atom.GetFormalCharge(), atom.GetTotalNumHs())
        for near, atom in zip(around, mol.GetAtoms(), strict=True)
    ]


def ordered_as(before: "Mol", after: "Mol") -> "Mol":
    """The products with their atoms in the order of the reactants."""
    from rdkit import Chem

    where = {atom.GetAtomMapNum(): atom.GetIdx() for atom in after.GetAtoms()}
    return Chem.RenumberAtoms(after, [where[atom.GetAtomMapNum()] for atom in before.GetAtoms()])


def _unmapped(mol: "Mol") -> str:
    from rdkit import Chem

    bare = Chem.Mol(mol)
    for atom in bare.GetAtoms():
        atom.SetAtomMapNum(0)
    return Chem.MolToSmiles(bare)


def _ranks(before: "Mol", after: "Mol") -> list[int]:
    """A number for each atom, by what it is before and after and what it is bound to; of atoms that nothing
    tells apart one goes first."""
    from rdkit import Chem

    ranks = [
        list(Chem.CanonicalRankAtoms(mol, breakTies=False, includeAtomMaps=False)) for mol in (before, after)
    ]
    orders = bond_orders(before), bond_orders(after)
    around: list[list[tuple[int, float, float]]] = [[] for _ in ranks[0]]
    for one, other in orders[0].keys() | orders[1].keys():
        was, becomes = (order.get((one, other), 0.0) for order in orders)
        around[one].append((other, was, becomes))
        around[other].append((one, was, becomes))
    colors = _dense(list(zip(*ranks, strict=True)))
    while True:
        colors = _refined(colors, around)
        sizes = Counter(colors)
        tied = [color for color in colors if sizes[color] > 1]
        if not tied:
            return colors
        first = colors.index(min(tied))
        colors = _dense([(color, k != first) for k, color in enumerate(colors)])


def _refined(colors: list[int], around: Sequence[Sequence[tuple[int, float, float]]]) -> list[int]:
    """Told apart by their neighbors until nothing more is (Weisfeiler and Leman 1968)."""
    while True:
        count = len(set(colors))
        if count == len(colors):
            return colors
        colors = _dense(
            [
                (color, tuple(sorted((colors[other], *orders) for other, *orders in near)))
                for color, near in zip(colors, around, strict=True)
            ]
        )
        if len(set(colors)) == count:
            return colors


def _dense(keys: Sequence[Any]) -> list[int]:
    """Ranks 0, 1, 2 ... of keys, equal ones equal."""
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return [ranks[key] for key in keys]


def _follow_hydrogens(before: "Mol", after: "Mol", text: str) -> None:
    """Gives hydrogens that move map numbers, and takes away those of hydrogens that do not."""
    mols = before, after
    known = [{atom.GetAtomMapNum(): atom for atom in _hydrogens(mol) if atom.GetAtomMapNum()} for mol in mols]
    for own, other in (known, known[::-1]):
        for number in own.keys() - other.keys():
            own[number].SetAtomMapNum(0)
    free = [{} for _ in mols]
    for places, mol in zip(free, mols, strict=True):
        for atom in _hydrogens(mol):
            if not atom.GetAtomMapNum():
                places.setdefault(_owner(atom), []).append(atom)
    moved = [
        [
            (owner, atom)
            for owner, atoms in one.items()
            for atom in atoms[len(other.get(owner, ())) if owner else 0 :]
        ]
        for one, other in (free, free[::-1])
    ]
    loose = any(owner == 0 for one in moved for owner, _ in one)
    if min(len({owner for owner, _ in one}) for one in moved) > 1:
        if loose:
            raise DataError(
                f"{short(text)}: it is not known where hydrogens go", "give them map numbers as well"
            )
        moved = [[], []]
    highest = max((atom.GetAtomMapNum() for mol in mols for atom in mol.GetAtoms()), default=0)
    for number, ((_, one), (_, other)) in enumerate(zip(*moved, strict=True), highest + 1):
        one.SetAtomMapNum(number)
        other.SetAtomMapNum(number)
    for number in known[0].keys() & known[1].keys():
        one, other = (of[number] for of in known)
        if _owner(one) and _owner(one) == _owner(other) and not one.GetIsotope():
            one.SetAtomMapNum(0)
            other.SetAtomMapNum(0)


def _hydrogens(mol: "Mol") -> list[Any]:
    return [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 1]


def _owner(hydrogen: Any) -> int:
    """The map number of its heavy atom; zero of a hydrogen that has none, or several."""
    near = hydrogen.GetNeighbors()
    single = len(near) == 1 and near[0].GetAtomicNum() > 1 and not hydrogen.GetFormalCharge()
    return near[0].GetAtomMapNum() if single else 0


def _without_spectators(mol: "RWMol | Mol") -> "Mol":
    """Without the hydrogens that have no map number."""
    from rdkit import Chem

    params = Chem.RemoveHsParameters()
    params.removeMapped = False
    params.removeDefiningBondStereo = True
    params.removeIsotopes = False
    found = Chem.RemoveHs(mol, params)
    Chem.AssignStereochemistry(found, cleanIt=True, force=True)
    return found


def _formula(counts: Iterable[Any]) -> str:
    return "".join(
        f"{f'[{isotope}{symbol}]' if isotope else symbol}{count if count > 1 else ''}"
        for (isotope, symbol), count in sorted(Counter(counts).items(), key=lambda item: item[0][1])
    )
