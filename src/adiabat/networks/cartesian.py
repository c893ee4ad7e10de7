"""An equivariant message-passing network whose tensor products are taken on atoms, in Cartesian form.

Edges only accumulate: the neighbors' features times radial functions times harmonics of the direction are
summed in one batched product. All products of tensors then act on atoms, of which there are ten to fifty
times fewer than edges (the idea of NEMP, arXiv:2508.16086, and of GRACE). Scalars have shape
(n_atoms, channels); vectors (3, n_atoms, channels); symmetric traceless matrices are kept as their components
xx, yy, zz, xy, xz, yz in shape (6, n_atoms, channels). With the component first, each is a contiguous block
and every product is elementwise.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from adiabat.base.schema import Supplied, Unit
from adiabat.networks.layers import Linear, Perceptron
from adiabat.networks.network import AbstractNetwork
from adiabat.networks.radial import RadialFunctions
from adiabat.networks.tensors import contract, dot, harmonics, matrix_product, matrix_vector, outer
from adiabat.system import Neighbors, gather

Scalars = Float[Array, "n_atoms channels"]
Vectors = Float[Array, "3 n_atoms channels"]
Matrices = Float[Array, "6 n_atoms channels"]


# Products of features have long tails and grow from round to round; scaled, they stay of order one. It makes
# a better start and better forces outside the training set (docs/decisions/0001-learned-potential.md).
PRODUCT_SCALE = 0.3

# Of a channel of a round in a training step: XLA's CPU backend reports 170 to 202 for 1536 to 5184 edges. By
# the kernel a process grew by 3300 and 5080 for an edge with 16 and 32 channels, in 1536 atoms of water.
BYTES_PER_EDGE, KERNEL_BYTES, KERNEL_BYTES_BESIDE = 200, 60, 1600


class Interaction(eqx.Module):
    """One round of messages: neighbors' features are accumulated, multiplied on the atom, and mixed.

    The first round receives scalars only; the last gives scalars only.
    """

    radial: RadialFunctions
    sent: tuple[Linear, ...]
    receiver: Float[Array, "n_sets n_elements channels"]
    invariants: Perceptron
    vectors: Linear | None
    matrices: Linear | None
    channels: int = eqx.field(static=True)
    scale: float = eqx.field(static=True)

    def __init__(
        self,
        *,
        channels: int,
        n_elements: int,
        first: bool,
        last: bool,
        cutoff: float,
        n_basis: int,
        density: float,
        key: PRNGKeyArray,
    ):
        keys = iter(jax.random.split(key, 8))
        n_sets, n_invariants, n_vectors, n_matrices = (4, 6, 2, 3) if first else (6, 14, 6, 7)
        self.channels = channels
        # A sum over `density` neighbors of unit variance gets unit variance.
        self.scale = density**-0.5
        self.radial = RadialFunctions(
            n_sets, channels, cutoff=cutoff, n_basis=n_basis, hidden=channels, key=next(keys)
        )
        self.sent = tuple(Linear(channels, channels, key=next(keys)) for _ in range(1 if first else 3))
        noise = jax.random.normal(next(keys), (n_sets, n_elements, channels), jnp.float32)
        self.receiver = 1.0 + 0.1 * noise
        n_out = channels if last else 3 * channels
        self.invariants = Perceptron((n_invariants * channels, 2 * channels, n_out), key=next(keys))
        self.vectors = None if last else Linear(n_vectors * channels, channels, key=next(keys))
        self.matrices = None if last else Linear(n_matrices * channels, channels, key=next(keys))

    def __call__(
        self,
        features: tuple[Scalars, Vectors | None, Matrices | None],
        species: Int[Array, " n_atoms"],
        distances: Float[Array, "n_atoms max_neighbors"],
        envelope: Float[Array, "n_atoms max_neighbors"],
        directions: tuple[Float[Array, "_ n_atoms max_neighbors"], ...],
        neighbors: Neighbors,
    ) -> tuple[Scalars, Vectors | None, Matrices | None]:
        """The features after the round."""
        scalars, own_vectors, own_matrices = features
        radial = self.radial(distances, envelope)
        receiver = self.scale * self.receiver[:, species]
        a0, a1, a2, a3, messages = self._accumulate(features, radial, receiver, directions, neighbors)
        a2a1 = matrix_vector(a2, a1)
        invariants = [scalars, a0, dot(a1, a1), contract(a2, a2), jnp.sum(a3 * a3, axis=0), dot(a1, a2a1)]
        vectors, matrices = [a1, a2a1], [a2, outer(a1, a1), matrix_product(a2, a2)]
        if messages is not None:
            assert own_vectors is not None
            assert own_matrices is not None
            v, m = messages
            a2v, ma1 = matrix_vector(a2, v), matrix_vector(m, a1)
            invariants += [dot(a1, v), dot(v, v), contract(a2, m), contract(m, m)]
            invariants += [dot(own_vectors, a1), contract(own_matrices, a2), dot(v, a2v), dot(a1, ma1)]
            vectors += [v, a2v, ma1, own_vectors]
            matrices += [m, outer(a1, v), matrix_product(a2, m), own_matrices]
        mixed = self.invariants(PRODUCT_SCALE * jnp.concatenate(invariants, axis=-1))
        if self.vectors is None or self.matrices is None:
            return scalars + mixed, None, None
        change, vector_gate, matrix_gate = jnp.split(mixed, 3, axis=-1)
        return (
            scalars + change,
            vector_gate * PRODUCT_SCALE * self.vectors(jnp.concatenate(vectors, axis=-1)),
            matrix_gate * PRODUCT_SCALE * self.matrices(jnp.concatenate(matrices, axis=-1)),
        )

    def _accumulate(self, features, radial, receiver, directions, neighbors):
        """Sums over neighbors: scalars times harmonics of ranks 0 to 3, and their vectors and matrices."""

        def received(values):
            return gather(values, neighbors.index, neighbors.reverse)

        scalars = received(self.sent[0](features[0]))
        sums = [receiver[0] * jnp.sum(radial[0] * scalars, axis=1)]
        for k, harmonic in enumerate(directions, start=1):
            sums.append(receiver[k] * jnp.einsum("mnk,nkc->mnc", harmonic, radial[k] * scalars))
        if features[1] is None or features[2] is None:
            return (*sums, None)

        def component_sums(k, sent):
            return receiver[k] * jnp.stack([jnp.sum(radial[k] * received(x), axis=1) for x in sent])

        vectors = component_sums(4, self.sent[1](features[1]))
        matrices = component_sums(5, self.sent[2](features[2]))
        return (*sums, (vectors, matrices))


class CartesianNetwork(AbstractNetwork):
    """Messages of ranks 0 to 2, harmonics to rank 3, products on atoms.

    Args:
        channels: features of each rank.
        n_interactions: rounds of messages; an atom sees `n_interactions * cutoff` far.
        cutoff: how far messages go.
        n_basis: Bessel functions of the distance.
        n_elements: number of elements.
        density: mean of sum_j u(r_ij) over the training atoms.
        key: for the initial weights.
    """

    kind: ClassVar[str] = "cartesian"
    embedding: Float[Array, "n_elements channels"]
    interactions: tuple[Interaction, ...]
    readout: Perceptron
    shift: Float[Array, " n_elements"]
    channels: int = eqx.field(static=True)
    n_interactions: int = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)
    n_basis: int = eqx.field(static=True)
    n_elements: int = eqx.field(static=True)
    density: float = eqx.field(static=True)

    def __init__(
        self,
        *,
        channels: int = 32,
        n_interactions: int = 2,
        cutoff: Annotated[float, Unit("length")] = 5.0,
        n_basis: int = 5,
        n_elements: Annotated[int, Supplied],
        density: Annotated[float, Supplied],
        key: Annotated[PRNGKeyArray, Supplied],
    ):
        keys = jax.random.split(key, n_interactions + 2)
        self.channels, self.n_interactions, self.cutoff = channels, n_interactions, cutoff
        self.n_basis, self.n_elements, self.density = n_basis, n_elements, density
        self.embedding = jax.random.normal(keys[0], (n_elements, channels), jnp.float32)
        self.interactions = tuple(
            Interaction(
                channels=channels,
                n_elements=n_elements,
                first=number == 0,
                last=number == n_interactions - 1,
                cutoff=cutoff,
                n_basis=n_basis,
                density=density,
                key=keys[number + 1],
            )
            for number in range(n_interactions)
        )
        # A third: at first the energies of a training set are mostly the constants below.
        self.readout = Perceptron((channels * n_interactions, channels, 1), scale=0.3, key=keys[-1])
        self.shift = jnp.zeros(n_elements, jnp.float32)

    @property
    def layers(self) -> int | None:
        return self.n_interactions

    def __call__(
        self,
        species: Int[Array, " n_atoms"],
        vectors: Float[Array, "n_atoms max_neighbors 3"],
        envelope: Float[Array, "n_atoms max_neighbors"],
        neighbors: Neighbors,
    ) -> Float[Array, " n_atoms"]:
        features = self.features(species, vectors, envelope, neighbors)
        return self.readout(features)[:, 0] + self.shift[species]

    def features(
        self,
        species: Int[Array, " n_atoms"],
        vectors: Float[Array, "n_atoms max_neighbors 3"],
        envelope: Float[Array, "n_atoms max_neighbors"],
        neighbors: Neighbors,
    ) -> Float[Array, "n_atoms n_features"]:
        distances = jnp.sqrt(jnp.sum(vectors**2, axis=-1))
        directions = harmonics(jnp.moveaxis(vectors / distances[..., None], -1, 0))
        features, layers = (self.embedding[species], None, None), []
        for interaction in self.interactions:
            features = interaction(features, species, distances, envelope, directions, neighbors)
            layers.append(features[0])
        return jnp.concatenate(layers, axis=-1)

    @classmethod
    def bytes_per_edge(cls, settings: Mapping[str, Any]) -> int:
        from adiabat.networks.kernel import kernel

        channels = settings["channels"] * settings["n_interactions"]
        if kernel() is None:
            return BYTES_PER_EDGE * channels
        return KERNEL_BYTES_BESIDE + KERNEL_BYTES * channels

    def for_inference(self) -> AbstractNetwork:
        """The kernel for the CPU, where it can be compiled."""
        from adiabat.networks.kernel import accelerated  # it builds on this module

        return accelerated(self)

    def for_training(self) -> AbstractNetwork:
        """The kernel as a function of the weights."""
        from adiabat.networks.kernel import accelerated_training

        return accelerated_training(self)
