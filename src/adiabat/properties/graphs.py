"""Molecules as graphs of atoms and bonds, flat arrays that a network takes."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int

from adiabat.base import UnsupportedError

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Bond, Mol

# One place each; what is none of them has the last, further place.
_ELEMENTS = (1, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 19, 20, 26, 30, 34, 35, 50, 53)
_DEGREES = (0, 1, 2, 3, 4)
_CHARGES = (-2, -1, 0, 1, 2)
_HYDROGENS = (0, 1, 2, 3)
_HYBRIDIZATIONS = ("S", "SP", "SP2", "SP3", "SP3D", "SP3D2")
_CENTERS = ("R", "S")
_BONDS = (1.0, 2.0, 3.0, 1.5)
_DOUBLE = ("E", "Z")
# Atoms with more bonds are metals of complexes, which are rare in tables of organic molecules.
MAX_BONDS = 8


class Graphs(eqx.Module):
    """Molecules side by side. Each bond is two edges, one in either direction.

    Attributes:
        atoms: features, shape (n_atoms, n_atom_features).
        edges: features of the bonds, shape (n_edges, n_bond_features).
        source: the atom each edge leaves, shape (n_edges,).
        reverse: the edge in the other direction, shape (n_edges,).
        incoming: edges that come to each atom, shape (n_atoms, max_bonds); n_edges where there is none.
        molecule: to which each atom belongs, shape (n_atoms,); n_molecules for padding.
        n_molecules: molecules, those of padding included.
    """

    atoms: Float[Array, "n_atoms n_atom_features"]
    edges: Float[Array, "n_edges n_bond_features"]
    source: Int[Array, " n_edges"]
    reverse: Int[Array, " n_edges"]
    incoming: Int[Array, "n_atoms max_bonds"]
    molecule: Int[Array, " n_atoms"]
    n_molecules: int = eqx.field(static=True)


class Graph(eqx.Module):
    """One molecule, on the host.

    Attributes:
        atoms: features, shape (n_atoms, n_atom_features).
        bonds: features, shape (n_bonds, n_bond_features).
        ends: the atoms of each bond, shape (n_bonds, 2).
    """

    atoms: np.ndarray
    bonds: np.ndarray
    ends: np.ndarray


def graph(smiles: str, *, stereo: bool = True) -> Graph:
    """Atoms and bonds of a molecule, hydrogens as numbers of their heavy atoms.

    Handedness is by the rules of Cahn, Ingold and Prelog (RDKit's labeler, doi 10.1021/acs.jcim.8b00324): the
    tags of a SMILES string depend on the order in which its atoms are written, these do not.

    Args:
        smiles: standardized.
        stereo: tell mirror images, and E from Z.

    Raises:
        UnsupportedError: an atom with more than 8 bonds.
    """
    from rdkit import Chem

    return graph_of(Chem.MolFromSmiles(smiles), stereo=stereo)


def graph_of(mol: "Mol", *, stereo: bool = True) -> Graph:
    """The same of a molecule that RDKit has read, without explicit hydrogens; atoms keep their order."""
    from rdkit import rdBase
    from rdkit.Chem import rdCIPLabeler

    if stereo:
        # What is too symmetric to be told apart in that many steps stays without labels.
        with rdBase.BlockLogs(), contextlib.suppress(RuntimeError):
            rdCIPLabeler.AssignCIPLabels(mol, maxRecursiveIterations=100_000)
    atoms = np.array([_of_atom(atom, stereo) for atom in mol.GetAtoms()], np.uint8)
    bonds = np.array([_of_bond(bond, stereo) for bond in mol.GetBonds()], np.uint8)
    ends = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()], np.int32)
    if len(ends) and (most := np.bincount(ends.ravel()).max()) > MAX_BONDS:
        raise UnsupportedError(f"an atom has {most} bonds, at most {MAX_BONDS}")
    return Graph(atoms, bonds.reshape(-1, N_BOND_FEATURES), ends.reshape(-1, 2))


def _of_atom(atom: "Atom", stereo: bool) -> list[int]:
    center = atom.GetProp("_CIPCode") if stereo and atom.HasProp("_CIPCode") else ""
    return [
        *_one_hot(atom.GetAtomicNum(), _ELEMENTS),
        *_one_hot(atom.GetDegree(), _DEGREES),
        *_one_hot(atom.GetFormalCharge(), _CHARGES),
        *_one_hot(atom.GetTotalNumHs(), _HYDROGENS),
        *_one_hot(str(atom.GetHybridization()), _HYBRIDIZATIONS),
        *_one_hot(center.upper(), _CENTERS),
        atom.GetIsAromatic(),
        atom.IsInRing(),
    ]


def _of_bond(bond: "Bond", stereo: bool) -> list[int]:
    label = bond.GetProp("_CIPCode") if stereo and bond.HasProp("_CIPCode") else ""
    return [
        *_one_hot(bond.GetBondTypeAsDouble(), _BONDS),
        *_one_hot(label.upper(), _DOUBLE),
        bond.GetIsConjugated(),
        bond.IsInRing(),
    ]


def _one_hot(value: Any, choices: Sequence[Any]) -> list[int]:
    found = [0] * (len(choices) + 1)
    found[choices.index(value) if value in choices else -1] = 1
    return found


N_ATOM_FEATURES = 2 + sum(
    len(choices) + 1 for choices in (_ELEMENTS, _DEGREES, _CHARGES, _HYDROGENS, _HYBRIDIZATIONS, _CENTERS)
)
N_BOND_FEATURES = 2 + len(_BONDS) + 1 + len(_DOUBLE) + 1


def joined(
    graphs: Sequence[Graph], *, n_atoms: int = 0, n_edges: int = 0, n_molecules: int = 0, max_bonds: int = 0
) -> Graphs:
    """Side by side, padded to at least these sizes.

    Padding atoms belong to no molecule, padding edges are their own reverse and come to no atom.
    """
    counts = np.array([len(one.atoms) for one in graphs])
    starts = np.concatenate([[0], np.cumsum(counts)])
    ends = np.concatenate([one.ends + start for one, start in zip(graphs, starts, strict=False)])
    atoms = np.concatenate([one.atoms for one in graphs])
    bonds = np.concatenate([one.bonds for one in graphs])
    total, n_bonds = len(atoms), len(ends)
    n_atoms, n_edges = max(n_atoms, total), max(n_edges, 2 * n_bonds)
    source, target = ends.ravel(), ends[:, ::-1].ravel()
    order = np.argsort(target, kind="stable")
    degree = np.bincount(target, minlength=n_atoms)
    max_bonds = max(max_bonds, int(degree.max(initial=1)))
    incoming = np.full((n_atoms, max_bonds), n_edges, np.int32)
    slot = np.arange(2 * n_bonds) - np.repeat(np.cumsum(degree) - degree, degree)
    incoming[target[order], slot] = order
    reverse = np.arange(n_edges, dtype=np.int32)
    reverse[: 2 * n_bonds] ^= 1
    n_molecules = max(n_molecules, len(graphs))
    molecule = np.full(n_atoms, n_molecules, np.int32)
    molecule[:total] = np.repeat(np.arange(len(graphs)), counts)
    arrays: tuple[Any, ...] = (
        _padded(atoms.astype(np.float32), n_atoms),
        _padded(np.repeat(bonds, 2, axis=0).astype(np.float32), n_edges),
        _padded(source.astype(np.int32), n_edges),
        reverse,
        incoming,
        molecule,
    )
    return Graphs(*arrays, n_molecules=n_molecules)


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    return np.pad(rows, ((0, count - len(rows)), *([(0, 0)] * (rows.ndim - 1))))
