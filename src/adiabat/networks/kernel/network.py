"""The Cartesian network as the kernel computes it, and its derivatives."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float, Int

from adiabat.base import UnsupportedError
from adiabat.base.digest import digest
from adiabat.networks.cartesian import CartesianNetwork
from adiabat.networks.environments import Environments
from adiabat.networks.kernel import build
from adiabat.networks.kernel.build import Kernel, kernel
from adiabat.networks.kernel.derivatives import is_argument, refuse_derivatives
from adiabat.networks.kernel.environments import environments
from adiabat.networks.kernel.packing import TRAINING_KNOTS, Sizes, pack, sizes_of
from adiabat.networks.network import AbstractNetwork
from adiabat.potentials import ZBL
from adiabat.system import Batch, Neighbors, System

# Networks prepared of late, by their numbers: a thousand short relaxations prepare one only once.
_KEPT = 4
_prepared: dict[str, "KernelNetwork"] = {}


class Call(NamedTuple):
    """What is fixed when a call is compiled: the name of the functions and the sizes."""

    name: str
    sizes: Sizes
    spacing: float
    tape_width: int


class KernelNetwork(AbstractNetwork):
    """A Cartesian network on the CPU; see `accelerated` and `accelerated_training`.

    The derivatives by vectors and envelope are those of the same splines as the energies: forces are
    conservative to rounding. Energies and these derivatives have derivatives by the weights, the latter also
    by the cotangents of the energies, which another function of them makes; there are no others.
    """

    kind: ClassVar[str] = "cartesian"
    weights: Float[Array, " n_weights"]
    shift: Float[Array, " n_elements"]  # for its precision; what it says is in the weights
    cutoff: float = eqx.field(static=True)
    call: Call = eqx.field(static=True)
    in_training: bool = eqx.field(static=True)

    def environments(
        self,
        system: System | Batch,
        species: Int[Array, " n_atoms"],
        neighbors: Neighbors,
        repulsion: ZBL | None,
        elements: Sequence[int],
    ) -> Environments:
        """By the kernel, where nothing but forces and stress is asked for."""
        if self.in_training or system.positions.dtype != np.float64:
            return super().environments(system, species, neighbors, repulsion, elements)
        pairs = np.zeros((len(elements),) * 2 + (3,)) if repulsion is None else repulsion.pairs(elements)
        return environments(self.call.name, system, species, neighbors, self.cutoff, pairs)

    def __call__(
        self,
        species: Int[Array, " n_atoms"],
        vectors: Float[Array, "n_atoms max_neighbors 3"],
        envelope: Float[Array, "n_atoms max_neighbors"],
        neighbors: Neighbors,
    ) -> Float[Array, " n_atoms"]:
        if neighbors.hops is not None:
            # An atom that many edges from all that count is left out of as many of the last rounds (order.h).
            species = species + self.call.sizes.elements * jnp.minimum(
                neighbors.hops, self.call.sizes.interactions
            )
        graph = (species, neighbors.index, neighbors.reverse, neighbors.order)
        whole = [jnp.asarray(x, jnp.int32) for x in graph]
        return _energies(self.call, vectors, envelope, *whole, self.weights)

    def hyperparameters(self) -> dict[str, Any]:
        """None that would make it again.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(
            "a potential prepared for inference cannot be stored", "store the one it was prepared from"
        )


def accelerated(network: CartesianNetwork) -> AbstractNetwork:
    """The same network for many calls on the CPU; the network itself where the kernel cannot serve: on
    another device, in another precision, without a C++ compiler."""
    found = _usable_kernel(network)
    if found is None:
        return network
    key = digest(found.name, str(network), *jax.tree.leaves(eqx.filter(network, eqx.is_array)))
    if key not in _prepared:
        while len(_prepared) >= _KEPT:
            _prepared.pop(next(iter(_prepared)))
        with jax.enable_x64(True):
            exact = jax.tree.map(lambda a: np.asarray(a, np.float64) if eqx.is_array(a) else a, network)
            sizes = sizes_of(network)
            weights = np.asarray(pack(exact, sizes), np.float32)
        _prepared[key] = _made(found, network, sizes, jnp.asarray(weights), in_training=False)
    return _prepared[key]


def accelerated_training(network: CartesianNetwork) -> AbstractNetwork:
    """The same network for one step of a training on the CPU, or the network itself as above.

    Its weights may be traced; what is taken of the result is a function of them. Its tables are coarser than
    those for inference: forces differ by about 1e-4 of a typical one.
    """
    found = _usable_kernel(network)
    if found is None:
        return network
    sizes = sizes_of(network, TRAINING_KNOTS)
    return _made(found, network, sizes, pack(network, sizes), in_training=True)


def _usable_kernel(network: CartesianNetwork) -> Kernel | None:
    leaves = jax.tree.leaves(eqx.filter(network, eqx.is_array))
    return kernel() if all(leaf.dtype == np.float32 for leaf in leaves) else None


def _made(
    found: Kernel, network: CartesianNetwork, sizes: Sizes, weights: Array, *, in_training: bool
) -> "KernelNetwork":
    widths = (sizes.interactions, sizes.channels, sizes.hidden)
    spacing = network.cutoff / sizes.knots
    call = Call(found.name, sizes, spacing, found.tape_width(*widths))
    return KernelNetwork(
        weights=weights,
        shift=jnp.asarray(network.shift),
        cutoff=network.cutoff,
        call=call,
        in_training=in_training,
    )


def _run(call, function, shapes, *arguments, in_place=None):
    """A function of the kernel, for results of these shapes, `in_place` as of `build.call`."""
    results = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    fixed = {"sizes": np.array(call.sizes, np.int64), "spacing": np.float32(call.spacing)}
    return build.call(call.name, function, results, *arguments, in_place=in_place, **fixed)


class Asked(NamedTuple):
    """How the derivative of `_backward` by the weights gets to that of `_forward`, so that one sweep of the
    kernel finds both: as the cotangent of a variable that the one makes and the other takes. Its value is not
    used.
    """

    energies: Float[Array, " n_atoms"]
    vectors: Float[Array, "n_atoms max_neighbors 3"]
    envelope: Float[Array, "n_atoms max_neighbors"]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _energies(call, vectors, envelope, species, index, reverse, order, weights):
    return _forward(call, vectors, envelope, species, index, reverse, order, weights)[0]


def _energies_forward(call, *arguments):
    values = [argument.value for argument in arguments]
    energies, tape, asked = _forward(call, *values)
    # What no derivative is wanted by has None here.
    by_edges = (tape, asked) if any(argument.perturbed for argument in arguments[:2]) else None
    by_weights = () if arguments[-1].perturbed else None
    return energies, (values, by_edges, by_weights)


def _energies_backward(call, residuals, cotangents):
    values, by_edges, by_weights = residuals
    cotangents = _filled(cotangents)
    found: list[Any] = [None] * 7
    if by_edges is not None:
        found[:2] = _backward(call, cotangents, *values, *by_edges)
    if by_weights is not None:
        found[-1] = _by_weights(call, cotangents, _nothing_asked(*values[:2]), values)
    return tuple(found)


_energies.defvjp(_energies_forward, _energies_backward, symbolic_zeros=True)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _forward(call, vectors, envelope, species, index, reverse, order, weights):
    n_atoms = len(species)
    shapes = ((n_atoms,), (n_atoms * call.tape_width,))
    energies, tape = _run(call, "forward", shapes, species, vectors, envelope, index, reverse, order, weights)
    return energies, tape, _nothing_asked(vectors, envelope)


def _forward_forward(call, *arguments):
    refuse_derivatives(*arguments[:2])
    values = [argument.value for argument in arguments]
    return _forward(call, *values), values


def _forward_backward(call, values, cotangents):
    energies, _, asked = jax.tree.map(_filled, cotangents, is_leaf=_is_symbolic)
    return *(None,) * 6, _by_weights(call, energies, asked, values)


_forward.defvjp(_forward_forward, _forward_backward, symbolic_zeros=True)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _backward(call, cotangents, vectors, envelope, species, index, reverse, order, weights, tape, asked):
    del asked
    shapes = (vectors.shape, envelope.shape, tape.shape)
    given = (cotangents, species, vectors, envelope, index, reverse, order, weights, tape)
    return _run(call, "backward", shapes, *given, in_place={len(given) - 1: 2})[:2]


def _backward_forward(call, *arguments):
    refuse_derivatives(*arguments[1:3])
    values = [jax.tree.map(lambda a: a.value, argument, is_leaf=is_argument) for argument in arguments]
    by_cotangents = () if arguments[0].perturbed else None
    return _backward(call, *values), (values[:8], by_cotangents)


def _backward_backward(call, residuals, cotangents):
    (given, *graph), by_cotangents = residuals
    moves = jax.tree.map(_filled, cotangents, is_leaf=_is_symbolic)
    changes = None if by_cotangents is None else _changes(call, moves, graph)
    return changes, *(None,) * 8, Asked(given, *moves)


_backward.defvjp(_backward_forward, _backward_backward, symbolic_zeros=True)


def _changes(call, moves, graph):
    """How the energies change when vectors and envelope move so."""
    vectors, envelope, species, index, reverse, order, weights = graph
    found = kernel()
    assert found is not None
    space = found.change_space(len(species), *call.sizes)
    given = (*moves, species, vectors, envelope, index, reverse, order, weights)
    return _run(call, "changes", ((len(species),), (space,)), *given)[0]


def _by_weights(call, energies, asked, values):
    """The derivative by the weights, with these cotangents of the energies and of what is asked."""
    vectors, envelope, species, index, reverse, order, weights = values
    given = (energies, *asked, species, vectors, envelope, index, reverse, order, weights)
    found = kernel()
    assert found is not None
    space = found.slope_space(len(species), *call.sizes)
    return _run(call, "weights", (weights.shape, (space,)), *given)[0]


def _nothing_asked(vectors, envelope):
    return Asked(jnp.zeros_like(envelope[:, 0]), jnp.zeros_like(vectors), jnp.zeros_like(envelope))


def _is_symbolic(x):
    return isinstance(x, SymbolicZero)


def _filled(x):
    return jnp.zeros(x.shape, jnp.float32) if _is_symbolic(x) else x
