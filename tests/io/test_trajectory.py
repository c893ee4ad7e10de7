"""The H5MD file: exact, appendable, readable while written, and never half believed when damaged."""

import os
import subprocess
import sys

import ase.io
import h5py
import numpy as np
import pytest

from adiabat.base import DataError
from adiabat.io.trajectory import Trajectory, TrajectoryReader, TrajectoryWriter, read_trajectory
from adiabat.system import System

WATER = System.create([8, 1, 1], [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], charge=1, spin=1)
CRYSTAL = System.create(
    [18, 36], [[0, 0, 0], [2.6, 2.6, 0]], cell=np.eye(3) * 5.3, pbc=True, masses=[39.9, 83.0]
)
UNITS = {"potential_energy": "eV", "temperature": "K"}


def frames(template: System, start: int, count: int) -> Trajectory:
    random = np.random.default_rng(start)
    steps = np.arange(start, start + count)
    return Trajectory(
        template=template,
        steps=steps,
        times=0.5 * steps,
        positions=random.normal(size=(count, template.n_atoms, 3)).astype(np.float32),
        velocities=random.normal(size=(count, template.n_atoms, 3)).astype(np.float32),
        cells=np.repeat(np.asarray(template.cell)[None], count, axis=0),
        observables={name: random.normal(size=count) for name in UNITS},
    )


def same(one: Trajectory, other: Trajectory) -> bool:
    names = ("steps", "times", "positions", "velocities", "cells")
    arrays = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
    return arrays and all(np.array_equal(v, other.observables[k]) for k, v in one.observables.items())


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "trajectory.h5"
    with TrajectoryWriter.create(path, WATER, UNITS) as writer:
        for start in range(0, 40, 8):
            writer.append(frames(WATER, start, 8))
    return path


@pytest.mark.parametrize("template", [WATER, CRYSTAL])
def test_round_trip(tmp_path, template):
    path = tmp_path / "t.h5"
    with TrajectoryWriter.create(path, template, UNITS) as writer:
        writer.append(frames(template, 0, 5))
        writer.append(frames(template, 5, 7))
    back = read_trajectory(path)
    assert same(back, Trajectory.joined([frames(template, 0, 5), frames(template, 5, 7)]))
    assert back.template.charge == template.charge
    assert back.template.pbc == template.pbc
    assert np.array_equal(back.template.masses, template.masses)
    assert np.array_equal(back.template.positions, template.positions)
    with TrajectoryReader(path) as reader:
        assert reader.units == UNITS
        assert same(reader.read(2, 11, 3), back[2:11:3])
        assert len(reader.read(20)) == 0


def test_readable_while_written(tmp_path):
    with TrajectoryWriter.create(tmp_path / "t.h5", WATER, UNITS) as writer:
        writer.append(frames(WATER, 0, 3))
        code = f"import adiabat.io.trajectory as t; print(len(t.read_trajectory({str(writer.path)!r})))"
        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert shown.stdout.strip() == "3"


WRITE_FOREVER = """
import sys
from tests.io.test_trajectory import TrajectoryWriter, UNITS, WATER, frames
writer = TrajectoryWriter.create(sys.argv[1], WATER, UNITS)
for start in range(0, 10**5, 50):
    writer.append(frames(WATER, start, 50))
    writer.sync()
    print(start + 50, flush=True)
"""


@pytest.mark.parametrize("blocks", [1, 6, 15])
def test_survives_kill_at_any_moment(tmp_path, blocks):
    """A writer killed amid its work leaves every frame it had synced."""
    path = tmp_path / "t.h5"
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, path], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        synced = [int(child.stdout.readline()) for _ in range(blocks)][-1]
        child.kill()
    with TrajectoryWriter.resume(path, synced) as writer:
        assert writer.n_frames == synced
        writer.append(frames(WATER, synced, 50))
    expected = Trajectory.joined([frames(WATER, start, 50) for start in range(0, synced + 50, 50)])
    assert same(read_trajectory(path), expected)


def test_resume_cuts_to_the_checkpoint(path):
    with TrajectoryWriter.resume(path, 20) as writer:
        writer.append(frames(WATER, 100, 2))
    back = read_trajectory(path)
    assert np.array_equal(back.steps, [*range(20), 100, 101])
    with pytest.raises(DataError, match="has 22 frames"):
        TrajectoryWriter.resume(path, 30)


def test_layout_is_h5md(path):
    """What the format's specification demands, and what its readers look for."""
    with h5py.File(path) as file:
        assert list(file["h5md"].attrs["version"]) == [1, 1]
        assert file["h5md/creator"].attrs["name"] == "adiabat"
        group = file["particles/all"]
        assert group["position/value"].attrs["unit"] == "Angstrom"
        assert group["velocity/value"].attrs["unit"] == "Angstrom fs-1"
        assert group["position/time"].attrs["unit"] == "fs"
        assert list(group["box"].attrs["boundary"]) == ["none"] * 3
        assert "edges" not in group["box"]
        for element in (group["velocity"], file["observables/temperature"]):
            assert element["step"].id == group["position/step"].id
            assert len(element["value"]) == len(element["step"]) == 40


@pytest.mark.physics
def test_mdanalysis_reads_it(tmp_path):
    mda = pytest.importorskip("MDAnalysis")
    for template in (WATER, CRYSTAL):
        path = tmp_path / f"{template.n_atoms}.h5md"
        expected = frames(template, 0, 6)
        with TrajectoryWriter.create(path, template, UNITS) as writer:
            writer.append(expected)
        universe = mda.Universe.empty(template.n_atoms, trajectory=True)
        universe.load_new(str(path), format="H5MD")
        assert len(universe.trajectory) == 6
        for step, positions in zip(universe.trajectory, expected.positions, strict=True):
            np.testing.assert_allclose(step.positions, positions, rtol=1e-6)
        assert universe.trajectory[3].time == pytest.approx(1.5e-3)  # ps


def test_export(path, tmp_path):
    read_trajectory(path)[::10].write_extxyz(tmp_path / "t.xyz")
    shown = ase.io.read(tmp_path / "t.xyz", index=":")
    expected = read_trajectory(path)
    assert len(shown) == 4
    np.testing.assert_allclose(shown[1].positions, expected.positions[10])
    assert shown[1].get_potential_energy() == pytest.approx(expected.observables["potential_energy"][10])
    assert shown[1].info["step"] == 10


def test_every_damage_is_found(path):
    """Any flipped byte gives a typed error or changes nothing that is read."""
    good, data = read_trajectory(path), path.read_bytes()
    random, refused = np.random.default_rng(0), 0
    for place in random.integers(0, len(data), 150):
        broken = bytearray(data)
        broken[place] ^= 1 << random.integers(8)
        path.write_bytes(bytes(broken))
        try:
            assert same(read_trajectory(path), good)
        except DataError:
            refused += 1
    assert refused > 3  # most of a small file is room for more frames


@pytest.mark.parametrize("size", [0, 1, 100, 2000, -100, -1])
def test_cut_off_file(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError):
        read_trajectory(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no trajectory"):
        read_trajectory(tmp_path / "none.h5")
    for name, content in (("a.h5", b"not hdf5"), ("b.h5", b"\x80\x04\x95pickle"), ("c.h5", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError):
            read_trajectory(tmp_path / name)


def test_links_out_of_the_file_are_not_followed(path, tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["value"] = np.zeros((40, 3, 3), np.float32)
    with h5py.File(path, "r+") as file:
        del file["particles/all/velocity/value"]
        file["particles/all/velocity/value"] = h5py.ExternalLink(str(secret), "value")
    with pytest.raises(DataError, match="link"):
        read_trajectory(path)


def test_huge_header_allocates_nothing(path):
    with h5py.File(path, "r+") as file:
        file["particles/all/position/value"].resize(10**9, axis=0)
        file["adiabat/checksum"].resize(10**9, axis=0)
    with pytest.raises(DataError, match="holds less"):
        read_trajectory(path)


def test_full_disk(tmp_path):
    """A file may not grow: a typed error, and what was there stays."""
    code = f"""
import resource, sys
sys.path.insert(0, {os.getcwd()!r})
from tests.io.test_trajectory import *
path = {str(tmp_path / "t.h5")!r}
writer = TrajectoryWriter.create(path, WATER, UNITS)
writer.append(frames(WATER, 0, 100)); writer.sync()
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path) + 600_000,) * 2)
try:
    with writer:
        for start in range(100, 10**5, 100):
            writer.append(frames(WATER, start, 100))
except DataError as error:
    print("DataError:", error.message)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("DataError: cannot write"), shown.stdout
    with TrajectoryWriter.resume(tmp_path / "t.h5", 100):
        pass
    assert same(read_trajectory(tmp_path / "t.h5"), frames(WATER, 0, 100))
