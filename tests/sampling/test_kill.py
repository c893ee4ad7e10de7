"""kill -9 at random moments of a biased run, then resume: the same bits, the same lines."""

import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from adiabat.io.trajectory import read_trajectory

pytestmark = pytest.mark.slow

RUN = """
import sys, json
import adiabat.dynamics
import adiabat.dynamics.simulation as simulation
from adiabat.dynamics import Langevin
from adiabat.potentials import LennardJones
from adiabat.sampling import OPES, Coordination, Distance, Metadynamics
from adiabat.tasks.replicas import simulate_replicas
from adiabat.tasks.simulate import simulate
from adiabat.testing import systems

def often(run):
    return lambda *args, **options: run(*args, **options, checkpoint_seconds=0.05)
for name in ("run_dynamics", "run_replicas"):
    setattr(adiabat.dynamics, name, often(getattr(adiabat.dynamics, name)))
simulation._CHUNK_SECONDS = 0.02
out, kind, walkers, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
variables = [Distance(atoms=[0, 5]), Coordination(first=range(6), distance=4.0)]
bias = {"opes": OPES, "metadynamics": Metadynamics}[kind](
    variables=variables, widths=[0.2, 0.3], every=50, shared=walkers > 1
)
options = {"bias": bias, "steps": steps, "record_every": 25, "out": out, "resume": True}
argon, potential = systems.argon(32), LennardJones(cutoff=6.0)
langevin = Langevin(timestep=4, temperature=90, friction=0.01)
if walkers == 1:
    runs = [simulate(argon, potential, langevin, seed=2, **options)]
else:
    runs = simulate_replicas([argon] * walkers, potential, [langevin] * walkers, **options)
print(json.dumps([float(x).hex() for run in runs for x in run.velocities.ravel()]))
"""
STEPS = {1: 6000, 3: 1500}


def start(folder, kind, walkers):
    command = [sys.executable, "-c", RUN, str(folder), kind, str(walkers), str(STEPS[walkers])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def step(folder):
    """Of the newest checkpoint."""
    names = [path.stem for path in folder.glob("checkpoints/step-*.safetensors")]
    return max((int(name.removeprefix("step-")) for name in names), default=0)


@pytest.mark.parametrize("walkers", [1, 3])
@pytest.mark.parametrize("kind", ["metadynamics", "opes"])
def test_kill(tmp_path, kind, walkers):
    """Velocities, bias and all tables are those of a run that was never interrupted, also of walkers that
    share one bias: the hills of all of them are in one file."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    velocities = finish(start(whole, kind, walkers))
    moments, kills = random.Random(kind), 0
    for _ in range(6):
        process = start(parts, kind, walkers)
        later = step(parts) + moments.randint(1, STEPS[walkers] // 7)
        while step(parts) < later and process.poll() is None:
            time.sleep(0.005)
        if process.poll() is not None:
            finish(process)
            break
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        kills += 1
    assert kills >= 3
    assert finish(start(parts, kind, walkers)) == velocities
    files = sorted(path.relative_to(whole) for path in whole.rglob("trajectory.h5"))
    assert len(files) == walkers
    for file in files:
        one, other = (read_trajectory(folder / file) for folder in (whole, parts))
        assert np.array_equal(one.positions, other.positions)
        for name, values in one.observables.items():
            assert np.array_equal(values, other.observables[name]), name
        assert (whole / file).with_name("COLVAR").read_text() == (parts / file).with_name(
            "COLVAR"
        ).read_text()
    hills = [path.relative_to(whole) for path in whole.rglob("HILLS")]
    assert len(hills) == (kind == "metadynamics")
    for file in hills:
        rows = (whole / file).read_text()
        assert rows == (parts / file).read_text()
        assert rows.count("\n ") == STEPS[walkers] // 50 * walkers
