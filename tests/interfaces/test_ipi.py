"""i-PI moves the atoms, our client gives the forces."""

import os
import subprocess
import sys
import time
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import units
from tests.networks.test_kernel import make

from adiabat.base import ConfigError
from adiabat.dynamics import VelocityVerlet, evaluate, run_dynamics
from adiabat.networks import save_model
from adiabat.system import System, neighbor_list
from adiabat.tasks.ipi import ipi
from adiabat.testing import systems

STEPS, TIMESTEP = 40, 0.25
INPUT = """
<simulation verbosity='low'>
  <output prefix='out'>
    <properties stride='1' filename='energies'> [ step, conserved, potential, kinetic_md ] </properties>
    <trajectory filename='positions' stride='{steps}' format='xyz'> positions{{angstrom}} </trajectory>
  </output>
  <total_steps>{steps}</total_steps>
  <ffsocket name='driver' mode='unix'> <address>{address}</address> <latency>1e-3</latency> </ffsocket>
  <system>
    <initialize nbeads='1'> <file mode='ase'> start.xyz </file> </initialize>
    <forces> <force forcefield='driver'/> </forces>
    <motion mode='dynamics'> <dynamics mode='nve'> <timestep units='femtosecond'> {timestep} </timestep>
    </dynamics> </motion>
  </system>
</simulation>
"""


@pytest.mark.physics
def test_dynamics_by_ipi(tmp_path):
    """From rest, the trajectory of our own velocity Verlet; the energy i-PI conserves is ours."""
    pytest.importorskip("ipi")
    system, potential = systems.water(27), make(channels=4, cutoff=3.0, scale=0.05)
    save_model(tmp_path / "model.safetensors", potential)
    ase.io.write(tmp_path / "start.xyz", system.to_ase(), format="extxyz")
    address = f"adiabat-{os.getpid()}"
    (tmp_path / "input.xml").write_text(INPUT.format(steps=STEPS, timestep=TIMESTEP, address=address))
    server = subprocess.Popen(
        [str(Path(sys.executable).parent / "i-pi"), "input.xml"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        socket = Path(f"/tmp/ipi_{address}")
        for _ in range(600):
            if socket.exists() or server.poll() is not None:
                break
            time.sleep(0.1)
        assert server.poll() is None, server.communicate()[0]
        command = [
            sys.executable,
            "-m",
            "adiabat",
            "ipi",
            "model.safetensors",
            "start.xyz",
            "--unix",
            address,
        ]
        client = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900)
        assert client.returncode == 0, client.stderr
        server.wait(60)
    finally:
        server.kill()
    assert int(client.stdout.split()[-1]) >= STEPS + 1
    energies = np.loadtxt(tmp_path / "out.energies") * units.Hartree
    ours = evaluate(potential.for_inference(), system, neighbor_list(system, potential.cutoff))
    assert energies[0, 2] == pytest.approx(float(ours.energy), rel=1e-8)  # i-PI's Hartree
    gained = energies[-1, 3]
    assert gained > 0.05
    assert np.ptp(energies[:, 1]) < 0.02 * gained + 2e-3  # i-PI writes nine digits
    moved = run_dynamics(
        system, potential, VelocityVerlet(timestep=TIMESTEP), steps=STEPS, momenta=np.zeros((81, 3))
    )
    found = ase.io.read(tmp_path / "out.positions_0.xyz", index=-1).positions
    travelled = np.abs(moved.state.system.positions - np.asarray(system.positions)).max()
    np.testing.assert_allclose(found, moved.state.system.positions, atol=0.01 * travelled)


def test_no_server():
    water = System.create([8], [[0.0, 0, 0]])
    with pytest.raises(ConfigError, match="no i-PI server answers at unix socket 'nobody-there'"):
        ipi(make(channels=4), water, unix="nobody-there")
