"""A network that is learned from a run by one command is what the next command biases."""

import ase.build
import ase.io
import numpy as np
import pytest

from adiabat.io.plumed import read_plumed
from adiabat.io.trajectory import read_trajectory
from adiabat.sampling import load_variable, values_along

SEEN = """\
[[variables]]
kind = "torsion"
atoms = [0, 1, 2, 3]
name = "phi"
[[variables]]
kind = "distance"
atoms = [0, 2]
name = "CO"
"""
BIASED = """\
task = "md"
model = "general"
structure = "{folder}/start.xyz"
steps = 200
record_every = 2
replicas = 2
[bias]
kind = "opes"
widths = [0.3]
barrier = "20 kJ/mol"
every = 20
shared = true
[[variables]]
kind = "learned"
file = "{folder}/network.safetensors"
name = "slow"
"""


@pytest.mark.slow
def test_from_a_run_to_a_network_to_a_bias(adiabat, tmp_path):
    ase.io.write(tmp_path / "start.xyz", ase.build.molecule("CH3CH2OH"))
    (tmp_path / "seen.toml").write_text(SEEN)
    (tmp_path / "biased.toml").write_text(BIASED.format(folder=tmp_path))
    hot = ("--temperature", "700 K", "--steps", 2000, "--record-every", 5, "--replicas", 2)
    answer = adiabat("md", "general", tmp_path / "start.xyz", *hot, "--out", tmp_path / "hot")
    assert answer.code == 0, answer.err
    network = tmp_path / "network.safetensors"
    seen = ("--variables", tmp_path / "seen.toml", "--kind", "vamp", "--lag", "0.02 ps")
    learned = adiabat("variables", tmp_path / "hot", *seen, "--out", network, "--json")
    assert learned.code == 0, learned.err
    assert (learned.json["trajectories"], learned.json["features"]) == (2, 3)
    variable = load_variable(network)
    assert len(variable.function.layers) > 0

    config = ("md", "--config", tmp_path / "biased.toml")
    for name, more in (("whole", ()), ("parts", ("--steps", 90)), ("parts", ("--resume",))):
        answer = adiabat(*config, *more, "--out", tmp_path / name)
        assert answer.code == 0, answer.err
    for number in range(2):
        whole, parts = (tmp_path / name / f"replica-00{number}" for name in ("whole", "parts"))
        assert (whole / "COLVAR").read_text() == (parts / "COLVAR").read_text()
        trajectory = read_trajectory(whole / "trajectory.h5")
        expected = values_along([variable], trajectory)[:, 0]
        np.testing.assert_allclose(read_plumed(whole / "COLVAR")["slow"], expected, atol=1e-3)
        assert np.ptp(trajectory.observables["bias"]) > 0
    words = ("free-energy", tmp_path / "whole", "--variables", tmp_path / "seen.toml", "--bins", 5, "--json")
    for more, name, unit in (((), "phi", "rad"), (("--variable", "slow"), "slow", "")):
        found = adiabat(*words, *more).json
        assert (found["variable"], found["unit"], found["trajectories"]) == (name, unit, 2)
        assert "not converged" in found["verdict"]
