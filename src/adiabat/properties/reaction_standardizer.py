"""One way to write each reaction, atom-mapped by the writer or here."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adiabat.base import DataError
from adiabat.properties.atom_maps import Candidate, candidates
from adiabat.properties.reaction_smiles import (
    canonical,
    check_balance,
    check_maps,
    heavy_atoms,
    read,
    with_hydrogens_followed,
)
from adiabat.properties.standardize import short
from adiabat.properties.transition_structure import both_hands, four_membered

if TYPE_CHECKING:
    from rdkit.Chem import Mol

# What a ring of four counts among rivals, beside the changes of `candidates`; even a map without rivals is
# not certain: see docs/decisions/0025-reactions.md.
_FOUR, _BEST = 3.0, 0.97
# Of maps that only equal atoms seem to tell apart so many are looked at, and so many of all.
_EQUAL, _RIVALS = 8, 150


@dataclass(frozen=True)
class ReactionStandardizer:
    """Turns reaction SMILES into canonical ones: the same reaction, whatever the order of its atoms, its map
    numbers and its hydrogens as written, is the same string; that of its reverse has the sides swapped.

    Nothing is neutralized or taken away: a proton and a counterion may be what reacts. Molecules between
    the arrows (`A>B>C`) are on both sides. Hydrogens that stay where they are become implicit; those that
    move stay atoms, where it is known which do: by their map numbers, or because only one atom loses or only
    one gains some.

    Args:
        confidence: which the map of a reaction without map numbers must have.
    """

    confidence: float = 0.8

    def __call__(self, text: str) -> str:
        """The canonical reaction SMILES.

        Raises:
            DataError: not a reaction, unbalanced, atom maps that are incomplete, used twice, or of two
                elements; without any, if how atoms map is not sure enough.
            UnsupportedError: a wildcard atom, more than 250 heavy atoms, more than 60 to map.
        """
        return self.mapped(text)[0]

    def mapped(self, text: str) -> tuple[str, float]:
        """The canonical reaction SMILES, and how sure its map is: 1 of map numbers that were written.

        Raises:
            DataError, UnsupportedError: as of a call.
        """
        from rdkit import rdBase

        with rdBase.BlockLogs():
            before, after = read(text)
            check_balance(before, after, text)
            if any(atom.GetAtomMapNum() for mol in (before, after) for atom in mol.GetAtoms()):
                check_maps(before, after, text)
                return canonical(*with_hydrogens_followed(before, after, text)), 1.0
        found, confidence = map_atoms(text)
        if confidence < self.confidence:
            raise DataError(
                f"{short(text)} has no atom maps, and what becomes of its atoms is sure to "
                f"{confidence:.0%} only, {self.confidence:.0%} are asked for; the likeliest is {found}",
                "give its atoms map numbers",
            )
        return found, confidence

    def changes(self, written: str, smiles: str) -> bool:
        """Whether its atoms were mapped here, not by who wrote it."""
        return re.search(r":\d+\]", written) is None


def map_atoms(text: str) -> tuple[str, float]:
    """A reaction without map numbers, mapped, and how sure the map is, from 0 to 1.

    Raises:
        DataError, UnsupportedError: as of `ReactionStandardizer`, but for the confidence.
    """
    from rdkit import rdBase

    with rdBase.BlockLogs():
        before, after = read(text)
        check_balance(before, after, text)
        return _likeliest(before, after, text)


def _likeliest(before: "Mol", after: "Mol", text: str) -> tuple[str, float]:
    """The likeliest way of the reaction, and its share among its rivals."""
    found = candidates(before, after)
    if found[0].distance == 0:
        raise DataError(
            f"{short(text)}: nothing changes but which atom is which", "give its atoms map numbers"
        )
    rivals = _distinct(found, before, after)
    costs: dict[tuple[str, ...], float] = {}
    names: dict[tuple[str, ...], str] = {}
    problem = None
    for one in rivals[:_RIVALS]:
        try:
            mols = with_hydrogens_followed(*_numbered(before, after, one.becomes), text)
        except DataError as error:  # hydrogens that this map cannot follow
            problem = problem or error
            continue
        own, mirrored = both_hands(*mols)
        # Of a reaction that is its own mirror image the two are one way.
        way = min(own, mirrored), max(own, mirrored)
        names[way] = min(own, names.get(way, own))
        costs[way] = min(one.distance + _FOUR * four_membered(*mols), costs.get(way, np.inf))
    if not costs:
        raise problem or DataError(f"{short(text)} cannot be mapped")
    best = min(costs, key=lambda way: (costs[way], way))
    others = [*costs.values(), *(one.distance for one in rivals[_RIVALS:])]
    return names[best], float(_BEST / np.exp(costs[best] - np.array(others)).sum())


def _distinct(found: Sequence[Candidate], before: "Mol", after: "Mol") -> list[Candidate]:
    """Without most of the maps that differ by equal atoms only, such as the methyl groups of tert-butyl."""
    from rdkit import Chem

    kinds = [
        np.array(Chem.CanonicalRankAtoms(mol, breakTies=False))[[atom.GetIdx() for atom in heavy_atoms(mol)]]
        for mol in (before, after)
    ]
    times: Counter[tuple[bytes, float]] = Counter()
    kept = []
    for one in found:
        pairs = np.stack([kinds[0], kinds[1][one.becomes]])
        key = pairs[:, np.lexsort(pairs)].tobytes(), one.distance
        times[key] += 1
        if times[key] <= _EQUAL:
            kept.append(one)
    return kept


def _numbered(before: "Mol", after: "Mol", becomes: np.ndarray) -> tuple["Mol", "Mol"]:
    """Copies with map numbers on their heavy atoms."""
    from rdkit import Chem

    mols = Chem.Mol(before), Chem.Mol(after)
    atoms, others = (heavy_atoms(mol) for mol in mols)
    for mol in mols:
        for atom in mol.GetAtoms():
            atom.SetAtomMapNum(0)
    for number, (atom, place) in enumerate(zip(atoms, becomes.tolist(), strict=True), 1):
        atom.SetAtomMapNum(number)
        others[place].SetAtomMapNum(number)
    return mols
