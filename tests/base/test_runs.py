import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from adiabat.base import ConfigError, DataError
from adiabat.base.interrupts import Interrupted
from adiabat.base.runs import RunFolder

CONFIG = {"seed": 3, "training": {"steps": 100, "note": None}}


def create(path, config=CONFIG, task="train", **options):
    return RunFolder.create(path, task, config, **options)


def info(path):
    return json.loads((path / "run.json").read_text())


def test_a_finished_run(tmp_path):
    with create(tmp_path / "a" / "run") as run:
        assert run.status == "running"
        run.log("started", atoms=9)
        run.record("metrics", step=1, loss=np.float32(0.5), bad=float("nan"))
        run.result(force_rmse=np.float64(12.5), shape=(3, 4), path=tmp_path)
        run.result(extra=[1, None])
        run.note(devices=["cpu"])
    written = info(run.path)
    assert written["status"] == "finished"
    assert written["seed"] == 3
    assert written["results"] == {
        "force_rmse": 12.5,
        "shape": [3, 4],
        "path": str(tmp_path),
        "extra": [1, None],
    }
    assert written["environment"] == {"devices": ["cpu"]}
    assert written["packages"]["numpy"] == np.__version__
    assert written["sessions"][0]["command"] == sys.argv
    assert 0 <= written["wall_seconds"] < 10
    opened = RunFolder.open(run.path)
    assert (opened.task, opened.status, opened.config) == (
        "train",
        "finished",
        {"seed": 3, "training": {"steps": 100}},
    )
    assert opened.read("metrics") == [{"step": 1, "loss": 0.5, "bad": None}]
    assert opened.read("log")[0]["event"] == "started"
    assert opened.read("nothing") == []
    with pytest.raises(RuntimeError):
        opened.record("metrics", step=2)


def test_a_finished_run_is_not_overwritten(tmp_path):
    create(tmp_path).close()
    with pytest.raises(ConfigError, match="finished run") as caught:
        create(tmp_path)
    assert "--force" in caught.value.hint


def test_force_starts_over_and_removes_what_the_run_wrote(tmp_path):
    with create(tmp_path / "run") as run:
        run.record("metrics", step=1)
        run.checkpoints("x").save(1, {}, {})
        (run.path / "model.safetensors").write_text("old")
        (run.path / "mine").mkdir()
    with create(tmp_path / "run", {"seed": 4}, force=True) as run:
        assert run.read("metrics") == []
        assert run.checkpoints("x").latest() is None
    assert sorted(os.listdir(run.path)) == [".lock", "config.toml", "mine", "run.json"]


def test_force_loses_nothing_until_the_new_run_has_made_something(tmp_path):
    """An old model comes back when the run that was to replace it fails at once, also by kill -9."""
    path = tmp_path / "run"
    with create(path) as run:
        run.record("metrics", step=1)
        (path / "model.safetensors").write_text("old")
        (path / "notes.jsonl").write_text("mine")
    with pytest.raises(DataError), create(path, {"seed": 4}, force=True):
        raise DataError("no such file")
    assert (path / "model.safetensors").read_text() == "old"
    assert RunFolder.open(path).status == "finished"
    assert RunFolder.open(path).config == run.config
    killed = create(path, {"seed": 4}, force=True)
    assert not (path / "model.safetensors").exists()
    killed._lock.release()
    with pytest.raises(ConfigError, match="finished run"):
        create(path)
    assert (path / "model.safetensors").read_text() == "old"
    with pytest.raises(ConfigError, match="of 'train', not of 'md'"):
        create(path, task="md", force=True)
    with create(path, {"seed": 4}, force=True):
        (path / "model.safetensors").write_text("new")
    assert sorted(os.listdir(path)) == [
        ".lock",
        "config.toml",
        "model.safetensors",
        "notes.jsonl",
        "run.json",
    ]


def test_what_a_resumed_run_made_stays_when_it_fails(tmp_path):
    """Also what only the task knows of: the replaced run must not come back over it."""
    path, options = tmp_path / "run", {"makes": ("*.cache",)}
    with create(path, **options):
        (path / "model.safetensors").write_text("old")
    killed = create(path, force=True, **options)
    (path / "labels.cache").write_text("new")
    killed._lock.release()
    with pytest.raises(DataError), create(path, resume=True, **options):
        raise DataError("stopped")
    assert (path / "labels.cache").read_text() == "new"
    assert not (path / "model.safetensors").exists()
    assert RunFolder.open(path).status == "failed"


def test_a_run_that_made_nothing_is_in_nobody_s_way(tmp_path):
    """After a typo in the first command the corrected one needs neither --force nor --resume."""
    with pytest.raises(DataError), create(tmp_path):
        raise DataError("no such file")
    with create(tmp_path, {"seed": 4}) as run:
        assert run.config == {"seed": 4}


def test_a_foreign_folder_is_refused_even_by_force(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    for options in ({}, {"force": True}, {"resume": True}):
        with pytest.raises(ConfigError, match=r"thesis\.tex"):
            create(tmp_path, **options)
    assert os.listdir(tmp_path) == ["thesis.tex"]
    with pytest.raises(DataError, match="cannot write"):
        create(tmp_path / "thesis.tex")


def test_two_writers_are_refused(tmp_path):
    with create(tmp_path / "run"):
        for options in ({}, {"force": True}, {"resume": True}):
            with pytest.raises(ConfigError, match=f"pid {os.getpid()}"):
                create(tmp_path / "run", **options)
        code = "import sys; from adiabat.base.runs import RunFolder; RunFolder.create(sys.argv[1], 't', {})"
        other = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], capture_output=True, text=True)
        assert "being written by another process" in other.stderr
    create(tmp_path / "run", force=True).close()


def test_resume_needs_the_same_task_and_config(tmp_path):
    begun = create(tmp_path)
    begun.record("metrics", step=1)
    begun.close("interrupted")
    with pytest.raises(ConfigError, match="unfinished run") as caught:
        create(tmp_path)
    assert "--resume" in caught.value.hint
    with pytest.raises(ConfigError, match=r"training\.steps was 100 and is 200 now"):
        create(tmp_path, {"seed": 3, "training": {"steps": 200}}, resume=True)
    with pytest.raises(ConfigError, match="of 'train', not of 'md'"):
        create(tmp_path, task="md", resume=True)
    create(tmp_path, resume=True).close()
    assert len(info(tmp_path)["sessions"]) == 2


def test_keys_that_may_change_on_resuming(tmp_path):
    create(tmp_path, {"steps": 10, "seed": 1}).close()
    create(tmp_path, {"steps": 20, "seed": 1}, resume=True, may_change=("steps",)).close()
    assert RunFolder.open(tmp_path).config == {"steps": 20, "seed": 1}


def test_resume_where_nothing_is_begins_a_run(tmp_path):
    with create(tmp_path / "new", resume=True) as run:
        assert run.status == "running"


def test_streams_go_back_to_the_checkpoint(tmp_path):
    run = create(tmp_path)
    for step in range(6):
        run.record("metrics", step=step, loss=0.1 * step)
        run.record("energies", step=2 * step)
    run.log("note")
    before = (tmp_path / "metrics.jsonl").read_bytes()
    run.close("interrupted")
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 6, "lo')
    with create(tmp_path, resume=True) as run:
        assert (tmp_path / "metrics.jsonl").read_bytes() == before
        run.rewind(3)
        assert [line["step"] for line in run.read("metrics")] == [0, 1, 2, 3]
        assert [line["step"] for line in run.read("energies")] == [0, 2]
        assert len(run.read("log")) == 1
        for step in (4, 5):
            run.record("metrics", step=step, loss=0.1 * step)
        assert (tmp_path / "metrics.jsonl").read_bytes() == before
        run.rewind(None)
        assert run.read("metrics") == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("x"), "failed"),
        (DataError("x"), "failed"),
        (Interrupted(), "interrupted"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_how_a_run_ended(tmp_path, error, status):
    with pytest.raises(type(error)), create(tmp_path):
        raise error
    assert info(tmp_path)["status"] == status
    assert type(error).__name__ in info(tmp_path)["error"]
    assert RunFolder.open(tmp_path).read("log")[-1]["event"] == status


def test_what_a_report_says_of_its_run(tmp_path):
    with create(tmp_path) as run:
        assert "status" not in run.provenance  # "running" would stand there for good
        assert run.provenance["config"] == run.config
        assert RunFolder.open(tmp_path).provenance["status"] == "running"
    assert run.provenance["status"] == "finished"
    assert RunFolder.open(tmp_path).provenance["status"] == "finished"


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(DataError, match=r"no run\.json"):
        RunFolder.open(tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        RunFolder.open(tmp_path / "nothing")
    run = '{"adiabat": "run", "task": "train", "status": "starting", "sessions": [], "streams": %s}'
    streams = [run % names for names in ('["../../notes"]', '["/etc/notes"]', "3", "[3]", '["*"]')]
    for content in ("", "{}", "[1]", '{"adiabat": "run"}', "[" * 10**5, "\x00", *streams):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(DataError, match="damaged"):
            RunFolder.open(tmp_path)
        with pytest.raises(DataError, match="damaged"):
            create(tmp_path, force=True)


def test_a_damaged_line_is_named(tmp_path):
    with create(tmp_path) as run:
        for step in range(3):
            run.record("metrics", step=step)
    content = (tmp_path / "metrics.jsonl").read_bytes()
    (tmp_path / "metrics.jsonl").write_bytes(content.replace(b"1", b'"', 1))
    with pytest.raises(DataError, match="line 2"):
        RunFolder.open(tmp_path).read("metrics")


def test_a_full_disk_takes_the_torn_line_back(tmp_path):
    run = create(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.raises(DataError, match="full"):  # noqa: PT012
            for step in range(1000):
                run.record("metrics", step=step)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    lines = run.read("metrics")
    run.record("metrics", step=len(lines))
    assert [line["step"] for line in run.read("metrics")] == list(range(len(lines) + 1))
    run.close()


WRITER = """
import sys
from adiabat.base.runs import RunFolder
with RunFolder.create(sys.argv[1], "t", {"seed": 1}, resume=True) as run:
    checkpoint = run.checkpoints("t").latest()
    first = 0 if checkpoint is None else checkpoint.step
    run.rewind(None if checkpoint is None else checkpoint.step)
    print("ready", flush=True)
    for step in range(first + 1, 10**9):
        run.record("metrics", step=step, text="x" * 5000)
        if step % 20 == 0:
            run.checkpoints("t").save(step, {}, {})
            run.result(step=step)
"""


def test_kill_9_then_resume_gives_the_same_stream(tmp_path):
    random = np.random.default_rng(1)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0, 0.15))
        process.kill()
        process.communicate()
        assert RunFolder.open(tmp_path).status == "killed"
    with RunFolder.create(tmp_path, "t", {"seed": 1}, resume=True) as run:
        steps = [line["step"] for line in run.read("metrics")]
        assert steps == list(range(1, len(steps) + 1))
        assert run.checkpoints("t").latest().step <= len(steps)


@pytest.mark.parametrize("killed_after", range(6))
def test_killed_while_the_old_run_is_moved_aside_or_back(tmp_path, monkeypatch, killed_after):
    """After any number of renamed entries, the next command finds the old run whole."""
    path = tmp_path / "run"
    with create(path) as run:
        run.checkpoints("x").save(1, {}, {})
        (path / "model.safetensors").write_text("old")
    before = {name: (path / name).read_bytes() for name in ("config.toml", "run.json", "model.safetensors")}
    done, rename = [], Path.rename

    def rename_or_die(self, target):
        if len(done) == killed_after:
            raise KeyboardInterrupt
        done.append(self)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_or_die)
    with pytest.raises(KeyboardInterrupt), create(path, {"seed": 4}, force=True):
        raise DataError("no such file")
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="finished run"):
        create(path)
    assert {name: (path / name).read_bytes() for name in before} == before
    assert (path / "checkpoints").is_dir()
    assert sorted(os.listdir(path)) == [".lock", "checkpoints", *sorted(before)]


def test_a_run_that_cannot_be_resumed_so_stays_as_it_was(tmp_path):
    options = {"may_change": ("seed",)}
    create(tmp_path, **options).close()
    before = info(tmp_path), (tmp_path / "config.toml").read_text()
    with pytest.raises(ConfigError), create(tmp_path, CONFIG | {"seed": 4}, resume=True, **options):
        raise ConfigError("not with this seed")
    assert (info(tmp_path), (tmp_path / "config.toml").read_text()) == before
    with create(tmp_path, CONFIG | {"seed": 4}, resume=True, **options):
        pass
    assert RunFolder.open(tmp_path).config["seed"] == 4
