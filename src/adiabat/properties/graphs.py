"""Molecules as graphs of atoms and bonds, flat arrays that a network takes."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

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


class Graph(NamedTuple):
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
    """The graph of one molecule, see `graphs_of`.

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
    return graphs_of([mol], [stereo])[0]


def graphs_of(mols: "Sequence[Mol]", stereo: Sequence[bool]) -> tuple[Graph, ...]:
    """Atoms and bonds of molecules, hydrogens as numbers of their heavy atoms.

    Handedness is by the rules of Cahn, Ingold and Prelog (RDKit's labeler, doi 10.1021/acs.jcim.8b00324): the
    tags of a SMILES string depend on the order in which its atoms are written, these do not.

    Args:
        mols: standardized.
        stereo: which of them to look at for mirror images, and for E and Z, which takes time.

    Raises:
        UnsupportedError: an atom with more than 8 bonds.
    """
    return labeled(unlabeled_graphs(mols), mols, stereo)


def unlabeled_graphs(mols: "Sequence[Mol]") -> tuple[Graph, ...]:
    """The same without handedness.

    Raises:
        UnsupportedError: an atom with more than 8 bonds.
    """
    atoms: tuple[list[int], ...] = tuple([] for _ in _atom_readers())
    bonds: tuple[list[float], ...] = tuple([] for _ in _bond_readers())
    sizes = np.zeros((len(mols), 2), int)
    for k, mol in enumerate(mols):
        # Lists and maps: RDKit's own sequences, and a loop, take four times as long.
        own = list(map(mol.GetAtomWithIdx, range(mol.GetNumAtoms())))
        links = list(map(mol.GetBondWithIdx, range(mol.GetNumBonds())))
        for read, found in zip(_atom_readers(), atoms, strict=True):
            found.extend(map(read, own))
        for read, found in zip(_bond_readers(), bonds, strict=True):
            found.extend(map(read, links))
        sizes[k] = len(own), len(links)
    numbers = np.stack([np.fromiter(found, int, len(found)) for found in atoms])
    links = np.stack([np.fromiter(found, float, len(found)) for found in bonds])
    first = np.concatenate([np.zeros((1, 2), int), np.cumsum(sizes, axis=0)])
    ends = links[:2].T.astype(np.int32)
    flat = ends + np.repeat(first[:-1, 0], sizes[:, 1])[:, None]
    of_atoms = [np.bincount(flat[kept].ravel(), minlength=numbers.shape[1]) for kept in _kinds(links)]
    degree = of_atoms[0]
    if (most := degree.max(initial=0)) > MAX_BONDS:
        raise UnsupportedError(f"an atom has {most} bonds, at most {MAX_BONDS}")
    atom_rows, bond_rows = _atom_features(numbers, of_atoms), _bond_features(links[2:])
    return tuple(
        Graph(atom_rows[a:b], bond_rows[c:d], ends[c:d])
        for (a, c), (b, d) in itertools.pairwise(first.tolist())
    )


def labeled(graphs: Sequence[Graph], mols: "Sequence[Mol]", stereo: Sequence[bool]) -> tuple[Graph, ...]:
    """Graphs without labels of handedness with those of the molecules to look at."""
    found = list(graphs)
    for k in np.flatnonzero(stereo).tolist():
        mol, one = _labeled(mols[k]), found[k]
        atoms = map(mol.GetAtomWithIdx, range(mol.GetNumAtoms()))
        bonds = map(mol.GetBondWithIdx, range(mol.GetNumBonds()))
        found[k] = Graph(
            _with_labels(one.atoms, _OF_ATOMS, _labels(atoms, _CENTERS)),
            _with_labels(one.bonds, _OF_BONDS, _labels(bonds, _DOUBLE)),
            one.ends,
        )
    return tuple(found)


def unlabeled(one: Graph) -> Graph:
    """A graph without its labels of handedness."""
    return Graph(_with_labels(one.atoms, _OF_ATOMS, ()), _with_labels(one.bonds, _OF_BONDS, ()), one.ends)


def has_labels(one: Graph) -> bool:
    """Whether an atom or a bond of a molecule has a label of handedness."""
    return bool(
        (one.atoms[:, _OF_ATOMS.stop - 1] == 0).any() or (one.bonds[:, _OF_BONDS.stop - 1] == 0).any()
    )


def _with_labels(rows: np.ndarray, columns: slice, labels: Iterable[tuple[int, int]]) -> np.ndarray:
    """Rows that have these labels, and no others."""
    rows = rows.copy()
    own = rows[:, columns]
    own[:], own[:, -1] = 0, 1
    for k, place in labels:
        own[k, -1], own[k, place] = 0, 1
    return rows


@cache
def _atom_readers() -> tuple[Any, ...]:
    from rdkit.Chem import Atom

    return Atom.GetAtomicNum, Atom.GetFormalCharge, Atom.GetTotalNumHs, Atom.GetHybridization


@cache
def _bond_readers() -> tuple[Any, ...]:
    from rdkit.Chem import Bond

    ends = Bond.GetBeginAtomIdx, Bond.GetEndAtomIdx
    return *ends, Bond.GetBondTypeAsDouble, Bond.GetIsConjugated, Bond.IsInRing


def _labeled(mol: "Mol") -> "Mol":
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdCIPLabeler

    mol = Chem.Mol(mol)
    # What is too symmetric to be told apart in that many steps stays without labels.
    with rdBase.BlockLogs(), contextlib.suppress(RuntimeError):
        rdCIPLabeler.AssignCIPLabels(mol, maxRecursiveIterations=100_000)
    return mol


def _labels(members: "Iterable[Atom] | Iterable[Bond]", known: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The numbers of those that have a known label, with its place."""
    for k, one in enumerate(members):
        if one.HasProp("_CIPCode") and (label := one.GetProp("_CIPCode").upper()) in known:
            yield k, known.index(label)


def _kinds(links: np.ndarray) -> tuple[np.ndarray, ...]:
    """Which bonds there are, which are aromatic, which in rings: atoms are what one of their bonds is."""
    orders, _, ring = links[2:]
    return orders >= 0, orders == 1.5, ring > 0


def _atom_features(numbers: np.ndarray, of_atoms: Sequence[np.ndarray]) -> np.ndarray:
    """One-hot rows, shape (n_atoms, n_atom_features), of what `_atom_readers` read and of how many bonds of
    each of the `_kinds` there are; without handedness."""
    from rdkit.Chem import HybridizationType

    hybridizations = [int(getattr(HybridizationType, name)) for name in _HYBRIDIZATIONS]
    elements, charges, hydrogens, mixed = numbers
    degree, aromatic, ring = of_atoms
    return np.concatenate(
        [
            _one_hot(elements, _ELEMENTS),
            _one_hot(degree, _DEGREES),
            _one_hot(charges, _CHARGES),
            _one_hot(hydrogens, _HYDROGENS),
            _one_hot(mixed, hybridizations),
            _one_hot(np.full(len(elements), -1), range(len(_CENTERS))),
            np.stack([aromatic > 0, ring > 0], axis=1).astype(np.uint8),
        ],
        axis=1,
    )


def _bond_features(links: np.ndarray) -> np.ndarray:
    """One-hot rows, shape (n_bonds, n_bond_features), of what `_bond_readers` read but the ends; without
    handedness."""
    orders, conjugated, ring = links
    return np.concatenate(
        [
            _one_hot(orders, _BONDS),
            _one_hot(np.full(len(orders), -1), range(len(_DOUBLE))),
            np.stack([conjugated, ring], axis=1).astype(np.uint8),
        ],
        axis=1,
    )


def _one_hot(values: np.ndarray, choices: Sequence[float]) -> np.ndarray:
    """Shape (n, n_choices + 1), uint8."""
    same = values[:, None] == np.asarray(choices)
    return np.concatenate([same, ~same.any(axis=1, keepdims=True)], axis=1).astype(np.uint8)


N_ATOM_FEATURES = 2 + sum(
    len(choices) + 1 for choices in (_ELEMENTS, _DEGREES, _CHARGES, _HYDROGENS, _HYBRIDIZATIONS, _CENTERS)
)
N_BOND_FEATURES = 2 + len(_BONDS) + 1 + len(_DOUBLE) + 1


# Where each kind of feature begins among those of atoms.
_STARTS = np.cumsum(
    [0] + [len(kind) + 1 for kind in (_ELEMENTS, _DEGREES, _CHARGES, _HYDROGENS, _HYBRIDIZATIONS, _CENTERS)]
).tolist()
# Those of handedness, of atoms and of bonds.
_OF_ATOMS = slice(_STARTS[5], _STARTS[6])
_OF_BONDS = slice(len(_BONDS) + 1, len(_BONDS) + 1 + len(_DOUBLE) + 1)
HANDEDNESS = np.isin(np.arange(N_ATOM_FEATURES), np.arange(N_ATOM_FEATURES)[_OF_ATOMS])
"""Which features of atoms are labels of handedness, or the lack of one."""


def elements_of(atoms: np.ndarray) -> np.ndarray:
    """Atomic numbers; 0 of rare elements."""
    return np.array([*_ELEMENTS, 0])[_chosen(atoms, 0)]


def charges_of(atoms: np.ndarray) -> np.ndarray:
    """Formal charges [e]; 0 of rare ones."""
    return np.array([*_CHARGES, 0])[_chosen(atoms, 2)]


def hydrogens_of(atoms: np.ndarray) -> np.ndarray:
    """Numbers of hydrogens; 4 of more than three."""
    return np.array([*_HYDROGENS, 4])[_chosen(atoms, 3)]


def is_aromatic(atoms: np.ndarray) -> np.ndarray:
    """Whether atoms are aromatic."""
    return atoms[:, -2] > 0


def is_plain(atoms: np.ndarray) -> np.ndarray:
    """Whether features say all of an atom: it is no hydrogen, and nothing rare."""
    rare = [stop - 1 for stop in _STARTS[1:-1]]
    return ~atoms[:, [_ELEMENTS.index(1), *rare]].any(axis=1)


def is_open_single(bonds: np.ndarray) -> np.ndarray:
    """Whether bonds are single and in no ring."""
    return (bonds[:, _BONDS.index(1.0)] > 0) & (bonds[:, -1] == 0)


def atom_query(features: np.ndarray) -> "Mol | None":
    """RDKit's query for an atom with one of the features but handedness, which no query sees; None for none.

    Args:
        features: which, shape (n_atom_features,).
    """
    from rdkit import Chem

    kinds = (
        [f"#{number}" for number in _ELEMENTS],
        [f"D{degree}" for degree in _DEGREES],
        [f"{charge:+}" for charge in _CHARGES],
        [f"H{count}" for count in _HYDROGENS],
        [f"^{k}" for k in range(len(_HYBRIDIZATIONS))],
    )
    wanted, start = [], 0
    for kind in kinds:
        *asked, others = features[start : start + len(kind) + 1].tolist()
        start += len(kind) + 1
        if others:  # None of the rest: for most atoms the first of these decides.
            wanted.append(
                "".join(f"!{text}" for text, one in zip(kind, asked, strict=True) if not one) or "*"
            )
        else:
            wanted += [text for text, one in zip(kind, asked, strict=True) if one]
    texts = ["", "", "", "a", "R"]
    wanted += [text for text, asked in zip(texts, features[start:], strict=True) if asked and text]
    return Chem.MolFromSmarts(f"[{','.join(wanted)}]") if wanted else None


def unhanded(atoms: np.ndarray, bonds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features without those of handedness."""
    return np.delete(atoms, _OF_ATOMS, axis=1), np.delete(bonds, _OF_BONDS, axis=1)


def _chosen(atoms: np.ndarray, kind: int) -> np.ndarray:
    return atoms[:, _STARTS[kind] : _STARTS[kind + 1]].argmax(axis=1)


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
