"""`analyze` on the folder of several replicas."""

import numpy as np
import pytest
from ase.build import molecule

from adiabat.analysis.spectra import PER_CM
from adiabat.base.runs import RunFolder
from adiabat.base.units import BOLTZMANN
from adiabat.io.trajectory import Trajectory, TrajectoryWriter
from adiabat.report.measurements import Measurements
from adiabat.system import System
from adiabat.tasks.analyze import analyze
from adiabat.tasks.measure import curves, dynamics_numbers
from adiabat.tasks.motions import trajectory_motion

WATER = molecule("H2O")
UNITS = {"potential_energy": "eV", "kinetic_energy": "eV", "conserved": "eV", "temperature": "K"}


def write_run(path, kelvins, rungs=None, n=200, lines=None, step=20.0, **settings):
    """A run of replicas of water whose atoms tremble at random, warmer where its settings say so; with lines
    [1/cm] they have velocities that vibrate."""
    rng = np.random.default_rng(0)
    thermostats = [{"kind": "langevin", "temperature": kelvin, "friction": 0.001} for kelvin in kelvins]
    config = {"replicas": [{"integrator": thermostat} for thermostat in thermostats], **settings}
    template = System.create(WATER.numbers, WATER.positions)
    with RunFolder.create(path, "md", config):
        for k, kelvin in enumerate(kelvins):
            at = np.full(n, kelvin) if rungs is None else rungs[k]
            warmth = np.sqrt(at / 300)[:, None, None]
            frames = WATER.positions + 0.02 * warmth * rng.normal(size=(n, 3, 3))
            temperature = at * rng.chisquare(9, size=n) / 9
            observables = dict.fromkeys(UNITS, np.zeros(n)) | {"temperature": temperature}
            observables["kinetic_energy"] = 4.5 * BOLTZMANN * temperature
            observables["conserved"] = np.cumsum(rng.normal(scale=1e-4, size=n))
            units = dict(UNITS)
            if rungs is not None:
                observables["target_temperature"], units["target_temperature"] = at, "K"
            steps, still = np.arange(n), np.zeros((n, 3, 3), np.float32)
            if lines is not None:
                phase = 2 * np.pi * lines[k] / PER_CM * step * steps[:, None, None]
                still = (0.01 * np.cos(phase) * np.ones((1, 3, 3))).astype(np.float32)
            arrays = frames.astype(np.float32), still, np.zeros((n, 3, 3))
            trajectory = Trajectory(template, steps, step * steps, *arrays, observables)
            file = path / f"replica-{k:03d}" / "trajectory.h5"
            file.parent.mkdir()
            with TrajectoryWriter.create(file, template, units) as writer:
                writer.append(trajectory)
    return path


def test_means_have_errors_from_the_spread_over_replicas(tmp_path):
    run = write_run(tmp_path / "run", [300.0] * 4)
    found = analyze(run)
    alone = [Measurements(trajectory_motion(run / f"replica-{k:03d}" / "trajectory.h5")) for k in range(4)]
    numbers = [dynamics_numbers(one) for one in alone]
    assert (found["replicas"], found["frames"], found["fragments"]) == (4, 200, [1, 1])
    for name in ("temperature_k", "drift_ev_per_atom_ns"):
        each = np.array([one[name] for one in numbers])
        assert [one[name] for one in found["each"]] == pytest.approx(each)
        assert found[name] == pytest.approx(each.mean())
        assert found[f"{name}_error"] == pytest.approx(each.std(ddof=1) / 2)
    bonds = np.array([one["bond_lengths_ang"]["O–H"] for one in numbers])
    assert found["bond_lengths_ang"]["O–H"] == pytest.approx(bonds.mean())
    assert found["bond_lengths_ang"]["O–H_error"] == pytest.approx(bonds.std(ddof=1) / 2)
    # Hydrogen-bond correlations and the like have one axis of time; histograms have edges of their own.
    assert "bond O–H" in curves(alone[0])["distributions"]
    assert "distributions" not in found["curves"]
    html = (run / "report.html").read_text()
    assert "NVT at 300 K (4)" in html
    assert "NVT at 300 K, replica-000" in html  # of one of them all is shown
    assert "error by their own" in html


def test_vibrations_of_replicas_are_those_of_their_mean_spectrum(tmp_path):
    """Their own lists of lines differ: there is no mean of them."""
    run = write_run(tmp_path / "run", [300.0] * 3, n=800, lines=[460.0, 500.0, 540.0], step=4.0)
    found = analyze(run)
    assert len({str(one["vibrational_peaks_per_cm"]) for one in found["each"]}) > 1
    assert found["vibrational_peaks_per_cm"] == pytest.approx([500.0], abs=found["line_width_per_cm"])
    assert found["highest_wavenumber_per_cm"] == pytest.approx(PER_CM / 8)


def test_replicas_at_several_temperatures_are_kept_apart(tmp_path):
    found = analyze(write_run(tmp_path / "run", [300.0, 600.0, 300.0]))
    cold, warm = found["at"]["NVT at 300 K"], found["at"]["NVT at 600 K"]
    assert cold["temperature_k"] == pytest.approx(300, rel=0.1)
    assert warm["temperature_k"] == pytest.approx(600, rel=0.1)
    assert len(found["each"]) == 3


def test_exchanging_replicas_are_told_by_temperature(tmp_path):
    swapped = np.repeat([300.0, 600.0, 300.0, 600.0], 50)
    run = write_run(tmp_path / "run", [300.0, 600.0], rungs=[swapped, 900.0 - swapped], exchange_every=10)
    found = analyze(run)
    for kelvin in (300, 600):
        at = found["at"][f"{kelvin} K"]
        assert abs(at["temperature_k"] - kelvin) < 4 * at["temperature_k_error"]
        assert "drift_ev_per_atom_ns" not in at  # an energy of each replica, not of a temperature
    assert any("swapped" in line for line in analyze(run / "replica-000")["warnings"])
    solute = write_run(tmp_path / "solute", [300.0, 600.0], [swapped, 900.0 - swapped], exchange_every=10,
                       solute=[0])  # fmt: skip
    assert "at" not in analyze(solute)  # the true potential is that of the first rung alone
