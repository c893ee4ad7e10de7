"""Atoms that do not see each other, whose pressure and volume are known."""

from typing import Any

import numpy as np

from adiabat.base.units import BOLTZMANN, GIGAPASCAL
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    DynamicsResult,
    Langevin,
    MonteCarloBarostat,
    VelocityRescaling,
    VelocityVerlet,
    run_dynamics,
)
from adiabat.potentials import LennardJones
from adiabat.system import System
from adiabat.testing import systems

ATOMS, KELVIN, PRESSURE = 10, 300.0, 0.05  # GPa
BAROSTATS: dict[str, Any] = {
    "cell rescaling": CellRescaling(
        pressure=PRESSURE, relaxation_time=500, compressibility=1 / PRESSURE, every=2
    ),
    "Monte Carlo": MonteCarloBarostat(pressure=PRESSURE, every=5),
}
THERMOSTATS: dict[str, Any] = {
    "Langevin": Langevin(timestep=5, temperature=KELVIN, friction=0.02),
    "velocity rescaling": VelocityRescaling(timestep=5, temperature=KELVIN, relaxation_time=30),
}


def at_constant_pressure(thermostat: str, barostat: str, steps: int = 40_000) -> DynamicsResult:
    """Ten atoms, with a frame every 20 steps.

    p V = (N + 1) k_B T on average, with a variance of V of (N + 1) (k_B T / p)^2: with a k_B T more or less,
    as when an atom's momentum is counted or not, the volume would be off by 9 %.
    """
    edge = expected_volume() ** (1 / 3)
    places = np.random.default_rng(0).uniform(0, edge, (ATOMS, 3))
    return run_dynamics(
        System.create([18] * ATOMS, places, edge * np.eye(3), pbc=True),
        LennardJones(epsilon=0.0, cutoff=0.01, smooth=False),
        ConstantPressure(thermostat=THERMOSTATS[thermostat], barostat=BAROSTATS[barostat]),
        steps=steps,
        record_every=20,
        skin=4.0,
    )


def expected_volume() -> float:
    """(N + 1) k_B T / p [Å^3]."""
    return (ATOMS + 1) * BOLTZMANN * KELVIN / (PRESSURE * GIGAPASCAL)


def error_of_the_pressure() -> float:
    """The largest of |p V / (2/3 E_kin) - 1| at constant volume: p V = N k_B T with the momentary temperature
    of all three degrees of freedom of each atom, also those whose sum is held at zero."""
    system = systems.argon(32, density=0.05)
    gas = LennardJones(epsilon=1e-12)
    run = run_dynamics(system, gas, VelocityVerlet(timestep=1, temperature=300), steps=10, record_every=1)
    assert run.trajectory is not None
    found = run.trajectory.observables
    product = found["pressure"] * GIGAPASCAL * float(system.volume)
    return float(np.abs(product / (2 / 3 * found["kinetic_energy"]) - 1).max())
