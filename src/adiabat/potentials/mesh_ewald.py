"""Ewald's sum on a mesh, for many atoms."""

import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.fft
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from adiabat.potentials.ewald import (
    AbstractEwald,
    Cells,
    cells_of,
    charge_table,
    checked_cells,
    inverted,
    smooth_weights,
    split,
)
from adiabat.system import Batch, System

# Of the splines that spread a charge over the mesh; even, or the shortest waves would have no factor.
_ORDER = 6


class PME(AbstractEwald):
    """Coulomb energy by smooth particle mesh Ewald, in time n_atoms log(n_atoms).

    Charges are spread over a mesh by B-splines of order 6 and the waves are summed by a fast Fourier
    transform (Essmann et al. 1995, doi 10.1063/1.470117).

    Args:
        charges: [e], by atomic number, or an array with one for each atom of the one structure it is for.
        cell: the largest cell it will see, rows are lattice vectors [Å], shape (3, 3), or several; it decides
            the mesh. By default those that `for_systems` tells it of.
        cutoff: of the sum over neighbors [Å].
        accuracy: about the relative error of the forces.

    Raises:
        ConfigError: an accuracy not between 0 and 1, or a cut-off that is not positive.
        DataError: charges or a cell that are not finite, or a cell without volume.
    """

    charges: Float[Array, " n"]
    mesh: tuple[int, int, int] = eqx.field(static=True)
    by_element: bool = eqx.field(static=True)
    accuracy: float = eqx.field(static=True)
    screening: float = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)
    cells: Cells = eqx.field(static=True)

    def __init__(
        self,
        *,
        charges: Mapping[int, float] | ArrayLike,
        cell: ArrayLike | None = None,
        cutoff: float = 9.0,
        accuracy: float = 1e-5,
    ):
        self.charges, self.by_element = charge_table(charges)
        self.cutoff, self.screening = split(cutoff, accuracy)
        self.accuracy, self.cells = float(accuracy), checked_cells(cell)
        points = 2 * self.screening * self.lengths / (3 * accuracy ** (1 / 5))
        first, second, third = (
            int(scipy.fft.next_fast_len(max(_ORDER, math.ceil(count)), real=True) or 0) for count in points
        )
        self.mesh = (first, second, third)

    def smooth_potential(
        self, system: System | Batch, charges: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        if not self.cells:
            self._unprepared()
        inverse, volumes = inverted(cells_of(system))
        fractions = jnp.einsum("na,nab->nb", system.positions, system.spread(inverse))
        place = (fractions - jnp.floor(fractions)) * jnp.asarray(self.mesh, fractions.dtype)
        lower = jnp.floor(place)
        splines = jnp.stack(_splines(place - lower), axis=-1)
        # (n_atoms, 6) along each axis; each atom touches the 6^3 points of their product.
        points = (lower.astype(jnp.int32)[..., None] - jnp.arange(_ORDER)) % jnp.asarray(self.mesh)[:, None]
        x, y, z = (points[:, axis].reshape(-1, *shape) for axis, shape in enumerate(_AXES))
        shares = math.prod(splines[:, axis].reshape(-1, *shape) for axis, shape in enumerate(_AXES))
        which = system.system_index if isinstance(system, Batch) else jnp.zeros(system.n_atoms, jnp.int32)
        where = (which[:, None, None, None], x, y, z)
        systems = volumes.size
        density = jnp.zeros((systems, *self.mesh), charges.dtype)
        density = density.at[where].add(charges[:, None, None, None] * shares)
        waves = jnp.fft.rfftn(density, axes=(1, 2, 3))
        counts, factors = _factors(self.mesh)
        weights = smooth_weights(jnp.asarray(counts, charges.dtype), inverse, volumes, self.screening)
        weights = weights.reshape(waves.shape) * jnp.asarray(factors, charges.dtype)
        potential = jnp.fft.irfftn(waves * weights, s=self.mesh, axes=(1, 2, 3)) * math.prod(self.mesh)
        return jnp.sum(potential[where] * shares, axis=(1, 2, 3))


_AXES = ((_ORDER, 1, 1), (1, _ORDER, 1), (1, 1, _ORDER))


def _splines(offsets: Any) -> list[Any]:
    """Of the cardinal B-spline M the values M(w), M(w + 1), ... for offsets w in 0 .. 1 (eq. 4.1)."""
    values = [1.0 + 0.0 * offsets]
    for order in range(2, _ORDER + 1):
        padded = [0.0, *values, 0.0]
        values = [
            ((offsets + j) * padded[j + 1] + (order - j - offsets) * padded[j]) / (order - 1)
            for j in range(order)
        ]
    return values


def _factors(mesh: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """For each wave of a real transform: how often it repeats along each axis, and the factor that undoes the
    splines' damping (eq. 4.8)."""
    knots = np.array(_splines(0.0)[1:])
    counts, factors = [], []
    for axis, points in enumerate(mesh):
        count = np.fft.rfftfreq(points, 1 / points) if axis == 2 else np.fft.fftfreq(points, 1 / points)
        phases = np.exp(2j * np.pi * np.outer(count, np.arange(len(knots))) / points)
        counts.append(count)
        factors.append(1 / np.abs(phases @ knots) ** 2)
    grid = np.stack(np.meshgrid(*counts, indexing="ij"), axis=-1)
    return grid, np.einsum("x,y,z->xyz", *factors)
