"""Liquid argon in each ensemble, as `physical_validation` judges it."""

from typing import Any

import numpy as np

from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    MonteCarloBarostat,
    NoseHoover,
    VelocityRescaling,
    VelocityVerlet,
    run_dynamics,
)
from adiabat.potentials import LennardJones
from adiabat.testing import systems
from adiabat.testing.ensembles import order_deviation, simulated, simulation_data

POTENTIAL = LennardJones(cutoff=6.0)
LIQUID = systems.argon(32, displacement=0.1)
KELVIN, PRESSURE = (95.0, 105.0), (0.05, 0.08)  # K, GPa
THERMOSTATS = {
    "Langevin": lambda kelvin, dt=4.0: Langevin(timestep=dt, temperature=kelvin, friction=0.01),
    "velocity rescaling": lambda kelvin, dt=4.0: VelocityRescaling(timestep=dt, temperature=kelvin),
    "Nosé-Hoover": lambda kelvin, dt=4.0: NoseHoover(timestep=dt, temperature=kelvin, relaxation_time=100),
}
BAROSTATS = {
    "none": None,
    "cell rescaling": lambda p: CellRescaling(pressure=p, relaxation_time=300, compressibility=2.0, every=5),
    "Monte Carlo": lambda p: MonteCarloBarostat(pressure=p, every=5),
}
INTEGRATORS: dict[str, Any] = {
    "velocity Verlet": lambda kelvin, dt: VelocityVerlet(timestep=dt, temperature=kelvin),
    **THERMOSTATS,
}


def integrators(thermostat: str, barostat: str) -> list[Any]:
    """At the two temperatures, and pressures, of those names."""
    make: Any = BAROSTATS[barostat]
    chosen: list[Any] = [THERMOSTATS[thermostat](kelvin) for kelvin in KELVIN]
    if make is None:
        return chosen
    return [
        ConstantPressure(thermostat=one, barostat=make(p)) for one, p in zip(chosen, PRESSURE, strict=True)
    ]


def ensemble(thermostat: str, barostat: str, steps: int = 30_000) -> list[Any]:
    """Simulations at two temperatures, and at constant pressure two pressures."""
    return simulated(
        LIQUID,
        POTENTIAL,
        integrators(thermostat, barostat),
        steps=steps,
        record_every=50,
        temperatures=KELVIN,
        pressures=None if barostat == "none" else PRESSURE,
        forgotten=0.07,
        skin=1.0,
    )


def order_in_the_timestep(integrator: str) -> float:
    """The fluctuation of the conserved energy falls to a quarter when the timestep is halved: the largest
    deviation, relative.

    Of velocity Verlet it is the total energy that does: what adiabat records as conserved is better. A random
    thermostat takes away at random times what the error of the steps adds, so that the conserved energy
    wanders, and its fluctuation in one run says little: there it is that within 40 fs, of a longer run.
    """
    wanders = integrator in ("Langevin", "velocity rescaling")
    runs = []
    for dt in (8.0, 4.0, 2.0):
        run = run_dynamics(
            LIQUID,
            POTENTIAL,
            INTEGRATORS[integrator](60.0, dt),
            steps=int((80_000 if wanders else 8000) / dt),
            record_every=1,
            skin=1.0,
        )
        assert run.trajectory is not None
        data = simulation_data(
            run.trajectory[int(2000 / dt) if wanders else 0 :],
            dt,
            run.degrees_of_freedom,
            ensemble="NVE" if integrator == "velocity Verlet" else "NVT",
            volume=float(LIQUID.volume),
            temperature=60.0,
        )
        found, apart = data.observables, int(40 / dt)
        if integrator == "velocity Verlet":
            found.constant_of_motion = found.total_energy
        elif wanders:
            conserved = np.asarray(found.constant_of_motion)
            found.constant_of_motion = conserved[apart:] - conserved[:-apart]
        runs.append(data)
    return order_deviation(runs)
