"""Children of molecules: which edit is made, and whether what comes out is a molecule one would draw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adiabat.base import ConfigError
from adiabat.properties.optimize.crossover import cross
from adiabat.properties.optimize.fragments import Fragments
from adiabat.properties.optimize.mutations import mutate
from adiabat.properties.optimize.transformations import transform

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_LARGEST_RING = 7
# Groups that a random walk on graphs loves and that hardly exist; a child has one only if a parent has.
_ODD = (
    "[#8]-[#8]",
    "[F,Cl,Br,I]-[#7,#8,F,Cl,Br,I]",
    "[#7X3,#8X2,#16X2]-[NX3,OX2;!$([NX3]=*);!R]-[#7X3,#8X2,#16X2]",
    "*=C=*",
    "[C;R]#[C;R]",
    "[C;r3,r4]=[C;r3,r4]",
    "[CX4](-[F,Cl,Br,I])-[OX2H,NX3;!$(N-[C,S]=[O,N,S])]",
    "[CX3]=[CX3]-[OH,NH2]",
    "[CX4]([OH,NH2])[OH,NH2]",
    "[#16X2]-[#7X3;!$(N-[C,S]=O)]",
    "[OX2]-[SX2]",
    "[CX3;H1,H2]=[NH]",
    "[S;X1]=[C;!$(C~N)]",
)


class Child(NamedTuple):
    """A new molecule.

    Attributes:
        smiles: canonical.
        parents: SMILES of one or two.
        edit: what was done, in words.
    """

    smiles: str
    parents: tuple[str, ...]
    edit: str


@dataclass(frozen=True)
class Edits:
    """How often each kind of edit is made, in relation to each other.

    Args:
        crossover: a part of each of two parents.
        mutation: an atom or a bond added, taken away or changed.
        transformation: a change from the table of matched pairs.
        fragment: a group of the user's own library, where one is given.
    """

    crossover: float = 1.0
    mutation: float = 1.0
    transformation: float = 1.0
    fragment: float = 1.0

    def __post_init__(self) -> None:
        shares = self.crossover, self.mutation, self.transformation, self.fragment
        if min(shares) < 0 or sum(shares[:3]) <= 0:
            raise ConfigError("shares of edits have to be positive, and one of them more than zero")


class Editor:
    """Makes children.

    Args:
        edits: how often each kind.
        fragments: of the user's library, for exchanges of whole groups.
    """

    def __init__(self, edits: Edits | None = None, fragments: Fragments | None = None):
        edits = edits or Edits()
        kinds: list[tuple[float, Callable[..., tuple[Mol, str] | None], int]] = [
            (edits.crossover, cross, 2),
            (edits.mutation, mutate, 1),
            (edits.transformation, transform, 1),
        ]
        if fragments is not None:
            kinds.append((edits.fragment, fragments.exchange, 1))
        self._kinds = kinds
        self._until = np.cumsum([share for share, _, _ in kinds])

    def child(
        self, parents: Sequence[str], probabilities: np.ndarray, random: np.random.Generator
    ) -> Child | None:
        """One child, or None where the edit gave no molecule.

        Args:
            parents: SMILES to choose from, shape (n,).
            probabilities: of each, shape (n,).
            random: numbers.
        """
        from rdkit import Chem

        drawn = int(np.searchsorted(self._until, random.random() * self._until[-1], side="right"))
        _, make, count = self._kinds[drawn]
        ends = np.cumsum(probabilities)
        drawn_at = random.random(count) * ends[-1]
        chosen = [parents[int(k)] for k in np.searchsorted(ends, drawn_at, side="right")]
        made = make(*map(parsed, chosen), random)
        if made is None or (mol := _molecule(made[0])) is None:
            return None
        smiles = Chem.MolToSmiles(mol)
        if smiles in chosen or not _like(mol, [parsed(text) for text in chosen]):
            return None
        return Child(smiles, tuple(dict.fromkeys(chosen)), made[1])


@lru_cache(maxsize=4096)
def parsed(smiles: str) -> "Mol":
    """The molecule of RDKit, not to be changed: parents have many children."""
    from rdkit import Chem

    return Chem.MolFromSmiles(smiles)


def _molecule(child: "Mol") -> "Mol | None":
    """What was made as RDKit reads it, if it is one molecule, without radicals."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        try:
            child.UpdatePropertyCache()
            text = Chem.MolToSmiles(child)
            mol = None if "." in text or "*" in text else Chem.MolFromSmiles(text)
        except (ValueError, RuntimeError):
            return None
    if mol is None or ("[" in text and any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())):
        return None
    return mol


def _like(mol: "Mol", parents: Sequence["Mol"]) -> bool:
    """Whether a molecule has no large rings and odd groups that its parents do not have."""
    if _largest_ring(mol) > max(_LARGEST_RING, *map(_largest_ring, parents)):
        return False
    odd = (pattern for pattern in _odd_groups() if mol.HasSubstructMatch(pattern))
    return all(any(parent.HasSubstructMatch(pattern) for parent in parents) for pattern in odd)


def _largest_ring(mol: "Mol") -> int:
    return max(map(len, mol.GetRingInfo().AtomRings()), default=0)


@cache
def _odd_groups() -> tuple[Any, ...]:
    from rdkit import Chem

    return tuple(Chem.MolFromSmarts(text) for text in _ODD)
