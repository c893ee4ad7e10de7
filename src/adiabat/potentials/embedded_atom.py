"""The embedded-atom method of metals, from tables."""

import os
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from adiabat.base import DataError
from adiabat.potentials.dynamo import read_dynamo
from adiabat.potentials.potential import AbstractPotential
from adiabat.system import Batch, Neighbors, System, check_elements
from adiabat.system.system import LAST


class EmbeddedAtom(AbstractPotential):
    """E_i = F_i(sum_j rho_j(r_ij)) + sum_j phi_ij(r_ij) / 2 (Daw and Baskes 1984,
    doi 10.1103/PhysRevB.29.6443).

    Between the entries of the tables it takes the cubic splines of LAMMPS, whose slope at an entry is that of
    a polynomial through five of them; their second derivative jumps a little at each entry. Beyond the
    largest density F goes on along a straight line.

    Args:
        elements: atomic numbers, in the order of the tables.
        embedding: F of each element [eV] at densities 0, density_step, ...; shape (n_elements, n_densities).
        density: rho of each element at distances 0, distance_step, ...; shape (n_elements, n_distances).
        pair: r phi(r) of each two elements [eV Å], symmetric; shape (n_elements, n_elements, n_distances).
        density_step: of the densities, in their own unit.
        distance_step: [Å].
        cutoff: [Å].

    Raises:
        DataError: tables that do not fit each other, shorter than five entries, or not finite.
    """

    embedding: Float[Array, "n_elements n_densities 4"]
    density: Float[Array, "n_elements n_distances 4"]
    pair: Float[Array, "n_elements n_elements n_distances 4"]
    elements: tuple[int, ...] = eqx.field(static=True)
    density_step: float = eqx.field(static=True)
    distance_step: float = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __init__(
        self,
        *,
        elements: Sequence[int],
        embedding: ArrayLike,
        density: ArrayLike,
        pair: ArrayLike,
        density_step: float,
        distance_step: float,
        cutoff: float,
    ):
        self.elements = tuple(int(number) for number in elements)
        tables = [np.asarray(table, np.float64) for table in (embedding, density, pair)]
        n, distances = len(self.elements), tables[1].shape[-1]
        shapes = [(n, tables[0].shape[-1]), (n, distances), (n, n, distances)]
        if [table.shape for table in tables] != shapes or min(distances, shapes[0][1]) < 5:
            found = ", ".join(str(table.shape) for table in tables)
            raise DataError(f"the tables of {n} elements do not fit each other: shapes {found}")
        if not all(np.isfinite(table).all() for table in tables):
            raise DataError("the tables hold values that are not finite")
        if not min(density_step, distance_step, cutoff) > 0:
            raise DataError("the steps of the tables and the cut-off must be positive")
        self.embedding, self.density, self.pair = (_splines(table) for table in tables)  # pyright: ignore[reportAttributeAccessIssue]
        self.density_step, self.distance_step = float(density_step), float(distance_step)
        self.cutoff = float(cutoff)

    @classmethod
    def read(cls, path: str | os.PathLike) -> "EmbeddedAtom":
        """From a file of DYNAMO and LAMMPS: setfl (`.eam.alloy`) or, of one element, funcfl (`.eam`).

        Raises:
            DataError: not such a file, or damaged; the message names the line.
        """
        return cls(**read_dynamo(path)._asdict())

    def check(self, system: System) -> None:
        """Raise UnsupportedError when the system has an element without tables."""
        check_elements(system, self.elements, "the tables are of")

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        places = np.zeros(LAST + 1, np.int32)
        places[list(self.elements)] = np.arange(len(self.elements))
        kind = jnp.asarray(places)[jnp.asarray(system.numbers)]
        other = kind[neighbors.index]
        distances = jnp.sqrt(neighbors.squared_distances(system.positions, system.atom_cells()))
        inside = neighbors.mask & (distances < self.cutoff)
        knots = distances / self.distance_step
        density = jnp.sum(jnp.where(inside, _interpolated(self.density, (other,), knots), 0.0), axis=1)
        pairs = _interpolated(self.pair, (kind[:, None], other), knots) / distances
        embedding = _interpolated(self.embedding, (kind,), density / self.density_step, extended=True)
        return embedding + 0.5 * jnp.sum(jnp.where(inside, pairs, 0.0), axis=1)


def _splines(values: np.ndarray) -> np.ndarray:
    """Coefficients c of c0 + c1 p + c2 p^2 + c3 p^3 between each entry and the next, p from 0 to 1; shape
    (..., n, 4). The rules, also those for the ends, are those of LAMMPS' pair_style eam."""
    slope = np.empty_like(values)
    slope[..., 0] = values[..., 1] - values[..., 0]
    slope[..., -1] = values[..., -1] - values[..., -2]
    slope[..., 1] = 0.5 * (values[..., 2] - values[..., 0])
    slope[..., -2] = 0.5 * (values[..., -1] - values[..., -3])
    wide = values[..., :-4] - values[..., 4:]
    slope[..., 2:-2] = (wide + 8 * (values[..., 3:-1] - values[..., 1:-3])) / 12
    rise = np.diff(values, append=values[..., -1:])
    after = np.concatenate([slope[..., 1:], slope[..., -1:]], axis=-1)
    second, third = 3 * rise - 2 * slope - after, slope + after - 2 * rise
    second[..., -1] = third[..., -1] = 0.0
    return np.stack([values, slope, second, third], axis=-1)


def _interpolated(
    table: Float[Array, "... n 4"],
    which: tuple[Array, ...],
    knots: Float[Array, "*m"],
    extended: bool = False,
) -> Float[Array, "*m"]:
    """The spline of each element or pair at a place counted in steps of the table; beyond its end the last
    value, or a straight line."""
    last = table.shape[-2] - 2
    entry = jnp.clip(jnp.floor(knots), 0, last)
    coefficients = jnp.asarray(table)[(*which, entry.astype(jnp.int32))]
    offset = knots - entry
    p = jnp.minimum(offset, 1.0)
    constant, slope, second, third = (coefficients[..., k] for k in range(4))
    value = ((third * p + second) * p + slope) * p + constant
    if not extended:
        return value
    return value + (slope + 2 * second + 3 * third) * jnp.maximum(offset - 1.0, 0.0)
