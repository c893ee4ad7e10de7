"""The run folder: what was asked, what happened, and everything needed to go on.

RUN/
  config.toml          the resolved configuration, with the name of the task
  run.json             task, status, version, devices, seed, command, times, results
  log.jsonl            events
  metrics.jsonl        one line a measurement; other streams beside it
  checkpoints/         the last two
  model.safetensors, trajectory.h5, report.html    as the task makes them
"""

import contextlib
import copy
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adiabat import __version__
from adiabat.base.checkpoints import CheckpointStore
from adiabat.base.config import dump_config, load_config, parse_config
from adiabat.base.errors import ConfigError, DataError
from adiabat.base.files import TEMPORARY_PREFIX, atomic_write, remove_temporaries, write_errors
from adiabat.base.jsonlines import LineFile, dumps, plain, read_lines
from adiabat.base.locks import FolderLock

_INFO, _CONFIG, _LOG = "run.json", "config.toml", "log"
_OWN = (_CONFIG, _INFO, "checkpoints")
_STREAM = re.compile(r"[A-Za-z0-9_-]+")
_MADE = ("model.safetensors", "trajectory.h5", "report.html")
# Where --force puts what a run is to replace until there is something to replace it with; under the other
# name while it is moved there or back.
_REPLACED, _MOVING = ".replaced", ".moving"
_PACKAGES = ("jax", "jaxlib", "equinox", "optax", "numpy", "scipy", "ase")


class RunFolder:
    """One run on disk; made by `create` or read by `open`. As a context manager it records how the run ended.

    Attributes:
        path: the folder.
        task: which task made it, such as "train".
        config: the resolved configuration, as TOML holds it.
        info: the content of run.json.
    """

    def __init__(
        self,
        path: Path,
        info: dict[str, Any],
        config: dict[str, Any],
        lock: FolderLock | None,
        makes: Collection[str] = (),
    ):
        self.path = path
        self.info = info
        self.config = config
        self.task: str = info["task"]
        self._lock = lock
        self._makes = makes
        self._streams: dict[str, LineFile] = {}
        self._begin = time.monotonic()
        self._before: tuple[dict[str, Any], dict[str, Any]] | None = None

    @classmethod
    def create(
        cls,
        path: str | os.PathLike,
        task: str,
        config: Mapping[str, Any],
        *,
        force: bool = False,
        resume: bool = False,
        may_change: Collection[str] = (),
        seed: int | None = None,
        makes: Collection[str] = (),
    ) -> Self:
        """A folder to write to, locked against a second writer until the block is left.

        Args:
            path: the folder; made with its parents.
            task: the name of the task.
            config: its resolved configuration.
            force: start over in a folder that holds a run of the same task, replacing what that run wrote. It
                comes back if this run ends before it has made anything.
            resume: go on with the run in the folder; where there is none, one is begun.
            may_change: top-level keys of `config` that may differ on resuming, such as "steps".
            seed: recorded in run.json; by default the configuration's key "seed".
            makes: patterns of what the task writes beside the model, the trajectory and the report.

        Raises:
            ConfigError: the folder holds a run (and neither force nor resume is given), other files, another
                task or, on resuming, another configuration; another process writes to it.
            DataError: it cannot be written or its run.json is damaged.
        """
        path = Path(path)
        resolved = parse_config(dump_config(config))
        if path.is_dir() and not (path / _INFO).exists() and _foreign(path):
            message = f"{path} holds files that are not of an adiabat run, such as {_foreign(path)[0]!r}"
            raise ConfigError(message, hint="choose another --out")
        with write_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(path)
        lock.acquire()
        try:
            remove_temporaries(path)
            _finish_moving(path)
            if not (path / _INFO).exists() or _made_nothing(path, makes):
                _take_back(path)
            info = _read_info(path) if (path / _INFO).exists() else None
            if info is not None and info["status"] != "starting":
                if resume:
                    before = _check_same(path, info, task, resolved, may_change)
                    return cls(path, info, resolved, lock, makes)._resumed(before)
                if info["status"] == "finished" or not _made_nothing(path, makes):
                    if not force:
                        raise _occupied(path, info, may_change)
                    _check_task(path, info, task)
                    _set_aside(path, (*_streams_of(info), *makes))
            _clear(path, _streams_of(info) if info is not None else ())
            info = {
                "task": task,
                "status": "starting",
                "created": _now(),
                "seed": resolved.get("seed") if seed is None else seed,
                "sessions": [],
            }
            run = cls(path, info, resolved, lock, makes)
            run._write_info()
            run._write_config()
            run._begin_session()
        except BaseException:
            lock.release()
            raise
        return run

    @classmethod
    def open(cls, path: str | os.PathLike) -> Self:
        """The run in a folder, for reading.

        Raises:
            DataError: no run folder, or a damaged one.
        """
        path = Path(path)
        if not (path / _INFO).is_file():
            what = "is not a run folder (it has no run.json)" if path.is_dir() else "is not a folder"
            raise DataError(f"{path} {what}", hint="give the folder that --out named")
        return cls(path, _read_info(path), _read_config(path), None)

    def _resumed(self, config_before: dict[str, Any]) -> Self:
        self._before = copy.deepcopy(self.info), config_before
        for stream in self.streams():
            self._stream(stream).keep(lambda _: True)  # drops a torn last line
        self._write_config()
        self._begin_session()
        return self

    @property
    def status(self) -> str:
        """starting, running, finished, failed, interrupted, or killed when its process is gone."""
        status = self.info["status"]
        gone = (
            self._lock is None and status in ("starting", "running") and not FolderLock(self.path).is_held()
        )
        return "killed" if gone else status

    @property
    def provenance(self) -> dict[str, Any]:
        """`info` with the configuration, for a report. The status is that of now; of a run that goes on
        in this process there is none: when what it writes is read, the run has ended."""
        held = self._lock is not None and self._lock.held
        facts = {**self.info, "config": self.config, "status": None if held else self.status}
        return {key: value for key, value in facts.items() if value is not None}

    @property
    def results(self) -> dict[str, Any]:
        """What `result` was given."""
        return self.info.get("results", {})

    @property
    def minutes(self) -> float:
        """Wall-clock time so far, of all sessions; of one that was killed it is not known."""
        before = sum(session.get("wall_seconds", 0.0) for session in self.info["sessions"][:-1])
        return (before + time.monotonic() - self._begin) / 60

    def log(self, event: str, **fields: Any) -> None:
        """Adds a line to log.jsonl with the time."""
        self._stream(_LOG).append({"time": _now(), "event": event, **fields})

    def record(self, stream: str, **values: Any) -> None:
        """Adds a line to `<stream>.jsonl`; give it a `step`, so that resuming can take it back."""
        self._stream(stream).append(values)

    def read(self, stream: str) -> list[dict[str, Any]]:
        """The lines of `<stream>.jsonl`, none when there is no such file."""
        path = self.path / f"{stream}.jsonl"
        return read_lines(path) if path.exists() else []

    def streams(self) -> list[str]:
        """The names of the streams, the log included."""
        return [name for name in self.info.get("streams", ()) if (self.path / f"{name}.jsonl").exists()]

    def truncate(self, stream: str, step: int) -> None:
        """Removes the lines of `<stream>.jsonl` of steps after `step`."""
        self._stream(stream).keep(lambda values: values.get("step", step) <= step)

    def rewind(self, step: int | None) -> None:
        """Takes all streams but the log back to a checkpoint's step; None empties them."""
        for stream in self.streams():
            if stream != _LOG:
                self.truncate(stream, -1 if step is None else step)

    def checkpoints(self, kind: str) -> CheckpointStore:
        """The checkpoints of this run."""
        return CheckpointStore(self.path / "checkpoints", kind)

    def result(self, **values: Any) -> None:
        """Merges values into the results in run.json."""
        self.info["results"] = {**self.results, **plain(values)}
        self._write_info()

    def note(self, **values: Any) -> None:
        """Merges facts about how the run was made (devices, precision) into run.json."""
        self.info["environment"] = {**self.info.get("environment", {}), **plain(values)}
        self._write_info()

    def close(self, status: str = "finished", error: str | None = None) -> None:
        """Records how the run ended and lets others write to it."""
        if self._lock is None or not self._lock.held:
            return
        for stream in self._streams.values():
            stream.close()
        try:
            session = self.info["sessions"][-1]
            session |= {
                "ended": _now(),
                "wall_seconds": round(time.monotonic() - self._begin, 3),
                "status": status,
            }
            self.info |= {"status": status, "error": error, "ended": session["ended"]}
            self.info["wall_seconds"] = round(sum(s.get("wall_seconds", 0) for s in self.info["sessions"]), 3)
            self._write_info()
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close("finished")
            shutil.rmtree(self.path / _REPLACED, ignore_errors=True)
            return
        if isinstance(error, ConfigError) and self._before is not None:
            self._refuse()
            return
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        with contextlib.suppress(DataError, OSError):  # a full disk must not hide the first error
            self.log(status, error=f"{type(error).__name__}: {error}")
        if (self.path / _REPLACED).exists() and _made_nothing(self.path, self._makes):
            try:
                with contextlib.suppress(DataError, OSError):
                    for stream in self._streams.values():
                        stream.close()
                    _take_back(self.path)
            finally:
                if self._lock is not None:
                    self._lock.release()
            return
        with contextlib.suppress(DataError, OSError):
            self.close(status, error=f"{type(error).__name__}: {error}")

    def _refuse(self) -> None:
        """Leaves a run that was to be resumed with settings it cannot have as it was."""
        assert self._before is not None
        for stream in self._streams.values():
            stream.close()
        try:
            self.info, self.config = self._before
            self._write_info()
            self._write_config()
        finally:
            if self._lock is not None:
                self._lock.release()

    def _begin_session(self) -> None:
        self.info["sessions"] = [
            *self.info["sessions"],
            {"began": _now(), "command": sys.argv, "pid": os.getpid()},
        ]
        self.info |= {"status": "running", "error": None, "version": __version__}
        self.info["python"] = platform.python_version()
        self.info["platform"] = platform.platform()
        self.info["packages"] = _versions()
        self._write_info()

    def _write_info(self) -> None:
        if self._lock is None:
            raise RuntimeError("this run folder was opened for reading")
        atomic_write(self.path / _INFO, dumps({"adiabat": "run", **self.info}, indent=2) + "\n")

    def _write_config(self) -> None:
        atomic_write(self.path / _CONFIG, dump_config({"task": self.task, **self.config}))

    def _stream(self, name: str) -> LineFile:
        if self._lock is None:
            raise RuntimeError("this run folder was opened for reading")
        if name not in self._streams:
            if name not in self.info.get("streams", ()):
                self.info["streams"] = sorted({*self.info.get("streams", ()), name})
                self._write_info()
            self._streams[name] = LineFile(self.path / f"{name}.jsonl")
        return self._streams[name]


def _read_info(path: Path) -> dict[str, Any]:
    """run.json, checked."""
    import json

    try:
        with (path / _INFO).open("rb") as file:
            info = json.loads(file.read(16 * 2**20))
        whole = info["adiabat"] == "run" and all(isinstance(one, dict) for one in info["sessions"])
        # The streams' names become those of files that --force removes.
        if whole and all(_STREAM.fullmatch(name) for name in info.get("streams", [])):
            return {"task": str(info["task"]), "status": str(info["status"]), **info}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise DataError(f"{path / _INFO} is damaged or not of an adiabat run", hint="choose another --out")


def _read_config(path: Path) -> dict[str, Any]:
    """The configuration without the name of the task."""
    return {key: value for key, value in load_config(path / _CONFIG).items() if key != "task"}


def _check_same(
    path: Path, info: dict[str, Any], task: str, config: dict[str, Any], may_change: Collection[str]
) -> dict[str, Any]:
    """The configuration the run has; refuses to go on with a run that was asked something else."""
    _check_task(path, info, task)
    before = _read_config(path)
    keys = [key for key in {**before, **config} if key not in may_change]
    changed = [
        _difference(key, before.get(key), config.get(key))
        for key in keys
        if before.get(key) != config.get(key)
    ]
    if changed:
        hint = "give the options of the first run again, or start over with --force or another --out"
        raise ConfigError(f"the run in {path} was begun otherwise: {'; '.join(changed)}", hint=hint)
    return before


def _difference(key: str, before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        return "; ".join(_difference(f"{key}.{name}", before.get(name), now.get(name)) for name in names)
    return f"{key} was {before!r} and is {now!r} now"


def _occupied(path: Path, info: dict[str, Any], may_change: Collection[str]) -> ConfigError:
    if info["status"] == "finished":
        longer = f"go on with --resume and more {', '.join(may_change)}, " if may_change else ""
        hint = f"choose another --out, {longer}or start over with --force"
        return ConfigError(f"{path} holds a finished run of {info['task']!r}", hint=hint)
    hint = "go on with --resume, or start over with --force"
    return ConfigError(f"{path} holds an unfinished run of {info['task']!r}", hint=hint)


def _foreign(path: Path) -> list[str]:
    """Names in a folder that a run that was just being made cannot have left there."""
    if (path / _REPLACED).is_dir() or (path / _MOVING).is_dir():
        return []
    own = (FolderLock.NAME, TEMPORARY_PREFIX)
    return [entry.name for entry in path.iterdir() if not entry.name.startswith(own)]


def _check_task(path: Path, info: dict[str, Any], task: str) -> None:
    if info["task"] != task:
        message = f"{path} holds a run of {info['task']!r}, not of {task!r}"
        raise ConfigError(message, hint="choose another --out")


def _streams_of(info: dict[str, Any]) -> list[str]:
    return [f"{name}.jsonl" for name in info.get("streams", ())]


def _entries(path: Path, patterns: Collection[str]) -> list[Path]:
    return [entry for pattern in patterns for entry in path.glob(pattern)]


def _made_nothing(path: Path, makes: Collection[str]) -> bool:
    """Whether a folder holds no more than the beginning of a run: nobody would miss it."""
    if not (path / _INFO).exists():
        return False
    streams = [name for name in _streams_of(_read_info(path)) if name != f"{_LOG}.jsonl"]
    return not _entries(path, (*_MADE, "checkpoints/*", *streams, *makes))


def _set_aside(path: Path, makes: Collection[str]) -> None:
    """Moves what a run wrote, and nothing that the user may have put there, out of the way."""
    with write_errors(path):
        shutil.rmtree(path / _REPLACED, ignore_errors=True)
        (path / _MOVING).mkdir()
        for entry in _entries(path, (*_OWN, *_MADE, *makes)):
            entry.rename(path / _MOVING / entry.name)
        (path / _MOVING).rename(path / _REPLACED)


def _take_back(path: Path) -> None:
    """Undoes `_set_aside`."""
    if not (path / _REPLACED).is_dir():
        return
    with write_errors(path):
        _clear(path, [f"{_LOG}.jsonl"])
        (path / _REPLACED).rename(path / _MOVING)
    _finish_moving(path)


def _finish_moving(path: Path) -> None:
    """Brings back what was on its way, there or back, when a process was killed."""
    if not (path / _MOVING).is_dir():
        return
    with write_errors(path):
        for entry in (path / _MOVING).iterdir():
            entry.rename(path / entry.name)
        (path / _MOVING).rmdir()


def _clear(path: Path, more: Collection[str] = ()) -> None:
    """Removes the beginning of a run."""
    with write_errors(path):
        for entry in _entries(path, (*_OWN, *more)):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
