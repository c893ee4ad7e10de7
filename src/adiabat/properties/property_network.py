"""From the graph of a molecule and numbers of it as a whole to its targets."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from adiabat.properties.graphs import Graphs
from adiabat.properties.message_passing import MessagePassing, of_molecules, sizes

# Sums over atoms are divided by this, so that they are about as large as means; those over atoms that react
# likewise.
ATOMS, REACTING = 20.0, 4.0


class Shape(NamedTuple):
    """What a network is made for.

    Attributes:
        n_atom_features: of the graphs.
        n_bond_features: likewise.
        n_numbers: descriptors and inputs of a molecule.
        n_targets: to predict.
        reacting: whether the last feature of an atom says that it reacts.
        additive: whether targets are sums over atoms.
    """

    n_atom_features: int
    n_bond_features: int
    n_numbers: int
    n_targets: int
    reacting: bool = False
    additive: bool = False


class PropertyNetwork(eqx.Module):
    """One member of an ensemble.

    Features of atoms from messages, as mean and as sum over the molecule (a concentration does not grow with
    the molecule, an energy does), join its numbers in a network with one hidden layer; of a reaction also
    their sum over the atoms that react.

    An additive one has its hidden layer on each atom with the numbers, and sums behind it. What follows is
    linear: targets are one contribution of each atom, and what the numbers give by themselves, as of an atom
    whose features are zero.

    Args:
        shape: of what goes in and comes out.
        width: of messages and of the hidden layer.
        depth: rounds of messages.
        key: of the starting weights.
    """

    messages: MessagePassing
    hidden: eqx.nn.Linear
    last: eqx.nn.Linear
    shape: Shape = eqx.field(static=True)

    def __init__(self, shape: Shape, *, width: int, depth: int, key: PRNGKeyArray):
        keys = jax.random.split(key, 3)
        messages = MessagePassing(
            n_atom_features=shape.n_atom_features,
            n_bond_features=shape.n_bond_features,
            width=width,
            depth=depth,
            key=keys[0],
        )
        pooled = (3 if shape.reacting else 2) * width
        self.messages = _float32(messages)
        read = (width if shape.additive else pooled) + shape.n_numbers
        self.hidden = _float32(eqx.nn.Linear(read, width, key=keys[1]))
        self.last = _float32(eqx.nn.Linear(width, shape.n_targets, key=keys[2]))
        self.shape = shape

    def __call__(
        self,
        graphs: Graphs,
        numbers: Float[Array, "n_molecules n_numbers"],
        *,
        dropout: float = 0.0,
        key: PRNGKeyArray | None = None,
        presence: Float[Array, " n_atoms"] | None = None,
    ) -> Float[Array, "n_molecules n_targets"]:
        """The targets, in units of their spread; of a class the logarithm of its odds.

        Args:
            graphs: of the molecules.
            numbers: theirs.
            dropout: the share of features that are left out in training.
            key: of what is left out; without, nothing is.
            presence: of the atoms, as of `MessagePassing.of_atoms`.
        """
        atoms, count = self.messages.of_atoms(graphs, presence), sizes(graphs)[:, None]
        if self.shape.additive:
            hidden = self._added(atoms, numbers, graphs)
            return jax.vmap(self.last)(_dropped(hidden, dropout, key))
        mean = of_molecules(atoms, graphs)
        pooled = [mean, mean * count / ATOMS]
        if self.shape.reacting:
            pooled.append(of_molecules(atoms * graphs.atoms[:, -1:], graphs) * count / REACTING)
        keys = (None, None) if key is None else jax.random.split(key)
        features = _dropped(jnp.concatenate([*pooled, numbers], axis=1), dropout, keys[0])
        hidden = jax.nn.relu(jax.vmap(self.hidden)(features))
        return jax.vmap(self.last)(_dropped(hidden, dropout, keys[1]))

    def _added(
        self,
        atoms: Float[Array, "n_atoms width"],
        numbers: Float[Array, "n_molecules n_numbers"],
        graphs: Graphs,
    ) -> Float[Array, "n_molecules width"]:
        """Sums of the hidden layer of an additive network."""
        width = atoms.shape[1]
        alone = jax.vmap(self.hidden)(jnp.pad(numbers, ((0, 0), (width, 0))))
        beside = jnp.append(alone, alone[:1], axis=0)[graphs.molecule]  # the last for padding
        each = jax.nn.relu(atoms @ self.hidden.weight[:, :width].T + beside)
        return jnp.maximum(alone, 0.0) + of_molecules(each, graphs) * sizes(graphs)[:, None]


def _dropped(
    features: Float[Array, "n_molecules n"], share: float, key: PRNGKeyArray | None
) -> Float[Array, "n_molecules n"]:
    """Some of the features zero, the others larger (Srivastava et al. 2014, JMLR 15, 1929)."""
    if key is None or share == 0:
        return features
    # By bytes: random numbers take longer than the network.
    kept = jax.random.bits(key, features.shape, jnp.uint8) >= round(256 * share)
    return jnp.where(kept, features / (1 - share), 0.0)


def _float32[Network: eqx.Module](network: Network) -> Network:
    return jax.tree.map(lambda array: array.astype(jnp.float32), network)
