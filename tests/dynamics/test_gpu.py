"""Dynamics on a GPU: conserved energy, and the same bits again."""

from pathlib import Path

import numpy as np
import pytest

from adiabat.analysis import energy_drift
from adiabat.dynamics import Langevin, VelocityVerlet, run_dynamics, run_replicas
from adiabat.dynamics.state import State
from adiabat.networks import load_model
from adiabat.testing import systems

pytestmark = pytest.mark.gpu


def test_energy_is_conserved():
    system = systems.ethanol()
    run = run_dynamics(system, load_model("general"), VelocityVerlet(timestep=0.5), steps=20_000)
    assert run.trajectory is not None
    times, conserved = run.trajectory.times, run.trajectory.observables["conserved"]
    drift = energy_drift(np.asarray(times), conserved, system.n_atoms)
    assert abs(drift.slope) < 1e-3  # eV/atom/ns: ten picoseconds tell no more


def test_a_run_that_was_interrupted_ends_in_the_same_bits(tmp_path: Path):
    system, model = systems.ethanol(), load_model("general")
    options = {"steps": 2000, "seed": 3}
    thermostat = Langevin(timestep=0.5, temperature=300, friction=0.02)
    whole = run_dynamics(system, model, thermostat, **options)
    reached = [0]

    def note(state: State) -> None:
        reached.append(int(state.step))

    options |= {"folder": tmp_path}
    run_dynamics(system, model, thermostat, **options, on_chunk=note, should_stop=lambda: reached[-1] >= 20)
    assert reached[-1] < 2000
    resumed = run_dynamics(system, model, thermostat, **options, resume=True)
    for name in ("positions", "momenta"):
        one, other = (np.asarray(getattr(run.state, name)) for run in (whole, resumed))
        np.testing.assert_array_equal(one, other)


def test_a_replica_moves_as_it_would_alone():
    """To rounding, which a tenth of a picosecond does not yet make visible."""
    molecules, model = [systems.ethanol(), systems.ethanol(0.02), systems.water()], load_model("general")
    thermostat = Langevin(timestep=0.5, temperature=300, friction=0.02)
    runs = run_replicas(molecules, model, [thermostat] * 3, steps=200, seeds=[5, 6, 7])
    for seed, (molecule, together) in enumerate(zip(molecules, runs, strict=True), start=5):
        alone = run_dynamics(molecule, model, thermostat, steps=200, seed=seed)
        np.testing.assert_allclose(together.state.positions, alone.state.positions, rtol=0, atol=1e-3)
