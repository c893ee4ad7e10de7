"""The potential before its first step and after its last: elements, references, scale, constants."""

from collections.abc import Mapping, Sequence
from typing import Any

import ase.data
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from adiabat.base import ConfigError
from adiabat.base.schema import build_kind
from adiabat.data import Sample, fit_references
from adiabat.networks import LearnedPotential, networks
from adiabat.potentials import ZBL
from adiabat.potentials.smoothing import polynomial_cutoff
from adiabat.system import Neighbors
from adiabat.training.batches import Batches
from adiabat.training.evaluation import evaluate_batches

# Structures that are looked at for the mean density.
DENSITY_SAMPLES = 200
# The repulsion ends at this share of the shortest distance of a pair of elements, so that hotter structures
# than those of the training set do not feel it, and at most at this share of the sum of their covalent radii.
BELOW_SHORTEST, LONGEST_END = 0.92, 0.85


def new_potential(
    samples: Sequence[Sample],
    neighbors: Sequence[Neighbors],
    network: Mapping[str, Any],
    *,
    seed: int,
    isolated_atoms: Mapping[int, float] | None = None,
    repulsion: bool = True,
) -> LearnedPotential:
    """A potential with fresh weights, its outputs shifted and scaled to the samples.

    Args:
        samples: the training set.
        neighbors: their lists.
        network: `kind` and hyper-parameters of the network.
        seed: of the weights.
        isolated_atoms: energies of free atoms [eV] by atomic number; fitted to the compositions where absent.
        repulsion: add the short-range repulsion.

    Raises:
        ConfigError: an unknown kind or hyper-parameter, or free atoms for some elements only.
    """
    elements = tuple(sorted({int(z) for sample in samples for z in sample.system.numbers}))
    forces = np.concatenate([sample.forces for sample in samples if sample.forces is not None])
    # A set of relaxed structures alone must not divide by nothing.
    scale = max(float(np.sqrt(np.mean(forces**2))), 1e-2)
    fitted = fit_references(samples)
    references = dict(isolated_atoms) if isolated_atoms else fitted
    missing = [z for z in elements if z not in references]
    if missing:
        raise ConfigError(
            f"energies of free atoms are given for some elements, but not for the atomic numbers {missing}",
            "give all of them, or none to have them fitted",
        )
    density = mean_density(neighbors, neighbors[0].cutoff)
    key = jax.random.key(seed)
    made = build_kind(networks, network, where="model", n_elements=len(elements), density=density, key=key)
    # What binds the atoms of an average structure goes into the network's constant for each element.
    shift = [(fitted[z] - references[z]) / scale for z in elements]
    made = eqx.tree_at(lambda n: n.shift, made, np.asarray(shift, np.float32))
    return LearnedPotential(
        network=made,
        elements=elements,
        references=references,
        scale=scale,
        repulsion=ZBL(ends=repulsion_ends(samples, neighbors), longest=made.cutoff) if repulsion else None,
    )


def mean_density(neighbors: Sequence[Neighbors], cutoff: float) -> float:
    """The mean over atoms of sum_j u(r_ij): about how many neighbors an atom feels."""
    densities = []
    for near in neighbors[:: max(1, len(neighbors) // DENSITY_SAMPLES)]:
        densities.append(np.sum(np.asarray(polynomial_cutoff(jnp.asarray(_distances(near)), cutoff)), axis=1))
    return max(float(np.mean(np.concatenate(densities))), 0.5)


def repulsion_ends(samples: Sequence[Sample], neighbors: Sequence[Neighbors]) -> dict[tuple[int, int], float]:
    """Where the repulsion of each pair of elements may begin to act [Å]: below all distances in the samples.

    Nearer than the nearest pair of the training set a network makes things up, with slopes of its own.
    """
    shortest: dict[tuple[int, int], float] = {}
    for sample, near in zip(samples, neighbors, strict=True):
        numbers = np.asarray(sample.system.numbers)
        distances, other = _distances(near), numbers[near.index]
        for first in np.unique(numbers):
            for second in np.unique(numbers[numbers >= first]):
                here = distances[numbers == first][other[numbers == first] == second]
                pair = (int(first), int(second))
                shortest[pair] = min(shortest.get(pair, np.inf), float(here.min(initial=np.inf)))
    radii = ase.data.covalent_radii
    bonds = {pair: float(radii[pair[0]] + radii[pair[1]]) for pair in shortest}
    return {
        pair: min(BELOW_SHORTEST * distance, LONGEST_END * bonds[pair]) for pair, distance in shortest.items()
    }


def _distances(near: Neighbors) -> np.ndarray:
    """Of all edges [Å], infinite where there is none."""
    positions, cell = np.asarray(near.reference_positions), np.asarray(near.reference_cell)
    vectors = positions[near.index] + np.asarray(near.shift) @ cell - positions[:, None]
    return np.where(near.mask, np.linalg.norm(vectors, axis=-1), np.inf)


def centered(potential: LearnedPotential, batches: Batches) -> LearnedPotential:
    """The potential with the constants of its elements set to their best values, which have a closed form.

    The optimizer's noise in these few numbers shifts all energies together; a ridge least-squares fit of the
    residuals to the compositions removes it and leaves the forces as they are.

    Args:
        potential: after its last step.
        batches: what it was trained on.
    """
    found = evaluate_batches(potential, batches)
    composition = np.array(
        [[np.sum(np.asarray(s.numbers) == z) for z in potential.elements] for s in found.systems]
    )
    # Per atom, as in the loss: a large structure counts as much as a small one.
    design = composition / found.n_atoms[:, None]
    residual = (found.reference_energies - found.energies) / found.n_atoms
    constants, *_ = np.linalg.lstsq(design, residual, rcond=1e-6)
    shift = potential.network.shift + np.asarray(constants / potential.scale, np.float32)
    return eqx.tree_at(lambda p: p.network.shift, potential, shift)
