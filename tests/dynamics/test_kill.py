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
import adiabat.dynamics.simulation as simulation
import adiabat.tasks.simulate as tasks
from adiabat.dynamics import Langevin
from adiabat.potentials import LennardJones
from adiabat.testing import systems

original = simulation.run_dynamics
def often(*args, **options):
    return original(*args, **options, checkpoint_seconds=0.05)
import adiabat.dynamics
adiabat.dynamics.run_dynamics = often
simulation._CHUNK_SECONDS = 0.02
print("ready", flush=True)
run = tasks.simulate(
    systems.argon(32, displacement=0.1), LennardJones(cutoff=6.0),
    Langevin(timestep=4, temperature=150, friction=0.01),
    steps=int(sys.argv[2]), record_every=5, seed=2, out=sys.argv[1], resume=True,
)
print(json.dumps([float(x).hex() for x in run.velocities.ravel()]))
"""
STEPS = 3000


def start(folder):
    command = [sys.executable, "-c", RUN, str(folder), str(STEPS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def fingerprint(folder):
    trajectory = read_trajectory(folder / "trajectory.h5")
    digest = hashlib.sha256()
    for array in (
        trajectory.steps,
        trajectory.positions,
        trajectory.velocities,
        *trajectory.observables.values(),
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest(), len(trajectory)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    began = time.monotonic()
    velocities = finish(start(folder))
    return velocities, fingerprint(folder), time.monotonic() - began


def killed_and_resumed(folder, seconds, kills, seed, signum):
    """Kills at random moments after the first checkpoint, as often as asked or until the run is done."""
    moments, done = random.Random(seed), 0
    while done < kills:
        process = start(folder)
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


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_leave(tmp_path, uninterrupted, signum):
    velocities, expected, seconds = uninterrupted
    folder = tmp_path / "run"
    assert killed_and_resumed(folder, seconds, 1, 0, signum) == 1
    run = RunFolder.open(folder)
    assert run.status == "interrupted"
    assert finish(start(folder)) == velocities
    assert fingerprint(folder) == expected
