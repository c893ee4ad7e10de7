"""What every potential is: atom energies of a structure, from which forces and stress follow."""

import abc
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adiabat.system import Batch, Neighbors, System, dipole_moment


class Prediction(eqx.Module):
    """What a potential says of a structure (or of each structure of a batch); absent is None.

    Attributes:
        energy: [eV], shape () or (n_systems,).
        forces: [eV/Å], shape (n_atoms, 3).
        stress: (1/V) dE/dstrain [eV/Å^3], tension positive as in ASE, shape (3, 3) or (n_systems, 3, 3);
            None unless the system is periodic along all three directions.
        atom_energies: [eV], shape (n_atoms,).
        charges: of the atoms [e], shape (n_atoms,); they add up to the total charge. None where the potential
            knows of none.
        dipole: theirs about the center of mass [e Å], shape (3,) or (n_systems, 3); None for a structure that
            is periodic along any direction.
    """

    energy: Float[Array, "*n_systems"]
    forces: Float[Array, "n_atoms 3"] | None = None
    stress: Float[Array, "*n_systems 3 3"] | None = None
    atom_energies: Float[Array, " n_atoms"] | None = None
    charges: Float[Array, " n_atoms"] | None = None
    dipole: Float[Array, "*n_systems 3"] | None = None


class AbstractPotential(eqx.Module):
    """Turns a structure into a `Prediction`. A subclass says what the atoms' energies are; the rest
    follows."""

    cutoff: eqx.AbstractVar[float]
    """How far an atom sees [Å]: the neighbor list must reach this far."""

    @property
    def layers(self) -> int | None:
        """How many cut-offs away an atom may be and still matter for the energy of another: the rounds of
        messages of a network, 1 for what looks at neighbors only. None if there is no such limit."""
        return 1

    @property
    def uses_neighbors(self) -> bool:
        """Whether an atom without neighbors feels nothing. False where the terms name their atoms, or find
        them otherwise, so that the cut-off says nothing of who feels whom."""
        return True

    @abc.abstractmethod
    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        """The energy of each atom [eV]; what it says of padding does not matter, as long as it is finite."""

    def scaled_energies(
        self, system: System | Batch, neighbors: Neighbors, scales: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        """The energy of each atom [eV] where interactions are as strong as the scales s of their atoms say; 1
        leaves them what they are.

        Here it is s_i E_i. Pairs are multiplied by sqrt(s_i s_j), dihedral angles by that of their ends, and
        bonds and angles by nothing, where there are such terms, as in REST2 (Wang, Friesner and Berne 2011,
        doi 10.1021/jp204407d).
        """
        return scales * self.atom_energies(system, neighbors)

    def atom_charges(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"] | None:
        """The charge of each atom [e], which add up to that of its system; None if the potential has none."""

    def atom_energies_and_charges(
        self, system: System | Batch, neighbors: Neighbors
    ) -> tuple[Float[Array, " n_atoms"], Float[Array, " n_atoms"] | None]:
        """Both, for a potential that needs one for the other."""
        return self.atom_energies(system, neighbors), self.atom_charges(system, neighbors)

    def check(self, system: System) -> None:
        """Raises UnsupportedError when the potential does not cover a system; a formula takes every
        element."""

    def for_systems(self, systems: Iterable[System]) -> "AbstractPotential":
        """The same potential, ready for structures that are known on the host, for their cells and somewhat
        larger ones; itself if there is nothing to do. Whoever knows what will come asks before the first
        call."""
        return self

    def for_inference(self) -> "AbstractPotential":
        """The same potential, prepared for many calls: faster, if there is a way, and equal to rounding.

        What it gives need have no derivatives but the forces and the stress; it cannot be trained or stored.
        """
        return self

    def for_training(self) -> "AbstractPotential":
        """The same potential for use within a compiled function of its parameters, with derivatives by
        them."""
        return self

    def calculator(self) -> Any:
        """An ASE calculator, `adiabat.interfaces.AdiabatCalculator`."""
        # A convenience that looks upward on purpose: by name, when asked, and nothing here depends on it.
        return import_module("adiabat.interfaces").AdiabatCalculator(self)

    def energy(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, "*n_systems"]:
        """The energy of each system [eV], summed in the precision of the positions."""
        return system.sum_atoms(self.atom_energies(system, neighbors).astype(system.positions.dtype))

    def __call__(
        self, system: System | Batch, neighbors: Neighbors, stress: bool | None = None
    ) -> Prediction:
        """Energy, forces, stress and atom energies; charges and dipole, where the potential has them.

        Args:
            system: one structure or a batch.
            neighbors: its list, complete to at least `cutoff`.
            stress: whether to compute the stress; by default when all three directions are periodic. For a
                batch it must be said, and has no meaning for the structures that are not periodic; the
                dipoles have none for those that are.
        """
        wanted = isinstance(system, System) and system.is_periodic if stress is None else stress

        def total(positions, strain):
            moved = eqx.tree_at(lambda s: s.positions, system, positions)
            moved = moved.strained(strain) if wanted else moved
            energies, charges = self.atom_energies_and_charges(moved, neighbors)
            energies = energies.astype(positions.dtype)
            energy = moved.sum_atoms(energies)
            return jnp.sum(energy), (energy, energies, charges)

        positions = jnp.asarray(system.positions)
        cell = jnp.asarray(system.cell)
        strain = jnp.zeros_like(cell)
        by = (0, 1) if wanted else (0,)
        found, (energy, energies, charges) = jax.grad(total, argnums=by, has_aux=True)(positions, strain)
        gradient = found[0]
        periodic = isinstance(system, System) and any(system.pbc)
        dipole = None if charges is None or periodic else dipole_moment(system, charges)
        more = {"charges": charges, "dipole": dipole}
        if not wanted:
            return Prediction(energy=energy, forces=-gradient, atom_energies=energies, **more)
        virial = found[1]
        volume = jnp.abs(jnp.linalg.det(cell))[..., None, None]
        symmetric = 0.5 * (virial + jnp.swapaxes(virial, -1, -2))
        tension = jnp.where(volume > 0, symmetric / jnp.where(volume > 0, volume, 1.0), 0.0)
        return Prediction(energy=energy, forces=-gradient, stress=tension, atom_energies=energies, **more)

    def __add__(self, other: "AbstractPotential") -> "SumPotential":
        return SumPotential(terms=(self, other))


class SumPotential(AbstractPotential):
    """The sum of several potentials; its cut-off is the longest of theirs. Charges are those of the first one
    that has any."""

    terms: tuple[AbstractPotential, ...]
    cutoff: float = eqx.field(static=True)

    def __init__(self, *, terms: tuple[AbstractPotential, ...]):
        self.terms = tuple(terms)
        self.cutoff = max(term.cutoff for term in terms)

    @property
    def layers(self) -> int | None:
        layers = [term.layers for term in self.terms]
        return None if None in layers else max(n for n in layers if n is not None)

    @property
    def uses_neighbors(self) -> bool:
        return any(term.uses_neighbors for term in self.terms)

    def check(self, system: System) -> None:
        """Raise UnsupportedError when one of the terms does not cover the system."""
        for term in self.terms:
            term.check(system)

    def for_systems(self, systems: Iterable[System]) -> "SumPotential":
        found = list(systems)
        terms = tuple(term.for_systems(found) for term in self.terms)
        same = all(new is old for new, old in zip(terms, self.terms, strict=True))
        return self if same else SumPotential(terms=terms)

    def for_inference(self) -> AbstractPotential:
        return SumPotential(terms=tuple(term.for_inference() for term in self.terms))

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        return self.atom_energies_and_charges(system, neighbors)[0]

    def scaled_energies(
        self, system: System | Batch, neighbors: Neighbors, scales: Float[Array, " n_atoms"]
    ) -> Float[Array, " n_atoms"]:
        return self._sum(system, (term.scaled_energies(system, neighbors, scales) for term in self.terms))

    def atom_charges(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"] | None:
        found = (term.atom_charges(system, neighbors) for term in self.terms)
        return next((charges for charges in found if charges is not None), None)

    def atom_energies_and_charges(
        self, system: System | Batch, neighbors: Neighbors
    ) -> tuple[Float[Array, " n_atoms"], Float[Array, " n_atoms"] | None]:
        said = [term.atom_energies_and_charges(system, neighbors) for term in self.terms]
        charges = next((found for _, found in said if found is not None), None)
        return self._sum(system, (energies for energies, _ in said)), charges

    def _sum(
        self, system: System | Batch, of_terms: Iterable[Float[Array, " n_atoms"]]
    ) -> Float[Array, " n_atoms"]:
        return sum(of_terms, start=jnp.zeros(system.n_atoms, system.positions.dtype))
