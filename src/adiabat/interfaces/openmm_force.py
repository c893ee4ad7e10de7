"""Any potential as a force in OpenMM (doi 10.1021/acs.jpcb.3c06662), with or without OpenMM-ML."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import jax
import numpy as np

from adiabat.base import DataError, MissingDependencyError, UnsupportedError
from adiabat.base.units import KJ_PER_MOL
from adiabat.dynamics import VerletList, evaluate
from adiabat.potentials import AbstractPotential
from adiabat.system import System

if TYPE_CHECKING:
    import openmm  # pyright: ignore[reportMissingImports]
    import openmm.app  # pyright: ignore[reportMissingImports]

_NANOMETER = 10.0  # Å


def openmm_system(potential: AbstractPotential, topology: "openmm.app.Topology") -> "openmm.System":  # pyright: ignore[reportAttributeAccessIssue]
    """An `openmm.System` of a topology's atoms, whose only force is the potential.

    Args:
        potential: what to evaluate.
        topology: its elements, and its box if it is periodic.

    Raises:
        As `openmm_force`.

    Example:
        >>> system = openmm_system(adiabat.load("run"), pdb.topology)
        >>> simulation = openmm.app.Simulation(pdb.topology, system, integrator)
    """
    force = openmm_force(potential, topology)
    import openmm  # pyright: ignore[reportMissingImports]

    system = openmm.System()  # pyright: ignore[reportAttributeAccessIssue]
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    box = topology.getPeriodicBoxVectors()
    if box is not None:
        system.setDefaultPeriodicBoxVectors(*box)
    system.addForce(force)
    return system


def openmm_force(
    potential: AbstractPotential,
    topology: "openmm.app.Topology",
    atoms: Sequence[int] | None = None,
    charge: int = 0,
) -> "openmm.PythonForce":  # pyright: ignore[reportAttributeAccessIssue]
    """An `openmm.PythonForce` that evaluates the potential, on the device that JAX has.

    Energies and forces are those of `adiabat md`. The force cannot be written as XML, for which OpenMM would
    pickle the potential; checkpoints of a context are not concerned.

    Args:
        potential: what to evaluate.
        topology: its elements, and whether it is periodic.
        atoms: which of its atoms the force is of; all by default.
        charge: total charge of those [e].

    Raises:
        MissingDependencyError: OpenMM is not installed, or is older than 8.4.
        DataError: an atom without an element, such as a virtual site.
        UnsupportedError: an element that the potential does not know.

    Example:
        >>> system.addForce(openmm_force(adiabat.load("run"), pdb.topology))
    """
    try:
        from openmm import PythonForce  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
    except ImportError as error:
        raise MissingDependencyError(
            "potentials become forces of OpenMM 8.4 or later, which is not installed",
            "pip install -U 'adiabat[openmm]'",
        ) from error
    everyone = list(topology.atoms())
    chosen = everyone if atoms is None else [everyone[number] for number in atoms]
    if any(atom.element is None for atom in chosen):
        raise DataError(
            "the topology has particles without an element", "choose a topology without virtual sites"
        )
    periodic = topology.getPeriodicBoxVectors() is not None
    force = PythonForce(
        _Evaluation(potential, [atom.element.atomic_number for atom in chosen], periodic, charge)
    )
    force.setUsesPeriodicBoundaryConditions(periodic)
    if atoms is not None:
        force.setParticles([int(number) for number in atoms])
    return force


class _Evaluation:
    """What OpenMM calls with a state that has the positions of the force's particles."""

    def __init__(self, potential: AbstractPotential, numbers: Sequence[int], periodic: bool, charge: int):
        self._numbers, self._periodic, self._charge = np.array(numbers), periodic, charge
        apart = 100.0 * np.outer(np.arange(len(numbers)), np.ones(3))
        potential.check(System.create(self._numbers, apart, cell=1e6 * np.eye(3), pbc=periodic))
        self._potential = potential.for_inference()
        self._verlet_list = VerletList(potential.cutoff)

    def __call__(self, state: Any) -> tuple[float, np.ndarray]:
        positions = state.getPositions(asNumpy=True)._value * _NANOMETER
        cell = state.getPeriodicBoxVectors(asNumpy=True)._value * _NANOMETER if self._periodic else None
        system = System.create(self._numbers, positions, cell=cell, pbc=self._periodic, charge=self._charge)
        with jax.enable_x64(True):
            self._potential = self._potential.for_systems([system])
            found = evaluate(self._potential, system, self._verlet_list.update(system))
            forces = np.asarray(found.forces, np.float64)
        return float(found.energy) / KJ_PER_MOL, forces * (_NANOMETER / KJ_PER_MOL)

    def __reduce__(self) -> NoReturn:
        raise UnsupportedError(
            "a potential is not pickled, so its force is not written as XML",
            "store the model file, and make the force of it again",
        )
