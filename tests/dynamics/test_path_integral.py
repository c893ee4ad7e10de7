"""Quantum nuclei against what quantum statistical mechanics says."""

import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.base import ConfigError, SimulationError, UnsupportedError
from adiabat.base.runs import RunFolder
from adiabat.base.units import BOLTZMANN, FEMTOSECOND, HBAR
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    PathIntegral,
    run_dynamics,
    run_path_integral,
    run_replicas,
)
from adiabat.dynamics.path_integral import normal_modes
from adiabat.io.trajectory import read_trajectory
from adiabat.potentials import LennardJones
from adiabat.system import System
from adiabat.tasks.md import md
from adiabat.tasks.simulate import simulate
from adiabat.testing import EinsteinCrystal, systems

WAVENUMBER = 2 * np.pi * 2.99792458e-5 / FEMTOSECOND  # of 1/cm, an angular frequency in internal units
PROTON = 1.008
POTENTIAL = LennardJones(cutoff=6.0)
LIQUID, CLUSTER = systems.argon(4, density=1.65, displacement=0.05), systems.argon_cluster(7)


def springs(n_atoms, frequency):
    """Hydrogen atoms on springs of a frequency [1/cm], too far apart to be neighbors."""
    sites = 10.0 * np.arange(n_atoms)[:, None] * np.array([1.0, 0, 0])
    stiffness = PROTON * (frequency * WAVENUMBER) ** 2
    return System.create(np.full(n_atoms, 1), sites), EinsteinCrystal(
        sites=jnp.asarray(sites), stiffness=stiffness
    )


def energies(run, start):
    """Means of potential energy and the two estimators of the kinetic energy, from a frame on [eV]."""
    names = ("potential_energy", "quantum_kinetic_energy", "primitive_kinetic_energy")
    return np.array([run.trajectory.observables[name][start:].mean() for name in names])


@pytest.mark.parametrize("beads", [1, 2, 5, 8])
def test_normal_modes(beads):
    """Orthogonal; the springs of a ring have the squared frequencies 4 sin^2(k pi / P) along them."""
    modes = normal_modes(beads)
    np.testing.assert_allclose(modes.T @ modes, np.eye(beads), atol=1e-14)
    springs = 2 * np.eye(beads) - np.roll(np.eye(beads), 1, axis=0) - np.roll(np.eye(beads), -1, axis=0)
    expected = 4 * np.sin(np.pi * np.arange(beads) / beads) ** 2
    np.testing.assert_allclose(modes.T @ springs @ modes, np.diag(expected), atol=1e-14)


@pytest.mark.parametrize("timestep", [0.5, 3.0])
def test_spring_of_eight_beads(timestep):
    """<V> = k_B T / 2 sum_k w^2 / (w^2 + w_k^2) for each coordinate, of which half is kinetic: the exact
    answer for 8 beads, at a tenth and at half of the longest stable timestep.

    At 3 fs an exact free motion of the ring, in place of Cayley's, would be off by a third.
    """
    kelvin, beads, frequency = 300.0, 8, 2000.0
    system, potential = springs(60, frequency)
    integrator = PathIntegral(timestep=timestep, temperature=kelvin, beads=beads, friction=0.5 / timestep)
    run = run_path_integral(system, potential, integrator, steps=2500, record_every=5, skin=4.0)
    rings = 2 * beads * BOLTZMANN * kelvin / HBAR * np.sin(np.pi * np.arange(beads) / beads)
    omega = frequency * WAVENUMBER
    expected = 3 * 60 * BOLTZMANN * kelvin / 2 * np.sum(omega**2 / (omega**2 + rings**2))
    assert expected > 3 * 3 * 60 * BOLTZMANN * kelvin / 2  # more than three times the classical energy
    np.testing.assert_allclose(energies(run, 50), expected, rtol=0.015)


def test_one_bead_is_langevin():
    """The same trajectory, to rounding, from the same seed."""
    options = {"timestep": 4, "temperature": 30, "friction": 0.01}
    common = {"steps": 100, "seed": 3}
    one = run_path_integral(CLUSTER, POTENTIAL, PathIntegral(**options, beads=1), **common)
    other = run_dynamics(CLUSTER, POTENTIAL, Langevin(**options), **common)
    np.testing.assert_allclose(one.state.positions, other.state.positions, atol=1e-9)
    np.testing.assert_allclose(one.state.momenta, other.state.momenta, atol=1e-9)
    for name in ("potential_energy", "kinetic_energy", "conserved", "temperature"):
        first, second = (run.trajectory.observables[name] for run in (one, other))
        np.testing.assert_allclose(first, second, atol=1e-8)
    assert one.degrees_of_freedom == other.degrees_of_freedom == 3 * 7


def test_free_particles():
    """The radius of gyration of a ring, hbar^2 / (4 m k_B T) (1 - 1/P^2), and 3/2 k_B T of kinetic energy."""
    kelvin, beads = 200.0, 8
    system, potential = springs(60, 0.0)
    system = System.create(system.numbers, system.positions, cell=np.diag([600.0, 40, 40]), pbc=True)
    integrator = PathIntegral(timestep=2.0, temperature=kelvin, beads=beads, friction=0.1)
    run = run_path_integral(system, potential, integrator, steps=1500, record_every=5, skin=8.0)
    positions = np.stack([bead.positions[40:].astype(np.float64) for bead in run.beads])
    gyration = np.mean(np.sum((positions - positions.mean(axis=0)) ** 2, axis=-1))
    expected = HBAR**2 / (4 * PROTON * BOLTZMANN * kelvin) * (1 - 1 / beads**2)
    assert gyration == pytest.approx(expected, rel=0.03)
    np.testing.assert_allclose(positions.mean(axis=0), run.trajectory.positions[40:], atol=1e-4)
    classical = 1.5 * 60 * BOLTZMANN * kelvin
    np.testing.assert_allclose(energies(run, 40)[1], classical, rtol=1e-12)
    assert energies(run, 40)[2] == pytest.approx(classical, rel=0.1)


def test_interrupted_and_resumed(tmp_path):
    """Bit-identical to a run that was never interrupted, the beads included."""
    integrator = PathIntegral(timestep=4, temperature=90, beads=4)

    def run(folder, steps):
        options = {"record_every": 7, "seed": 3, "folder": tmp_path / folder, "resume": True}
        return run_path_integral(LIQUID, POTENTIAL, integrator, steps=steps, **options)

    whole = run("whole", 150)
    parts = [run("parts", steps) for steps in (30, 81, 150)][-1]
    assert np.array_equal(whole.state.positions, parts.state.positions)
    assert np.array_equal(whole.state.momenta, parts.state.momenta)
    for file in ("trajectory.h5", "bead-000/trajectory.h5", "bead-003/trajectory.h5"):
        one, other = (read_trajectory(tmp_path / name / file) for name in ("whole", "parts"))
        assert np.array_equal(one.steps, other.steps)
        assert np.array_equal(one.positions, other.positions)
        for name, values in one.observables.items():
            assert np.array_equal(values, other.observables[name]), name
    assert whole.neighbor_lists > 4
    with pytest.raises(ConfigError, match="integrator is"):
        run_path_integral(
            LIQUID, POTENTIAL, PathIntegral(beads=4), steps=9, record_every=7, folder=tmp_path / "parts",
            resume=True, seed=3,
        )  # fmt: skip


def test_md_writes_centroid_and_beads(tmp_path):
    out = tmp_path / "run"
    options = {"temperature": 60.0, "timestep": 2.0, "steps": 20, "record_every": 5}
    run = md(POTENTIAL, LIQUID, ensemble="pimd", beads=4, out=out, **options)
    assert RunFolder.open(out).config["integrator"]["beads"] == 4
    assert len(run.beads) == 4
    assert len(run.trajectory) == len(run.beads[3]) == 5
    middle = np.mean([bead.positions[-1] for bead in run.beads], axis=0)
    np.testing.assert_allclose(middle, run.trajectory.positions[-1], atol=1e-5)
    potential = np.mean([bead.observables["potential_energy"][-1] for bead in run.beads])
    assert potential == pytest.approx(run.trajectory.observables["potential_energy"][-1])
    assert run.summary["quantum_kinetic_energy_ev"] > 0
    np.testing.assert_allclose(run.system.positions, run.trajectory.positions[-1], atol=1e-5)
    in_memory = simulate(LIQUID, POTENTIAL, PathIntegral(beads=4, temperature=60, timestep=2), steps=10)
    assert len(in_memory.beads) == 4


def test_what_does_not_go_together_is_refused():
    ring = PathIntegral(beads=4)
    with pytest.raises(UnsupportedError, match="run_path_integral"):
        run_dynamics(LIQUID, POTENTIAL, ring, steps=1)
    with pytest.raises(UnsupportedError, match="path integrals"):
        run_replicas([LIQUID] * 2, POTENTIAL, [ring] * 2, steps=1, seeds=[0, 1])
    with pytest.raises(ConfigError, match="constant pressure"):
        ConstantPressure(thermostat=ring, barostat=CellRescaling())
    for bad in ({"beads": 0}, {"friction": -1.0}, {"friction": float("nan")}):
        with pytest.raises(ConfigError):
            PathIntegral(**bad)
    for options in ({"ensemble": "nvt", "beads": 4}, {"ensemble": "pimd", "pressure": 1.0}):
        with pytest.raises(ConfigError, match="choose"):
            md(POTENTIAL, LIQUID, out="unused", steps=1, **options)


def test_the_bead_that_fails_is_named(tmp_path):
    """And its frames are kept."""
    hot = PathIntegral(timestep=200, temperature=900, beads=2)
    with pytest.raises(SimulationError, match=r"bead [01] failed"):
        run_path_integral(LIQUID, POTENTIAL, hot, steps=100, folder=tmp_path)
    assert list(tmp_path.glob("bead-00*/last_good.xyz"))
