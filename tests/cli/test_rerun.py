"""A run again, by the configuration in its folder."""

import tomllib

import ase
import ase.io
import numpy as np
import pytest

from adiabat.io.trajectory import read_trajectory
from adiabat.tasks.rerun import recorded

TERMS = '[[terms]]\nkind = "harmonic_bonds"\natoms = [[0, 1], [1, 2]]\nstiffness = 20.0\nlength = 1.5\n'
FILES = """
[[variables]]
kind = "path"
frames = "path.xyz"
name = "s"
[[variables]]
kind = "combination"
of = [{ kind = "rmsd", reference = "start.xyz" }, { kind = "distance", atoms = [0, 2] }]
coefficients = [1.0, -1.0]
name = "both"
"""
HILLS = (
    '[bias]\nkind = "metadynamics"\nwidths = [0.2, 0.2]\nevery = 5\nlimits = [[0.0, 4.0], [-5.0, 0.0]]\n'
    + FILES
)
UMBRELLA = """temperatures = [300.0, 320.0]
[bias]
kind = "umbrella"
centers = [1.2, 1.6]
stiffness = [2.0]
[[variables]]
kind = "path"
frames = "path.xyz"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, with a molecule of three atoms, a path and a potential."""
    bent = [[0, 0, 0], [1.5, 0, 0], [2.2, 1.2, 0]]
    path = [ase.Atoms("C3", [*bent[:2], end]) for end in ([2.2, 1.2, 0], [2.8, 0.6, 0], [3.0, 0, 0])]
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    ase.io.write("start.xyz", path[0])
    ase.io.write("path.xyz", path)
    (tmp_path / "a" / "bonds.toml").write_text(TERMS)
    return tmp_path


@pytest.mark.parametrize("bias", [HILLS, UMBRELLA], ids=["metadynamics", "umbrella"])
def test_the_same_trajectory_again(bias, place, adiabat, monkeypatch):
    """Variables from files, limits of a grid and windows; from another folder, where their files are not."""
    top = f'task = "md"\nmodel = "{place}/a/bonds.toml"\nstructure = "{place}/a/start.xyz"\n'
    (place / "a" / "md.toml").write_text(f"{top}steps = 20\nrecord_every = 5\nseed = 3\n{bias}")
    first = adiabat("md", "--config", "md.toml", "--out", "run")
    assert first.code == 0, first.err
    (place / "b").mkdir()
    monkeypatch.chdir(place / "b")
    again = adiabat("md", "--config", "../a/run/config.toml", "--out", "run")
    assert again.code == 0, again.err
    files = sorted((place / "a" / "run").rglob("trajectory.h5"))
    assert len(files) == (1 if bias is HILLS else 2)
    for file in files:
        there = place / "b" / "run" / file.relative_to(place / "a" / "run")
        one, other = read_trajectory(file), read_trajectory(there)
        assert np.ptp(one.positions, axis=0).max() > 0.01
        assert np.array_equal(one.positions, other.positions)
        assert np.array_equal(one.observables["bias"], other.observables["bias"])
    texts = [(place / name / "run" / "config.toml").read_text() for name in "ab"]
    assert texts[0] == texts[1]


def test_files_are_seen_from_the_settings(place, adiabat, monkeypatch):
    """Those of variables too, wherever the command runs, in the settings of a run and of `free-energy`."""
    file = place / "a" / "md.toml"
    bias = '[bias]\nkind = "restraint"\ncenters = [1.2, 0.0]\nstiffness = [0.1, 0.1]\n'
    file.write_text(f"steps = 150\nrecord_every = 1\n{bias}{FILES}")
    monkeypatch.chdir(place)
    run = adiabat("md", "a/bonds.toml", "a/start.xyz", "--config", file, "--out", "run")
    assert run.code == 0, run.err
    (place / "a" / "seen.toml").write_text(FILES)
    found = adiabat("free-energy", "run", "--variables", "a/seen.toml", "--json")
    assert found.code == 0, found.err
    assert found.json["variable"] == "s"
    paths = tomllib.loads((place / "run" / "config.toml").read_text())["variables"]
    assert paths[0]["frames"] == str(place / "a" / "path.xyz")
    assert paths[1]["of"][0]["reference"] == str(place / "a" / "start.xyz")


def test_files_have_their_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = {"kind": "learned", "file": "slow.safetensors", "component": 0, "name": "slow"}
    found = recorded({"kind": "opes"}, [table])["variables"]
    assert found == [table | {"file": str(tmp_path / "slow.safetensors")}]
    assert recorded({"kind": "none"}, []) == {}
