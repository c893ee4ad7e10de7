"""Several time steps against one."""

import functools
import pathlib

import numpy as np
import pytest

from adiabat.base import ConfigError
from adiabat.base.units import BOLTZMANN
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Constraints,
    Langevin,
    MultipleTimeSteps,
    NoseHoover,
    PathIntegral,
    VelocityRescaling,
    VelocityVerlet,
    run_dynamics,
    run_replicas,
)
from adiabat.dynamics.verlet_list import VerletList
from adiabat.potentials import LennardJones, SumPotential
from adiabat.system import System
from adiabat.testing import EinsteinCrystal, IntegratorChecks, systems

ARGON = LennardJones(cutoff=6.0)
SHORT = LennardJones(cutoff=5.0)
THERMOSTATS = {
    "verlet": VelocityVerlet,
    "langevin": functools.partial(Langevin, friction=0.01),
    "velocity rescaling": VelocityRescaling,
    "nose hoover": functools.partial(NoseHoover, relaxation_time=200.0),
}


def several(kind: str, timestep: float, temperature: float, inner=SHORT, inner_steps: int = 4):
    integrator = THERMOSTATS[kind](timestep=timestep, temperature=temperature)
    return MultipleTimeSteps(integrator=integrator, inner=inner, inner_steps=inner_steps)


@pytest.mark.physics
@pytest.mark.parametrize("kind", THERMOSTATS)
class TestSeveral:
    """The kit, which the plain integrators pass, with argon of a shorter cut-off inside."""

    def test_all(self, kind: str, tmp_path: pathlib.Path) -> None:
        class Checks(IntegratorChecks):
            reversible = kind == "verlet"

            def integrator(self, timestep, temperature):
                return several(kind, timestep, temperature)

        checks = Checks()
        # Random thermostats take away the work of the timestep's error, steadily and at random times
        # (docs/decisions/0017): what is conserved wanders, and says little of the order.
        left_out = ("test_conserved_quantity_does_not_drift", "test_order_in_the_timestep")
        for name in dir(checks):
            if name in left_out and kind in ("langevin", "velocity rescaling"):
                continue
            if name.startswith("test_"):
                test = getattr(checks, name)
                test(tmp_path) if name == "test_resumed_run_is_bit_identical" else test()


def springs(number: int, stiffness: float, soft: float) -> tuple[System, SumPotential, EinsteinCrystal]:
    """Atoms on springs, a stiff one that is the inner potential and a soft one beside it."""
    sites = 10.0 * np.arange(number)[:, None] * np.array([1.0, 0, 0])
    system = System.create(np.full(number, 18), sites)
    inner = EinsteinCrystal(sites=np.asarray(sites), stiffness=stiffness)
    return system, inner + EinsteinCrystal(sites=np.asarray(sites), stiffness=soft), inner


def test_period_of_a_spring_in_two_parts():
    """cos(w' t) with the frequency of the discrete map: 2 cos(w' dt) is the trace of the product of its
    matrices, kicks of the soft spring around steps with the stiff one."""
    system, potential, inner = springs(1, 0.5, 0.2)
    moved = System.create([18], [[0.3, 0, 0]])
    dt, steps = 60.0, 3
    integrator = several("verlet", dt, 0.0, inner, steps)
    run = run_dynamics(
        moved, potential, integrator, steps=200, record_every=1, momenta=np.zeros((1, 3)), skin=5.0
    )
    mass, tau = float(system.masses[0]), integrator.internal_timestep

    def kick(stiffness, time):
        return np.array([[1, 0], [-stiffness * time, 1]])

    drift = np.array([[1, tau / steps / mass], [0, 1]])
    half = kick(0.5, tau / steps / 2)
    outer = kick(0.2, tau / 2)
    step = outer @ np.linalg.matrix_power(half @ drift @ half, steps) @ outer
    angle = np.arccos(np.trace(step) / 2)
    np.testing.assert_allclose(
        run.trajectory.positions[:, 0, 0], 0.3 * np.cos(angle * np.arange(201)), atol=1e-6
    )


@pytest.mark.device
def test_temperature_of_springs_in_two_parts():
    """Langevin inside: <x^2> = kT / (k + k'). The errors of the timestep do work, but far less than the heat
    that thermostat and springs exchange."""
    system, potential, inner = springs(100, 0.5, 0.1)
    integrator = several("langevin", 15.0, 200.0, inner, 3)
    run = run_dynamics(system, potential, integrator, steps=4000, record_every=8, skin=5.0)
    displacement = run.trajectory.positions[100:].astype(np.float64) - np.asarray(system.positions)
    # 300 springs forget within 200 fs: an error of 200 K (2 / 90 000)^(1/2) = 1 K.
    assert 0.6 * np.mean(displacement**2) / BOLTZMANN == pytest.approx(200, abs=4)
    observed = run.trajectory.observables
    assert observed["temperature"][100:].mean() == pytest.approx(200, abs=4)
    work = np.polyfit(run.trajectory.times[100:], observed["conserved"][100:], 1)[0]
    assert abs(work) < 2e-4 * 2 * 0.01 * observed["kinetic_energy"][100:].mean()


@pytest.mark.physics
@pytest.mark.parametrize("kind", ["langevin", "nose hoover"])
def test_replicas_and_constraints(kind):
    """Alone and in company; rigid pairs of argon stay rigid."""
    crystals = [systems.argon(32, density=1.65, displacement=0.05, seed=k) for k in (0, 1)]
    pairs = np.arange(32).reshape(-1, 2)
    held = [None, Constraints.create(crystals[1], pairs)]

    def run(numbers):
        chosen = [several(kind, 8.0, 40.0 + 20 * k) for k in numbers]
        return run_replicas(
            [crystals[k] for k in numbers],
            ARGON,
            chosen,
            steps=100,
            seeds=[3 + k for k in numbers],
            constraints=[held[k] for k in numbers],
            skin=1.0,
        )

    both = run((0, 1))
    for k in (0, 1):
        (alone,) = run((k,))
        np.testing.assert_allclose(both[k].state.positions, alone.state.positions, atol=1e-9)
        np.testing.assert_allclose(both[k].state.momenta, alone.state.momenta, atol=1e-9)


@pytest.mark.physics
def test_constant_pressure():
    """The inner forces are those of the moved cell: the pressure is as asked for, and nothing drifts."""
    barostat = CellRescaling(pressure=1.0, relaxation_time=300, compressibility=0.3, every=5)
    integrator = ConstantPressure(thermostat=several("langevin", 8.0, 40.0), barostat=barostat)
    crystal = systems.argon(32, density=1.65, displacement=0.05)
    run = run_dynamics(crystal, ARGON, integrator, steps=2000, record_every=10)
    observed = run.trajectory.observables
    assert observed["pressure"][50:].mean() == pytest.approx(1.0, abs=0.1)
    assert np.ptp(observed["conserved"][50:]) < 0.1 * np.ptp(observed["kinetic_energy"][50:])


def test_what_does_not_go_together_is_refused():
    verlet = VelocityVerlet(timestep=4, temperature=40)
    with pytest.raises(ConfigError, match="at least one"):
        MultipleTimeSteps(integrator=verlet, inner=SHORT, inner_steps=0)
    with pytest.raises(ConfigError, match="path integrals in several time steps"):
        MultipleTimeSteps(integrator=PathIntegral(), inner=SHORT)
    with pytest.raises(ConfigError, match="cannot do the inner steps"):
        MultipleTimeSteps(integrator=several("verlet", 4, 40), inner=SHORT)
    with pytest.raises(ConfigError, match="sees 6 Å far"):
        run_dynamics(systems.argon(4), SHORT, MultipleTimeSteps(integrator=verlet, inner=ARGON), steps=1)
    one, other = several("verlet", 4, 40), several("verlet", 4, 40, LennardJones(cutoff=4.0))
    with pytest.raises(ConfigError, match="temperature and pressure only"):
        run_replicas([systems.argon(4)] * 2, ARGON, [one, other], steps=1, seeds=[0, 1])


def test_the_inner_potential_has_a_list_of_its_own(monkeypatch):
    """As long as its cut-off and the skin, and right: the same motion as with the list of the outer one."""
    moves = several("langevin", 8.0, 60.0, inner=LennardJones(cutoff=4.5))
    argon = systems.argon(32, displacement=0.1)
    own = run_dynamics(argon, ARGON, moves, steps=100)
    assert own.neighbor_lists > 1
    built = VerletList(ARGON.cutoff, moves.skin, inner_cutoff=moves.inner_cutoff).build(argon)
    assert built.inner.cutoff == 4.5 + moves.skin
    monkeypatch.setattr(MultipleTimeSteps, "inner_cutoff", None)
    shared = run_dynamics(argon, ARGON, moves, steps=100)
    np.testing.assert_allclose(own.trajectory.positions, shared.trajectory.positions, atol=1e-5)
    np.testing.assert_allclose(own.state.positions, shared.state.positions, atol=1e-8)
