"""A directed message-passing network on molecular graphs."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from adiabat.properties.graphs import N_ATOM_FEATURES, N_BOND_FEATURES, Graphs


class MessagePassing(eqx.Module):
    """Features of molecules by messages along directed bonds, as of chemprop (Yang et al. 2019,
    doi 10.1021/acs.jcim.9b00237):

        h_vw = relu(W_i [x_v, e_vw]),   m_vw = sum over u in N(v) but w of h_uv,
        h_vw <- relu(h0_vw + W_h m_vw),  h_v = relu(W_o [x_v, sum over u of h_uv + b]),

    with h0 = W_i [x_v, e_vw] before the relu. A message does not come back where it came from. The molecule
    is the mean of its atoms.

    Args:
        n_atom_features: of the graphs; by default those of molecules.
        n_bond_features: likewise.
        width: of the hidden features.
        depth: rounds, the first included.
        key: of the starting weights.
    """

    first: eqx.nn.Linear
    rounds: tuple[eqx.nn.Linear, ...]
    last: eqx.nn.Linear
    width: int = eqx.field(static=True)

    def __init__(
        self,
        *,
        n_atom_features: int = N_ATOM_FEATURES,
        n_bond_features: int = N_BOND_FEATURES,
        width: int = 300,
        depth: int = 3,
        key: PRNGKeyArray,
    ):
        keys = jax.random.split(key, depth + 1)
        self.width = width
        self.first = eqx.nn.Linear(n_atom_features + n_bond_features, width, use_bias=False, key=keys[0])
        self.rounds = tuple(eqx.nn.Linear(width, width, use_bias=False, key=k) for k in keys[1:depth])
        self.last = eqx.nn.Linear(n_atom_features + width, width, key=keys[depth])

    @property
    def depth(self) -> int:
        """Rounds of messages, the first included."""
        return len(self.rounds) + 1

    def __call__(
        self, graphs: Graphs, presence: Float[Array, " n_atoms"] | None = None
    ) -> Float[Array, "n_molecules width"]:
        """The features of each molecule; zeros for padding."""
        return of_molecules(self.of_atoms(graphs, presence), graphs)

    def of_atoms(
        self, graphs: Graphs, presence: Float[Array, " n_atoms"] | None = None
    ) -> Float[Array, "n_atoms width"]:
        """The features of each atom.

        Args:
            graphs: of molecules.
            presence: how far each atom is there, 0 to 1: that much of what leaves it, messages and its own
                features, arrives. By default all are.
        """

        def there(hidden, which=None):
            if presence is None:
                return hidden
            return hidden * (presence if which is None else presence[which])[:, None]

        start = jnp.concatenate([graphs.atoms[graphs.source], graphs.edges], axis=1) @ self.first.weight.T
        hidden = there(jax.nn.relu(start), graphs.source)
        for layer in self.rounds:
            arrived = arriving(hidden, graphs)
            messages = leaving(arrived, graphs) - hidden[graphs.reverse]
            hidden = there(jax.nn.relu(start + messages @ layer.weight.T), graphs.source)
        atoms = jnp.concatenate([graphs.atoms, arriving(hidden, graphs)], axis=1)
        return there(jax.nn.relu(jax.vmap(self.last)(atoms)))


def of_molecules(atoms: Float[Array, "n_atoms width"], graphs: Graphs) -> Float[Array, "n_molecules width"]:
    """Means over the atoms of each molecule."""
    return _summed(atoms, graphs) / jnp.maximum(sizes(graphs), 1)[:, None].astype(atoms.dtype)


def sizes(graphs: Graphs) -> Float[Array, " n_molecules"]:
    """How many atoms each molecule has; zero for padding."""
    return _summed(jnp.ones_like(graphs.atoms[:, 0]), graphs)


def _summed(atoms: Float[Array, "n_atoms ..."], graphs: Graphs) -> Float[Array, "n_molecules ..."]:
    count = graphs.n_molecules + 1
    return jax.ops.segment_sum(atoms, graphs.molecule, count, indices_are_sorted=True)[:-1]


def arriving(edges: Float[Array, "n_edges width"], graphs: Graphs) -> Float[Array, "n_atoms width"]:
    """The sum of the edges that come to each atom."""
    return _arriving(edges, graphs.incoming, graphs.source[graphs.reverse])


def leaving(atoms: Float[Array, "n_atoms width"], graphs: Graphs) -> Float[Array, "n_edges width"]:
    """The atom that each edge leaves."""
    return _leaving(atoms, graphs.source, graphs.reverse, graphs.incoming)


# Sums and gathers each other's derivatives: XLA scatters slowly.
@jax.custom_vjp
def _arriving(
    edges: Float[Array, "n_edges width"],
    incoming: Int[Array, "n_atoms max_bonds"],
    target: Int[Array, " n_edges"],  # noqa: ARG001 (the derivative needs it)
) -> Float[Array, "n_atoms width"]:
    none = jnp.zeros((1, edges.shape[1]), edges.dtype)
    return jnp.concatenate([edges, none])[incoming].sum(axis=1)


def _arriving_backward(given, cotangent):
    incoming, target = given
    # A padding edge comes to no atom.
    used = jnp.zeros(len(target) + 1, bool).at[incoming.ravel()].set(True)[:-1]
    return jnp.where(used[:, None], cotangent[target], 0.0), None, None


_arriving.defvjp(lambda e, i, t: (_arriving(e, i, t), (i, t)), _arriving_backward)


@jax.custom_vjp
def _leaving(
    atoms: Float[Array, "n_atoms width"],
    source: Int[Array, " n_edges"],
    reverse: Int[Array, " n_edges"],  # noqa: ARG001
    incoming: Int[Array, "n_atoms max_bonds"],  # noqa: ARG001
) -> Float[Array, "n_edges width"]:
    return atoms[source]


def _leaving_backward(given, cotangent):
    reverse, incoming = given
    # What leaves an atom are the reverses of what comes to it.
    none = jnp.zeros((1, cotangent.shape[1]), cotangent.dtype)
    return jnp.concatenate([cotangent[reverse], none])[incoming].sum(axis=1), None, None, None


_leaving.defvjp(lambda a, s, r, i: (_leaving(a, s, r, i), (r, i)), _leaving_backward)
