"""kill -9 at random moments, then resume: the same bits as a run that was never interrupted."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from adiabat.base.runs import RunFolder
from adiabat.io.trajectory import read_trajectory

RUN = """
import sys, json
import adiabat.dynamics
import adiabat.dynamics.simulation as simulation
import adiabat.tasks.replicas, adiabat.tasks.simulate
from adiabat.dynamics import CellRescaling, Langevin, MultipleTimeSteps, PathIntegral
from adiabat.potentials import LennardJones
from adiabat.testing import systems

def often(run):
    return lambda *args, **options: run(*args, **options, checkpoint_seconds=0.05)
for name in ("run_dynamics", "run_path_integral", "run_replicas"):
    setattr(adiabat.dynamics, name, often(getattr(adiabat.dynamics, name)))
simulation._CHUNK_SECONDS = 0.02
out, steps, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
options = {"steps": steps, "record_every": 5, "out": out, "resume": True}
print("ready", flush=True)
system, potential = systems.argon(32, displacement=0.1), LennardJones(cutoff=6.0)
more = {"exchange": {"exchange_every": 20}, "pressure": {"barostat": CellRescaling(pressure=0.1)}}
more["solute"] = {"exchange_every": 20, "solute": range(8)}
if kind in more:
    thermostats = [Langevin(timestep=4, temperature=kelvin) for kelvin in (140.0, 150.0, 160.0)]
    simulate = adiabat.tasks.replicas.simulate_replicas
    runs = simulate([system] * 3, potential, thermostats, **more[kind], **options)
else:
    inner = LennardJones(sigma=3.3, cutoff=6.0)
    moves = {
        "langevin": Langevin,
        "path integral": lambda **given: PathIntegral(beads=4, **given),
        "several time steps": lambda **given: MultipleTimeSteps(
            integrator=Langevin(**given), inner=inner, inner_steps=2
        ),
    }[kind]
    integrator = moves(timestep=4, temperature=150, friction=0.01)
    runs = [adiabat.tasks.simulate.simulate(system, potential, integrator, seed=2, **options)]
print(json.dumps([float(x).hex() for run in runs for x in run.velocities.ravel()]))
"""
STEPS = 3000


def start(folder, kind="langevin"):
    command = [sys.executable, "-c", RUN, str(folder), str(STEPS), kind]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def fingerprint(folder):
    """Of every trajectory, and how many frames there are in all."""
    digest, count = hashlib.sha256(), 0
    for path in sorted(folder.rglob("trajectory.h5")):
        trajectory = read_trajectory(path)
        observables = trajectory.observables.values()
        arrays = (trajectory.steps, trajectory.positions, trajectory.velocities, trajectory.cells)
        for array in (*arrays, *observables):
            digest.update(np.ascontiguousarray(array).tobytes())
        count += len(trajectory)
    return digest.hexdigest(), count


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    began = time.monotonic()
    velocities = finish(start(folder))
    return velocities, fingerprint(folder), time.monotonic() - began


def killed_and_resumed(folder, seconds, kills, seed, signum, kind="langevin"):
    """Kills at random moments after the first checkpoint, as often as asked or until the run is done."""
    moments, done = random.Random(seed), 0
    while done < kills:
        process = start(folder, kind)
        begun = time.monotonic()
        while not list(folder.glob("checkpoints/*")) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.6 * seconds if done else 0.1 * seconds))
        if process.poll() is not None:
            finish(process)
            break
        process.send_signal(signum)
        process.communicate(timeout=60)
        done += 1
        assert time.monotonic() - begun < 300
    return done


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kill(tmp_path, uninterrupted, kills):
    velocities, expected, seconds = uninterrupted
    folder = tmp_path / "run"
    assert killed_and_resumed(folder, seconds, kills, kills, signal.SIGKILL) >= 1
    assert finish(start(folder)) == velocities
    assert fingerprint(folder) == expected
    run = RunFolder.open(folder)
    assert run.status == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["path integral", "several time steps", "exchange", "solute", "pressure"])
def test_kill_other_kinds(tmp_path, kind):
    """The same for rings of beads, for steps within steps, and for replicas that swap their temperatures or
    those of a solute, or have a cell of their own."""
    began = time.monotonic()
    velocities = finish(start(tmp_path / "whole", kind))
    seconds = time.monotonic() - began
    folder = tmp_path / "run"
    assert killed_and_resumed(folder, seconds, 5, 1, signal.SIGKILL, kind) >= 1
    assert finish(start(folder, kind)) == velocities
    assert fingerprint(folder) == fingerprint(tmp_path / "whole")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_leave(tmp_path, uninterrupted, signum):
    velocities, expected, seconds = uninterrupted
    folder = tmp_path / "run"
    assert killed_and_resumed(folder, seconds, 1, 0, signum) == 1
    run = RunFolder.open(folder)
    assert run.status == "interrupted"
    assert finish(start(folder)) == velocities
    assert fingerprint(folder) == expected
