"""The potential a network makes: free-atom energies, the network's share, a repulsion at short range, and
perhaps the energy of charges at long range."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ase.data
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from adiabat.networks.environments import Environments
from adiabat.networks.network import AbstractNetwork
from adiabat.potentials import ZBL, AbstractPotential, GaussianCharges
from adiabat.potentials.potential import Prediction
from adiabat.system import Batch, Neighbors, System, check_elements, neighbor_list

# How far below its floor a network may say of an atom [its own numbers, of order one].
DEPTH = 0.5


class LearnedPotential(AbstractPotential):
    """E_i = references[z_i] + w_i scale network_i + repulsion_i + long_range_i, and perhaps charges.

    The network feels an edge by its envelope e_ij = u(r_ij) (1 - s_ij): u goes to zero at the cut-off, s is
    the envelope of the repulsion. So atoms that come so close that the repulsion takes over leave each
    other's network, whose products are unbounded where there are no data, and soon the network altogether:
    w_i = (1 - exp(-3 sum_j e_ij)) exp(-5 sum_j s_ij) is 1 for a bonded atom, and 0 for one that is free or
    touches another, so that atoms taken apart end exactly at the references. The network never says much
    less of an atom than it did of any in the training set (`floors`): there are no bottomless holes where
    there were no data. It runs in single precision; the references are added in the precision of the
    positions.

    The charges are the numbers of a second network, less what they are too many in all, in equal shares: they
    add up to the charge of the system. With a long range they are in the energy as well, and in the forces by
    all they depend on: they are latent, those that make energies and forces right, and dipoles where there
    are any (Cheng 2025, doi 10.1038/s41524-025-01577-7). Then the energy of an atom depends on all others,
    however far.

    Attributes:
        network: gives each atom a number of order one.
        charges: likewise, its charge [e] but for a constant; None in a potential that has learned no dipoles.
        references: energy [eV] of the free atom of each element, shape (n_elements,).
        scale: typical size of a force in the training set [eV/Å]; the network's outputs are multiplied by it.
        repulsion: what keeps atoms apart where there are no data, or None.
        elements: atomic numbers the potential knows, ascending.
        floors: the least that the network said of an atom of each element in the training set, in its own
            numbers; None before the end of the training. Down to there nothing is changed.
        long_range: what the charges add to the energy, or None.
    """

    network: AbstractNetwork
    charges: AbstractNetwork | None
    references: Float[Array, " n_elements"]
    scale: Float[Array, ""]
    repulsion: ZBL | None
    floors: Float[Array, " n_elements"] | None
    long_range: GaussianCharges | None
    elements: tuple[int, ...] = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)
    _summary: str = eqx.field(static=True)

    def __init__(
        self,
        *,
        network: AbstractNetwork,
        elements: tuple[int, ...],
        references: Mapping[int, float],
        scale: float,
        repulsion: ZBL | None,
        floors: np.ndarray | None = None,
        charges: AbstractNetwork | None = None,
        long_range: GaussianCharges | None = None,
        summary: Mapping[str, Any] | None = None,
    ):
        if long_range is not None and charges is None:
            raise ValueError("an energy at long range is one of charges, which the potential lacks")
        self.network, self.charges, self.long_range = network, charges, long_range
        self.elements = tuple(int(z) for z in elements)
        # numpy, not jnp: JAX would cut the references to single precision when x64 is off.
        energies = [references[z] for z in self.elements]
        self.references = np.asarray(energies, np.float64)  # pyright: ignore[reportAttributeAccessIssue]
        self.scale = np.asarray(scale, np.float64)  # pyright: ignore[reportAttributeAccessIssue]
        self.repulsion = repulsion
        self.floors = None if floors is None else np.asarray(floors, np.float32)  # pyright: ignore[reportAttributeAccessIssue]
        self.cutoff = network.cutoff if charges is None else max(network.cutoff, charges.cutoff)
        self._summary = json.dumps(dict(summary or {}), sort_keys=True)

    @property
    def layers(self) -> int | None:
        return self.network.layers if self.long_range is None else None

    @property
    def at_short_range(self) -> "LearnedPotential":
        """The potential without charges and their energy: what its first network says of the atoms."""
        nothing, is_none = (None, None), lambda x: x is None
        return eqx.tree_at(lambda p: (p.charges, p.long_range), self, nothing, is_leaf=is_none)

    @property
    def summary(self) -> dict[str, Any]:
        """What is known of the model: how it was trained, its errors, versions."""
        return json.loads(self._summary)

    def with_summary(self, summary: Mapping[str, Any]) -> "LearnedPotential":
        """The same potential with another summary."""
        return LearnedPotential(
            network=self.network,
            elements=self.elements,
            references=dict(zip(self.elements, np.asarray(self.references).tolist(), strict=True)),
            scale=float(self.scale),
            repulsion=self.repulsion,
            floors=None if self.floors is None else np.asarray(self.floors),
            charges=self.charges,
            long_range=self.long_range,
            summary=summary,
        )

    def check(self, system: System) -> None:
        """Raise UnsupportedError when the system has an element that the potential does not know, or cannot
        have the long range of this one (`GaussianCharges.check`)."""
        check_elements(
            system,
            self.elements,
            "the model knows the elements",
            "train on data that hold every element of the structure",
        )
        if self.long_range is not None:
            self.long_range.check(system)

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        return self.atom_energies_and_charges(system, neighbors)[0]

    def atom_energies_and_charges(
        self, system: System | Batch, neighbors: Neighbors
    ) -> tuple[Float[Array, " n_atoms"], Float[Array, " n_atoms"] | None]:
        energies, charges = self._near(system, neighbors), self.atom_charges(system, neighbors)
        if self.long_range is None or charges is None:
            return energies, charges
        return energies + self.long_range.energies(system, charges), charges

    def _near(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        """All but the energy of the charges."""
        dtype = system.positions.dtype
        species, near = self._seen_by(self.network, system, neighbors)
        learned = self.network(species, near.vectors, near.envelope, neighbors)
        if self.floors is not None:
            learned = _above(jnp.asarray(self.floors, learned.dtype)[species], learned)
        learned = jnp.asarray(self.scale, dtype) * (near.share * learned).astype(dtype)
        return jnp.asarray(self.references, dtype)[species] + learned + near.repelled

    def atom_features(
        self, system: System | Batch, neighbors: Neighbors
    ) -> Float[Array, "n_atoms n_features"]:
        """What the network knows of each atom before it says its energy (`AbstractNetwork.features`); of a
        potential as it was loaded, not `for_inference`.

        Raises:
            UnsupportedError: the network shows none.
        """
        species, near = self._seen_by(self.network, system, neighbors)
        return self.network.features(species, near.vectors, near.envelope, neighbors)

    def atom_charges(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"] | None:
        if self.charges is None:
            return None
        species, near = self._seen_by(self.charges, system, neighbors)
        charges = self.charges(species, near.vectors, near.envelope, neighbors).astype(system.positions.dtype)
        n_atoms = jnp.maximum(system.sum_atoms(jnp.ones_like(charges)), 1.0)
        return charges - system.spread((system.sum_atoms(charges) - system.charge) / n_atoms)

    def _seen_by(
        self, network: AbstractNetwork, system: System | Batch, neighbors: Neighbors
    ) -> tuple[Int[Array, " n_atoms"], Environments]:
        """What one of the networks is given of a structure: its species and their surroundings."""
        species = self.species(system)
        return species, network.environments(system, species, neighbors, self.repulsion, self.elements)

    def unknown_atoms(self, numbers: np.ndarray, atom_energies: np.ndarray) -> np.ndarray:
        """Which atoms are where the potential knows nothing: well below the floor of their element, as none
        of the training set was; shape (n_atoms,).

        Args:
            numbers: atomic numbers, shape (n_atoms,).
            atom_energies: what the potential `at_short_range` says of them [eV], shape (n_atoms,).
        """
        if self.floors is None:
            return np.zeros(np.shape(numbers), bool)
        known = self.references + self.scale * (np.asarray(self.floors) - 0.5 * DEPTH)
        return np.asarray(atom_energies) < np.asarray(known)[np.searchsorted(self.elements, numbers)]

    def for_systems(self, systems: Iterable[System]) -> "LearnedPotential":
        """With all waves of the charges that cells of these structures need."""
        ready = None if self.long_range is None else self.long_range.for_systems(systems)
        return self if ready is self.long_range else eqx.tree_at(lambda p: p.long_range, self, ready)

    def for_inference(self) -> AbstractPotential:
        """With the network prepared for many calls: on a CPU by the C++ kernel, where it can be compiled."""
        return self._with_networks(lambda network: network.for_inference())

    def for_training(self) -> "LearnedPotential":
        """With the network as it is quickest within a compiled function of its parameters."""
        return self._with_networks(lambda network: network.for_training())

    def predict(self, system: System, neighbors: Neighbors | None = None) -> Prediction:
        """Check the elements, build the neighbor list when none is given, and predict.

        It is compiled for each number of atoms and width of the list, and prepared as by `for_inference`: for
        derivatives of what it gives, call the potential.
        """
        self.check(system)
        near = neighbors if neighbors is not None else neighbor_list(system, self.cutoff)
        return _compiled(self.for_systems([system]).for_inference(), system, near)

    def _with_networks(self, prepared: Callable[[AbstractNetwork], AbstractNetwork]) -> "LearnedPotential":
        """The same potential with each network prepared in some way; itself if that changes none."""
        networks = [network for network in (self.network, self.charges) if network is not None]
        changed = [prepared(network) for network in networks]
        if all(new is old for new, old in zip(changed, networks, strict=True)):
            return self
        return eqx.tree_at(lambda p: [p.network, p.charges][: len(networks)], self, changed)

    def species(self, system: System | Batch) -> Int[Array, " n_atoms"]:
        """The place of each atom's element among `elements`; 0 for padding."""
        table = np.zeros(len(ase.data.chemical_symbols) + 1, np.int32)
        table[list(self.elements)] = np.arange(len(self.elements))
        return jnp.asarray(table)[system.numbers]


def _above(floors: Float[Array, " n"], values: Float[Array, " n"]) -> Float[Array, " n"]:
    """The values, none more than d = `DEPTH` below its floor f: where t = f - value is positive, it is
    f - t (1 + (t / d)^3)^(-1/3), which joins with three continuous derivatives."""
    # Far below, the slope is zero to rounding; the powers must stay finite.
    below = jnp.clip(floors - values, 0.0, 1e4 * DEPTH)
    return jnp.maximum(values, floors) - below * (1.0 + (below / DEPTH) ** 3) ** (-1 / 3)


@eqx.filter_jit
def _compiled(potential: AbstractPotential, system: System, neighbors: Neighbors) -> Prediction:
    return potential(system, neighbors)


def shape_of(potential: LearnedPotential) -> dict[str, Any]:
    """Kind and hyper-parameters of a potential's network, without those that the training set decides."""
    given = potential.network.hyperparameters()
    return {"kind": potential.network.kind} | {
        name: value for name, value in given.items() if name not in ("n_elements", "density")
    }
