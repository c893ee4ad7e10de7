import json
import os
import pickle
import time
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from adiabat.base import DataError
from adiabat.base.archive import pack, read_archive, unpack, write_archive

ARRAYS = {
    "weights": np.arange(12, dtype=np.float32).reshape(3, 4),
    "positions": np.linspace(0, 1, 9).reshape(3, 3),
    "key": np.array([1, 2], dtype=np.uint32),
    "mask": np.array([True, False, True]),
    "scalar": np.array(3.5),
    "empty": np.zeros((0, 3)),
}
HEADER = {"name": "Å", "elements": [1, 6, 8], "nested": {"a": 1.5, "b": None}}


@pytest.fixture
def path(tmp_path):
    write_archive(tmp_path / "model.safetensors", "model", ARRAYS, HEADER)
    return tmp_path / "model.safetensors"


def assert_same(arrays):
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_round_trip(path):
    arrays, header = read_archive(path, "model")
    assert_same(arrays)
    assert header == HEADER


def test_any_safetensors_reader_opens_it(path):
    assert_same(safetensors.numpy.load_file(path))


def test_the_same_content_gives_the_same_bytes():
    assert pack("model", ARRAYS, HEADER) == pack(
        "model", dict(reversed(ARRAYS.items())), dict(reversed(HEADER.items()))
    )


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda n: n != "__metadata__"),
        hnp.arrays(
            st.sampled_from([np.float32, np.float64, np.int32, bool]),
            hnp.array_shapes(min_dims=0, max_side=3),
        ),
        max_size=3,
    ),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers() | st.booleans(), max_size=3),
)
def test_round_trip_of_anything(arrays, header):
    back, head = unpack(pack("x", arrays, header), "x")
    assert head == header
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)


def test_every_single_bit_flip_is_noticed():
    content = pack("model", {"a": np.arange(3.0)}, {"b": 1})
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            with pytest.raises(DataError):
                unpack(bytes(damaged), "model")


def test_a_thousand_random_damages_are_noticed_quickly(path):
    content = path.read_bytes()
    random = np.random.default_rng(7)
    slowest = 0.0
    for trial in range(1000):
        damaged = bytearray(content)
        if trial % 3 == 0:
            damaged = damaged[: random.integers(len(content))]
        elif trial % 3 == 1:
            start = random.integers(len(content))
            damaged[start : start + random.integers(1, 64)] = random.bytes(int(random.integers(0, 64)))
        else:
            for position in random.integers(len(content), size=random.integers(1, 9)):
                damaged[position] = random.integers(256)
        if bytes(damaged) == content:
            continue
        path.write_bytes(bytes(damaged))
        begin = time.perf_counter()
        with pytest.raises(DataError):
            read_archive(path, "model")
        slowest = max(slowest, time.perf_counter() - begin)
    assert slowest < 1


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_random_bytes_are_refused(content):
    with pytest.raises(DataError):
        unpack(content, "model")


def test_wrong_kind_and_missing_file(path, tmp_path):
    with pytest.raises(DataError, match="expected a 'checkpoint'"):
        read_archive(path, "checkpoint")
    with pytest.raises(DataError, match="No such file"):
        read_archive(tmp_path / "nothing", "model")
    with pytest.raises(DataError, match="directory"):
        read_archive(tmp_path, "model")


def sealed(entries: dict, data: bytes = b"", kind: str = "model") -> bytes:
    """A hostile archive whose hash is right."""
    import hashlib

    metadata = {"format": "adiabat-1", "kind": kind, "header": "{}", "sha256": "0" * 64}
    text = json.dumps({"__metadata__": metadata, **entries}, separators=(",", ":")).encode()
    content = len(text).to_bytes(8, "little") + text + data
    return content.replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode(), 1)


@pytest.mark.parametrize(
    ("entry", "data"),
    [
        ({"dtype": "F64", "shape": [10**9, 3], "data_offsets": [0, 8]}, bytes(8)),
        ({"dtype": "F64", "shape": [10**9, 3], "data_offsets": [0, 24 * 10**9]}, bytes(8)),
        ({"dtype": "F64", "shape": [-1, -1], "data_offsets": [0, 8]}, bytes(8)),
        ({"dtype": "F64", "shape": [2**63, 2**63, 0], "data_offsets": [0, 8]}, bytes(8)),
        ({"dtype": "F64", "shape": [1], "data_offsets": [-8, 0]}, bytes(8)),
        ({"dtype": "F64", "shape": [1], "data_offsets": [0, 8, 16]}, bytes(8)),
        ({"dtype": "O", "shape": [1], "data_offsets": [0, 8]}, bytes(8)),
        ({"dtype": "F64", "shape": [True], "data_offsets": [0, 8]}, bytes(8)),
        ({"dtype": "F64", "shape": [1.0], "data_offsets": [0, 8]}, bytes(8)),
        ({"dtype": "F64", "shape": "1", "data_offsets": [0, 8]}, bytes(8)),
        ({"dtype": "F64", "shape": [1] * 100, "data_offsets": [0, 8]}, bytes(8)),
        ({"dtype": "F64"}, b""),
        (7, b""),
    ],
)
def test_sealed_lies_are_refused(tmp_path, entry, data):
    path = tmp_path / "lie.safetensors"
    path.write_bytes(sealed({"a": entry}, data))
    begin = time.perf_counter()
    with pytest.raises(DataError):
        read_archive(path, "model")
    with pytest.raises(DataError):
        unpack(path.read_bytes(), "model")
    assert time.perf_counter() - begin < 1


def test_an_honest_seal_is_accepted():
    arrays, _ = unpack(
        sealed({"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)), "model"
    )
    assert arrays["a"] == [0.0]


def test_impostors_are_named(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(DataError, match="pickle"):
        read_archive(path, "model")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("a.npy", bytes(10**7))
    with pytest.raises(DataError, match="zip"):
        read_archive(path, "model")
    path.write_bytes(b"")
    with pytest.raises(DataError, match="0 bytes"):
        read_archive(path, "model")
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(DataError, match="claims"):
        read_archive(path, "model")
    path.write_bytes((100_000).to_bytes(8, "little") + b"[" * 100_000)
    with pytest.raises(DataError, match="JSON"):
        read_archive(path, "model")


def test_a_sparse_giant_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "giant.safetensors"
    path.write_bytes(pack("model", {"a": np.zeros(3)}, {}))
    os.truncate(path, 15 * 2**30)
    begin = time.perf_counter()
    with pytest.raises(DataError, match="should have"):
        read_archive(path, "model")
    assert time.perf_counter() - begin < 1


def test_objects_cannot_be_written():
    with pytest.raises(TypeError, match="object"):
        pack("model", {"a": np.array([{}], dtype=object)}, {})
