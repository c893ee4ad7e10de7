"""Energies of one particle whose free energies are known by quadrature."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.potentials import AbstractPotential
from adiabat.system import Batch, Neighbors, System

_SPRING = 50.0
# Müller and Brown 1979 (doi 10.1007/BF00547608), table I.
_HEIGHTS = (-200.0, -100.0, -170.0, 15.0)
_XX, _XY, _YY = (-1.0, -1.0, -6.5, 0.7), (0.0, 0.0, 11.0, 0.6), (-10.0, -10.0, -6.5, 0.7)
_X, _Y = (1.0, 0.0, -0.5, -1.0), (0.0, 0.5, 1.5, 1.0)


class MuellerBrown(AbstractPotential):
    """Each atom for itself on the surface of Müller and Brown in x and y, and on a spring along z.

    Args:
        unit: what its number 1 is [eV].
    """

    unit: float
    cutoff: float = eqx.field(static=True)

    def __init__(self, *, unit: float = 1.0):
        self.unit = float(unit)
        self.cutoff = 1.0

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        x, y, z = system.positions.T
        energies = 0.5 * _SPRING * z**2
        for height, xx, xy, yy, x0, y0 in zip(_HEIGHTS, _XX, _XY, _YY, _X, _Y, strict=True):
            dx, dy = x - x0, y - y0
            energies += height * jnp.exp(xx * dx**2 + xy * dx * dy + yy * dy**2)
        return self.unit * energies


class DoubleWell(AbstractPotential):
    """Each atom for itself in 4 (x^2 - 1)^2 + x / 2, and on springs along y and z.

    Args:
        unit: what its number 1 is [eV].
    """

    unit: float
    cutoff: float = eqx.field(static=True)

    def __init__(self, *, unit: float = 1.0):
        self.unit = float(unit)
        self.cutoff = 1.0

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        x, y, z = system.positions.T
        return self.unit * (4 * (x**2 - 1) ** 2 + 0.5 * x + 0.5 * _SPRING * (y**2 + z**2))
