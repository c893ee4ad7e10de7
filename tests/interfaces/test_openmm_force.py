"""Simulations in OpenMM with our forces, by a force of Python and through OpenMM-ML."""

import subprocess
import sys
import tomllib
from pathlib import Path

import ase.data
import numpy as np
import pytest
from tests.networks.test_kernel import make

from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.base.units import KJ_PER_MOL
from adiabat.dynamics import VelocityVerlet, evaluate, run_dynamics
from adiabat.interfaces import openmm_force, openmm_system
from adiabat.networks import save_model
from adiabat.potentials import Ewald, LennardJones, SumPotential
from adiabat.system import System, neighbor_list
from adiabat.testing import systems

openmm = pytest.importorskip("openmm", minversion="8.4")
pytestmark = pytest.mark.physics


def topology_of(system: System) -> "openmm.app.Topology":
    from openmm.app import Element, Topology

    topology = Topology()
    residue = topology.addResidue("all", topology.addChain())
    for number in np.asarray(system.numbers).tolist():
        topology.addAtom(ase.data.chemical_symbols[number], Element.getByAtomicNumber(number), residue)
    if system.is_periodic:
        topology.setPeriodicBoxVectors([openmm.Vec3(*row) for row in np.asarray(system.cell) / 10])
    return topology


def context_of(openmm_system, system, timestep=2.0):
    """A context at the positions of a system, and its energy [eV] and forces [eV/Å]."""
    integrator = openmm.VerletIntegrator(timestep * 1e-3)
    context = openmm.Context(openmm_system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(np.asarray(system.positions) / 10)
    state = context.getState(getEnergy=True, getForces=True)
    forces = state.getForces(asNumpy=True)._value * KJ_PER_MOL / 10
    return context, integrator, state.getPotentialEnergy()._value * KJ_PER_MOL, forces


@pytest.mark.parametrize("kind", ["argon", "cluster", "ethanol"])
def test_energy_and_forces(kind):
    if kind == "ethanol":
        system, potential = systems.ethanol(displacement=0.1), make()
    else:
        system = systems.argon(108, displacement=0.2) if kind == "argon" else systems.argon_cluster(13)
        potential = LennardJones()
    ours = evaluate(potential.for_inference(), system, neighbor_list(system, potential.cutoff))
    made = openmm_system(potential, topology_of(system))
    assert made.usesPeriodicBoundaryConditions() == system.is_periodic
    _, _, energy, forces = context_of(made, system)
    assert energy == pytest.approx(float(ours.energy), rel=1e-9)
    np.testing.assert_allclose(forces, ours.forces, atol=1e-6 * np.abs(ours.forces).max())


def test_dynamics_is_ours():
    """A picosecond of argon from rest, by OpenMM's leap-frog and by velocity Verlet: one trajectory."""
    system, potential = systems.argon(108, displacement=0.2), LennardJones()
    context, integrator, start, forces = context_of(openmm_system(potential, topology_of(system)), system)
    # A leap-frog starts half a step early.
    masses = np.array([atom.element.mass._value for atom in topology_of(system).atoms()])[:, None]
    femtosecond = ase.units.fs
    half = -0.5 * 2.0 * femtosecond * forces / masses * (1e3 * femtosecond / 10)  # nm/ps
    context.setVelocities(half)
    integrator.step(500)
    state = context.getState(getPositions=True, getEnergy=True)
    run = run_dynamics(system, potential, VelocityVerlet(timestep=2.0), steps=500, momenta=np.zeros((108, 3)))
    found = state.getPositions(asNumpy=True)._value * 10
    np.testing.assert_allclose(found, run.state.system.positions, atol=2e-5)
    total = (state.getPotentialEnergy() + state.getKineticEnergy())._value * KJ_PER_MOL
    assert total == pytest.approx(start, abs=2e-3)
    assert state.getKineticEnergy()._value * KJ_PER_MOL > 0.05


def test_part_of_a_system():
    """The other atoms feel nothing of it."""
    system = systems.argon_cluster(13)
    topology, chosen = topology_of(system), [2, 3, 5, 7]
    made = openmm.System()
    for atom in topology.atoms():
        made.addParticle(atom.element.mass)
    made.addForce(openmm_force(LennardJones(), topology, chosen))
    part = System.create(system.numbers[chosen], system.positions[chosen])
    ours = evaluate(LennardJones(), part, neighbor_list(part, 8.5))
    _, _, energy, forces = context_of(made, system)
    assert energy == pytest.approx(float(ours.energy), rel=1e-9)
    np.testing.assert_allclose(forces[chosen], ours.forces, atol=1e-9)
    assert not np.delete(forces, chosen, axis=0).any()


def test_through_openmm_ml(tmp_path):
    """A model file by the entry point's factory: the same system, and a simulation with it."""
    openmmml = pytest.importorskip("openmmml")
    from adiabat.interfaces.openmmml import AdiabatFactory

    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    points = declared["entry-points"]["openmmml.potentials"]
    assert points == {"adiabat": f"{AdiabatFactory.__module__}:{AdiabatFactory.__qualname__}"}
    openmmml.MLPotential.registerImplFactory("adiabat", AdiabatFactory())
    system, potential = systems.ethanol(), make(scale=1e-3)
    save_model(tmp_path / "model.safetensors", potential)
    named = openmmml.MLPotential("adiabat", model=tmp_path / "model.safetensors")
    assert not AdiabatFactory().createImpl("adiabat", potential).getMLLongRange()
    far = Ewald(charges={1: 0.1, 6: -0.2, 8: -0.2}, cell=np.eye(3) * 20)
    assert AdiabatFactory().createImpl("adiabat", SumPotential(terms=(potential, far))).getMLLongRange()
    made = named.createSystem(topology_of(system))
    context, integrator, energy, _ = context_of(made, system, timestep=0.1)
    ours = evaluate(potential.for_inference(), system, neighbor_list(system, potential.cutoff))
    assert energy == pytest.approx(float(ours.energy), rel=1e-9)
    context.setVelocitiesToTemperature(300, 1)
    integrator.step(200)
    state = context.getState(getEnergy=True, getForces=True, getPositions=True)
    there = system.moved(state.getPositions(asNumpy=True)._value * 10)
    assert np.abs(there.positions - np.asarray(system.positions)).max() > 0.02
    ours = evaluate(potential.for_inference(), there, neighbor_list(there, potential.cutoff))
    assert state.getPotentialEnergy()._value * KJ_PER_MOL == pytest.approx(float(ours.energy), rel=1e-9)
    forces = state.getForces(asNumpy=True)._value * KJ_PER_MOL / 10
    np.testing.assert_allclose(forces, ours.forces, atol=1e-6 * np.abs(ours.forces).max())


def test_a_potential_file_through_openmm_ml(tmp_path):
    """A bond of argon, whatever names it."""
    openmmml = pytest.importorskip("openmmml")
    from adiabat.interfaces.openmmml import AdiabatFactory

    openmmml.MLPotential.registerImplFactory("adiabat", AdiabatFactory())
    file, system = tmp_path / "argon.toml", systems.argon_cluster(2)
    file.write_text('[[terms]]\nkind = "lennard_jones"\n')
    for name in (file, str(file)):
        made = openmmml.MLPotential("adiabat", model=name).createSystem(topology_of(system))
        *_, energy, _ = context_of(made, system)
        ours = evaluate(LennardJones(), system, neighbor_list(system, 8.5))
        assert energy == pytest.approx(float(ours.energy), rel=1e-9)
        assert energy < -0.005
    assert not AdiabatFactory().createImpl("adiabat", file).getMLLongRange()
    file.write_text('[[terms]]\nkind = "lennard"\n')
    with pytest.raises(ConfigError, match="line 2"):
        openmmml.MLPotential("adiabat", model=file).createSystem(topology_of(system))


@pytest.mark.parametrize("first", ["openmmml", "adiabat.interfaces.openmmml"])
def test_openmm_ml_knows_the_name_whichever_is_imported_first(first):
    """OpenMM-ML looks for entry points while it is imported, which leads back here."""
    pytest.importorskip("openmmml")
    code = f"""
import importlib, importlib.metadata
group = "openmmml.potentials"
point = importlib.metadata.EntryPoint("adiabat", "adiabat.interfaces.openmmml:AdiabatFactory", group)
importlib.metadata.entry_points = lambda group: [point] if group == point.group else []
importlib.import_module({first!r})
import openmmml
from adiabat.interfaces.openmmml import AdiabatFactory
assert isinstance(openmmml.MLPotential._implFactories["adiabat"], AdiabatFactory)
assert openmmml.MLPotential("adiabat")._impl.model == "general"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_what_is_refused():
    topology = topology_of(systems.argon_cluster(3))
    with pytest.raises(UnsupportedError, match="Ar"):
        openmm_force(make(), topology)
    with pytest.raises(openmm.OpenMMException, match="could not be pickled"):
        openmm.XmlSerializer.serialize(openmm_force(LennardJones(), topology))
    topology.addAtom("M", None, next(topology.residues()))
    with pytest.raises(DataError, match="without an element"):
        openmm_force(LennardJones(), topology)
