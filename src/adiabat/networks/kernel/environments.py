"""Environments by the kernel, for a network that is called many times."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from adiabat.networks.environments import Environments
from adiabat.networks.kernel.build import call
from adiabat.networks.kernel.derivatives import without_derivatives
from adiabat.system import Batch, Neighbors, System


def environments(
    name: str,
    system: System | Batch,
    species: Int[Array, " n_atoms"],
    neighbors: Neighbors,
    cutoff: float,
    repulsion: np.ndarray,
) -> Environments:
    """What `adiabat.networks.environments` gives, for positions in double precision.

    Args:
        name: begins those of the kernel's functions.
        system: one structure or a batch.
        species: number of each atom's element.
        neighbors: the list.
        cutoff: [Å].
        repulsion: `ZBL.pairs` of the elements; zeros for none.
    """
    cells = jnp.broadcast_to(system.atom_cells(), (len(species), 3, 3)).astype(jnp.float64)
    structure = (
        system.positions,
        cells,
        neighbors.shift.astype(jnp.float32),
        jnp.asarray(neighbors.index, jnp.int32),
        jnp.asarray(neighbors.reverse, jnp.int32),
        jnp.asarray(neighbors.mask),
        jnp.asarray(species, jnp.int32),
        jnp.asarray(repulsion, jnp.float64),
    )
    return Environments(*_found(name, cutoff, *structure))


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _found(name, cutoff, *structure):
    @without_derivatives
    def found(*structure):
        n_atoms, columns = structure[3].shape
        single, double = np.float32, np.float64
        shapes = (((n_atoms, columns, 3), single), ((n_atoms, columns), single), ((n_atoms,), single))
        return _run(name, "environments", cutoff, (*shapes, ((n_atoms,), double)), *structure)

    return found(*structure)


def _found_forward(name, cutoff, *structure):
    return _found(name, cutoff, *structure), structure


def _found_backward(name, cutoff, structure, cotangents):
    @without_derivatives
    def returned(*given):
        positions, cells, shift = given[4:7]
        shapes = ((positions.shape, np.float64), (cells.shape, np.float64), (shift.shape, np.float32))
        # What the edges pull with takes the place of what the network said of their vectors.
        return _run(name, "environments_back", cutoff, shapes, *given, in_place={0: 2})[:2]

    return *returned(*cotangents, *structure), *(None,) * 6


_found.defvjp(_found_forward, _found_backward)


def _run(name, function, cutoff, shapes, *arguments, in_place=None):
    results = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    return call(name, function, results, *arguments, in_place=in_place, cutoff=np.float32(cutoff))
