"""Integrators against what statistical mechanics says."""

import jax
import numpy as np
import pytest

from adiabat.base import ConfigError
from adiabat.base.units import BOLTZMANN, FEMTOSECOND
from adiabat.dynamics import (
    Langevin,
    NoseHoover,
    VelocityRescaling,
    VelocityVerlet,
    VerletList,
    constrain,
    integrators,
    run_dynamics,
)
from adiabat.dynamics.momenta import (
    kinetic_energy,
    maxwell_boltzmann,
    moving_rigidly,
    rigid_motions,
    without_rotation,
    without_translation,
)
from adiabat.potentials import LennardJones
from adiabat.system import System
from adiabat.testing import ideal_gas, systems
from adiabat.testing.springs import configurational_temperature, springs


@pytest.mark.device
@pytest.mark.parametrize("timestep", [pytest.param(20.0, marks=pytest.mark.physics), 80.0])
def test_baoab_is_exact_for_positions_of_springs(timestep):
    """<x^2> = kT/k at a tenth and at half of the longest stable timestep; momenta are not exact there."""
    assert configurational_temperature(timestep, 200.0) == pytest.approx(200, abs=4)


@pytest.mark.device
@pytest.mark.parametrize(
    "thermostat",
    [
        Langevin(timestep=5, temperature=300, friction=0.02),
        VelocityRescaling(timestep=5, temperature=300, relaxation_time=50),
    ],
    ids=lambda thermostat: type(thermostat).__name__,
)
def test_thermostats_of_springs(thermostat):
    """Mean and variance of the kinetic energy are those of the canonical ensemble."""
    system, potential = springs(100, stiffness=0.5)
    run = run_dynamics(system, potential, thermostat, steps=6000, record_every=10)
    temperature = run.trajectory.observables["temperature"][100:]
    freedom = run.degrees_of_freedom
    assert temperature.mean() == pytest.approx(300, rel=0.01)
    assert temperature.std() == pytest.approx(300 * np.sqrt(2 / freedom), rel=0.15)


@pytest.mark.device
def test_nose_hoover_of_a_liquid():
    """Argon at 150 K: the kinetic energy has the mean and the variance of the canonical ensemble."""
    system = systems.argon(32, displacement=0.1)
    thermostat = NoseHoover(timestep=4, temperature=150, relaxation_time=100)
    run = run_dynamics(system, LennardJones(cutoff=6.0), thermostat, steps=6000, record_every=10)
    temperature = run.trajectory.observables["temperature"][100:]
    assert temperature.mean() == pytest.approx(150, rel=0.02)
    assert temperature.std() == pytest.approx(150 * np.sqrt(2 / 93), rel=0.2)


@pytest.mark.parametrize("n_atoms", [1, 2])
def test_velocity_rescaling_of_few_atoms(n_atoms):
    """The kinetic energy of one, and of six degrees of freedom less three: a gamma distribution each."""
    system = System.create([18] * n_atoms, [[0.0, 0, 0], [5, 0, 0]][:n_atoms], 10 * np.eye(3), pbc=True)
    thermostat = VelocityRescaling(timestep=10, temperature=300, relaxation_time=20)
    gas = LennardJones(epsilon=0.0, cutoff=0.01, smooth=False)
    run = run_dynamics(system, gas, thermostat, steps=20_000, record_every=5, skin=4.0)
    freedom = 3
    assert run.degrees_of_freedom == freedom
    kinetic = run.trajectory.observables["kinetic_energy"][20:] / (BOLTZMANN * 300)
    assert kinetic.mean() == pytest.approx(freedom / 2, rel=0.06)
    assert kinetic.var() == pytest.approx(freedom / 2, rel=0.15)


def test_heat_balances_the_energy():
    """What the thermostat gave is what the system has more; started cold, it is a lot."""
    system, potential = springs(100, stiffness=0.5)
    integrator = Langevin(timestep=5, temperature=300, friction=0.01)
    run = run_dynamics(system, potential, integrator, steps=1000, momenta=np.zeros((100, 3)), record_every=10)
    observed = run.trajectory.observables
    assert observed["kinetic_energy"][0] == 0
    gained = observed["kinetic_energy"] + observed["potential_energy"]
    assert gained[-1] > 4
    assert np.ptp(observed["conserved"]) < 0.02


def test_spring_period_of_velocity_verlet():
    """cos(w' t) with the frequency of the discrete map, sin(w' dt / 2) = w dt / 2."""
    system, potential = springs(1, stiffness=0.5)
    moved = System.create([18], [[0.3, 0, 0]])
    dt = 10.0
    run = run_dynamics(
        moved, potential, VelocityVerlet(timestep=dt), steps=500, record_every=1, momenta=np.zeros((1, 3))
    )
    omega = np.sqrt(0.5 / float(system.masses[0])) * FEMTOSECOND
    discrete = 2 / dt * np.arcsin(omega * dt / 2)
    np.testing.assert_allclose(
        run.trajectory.positions[:, 0, 0], 0.3 * np.cos(discrete * run.trajectory.times), atol=1e-6
    )


def test_verlet_conserves_its_shadow_energy():
    """The discrete map keeps p^2/2m + k x^2 / 2 (1 - (w dt)^2 / 4); H' is that to fourth order.

    So the total energy of a spring swings by (w dt)^2 / 4 of itself, and the conserved one, from the first
    frame on, by a part of that which falls to a quarter when the timestep is halved.
    """
    system, potential = springs(1, stiffness=0.5)
    moved = System.create([18], [[0.3, 0, 0]])
    omega = np.sqrt(0.5 / float(system.masses[0])) * FEMTOSECOND
    swings = []
    for dt in (0.2 / omega, 0.1 / omega):
        run = run_dynamics(
            moved, potential, VelocityVerlet(timestep=dt), steps=300, record_every=1, momenta=np.zeros((1, 3))
        )
        observed = run.trajectory.observables
        total = observed["potential_energy"] + observed["kinetic_energy"]
        assert np.ptp(total) / total.max() == pytest.approx((omega * dt) ** 2 / 4, rel=0.02)
        swings.append(np.ptp(observed["conserved"]) / np.ptp(total))
    assert swings[0] < 0.05
    assert swings[0] / swings[1] == pytest.approx(4, rel=0.05)


@pytest.mark.device
def test_argon_keeps_energy_and_momentum():
    """Liquid argon, 5 ps at 4 fs: drift below 1e-4 eV/atom/ns, total momentum zero to rounding."""
    system = systems.argon(108, displacement=0.1)
    run = run_dynamics(system, LennardJones(), VelocityVerlet(timestep=4, temperature=150), steps=1250)
    conserved = run.trajectory.observables["conserved"]
    drift = np.polyfit(run.trajectory.times * 1e-6, conserved, 1)[0] / 108
    assert abs(drift) < 1e-4
    assert np.abs(np.asarray(run.state.momenta).sum(axis=0)).max() < 1e-10
    assert run.neighbor_lists > 5
    assert run.degrees_of_freedom == 3 * 108 - 3


def test_cluster_keeps_angular_momentum():
    """Zero from the start, for a molecule."""
    system = systems.argon_cluster(7)
    run = run_dynamics(system, LennardJones(), VelocityVerlet(timestep=4, temperature=10), steps=500)
    masses, r = np.asarray(system.masses), np.asarray(run.state.positions)
    center = masses @ r / masses.sum()
    angular = np.cross(r - center, np.asarray(run.state.momenta)).sum(axis=0)
    assert np.abs(angular).max() < 1e-9
    assert run.degrees_of_freedom == 3 * 7 - 6


def test_maxwell_boltzmann():
    """Variance m kT for each mass, and the exact temperature on average after rigid motions are taken out."""
    system = System.create(np.tile([1, 8, 1, 18], 2000), np.random.default_rng(0).normal(size=(8000, 3)) * 30)
    momenta = np.asarray(maxwell_boltzmann(system, 300.0, jax.random.key(0)))
    for number, mass in ((1, 1.008), (8, 15.999), (18, 39.95)):
        variance = momenta[np.asarray(system.numbers) == number].var()
        assert variance == pytest.approx(mass * BOLTZMANN * 300, rel=0.05)
    molecule = systems.ethanol()
    kinetic = []
    for seed in range(400):
        drawn = maxwell_boltzmann(molecule, 300.0, jax.random.key(seed))
        drawn = without_rotation(
            without_translation(drawn, molecule.masses), molecule.positions, molecule.masses
        )
        kinetic.append(float(kinetic_energy(drawn, molecule)))
    expected = 0.5 * (27 - 6) * BOLTZMANN * 300
    assert np.mean(kinetic) == pytest.approx(expected, abs=4 * expected * np.sqrt(2 / 21 / 400))


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (System.create([18], [[0, 0, 0]]), 0),
        (System.create([6, 8], [[0, 0, 0], [0, 0, 1.1]]), 5),
        (System.create([8, 6, 8], [[0, 0, -1.2], [0, 0, 0], [0, 0, 1.2]]), 5),
        (systems.water(1), 6),
        (systems.argon(4), 3),
        (
            System.create(
                [6, 8, 8], np.random.default_rng(0).normal(size=(3, 3)), np.eye(3) * 9, (True, False, False)
            ),
            4,
        ),
        (System.create([6, 6], [[0, 0, 0], [1, 0, 0]], np.eye(3) * 9, (True, False, False)), 3),
    ],
)
def test_rigid_motions(system, expected):
    assert rigid_motions(system) == expected


def test_a_wire_does_not_turn_about_its_direction():
    """Along which it is periodic, here askew: of the angular momentum only that about it is conserved, and
    momenta drawn without it and the total momentum have 3 N - 4 degrees of freedom."""
    along = np.array([3.0, 4.0, 12.0])
    turns = np.linalg.qr(np.column_stack([along, np.eye(3)[:, :2]]))[0]
    ring = np.arange(8) * 2 * np.pi / 8
    places = 5.0 * (np.cos(ring)[:, None] * turns[:, 1] + np.sin(ring)[:, None] * turns[:, 2])
    wire = System.create(
        [18] * 8, places + np.outer(np.arange(8) / 8, along), [along, [30, 0, 0], [0, 30, 0]],
        (True, False, False),
    )  # fmt: skip
    potential, direction, kinetic = LennardJones(cutoff=6.0), along / 13, []
    integrator = VelocityVerlet(timestep=2.0, temperature=100.0)
    for seed in range(200):
        state = integrator.init(wire, potential, VerletList(6.0).build(wire), key=jax.random.key(seed))
        assert state.degrees_of_freedom == 3 * 8 - 4
        kinetic.append(float(kinetic_energy(state.momenta, wire)))
    expected = 0.5 * 20 * BOLTZMANN * 100
    assert np.mean(kinetic) == pytest.approx(expected, abs=4 * expected * np.sqrt(2 / 20 / 200))
    run = run_dynamics(wire, potential, integrator, steps=500)
    r, momenta = np.asarray(run.state.positions), np.asarray(run.state.momenta)
    angular = np.cross(r - r.mean(axis=0), momenta).sum(axis=0)
    assert np.abs(angular @ direction) < 1e-9
    assert np.abs(np.cross(angular, direction)).max() > 1e-3
    momenta = momenta + np.asarray(wire.masses)[:, None] * np.cross(direction, r - r.mean(axis=0))
    assert moving_rigidly(wire, momenta) == 1


def test_velocities_that_were_given_count_with_all_their_motions():
    """Those of a Langevin run, as spectra start from, at 300 K: the molecule flies and turns with its share
    of the energy. Without these six of nine degrees of freedom it would be three times as warm."""
    water, kelvin = systems.water(1), []
    potential = LennardJones(epsilon=0.0, cutoff=3.0)
    for seed in range(200):
        momenta = np.asarray(maxwell_boltzmann(water, 300.0, jax.random.key(seed)))
        state = VelocityVerlet(timestep=0.5).init(
            water, potential, VerletList(3.0).build(water), key=jax.random.key(0), momenta=momenta
        )
        assert state.degrees_of_freedom == 9
        kelvin.append(2 * float(kinetic_energy(momenta, water)) / (9 * BOLTZMANN))
    assert np.mean(kelvin) == pytest.approx(300, abs=4 * 300 * np.sqrt(2 / 9 / 200))
    still = without_translation(momenta, water.masses)
    assert moving_rigidly(water, still) == 3  # it turns
    assert moving_rigidly(water, without_rotation(still, water.positions, water.masses)) == 0
    rigid = constrain(water, "water")
    assert VelocityVerlet().degrees_of_freedom(water, rigid, 6) == 6
    argon = systems.argon(4)
    drawn = np.asarray(maxwell_boltzmann(argon, 300.0, jax.random.key(1)))
    assert moving_rigidly(argon, drawn) == 3
    stored = np.asarray(without_translation(drawn, argon.masses)).astype(np.float32)
    assert moving_rigidly(argon, stored.astype(np.float64)) == 0


@pytest.mark.device
def test_pressure_of_an_ideal_gas():
    """p V = N k T."""
    assert ideal_gas.error_of_the_pressure() < 1e-6


@pytest.mark.parametrize(
    "bad", [{"timestep": 0}, {"timestep": -1}, {"temperature": -5}, {"timestep": float("nan")}]
)
@pytest.mark.parametrize("name", integrators.names())
def test_settings_are_checked(name, bad):
    with pytest.raises(ConfigError):
        integrators.get(name)(**bad)
