"""Molecules packed into arrays of few shapes, so that little is compiled."""

from collections.abc import Iterator, Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Int

from adiabat.properties.graphs import MAX_BONDS, Graph, Graphs, joined

# Batches to predict are filled up to these atoms; what is left over, or a molecule beyond, gets an array of
# a power of two. Of edges there is room for 5/2 an atom, of molecules for one in four atoms.
_ATOMS, _LEAST_ATOMS = 4096, 64
_FEW_BONDS = 4


class Batch(eqx.Module):
    """Molecules that are worked on together.

    Attributes:
        graphs: side by side, padded.
        rows: the number of each molecule, shape (n_molecules,); for padding that behind the last molecule.
    """

    graphs: Graphs
    rows: Int[Array, "*n_batches n_molecules"]


class Shuffled:
    """A training set in batches of one shape, dealt anew for each epoch.

    Molecules are sorted by size and cut into strata of as many as there are batches; each batch gets one, at
    random, of every stratum. So all batches have about the same number of atoms: arrays with room for the
    largest of each stratum have next to no padding.

    Args:
        graphs: of the molecules.
        batch_size: about how many are in a batch.
    """

    def __init__(self, graphs: Sequence[Graph], batch_size: int):
        self.graphs = graphs
        self.n_batches = max(1, round(len(graphs) / batch_size))
        n_atoms = np.array([len(one.atoms) for one in graphs])
        n_bonds = np.array([len(one.bonds) for one in graphs])
        n_strata = -(-len(graphs) // self.n_batches)
        strata = np.full(n_strata * self.n_batches, -1)
        strata[: len(graphs)] = np.argsort(n_atoms, kind="stable")
        self._strata = strata.reshape(n_strata, self.n_batches)
        self._sizes = {
            "n_atoms": _bound(n_atoms, self._strata),
            "n_edges": 2 * _bound(n_bonds, self._strata),
            "n_molecules": n_strata,
            "max_bonds": max(_most_bonds(one) for one in graphs),
        }

    def epoch(self, random: np.random.Generator) -> Batch:
        """Every molecule once; all arrays have a leading axis of batches."""
        batches = [_batch(self.graphs, rows[rows >= 0], self._sizes) for rows in self.dealt(random)]
        return jax.tree.map(lambda *arrays: np.stack(arrays), *batches)

    def dealt(self, random: np.random.Generator) -> np.ndarray:
        """The molecules of each batch of an epoch, shape (n_batches, n_strata); -1 is none."""
        return random.permuted(self._strata, axis=1).T


def packed(graphs: Sequence[Graph]) -> Iterator[Batch]:
    """Every molecule once, in order."""
    needs = np.array([_need(one) for one in graphs])
    start, filled = 0, np.zeros(3, int)
    for end, need in enumerate(needs):
        if end > start and (filled + need).max() > _ATOMS:
            yield _filled(graphs, np.arange(start, end), int(filled.max()))
            start, filled = end, np.zeros(3, int)
        filled = filled + need
    if len(needs):
        yield _filled(graphs, np.arange(start, len(needs)), int(filled.max()))


def _need(graph: Graph) -> tuple[int, int, int]:
    """The atoms for which there would be room, by the atoms, the edges and the molecule itself."""
    return len(graph.atoms), -(-4 * len(graph.bonds) // 5), 4


def _filled(graphs: Sequence[Graph], rows: np.ndarray, need: int) -> Batch:
    room = max(_LEAST_ATOMS, 1 << (need - 1).bit_length())
    few = all(_most_bonds(graphs[row]) <= _FEW_BONDS for row in rows)
    sizes = {
        "n_atoms": room,
        "n_edges": 5 * room // 2,
        "n_molecules": room // 4,
        "max_bonds": _FEW_BONDS if few else MAX_BONDS,
    }
    return _batch(graphs, rows, sizes)


def _batch(graphs: Sequence[Graph], rows: np.ndarray, sizes: dict[str, int]) -> Batch:
    padded = np.full(sizes["n_molecules"], len(graphs), np.int32)
    padded[: len(rows)] = rows
    together = joined([graphs[row] for row in rows], **sizes)
    return Batch(together, padded)  # pyright: ignore[reportArgumentType]


def _bound(counts: np.ndarray, strata: np.ndarray) -> int:
    """The most that one of every stratum can have together."""
    return int(np.where(strata >= 0, counts[strata], 0).max(axis=1).sum())


def _most_bonds(graph: Graph) -> int:
    return int(np.bincount(graph.ends.ravel(), minlength=1).max())
