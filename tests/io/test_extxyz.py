"""The extended XYZ reader and writer: every digit back, agreement with ASE, errors that name the frame."""

import string
import time

import ase.io
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adiabat.base import AdiabatError, ConfigError, DataError
from adiabat.io import read_frames, read_systems, write_extxyz
from adiabat.io.comment_line import format_entry, parse_comment
from adiabat.system import System

WATER = """3
Lattice="10.0 0.0 0.0 0.0 11.0 0.0 0.5 0.0 12.0" \
Properties=species:S:1:pos:R:3:forces:R:3 energy=-14.25 pbc="T T F"
O 0.0 0.0 0.117 0.1 0.2 0.3
H 0.0 0.757 -0.469 -0.1 0.0 0.0
H 0.0 -0.757 -0.469 0.0 -0.2 -0.3
"""
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def only_our_errors(path):
    """Reads the file; whatever goes wrong has to be an AdiabatError that names it."""
    message = path.name
    try:
        read_systems(path)
    except AdiabatError as error:
        message = str(error)
    assert path.name in message


def test_reads_structure_and_labels(tmp_path):
    frame = read_frames(write(tmp_path / "w.xyz", WATER))[0]
    assert frame.system.numbers.tolist() == [8, 1, 1]
    assert frame.system.positions[1].tolist() == [0.0, 0.757, -0.469]
    assert frame.system.cell[2].tolist() == [0.5, 0.0, 12.0]
    assert frame.system.pbc == (True, True, False)
    assert frame.info == {"energy": -14.25}
    assert frame.arrays["forces"].tolist() == [[0.1, 0.2, 0.3], [-0.1, 0.0, 0.0], [0.0, -0.2, -0.3]]


def test_plain_xyz_is_not_periodic_and_keeps_its_comment(tmp_path):
    path = write(
        tmp_path / "p.xyz",
        "2\ni = 1, time = 0.5, E = -3, E = -4\nH 0 0 0\nH 0 0 .74 extra\n\n1\n\nHe 0 0 0\n\n",
    )
    frames = read_frames(path)
    assert [frame.system.n_atoms for frame in frames] == [2, 1]
    assert frames[0].system.pbc == (False,) * 3
    assert "E = -3" in frames[0].info["comment"]


@pytest.mark.parametrize(
    ("index", "expected"),
    [(":", [0, 1, 2, 3]), ("0", [0]), (-1, [3]), ("1:3", [1, 2]), ("::2", [0, 2]), ("::-1", [3, 2, 1, 0])],
)
def test_index(tmp_path, index, expected):
    path = write(tmp_path / "w.xyz", WATER * 4)
    assert [frame.index for frame in read_frames(path, index)] == expected


@pytest.mark.parametrize("index", ["4", "x", "1:2:3:4", "::0", None])
def test_wrong_index(tmp_path, index):
    with pytest.raises(ConfigError):
        read_systems(write(tmp_path / "w.xyz", WATER * 4), index)


def test_agrees_with_ase_on_a_file_ase_wrote(tmp_path):
    from ase.build import bulk, molecule
    from ase.calculators.emt import EMT

    images = [bulk("Cu", cubic=True), molecule("C2H6", vacuum=3.0)]
    for atoms in images:
        atoms.rattle(0.1, seed=1)
        atoms.calc = EMT()
        atoms.get_forces()
        atoms.info |= {
            "tag": "a b",
            "x": 3,
            "y": 2.5,
            "ok": True,
            "v": np.array([1.0, 2.5]),
            "m": {"a": [1, 2]},
        }
    images[0].get_stress()
    ase.io.write(tmp_path / "a.xyz", images)
    theirs, ours = ase.io.read(tmp_path / "a.xyz", ":"), read_frames(tmp_path / "a.xyz")
    for atoms, frame in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(atoms.numbers, frame.system.numbers)
        np.testing.assert_array_equal(atoms.positions, frame.system.positions)
        np.testing.assert_array_equal(atoms.cell.array, frame.system.cell)
        np.testing.assert_array_equal(atoms.calc.results["forces"], frame.arrays["forces"])
        assert atoms.calc.results["energy"] == frame.info["energy"]
        for key, value in atoms.info.items():
            np.testing.assert_array_equal(value, frame.info[key])


@settings(max_examples=60, deadline=None)
@given(
    positions=st.lists(st.tuples(finite, finite, finite), min_size=1, max_size=4),
    energy=finite,
    numbers=st.data(),
    periodic=st.booleans(),
)
def test_every_digit_comes_back(tmp_path_factory, positions, energy, numbers, periodic):
    z = numbers.draw(st.lists(st.integers(1, 118), min_size=len(positions), max_size=len(positions)))
    cell = np.diag([1 / 3, 2 / 7, np.pi]) if periodic else None
    system = System.create(z, positions, cell=cell, pbc=periodic, charge=z[0] % 2)
    forces, path = np.array(positions)[::-1] / 3, tmp_path_factory.mktemp("x") / "x.xyz"
    stress = np.arange(9.0).reshape(3, 3) / 7
    write_extxyz(
        path, [system], [{"energy": energy, "forces": forces, "stress": stress, "uncertainty": forces[:, 0]}]
    )
    frame = read_frames(path)[0]
    np.testing.assert_array_equal(frame.system.positions, system.positions)
    np.testing.assert_array_equal(frame.system.cell, system.cell)
    assert (frame.system.pbc, frame.system.charge) == (system.pbc, system.charge)
    np.testing.assert_array_equal(frame.arrays["forces"], forces)
    np.testing.assert_array_equal(frame.arrays["uncertainty"], forces[:, 0])
    np.testing.assert_array_equal(frame.info["stress"].reshape(3, 3), stress)
    assert frame.info["energy"] == energy
    if np.abs(positions).max() < 1e10:
        np.testing.assert_array_equal(ase.io.read(path).get_forces(), forces)


info_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | finite | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(
    key=st.text(string.ascii_letters + string.punctuation + " é", min_size=1, max_size=8), value=info_values
)
def test_info_comes_back(key, value):
    info = (
        parse_comment(f"a=1 {format_entry(key, value)} b=2", "here")
        if key not in ("a", "b", "Lattice")
        else {}
    )
    if info:
        assert list(info) == ["a", key, "b"]
        back = info[key].tolist() if isinstance(info[key], np.ndarray) else info[key]
        assert back == value
        assert not isinstance(value, str) or isinstance(back, str)


def test_masses_charge_and_spin_come_back(tmp_path):
    system = System.create([1, 8, 1], np.eye(3), masses=[2.014, 15.999, 2.014], charge=1, spin=1)
    write_extxyz(tmp_path / "d.xyz", [system])
    back = read_systems(tmp_path / "d.xyz")[0]
    assert (back.charge, back.spin) == (1, 1)
    assert back.masses.tolist() == [2.014, 15.999, 2.014]


@pytest.mark.parametrize(
    ("state", "charge", "spin"),
    [("", 0, 0), ("charge=1 spin=1", 1, 1), ("total_charge=-2.0", -2, 0), ("multiplicity=3", 0, 2)],
)
def test_electronic_state(tmp_path, state, charge, spin):
    system = read_systems(write(tmp_path / "w.xyz", WATER.replace("energy=", f"{state} energy=")))[0]
    assert (system.charge, system.spin) == (charge, spin)


HOSTILE = {
    "truncated": WATER * 2 + WATER[:150],
    "no atoms": "0\n\n",
    "not a number": "three\n\nH 0 0 0\n",
    "negative": "-1\n\n",
    "billion atoms": "1000000000\n\nH 0 0 0\n",
    "astronomic": "9" * 400 + "\n\nH 0 0 0\n",
    "duplicate key": WATER.replace("energy=-14.25", "energy=-14.25 energy=-15"),
    "unknown element": WATER.replace("O 0.0", "Xx 0.0"),
    "dummy atom": WATER.replace("O 0.0", "X 0.0"),
    "nan position": WATER.replace("0.117", "nan"),
    "word for a number": WATER.replace("0.117", "0.1l7"),
    "column missing": WATER.replace(" 0.1 0.2 0.3", " 0.1 0.2"),
    "column too many": WATER.replace(" 0.1 0.2 0.3", " 0.1 0.2 0.3 0.4"),
    "bad properties": WATER.replace("forces:R:3", "forces:Q:3"),
    "huge properties": WATER.replace("forces:R:3", "forces:R:99999999999999999999"),
    "properties twice": WATER.replace("forces:R:3", "pos:R:3"),
    "no positions": WATER.replace("pos:R:3", "pox:R:3"),
    "lattice of eight": WATER.replace(" 0.5 0.0 12.0", " 0.5 0.0"),
    "flat lattice": WATER.replace("0.0 11.0 0.0", "0.0 0.0 0.0"),
    "open quote": WATER.replace('pbc="T T F"', 'pbc="T T F'),
    "bad pbc": WATER.replace("T T F", "T T T F"),
    "impossible spin": WATER.replace("energy=", "spin=1 energy="),
    "charge of text": WATER.replace("energy=", "charge=plus energy="),
    "fractional charge": WATER.replace("energy=", "charge=0.5 energy="),
    "contradicting spin": WATER.replace("energy=", "spin=2 multiplicity=1 energy="),
    "deep json": WATER.replace("energy=", 'x="_JSON ' + "[" * 100_000 + '" energy='),
    "long comment": WATER.replace("energy=", "x=" + "y" * 3_000_000 + " energy="),
    "binary": bytes(range(256)) * 50,
    "utf-16": WATER.encode("utf-16"),
    "latin-1": WATER.replace("energy=", "name=Röntgen energy=").encode("latin-1"),
    "pickle": b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "empty": "",
    "blank": "\n\n  \n",
    "one long line": "1" * 3_000_000,
    "garbage after": WATER + "and so on\n",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("suffix", ["xyz", "extxyz"])
def test_hostile_files(tmp_path, name, suffix):
    path = write(tmp_path / f"hostile.{suffix}", HOSTILE[name])
    read_systems(write(tmp_path / "fine.xyz", WATER))  # not to time the imports
    start = time.perf_counter()
    with pytest.raises(AdiabatError) as caught:
        read_systems(path)
    assert time.perf_counter() - start < 1
    assert f"hostile.{suffix}" in str(caught.value)


def test_the_frame_at_fault_is_named(tmp_path):
    path = write(tmp_path / "w.xyz", WATER * 3 + WATER.replace("0.117", "nan") + WATER)
    with pytest.raises(DataError, match="frame 3: the position of atom 0 is not finite"):
        read_systems(path)
    assert len(read_systems(path, "0:3")) == 3  # the frames before it can be had


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_files_raise_only_our_errors(tmp_path_factory, data):
    text = bytearray((WATER * 2).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(text) - 1))
        stop = position + data.draw(st.integers(0, 8))
        text[position:stop] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"nan", b'"', b"=", b"\n", b"1e999", b"9" * 30])
        )
    path = write(tmp_path_factory.getbasetemp() / "mutated.xyz", bytes(text))
    only_our_errors(path)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
def test_random_bytes_raise_only_our_errors(tmp_path_factory, data):
    path = write(tmp_path_factory.getbasetemp() / "random.xyz", data)
    with pytest.raises(AdiabatError, match=r"random\.xyz"):
        read_systems(path)


def test_a_value_that_cannot_be_written(tmp_path):
    system = System.create([1], [[0, 0, 0]])
    for info in ({"x": object()}, {"Lattice": 1}, {"energy": 2}):
        with pytest.raises(DataError):
            write_extxyz(tmp_path / "x.xyz", [system], [{"energy": 1.0}], [info])
    assert not list(tmp_path.iterdir())
