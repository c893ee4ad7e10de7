"""What reaches a network: the edges it feels, and the repulsion that takes over where atoms touch."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.potentials import ZBL
from adiabat.potentials.smoothing import polynomial_cutoff
from adiabat.system import Batch, Neighbors, System


class Environments(NamedTuple):
    """The surroundings of every atom.

    Attributes:
        vectors: to the neighbors [Å].
        envelope: how much an edge is felt: u(r_ij) (1 - s_ij), u being the polynomial cut-off and s the
            envelope of the repulsion.
        share: of the network in the energy of an atom; see `LearnedPotential`.
        repelled: energy of an atom by the repulsion [eV].
    """

    vectors: Float[Array, "n_atoms max_neighbors 3"]
    envelope: Float[Array, "n_atoms max_neighbors"]
    share: Float[Array, " n_atoms"]
    repelled: Float[Array, " n_atoms"]


def environments(
    system: System | Batch, neighbors: Neighbors, cutoff: float, repulsion: ZBL | None, dtype: jnp.dtype
) -> Environments:
    """The surroundings of every atom of a structure.

    Args:
        system: one structure or a batch.
        neighbors: its list, complete to at least `cutoff`.
        cutoff: [Å].
        repulsion: what acts at short range.
        dtype: of the network's numbers; `repelled` has that of the positions.
    """
    vectors = neighbors.vectors(system.positions, system.atom_cells()).astype(dtype)
    distances = jnp.sqrt(jnp.sum(vectors**2, axis=-1))
    envelope = jnp.where(neighbors.mask, polynomial_cutoff(distances, cutoff), 0.0)
    share = jnp.ones(system.n_atoms, dtype)
    repelled = jnp.zeros(system.n_atoms, system.positions.dtype)
    if repulsion is not None:
        short = jnp.where(neighbors.mask, repulsion.envelope(system, distances, neighbors), 0.0)
        envelope = envelope * (1.0 - short)
        share = jnp.exp(-5.0 * jnp.sum(short, axis=1))
        repelled = repulsion.atom_energies(system, neighbors)
    share = -jnp.expm1(-3.0 * jnp.sum(envelope, axis=1)) * share
    return Environments(vectors, envelope, share, repelled)
