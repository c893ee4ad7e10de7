"""The repulsion of nuclei at short range."""

from collections.abc import Mapping, Sequence

import ase.data
import ase.units
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adiabat.potentials.potential import AbstractPotential
from adiabat.potentials.smoothing import smooth_step
from adiabat.system import Batch, Neighbors, System

_COULOMB = ase.units.Hartree * ase.units.Bohr  # e^2 / (4 pi eps0) [eV Å]
_COEFFICIENTS = (0.18175, 0.50986, 0.28022, 0.02817)
_EXPONENTS = (3.19980, 0.94229, 0.40290, 0.20162)
# Up to this share of where it ends the repulsion is whole.
_BEGIN = 0.7


class ZBL(AbstractPotential):
    """Screened repulsion of Ziegler, Biersack and Littmark, switched off well inside a bond.

    V(r) = e^2 Zi Zj / (4 pi eps0 r) phi(r / a) u(r),  a = 0.46850 Å / (Zi^0.23 + Zj^0.23),
    phi(x) = sum_k c_k exp(-d_k x)  (Ziegler, Biersack, Littmark 1985; the constants of LAMMPS' pair_style
    zbl),
    u a smooth step from 1 at seven tenths of where the repulsion ends. It keeps a network from a collapse at
    distances no training set has, and is zero at bond lengths.

    Args:
        scale: where the repulsion ends, in sums of covalent radii.
        ends: where it ends [Å] for some pairs of atomic numbers, the smaller first.
        longest: the longest cut-off [Å] any pair of elements may get; reported as `cutoff`.
    """

    scale: float = eqx.field(static=True)
    ends: tuple[tuple[int, int, float], ...] = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __init__(
        self,
        *,
        scale: float = 0.7,
        ends: Mapping[tuple[int, int], float] | None = None,
        longest: float = 5.0,
    ):
        self.scale = scale
        self.ends = tuple((*pair, float(end)) for pair, end in sorted((ends or {}).items()))
        self.cutoff = longest

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        vectors = neighbors.vectors(system.positions, system.atom_cells())
        distances = jnp.sqrt(jnp.sum(vectors**2, axis=-1))
        short = neighbors.mask & (distances < self._ends(system, distances.dtype, neighbors))

        @jax.checkpoint  # or the branch not taken would have its intermediate values written as zeros
        def repelled(distances):
            charges = jnp.asarray(system.numbers, distances.dtype)
            # Elements carry no derivative: a plain gather is enough. Powers are taken by atom, not by edge.
            other, sizes = neighbors.index, charges**0.23 / 0.46850
            x = distances * (sizes[:, None] + sizes[other])
            phi = sum(c * jnp.exp(-d * x) for c, d in zip(_COEFFICIENTS, _EXPONENTS, strict=True))
            products = _COULOMB * charges[:, None] * charges[other]
            energy = products / distances * phi * self.envelope(system, distances, neighbors)
            return 0.5 * jnp.sum(jnp.where(neighbors.mask, energy, 0.0), axis=1)

        def free(distances):
            return jnp.zeros(len(distances), distances.dtype)

        # Nearly always no pair is that near, and four exponentials for each edge cost as much as a network.
        return jax.lax.cond(jnp.any(short), repelled, free, distances)

    def envelope(
        self,
        system: System | Batch,
        distances: Float[Array, "n_atoms max_neighbors"],
        neighbors: Neighbors,
    ) -> Float[Array, "n_atoms max_neighbors"]:
        """u of each edge: 1 where nuclei touch, 0 from the end of the repulsion on."""
        ends = self._ends(system, distances.dtype, neighbors)
        return smooth_step(distances, _BEGIN * ends, ends)

    def pairs(self, elements: Sequence[int]) -> np.ndarray:
        """For each two of some elements: where the repulsion ends [Å], half the energy of the bare charges at
        1 Å [eV], and what the distance is multiplied by [1/Å]; shape (n_elements, n_elements, 3)."""
        charges = np.asarray(elements, np.float64)
        sizes = charges**0.23 / 0.46850
        return np.stack(
            [
                self._end_table()[np.ix_(elements, elements)],
                0.5 * _COULOMB * charges[:, None] * charges,
                sizes[:, None] + sizes,
            ],
            axis=-1,
        )

    def _end_table(self) -> np.ndarray:
        """Where the repulsion of two elements ends [Å], by atomic numbers."""
        radii = np.nan_to_num(ase.data.covalent_radii)
        table = self.scale * (radii[:, None] + radii)
        for first, second, end in self.ends:
            table[first, second] = table[second, first] = end
        return np.clip(table, 0.1, self.cutoff)

    def _ends(
        self, system: System | Batch, dtype: jnp.dtype, neighbors: Neighbors
    ) -> Float[Array, "n_atoms max_neighbors"]:
        """Where the repulsion of each edge ends [Å]."""
        numbers = jnp.asarray(system.numbers)
        ends = jnp.asarray(self._end_table(), dtype)
        return ends[numbers[:, None], numbers[neighbors.index]]
