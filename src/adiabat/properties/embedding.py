"""Numbers of molecules from inside a learned potential: what its network makes of the atoms."""

from functools import cache, lru_cache

import equinox as eqx
import jax
import numpy as np

from adiabat.base.digest import digest
from adiabat.networks import LearnedPotential, general_model, to_arrays
from adiabat.system import Batch, Neighbors, batch_systems, neighbor_list
from adiabat.system.smiles import conformers

# Molecules of about one size share a compiled program.
_STEP = 16


@lru_cache(maxsize=100_000)
def embedding(smiles: str, embedded: int = 10) -> tuple[float, ...]:
    """Mean and standard deviation over the atoms of the features from which the general potential, which has
    learned energies and forces of GFN2-xTB, reads the energy of each.

    Args:
        smiles: standardized.
        embedded: conformers, of which the lowest by MMFF94 is taken.

    Raises:
        DataError, UnsupportedError: RDKit finds no structure, or one with elements that the potential does
            not know.
    """
    (system,) = conformers(smiles, 1, embedded=embedded)
    potential = _potential()
    potential.check(system)
    near = neighbor_list(system, potential.cutoff)
    batch, neighbors = batch_systems(
        [system],
        [near],
        n_atoms=_rounded(system.n_atoms),
        n_systems=1,
        max_neighbors=_rounded(near.max_neighbors),
    )
    features = np.asarray(_features(potential, batch, neighbors), float)[: system.n_atoms]
    return tuple(np.concatenate([features.mean(axis=0), features.std(axis=0)]).tolist())


@cache
def embedding_width() -> int:
    """How many numbers `embedding` gives."""
    return len(embedding("C"))


@cache
def embedding_digest() -> str:
    """Of the weights that `embedding` depends on."""
    return digest(*to_arrays(_potential()).values())


@cache
def _potential() -> LearnedPotential:
    return general_model()  # which reads its file


@eqx.filter_jit
def _features(potential: LearnedPotential, batch: Batch, neighbors: Neighbors) -> jax.Array:
    return potential.atom_features(batch, neighbors)


def _rounded(count: int) -> int:
    return -(-count // _STEP) * _STEP
