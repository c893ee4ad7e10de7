import logging
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from adiabat.base import DataError
from adiabat.base.checkpoints import CheckpointStore


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path / "checkpoints", "training")


def save(store, step):
    return store.save(step, {"x": np.full(4, step, dtype=float)}, {"loss": 1 / (step + 1)})


def test_nothing_saved(store):
    assert store.latest() is None


def test_the_last_two_are_kept(store):
    for step in (0, 10, 200, 3000):
        save(store, step)
    assert sorted(p.name for p in store.folder.iterdir()) == [
        "step-000000000200.safetensors",
        "step-000000003000.safetensors",
    ]
    latest = store.latest()
    assert latest.step == 3000
    assert latest.header == {"loss": 1 / 3001}
    np.testing.assert_array_equal(latest.arrays["x"], np.full(4, 3000.0))


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_newest_is_set_aside_and_the_one_before_used(store, caplog, damage):
    save(store, 10)
    path = save(store, 20)
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-9]), "empty": b""}[damage])
    with caplog.at_level(logging.WARNING):
        assert store.latest().step == 10
    assert "damaged" in caplog.text
    save(store, 15)
    assert store.latest().step == 15
    assert path.with_suffix(".damaged").exists()


def test_all_damaged_is_an_error_and_not_a_fresh_start(store):
    for step in (1, 2):
        save(store, step).write_bytes(b"\x80\x04rubbish")
    with pytest.raises(DataError, match="no checkpoint"):
        store.latest()


def test_another_kind_is_refused(store):
    save(store, 1)
    with pytest.raises(DataError, match="expected a 'dynamics'"):
        CheckpointStore(store.folder, "dynamics").latest()
    assert store.latest().step == 1


WRITER = """
import sys, numpy as np
from adiabat.base.checkpoints import CheckpointStore
store = CheckpointStore(sys.argv[1], "training")
for step in range(10**6):
    store.save(step, {"x": np.full(200_000, step)}, {"step": step})
    print(step, flush=True)
"""


def test_kill_9_at_any_moment_leaves_a_readable_checkpoint(store):
    random = np.random.default_rng(0)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, store.folder], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline().strip() == "0"
        time.sleep(random.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        written = [int(line) for line in process.stdout.read().split()]
        process.wait()
        latest = store.latest()
        assert latest.step >= max(written, default=0)
        assert (latest.arrays["x"] == latest.step).all()
        assert latest.header["step"] == latest.step
        assert not [name for name in os.listdir(store.folder) if not name.startswith("step-")]
        store.clear()
