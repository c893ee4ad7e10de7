"""HDF5 files of labelled structures: our own, SPICE's, ANI-1x's, damaged and hostile ones."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adiabat.base import AdiabatError, DataError
from adiabat.base.units import BOHR, HARTREE
from adiabat.io import Frame, open_frames, read_frames, write_dataset
from adiabat.system import System

INFO = st.dictionaries(
    st.text("abc_", min_size=1, max_size=4),
    st.one_of(
        st.integers(-9, 9),
        st.floats(allow_nan=False),
        st.text(max_size=5),
        st.booleans(),
        st.lists(st.floats(-1, 1), min_size=1, max_size=3).map(np.array),
    ),
    max_size=2,
)


def make_frame(seed, n_atoms, info=None, periodic=False, forces=True, stress=False, charge=0, masses=False):
    random = np.random.default_rng(seed)
    system = System.create(
        random.integers(1, 9, n_atoms),
        random.normal(size=(n_atoms, 3)),
        cell=np.diag([8.0, 9.0, 10.0]) if periodic else None,
        pbc=(True, periodic, True) if periodic else False,
        masses=random.uniform(1, 9, n_atoms) if masses else None,
        charge=charge,
    )
    found = dict(info or {}) | {"energy": float(random.normal())}
    if stress:
        found["stress"] = random.normal(size=(3, 3))
    return Frame(system, found, {"forces": random.normal(size=(n_atoms, 3))} if forces else {}, "made", seed)


def assert_same(one: Frame, other: Frame) -> None:
    for name in ("numbers", "positions", "cell", "masses"):
        np.testing.assert_array_equal(getattr(one.system, name), getattr(other.system, name))
    states = [
        (f.system.pbc, f.system.charge, f.system.spin, set(f.info), set(f.arrays)) for f in (one, other)
    ]
    assert states[0] == states[1]
    for values, others in ((one.info, other.info), (one.arrays, other.arrays)):
        for name in values:
            np.testing.assert_array_equal(values[name], others[name])


FRAMES = st.lists(
    st.builds(
        make_frame,
        seed=st.integers(0, 99),
        n_atoms=st.integers(1, 30),
        info=INFO,
        periodic=st.booleans(),
        forces=st.booleans(),
        stress=st.booleans(),
        charge=st.integers(-1, 1),
        masses=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(FRAMES)
def test_what_was_written_is_read(tmp_path_factory, frames):
    path = tmp_path_factory.mktemp("dataset") / "a.h5"
    write_dataset(path, iter(frames))
    stored = open_frames(path)
    assert len(stored) == len(frames)
    assert stored.n_atoms.tolist() == [frame.system.n_atoms for frame in frames]
    for number, (frame, found) in enumerate(zip(frames, stored, strict=True)):
        assert_same(frame, found)
        assert_same(found, stored[number])
        assert (found.source, found.index) == (str(path), number)


def test_units_and_sources_are_in_the_file(tmp_path):
    write_dataset(tmp_path / "a.h5", [make_frame(0, 3)])
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["atoms/forces"].attrs["unit"] == "eV/Angstrom"
        assert json.loads(file.attrs["source"]) == ["made"]
        assert file["frames/stress"].id.get_storage_size() == 0  # nobody has one


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.h5"
    write_dataset(path, [make_frame(0, 3)])
    with pytest.raises(DataError, match="not plain data"):
        write_dataset(path, [make_frame(k, 3, {"what": object()} if k == 300 else None) for k in range(301)])
    assert len(open_frames(path)) == 1
    assert os.listdir(tmp_path) == ["a.h5"]


FULL = """
import resource, sys
sys.path.insert(0, {here!r})
from tests.io.test_dataset import *
write_dataset({path!r}, [make_frame(0, 3)])
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000,) * 2)
try:
    write_dataset({path!r}, (make_frame(k % 9, 20) for k in range(10_000)))
except DataError as error:
    print("refused:", error.message)
print(len(open_frames({path!r})))
"""


def test_full_disk(tmp_path):
    """A file may not grow: a typed error, and what was there stays."""
    code = FULL.format(here=os.getcwd(), path=str(tmp_path / "a.h5"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused: cannot write")
    assert done.stdout.endswith("\n1\n")
    assert os.listdir(tmp_path) == ["a.h5"]


def spice(path, units=True):
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for name, numbers, smiles in (
            ("water", [8, 1, 1], "[O:1]([H:2])[H:3]"),
            ("ions", [11, 17, 1], "[Na+:1].[Cl-:2].[H+:3]"),
        ):
            group = file.create_group(name)
            group.create_dataset("smiles", data=[smiles], dtype=h5py.string_dtype())
            group.create_dataset("atomic_numbers", data=np.array(numbers, np.int16))
            for key, shape, unit in (
                ("conformations", (4, 3, 3), "bohr"),
                ("dft_total_gradient", (4, 3, 3), "hartree/bohr"),
                ("dft_total_energy", (4,), "hartree"),
                ("scf_dipole", (4, 3), "elementary_charge*bohr"),
            ):
                group.create_dataset(
                    key, data=random.normal(size=shape).astype(np.float32), compression="gzip"
                )
                if units:
                    group[key].attrs["units"] = unit
    return path


@pytest.mark.parametrize("units", [True, False])
def test_spice(tmp_path, units):
    path = spice(tmp_path / "spice.hdf5", units)
    frames = read_frames(path)
    assert [frame.info["name"] for frame in frames] == ["ions"] * 4 + ["water"] * 4
    assert [frame.system.charge for frame in frames] == [1] * 4 + [0] * 4
    with h5py.File(path) as file:
        group = {k: np.asarray(v, float) for k, v in file["water"].items() if k != "smiles"}
    for k, frame in enumerate(frames[4:]):
        assert frame.system.numbers.tolist() == [8, 1, 1]
        np.testing.assert_allclose(frame.system.positions, group["conformations"][k] * BOHR)
        assert frame.info["energy"] == pytest.approx(group["dft_total_energy"][k] * HARTREE)
        np.testing.assert_allclose(
            frame.arrays["forces"], -group["dft_total_gradient"][k] * (HARTREE / BOHR), rtol=1e-12
        )
        np.testing.assert_allclose(frame.info["dipole"], group["scf_dipole"][k] * BOHR, rtol=1e-12)
    ion = frames[0].system  # its dipole is stored about the origin
    center = np.average(ion.positions, axis=0, weights=ion.masses)
    with h5py.File(path) as file:
        about_origin = np.asarray(file["ions/scf_dipole"], float)[0] * BOHR
    np.testing.assert_allclose(frames[0].info["dipole"], about_origin - center, rtol=1e-12)
    assert_same(open_frames(path)[5], frames[5])


@pytest.mark.parametrize("prefix", ["wb97x_dz.", ""])
def test_ani(tmp_path, prefix):
    """Energies that are missing leave a conformer out, forces that are missing are not there."""
    random = np.random.default_rng(1)
    positions, forces = random.normal(size=(2, 5, 2, 3))
    energies = random.normal(size=5)
    energies[1], forces[3] = np.nan, np.nan
    with h5py.File(tmp_path / "ani.h5", "w") as file:
        group = file.create_group("H2")
        group.create_dataset("atomic_numbers", data=np.array([1, 1], np.uint8))
        group.create_dataset("coordinates", data=positions)
        group.create_dataset(f"{prefix}energy", data=energies)
        group.create_dataset(f"{prefix}forces", data=forces)
        group.create_dataset("wb97x_tz.energy", data=energies)
        group.create_dataset(f"{prefix}dipole", data=forces[:, 0])
    frames = open_frames(tmp_path / "ani.h5")
    assert [frame.info["energy"] for frame in frames] == pytest.approx(energies[[0, 2, 3, 4]] * HARTREE)
    assert [set(frame.arrays) for frame in frames] == [{"forces"}, {"forces"}, set(), {"forces"}]
    np.testing.assert_allclose(frames[1].arrays["forces"], forces[2] * HARTREE)
    np.testing.assert_allclose(frames[1].info["dipole"], forces[2, 0])
    assert "dipole" not in frames[2].info
    np.testing.assert_array_equal(frames[-1].system.positions, positions[4])


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    """It has no columns for dipoles and charges."""
    system = System.create([1, 1], [[0, 0, 0], [0, 0, 0.75]])
    frame = Frame(system, {"energy": 1.0, "dipole": np.ones(3)}, {"charges": np.array([0.5, -0.5])})
    write_dataset(tmp_path / "new.h5", [frame])
    assert open_frames(tmp_path / "new.h5").labels == ("energy", "dipole")
    with h5py.File(tmp_path / "new.h5", "a") as file:
        del file["frames/dipole"], file["atoms/charges"]
    old = open_frames(tmp_path / "new.h5")
    assert old.labels == ("energy",)
    assert old[0].info == {"energy": 1.0}


def test_an_unknown_unit_is_refused(tmp_path):
    with h5py.File(spice(tmp_path / "spice.h5"), "a") as file:
        file["water/conformations"].attrs["units"] = "furlong"
    with pytest.raises(DataError, match="'furlong', which is no known unit"):
        open_frames(tmp_path / "spice.h5")


def test_another_layout_is_named(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["molecules/energies"] = np.zeros(3)
    with pytest.raises(
        DataError, match=r"it holds molecules, molecules/energies(.|\n)*conformations"
    ) as caught:
        open_frames(tmp_path / "other.h5")
    assert "other.h5" in str(caught.value)


def _cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _flip(path):
    with h5py.File(path) as file:
        offset = file["atoms/positions"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 5] ^= 0xFF
    path.write_bytes(content)


def _edit(change):
    def edit(path):
        with h5py.File(path, "a") as file:
            change(file)

    return edit


def _replaced(name, **created):
    def replace(file):
        del file[name]
        file.create_dataset(name, **created)

    return _edit(replace)


def _linked(name, link):
    def replace(file):
        del file[name]
        file[name] = link

    return _edit(replace)


HOSTILE = {
    "cut": _cut,
    "flipped": _flip,
    "text": lambda path: path.write_text("energy"),
    "empty": lambda path: path.write_bytes(b""),
    "external link": _linked("atoms/positions", h5py.ExternalLink("/etc/passwd", "/")),
    "soft link": _linked("atoms/positions", h5py.SoftLink("/atoms/forces")),
    "objects": _replaced("atoms/numbers", shape=(9,), dtype=h5py.string_dtype()),
    "claims": _replaced("atoms/positions", shape=(1 << 40, 3), dtype="f8", chunks=(1024, 3)),
    "counts": _replaced("frames/n_atoms", shape=(1 << 40,), dtype="i4", chunks=(1024,)),
    "negative": _replaced("frames/n_atoms", data=np.array([-3, 3, 3], "i4")),
    "no whole numbers": _replaced("frames/n_atoms", data=np.array([3.0, 3.0, 3.0])),
    "shape": _replaced("atoms/positions", data=np.zeros((9, 2))),
    "not finite": _replaced("atoms/positions", data=np.full((9, 3), np.nan)),
    "elements": _replaced("atoms/numbers", data=np.full(9, 200, "u1")),
    "info": _edit(lambda file: file["info"].__setitem__(slice(0, 1), 0xFF)),
    "external storage": _replaced("atoms/positions", shape=(9, 3), dtype="f8", external="/etc/passwd"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_and_hostile_files(tmp_path, name):
    path = tmp_path / "bad.h5"
    write_dataset(path, [make_frame(k, 3, {"tag": "a"}) for k in range(3)])
    HOSTILE[name](path)
    with pytest.raises(AdiabatError) as caught:
        list(open_frames(path))
    assert "bad.h5" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        _linked("water", h5py.ExternalLink("other.h5", "/")),
        _linked("water/conformations", h5py.SoftLink("/ions/conformations")),
        _replaced("water/conformations", shape=(1 << 30, 3, 3), dtype="f4", chunks=(64, 3, 3)),
        _replaced("water/conformations", shape=(1 << 30, 3, 3), dtype="f4", chunks=(64, 3, 3), compression=9),
        _replaced("water/dft_total_energy", data=np.zeros(3)),
        _replaced("water/dft_total_gradient", data=np.zeros((4, 2, 3))),
        _replaced("water/atomic_numbers", data=np.array([8.0, 1.0, 1.0])),
    ],
)
def test_hostile_conformers(tmp_path, change):
    path = spice(tmp_path / "bad.h5")
    change(path)
    with pytest.raises(DataError, match=r"bad\.h5"):
        list(open_frames(path))
