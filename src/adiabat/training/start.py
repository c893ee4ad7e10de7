"""The potential before its first step and after its last: elements, references, scale, constants."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import ase.data
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from adiabat.base import ConfigError
from adiabat.base.schema import build_kind
from adiabat.data import Sample, compositions
from adiabat.data.census import Census, kinds_met
from adiabat.data.references import fit_census
from adiabat.data.stored import elements_of, kinds_of
from adiabat.networks import (
    GENERAL,
    AbstractNetwork,
    LearnedPotential,
    general_model,
    load_model,
    networks,
    of_size,
    shape_of,
)
from adiabat.potentials import ZBL, GaussianCharges
from adiabat.potentials.smoothing import polynomial_cutoff
from adiabat.training.batches import Listed
from adiabat.training.evaluation import Evaluation

# What asks for fresh weights in the place of a model's.
SCRATCH = "scratch"
# The network of the charges: dipoles ask for less than forces do.
CHARGES = {"kind": "cartesian", **of_size("fast")}
# Electrons of the noble gases, how negative the most electronegative element is at first [e], and the share
# that is left then of what the network of the charges says at random.
FULL_SHELLS, FIRST_CHARGE, FIRST_SHARE = (2, 10, 18, 36, 54, 86, 118), 0.5, 0.1
# Structures that are looked at for the mean density.
DENSITY_SAMPLES = 200
# The repulsion ends at this share of the shortest distance of a pair of elements, so that hotter structures
# than those of the training set do not feel it, and at most at these multiples of the sum of their covalent
# radii: inside a bond where there is one, else at the length of a stretched one.
BELOW_SHORTEST, END_BONDED, END_APART = 0.92, 0.85, 1.3


def new_potential(
    listed: Listed,
    network: Mapping[str, Any],
    *,
    seed: int,
    isolated_atoms: Mapping[int, float] | None = None,
    repulsion: bool = True,
    long_range: bool = False,
    start: LearnedPotential | None = None,
) -> LearnedPotential:
    """A potential before its first step: with the weights of another, or with fresh ones, its outputs shifted
    and scaled to the samples; with a network of the charges where a sample has a dipole, or for a long range.

    Args:
        listed: the training set.
        network: `kind` and hyper-parameters of the network.
        seed: of the weights.
        isolated_atoms: energies of free atoms [eV] by atomic number; fitted to the compositions where absent.
        repulsion: add the short-range repulsion.
        long_range: add the energy of the charges.
        start: a potential whose weights, scale and elements are taken over, also the elements that are not in
            the samples.

    Raises:
        ConfigError: an unknown kind or hyper-parameter, one that `start` has otherwise, or free atoms for
            some elements only.
    """
    census = listed.census
    elements = tuple(sorted(elements_of(listed.samples)))
    known = ~np.isnan(census.force_squares)
    squares = float(np.sum(census.force_squares[known]) / np.sum(3 * census.n_atoms[known]))
    scale = max(np.sqrt(squares), 1e-2)  # a set of relaxed structures alone must not divide by nothing
    fitted = fit_census(census)
    references = dict(isolated_atoms) if isolated_atoms else fitted
    missing = [z for z in elements if z not in references]
    if missing:
        raise ConfigError(
            f"energies of free atoms are given for some elements, but not for the atomic numbers {missing}",
            "give all of them, or none to have them fitted",
        )
    density = mean_density(listed)
    key = jax.random.key(seed)
    made = build_kind(networks, network, where="model", n_elements=len(elements), density=density, key=key)
    # What binds the atoms of an average structure goes into the network's constant for each element.
    shift = [(fitted[z] - references[z]) / scale for z in elements]
    made = eqx.tree_at(lambda n: n.shift, made, np.asarray(shift, np.float32))
    charges = None
    if long_range or census.polar.any():
        shape, key = {**CHARGES, "cutoff": made.cutoff}, jax.random.fold_in(key, 1)
        supplied = {"n_elements": len(elements), "density": density, "key": key}
        charges = build_kind(networks, shape, where="charges", **supplied)
        if long_range:
            # What it says at random would be energies far from those of the samples, of either sign.
            weight = charges.readout.layers[-1].weight
            begin = (first_charges(elements), FIRST_SHARE * weight)
            charges = eqx.tree_at(lambda n: (n.shift, n.readout.layers[-1].weight), charges, begin)
    fresh = LearnedPotential(
        network=made,
        elements=elements,
        references=references,
        scale=scale,
        repulsion=ZBL(ends=repulsion_ends(census), longest=made.cutoff) if repulsion else None,
        charges=charges,
        long_range=GaussianCharges() if long_range else None,
    )
    return fresh if start is None else continued(start, fresh)


def first_charges(elements: Sequence[int]) -> np.ndarray:
    """Where the charges of the elements begin [e], shape (n_elements,): those next to the noble gases are
    negative.

    Energies and forces of neutral structures are the same for the opposite charges; this says which of the
    two are found.
    """
    # Hydrogen gives electrons to carbon and takes them from silicon.
    lacking = [
        4.5 if z == 1 else next(full - z for full in FULL_SHELLS if full >= z) + 0.1 * (z > 10)
        for z in elements
    ]
    most_negative = np.argmin(lacking)
    return np.where(np.arange(len(elements)) == most_negative, -FIRST_CHARGE, 0.0).astype(np.float32)


def starting_point(
    name: str | None, samples: Sequence[Sample], others: Sequence[Sequence[Sample]] = ()
) -> tuple[LearnedPotential | None, str]:
    """The potential that a training goes on from, or None for fresh weights, and what it is called.

    Args:
        name: as in `TrainingOptions.start`.
        samples: the training set.
        others: samples of other heads.

    Raises:
        DataError: no such model.
    """
    if name in (None, SCRATCH):
        return None, SCRATCH
    if name == GENERAL:
        # What is not in the samples drifts away unseen: the new model is not to claim it.
        elements = set().union(*map(elements_of, (samples, *others)))
        return restricted(general_model(), elements), GENERAL
    return load_model(name), name


def general_for(samples: Sequence[Sample]) -> LearnedPotential | None:
    """The general model for the elements of the samples; None unless all are neutral molecules of elements it
    knows."""
    general, elements = general_model(), elements_of(samples)
    alike = all(kind.charge == 0 and not any(kind.pbc) for kind in kinds_met(*kinds_of(samples)))
    return restricted(general, elements) if alike and elements <= set(general.elements) else None


def restricted(potential: LearnedPotential, elements: Collection[int]) -> LearnedPotential:
    """The potential for some of its elements only."""
    kept = tuple(z for z in potential.elements if z in elements)
    rows = np.array([potential.elements.index(z) for z in kept])
    references = dict(zip(potential.elements, potential.references.tolist(), strict=True))
    repulsion = potential.repulsion
    if repulsion is not None:
        ends = {(a, b): end for a, b, end in repulsion.ends if a in elements and b in elements}
        repulsion = ZBL(scale=repulsion.scale, ends=ends, longest=potential.cutoff)
    return LearnedPotential(
        network=of_species(potential.network, rows),
        elements=kept,
        references={z: references[z] for z in kept},
        scale=float(potential.scale),
        repulsion=repulsion,
        charges=None if potential.charges is None else of_species(potential.charges, rows),
        long_range=potential.long_range,
    )


def continued(start: LearnedPotential, fresh: LearnedPotential) -> LearnedPotential:
    """A potential with the weights of `start`, for its elements and those of `fresh`.

    References of the new elements are those of `fresh`, and so are those of the elements of both: another
    method has other free atoms. Repulsion ends at the shorter of the two distances. Charges are there if
    `fresh` has them, or if they are part of the energy of `start`.

    Raises:
        ConfigError: the two networks differ in more than their elements.
    """
    old, new = shape_of(start), shape_of(fresh)
    if old != new:
        differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        raise ConfigError(
            f"the model to start from has {_shown(old, differing)}, "
            f"the settings ask for {_shown(new, differing)}",
            "leave these settings out, or start from another model",
        )
    elements = tuple(sorted({*start.elements, *fresh.elements}))
    references = dict(zip(start.elements, start.references.tolist(), strict=True))
    references |= dict(zip(fresh.elements, fresh.references.tolist(), strict=True))
    network, charges = of_elements([start.network], [start.elements], elements), None
    if fresh.charges is not None or start.long_range is not None:
        # Charges that were no part of the energy are not those that should be.
        usable = start.charges is not None and (start.long_range is not None or fresh.long_range is None)
        known = start if usable else fresh
        assert known.charges is not None
        charges = of_elements([known.charges], [known.elements], elements)
    return LearnedPotential(
        network=network,
        elements=elements,
        references=references,
        scale=float(start.scale),
        repulsion=shorter(start.repulsion, fresh.repulsion, network.cutoff),
        charges=charges,
        long_range=start.long_range or fresh.long_range,
    )


def of_elements(
    given: Sequence[AbstractNetwork], known: Sequence[Sequence[int]], elements: Sequence[int]
) -> AbstractNetwork:
    """The network for these elements with the weights of the first one given; what belongs to an element is
    of the first that knows it, and at random where none does."""
    weights, static = _template(given[0], len(elements))
    leaves, structure = jax.tree.flatten(weights)
    for network, its in reversed([*zip(given, known, strict=True)]):
        rows = np.array([elements.index(z) for z in its])
        old = jax.tree.leaves(eqx.filter(network, eqx.is_array))
        leaves = [_with_rows(*pair, rows) for pair in zip(old, leaves, strict=True)]
    return eqx.combine(jax.tree.unflatten(structure, leaves), static)


def of_species(network: AbstractNetwork, rows: np.ndarray) -> AbstractNetwork:
    """The network for some of its species, in the order of their numbers `rows`, or for all of them several
    times."""
    template, static = _template(network, len(rows))
    known = jax.tree.leaves(eqx.filter(network, eqx.is_array))
    leaves = [_taken(old, new, rows) for old, new in zip(known, jax.tree.leaves(template), strict=True)]
    return eqx.combine(jax.tree.unflatten(jax.tree.structure(template), leaves), static)


def _template(network: AbstractNetwork, n_elements: int) -> tuple[Any, Any]:
    """Arrays and the rest of a network of the same shape for so many elements, with weights at random."""
    settings = network.hyperparameters() | {"n_elements": n_elements}
    made = networks.get(network.kind)(**settings, key=jax.random.key(n_elements))
    return eqx.partition(made, eqx.is_array)


def _shown(settings: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name} = {settings.get(name)}" for name in names)


def _with_rows(old: Array, new: Array, rows: np.ndarray) -> Array:
    """`old`, or `new` with the elements' rows of `old` in it, along the one axis in which they differ."""
    axis = _differing(old, new)
    return old if axis is None else jnp.asarray(new).at[(*[slice(None)] * axis, rows)].set(old)


def _taken(old: Array, new: Array, rows: np.ndarray) -> Array:
    """`old`, or its rows along the one axis in which the two differ."""
    axis = _differing(old, new)
    return old if axis is None else jnp.take(old, rows, axis=axis)


def _differing(old: Array, new: Array) -> int | None:
    axes = [axis for axis, (m, n) in enumerate(zip(old.shape, new.shape, strict=True)) if m != n]
    return axes[0] if axes else None


def shorter(old: ZBL | None, new: ZBL | None, cutoff: float) -> ZBL | None:
    """A repulsion that ends where the shorter of two does."""
    if old is None or new is None:
        return new
    ends = {(first, second): end for first, second, end in old.ends}
    for first, second, end in new.ends:
        ends[first, second] = min(end, ends.get((first, second), end))
    return ZBL(scale=new.scale, ends=ends, longest=cutoff)


def mean_density(listed: Listed) -> float:
    """The mean over atoms of sum_j u(r_ij): about how many neighbors an atom feels."""
    densities = []
    for number in range(0, len(listed), max(1, len(listed) // DENSITY_SAMPLES)):
        felt = polynomial_cutoff(jnp.asarray(listed[number][1].distances()), listed.cutoff)
        densities.append(np.sum(np.asarray(felt), axis=1))
    return max(float(np.mean(np.concatenate(densities))), 0.5)


def repulsion_ends(census: Census) -> dict[tuple[int, int], float]:
    """Where the repulsion of each pair of elements may begin to act [Å]: below all distances in the samples.

    Nearer than the nearest pair of the training set a network makes things up, with slopes of its own. For
    elements that are never bonded there, that remains so beyond 1.3 sums of their covalent radii.
    """
    shortest = census.shortest_distances()
    radii = ase.data.covalent_radii
    bonds = {pair: float(radii[pair[0]] + radii[pair[1]]) for pair in shortest}
    return {
        pair: min(
            BELOW_SHORTEST * distance,
            (END_APART if distance > END_APART * bonds[pair] else END_BONDED) * bonds[pair],
        )
        for pair, distance in shortest.items()
    }


def centered(potential: LearnedPotential, found: Evaluation) -> LearnedPotential:
    """The potential with the constants of its elements set to their best values, which have a closed form.

    The optimizer's noise in these few numbers shifts all energies together; a ridge least-squares fit of the
    residuals to the compositions removes it and leaves the forces as they are.

    Args:
        potential: before its first step, or after its last one.
        found: what it says of its training set.
    """
    # Per atom, as in the loss: a large structure counts as much as a small one.
    shares = compositions([s.numbers for s in found.systems], potential.elements)
    residual = (found.reference_energies - found.energies) / found.n_atoms
    constants, *_ = np.linalg.lstsq(shares, residual, rcond=1e-6)
    constants = np.asarray(constants / potential.scale, np.float32)
    floors = None if potential.floors is None else potential.floors + constants
    moved = (potential.network.shift + constants, floors)
    return eqx.tree_at(lambda p: (p.network.shift, p.floors), potential, moved, is_leaf=lambda x: x is None)


def floored(potential: LearnedPotential, found: Evaluation) -> LearnedPotential:
    """The potential with floors below which its network goes for no atom of the training set.

    Args:
        potential: after its last step.
        found: what it says of its training set.
    """
    numbers = np.concatenate([np.asarray(system.numbers) for system in found.systems])
    learned = np.concatenate(found.atom_energies)
    references = dict(zip(potential.elements, potential.references, strict=True))
    lowest = {
        z: (learned[numbers == z].min() - references[z]) / potential.scale for z in set(numbers.tolist())
    }
    # A training that goes on from another model may know elements it has not met.
    floors = np.array([lowest.get(z, -np.inf) for z in potential.elements], np.float32)
    return eqx.tree_at(lambda p: p.floors, potential, floors, is_leaf=lambda x: x is None)
