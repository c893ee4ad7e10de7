"""Contributions of atoms to what graph networks say: integrated gradients."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from adiabat.explain.anatomy import Anatomy
from adiabat.properties.graph_network import GraphEnsemble
from adiabat.properties.graph_training import over_members
from adiabat.properties.graphs import MAX_BONDS, Graphs, joined
from adiabat.properties.molecules import CLIP, in_spreads
from adiabat.properties.property_network import PropertyNetwork

# Points of the integral that are computed together, and the most of them.
_POINTS, MOST_POINTS = 64, 4096
# How far contributions may be from adding up, in spreads of the target.
TOLERANCE = 2e-5


def of_graphs(model: GraphEnsemble, anatomy: Anatomy) -> np.ndarray:
    """Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) from the molecule without atoms to
    the whole, all atoms coming in together: of each the integral over t from 0 to 1 of the derivative by its
    presence, all being t there. What an atom has of the descriptors comes in with it.

    The networks have corners, so that no rule for smooth functions is of use: the points are the middles of
    equal steps, twice as many until the contributions add up.

    Returns:
        shape (n_atoms, n_targets).
    """
    whole = model.predict(anatomy.molecule).mean[0]
    nothing = model.predict(anatomy.with_atoms(np.zeros((1, anatomy.n_atoms), bool))).mean[0]
    points = _POINTS
    while True:
        found = _integrated(model, anatomy, points)
        points *= 2
        if np.abs(found.sum(axis=0) - (whole - nothing)).max() < TOLERANCE or points > MOST_POINTS:
            return found


def _integrated(model: GraphEnsemble, anatomy: Anatomy, points: int) -> np.ndarray:
    graphs, n_atoms = _copies(anatomy), anatomy.n_atoms
    inputs = np.tile(anatomy.molecule.inputs, (_POINTS, 1))
    whole = anatomy.shares.sum(axis=0)
    total = np.zeros((n_atoms, len(model.classes)))
    for times in ((np.arange(points) + 0.5) / points).reshape(-1, _POINTS):
        numbers = np.concatenate([times[:, None] * whole, inputs], axis=1)
        scaled = in_spreads(numbers, model.center, model.scale)
        slopes = _slopes(
            model.members, graphs, times.astype(np.float32), scaled.astype(np.float32), model.classes
        )
        # Means over members, sums over points.
        by_atoms, by_numbers = (np.asarray(array, float).mean(axis=0) for array in slopes)
        by_atoms = by_atoms[:, : _POINTS * n_atoms].reshape(-1, _POINTS, n_atoms).sum(axis=1)
        moving = (np.abs(scaled) < CLIP) / model.scale  # what is cut off does not change
        by_numbers = (by_numbers * moving).sum(axis=1)[:, : len(whole)]
        total += by_atoms.T + anatomy.shares @ by_numbers.T
    return total / points


def _copies(anatomy: Anatomy) -> Graphs:
    """The molecule once for each point, in arrays of few sizes."""
    graph = anatomy.graph
    atoms = 1 << (anatomy.n_atoms - 1).bit_length()
    few = len(graph.ends) == 0 or np.bincount(graph.ends.ravel()).max() <= 4
    return joined(
        [graph] * _POINTS,
        n_atoms=_POINTS * atoms,
        n_edges=_POINTS * max(2 * len(graph.ends), 5 * atoms // 2),
        n_molecules=_POINTS,
        max_bonds=4 if few else MAX_BONDS,
    )


@eqx.filter_jit
def _slopes(
    members: PropertyNetwork,
    graphs: Graphs,
    times: Float[Array, " n_points"],
    numbers: Float[Array, "n_points n_numbers"],
    classes: Bool[np.ndarray, " n_targets"],
) -> tuple[
    Float[Array, "n_members n_targets n_atoms"], Float[Array, "n_members n_targets n_points n_numbers"]
]:
    """The derivatives of what each member says of every copy, by the presence of atoms and by numbers."""
    weights, static = eqx.partition(members, eqx.is_array)
    presence = jnp.append(times, 0.0)[jnp.minimum(graphs.molecule, len(times))]

    def of_member(own):
        def said(presence, numbers):
            outputs = eqx.combine(own, static)(graphs, numbers, presence=presence)
            return jnp.where(classes, jax.nn.sigmoid(outputs), outputs).sum(axis=0)

        _, back = jax.vjp(said, presence, numbers)
        return jax.lax.map(back, jnp.eye(len(classes), dtype=jnp.float32))

    return over_members(of_member, weights)
