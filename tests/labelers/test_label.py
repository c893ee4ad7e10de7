"""Labelling many structures: processes, cache, resume after a kill, crashes."""

import json
import os
import signal
import subprocess
import sys
import time

import ase.build
import numpy as np
import pytest

from adiabat.base import UnsupportedError
from adiabat.data.labelers import LabelCache, is_labelled
from adiabat.data.labelers.calculators import EMT, LennardJones
from adiabat.data.labelers.workers import WorkerPool
from adiabat.data.labelers.xtb import GFN2
from adiabat.system import System
from adiabat.system.smiles import system_from_smiles


@pytest.fixture(scope="module")
def shaken() -> list[System]:
    """Ten geometries of methanol."""
    molecule = system_from_smiles("CO")
    rng = np.random.default_rng(0)
    return [
        System.create(molecule.numbers, molecule.positions + 0.05 * rng.normal(size=(6, 3)))
        for _ in range(10)
    ]


def bits(samples) -> list:
    """What is to be the same, exactly."""
    return [(s.energy, None if s.forces is None else s.forces.tobytes()) for s in samples]


def test_processes_do_not_change_a_bit(shaken):
    with GFN2(workers=2) as labeler:
        many = labeler.label(shaken)
    one = GFN2(workers=1).label(shaken)
    again = GFN2(workers=1).label(shaken[::-1])[::-1]
    assert bits(many) == bits(one) == bits(again)
    assert [s.frame for s in many] == list(range(10))
    assert all(s.info["method"] == "gfn2" and s.source == "gfn2" for s in many)


def test_cache_saves_and_keeps_every_bit(shaken, tmp_path):
    with LabelCache(tmp_path / "labels.jsonl") as cache:
        first = GFN2(workers=1).label(shaken[:4], cache=cache)
    with LabelCache(tmp_path / "labels.jsonl") as cache:
        assert len(cache) == 4

        class Refusing(GFN2):
            def compute(self, system):
                raise AssertionError("is known already")

        assert bits(Refusing(workers=1).label(shaken[:4], cache=cache)) == bits(first)


def test_key_depends_on_all_that_matters(shaken):
    base = shaken[0]
    other = {
        "charge": System.create(base.numbers, base.positions, charge=2),
        "spin": System.create(base.numbers, base.positions, spin=2),
        "cell": System.create(base.numbers, base.positions, cell=9 * np.eye(3), pbc=True),
        "positions": System.create(base.numbers, base.positions + np.spacing(1.0)),
    }
    keys = {GFN2().key(s) for s in [base, *other.values()]} | {EMT().key(base)}
    assert len(keys) == 6
    assert LennardJones(sigma=3.0).key(base) != LennardJones().key(base)


def test_damaged_cache_lines_are_labelled_again(shaken, tmp_path):
    path = tmp_path / "labels.jsonl"
    with LabelCache(path) as cache:
        GFN2(workers=1).label(shaken[:3], cache=cache)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\xff{not json}\n" + lines[2][:50])  # one damaged, one torn
    with LabelCache(path) as cache:
        assert len(cache) == 1
        again = GFN2(workers=1).label(shaken[:3], cache=cache)
        assert len(cache) == 3
    with LabelCache(path) as cache:
        assert len(cache) == 3
    assert bits(again) == bits(GFN2(workers=1).label(shaken[:3]))


_SCRIPT = """
import numpy as np, sys
from adiabat.data.labelers import LabelCache
from adiabat.data.labelers.xtb import GFN2
from adiabat.system import System
rng = np.random.default_rng(3)
water = np.array([[0, 0, 0.1173], [0, 0.7572, -0.4692], [0, -0.7572, -0.4692]])
systems = [System.create([8, 1, 1], water + 0.05 * rng.normal(size=(3, 3))) for _ in range(300)]
with LabelCache(sys.argv[1]) as cache:
    samples = GFN2(workers=1).label(systems, cache=cache)
    print(repr(sum(s.energy for s in samples)))
"""


def test_kill_and_resume(tmp_path):
    """Killed twice on the way, no label is lost or computed differently."""
    path = tmp_path / "labels.jsonl"
    command = [sys.executable, "-c", _SCRIPT]
    seen = 0
    for target in (60, 150):
        process = subprocess.Popen([*command, str(path)], stdout=subprocess.DEVNULL)
        for _ in range(2000):
            if path.exists() and path.read_bytes().count(b"\n") > target:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        whole = path.read_bytes().count(b"\n")
        assert whole > target >= seen
        seen = whole
    resumed = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True).stdout
    fresh = subprocess.run(
        [*command, str(tmp_path / "new")], capture_output=True, text=True, check=True
    ).stdout
    assert resumed == fresh
    keys = [
        json.loads(line)["key"]
        for line in path.read_text().splitlines()
        if line.startswith("{") and line[-1] == "}"
    ]
    assert len(set(keys)) == 300
    assert len(keys) <= 302  # at most the torn ones twice


def test_crash_of_a_worker_is_an_error_of_its_frame():
    pool = WorkerPool(2, "lj", {})
    try:
        jobs = [{"numbers": [18, 18], "positions": [[0, 0, 0], [0, 0, 3.0 + k]]} for k in range(6)]
        done = dict(pool.run(jobs))
        assert sorted(done) == list(range(6))
        os.kill(pool._processes[0].pid, signal.SIGKILL)
        pool._processes[0].wait()
        after = dict(pool.run(jobs))
        crashed = [k for k, values in after.items() if "error" in values]
        assert len(crashed) == 1
        assert "crashed" in after[crashed[0]]["error"]
        assert dict(pool.run(jobs)) == done
    finally:
        pool.close()


def test_interrupted_run_does_not_mix_answers():
    pool = WorkerPool(2, "lj", {})
    try:
        jobs = [{"numbers": [18, 18], "positions": [[0, 0, 0], [0, 0, 3.0 + k]]} for k in range(6)]
        whole = dict(pool.run(jobs))
        for _ in pool.run(jobs):
            break
        assert dict(pool.run(jobs[::-1])) == {5 - k: values for k, values in whole.items()}
    finally:
        pool.close()


def test_ase_calculators():
    copper = System.from_ase(ase.build.bulk("Cu", cubic=True) * 2)
    sample = EMT().label([copper])[0]
    assert is_labelled(sample)
    assert sample.energy / copper.n_atoms == pytest.approx(-0.0057, abs=2e-3)  # EMT's own zero is the crystal
    assert sample.stress.shape == (3, 3)
    with pytest.raises(UnsupportedError, match="Fe"):
        EMT().label([System.create([26], [[0, 0, 0]])])
    pair = System.create([18, 18], [[0, 0, 0], [0, 0, 3.4 * 2 ** (1 / 6)]])
    assert LennardJones().label([pair])[0].energy == pytest.approx(-0.0104, rel=1e-3)
    assert LennardJones().isolated_atoms([18]) == {18: 0.0}
    krypton = System.create([36, 36], pair.positions)
    for half, missing in (
        ({}, "epsilon and sigma"),
        ({"sigma": 3.65}, "epsilon"),
        ({"epsilon": 0.014}, "sigma"),
    ):
        with pytest.raises(UnsupportedError, match=f"the {missing} of Ar only; the structure also has Kr"):
            LennardJones(**half).label([krypton])
    assert LennardJones(epsilon=0.014, sigma=3.65).isolated_atoms([36]) == {36: 0.0}


def test_progress_counts_every_structure(shaken):
    class Counter:
        n = 0

        def advance(self, amount=1, **values):
            self.n += amount

    counter = Counter()
    GFN2(workers=1).label(shaken[:5], progress=counter)
    assert counter.n == 5
