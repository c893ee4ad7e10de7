"""Force fields of OpenMM: alanine dipeptide with amber14 against OpenMM itself."""

import sys
from io import StringIO

import numpy as np
import pytest

from adiabat.base import MissingDependencyError, UnsupportedError
from adiabat.base.units import KJ_PER_MOL
from adiabat.dynamics import evaluate
from adiabat.interfaces import potential_from_openmm
from adiabat.system import System, neighbor_list
from adiabat.testing import systems


def test_without_openmm_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openmm", None)
    with pytest.raises(MissingDependencyError, match="adiabat\\[openmm\\]"):
        potential_from_openmm(None)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def openmm():
    return pytest.importorskip("openmm")


@pytest.fixture(scope="module")
def dipeptide(openmm):
    """Its structure, displaced, and a function that makes its OpenMM system."""
    import openmm.app as app

    molecule = app.PDBFile(StringIO(systems.alanine_dipeptide_pdb()))
    positions = np.array(molecule.positions.value_in_unit(openmm.unit.angstrom))
    positions += np.random.default_rng(0).normal(scale=0.05, size=positions.shape)
    numbers = [atom.element.atomic_number for atom in molecule.topology.atoms()]

    def make(**options):
        return app.ForceField("amber14-all.xml").createSystem(molecule.topology, **options)

    return System.create(numbers, positions), make


@pytest.mark.physics
def test_energy_and_forces_are_those_of_openmm(openmm, dipeptide):
    structure, make = dipeptide
    system = make()
    potential = potential_from_openmm(system)
    potential.check(structure)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(np.asarray(structure.positions) / 10)
    state = context.getState(getEnergy=True, getForces=True)
    energy, forces = state.getPotentialEnergy()._value, np.array(state.getForces()._value)
    found = evaluate(potential, structure, neighbor_list(structure, potential.cutoff))
    expected = energy * KJ_PER_MOL, forces * KJ_PER_MOL / 10
    error = np.abs(np.asarray(found.forces) - expected[1]).max()
    print(f"energy {float(found.energy) - expected[0]:.1e} eV, forces {error:.1e} eV/Å off")
    assert float(found.energy) == pytest.approx(expected[0], abs=1e-6)
    assert error < 1e-6


@pytest.mark.physics
def test_what_has_no_potential_is_refused(openmm, dipeptide):
    _, make = dipeptide
    with pytest.raises(UnsupportedError, match="constraints"):
        potential_from_openmm(make(constraints=openmm.app.HBonds))
    with pytest.raises(UnsupportedError, match="cuts its pairs off"):
        potential_from_openmm(make(nonbondedMethod=openmm.app.CutoffNonPeriodic))
    system = make()
    system.addForce(openmm.CustomBondForce("r"))
    with pytest.raises(UnsupportedError, match="CustomBondForce"):
        potential_from_openmm(system)
