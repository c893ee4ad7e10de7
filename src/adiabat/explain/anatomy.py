"""A molecule as what its atoms bring to each description of it, so that some of them can be left out."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from adiabat.explain.shares import descriptor_shares
from adiabat.properties.fingerprints import BITS, Counts, environments
from adiabat.properties.graphs import Graph
from adiabat.properties.molecules import Molecules
from adiabat.properties.substructures import PLACES, SUBSTRUCTURES, SUMMED, occurrences


class Occurrences(NamedTuple):
    """What the counts of a fingerprint are counts of.

    Attributes:
        places: of each occurrence of a substructure, shape (n_occurrences,).
        inside: its atoms, shape (n_occurrences, n_atoms).
    """

    places: np.ndarray
    inside: np.ndarray

    def within(self, kept: np.ndarray, n_places: int) -> Counts:
        """How many are whole in each set of atoms, shape (n_sets, n_places).

        Args:
            kept: shape (n_sets, n_atoms).
            n_places: of the fingerprint.
        """
        there = kept.astype(np.float32) @ self.inside.T.astype(np.float32) == self.inside.sum(axis=1)
        rows, which = np.nonzero(there)
        ones = np.ones(len(rows), np.uint16)
        found = Counts((ones, (rows, self.places[which])), shape=(len(kept), n_places))
        found.sum_duplicates()
        return found

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """The places that occur, in order, shape (n_places,), and what each atom has of their counts, a
        substructure being of its atoms in equal parts, shape (n_atoms, n_places)."""
        places, which = np.unique(self.places, return_inverse=True)
        found = np.zeros((len(places), self.inside.shape[1]))
        np.add.at(found, which, self.inside / self.inside.sum(axis=1, keepdims=True))
        return places, found.T


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One molecule in its parts. No atoms at all are the empty molecule: no environments, descriptors of
    zero, the inputs as they are. It is the same for all models, and what contributions are counted from.

    Attributes:
        molecule: the whole, a single one.
        places: of each circular environment in the fingerprint, shape (n_environments,).
        inside: the atoms of each environment, shape (n_environments, n_atoms).
        shares: what each atom has of each descriptor, shape (n_atoms, n_descriptors).
    """

    molecule: Molecules
    places: np.ndarray
    inside: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, molecules: Molecules, row: int = 0) -> "Anatomy":
        """The parts of one of several molecules."""
        from rdkit import Chem

        one = molecules.taken([row])
        mol = Chem.MolFromSmiles(one.smiles[0])
        return cls(one, *environments(mol), descriptor_shares(mol, one.descriptors[0]))

    @property
    def graph(self) -> Graph:
        """Atoms and bonds of the whole."""
        return self.molecule.graphs[0]

    @property
    def n_atoms(self) -> int:
        """Heavy atoms."""
        return self.inside.shape[1]

    def occurrences(self, kind: str) -> Occurrences:
        """What is counted in a fingerprint, by its name in `Molecules.fingerprint`."""
        return Occurrences(self.places, self.inside) if kind == "counts" else self._occurrences[kind]

    @cached_property
    def _occurrences(self) -> dict[str, Occurrences]:
        from rdkit import Chem

        mol = Chem.MolFromSmiles(self.molecule.smiles[0])
        return {kind: Occurrences(*occurrences(kind, mol)) for kind in (*SUBSTRUCTURES, *SUMMED)}

    def with_atoms(self, kept: np.ndarray) -> Molecules:
        """The molecule without some of its atoms, as any model reads it: an atom that is there is what it was
        in the whole, bonds have both ends, an environment all of its atoms, and descriptors are the sums of
        the shares. Broken bonds get no hydrogens: no other molecule is made.

        Args:
            kept: shape (n_sets, n_atoms).
        """
        kept = np.asarray(kept, bool)
        numbers = (kept @ self.shares).astype(np.float32)
        # Not even by rounding another than the whole.
        numbers[kept.all(axis=1)] = self.molecule.descriptors[0]
        return Molecules.described(
            self.molecule.smiles * len(kept),
            np.repeat(self.molecule.inputs, len(kept), axis=0),
            counts=self.occurrences("counts").within(kept, BITS).toarray(),
            descriptors=numbers,
            graphs=tuple(_part(self.graph, one) for one in kept),
            fingerprints={kind: one.within(kept, PLACES) for kind, one in self._occurrences.items()},
        )

    def feature_shares(self) -> np.ndarray:
        """What each atom has of each place of the fingerprint (an environment is of its atoms in equal
        parts) and of each descriptor, shape (n_atoms, 2048 + n_descriptors)."""
        places, shares = self.occurrences("counts").shares()
        found = np.zeros((self.n_atoms, BITS))
        found[:, places] = shares
        return np.concatenate([found, self.shares], axis=1)


def _part(graph: Graph, kept: np.ndarray) -> Graph:
    whole = kept[graph.ends].all(axis=1)
    number = np.cumsum(kept) - 1
    return Graph(graph.atoms[kept], graph.bonds[whole], number[graph.ends[whole]].astype(np.int32))
