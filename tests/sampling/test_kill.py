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
import numpy as np
import adiabat.dynamics.simulation as simulation
import adiabat.tasks.simulate as tasks
from adiabat.dynamics import Langevin
from adiabat.potentials import LennardJones
from adiabat.sampling import OPES, Coordination, Distance, Metadynamics
from adiabat.testing import systems

original = simulation.run_dynamics
def often(*args, **options):
    return original(*args, **options, checkpoint_seconds=0.05)
import adiabat.dynamics
adiabat.dynamics.run_dynamics = often
simulation._CHUNK_SECONDS = 0.02
variables = [Distance(atoms=[0, 5]), Coordination(first=range(6), distance=4.0)]
kind = {"opes": OPES, "metadynamics": Metadynamics}[sys.argv[2]]
run = tasks.simulate(
    systems.argon(32), LennardJones(cutoff=6.0),
    Langevin(timestep=4, temperature=90, friction=0.01),
    bias=kind(variables=variables, widths=[0.2, 0.3], every=50),
    steps=20000, record_every=25, seed=2, out=sys.argv[1], resume=True,
)
print(json.dumps([float(x).hex() for x in run.velocities.ravel()]))
"""


def start(folder, kind):
    command = [sys.executable, "-c", RUN, str(folder), kind]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def step(folder):
    """Of the newest checkpoint."""
    names = [path.stem for path in folder.glob("checkpoints/step-*.safetensors")]
    return max((int(name.removeprefix("step-")) for name in names), default=0)


@pytest.mark.parametrize("kind", ["metadynamics", "opes"])
def test_kill(tmp_path, kind):
    """Velocities, bias and both tables are those of a run that was never interrupted."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    velocities = finish(start(whole, kind))
    moments, kills = random.Random(kind), 0
    for _ in range(6):
        process, later = start(parts, kind), step(parts) + moments.randint(1, 3000)
        while step(parts) < later and process.poll() is None:
            time.sleep(0.005)
        if process.poll() is not None:
            finish(process)
            break
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        kills += 1
    assert kills >= 3
    assert finish(start(parts, kind)) == velocities
    one, other = (read_trajectory(folder / "trajectory.h5") for folder in (whole, parts))
    assert np.array_equal(one.positions, other.positions)
    for name, values in one.observables.items():
        assert np.array_equal(values, other.observables[name]), name
    for table in ("COLVAR", "HILLS") if kind == "metadynamics" else ("COLVAR",):
        assert (whole / table).read_text() == (parts / table).read_text()
