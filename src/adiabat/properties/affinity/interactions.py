"""Complexes as arrays for a network: the graph of each ligand, and what of the protein each atom feels."""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from adiabat.properties.affinity.complexes import Complex
from adiabat.properties.graphs import Graphs, graph_of, joined

CUTOFF = 5.0
"""Atoms of the protein further away are not felt [Å]."""


class Interactions(eqx.Module):
    """Complexes side by side.

    Attributes:
        graphs: of the ligands.
        kinds: of the protein's atoms near each atom of a ligand, shape (n_atoms, max_contacts).
        distances: to them [Å]; the cut-off for padding, same shape.
        mask: where there is one.
    """

    graphs: Graphs
    kinds: Int[Array, "n_atoms max_contacts"]
    distances: Float[Array, "n_atoms max_contacts"]
    mask: Bool[Array, "n_atoms max_contacts"]

    @classmethod
    def of(cls, complexes: Sequence[Complex]) -> "Interactions":
        """Without padding of atoms; contacts to the most that one atom has."""
        graphs = joined([graph_of(one.ligand.mol) for one in complexes])
        counts = [one.ligand.mol.GetNumAtoms() for one in complexes]
        starts = np.cumsum([0, *counts])
        near = [one.distances < CUTOFF for one in complexes]
        atom = [s + one.pairs[w, 0] for s, one, w in zip(starts, complexes, near, strict=False)]
        kind = [one.protein.kinds[one.pairs[w, 1]] for one, w in zip(complexes, near, strict=True)]
        distance = [one.distances[w] for one, w in zip(complexes, near, strict=True)]
        atoms = np.concatenate(atom).astype(int)
        order = np.argsort(atoms, kind="stable")
        degree = np.bincount(atoms, minlength=len(graphs.atoms))
        slot = np.arange(len(atoms)) - np.repeat(np.cumsum(degree) - degree, degree)
        shape = len(graphs.atoms), max(int(degree.max(initial=1)), 1)
        kinds, distances = np.zeros(shape, np.int32), np.full(shape, CUTOFF, np.float32)
        kinds[atoms[order], slot] = np.concatenate(kind)[order]
        distances[atoms[order], slot] = np.concatenate(distance)[order]
        mask = np.arange(shape[1]) < degree[:, None]
        return cls(graphs, kinds, distances, mask)  # pyright: ignore[reportArgumentType]
