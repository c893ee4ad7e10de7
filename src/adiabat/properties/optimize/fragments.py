"""Parts of a user's own molecules, to be put in the place of others."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from adiabat.base import ConfigError

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_MOST_ATOMS = 15


class Fragments:
    """The end groups of molecules, cut at the bonds that syntheses make (BRICS: Degen et al. 2008,
    doi 10.1002/cmdc.200800178).

    Args:
        smiles: of the molecules, such as a building-block library or a project's compounds.

    Raises:
        ConfigError: none of them has a bond to cut.
    """

    def __init__(self, smiles: Iterable[str]):
        from rdkit import Chem
        from rdkit.Chem import BRICS

        found: dict[str, set[str]] = {}
        for text in smiles:
            if (mol := Chem.MolFromSmiles(text)) is None:
                continue
            for fragment in BRICS.BRICSDecompose(mol, keepNonLeafNodes=True):
                part = Chem.MolFromSmiles(fragment)
                labels = [atom.GetIsotope() for atom in part.GetAtoms() if not atom.GetAtomicNum()]
                if len(labels) == 1 and part.GetNumAtoms() <= _MOST_ATOMS + 1:
                    found.setdefault(str(labels[0]), set()).add(fragment)
        if not found:
            raise ConfigError("no fragments: none of these molecules has a bond that BRICS cuts")
        self._ends = {label: sorted(texts) for label, texts in sorted(found.items())}

    def __len__(self) -> int:
        return sum(map(len, self._ends.values()))

    def exchange(self, mol: "Mol", random: np.random.Generator) -> tuple["Mol", str] | None:
        """One side of a bond of a molecule replaced by a fragment that was bonded in the same way.

        Returns:
            the child, not yet checked, and what came; None where no fragment fits.
        """
        from rdkit import Chem
        from rdkit.Chem import BRICS

        bonds = [
            (ends if turned else ends[::-1], labels[1 if turned else 0])
            for ends, labels in BRICS.FindBRICSBonds(mol)
            for turned in (True, False)
        ]
        bonds = [(ends, label) for ends, label in bonds if label in self._ends]
        if not bonds:
            return None
        (kept, _), label = pair = bonds[random.integers(len(bonds))]
        bond = mol.GetBondBetweenAtoms(*pair[0]).GetIdx()
        cut = Chem.FragmentOnBonds(mol, [bond], addDummies=True, dummyLabels=[(1, 1)])
        atoms: list[tuple[int, ...]] = []
        pieces = Chem.GetMolFrags(cut, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=atoms)
        piece = next(part for part, indices in zip(pieces, atoms, strict=True) if kept in indices)
        choices = self._ends[label]
        name = choices[random.integers(len(choices))]
        new = Chem.MolFromSmiles(name)
        for atom in new.GetAtoms():
            if not atom.GetAtomicNum():
                atom.SetIsotope(1)
        settings = Chem.MolzipParams()
        settings.label = Chem.MolzipLabel.Isotope
        return Chem.molzip(piece, new, settings), f"fragment {name} in"
