"""LAMMPS with our forces on one, two and four processes: the same numbers, whatever moves where."""

import json
import os
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import units
from tests.interfaces import lammps_program
from tests.networks.test_kernel import make

from adiabat.base import ConfigError
from adiabat.dynamics import VelocityVerlet, evaluate, run_dynamics
from adiabat.interfaces.lammps import numbers_of_types
from adiabat.networks import save_model
from adiabat.system import System, neighbor_list
from adiabat.testing import systems

ROOT = Path(__file__).parents[2]
MPIEXEC = Path(sys.executable).parent / "mpiexec"
# Processes that wait give way to each other, where there are fewer cores than processes.
GIVE_WAY = {"MPIR_CVAR_ENABLE_HEAVY_YIELD": "1", "MPIR_CVAR_POLLS_BEFORE_YIELD": "10", "NPROC": "1"}


def test_elements_are_told_by_masses():
    assert numbers_of_types(np.array([15.9994, 1.0])).tolist() == [8, 1]
    assert numbers_of_types(np.array([3.0, 3.0]), ["O", "H"]).tolist() == [8, 1]
    for masses, elements in (([3.0], None), ([1.0, 16.0], ["O"]), ([1.0], ["Hy"])):
        with pytest.raises(ConfigError, match=r"type|name"):
            numbers_of_types(np.array(masses), elements)


def environment() -> dict[str, str]:
    return {**os.environ, **GIVE_WAY, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}


def run(kind: str, ranks: int, folder: Path, steps: int = 0) -> dict[str, np.ndarray]:
    """What `lammps_program` finds on so many processes."""
    pytest.importorskip("lammps")
    out = folder / f"{kind}-{ranks}"
    program = [sys.executable, "-m", "mpi4py", lammps_program.__file__, kind, str(out), str(steps)]
    command = [str(MPIEXEC), "-n", str(ranks), *program]
    answer = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=3000)
    assert answer.returncode == 0, answer.stderr[-3000:] + answer.stdout[-3000:]
    return dict(np.load(f"{out}.npz"))


@pytest.mark.physics
@pytest.mark.parametrize(
    ("kind", "within"), [("argon", 1e-10), ("water-double", 1e-10), ("water", 2e-6)], ids=str
)
def test_ranks_agree(kind, within, tmp_path):
    """In a skewed box, also with our own evaluation: forces of the largest, energy an atom, pressure."""
    single = run(kind, 1, tmp_path)
    atoms = ase.io.read(tmp_path / f"{kind}-1.data", format="lammps-data")
    atoms.positions = single["positions"]
    system, potential = System.from_ase(atoms), lammps_program.potential_of(kind)
    ours = evaluate(potential.for_inference(), system, neighbor_list(system, potential.cutoff))
    pressure = -np.asarray(ours.stress)[(0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)] / (1e5 * units.Pascal)
    largest = np.abs(ours.forces).max()
    for found in (single, run(kind, 2, tmp_path), run(kind, 4, tmp_path)):
        assert abs(found["energy"] - float(ours.energy)) / len(atoms) < within
        assert found["sum"] == pytest.approx(found["energy"], abs=1e-8)
        np.testing.assert_allclose(found["forces"], ours.forces, atol=within * largest)
        # LAMMPS's unit of pressure has seven digits.
        np.testing.assert_allclose(
            found["pressure"], pressure, rtol=2e-7, atol=within * np.abs(pressure).max()
        )
        np.testing.assert_allclose(
            found["pressure"], single["pressure"], atol=within * np.abs(pressure).max()
        )


@pytest.mark.physics
def test_atoms_migrate(tmp_path):
    """10,000 steps of a liquid: atoms go from domain to domain, and nothing happens to the energy.

    Over the first hundred steps, before rounding has grown, domains and the whole have one trajectory.
    """
    steps = 10_000
    single, double = run("argon-liquid", 1, tmp_path, steps), run("argon-liquid", 2, tmp_path, steps)
    kinetic = 1.5 * 500 * units.kB * float(double["temperature"])
    assert double["moved"] > 100
    assert double["builds"] > 100
    np.testing.assert_allclose(double["totals"][:10], single["totals"][:10], rtol=1e-10)
    for found in (single, double):
        totals = found["totals"]
        drift = np.polyfit(np.linspace(0, 1, len(totals)), totals, 1)[0]
        assert np.ptp(totals) < 5e-3 * kinetic
        assert abs(drift) < 5e-4 * kinetic


@pytest.mark.physics
def test_command(tmp_path):
    """The command line on two processes: the constant-energy run that `adiabat.dynamics` does, from rest."""
    pytest.importorskip("lammps")
    system, potential = systems.water(64), make(channels=4, cutoff=3.0)
    save_model(tmp_path / "model.safetensors", potential)
    options = {"format": "lammps-data", "masses": True, "specorder": ["O", "H"]}
    ase.io.write(tmp_path / "water.data", system.to_ase(), **options)
    script = tmp_path / "in.lmp"
    script.write_text(
        "timestep 0.0001\nfix move all nve\ndump 1 all custom 50 positions.dump id type xu yu zu\n"
        "dump_modify 1 sort id format float %.12g\nrun 50\n"
    )

    def adiabat(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "adiabat", "lammps", "model.safetensors", "water.data", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=900
        )

    answer = adiabat("in.lmp", "--ranks", "2", "--json")
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    assert (said["atoms"], said["ranks"], said["steps"]) == (192, 2, 50)
    assert said["ghosts"] > 0
    masses = np.where(np.asarray(system.numbers) == 8, 15.999, 1.008)
    start = System.create(system.numbers, system.positions, cell=system.cell, pbc=True, masses=masses)
    ours = run_dynamics(start, potential, VelocityVerlet(timestep=0.1), steps=50, momenta=np.zeros((192, 3)))
    dumped = (tmp_path / "positions.dump").read_text().split("ITEM: ATOMS")[-1].splitlines()[1:]
    positions = np.array([line.split()[2:] for line in dumped], float)
    travelled = np.abs(ours.state.system.positions - np.asarray(system.positions)).max()
    np.testing.assert_allclose(positions, ours.state.system.positions, atol=1e-4 * travelled + 1e-8)

    for text, message in (
        ("units real\nrun 1\n", "units real"),
        ("comm_modify cutoff 3\nrun 1\n", "comm_modify"),
        ("rum 1\n", "LAMMPS refuses"),
        ("set atom 1 x 3.0 y 3.0 z 3.0\nset atom 2 x 3.0 y 3.0 z 3.0\nrun 1\n", "same place"),
    ):
        script.write_text(text)
        answer = adiabat("in.lmp")
        assert answer.returncode == 2, answer.stderr
        assert message in answer.stderr
    script.write_text("run 0\n")
    answer = adiabat("in.lmp", "--elements", "Si,H")
    assert answer.returncode == 2
    assert "Si" in answer.stderr
