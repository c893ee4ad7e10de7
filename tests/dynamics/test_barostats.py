"""Constant pressure against what statistical mechanics says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.base import ConfigError, UnsupportedError
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    NoseHoover,
    VelocityRescaling,
    VelocityVerlet,
    VerletList,
    run_dynamics,
)
from adiabat.dynamics.barostat import deformed
from adiabat.dynamics.momenta import kinetic_energy
from adiabat.potentials import LennardJones
from adiabat.testing import IntegratorChecks, ideal_gas, systems

COLD = Langevin(timestep=5, temperature=40, friction=0.02)


@pytest.mark.physics
@pytest.mark.parametrize("barostat", ideal_gas.BAROSTATS)
@pytest.mark.parametrize("thermostat", ideal_gas.THERMOSTATS)
def test_ideal_gas(thermostat, barostat):
    """p V = (N + 1) k_B T, and (N + 1) (k_B T / p)^2 of variance."""
    run = ideal_gas.at_constant_pressure(thermostat, barostat)
    volumes = np.linalg.det(run.trajectory.cells)[200:] / ideal_gas.expected_volume()
    assert volumes.mean() == pytest.approx(1, abs=0.06)
    assert volumes.std() * np.sqrt(ideal_gas.ATOMS + 1) == pytest.approx(1, abs=0.12)
    assert np.ptp(run.trajectory.observables["conserved"]) < 1e-10


@pytest.mark.device
@pytest.mark.parametrize(
    "shape",
    ["triclinic", *(pytest.param(s, marks=pytest.mark.physics) for s in ("isotropic", "anisotropic"))],
)
def test_pressure_of_a_crystal(shape):
    """A crystal at 1 GPa, in a box as in a cell of any shape: the pressure is what was asked for, along each
    direction that may give way."""
    barostat = CellRescaling(pressure=1.0, relaxation_time=300, compressibility=0.3, shape=shape, every=5)
    run = run_dynamics(
        systems.argon(32, density=1.65, displacement=0.05),
        LennardJones(cutoff=6.0),
        ConstantPressure(thermostat=COLD, barostat=barostat),
        steps=2000,
        record_every=10,
    )
    assert run.trajectory.observables["pressure"][50:].mean() == pytest.approx(1.0, abs=0.1)
    assert run.state.extra["barostat accepted"] > 0.8 * run.state.extra["barostat attempts"]
    cell = run.trajectory.cells[-1]
    assert np.any(cell - np.diag(np.diag(cell))) == (shape == "triclinic")
    assert (np.ptp(np.diag(cell)) > 1e-6) == (shape != "isotropic")


def test_deformation_is_that_of_the_stress():
    """A small strain costs V stress : strain, and the kinetic energy falls by that of the flow of momenta."""
    system = systems.argon(32, density=1.65, displacement=0.2)
    potential = LennardJones(cutoff=6.0)
    neighbors = VerletList(potential.cutoff, skin=1.0).build(system)
    state = COLD.init(system, potential, neighbors, key=jax.random.key(0))
    strain = np.array([[1.0, 0.3, -0.2], [0.3, -0.5, 0.4], [-0.2, 0.4, 0.7]])
    sizes = (-1e-4, 1e-4)
    ends = [deformed(state, jnp.asarray(size * strain), potential, neighbors, True) for size in sizes]
    slope = (float(ends[1].energy) - float(ends[0].energy)) / 2e-4
    assert slope == pytest.approx(float(system.volume) * np.vdot(state.stress, strain), rel=1e-5)
    kinetic = [float(kinetic_energy(end.momenta, system)) for end in ends]
    flow = np.asarray(state.momenta).T @ (np.asarray(state.momenta) / np.asarray(system.masses)[:, None])
    assert (kinetic[1] - kinetic[0]) / 2e-4 == pytest.approx(-np.vdot(flow, strain), rel=1e-5)
    heats = [float(end.heat) for end in ends]
    assert heats == pytest.approx(
        [
            float(end.energy - state.energy) + k - float(kinetic_energy(state.momenta, system))
            for end, k in zip(ends, kinetic, strict=True)
        ]
    )


def test_the_energy_that_moves_of_the_cell_give_counts_as_heat():
    """Beside that of a chain, so that what is conserved shows the error of the timestep alone: the potential
    energy falls by a tenth as the crystal gives way to 1 GPa."""
    chain = NoseHoover(timestep=5, temperature=40, relaxation_time=100)
    barostat = CellRescaling(pressure=1.0, relaxation_time=100, compressibility=0.3, every=5)
    run = run_dynamics(
        systems.argon(32, density=1.4, displacement=0.05),
        LennardJones(cutoff=6.0),
        ConstantPressure(thermostat=chain, barostat=barostat),
        steps=400,
        record_every=5,
    )
    found = run.trajectory.observables
    assert np.ptp(found["potential_energy"]) > 0.2
    assert np.ptp(found["conserved"]) < 2e-3


def test_what_has_no_pressure_is_refused():
    molecule = systems.ethanol()
    thermostat = Langevin(timestep=0.5, temperature=300)
    pressed = ConstantPressure(thermostat=thermostat, barostat=CellRescaling())
    with pytest.raises(UnsupportedError, match="periodic along all three"):
        run_dynamics(molecule, LennardJones(), pressed, steps=1)
    with pytest.raises(ConfigError, match="needs a thermostat"):
        ConstantPressure(thermostat=VelocityVerlet(), barostat=CellRescaling())


@pytest.mark.parametrize(
    "bad", [{"pressure": float("nan")}, {"shape": "cubic"}, {"every": 0}, {"compressibility": -1.0}]
)
def test_settings_are_checked(bad):
    with pytest.raises(ConfigError):
        CellRescaling(**bad)


class TestConstantPressure(IntegratorChecks):
    """All that an integrator must do; the conserved quantity is that of the thermostat alone."""

    def integrator(self, timestep, temperature):
        return ConstantPressure(
            thermostat=VelocityRescaling(timestep=timestep, temperature=temperature, relaxation_time=500),
            barostat=CellRescaling(pressure=0.01, compressibility=0.3, every=7),
        )
