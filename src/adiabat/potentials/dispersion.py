"""Dispersion corrections D3 and D4, computed by their authors' libraries on the host."""

import abc
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adiabat.base import ConfigError, MissingDependencyError, UnsupportedError
from adiabat.base.units import BOHR, HARTREE
from adiabat.potentials.potential import AbstractPotential
from adiabat.system import Batch, Neighbors, System
from adiabat.system.neighbors import filled_cell

# The libraries find neighbors themselves, so the list's radius [Å] only says how often it is made anew.
_CUTOFF = 1.0
# The last element with parameters in both; s-dftd3 gives zero beyond, or breaks down with the whole process.
_LAST_ELEMENT = 103
# Of the differences [Å] that give second derivatives.
_STEP = 1e-3


class AbstractDispersion(AbstractPotential):
    """The energy of dispersion, which density functionals lack, with the library's own forces and virial.

    A call goes to the host and back, so dynamics take milliseconds a step. Second derivatives are central
    differences of the gradient, there are no third ones. Each atom gets an equal share of the energy.
    """

    functional: eqx.AbstractVar[str]
    """Whose parameters to take, as "pbe"."""

    @property
    def layers(self) -> int | None:
        return None

    @property
    def uses_neighbors(self) -> bool:
        return False

    @abc.abstractmethod
    def model(self, numbers: np.ndarray, positions: np.ndarray, charge: int, **cell: np.ndarray) -> Any:
        """The library's structure, from positions [bohr] and, if it repeats, `lattice` and `periodic`."""

    @abc.abstractmethod
    def parameters(self) -> Any:
        """The library's parameters of the functional."""

    def check(self, system: System) -> None:
        """Raise UnsupportedError for an element beyond lawrencium, or what else the library refuses."""
        heaviest = int(np.max(system.numbers))
        if heaviest > _LAST_ELEMENT:
            raise UnsupportedError(
                f"{type(self).__name__} knows the atomic numbers 1 to {_LAST_ELEMENT}, not {heaviest}"
            )
        try:
            self._compute(system.pbc, *map(np.asarray, _operands(system)))
        except (RuntimeError, ValueError) as error:
            raise UnsupportedError(f"{type(self).__name__} does not cover the structure: {error}") from error

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        energies = _energies(partial(self._compute, system.pbc), *_operands(system))
        counts = system.sum_atoms(jnp.ones(system.n_atoms))
        shares = (energies if isinstance(system, Batch) else energies[0]) / jnp.maximum(counts, 1.0)
        return system.spread(shares)

    def _compute(
        self,
        pbc: tuple[bool, bool, bool] | None,
        positions: Any,
        cells: Any,
        numbers: Any,
        charges: Any,
        index: Any,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The energy of each structure [eV] and the derivatives by positions and cells [eV/Å] of host arrays.
        In a batch whose structures may repeat along different directions, the others have no vector."""
        dtype, numbers = np.asarray(positions).dtype, np.asarray(numbers)
        places, boxes = np.asarray(positions, np.float64), np.asarray(cells, np.float64)
        energies, gradient, slopes = np.zeros(len(boxes)), np.zeros_like(places), np.zeros_like(boxes)
        for number, box in enumerate(boxes):
            atoms = np.flatnonzero((np.asarray(index) == number) & (numbers > 0))
            if not len(atoms):
                continue
            x, repeats = places[atoms], box.any(axis=1) if pbc is None else np.array(pbc)
            lattice = filled_cell(box, tuple(repeats.tolist())) / BOHR
            cell = {"lattice": lattice, "periodic": repeats} if repeats.any() else {}
            model = self.model(numbers[atoms], x / BOHR, int(np.asarray(charges)[number]), **cell)
            found = model.get_dispersion(self.parameters(), grad=True)
            energies[number] = found["energy"] * HARTREE
            gradient[atoms] = found["gradient"] * (HARTREE / BOHR)
            # The library's virial is for atoms that move with the cell; what the atoms do is taken off.
            rest = np.where(repeats.any(), found["virial"] * HARTREE - x.T @ gradient[atoms], 0.0)
            slopes[number] = np.linalg.pinv(np.where(repeats[:, None], box, 0.0)).T @ rest
        return energies.astype(dtype), gradient.astype(dtype), slopes.astype(dtype)


class D3(AbstractDispersion):
    """Dispersion by D3 with the damping of Becke and Johnson, without three-body terms (Grimme et al. 2010,
    doi 10.1063/1.3382344; Grimme, Ehrlich, Goerigk 2011, doi 10.1002/jcc.21759), by the library s-dftd3.

    Args:
        functional: whose parameters to take.

    Raises:
        MissingDependencyError: the library is not installed.
        ConfigError: a functional that it does not know.
    """

    functional: str = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __init__(self, *, functional: str = "pbe"):
        self.functional, self.cutoff = functional, _CUTOFF
        _known(self)

    def model(self, numbers: np.ndarray, positions: np.ndarray, charge: int, **cell: np.ndarray) -> Any:
        return _library("dftd3").DispersionModel(numbers, positions, **cell)

    def parameters(self) -> Any:
        return _library("dftd3").RationalDampingParam(method=self.functional)


class D4(AbstractDispersion):
    """Dispersion by D4, which follows the charges of the atoms, with three-body terms (Caldeweyher et al.
    2019, doi 10.1063/1.5090222), by the library dftd4.

    Args:
        functional: whose parameters to take.

    Raises:
        MissingDependencyError: the library is not installed.
        ConfigError: a functional that it does not know.
    """

    functional: str = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __init__(self, *, functional: str = "pbe"):
        self.functional, self.cutoff = functional, _CUTOFF
        _known(self)

    def model(self, numbers: np.ndarray, positions: np.ndarray, charge: int, **cell: np.ndarray) -> Any:
        return _library("dftd4").DispersionModel(numbers, positions, charge=float(charge), **cell)

    def parameters(self) -> Any:
        return _library("dftd4").DampingParam(method=self.functional)


def _library(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"{name}.interface")
    except ImportError as error:
        raise MissingDependencyError(
            f"this dispersion correction is computed by {name}, which is not installed",
            "pip install 'adiabat[dispersion]'",
        ) from error


def _known(potential: AbstractDispersion) -> None:
    try:
        potential.parameters()
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{type(potential).__name__} has no parameters for the functional {potential.functional!r}",
            'functionals are written as in "pbe", "b3lyp", "r2scan"',
        ) from error


def _operands(system: System | Batch) -> tuple[Any, ...]:
    """Positions, cells, atomic numbers, charges and the structure of each atom, of one structure or many."""
    if isinstance(system, Batch):
        arrays = (system.positions, system.cell, system.numbers, system.charge, system.system_index)
        return tuple(map(jnp.asarray, arrays))
    cells, charges = jnp.asarray(system.cell)[None], np.array([system.charge])
    index = np.zeros(system.n_atoms, np.int32)
    return jnp.asarray(system.positions), cells, jnp.asarray(system.numbers), charges, index


def _energies(
    host: Callable, positions: Array, cells: Array, numbers: Array, charges: Array, index: Array
) -> Array:
    """The energies as a function that can be differentiated twice by positions and cells."""

    def call(positions, cells):
        sizes = (cells.shape[:1], positions.shape, cells.shape)
        shapes = tuple(jax.ShapeDtypeStruct(size, positions.dtype) for size in sizes)
        return jax.pure_callback(
            host, shapes, positions, cells, numbers, charges, index, vmap_method="sequential"
        )

    def times(cotangent, slopes):
        """Those of each structure times its number."""
        return cotangent[index][:, None] * slopes[0], cotangent[:, None, None] * slopes[1]

    @jax.custom_vjp
    def everything(positions, cells):
        return call(positions, cells)

    def everything_forward(*place):
        found = call(*place)
        return found, (place, found[1:])

    def everything_backward(known, cotangents):
        # The matrix of second derivatives is symmetric: its product is a difference along the cotangent.
        (place, slopes), (cotangent, *direction) = known, cotangents
        norm = jnp.sqrt(sum(jnp.sum(part**2) for part in direction))
        step = _STEP / jnp.where(norm > 0, norm, 1.0)
        ahead, behind = (
            call(*(x + sign * step * d for x, d in zip(place, direction, strict=True)))[1:]
            for sign in (1, -1)
        )
        curved = ((a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True))
        return tuple(s + c for s, c in zip(times(cotangent, slopes), curved, strict=True))

    @jax.custom_vjp
    def energies(positions, cells):
        return call(positions, cells)[0]

    def energies_forward(*place):
        found, *slopes = everything(*place)
        return found, slopes

    everything.defvjp(everything_forward, everything_backward)
    energies.defvjp(energies_forward, lambda slopes, cotangent: times(cotangent, slopes))
    return energies(positions, cells)
