"""What a minimizer moves: the atoms, or the atoms and the logarithm of the cell's deformation."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.potentials import Prediction
from adiabat.system import System


class Coordinates(eqx.Module):
    """Free coordinates z of a structure, and the gradient along them.

    Without the cell z are the positions. With it z has three more rows, n_atoms log F with the deformation
    gradient F of the cell and the positions x = u F of atoms that stay at u when the cell is strained:
    forces on all rows are of one size, and a pure strain is a straight line (the filter of ASE's
    `FrechetCellFilter`).

    Attributes:
        start: the structure at F = 1.
        cell: whether the cell moves.
    """

    start: System
    cell: bool = eqx.field(static=True)

    def initial(self) -> Float[Array, "rows 3"]:
        """z of the structure at the start."""
        positions = jnp.asarray(self.start.positions)
        return jnp.concatenate([positions, jnp.zeros((3, 3), positions.dtype)]) if self.cell else positions

    def system(self, z: Float[Array, "rows 3"]) -> System:
        """The structure at z."""
        positions, cell = self._place(z)
        return eqx.tree_at(lambda s: (s.positions, s.cell), self.start, (positions, cell))

    def gradient(self, z: Float[Array, "rows 3"], prediction: Prediction) -> Float[Array, "rows 3"]:
        """dE/dz [eV/Å; eV for the rows of the cell]."""
        assert prediction.forces is not None
        slope = -prediction.forces.astype(z.dtype)
        if not self.cell:
            return slope
        assert prediction.stress is not None
        (positions, cell), pull_back = jax.vjp(self._place, z)
        # The virial under a homogeneous strain is x^T dE/dx + h^T dE/dh, whence dE/dh.
        virial = prediction.stress * jnp.abs(jnp.linalg.det(cell))
        along_cell = jnp.linalg.solve(cell.T, virial - positions.T @ slope)
        (gradient,) = pull_back((slope, along_cell))
        strain = gradient[-3:]
        return gradient.at[-3:].set(0.5 * (strain + strain.T))  # the cell does not turn

    def _place(self, z: Float[Array, "rows 3"]) -> tuple[Float[Array, "n_atoms 3"], Float[Array, "3 3"]]:
        if not self.cell:
            return z, jnp.asarray(self.start.cell)
        deformation = _exponential(z[-3:] / self.start.n_atoms)
        return z[:-3] @ deformation, jnp.asarray(self.start.cell) @ deformation


def _exponential(strain: Float[Array, "3 3"]) -> Float[Array, "3 3"]:
    """The matrix exponential: a Taylor series of a 64th, and six squarings."""
    small = strain / 64
    one = jnp.eye(3, dtype=strain.dtype)
    result = one
    for order in range(8, 0, -1):
        result = one + small @ result / order
    for _ in range(6):
        result = result @ result
    return result
