"""`analyze` and `export` on the command line."""

import sys

import ase
import ase.io
import numpy as np
import pytest

from adiabat.io.trajectory import Trajectory, TrajectoryWriter
from adiabat.system import System


@pytest.fixture
def frames(tmp_path):
    """Twelve frames of argon."""
    rng = np.random.default_rng(0)
    argon = [ase.Atoms("Ar4", rng.random((4, 3)) * 8 + 2 * np.arange(4)[:, None], cell=[9, 9, 9], pbc=True)
             for _ in range(12)]  # fmt: skip
    for k, frame in enumerate(argon):
        frame.info["time"] = 5.0 * k
    ase.io.write(tmp_path / "frames.xyz", argon)
    return tmp_path / "frames.xyz"


def test_curves_are_for_programs(adiabat, frames):
    shown = adiabat("analyze", frames, "--viscosity", "0.9 mPa s")
    assert shown.code == 0, shown.err
    assert "radial_peaks_ang" in shown.out
    assert "radial_distribution" not in shown.out
    found = adiabat("analyze", frames, "--json").json
    assert found["curves"]["radial_distribution"].keys() == {"Ar–Ar"}
    assert len(found["curves"]["structure_factor"]["s"]) > 20


def test_a_viscosity_is_a_viscosity(adiabat, frames):
    answer = adiabat("analyze", frames, "--viscosity", "3 fs")
    assert answer.code == 2
    assert "mPa s" in answer.err


def test_export(adiabat, tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    rng = np.random.default_rng(0)
    template = System.create([29, 29], rng.random((2, 3)) * 4, cell=np.eye(3) * 5, pbc=(True,) * 3)
    moved = rng.random((3, 2, 3)).astype(np.float32)
    cells = np.repeat(np.eye(3)[None] * 5, 3, axis=0)
    with TrajectoryWriter.create(run / "trajectory.h5", template, {}) as writer:
        writer.append(Trajectory(template, np.arange(3), 5.0 * np.arange(3), moved, 0 * moved, cells))
    out = tmp_path / "run.xyz"
    assert adiabat("export", run, "--out", out, "--json").json == {"frames": 3, "atoms": 2, "out": str(out)}
    assert len(ase.io.read(out, ":")) == 3
    again = adiabat("export", run, "--out", out)
    assert again.code == 2
    assert "--force" in again.err
    assert adiabat("export", run, "--out", out, "--force").code == 0
    assert "no trajectory.h5" in adiabat("export", tmp_path, "--out", tmp_path / "other.xyz").err
    monkeypatch.setitem(sys.modules, "MDAnalysis", None)
    missing = adiabat("export", run, "--out", tmp_path / "run.xtc")
    assert missing.code == 2
    assert 'pip install "adiabat[trajectories]"' in missing.err
    assert not (tmp_path / "run.pdb").exists()
