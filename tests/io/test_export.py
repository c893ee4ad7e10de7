"""Exported trajectories, read back by the programs they are for."""

import sys

import ase.io
import numpy as np
import pytest

from adiabat.base import ConfigError, DataError, MissingDependencyError
from adiabat.io.export import export_trajectory
from adiabat.io.trajectory import Trajectory, TrajectoryWriter
from adiabat.system import System
from adiabat.tasks.export import export

N_FRAMES = 7


def make(periodic=True, left_handed=False, seed=0):
    """Five atoms in a skewed and turned cell that changes, 2.5 fs between frames."""
    rng = np.random.default_rng(seed)
    cell = np.diag([9.0, 10.0, 11.0]) + rng.normal(scale=1.0, size=(3, 3))
    cell = cell @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    if (np.linalg.det(cell) < 0) != left_handed:
        cell[2] *= -1
    scale = 1 + 0.01 * np.arange(N_FRAMES)
    cells = scale[:, None, None] * (cell if periodic else np.zeros((3, 3)))
    positions = rng.normal(scale=6.0, size=(N_FRAMES, 5, 3)).astype(np.float32)  # also outside the cell
    numbers = [8, 1, 1, 6, 17]
    template = System.create(numbers, positions[0].astype(float), cell=cells[0], pbc=(periodic,) * 3)
    velocities = rng.normal(scale=0.01, size=positions.shape).astype(np.float32)
    energies = {"potential_energy": rng.normal(size=N_FRAMES)}
    return Trajectory(
        template, 5 * np.arange(N_FRAMES), 2.5 * np.arange(N_FRAMES), positions, velocities, cells, energies
    )


def gram(vectors):
    return vectors @ np.swapaxes(vectors, -1, -2)


def chirality(positions):
    """Signed volume of four of the atoms: tells a structure from its mirror image."""
    arms = positions[:, 1:4] - positions[:, :1]
    return np.linalg.det(arms)


def arrangement(positions, cells=None):
    """What does not depend on the orientation: all distances, also across the cell."""
    flat = positions if cells is None else np.concatenate([positions, positions + cells[:, :1]], axis=1)
    return np.linalg.norm(flat[:, :, None] - flat[:, None], axis=-1)


def same(trajectory, positions, cells, times, precision):
    expected = trajectory.positions.astype(float)
    np.testing.assert_allclose(times, trajectory.times / 1000, atol=1e-5)
    if cells is None:
        np.testing.assert_allclose(positions, expected, atol=precision)
        return
    lattice = np.array(trajectory.cells)
    lattice[np.linalg.det(lattice) < 0, 2] *= -1
    np.testing.assert_allclose(gram(cells), gram(lattice), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(
        arrangement(positions, cells), arrangement(expected, lattice), atol=4 * precision
    )
    np.testing.assert_allclose(chirality(positions), chirality(expected), rtol=0.01, atol=0.1)


CASES = [(".xtc", 0.0006), (".dcd", 2e-5)]


@pytest.mark.physics
@pytest.mark.parametrize(("suffix", "precision"), CASES)
@pytest.mark.parametrize("kind", ["molecule", "cell", "left-handed"])
def test_mdanalysis_reads_what_was_written(tmp_path, suffix, precision, kind):
    mda = pytest.importorskip("MDAnalysis")
    trajectory = make(kind != "molecule", kind == "left-handed")
    path, topology = export_trajectory(trajectory, tmp_path / f"run{suffix}")
    universe = mda.Universe(str(topology), str(path))
    assert universe.atoms.n_atoms == 5
    assert [e.capitalize() for e in universe.atoms.elements] == ["O", "H", "H", "C", "Cl"]
    frames = [(ts.positions.copy(), ts.triclinic_dimensions, ts.time) for ts in universe.trajectory]
    positions, cells, times = (list(column) for column in zip(*frames, strict=True))
    box = None if kind == "molecule" else np.array(cells, dtype=float)
    same(trajectory, np.array(positions, dtype=float), box, np.array(times), precision)


@pytest.mark.physics
@pytest.mark.parametrize(("suffix", "precision"), CASES)
@pytest.mark.parametrize("periodic", [False, True])
def test_mdtraj_reads_what_was_written(tmp_path, suffix, precision, periodic):
    pytest.importorskip("MDAnalysis")
    mdtraj = pytest.importorskip("mdtraj")
    trajectory = make(periodic)
    path, topology = export_trajectory(trajectory, tmp_path / f"run{suffix}")
    found = mdtraj.load(str(path), top=str(topology))
    assert [atom.element.symbol for atom in found.topology.atoms] == ["O", "H", "H", "C", "Cl"]
    box = 10 * found.unitcell_vectors.astype(float) if periodic else None
    times = found.time if suffix == ".xtc" else trajectory.times / 1000  # mdtraj does not read those of a DCD
    same(trajectory, 10 * found.xyz.astype(float), box, times, precision + 2e-6)


def test_extended_xyz_keeps_every_digit(tmp_path):
    trajectory = make()
    [path] = export_trajectory(trajectory, tmp_path / "run.xyz")
    frames = ase.io.read(path, ":")
    assert np.array_equal([frame.positions for frame in frames], trajectory.positions.astype(float))
    assert np.array_equal([frame.cell.array for frame in frames], trajectory.cells)
    assert [frame.info["time"] for frame in frames] == trajectory.times.tolist()
    assert [frame.get_potential_energy() for frame in frames] == trajectory.observables[
        "potential_energy"
    ].tolist()
    assert np.array_equal(frames[3].arrays["velocities"], trajectory.velocities[3].astype(float))


def test_a_missing_library_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "MDAnalysis", None)
    with pytest.raises(MissingDependencyError, match=r"adiabat\[trajectories\]"):
        export_trajectory(make(), tmp_path / "run.xtc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.physics
def test_a_dcd_has_no_place_for_uneven_times(tmp_path):
    pytest.importorskip("MDAnalysis")
    trajectory = make()
    trajectory.times[3] += 1.0
    with pytest.raises(DataError, match="evenly spaced"):
        export_trajectory(trajectory, tmp_path / "run.dcd")
    assert list(tmp_path.iterdir()) == []
    export_trajectory(trajectory, tmp_path / "run.xtc")


def test_the_task(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    trajectory = make()
    with TrajectoryWriter.create(
        run / "trajectory.h5", trajectory.template, {"potential_energy": "eV"}
    ) as writer:
        writer.append(trajectory)
    out = tmp_path / "new" / "frames.xyz"
    assert export(run, out=out) == {"frames": N_FRAMES, "atoms": 5, "out": str(out)}
    with pytest.raises(ConfigError, match="exists"):
        export(run, out=out)
    assert export(run / "trajectory.h5", out=out, force=True)["frames"] == N_FRAMES
    with pytest.raises(ConfigError, match=r"ends in \.xtc"):
        export(run, out=tmp_path / "run.trr")
    with pytest.raises(DataError, match="has no trajectory"):
        export(tmp_path / "new", out=tmp_path / "other.xyz")
    run.rename(tmp_path / "new" / "replica-001")
    with pytest.raises(DataError, match="has no trajectory") as caught:
        export(tmp_path / "new", out=tmp_path / "other.xyz")
    assert "choose one of its replicas" in caught.value.hint
    assert "replica-001" in caught.value.hint
