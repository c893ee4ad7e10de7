"""`analyze` on runs and files of every kind it takes."""

import numpy as np
import pytest
from ase.build import bulk
from tests.report.conftest import ETHANOL, make_trajectory

from adiabat.base import ConfigError, DataError
from adiabat.base.runs import RunFolder
from adiabat.dynamics import Langevin
from adiabat.io import write_extxyz
from adiabat.potentials import LennardJones
from adiabat.system import System
from adiabat.tasks.analyze import analyze
from adiabat.tasks.md import md


@pytest.fixture(scope="module")
def argon_run(tmp_path_factory):
    argon = System.from_ase(bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 2))
    path = tmp_path_factory.mktemp("runs") / "argon"
    thermostat = Langevin(timestep=2.0, temperature=40.0, friction=0.02)
    md(LennardJones(cutoff=5.0), argon, out=path, steps=300, integrator=thermostat, record_every=5)
    return path


def test_a_simulation(argon_run):
    found = analyze(argon_run)
    assert found["task"] == "md"
    assert found["length_ps"] == pytest.approx(0.6, abs=0.02)
    assert found["density_g_per_cm3"] == pytest.approx(4 * 39.948 * 1.66054 / 5.3**3, rel=1e-3)
    assert found["fragments"] == [32, 32]
    assert 10 < found["temperature_k"] < 60
    assert found["drift_ev_per_atom_ns_error"] > 0
    html = (argon_run / "report.html").read_text()
    assert "NVT at 40 K" in html
    assert "Radial distribution functions" in html
    assert RunFolder.open(argon_run).config["steps"] == 300


def test_the_trajectory_file_alone(argon_run, tmp_path):
    found = analyze(argon_run / "trajectory.h5", out=tmp_path / "page.html")
    assert found["frames"] == analyze(argon_run, out=tmp_path / "again.html")["frames"]
    assert (tmp_path / "page.html").exists()


def test_frames_of_any_program(tmp_path):
    frames = [System.create(ETHANOL.numbers, frame) for frame in make_trajectory(40).positions]
    path = tmp_path / "frames.xyz"
    write_extxyz(path, frames)
    found = analyze(path, reference=path)
    assert (found["frames"], found["n_atoms"], found["fragments"]) == (40, 9, [1, 1])
    assert "drift_ev_per_atom_ns" not in found
    assert "training frames" in (tmp_path / "frames_report.html").read_text()


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a run folder"):
        analyze(tmp_path)
    with RunFolder.create(tmp_path / "other", "relax", {}):
        pass
    with pytest.raises(ConfigError, match="no analysis for a run of 'relax'"):
        analyze(tmp_path / "other")


def test_frames_of_different_systems_are_refused(tmp_path):
    systems = [System.create([1, 1], np.eye(2, 3)), System.create([1, 8], np.eye(2, 3))]
    write_extxyz(tmp_path / "mixed.xyz", systems)
    with pytest.raises(DataError, match="other atoms than the first"):
        analyze(tmp_path / "mixed.xyz")
