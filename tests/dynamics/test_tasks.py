"""`simulate` and `md` as a user calls them."""

import ase.build
import ase.io
import numpy as np
import pytest

from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.base.runs import RunFolder
from adiabat.dynamics import CellRescaling, Langevin, constrain
from adiabat.potentials import LennardJones
from adiabat.sampling import Distance, Restraint
from adiabat.system import System
from adiabat.tasks.md import md
from adiabat.tasks.replicas import md_replicas, of_replicas
from adiabat.tasks.simulate import simulate
from adiabat.tasks.structure import as_system
from adiabat.testing import EinsteinCrystal, systems

ARGON = systems.argon(4, displacement=0.1)
POTENTIAL = LennardJones(cutoff=5.0)


def test_simulate_in_memory():
    run = simulate(ARGON, POTENTIAL, Langevin(temperature=60, timestep=2), steps=40, record_every=4)
    assert run.folder is None
    assert len(run.trajectory) == run.summary["frames"] == 11
    assert run.summary["time_ps"] == pytest.approx(0.08)
    assert np.array_equal(run.system.positions.astype(np.float32), run.trajectory.positions[-1])
    np.testing.assert_allclose(run.velocities, run.trajectory.velocities[-1], rtol=1e-6)


def test_velocities_given():
    velocities = np.zeros((4, 3))
    velocities[0, 0] = 1e-3
    run = simulate(ARGON, POTENTIAL, Langevin(temperature=60), steps=1, record_every=1, velocities=velocities)
    np.testing.assert_allclose(run.trajectory.velocities[0], velocities)


@pytest.mark.parametrize("velocities", [np.zeros((3, 3)), np.full((4, 3), np.nan)])
def test_wrong_velocities_are_refused(velocities):
    with pytest.raises(ConfigError, match="4 x 3 finite numbers"):
        simulate(ARGON, POTENTIAL, Langevin(temperature=60), steps=1, velocities=velocities)


def test_a_run_is_resumed_with_its_own_velocities_and_not_to_fewer_steps(tmp_path):
    options = {"record_every": 5, "out": tmp_path / "run", "resume": True}
    start = np.zeros((4, 3))
    simulate(ARGON, POTENTIAL, Langevin(temperature=60), steps=20, velocities=start, **options)
    with pytest.raises(ConfigError, match="velocities is"):
        simulate(ARGON, POTENTIAL, Langevin(temperature=60), steps=40, velocities=start + 1e-3, **options)
    with pytest.raises(ConfigError, match="20 steps already"):
        simulate(ARGON, POTENTIAL, Langevin(temperature=60), steps=10, velocities=start, **options)


def test_md_writes_a_run_folder(tmp_path):
    structure = tmp_path / "start.xyz"
    ase.io.write(structure, ARGON.to_ase())
    options = {"out": tmp_path / "run", "temperature": 60, "timestep": 2, "record_every": 5}
    run = md(POTENTIAL, structure, steps=20, **options)
    folder = RunFolder.open(tmp_path / "run")
    assert folder.status == "finished"
    assert folder.config["integrator"] == {
        "kind": "langevin",
        "timestep": 2.0,
        "temperature": 60.0,
        "friction": 0.01,
    }
    assert folder.results["frames"] == len(run.trajectory) == 5
    with pytest.raises(ConfigError, match="finished run"):
        md(POTENTIAL, structure, steps=20, **options)
    with pytest.raises(ConfigError, match="begun otherwise"):
        md(POTENTIAL, structure, steps=20, resume=True, **(options | {"temperature": 61}))
    longer = md(POTENTIAL, structure, steps=40, resume=True, **options)
    assert np.array_equal(longer.trajectory.positions[:5], run.trajectory.positions)
    assert longer.summary["steps"] == 40
    ase.io.write(structure, systems.argon(32, displacement=0.1).to_ase())
    with pytest.raises(ConfigError, match="the structure of the run to be resumed"):
        md(POTENTIAL, structure, steps=60, resume=True, **options)
    again = md(POTENTIAL, structure, steps=20, force=True, ensemble="nve", **options)
    assert again.summary["frames"] == 5


def test_ensembles(tmp_path):
    with pytest.raises(UnsupportedError, match="periodic"):
        md(POTENTIAL, systems.argon_cluster(7), steps=1, ensemble="npt", out=tmp_path / "a")
    with pytest.raises(ConfigError, match="nvt"):
        md(POTENTIAL, ARGON, steps=1, ensemble="nvtt", out=tmp_path / "a")
    with pytest.raises(ConfigError, match="no pressure to set"):
        md(POTENTIAL, ARGON, steps=1, ensemble="nvt", pressure=1.0, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_constant_pressure(tmp_path):
    """The folder says what was run, and a run with another pressure is not gone on with."""
    out = tmp_path / "npt"
    options = {"ensemble": "npt", "temperature": 40.0, "timestep": 2.0, "out": out}
    run = md(POTENTIAL, ARGON, steps=40, pressure=0.1, **options)
    assert RunFolder.open(out).config["barostat"]["pressure"] == 0.1
    assert 0 <= run.summary["barostat_accepted"] <= 1
    assert run.summary["density_g_per_cm3"] > 1
    assert len(np.unique(run.trajectory.cells[:, 0, 0])) > 1
    with pytest.raises(ConfigError, match="begun otherwise"):
        md(POTENTIAL, ARGON, steps=60, pressure=0.2, resume=True, **options)


def test_replicas(tmp_path):
    """Each frame a start, each with its seed and temperature; the folder tells, and a run goes on."""
    starts = tmp_path / "starts.xyz"
    ase.io.write(starts, [systems.argon(32, displacement=0.05, seed=k).to_ase() for k in range(2)])
    options = {"integrator": Langevin(timestep=2, temperature=40), "out": tmp_path / "run", "seed": 3}
    runs = md_replicas(POTENTIAL, f"{starts}@:", steps=30, replicas=3, temperatures=[30, 60, 90], **options)
    assert [run.folder.name for run in runs] == ["replica-000", "replica-001", "replica-002"]
    assert [len(run.trajectory) for run in runs] == [4, 4, 4]
    folder = RunFolder.open(tmp_path / "run")
    assert folder.config["seeds"] == [3, 4, 5]
    assert [one["integrator"]["temperature"] for one in folder.config["replicas"]] == [30, 60, 90]
    assert np.array_equal(runs[0].trajectory.positions[0], runs[2].trajectory.positions[0])
    assert not np.array_equal(runs[0].trajectory.positions[-1], runs[2].trajectory.positions[-1])
    longer = md_replicas(
        POTENTIAL, f"{starts}@:", steps=50, replicas=3, temperatures=[30, 60, 90], resume=True, **options
    )
    assert np.array_equal(longer[1].trajectory.positions[:4], runs[1].trajectory.positions)
    assert of_replicas(longer)["frames"] == 6
    with pytest.raises(ConfigError, match="positive"):
        md_replicas(POTENTIAL, ARGON, steps=1, temperatures=[-3.0], **options)


def test_each_umbrella_center_has_a_replica(tmp_path):
    """Left out, there are as many; other numbers of them are refused before anything is made."""
    windows = [Restraint(variables=[Distance(atoms=[0, 1])], centers=[c], stiffness=[1.0]) for c in (3, 4, 5)]
    options = {"integrator": Langevin(timestep=2, temperature=40), "steps": 2, "out": tmp_path / "run"}
    for number, bias in ((2, windows), (5, windows), (2, windows[:1])):
        with pytest.raises(
            ConfigError, match=f"{len(bias)} umbrella centers need {len(bias)} replicas"
        ) as error:
            md_replicas(POTENTIAL, ARGON, bias=bias, replicas=number, **options)
        assert "leave --replicas out" in error.value.hint
    assert not (tmp_path / "run").exists()
    assert len(md_replicas(POTENTIAL, ARGON, bias=windows, **options)) == 3


def test_replicas_at_constant_pressure(tmp_path):
    """Each with its own cell, recorded in its trajectory and summed up; a molecule has no pressure."""
    options = {"integrator": Langevin(timestep=2, temperature=40), "steps": 30, "replicas": 2}
    barostat = CellRescaling(pressure=0.1, compressibility=0.3)
    runs = md_replicas(POTENTIAL, ARGON, barostat=barostat, out=tmp_path / "run", **options)
    folder = RunFolder.open(tmp_path / "run")
    assert [one["barostat"]["pressure"] for one in folder.config["replicas"]] == [0.1, 0.1]
    lengths = np.array([run.trajectory.cells[:, 0, 0] for run in runs])
    assert [len(np.unique(row)) for row in lengths] == [4, 4]
    assert lengths[0, -1] != lengths[1, -1]
    assert of_replicas(runs)["densities"] == [run.summary["density_g_per_cm3"] for run in runs]
    cluster = System.create(np.full(4, 18), 4.0 * np.arange(12.0).reshape(4, 3))
    with pytest.raises(UnsupportedError, match="periodic along all three"):
        md_replicas(POTENTIAL, cluster, barostat=barostat, out=tmp_path / "gas", **options)
    assert not (tmp_path / "gas").exists()


def test_slow_hydrogen_and_several_time_steps(tmp_path):
    """Fixed bonds, heavier hydrogen and an inner potential: recorded, and asked for again on a resume."""
    ethanol = systems.ethanol()
    potential, inner = (EinsteinCrystal(sites=ethanol.positions, stiffness=k) for k in (1.0, 0.9))
    options = {"temperature": 300, "timestep": 1.0, "record_every": 2, "out": tmp_path, "resume": True}
    options |= {"hydrogen_mass": 3.0, "inner": inner, "inner_steps": 2}
    run = md(potential, ethanol, steps=8, constraints="hydrogens", **options)
    config = RunFolder.open(tmp_path).config
    known = ("constraints", "hydrogen_mass", "inner_steps")
    assert [config[name] for name in known] == ["hydrogens", 3.0, 2]
    assert config["integrator"]["kind"] == "langevin"
    assert np.asarray(run.system.masses)[3:].tolist() == [3.0] * 6
    assert run.summary["time_ps"] == pytest.approx(0.008)
    bonds = np.asarray(constrain(ethanol, "hydrogens").atoms)[:, 0]
    lengths = np.linalg.norm(np.diff(run.system.positions[bonds], axis=1), axis=(1, 2))
    start = np.linalg.norm(np.diff(ethanol.positions[bonds], axis=1), axis=(1, 2))
    np.testing.assert_allclose(lengths, start, atol=0.01)
    with pytest.raises(ConfigError, match="constraints"):
        md(potential, ethanol, steps=12, **options)
    with pytest.raises(ConfigError, match="did you mean 'water'"):
        simulate(ethanol, potential, Langevin(), steps=1, constraints="waters")


def test_structure_of_several_frames(tmp_path, caplog):
    path = tmp_path / "frames.xyz"
    frames = [ase.build.molecule(name) for name in ("H2O", "CH4", "NH3")]
    ase.io.write(path, frames)
    assert as_system(f"{path}@1").n_atoms == 5
    assert as_system(f"{path}@-1").n_atoms == 4
    assert not caplog.records
    assert as_system(path).n_atoms == 3
    assert "several structures" in caplog.text
    with pytest.raises(ConfigError, match="no frame 3"):
        as_system(f"{path}@3")
    with pytest.raises(ConfigError, match="number of a frame"):
        as_system(f"{path}@last")
    with pytest.raises(DataError):
        as_system(tmp_path / "none.xyz")
    with pytest.raises(ConfigError, match="a structure is"):
        as_system(3)
