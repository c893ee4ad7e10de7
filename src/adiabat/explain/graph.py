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

# Points of the way that are computed together, and the most of them.
_POINTS, MOST_POINTS = 64, 1024
# How far contributions may be from adding up, in spreads of the target.
TOLERANCE = 5e-5


def of_graphs(model: GraphEnsemble, anatomy: Anatomy) -> np.ndarray:
    """Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) from the molecule without atoms to
    the whole, all atoms coming in together: of each the integral over t from 0 to 1 of the derivative by its
    presence, all being t there. What an atom has of the descriptors comes in with it.

    The networks have corners, where gradients jump and rules for smooth functions fail. Of each step the
    gradients at its two ends are mixed so that they add up to what changes along it, which is exact where
    the step has one corner. Those that do not add up are halved, the worst first, until all contributions do.

    Returns:
        shape (n_atoms, n_targets).
    """
    whole = model.predict(anatomy.molecule).mean[0]
    nothing = model.predict(anatomy.with_atoms(np.zeros((1, anatomy.n_atoms), bool))).mean[0]
    times = np.linspace(0, 1, 2 * _POINTS)
    halves = [_gradients(model, anatomy, some) for some in times.reshape(-1, _POINTS)]
    values, slopes = (np.concatenate(arrays, axis=2) for arrays in zip(*halves, strict=True))
    while True:
        found, missing = _integrated(times, values, slopes)
        if np.abs(found.sum(axis=0) - (whole - nothing)).max() < TOLERANCE or len(times) >= MOST_POINTS:
            return found
        worst = np.argsort(-missing)[:_POINTS]
        middle = (times[worst] + times[worst + 1]) / 2
        more = _gradients(model, anatomy, middle)
        order = np.argsort(times := np.append(times, middle))
        times = times[order]
        values, slopes = (
            np.concatenate(both, axis=2)[:, :, order] for both in zip((values, slopes), more, strict=True)
        )


def _integrated(times: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The integrals, shape (n_atoms, n_targets), and by how much members do not add up in each step, shape
    (n_points - 1,).

    Args:
        times: ascending, shape (n_points,).
        values: of members at these, shape (n_members, n_targets, n_points).
        slopes: by the presence of atoms, with these axes and n_atoms behind them.
    """
    step = np.diff(times)
    begin, end = slopes[:, :, :-1], slopes[:, :, 1:]
    wanted = np.diff(values, axis=2) / step
    first, last = begin.sum(axis=3), end.sum(axis=3)
    apart = first - last
    share = np.divide(wanted - last, apart, out=np.full_like(apart, 0.5), where=np.abs(apart) > 1e-6)
    share = np.clip(share, 0.0, 1.0)
    missing = step * np.abs(wanted - share * first - (1 - share) * last)
    mixed = share[..., None] * begin + (1 - share[..., None]) * end
    return (step[:, None] * mixed).sum(axis=2).mean(axis=0).T, missing.sum(axis=(0, 1))


def _gradients(model: GraphEnsemble, anatomy: Anatomy, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What members say at some times, shape (n_members, n_targets, n_points), and the derivatives by the
    presence of each atom, with what it has of the descriptors, shape (..., n_points, n_atoms)."""
    whole = anatomy.shares.sum(axis=0)
    inputs = np.tile(anatomy.molecule.inputs, (len(times), 1))
    scaled = in_spreads(np.append(times[:, None] * whole, inputs, axis=1), model.center, model.scale)
    point = jnp.asarray(times, jnp.float32), jnp.asarray(scaled, jnp.float32)
    found = _slopes(model.members, _copies(model, anatomy), *point, model.classes)
    values, by_atoms, by_numbers = (np.asarray(array, float) for array in found)
    by_atoms = by_atoms[:, :, : len(times) * anatomy.n_atoms]
    by_atoms = by_atoms.reshape(*by_atoms.shape[:2], len(times), anatomy.n_atoms)
    moving = (np.abs(scaled) < CLIP) / model.scale  # what is cut off does not change
    by_numbers = (by_numbers * moving)[..., : len(whole)]
    return values.transpose(0, 2, 1), by_atoms + by_numbers @ anatomy.shares.T


def _copies(model: GraphEnsemble, anatomy: Anatomy) -> Graphs:
    """The molecule once for each point, in arrays of few sizes."""
    (graph,) = model.graphs(anatomy.molecule)
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
    Float[Array, "n_members n_points n_targets"],
    Float[Array, "n_members n_targets n_atoms"],
    Float[Array, "n_members n_targets n_points n_numbers"],
]:
    """What each member says of every copy, and the derivatives by the presence of atoms and by numbers."""
    weights, static = eqx.partition(members, eqx.is_array)
    presence = jnp.append(times, 0.0)[jnp.minimum(graphs.molecule, len(times))]

    def of_member(own):
        def said(presence, numbers):
            outputs = eqx.combine(own, static)(graphs, numbers, presence=presence)
            values = jnp.where(classes, jax.nn.sigmoid(outputs), outputs)
            return values.sum(axis=0), values

        _, back, values = jax.vjp(said, presence, numbers, has_aux=True)
        return values, *jax.lax.map(back, jnp.eye(len(classes), dtype=jnp.float32))

    return over_members(of_member, weights)
