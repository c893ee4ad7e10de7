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

ATOMS = """
HH31 ACE 1 H 2.000 1.000 0.000|CH3 ACE 1 C 2.000 2.090 0.000|HH32 ACE 1 H 1.486 2.454 0.890
HH33 ACE 1 H 1.486 2.454 -0.890|C ACE 1 C 3.427 2.641 0.000|O ACE 1 O 4.391 1.877 0.000
N ALA 2 N 3.555 3.970 0.000|H ALA 2 H 2.733 4.556 0.000|CA ALA 2 C 4.853 4.614 0.000
HA ALA 2 H 5.408 4.316 0.890|CB ALA 2 C 5.661 4.221 -1.232|HB1 ALA 2 H 5.123 4.521 -2.131
HB2 ALA 2 H 6.630 4.719 -1.206|HB3 ALA 2 H 5.809 3.141 -1.241|C ALA 2 C 4.713 6.129 0.000
O ALA 2 O 3.601 6.653 0.000|N NME 3 N 5.846 6.835 0.000|H NME 3 H 6.737 6.359 0.000
C NME 3 C 5.846 8.284 0.000|H1 NME 3 H 4.819 8.648 0.000|H2 NME 3 H 6.360 8.648 0.890
H3 NME 3 H 6.360 8.648 -0.890
"""


def pdb() -> str:
    """Alanine dipeptide."""
    words = [entry.split() for entry in ATOMS.replace("\n", "|").split("|") if entry]
    return "".join(
        f"ATOM  {k:5d} {name:<4s} {residue} A{number:>4s}    {float(x):8.3f}{float(y):8.3f}{float(z):8.3f}"
        f"  1.00  0.00          {element:>2s}\n"
        for k, (name, residue, number, element, x, y, z) in enumerate(words, start=1)
    )


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

    molecule = app.PDBFile(StringIO(pdb()))
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
