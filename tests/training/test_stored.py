"""Trainings on files that are larger than the memory: the same weights, in a bounded memory."""

import importlib
import subprocess
import sys
from dataclasses import replace

import h5py
import jax
import numpy as np
import pytest

from adiabat.base import ConfigError, DataError
from adiabat.base.units import HARTREE
from adiabat.data import Sample, describe, open_samples, preflight, read, read_samples, split, write_samples
from adiabat.data.census import Census
from adiabat.data.stored import StoredSamples, evenly
from adiabat.networks import load_model
from adiabat.system import System, neighbor_list
from adiabat.tasks.train import train
from adiabat.training.batches import Listed

MODEL = {"channels": 4, "n_interactions": 1, "cutoff": 6.0}
CONFIG = {"model": MODEL, "data": {"preflight": False}, "training": {"start": "scratch"}}


@pytest.fixture
def mixed(make_argon):
    """Clusters of two sizes, free atoms among them."""
    return make_argon(40, 5) + make_argon(1, 1) + make_argon(30, 13)


@pytest.fixture
def stays(monkeypatch):
    """Nothing is small enough to be read into memory."""
    monkeypatch.setattr(read, "IN_MEMORY_ATOMS", 0)


def weights(path):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(load_model(path)) if hasattr(leaf, "dtype")]


def test_the_same_weights_from_either_file(mixed, tmp_path, monkeypatch):
    """Read into memory from .xyz, and on the fly from .h5; other data are noticed by --resume."""
    for suffix in ("xyz", "h5"):
        write_samples(tmp_path / f"a.{suffix}", mixed)
    settings = {"steps": 12, "seed": 3, "config": CONFIG}
    train(str(tmp_path / "a.xyz"), out=tmp_path / "xyz", **settings)
    monkeypatch.setattr(read, "IN_MEMORY_ATOMS", 0)
    done = train(str(tmp_path / "a.h5"), out=tmp_path / "stored", **settings)
    for one, other in zip(weights(tmp_path / "xyz"), weights(tmp_path / "stored"), strict=True):
        np.testing.assert_array_equal(one, other)
    description = describe(open_samples(tmp_path / "a.h5", cutoff=6.0))
    expected = describe(read_samples(tmp_path / "a.xyz"))
    assert description.pop("looked_at") == len(mixed)
    for name in ("sources", "energy_per_atom_ev"):
        description.pop(name), expected.pop(name)
    assert description == expected
    assert done.metrics["valid"]["n_structures"] > 0
    write_samples(tmp_path / "a.h5", [*mixed[:-1], mixed[0]])
    (tmp_path / "stored" / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="not those the run was begun with"):
        train(str(tmp_path / "a.h5"), out=tmp_path / "stored", resume=True, **settings)


@pytest.mark.usefixtures("stays")
def test_stored_samples_are_a_sequence_of_samples(mixed, tmp_path):
    write_samples(tmp_path / "a.h5", mixed)
    write_samples(tmp_path / "b.xyz", mixed[:7])
    stored = open_samples([tmp_path / "a.h5", tmp_path / "b.xyz"], cutoff=6.0)
    assert isinstance(stored, StoredSamples)
    expected = [*mixed, *mixed[:7]]
    assert [s.energy for s in stored] == [s.energy for s in expected]
    assert stored[-1].energy == expected[-1].energy
    assert [s.energy for s in stored[2:60:7]] == [s.energy for s in expected[2:60:7]]
    train_part, valid = split(stored, 0.2, seed=1)
    others = split(expected, 0.2, seed=1)
    assert isinstance(train_part, StoredSamples)
    assert [s.energy for s in valid] == [s.energy for s in others[1]]
    assert [s.energy for s in train_part] == [s.energy for s in others[0]]


@pytest.mark.usefixtures("stays")
def test_a_census_of_a_part_is_the_part_of_the_census(mixed, tmp_path):
    write_samples(tmp_path / "a.h5", mixed)
    stored = open_samples(tmp_path / "a.h5", cutoff=6.0)
    chosen = np.array([3, 40, 41, 69, 7])
    listed = Listed([mixed[k] for k in chosen], 6.0)
    part = Listed(stored, 6.0).take(chosen)
    np.testing.assert_array_equal(part.sizes, listed.sizes)
    for name in ("energies", "force_squares", "digests", "shortest", "stressed"):
        np.testing.assert_array_equal(getattr(part.census, name), getattr(listed.census, name))
    assert part.census.shortest_distances() == listed.census.shortest_distances()
    with pytest.raises(ValueError, match=r"a cut-off of 6\.0"):
        Listed(stored, 5.0)


def test_the_digest_notices_every_label(mixed):
    def census(samples):
        return Census.of((s, neighbor_list(s.system, 6.0)) for s in samples)

    changed = replace(mixed[2], forces=np.nextafter(mixed[2].forces, 9.0))
    same = census(mixed).digests == census([*mixed[:2], changed, *mixed[3:]]).digests
    assert np.flatnonzero(~same).tolist() == [2]


def test_an_even_selection():
    chosen = evenly(1000, 100)
    assert len(chosen) == 100
    assert np.all(np.diff(chosen) < 20)
    assert len(set(chosen % 10)) == 10  # not every tenth
    np.testing.assert_array_equal(evenly(5, 9), np.arange(5))


@pytest.mark.usefixtures("stays")
def test_a_selection_has_every_element(tmp_path, monkeypatch):
    """One frame with another element among 300 is found; the checks say that they have seen a part."""
    random = np.random.default_rng(0)
    places = 2.0 * np.arange(15.0).reshape(5, 3) + 0.1 * random.normal(size=(300, 5, 3))
    numbers = [[18, 18, 10 if k == 137 else 18, 18, 18] for k in range(300)]
    systems = [System.create(z, r) for z, r in zip(numbers, places, strict=True)]
    write_samples(tmp_path / "a.h5", [Sample(system, 0.0, np.zeros((5, 3))) for system in systems])
    monkeypatch.setattr(importlib.import_module("adiabat.data.checks.preflight"), "LOOKED_AT", 50)
    found = preflight(open_samples(tmp_path / "a.h5", cutoff=6.0), cutoff=6.0)
    titles = {finding.title: finding.detail for finding in found.findings}
    assert "of the 300 training frames" in titles["a selection was checked"]
    assert "Ne" in titles["rare elements"]


@pytest.mark.usefixtures("stays")
def test_frames_without_labels(mixed, tmp_path, caplog):
    """They are refused in our own files, and left out of files in which they are usual."""
    write_samples(tmp_path / "a.h5", [*mixed[:20], replace(mixed[20], forces=None)])
    with pytest.raises(DataError, match=r"a\.h5, frame 20: has no forces"):
        open_samples(tmp_path / "a.h5", cutoff=6.0)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        group = file.create_group("Ar5")
        group["atomic_numbers"] = np.full(5, 18)
        group["coordinates"] = [s.system.positions for s in mixed[:20]]
        group["energy"] = [s.energy / HARTREE for s in mixed[:20]]
        group["forces"] = [np.full((5, 3), np.nan if k == 3 else 0.0) for k in range(20)]
    stored = open_samples(tmp_path / "b.h5", cutoff=6.0)
    assert "1 frames without energy or forces were left out" in caplog.text
    assert len(stored) == len(read_samples(tmp_path / "b.h5")) == 19
    with pytest.raises(ConfigError, match="holds the energy as 'energy'"):
        read_samples(tmp_path / "b.h5", energy_key="toten")


BOUNDED = """
import resource, sys
import numpy as np
from adiabat.data import Sample, write_samples
from adiabat.system import System
from adiabat.tasks.train import train

path, out, n_frames = sys.argv[1], sys.argv[2], int(sys.argv[3])
rng = np.random.default_rng(0)
lattice = 2.2 * np.stack(np.meshgrid(*[np.arange(5)] * 3), axis=-1).reshape(-1, 3)

def samples():
    for frame in range(n_frames):
        noise = 0.1 * rng.normal(size=lattice.shape)
        system = System.create(np.resize([6, 1, 8, 1], 125), lattice + noise)
        yield Sample(system, energy=float(np.sum(noise**2)), forces=-2 * noise)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

write_samples(path, samples())
model = {"channels": 4, "n_interactions": 1, "cutoff": 3.5}
config = {"model": model, "data": {"preflight": False}, "training": {"start": "scratch"}}
train(path, out=out, steps=40, config=config)
print(peak())
"""


@pytest.mark.slow
def test_the_memory_does_not_grow_with_the_file(tmp_path):
    """Sixteen times the frames, 19 and then 310 MB, take less than a fifth of what the file grows by."""
    peaks, sizes = [], []
    for n_frames in (3_000, 50_000):
        path = tmp_path / f"{n_frames}.h5"
        words = [sys.executable, "-c", BOUNDED, str(path), str(tmp_path / f"run-{n_frames}"), str(n_frames)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
        sizes.append(path.stat().st_size)
    print(f"files {sizes}, peaks {peaks} bytes")
    assert sizes[1] > 300e6
    assert peaks[1] - peaks[0] < 0.2 * (sizes[1] - sizes[0])
