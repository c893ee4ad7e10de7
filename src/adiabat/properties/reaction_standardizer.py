"""One way to write each reaction, atom-mapped by the writer or here."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adiabat.base import DataError
from adiabat.properties.atom_maps import candidates
from adiabat.properties.reaction_smiles import (
    canonical,
    check_balance,
    check_maps,
    heavy_atoms,
    read,
    with_hydrogens_followed,
)
from adiabat.properties.standardize import short

if TYPE_CHECKING:
    from rdkit.Chem import Mol

# A map with as much less change is e times as likely, and even one without rivals is not certain: see
# docs/decisions/0025-reactions.md.
_SCALE, _BEST = 0.5, 0.95
# Rivals that change so much more are not looked at.
_FAR, _RIVALS = 2.5, 40


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
        from rdkit import rdBase

        with rdBase.BlockLogs():
            before, after = read(text)
            check_balance(before, after, text)
            if any(atom.GetAtomMapNum() for mol in (before, after) for atom in mol.GetAtoms()):
                check_maps(before, after, text)
                return canonical(*with_hydrogens_followed(before, after, text))
            found, confidence = _likeliest(before, after, text)
            if confidence < self.confidence:
                raise DataError(
                    f"{short(text)} has no atom maps, and what becomes of its atoms is sure to "
                    f"{confidence:.0%} only, {self.confidence:.0%} are asked for",
                    "give its atoms map numbers",
                )
            return found

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
    """The reaction of least change, and its share among those of little more."""
    found = candidates(before, after)
    least = found[0].distance
    if least == 0:
        raise DataError(
            f"{short(text)}: nothing changes but which atom is which", "give its atoms map numbers"
        )
    distances: dict[str, float] = {}
    problem = None
    for one in found[:_RIVALS]:
        if one.distance > least + _FAR:
            break
        try:
            name = canonical(*with_hydrogens_followed(*_numbered(before, after, one.becomes), text))
        except DataError as error:  # hydrogens that this map cannot follow
            problem = problem or error
            continue
        distances.setdefault(name, one.distance)
    if not distances:
        raise problem or DataError(f"{short(text)} cannot be mapped")
    ways = np.array(list(distances.values()))
    return next(iter(distances)), float(_BEST / np.exp((ways[0] - ways) / _SCALE).sum())


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
