"""A network on the contacts between a ligand and a protein."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from adiabat.networks.layers import Linear, normalized_silu
from adiabat.networks.radial import RadialFunctions
from adiabat.potentials.smoothing import polynomial_cutoff
from adiabat.properties.affinity.interactions import CUTOFF, Interactions
from adiabat.properties.affinity.protein import KINDS
from adiabat.properties.message_passing import MessagePassing

# Sums over atoms are divided by this, so that they are about one.
_ATOMS = 5.0


class InteractionNetwork(eqx.Module):
    """The score of a ligand is a sum over its atoms, each by its own surroundings:

        m_i = sum over j of R(r_ij) * k_j,   s_i = w . silu(W (m_i * h_i)),

    with h_i features of atom i from messages along the bonds of the ligand, k_j learned features of the kind
    of atom j of the protein, and R learned functions of the distance that vanish at the cut-off. There are
    no biases: an atom that touches nothing has the score zero. Only distances are asked for, so the score
    does not change when the complex is moved or turned.

    Args:
        channels: of all features.
        depth: rounds of messages along bonds.
        key: of the starting weights.
    """

    messages: MessagePassing
    ligand: Linear
    radial: RadialFunctions
    kinds: Float[Array, "n_kinds channels"]
    hidden: Linear
    last: Linear

    def __init__(self, *, channels: int = 16, depth: int = 2, key: PRNGKeyArray):
        keys = jax.random.split(key, 6)
        messages = MessagePassing(width=2 * channels, depth=depth, key=keys[0])
        self.messages = jax.tree.map(lambda array: array.astype(jnp.float32), messages)
        self.ligand = Linear(2 * channels, channels, key=keys[1])
        self.radial = RadialFunctions(1, channels, cutoff=CUTOFF, n_basis=8, hidden=channels, key=keys[2])
        self.kinds = jax.random.normal(keys[3], (len(KINDS), channels), jnp.float32)
        self.hidden = Linear(channels, channels, key=keys[4])
        self.last = Linear(channels, 1, key=keys[5])

    def __call__(self, interactions: Interactions) -> Float[Array, " n_ligands"]:
        """The scores of the ligands, in units of the spread of the training values."""
        graphs = interactions.graphs
        total = jax.ops.segment_sum(
            self.of_atoms(interactions), graphs.molecule, graphs.n_molecules + 1, indices_are_sorted=True
        )
        return total[:-1] / _ATOMS

    def of_atoms(self, interactions: Interactions) -> Float[Array, " n_atoms"]:
        """What each atom of a ligand contributes, times a constant."""
        distances = interactions.distances
        envelope = jnp.where(interactions.mask, polynomial_cutoff(distances, CUTOFF), 0.0)
        # A product, as the derivative of a gather would be a scatter, which XLA does serially on a CPU.
        kinds = jax.nn.one_hot(interactions.kinds, len(KINDS), dtype=jnp.float32) @ self.kinds
        felt = self.radial(distances, envelope)[0] * kinds
        atoms = self.ligand(self.messages.of_atoms(interactions.graphs))
        return self.last(normalized_silu(self.hidden(felt.sum(axis=1) * atoms)))[:, 0]
