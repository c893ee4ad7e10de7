"""Molecules with what models read of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.sparse import vstack

from adiabat.properties.descriptors import descriptors_of
from adiabat.properties.fingerprints import BITS, Counts, sparse_counts
from adiabat.properties.graphs import HANDEDNESS, Graph, atom_query, labeled, unlabeled, unlabeled_graphs
from adiabat.properties.substructures import PLACES, substructures

if TYPE_CHECKING:
    from rdkit.Chem import Mol

CLIP = 6.0
_BLOCK = 512
# Without one of these a SMILES string has no handedness.
_MARKS = ("@", "/", "\\")


@dataclass(frozen=True, eq=False)
class Molecules:
    """Standardized molecules; each description is computed when it is first asked for, then kept.

    Attributes:
        smiles: standardized.
        inputs: what else a prediction depends on (a temperature, a solvent), shape (n_molecules, n_inputs).
        mols: the same for RDKit, if they are at hand; otherwise they are made when they are needed, and not
            kept.
    """

    smiles: tuple[str, ...]
    inputs: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    mols: "tuple[Mol, ...] | None" = None

    reacting: ClassVar[bool] = False
    """Whether the last feature of an atom in the graphs says that it reacts."""

    def __post_init__(self):
        if self.inputs.size == 0:
            object.__setattr__(self, "inputs", np.zeros((len(self.smiles), 0), np.float32))

    def __len__(self) -> int:
        return len(self.smiles)

    @cached_property
    def counts(self) -> np.ndarray:
        """Count-Morgan fingerprints, shape (n_molecules, 2048), uint16."""
        return self.sparse_counts.toarray()

    @cached_property
    def sparse_counts(self) -> Counts:
        """The same without the zeros."""
        if "counts" in self.__dict__:
            return Counts(self.counts)
        parts = [sparse_counts(mols) for _, mols in self._blocks()]
        return Counts(vstack([Counts((0, BITS), dtype=np.uint16), *parts], format="csr"))

    def fingerprint(self, kind: str) -> Counts:
        """Counts by the name of what is counted: one of `SUBSTRUCTURES` or `SUMMED`, shape
        (n_molecules, 65536), or "counts" for `sparse_counts`."""
        if kind == "counts":
            return self.sparse_counts
        known = self.__dict__.setdefault("fingerprints", {})
        if kind not in known:
            known[kind] = self._substructures(kind)
        return known[kind]

    def _substructures(self, kind: str) -> Counts:
        parts = [substructures(kind, mols) for _, mols in self._blocks()]
        return Counts(vstack([Counts((0, PLACES), dtype=np.uint16), *parts], format="csr"))

    @cached_property
    def descriptors(self) -> np.ndarray:
        """Shape (n_molecules, n_descriptors), float32."""
        parts = [descriptors_of(mols, self.unlabeled[rows]) for rows, mols in self._blocks()]
        return np.concatenate([descriptors_of([], []), *parts])

    @cached_property
    def graphs(self) -> tuple[Graph, ...]:
        """Atoms and bonds of each.

        Raises:
            UnsupportedError: an atom with more than 8 bonds.
        """
        marked, plain = list(map(_is_marked, self.smiles)), self.unlabeled
        return tuple(one for rows, mols in self._blocks() for one in labeled(plain[rows], mols, marked[rows]))

    @cached_property
    def unlabeled(self) -> tuple[Graph, ...]:
        """The same without labels of handedness.

        Raises:
            UnsupportedError: an atom with more than 8 bonds.
        """
        if "graphs" in self.__dict__:
            return tuple(map(unlabeled, self.graphs))
        return tuple(one for _, mols in self._blocks() for one in unlabeled_graphs(mols))

    @property
    def sizes(self) -> np.ndarray:
        """Numbers of heavy atoms, shape (n_molecules,)."""
        if self.mols is not None:
            return np.array([mol.GetNumAtoms() for mol in self.mols], int)
        return np.array([len(one.atoms) for one in self.unlabeled], int)

    @property
    def numbers(self) -> np.ndarray:
        """Descriptors and inputs side by side, shape (n_molecules, n_numbers), float64."""
        return np.concatenate([self.descriptors, self.inputs], axis=1).astype(float)

    def have_atoms(self, features: np.ndarray) -> np.ndarray:
        """Whether an atom of each molecule has one of the features, shape (n_molecules,).

        Args:
            features: which of those of `Graph.atoms` but handedness, shape (n_atom_features,).
        """
        if self.mols is None or any(name in self.__dict__ for name in ("graphs", "unlabeled")):
            features = features & ~HANDEDNESS
            return np.array([(one.atoms.any(axis=0) & features).any() for one in self.unlabeled], bool)
        query = atom_query(features)
        return np.array([query is not None and mol.HasSubstructMatch(query) for mol in self.mols], bool)

    @classmethod
    def described(
        cls,
        smiles: Sequence[str],
        inputs: np.ndarray,
        *,
        counts: np.ndarray,
        descriptors: np.ndarray,
        graphs: Sequence[Graph],
        fingerprints: Mapping[str, Counts],
    ) -> "Molecules":
        """Molecules of which all that models read is given, as the attributes of these names;
        of fingerprints those of all `SUBSTRUCTURES` and `SUMMED`."""
        found = cls(tuple(smiles), inputs)
        found.__dict__.update(counts=counts, descriptors=descriptors, graphs=tuple(graphs))
        found.__dict__["fingerprints"] = dict(fingerprints)
        return found

    def taken(self, index: np.ndarray | Sequence[int]) -> "Molecules":
        """The molecules with these numbers, in this order, with what is already known of them."""
        index = np.asarray(index, int)
        mols = None if self.mols is None else tuple(np.array(self.mols, object)[index])
        part = type(self)(tuple(self.smiles[k] for k in index), self.inputs[index], mols)
        for name in ("counts", "sparse_counts", "descriptors"):
            if name in self.__dict__:
                part.__dict__[name] = self.__dict__[name][index]
        known = self.__dict__.get("fingerprints", {})
        part.__dict__["fingerprints"] = {kind: counts[index] for kind, counts in known.items()}
        for name in ("graphs", "unlabeled"):
            if name in self.__dict__:
                part.__dict__[name] = tuple(self.__dict__[name][k] for k in index)
        return part

    def _blocks(self) -> "Iterator[tuple[slice, list[Mol]]]":
        """Few at a time, which bounds the memory."""
        from rdkit import Chem

        for start in range(0, len(self), _BLOCK):
            rows = slice(start, start + _BLOCK)
            texts = self.smiles[rows]
            yield rows, list(map(Chem.MolFromSmiles, texts) if self.mols is None else self.mols[rows])


def _is_marked(smiles: str) -> bool:
    """Whether it may tell handedness."""
    return any(mark in smiles for mark in _MARKS)


def in_spreads(numbers: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """`Molecules.numbers` less a center, in units of their spread; what is far out is as far as six."""
    return np.clip((numbers - center) / scale, -CLIP, CLIP)
