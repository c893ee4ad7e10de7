"""rMD17 `.npz` files and DeePMD folders, good and hostile."""

import io
import pickle
import time
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adiabat.base import AdiabatError, DataError
from adiabat.base.units import BOHR, HARTREE, KCAL_PER_MOL
from adiabat.data import read_samples
from adiabat.io import read_frames, read_systems

GENERATOR = np.random.default_rng(0)
N_FRAMES, N_ATOMS = 4, 3
COORDS = GENERATOR.normal(size=(N_FRAMES, N_ATOMS, 3))
ENERGIES = GENERATOR.normal(size=N_FRAMES) - 47000
FORCES = GENERATOR.normal(size=(N_FRAMES, N_ATOMS, 3))
RMD17 = {
    "nuclear_charges": np.array([8, 1, 1], np.uint8),
    "coords": COORDS,
    "energies": ENERGIES,
    "forces": FORCES,
}


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.fixture(autouse=True, scope="module")
def warm(tmp_path_factory):
    """The first look at a file imports ASE's formats, which is not to be timed."""
    path = tmp_path_factory.mktemp("warm") / "x.cif"
    path.write_text("data_x\n")
    with pytest.raises(AdiabatError):
        read_systems(path)


def raises_ours(path, match=""):
    start = time.perf_counter()
    with pytest.raises(AdiabatError, match=match) as caught:
        read_systems(path)
    assert time.perf_counter() - start < 1
    assert path.name in str(caught.value)


def test_rmd17_is_converted_and_says_so(tmp_path):
    samples = read_samples(npz(tmp_path / "m.npz", **RMD17, old_indices=np.arange(N_FRAMES)))
    assert len(samples) == N_FRAMES
    np.testing.assert_allclose([s.energy for s in samples], ENERGIES * KCAL_PER_MOL, rtol=1e-15)
    np.testing.assert_allclose(samples[2].forces, FORCES[2] * KCAL_PER_MOL, rtol=1e-15)
    np.testing.assert_array_equal(samples[1].system.positions, COORDS[1])
    assert "kcal/mol" in samples[0].info["units"]


def test_sgdml_names_and_stated_units(tmp_path):
    arrays = {"z": RMD17["nuclear_charges"], "R": COORDS, "E": ENERGIES[:, None], "F": FORCES}
    samples = read_samples(npz(tmp_path / "m.npz", **arrays, e_unit="hartree", r_unit="bohr"))
    assert samples[0].energy == pytest.approx(ENERGIES[0] * HARTREE, rel=1e-14)
    np.testing.assert_allclose(samples[0].forces, FORCES[0] * HARTREE / BOHR, rtol=1e-14)
    np.testing.assert_allclose(samples[0].system.positions, COORDS[0] * BOHR, rtol=1e-14)


def test_padded_molecules_and_cells(tmp_path):
    numbers = np.array([[8, 1, 1], [8, 1, 0], [1, 1, 0], [1, 1, 1]])
    cells = np.broadcast_to(np.eye(3) * 9, (N_FRAMES, 3, 3))
    systems = read_systems(npz(tmp_path / "m.npz", **{**RMD17, "nuclear_charges": numbers}, cells=cells))
    assert [s.n_atoms for s in systems] == [3, 2, 2, 3]
    assert all(s.is_periodic for s in systems)


WRONG_NPZ = {
    "no forces shape": RMD17 | {"forces": FORCES[:, :2]},
    "nan": RMD17 | {"coords": np.where(COORDS > 1, np.nan, COORDS)},
    "text": RMD17 | {"energies": np.array(["a"] * N_FRAMES)},
    "complex": RMD17 | {"energies": ENERGIES * 1j},
    "fewer energies": RMD17 | {"energies": ENERGIES[:2]},
    "no coords": {"nuclear_charges": RMD17["nuclear_charges"], "energies": ENERGIES},
    "nothing": {},
    "no frames": RMD17 | {"coords": COORDS[:0]},
    "other atoms": RMD17 | {"nuclear_charges": np.array([1, 1])},
    "float charges": RMD17 | {"nuclear_charges": np.array([1.5, 1, 1])},
    "element 200": RMD17 | {"nuclear_charges": np.array([200, 1, 1])},
    "unknown unit": RMD17 | {"e_unit": np.array("wavenumbers")},
    "unit array": RMD17 | {"e_unit": np.arange(3)},
    "objects": RMD17 | {"coords": np.array([{}, []], dtype=object)},
}


@pytest.mark.parametrize("name", WRONG_NPZ)
def test_wrong_npz(tmp_path, name):
    raises_ours(npz(tmp_path / "wrong.npz", **WRONG_NPZ[name]))


def test_nan_names_the_frame(tmp_path):
    coords = COORDS.copy()
    coords[2, 1, 0] = np.nan
    raises_ours(npz(tmp_path / "n.npz", **RMD17 | {"coords": coords}), "first in frame 2")


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickles_are_never_loaded(tmp_path):
    canary = tmp_path / "executed"
    bomb = pickle.dumps(Canary(canary))
    for suffix in ("npz", "npy", "xyz", "extxyz", "traj", "cif", "json", "db", "pkl"):
        (tmp_path / f"evil.{suffix}").write_bytes(bomb)
        raises_ours(tmp_path / f"evil.{suffix}")
    objects = np.array([Canary(canary)], dtype=object)
    np.savez(tmp_path / "evil.npz", **RMD17 | {"coords": objects})
    raises_ours(tmp_path / "evil.npz", "pickled")
    assert not canary.exists()


def member(shape, dtype="<f8", data=b""):
    handle = io.BytesIO()
    np.lib.format.write_array_header_1_0(handle, {"descr": dtype, "fortran_order": False, "shape": shape})
    return handle.getvalue() + data


def test_zip_bomb_and_lying_headers(tmp_path):
    path = tmp_path / "bomb.npz"
    zeros = member((2**28,)) + bytes(2**28)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("coords.npy", zeros)
    raises_ours(path, "zip bomb")
    for shape in ((10**12,), (10**6, 10**6, 10**6), (-1, 3), (2**63,)):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("coords.npy", member(shape, data=bytes(80)))
            archive.writestr("nuclear_charges.npy", member((1,), "|u1", b"\x01"))
        raises_ours(path)


def test_truncated_and_flipped_npz(tmp_path):
    content = npz(tmp_path / "good.npz", **RMD17).read_bytes()
    for size in (0, 1, 10, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.npz").write_bytes(content[:size])
        raises_ours(tmp_path / "cut.npz")
    flipped = bytearray(content)
    flipped[content.index(COORDS.tobytes()) + 5] ^= 1
    (tmp_path / "flipped.npz").write_bytes(flipped)
    raises_ours(tmp_path / "flipped.npz", "damaged")


def attempt(path):
    """Reads the file; whatever goes wrong has to be an AdiabatError."""
    try:
        read_systems(path)
    except AdiabatError as error:
        return str(error)
    return path.name


@settings(max_examples=150)
@given(data=st.data())
def test_mutated_npz_raises_only_our_errors(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    content = bytearray(npz(folder / "base.npz", **RMD17).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position : position + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    (folder / "mutated.npz").write_bytes(content)
    assert "mutated.npz" in attempt(folder / "mutated.npz")


@settings(max_examples=100)
@given(content=st.binary(max_size=300))
def test_random_npz_raises_only_our_errors(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random.npz"
    path.write_bytes(content)
    raises_ours(path)


def deepmd(folder, n_frames=N_FRAMES, sets=1, types="0\n1\n1\n", elements="O\nH\n", **extra):
    folder.mkdir(parents=True)
    (folder / "type.raw").write_text(types)
    if elements:
        (folder / "type_map.raw").write_text(elements)
    for number in range(sets):
        path = folder / f"set.{number:03d}"
        path.mkdir()
        arrays = {
            "coord": COORDS[:n_frames].reshape(n_frames, -1) + number,
            "energy": ENERGIES[:n_frames],
            "force": FORCES[:n_frames].reshape(n_frames, -1),
            "box": np.tile(np.diag([5.0, 6.0, 7.0]).ravel(), (n_frames, 1)),
        } | extra
        for name, values in arrays.items():
            if values is not None:
                np.save(path / f"{name}.npy", values)
    return folder


def test_deepmd_folder_with_several_sets(tmp_path):
    virial = np.tile(np.diag([210.0, 0, -105.0]).ravel(), (N_FRAMES, 1))
    samples = read_samples(deepmd(tmp_path / "w", sets=3, virial=virial))
    assert [s.frame for s in samples] == list(range(12))
    assert samples[0].system.numbers.tolist() == [8, 1, 1]
    assert samples[5].energy == ENERGIES[1]
    np.testing.assert_array_equal(samples[5].system.positions, COORDS[1] + 1)
    np.testing.assert_array_equal(samples[5].forces, FORCES[1])
    np.testing.assert_allclose(samples[5].stress, np.diag([-1.0, 0.0, 0.5]), atol=1e-15)
    assert samples[0].system.cell.tolist() == np.diag([5.0, 6.0, 7.0]).tolist()
    assert samples[0].system.is_periodic


def test_deepmd_without_a_box_is_not_periodic(tmp_path):
    assert not any(read_systems(deepmd(tmp_path / "a", box=None))[0].pbc)
    folder = deepmd(tmp_path / "b")
    (folder / "nopbc").touch()
    assert not any(read_systems(folder)[0].pbc)


def test_parent_folder_and_mixed_types(tmp_path):
    deepmd(tmp_path / "all" / "b")
    deepmd(tmp_path / "all" / "a", types="0\n0\n", elements="H\n", coord=COORDS[:, :2].reshape(N_FRAMES, -1),
           force=FORCES[:, :2].reshape(N_FRAMES, -1))  # fmt: skip
    mixed = np.array([[0, 1, 1], [1, 1, -1], [0, 0, 0], [1, -1, -1]])
    deepmd(tmp_path / "all" / "c" / "deep", types="0\n0\n0\n", real_atom_types=mixed)
    frames = read_frames(tmp_path / "all")
    assert [f.system.n_atoms for f in frames] == [2] * 4 + [3] * 4 + [3, 2, 3, 1]
    assert frames[9].system.numbers.tolist() == [1, 1]
    assert frames[9].arrays["forces"].shape == (2, 3)
    assert frames[-1].where.endswith("deep, frame 3")


WRONG_DEEPMD = {
    "no elements": {"elements": None},
    "unknown element": {"elements": "O\nQq\n"},
    "too few elements": {"elements": "O\n"},
    "types are words": {"types": "O\nH\nH\n"},
    "no types": {"types": ""},
    "negative type": {"types": "0\n-1\n1\n"},
    "more types than atoms": {"types": "0\n1\n1\n1\n"},
    "no coordinates": {"coord": None},
    "forces of other shape": {"force": FORCES[:, :2].reshape(N_FRAMES, -1)},
    "energies missing": {"energy": ENERGIES[:1]},
    "nan": {"coord": np.full((N_FRAMES, 9), np.nan)},
    "objects": {"energy": np.array([{}] * N_FRAMES, dtype=object)},
    "flat box": {"box": np.zeros((N_FRAMES, 9))},
    "box of six": {"box": np.ones((N_FRAMES, 6))},
    "mixed types out of range": {"real_atom_types": np.full((N_FRAMES, 3), 7)},
}


@pytest.mark.parametrize("name", WRONG_DEEPMD)
def test_wrong_deepmd(tmp_path, name):
    raises_ours(deepmd(tmp_path / "wrong", **WRONG_DEEPMD[name]))


def test_folders_that_are_no_deepmd(tmp_path):
    (tmp_path / "empty").mkdir()
    raises_ours(tmp_path / "empty", r"type\.raw")
    folder = deepmd(tmp_path / "half")
    (folder / "type.raw").unlink()
    raises_ours(folder, r"no type\.raw")
    folder = deepmd(tmp_path / "bare", sets=0)
    raises_ours(folder, r"set\.000")


def test_damaged_npy(tmp_path):
    folder = deepmd(tmp_path / "d")
    path = folder / "set.000" / "coord.npy"
    content = path.read_bytes()
    for broken in (
        content[:-8],
        content[:20],
        b"",
        content.replace(b"<f8", b"|O8"),
        b"\x93NUMPY\x09\x00" + content[8:],
    ):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"coord\.npy"):
            read_systems(folder)
