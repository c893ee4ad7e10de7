"""A potential in which some atoms interact more weakly than they do."""

from collections.abc import Iterable

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from adiabat.base import DataError
from adiabat.potentials.potential import AbstractPotential
from adiabat.system import Batch, Neighbors, System


class Scaled(AbstractPotential):
    """A potential with a scale s for each atom, 1 leaving everything what it is.

    Between pairs of a classical force field it is sqrt(s_i s_j) E_ij, of a torsion sqrt(s_1 s_4) E, and of
    bonds and angles E. Of potentials that are no sum of such terms, which includes all learned ones, it is
    sum_i s_i E_i with the energies E_i of the atoms.

    Args:
        potential: any.
        scales: 0 or more, one for each atom of the structure or the batch, shape (n_atoms,).
    """

    potential: AbstractPotential
    scales: Float[Array, " n_atoms"]

    def __init__(self, *, potential: AbstractPotential, scales: Float[Array, " n_atoms"]):
        self.potential, self.scales = potential, scales

    @property
    def cutoff(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the potential [Å]."""
        return self.potential.cutoff

    @property
    def layers(self) -> int | None:
        return self.potential.layers

    @property
    def uses_neighbors(self) -> bool:
        return self.potential.uses_neighbors

    def check(self, system: System) -> None:
        """Raise UnsupportedError when the potential does not cover the system, and DataError when the scales
        do not fit it."""
        self.potential.check(system)
        scales = np.asarray(self.scales)
        if scales.shape != (system.n_atoms,) or not np.isfinite(scales).all() or (scales < 0).any():
            raise DataError(f"{system.n_atoms} atoms need as many scales of 0 or more, got {scales}")

    def for_systems(self, systems: Iterable[System]) -> "Scaled":
        return eqx.tree_at(lambda p: p.potential, self, self.potential.for_systems(systems))

    def for_inference(self) -> AbstractPotential:
        return eqx.tree_at(lambda p: p.potential, self, self.potential.for_inference())

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        return self.potential.scaled_energies(system, neighbors, self.scales)

    def atom_charges(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"] | None:
        return self.potential.atom_charges(system, neighbors)
