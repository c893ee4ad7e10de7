"""The Cartesian network as the kernel computes it, and its derivative."""

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
from adiabat.networks.kernel.build import kernel
from adiabat.networks.kernel.packing import Sizes, pack, sizes_of
from adiabat.networks.network import AbstractNetwork
from adiabat.system import Neighbors

# Networks prepared of late, by their numbers: a thousand short relaxations prepare one only once.
_KEPT = 4
_prepared: dict[str, "KernelNetwork"] = {}


class Call(NamedTuple):
    """What is fixed when a call is compiled: the name of the two functions and the sizes."""

    name: str
    sizes: Sizes
    spacing: float
    tape_width: int
    space_width: int


class KernelNetwork(AbstractNetwork):
    """A Cartesian network for inference on the CPU; see `accelerated`.

    The derivatives by vectors and envelope are those of the same splines as the energies: forces are
    conservative to rounding. There are no others.
    """

    kind: ClassVar[str] = "cartesian"
    weights: Float[Array, " n_weights"]
    shift: Float[Array, " n_elements"]
    cutoff: float = eqx.field(static=True)
    call: Call = eqx.field(static=True)

    def __call__(
        self,
        species: Int[Array, " n_atoms"],
        vectors: Float[Array, "n_atoms max_neighbors 3"],
        envelope: Float[Array, "n_atoms max_neighbors"],
        neighbors: Neighbors,
    ) -> Float[Array, " n_atoms"]:
        whole = [jnp.asarray(x, jnp.int32) for x in (species, neighbors.index, neighbors.reverse)]
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
    leaves = jax.tree.leaves(eqx.filter(network, eqx.is_array))
    usable = jax.default_backend() == "cpu" and all(leaf.dtype == np.float32 for leaf in leaves)
    found = kernel() if usable else None
    if found is None:
        return network
    key = digest(found.name, str(network), *leaves)
    if key not in _prepared:
        sizes = sizes_of(network)
        widths = (sizes.interactions, sizes.channels, sizes.hidden)
        spacing = network.cutoff / sizes.knots
        while len(_prepared) >= _KEPT:
            _prepared.pop(next(iter(_prepared)))
        _prepared[key] = KernelNetwork(
            weights=jnp.asarray(pack(network)),
            shift=jnp.asarray(network.shift),
            cutoff=network.cutoff,
            call=Call(found.name, sizes, spacing, found.tape_width(*widths), found.space_width(*widths)),
        )
    return _prepared[key]


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _run(call, direction, shapes, *arguments):
    """The kernel itself, "forward" or "backward", for results of these shapes."""
    results = tuple(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
    function = jax.ffi.ffi_call(f"{call.name}_{direction}", results, vmap_method="sequential")
    return function(*arguments, sizes=np.array(call.sizes, np.int64), spacing=np.float32(call.spacing))


@_run.defjvp
def _no_second_derivative(*_):
    raise UnsupportedError(
        "a potential prepared for inference has no second derivatives", "take the one it was prepared from"
    )


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _energies(call, vectors, envelope, species, index, reverse, weights):
    return _forward(call, vectors, envelope, species, index, reverse, weights)[0]


def _forward(call, vectors, envelope, species, index, reverse, weights):
    n_atoms = len(species)
    shapes = ((n_atoms,), (n_atoms * call.tape_width,))
    return _run(call, "forward", shapes, species, vectors, envelope, index, reverse, weights)


def _forward_rule(call, *arguments):
    if arguments[-1].perturbed:
        raise UnsupportedError(
            "a potential prepared for inference has no derivative by its weights",
            "take the one it was prepared from",
        )
    values = [argument.value for argument in arguments]
    energies, tape = _forward(call, *values)
    return energies, (*values, tape)


def _backward_rule(call, residuals, cotangents):
    vectors, envelope, species, *others = residuals
    if isinstance(cotangents, SymbolicZero):
        cotangents = jnp.zeros(cotangents.shape, jnp.float32)
    shapes = (vectors.shape, envelope.shape, (len(species) * call.space_width,))
    found = _run(call, "backward", shapes, cotangents, species, vectors, envelope, *others)
    return (*found[:2], None, None, None, None)


_energies.defvjp(_forward_rule, _backward_rule, symbolic_zeros=True)
