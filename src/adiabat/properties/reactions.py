"""Reactions with what models read of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from adiabat.properties.condensed_graphs import condensed_graphs
from adiabat.properties.descriptors import descriptors
from adiabat.properties.fingerprints import BITS, RADIUS, Counts
from adiabat.properties.graphs import Graph
from adiabat.properties.molecules import Molecules
from adiabat.properties.reaction_smiles import reacting, reverse, sides
from adiabat.properties.substructures import PLACES, substructures

if TYPE_CHECKING:
    from rdkit.Chem import Mol


@dataclass(frozen=True, eq=False)
class Reactions(Molecules):
    """Standardized reactions, described as molecules are, so that what reads molecules reads them.

    Attributes:
        smiles: standardized (`ReactionStandardizer`).
        inputs: as of molecules.
    """

    reacting: ClassVar[bool] = True

    @cached_property
    def counts(self) -> np.ndarray:
        """Circular environments with an atom that reacts, those before and those after side by side, shape
        (n_reactions, 2048), uint16."""
        return np.array([reaction_counts(text) for text in self.smiles], np.uint16).reshape(-1, BITS)

    @cached_property
    def sparse_counts(self) -> Counts:
        """The same without the zeros."""
        return Counts(self.counts)

    def _substructures(self, kind: str) -> Counts:
        """Those of the reactants and those of the products, which are counted in other places."""
        mols = [sides(text) for text in self.smiles]
        before, after = (substructures(kind, [_bare(pair[k]) for pair in mols]) for k in (0, 1))
        shifted = (after.indices + PLACES // 2) % PLACES
        return Counts(before + Counts((after.data, shifted, after.indptr), shape=after.shape))

    @cached_property
    def descriptors(self) -> np.ndarray:
        """Those of the reactants and by how much they change, shape (n_reactions, n_descriptors), float32."""
        from rdkit import rdBase

        names = [tuple(map(_unmapped, sides(text))) for text in self.smiles]
        known = list(dict.fromkeys(name for pair in names for name in pair))
        with rdBase.BlockLogs():  # on hydrogens without neighbors
            of = dict(zip(known, descriptors(known), strict=True))
        found = [np.concatenate([of[one], of[other] - of[one]]) for one, other in names]
        return np.array(found, np.float32).reshape(len(names), -1)

    @cached_property
    def graphs(self) -> tuple[Graph, ...]:
        """The condensed graph of each."""
        return condensed_graphs(self.smiles)

    @property
    def sizes(self) -> np.ndarray:
        """Numbers of atoms in the graphs, shape (n_reactions,)."""
        return np.array([len(one.atoms) for one in self.graphs], int)

    def have_atoms(self, features: np.ndarray) -> np.ndarray:
        """As of molecules, from the graphs."""
        return np.array([(one.atoms.any(axis=0) & features).any() for one in self.graphs], bool)

    def joined(self, other: "Reactions") -> "Reactions":
        """These, then the others."""
        return Reactions((*self.smiles, *other.smiles), np.concatenate([self.inputs, other.inputs]))

    @cached_property
    def reversed(self) -> "Reactions":
        """From products to reactants, each at the same inputs."""
        return Reactions(tuple(reverse(text) for text in self.smiles), self.inputs)


def reaction_counts(reaction: str) -> np.ndarray:
    """How often each circular environment (`fingerprints`) that holds a reacting atom occurs, before in the
    first half, after in the second; shape (2048,).

    What is the same before and after cancels in a difference fingerprint (Schneider et al. 2015,
    doi 10.1021/ci5006614), and nothing is left of Br- + RBr >> RBr + Br-; environments of reacting atoms
    stay here.
    """
    mols = sides(reaction)
    center = reacting(*mols)
    return np.concatenate([_environments(mol, center) for mol in mols])


def _environments(mol: "Mol", center: Sequence[int]) -> np.ndarray:
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(RADIUS, includeChirality=True, fpSize=BITS // 2)
    more = rdFingerprintGenerator.AdditionalOutput()
    more.AllocateBitInfoMap()
    bare = _bare(mol)
    generator.GetCountFingerprint(bare, additionalOutput=more)
    away = _distances(bare, center)
    found = np.zeros(BITS // 2, np.uint16)
    for place, occurrences in more.GetBitInfoMap().items():
        found[place] = sum(away[atom] <= radius for atom, radius in occurrences)
    return found


def _distances(mol: "Mol", center: Sequence[int]) -> np.ndarray:
    """Bonds from each atom to the nearest of the center, shape (n_atoms,); at most `RADIUS` + 1."""
    away = np.full(mol.GetNumAtoms(), RADIUS + 1)
    edge = list(center)
    for steps in range(RADIUS + 1):
        edge = [k for k in edge if away[k] > steps]
        away[edge] = steps
        edge = [near.GetIdx() for k in edge for near in mol.GetAtomWithIdx(k).GetNeighbors()]
    return away


def _bare(mol: "Mol") -> "Mol":
    """Without map numbers."""
    from rdkit import Chem

    bare = Chem.Mol(mol)
    for atom in bare.GetAtoms():
        atom.SetAtomMapNum(0)
    return bare


def _unmapped(mol: "Mol") -> str:
    from rdkit import Chem

    return Chem.MolToSmiles(_bare(mol))
