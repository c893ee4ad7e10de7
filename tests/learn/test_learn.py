"""`adiabat.tasks.learn`: what it refuses, that sampling resumes exactly, and (slow) the whole way."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import adiabat
from adiabat.base import ConfigError, DataError, SimulationError, UnsupportedError
from adiabat.base.runs import RunFolder
from adiabat.data import Sample, read_samples, write_samples
from adiabat.generate import make_plan
from adiabat.system import System
from adiabat.tasks.learn import learn, starting_structures
from adiabat.tasks.learning import Learning

CONFIG = {"molecule": "CO", "method": "gfn2", "minutes": 0.05, "temperature": 300.0, "seed": 3, "labels": 60}


@pytest.mark.parametrize(
    ("molecule", "error", "says"),
    [
        ("[He]", DataError, "single atom"),
        ("C1CC", DataError, "ring"),
        ("CCO.O", DataError, "several molecules"),
        ("nowhere/molecule.xyz", DataError, "molecule.xyz"),
        ("C[Pt]C", UnsupportedError, "Pt"),
    ],
)
def test_refusals(molecule, error, says, tmp_path):
    with pytest.raises(error, match=says):
        learn(molecule, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_refuses_cells_and_senseless_settings(tmp_path):
    (tmp_path / "cell.xyz").write_text('1\nLattice="4 0 0 0 4 0 0 0 4"\nCu 0 0 0\n')
    with pytest.raises(UnsupportedError, match="periodic"):
        learn(str(tmp_path / "cell.xyz"), out=tmp_path / "run")
    for wrong in ({"minutes": 0}, {"temperature": -1}, {"labels": 3}):
        with pytest.raises(ConfigError):
            learn("CO", out=tmp_path / "run", **wrong)
    with pytest.raises(ConfigError, match="did you mean 'gfn2'"):
        learn("CO", out=tmp_path / "run", method="gfn22")


def test_a_file_is_a_molecule_too(tmp_path):
    path = tmp_path / "hydroxide.xyz"
    path.write_text("2\nProperties=species:S:1:pos:R:3 charge=-1\nO 0 0 0\nH 0 0 0.97\n")
    name, starts = starting_structures(str(path), 0)
    assert name == str(path)
    assert starts[0].charge == -1


_SCRIPT = """
import json, sys
from adiabat.base.runs import RunFolder
from adiabat.tasks.learn import starting_structures
from adiabat.system import System
from adiabat.tasks.learning import Learning
config = json.loads(sys.argv[2])
with RunFolder.create(sys.argv[1], "learn", config, resume=True) as run:
    Learning(run, config["molecule"], starting_structures(config["molecule"], config["seed"])[1]).sample()
"""


def test_sampling_killed_anywhere_goes_on_to_the_same_bytes(tmp_path):
    config = CONFIG | {"start": "scratch"}  # the method's own dynamics, which is all in the cache
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path / "killed"), json.dumps(config)]
    cache = tmp_path / "killed" / "labels.cache"
    for lines in (60, 400):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (cache.exists() and cache.read_bytes().count(b"\n") > lines):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert RunFolder.open(tmp_path / "killed").status == "killed"
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    plan = RunFolder.open(tmp_path / "killed").results["sampling"]
    with RunFolder.create(tmp_path / "whole", "learn", config) as run:
        learning = Learning(run, "CO", starting_structures("CO", CONFIG["seed"])[1])
        run.result(sampling=plan)  # what depends on the clock is the plan, and only that
        learning.sample()
    names = ["structures.xyz", "train.xyz", "valid.xyz", "test_300K.xyz", "test_600K.xyz"]
    for name in names:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not cache.exists()
    sets = [read_samples(tmp_path / "whole" / name) for name in names]
    assert abs(len(sets[1]) + len(sets[2]) - 60) < 12
    assert {s.info["temperature"] for s in sets[4]} == {600.0}
    # No test structure is one of training: their distances differ.
    train, test = ([distances(s.system.positions) for s in sets[k]] for k in (1, 3))
    assert min(np.abs(a - b).max() for a in test for b in train) > 0.01


def sampled(folder, molecule, plan=None, **config) -> RunFolder:
    with RunFolder.create(folder, "learn", {**CONFIG, "molecule": molecule, **config}) as run:
        if plan is not None:
            run.result(sampling=plan.as_dict())
        Learning(run, molecule, starting_structures(molecule, 0)[1]).sample()
    return run


def test_the_general_model_explores_what_it_knows(tmp_path):
    """The method is then asked for labels only, of frames at all temperatures; the seed decides all."""
    options = {"n_atoms": 6, "seconds": 10.0, "seconds_per_evaluation": 0.005, "temperature": 300.0}
    plan = make_plan(**options, labels=60, seed=3, explored=True)
    run, _ = (sampled(tmp_path / name, "CO", plan) for name in "ab")
    assert run.results["explored_by"] == "general"
    # Conformers, vibrations and labels are fewer than the steps that the method would have had to run.
    evaluations = run.results["evaluations"] - plan.n_test_evaluations
    assert evaluations < 0.5 * plan.n_replicas * plan.steps
    train = read_samples(tmp_path / "a" / "train.xyz")
    frames = [s for s in train if s.info["origin"] == "dynamics"]
    assert len(frames) > 40
    assert {s.info["temperature"] for s in frames} == set(plan.temperatures)
    assert (tmp_path / "b" / "train.xyz").read_bytes() == (tmp_path / "a" / "train.xyz").read_bytes()


@pytest.mark.parametrize("why", ["unfamiliar", "scratch", "charged", "fails"])
def test_the_method_explores_what_the_general_model_does_not_know(why, tmp_path, monkeypatch):
    if why == "unfamiliar":
        monkeypatch.setattr("adiabat.tasks.learning.FAMILIAR", 1e-6)
    if why == "fails":

        def fail(*_, **__):
            raise SimulationError("two atoms collided")

        monkeypatch.setattr("adiabat.tasks.learning.model_trajectories", fail)
    molecule = "[NH4+]" if why == "charged" else "CO"
    run = sampled(tmp_path / "run", molecule, **({"start": "scratch"} if why == "scratch" else {}))
    plan = run.results["sampling"]
    assert run.results["explored_by"] == "gfn2"
    assert run.results["evaluations"] > plan["n_replicas"] * plan["steps"]


def test_a_structure_file_is_sampled_like_a_smiles_string(tmp_path, monkeypatch):
    """All sets are there, and the file's charge is honoured, when training begins."""

    def stop(_):
        raise InterruptedError

    monkeypatch.setattr(Learning, "train", stop)
    ammonium = starting_structures("[NH4+]", 0)[1][0]
    path = tmp_path / "ammonium.xyz"
    write_samples(path, [Sample(system=ammonium)])
    with pytest.raises(InterruptedError):
        learn(path, out=tmp_path / "run", minutes=0.05, labels=40)
    for name in ("train", "valid", "test_300K", "test_600K"):
        samples = read_samples(tmp_path / "run" / f"{name}.xyz")
        assert {sample.system.charge for sample in samples} == {1}


def distances(positions: np.ndarray) -> np.ndarray:
    """Between all atoms [Å]."""
    return np.linalg.norm(positions[:, None] - positions, axis=-1)


@pytest.mark.slow
def test_from_a_molecule_to_a_report(tmp_path):
    """Water: the errors and the dynamics hold what is asked of them; resuming a finished run does nothing."""
    summary = learn("O", out=tmp_path / "run", minutes=2.5, labels=300)
    assert summary["errors"]["300 K"]["force_rmse_mev_per_ang"] < 25
    assert summary["nvt"]["temperature"] == pytest.approx(300, abs=40)
    assert abs(summary["nve"]["drift_ev_per_atom_ns"]) < 1e-3
    # No hole at short range: squeezed from 0.9 to 0.2 of its size, the molecule's energy only rises.
    model = adiabat.load(tmp_path / "run")
    water = adiabat.read(tmp_path / "run" / "test_300K.xyz")[0].system
    sizes = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
    squeezed = [System.create(water.numbers, np.asarray(water.positions) * size) for size in sizes]
    assert np.all(np.diff([float(model.predict(one).energy) for one in squeezed]) > 0)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "none is a neighbor in time" in page
    began = time.monotonic()
    again = learn("O", out=tmp_path / "run", minutes=2.5, labels=300, resume=True)
    assert again["errors"] == summary["errors"]
    assert time.monotonic() - began < 30
    with pytest.raises(ConfigError, match="finished"):
        learn("O", out=tmp_path / "run", minutes=2.5, labels=300)
