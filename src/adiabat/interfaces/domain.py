"""A part of a larger system: some atoms, and the ghosts around them that their energies depend on."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adiabat.base import SimulationError, UnsupportedError
from adiabat.potentials import AbstractPotential
from adiabat.system import Batch, Neighbors, System, batch_systems, neighbor_list
from adiabat.system.cell_list import CAPACITY_STEP

# Tables have room for so many more atoms and neighbors than there were, and rows in steps of so many atoms:
# what comes and goes in a domain compiles nothing again.
_SPARE = 0.05
_ROWS_STEP = 64


class DomainPrediction(NamedTuple):
    """What the atoms of a domain say: the sums over all domains are those of the system.

    Attributes:
        energy: of the domain's own atoms [eV].
        forces: minus its gradient by its own atoms and by its ghosts [eV/Å], shape (n_own + n_ghosts, 3).
        virial: minus its derivative by the strain [eV], shape (3, 3).
        atom_energies: of its own atoms [eV], shape (n_own,).
    """

    energy: float
    forces: Float[np.ndarray, "n_atoms 3"]
    virial: Float[np.ndarray, "3 3"]
    atom_energies: Float[np.ndarray, " n_own"]


class Domain:
    """Evaluates a potential for the atoms of one domain.

    Args:
        potential: what to evaluate.
        skin: of the neighbor list [Å].

    Attributes:
        reach: how far the ghosts have to go [Å].
        builds: how many neighbor lists there were.

    Raises:
        UnsupportedError: a potential whose energies depend on atoms however far.
    """

    def __init__(self, potential: AbstractPotential, skin: float):
        if potential.layers is None:
            raise UnsupportedError(
                f"the energy of an atom by {type(potential).__name__} depends on atoms however far, or on "
                "their numbers",
                "domains need a potential that ends at some distance, and no terms of numbered atoms",
            )
        self.layers, self.reach = potential.layers, potential.layers * potential.cutoff
        self.cutoff, self.skin = potential.cutoff, skin
        self.builds = 0
        self._prepared = potential.for_inference()
        self._rows = self._columns = 0
        self._system: System | None = None
        self._n_own = 0
        self._batch: Batch | None = None
        self._neighbors: Neighbors | None = None

    def take(
        self,
        numbers: Float[np.ndarray, " n_atoms"],
        positions: Float[np.ndarray, "n_atoms 3"],
        n_own: int,
        cell: Float[np.ndarray, "3 3"],
        pbc: tuple[bool, bool, bool],
    ) -> None:
        """Other atoms than before, or the same in another order.

        Args:
            numbers: atomic numbers, ghosts last.
            positions: [Å].
            n_own: how many are no ghosts.
            cell: of the whole system [Å].
            pbc: the directions in which images are found by periodicity; where they are ghosts it is False.

        Raises:
            DataError: positions that are not finite, two atoms at the same place.
        """
        self._n_own, self._system = n_own, None
        if n_own:
            self._system = System.create(numbers, positions, cell=cell, pbc=pbc)
            self._build(self._system)

    def evaluate(
        self, positions: Float[np.ndarray, "n_atoms 3"], cell: Float[np.ndarray, "3 3"]
    ) -> DomainPrediction:
        """What the own atoms say, at new positions and in a new cell [Å].

        Raises:
            DataError: as `take`.
            SimulationError: an energy or force is not finite.
        """
        if self._system is None:
            return DomainPrediction(0.0, np.zeros(positions.shape), np.zeros((3, 3)), np.zeros(0))
        assert self._neighbors is not None
        n_atoms = len(positions)
        reference = np.asarray(self._neighbors.reference_positions)[:n_atoms]
        if not is_complete(reference, self._cell, positions, cell, self.cutoff + self.skin, self.cutoff):
            self._build(eqx.tree_at(lambda s: s.cell, self._system, cell).moved(positions))
        padded = np.zeros((self._rows, 3))
        padded[:n_atoms] = positions
        batch = eqx.tree_at(lambda b: (b.positions, b.cell), self._batch, (padded, cell[None]))
        found = jax.tree.map(np.asarray, _evaluate(self._prepared, batch, self._neighbors))
        energy, forces, virial, atom_energies = found
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise SimulationError(
                "the forces are not finite: the atoms have come to where the potential says nothing",
                "check the start by `adiabat relax`, take a smaller time step",
            )
        return DomainPrediction(float(energy), forces[:n_atoms], virial, atom_energies[: self._n_own])

    def _build(self, system: System) -> None:
        """The neighbor list and the arrays that stay as long as it does."""
        near = neighbor_list(system, self.cutoff, self.skin)
        hops = self._hops(near)
        # An atom whose energy or features nobody here asks for receives nothing.
        asked = hops < self.layers
        near = eqx.tree_at(lambda n: n.mask, near, near.mask & (asked[:, None] | asked[near.index]))
        self._rows = _room(system.n_atoms, self._rows, _ROWS_STEP)
        self._columns = _room(near.max_neighbors, self._columns, CAPACITY_STEP)
        sizes = {"n_atoms": self._rows, "n_systems": 1, "max_neighbors": self._columns}
        batch, near = batch_systems([system], [near], **sizes)
        hops = np.pad(hops, (0, self._rows - len(hops)), constant_values=self.layers)
        near = eqx.tree_at(lambda n: n.hops, near, hops.astype(np.int32), is_leaf=lambda x: x is None)
        # What sums go over are the domain's own atoms.
        batch = eqx.tree_at(lambda b: b.mask, batch, np.arange(self._rows) < self._n_own)
        self._cell = np.asarray(system.cell)
        self._batch, self._neighbors = jax.tree.map(jnp.asarray, (batch, near))
        self.builds += 1

    def _hops(self, near: Neighbors) -> np.ndarray:
        """Edges from each atom to the nearest of the domain's own; `layers` stands for as many or more."""
        reached = np.arange(len(near.index)) < self._n_own
        hops = np.where(reached, 0, self.layers)
        for hop in range(1, self.layers):
            reached = reached | np.any(near.mask & reached[near.index], axis=1)
            hops = np.where(reached, np.minimum(hops, hop), hops)
        return hops


def is_complete(
    reference: Float[np.ndarray, "n_atoms 3"],
    reference_cell: Float[np.ndarray, "3 3"],
    positions: Float[np.ndarray, "n_atoms 3"],
    cell: Float[np.ndarray, "3 3"],
    radius: float,
    cutoff: float,
) -> bool:
    """`Neighbors.is_complete` on the host: whether no pair nearer than `cutoff` was farther than `radius` [Å]
    at the reference."""
    if not np.array_equal(cell, reference_cell):
        deformation = np.linalg.solve(reference_cell, cell)
        reference = reference @ deformation
        radius = (1.0 - float(np.linalg.norm(deformation - np.eye(3)))) * radius
    moved = positions - reference
    return 2.0 * np.sqrt(np.max(np.sum(moved**2, axis=1), initial=0.0)) <= radius - cutoff


def _room(needed: int, held: int, step: int) -> int:
    """What is held if it is enough; else as much as needed and some to spare, in whole steps."""
    return held if needed <= held else -int(-needed * (1 + _SPARE) // step) * step


@eqx.filter_jit
def _evaluate(
    potential: AbstractPotential, batch: Batch, neighbors: Neighbors
) -> tuple[Array, Array, Array, Array]:
    found = potential(batch, neighbors, stress=True)
    assert found.stress is not None
    assert found.forces is not None
    assert found.atom_energies is not None
    return found.energy[0], found.forces, -found.stress[0] * batch.volume[0], found.atom_energies
