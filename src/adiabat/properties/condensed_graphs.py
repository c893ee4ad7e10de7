"""Reactions as condensed graphs: one graph of the atoms, with their bonds before and after."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from adiabat.base import UnsupportedError
from adiabat.properties.graphs import MAX_BONDS, Graph, graphs_of
from adiabat.properties.reaction_smiles import reacting, sides

if TYPE_CHECKING:
    from rdkit.Chem import Mol


def condensed_graphs(reactions: Sequence[str], *, stereo: bool = True) -> tuple[Graph, ...]:
    """The condensed graphs of reactions (Varnek et al. 2005, doi 10.1007/s10822-005-9008-0; as input of
    message passing Heid and Green 2022, doi 10.1021/acs.jcim.1c00975).

    Each atom and each bond has its features before, then those after; a bond that breaks or forms has zeros
    where it is not. So the graph of the reverse reaction has the two halves swapped. The last feature of an
    atom says whether it reacts. Hydrogens that move are atoms, all others are numbers of their heavy atoms.

    Args:
        reactions: standardized (`ReactionStandardizer`).
        stereo: tell mirror images, and E from Z.

    Raises:
        UnsupportedError: an atom with more than 8 bonds, before and after counted together.
    """
    pairs = [sides(text) for text in reactions]
    mols = [mol for pair in pairs for mol in pair]
    found = graphs_of(mols, [stereo] * len(mols)) if mols else ()
    return tuple(map(_condensed, pairs, found[::2], found[1::2]))


def _condensed(mols: "tuple[Mol, Mol]", before: Graph, after: Graph) -> Graph:
    center = np.zeros((len(before.atoms), 1), np.uint8)
    center[reacting(*mols)] = 1
    first, second = (_bonds(one) for one in (before, after))
    pairs = sorted(first | second)
    absent = np.zeros(before.bonds.shape[1], np.uint8)
    bonds = [np.concatenate([of.get(pair, absent) for of in (first, second)]) for pair in pairs]
    ends = np.array(pairs, np.int32).reshape(-1, 2)
    if len(ends) and (most := np.bincount(ends.ravel()).max()) > MAX_BONDS:
        raise UnsupportedError(f"an atom has {most} bonds before and after, at most {MAX_BONDS}")
    atoms = np.concatenate([before.atoms, after.atoms, center], axis=1)
    return Graph(atoms, np.array(bonds, np.uint8).reshape(-1, 2 * len(absent)), ends)


def _bonds(graph: Graph) -> dict[tuple[int, int], np.ndarray]:
    """Features by the two atoms, the lower number first."""
    ends = np.sort(graph.ends, axis=1).tolist()
    return {(one, other): row for (one, other), row in zip(ends, graph.bonds, strict=True)}
