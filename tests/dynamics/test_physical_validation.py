"""Ensembles and integrators judged by `physical_validation` (Merz and Shirts 2018,
doi 10.1371/journal.pone.0202764): argon by Lennard-Jones, each thermostat and barostat.

Bars are those of the package's authors: three standard errors for distributions, a tenth for the order in the
timestep. `pip install physical_validation`; `pytest -m slow tests/dynamics/test_physical_validation.py`.
"""

import numpy as np
import pytest
from scipy.stats import norm

from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    MonteCarloBarostat,
    NoseHoover,
    VelocityRescaling,
    VelocityVerlet,
    run_dynamics,
    run_replicas,
)
from adiabat.potentials import LennardJones
from adiabat.testing import systems
from adiabat.testing.ensembles import ensemble_slopes, kinetic_deviations, simulation_data

pv = pytest.importorskip("physical_validation")

pytestmark = pytest.mark.slow

POTENTIAL = LennardJones(cutoff=6.0)
LIQUID = systems.argon(32, displacement=0.1)
KELVIN, PRESSURE = (95.0, 105.0), (0.05, 0.08)  # K, GPa
THERMOSTATS = {
    "langevin": lambda kelvin, dt=4.0: Langevin(timestep=dt, temperature=kelvin, friction=0.01),
    "velocity rescaling": lambda kelvin, dt=4.0: VelocityRescaling(timestep=dt, temperature=kelvin),
    "nose hoover": lambda kelvin, dt=4.0: NoseHoover(timestep=dt, temperature=kelvin, relaxation_time=100),
}
BAROSTATS = {
    "rescaling": lambda p: CellRescaling(pressure=p, relaxation_time=300, compressibility=2.0, every=5),
    "monte carlo": lambda p: MonteCarloBarostat(pressure=p, every=5),
}


def measured(integrator, ensemble, *, steps, record_every=50, start=40, seed=0, **at):
    """What the package wants to know of a run."""
    options = {"steps": steps, "record_every": record_every, "seed": seed, "skin": 1.0}
    run = run_dynamics(LIQUID, POTENTIAL, integrator, **options)
    return data_of(run, integrator, ensemble, start, **at)


def data_of(run, integrator, ensemble, start, **at):
    """The same of a run that was made."""
    assert run.trajectory is not None
    return simulation_data(
        run.trajectory[start:], integrator.timestep, run.degrees_of_freedom, ensemble=ensemble, **at
    )


def assert_kinetic_energies(data):
    """The kinetic energy has the mean and the width of the canonical ensemble within three standard errors,
    and so have those of two halves of the atoms, whose four figures together are as unlikely beyond their
    bar as one is beyond three."""
    whole, halves = kinetic_deviations(data)
    print("kinetic energy:", np.round(whole, 2), "halves:", np.round(halves, 2))
    assert np.max(np.abs(whole)) < 3
    assert np.max(np.abs(halves)) < norm.isf(norm.sf(3) / halves.size)


@pytest.mark.parametrize("thermostat", THERMOSTATS)
def test_constant_volume(thermostat):
    """The energies at two temperatures have a ratio of probabilities whose slope is the difference of 1/k_B T
    (Shirts 2013, doi 10.1021/ct300688p)."""
    volume = float(LIQUID.volume)
    data = [
        measured(
            THERMOSTATS[thermostat](kelvin), "NVT", steps=30_000, temperature=kelvin, volume=volume, seed=seed
        )
        for seed, kelvin in enumerate(KELVIN)
    ]
    for one in data:
        assert_kinetic_energies(one)
    slopes = ensemble_slopes(*data)
    print(thermostat, "slope:", np.round(slopes, 2))
    assert np.max(np.abs(slopes)) < 3


@pytest.mark.parametrize("barostat", BAROSTATS)
@pytest.mark.parametrize("thermostat", THERMOSTATS)
def test_constant_pressure(thermostat, barostat):
    """The same for energies and volumes at two temperatures and pressures."""
    data = [
        measured(
            ConstantPressure(
                thermostat=THERMOSTATS[thermostat](kelvin), barostat=BAROSTATS[barostat](pressure)
            ),
            "NPT",
            steps=30_000,
            temperature=kelvin,
            pressure=pressure,
            seed=seed,
        )
        for seed, (kelvin, pressure) in enumerate(zip(KELVIN, PRESSURE, strict=True))
    ]  # fmt: skip
    for one in data:
        assert_kinetic_energies(one)
    slopes = ensemble_slopes(*data)
    print(thermostat, barostat, "slopes:", np.round(slopes, 2))
    assert np.max(np.abs(slopes)) < 3


def test_constant_pressure_of_replicas():
    """And for two replicas in one program, each with its temperature and its pressure."""
    chosen = [
        ConstantPressure(
            thermostat=THERMOSTATS["langevin"](kelvin), barostat=BAROSTATS["rescaling"](pressure)
        )
        for kelvin, pressure in zip(KELVIN, PRESSURE, strict=True)
    ]
    options = {"steps": 30_000, "record_every": 50, "seeds": [0, 1], "skin": 1.0}
    runs = run_replicas([LIQUID] * 2, POTENTIAL, chosen, **options)
    data = [
        data_of(run, one, "NPT", 40, temperature=kelvin, pressure=pressure)
        for run, one, kelvin, pressure in zip(runs, chosen, KELVIN, PRESSURE, strict=True)
    ]
    for one in data:
        assert_kinetic_energies(one)
    slopes = ensemble_slopes(*data)
    print("replicas, slopes:", np.round(slopes, 2))
    assert np.max(np.abs(slopes)) < 3


@pytest.mark.parametrize("integrator", ["verlet", *THERMOSTATS])
def test_order_in_the_timestep(integrator):
    """The fluctuation of the conserved energy falls to a quarter when the timestep is halved, within 10 %.

    Of velocity Verlet it is the total energy that does: what adiabat records as conserved is better. A random
    thermostat takes away at random times what the error of the steps adds, so that the conserved energy
    wanders, and its fluctuation in one run says little: there it is that within 40 fs, of a longer run.
    """
    kinds = {"verlet": lambda kelvin, dt: VelocityVerlet(timestep=dt, temperature=kelvin), **THERMOSTATS}
    wanders = integrator in ("langevin", "velocity rescaling")
    runs = []
    for dt in (8.0, 4.0, 2.0):
        data = measured(
            kinds[integrator](60.0, dt),
            "NVE" if integrator == "verlet" else "NVT",
            steps=int((80_000 if wanders else 8000) / dt),
            record_every=1,
            start=int(2000 / dt) if wanders else 0,
            volume=float(LIQUID.volume),
            temperature=60.0,
        )
        found, apart = data.observables, int(40 / dt)
        if integrator == "verlet":
            found.constant_of_motion = found.total_energy
        elif wanders:
            found.constant_of_motion = found.constant_of_motion[apart:] - found.constant_of_motion[:-apart]
        runs.append(data)
    deviation = pv.integrator.convergence(runs, convergence_test="max_deviation", verbose=False)
    print(integrator, "deviation from second order:", round(float(deviation), 3))
    assert deviation < 0.1
