"""Labels on disk, so that what is computed stays computed."""

import json
import os
import time
from pathlib import Path
from typing import Any, Self

from adiabat.base.files import write_errors

# Between two fsyncs at most this much work is lost to a power cut; a killed process loses one label at most.
SECONDS_BETWEEN_SYNCS = 2.0
MAX_LINE = 64 * 1024 * 1024


class LabelCache:
    """A file of JSON lines, `{"key": ..., labels}`, appended to as labels are made. A context manager.

    A line that is torn or damaged is ignored: its structure is labelled again.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._labels: dict[str, dict[str, Any]] = {}
        with write_errors(path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a+b")  # noqa: SIM115 (closed by `close`)
            self._file.seek(0)
            whole = self._read()
            self._file.seek(0, os.SEEK_END)
            if not whole:
                self._file.write(b"\n")
        self._synced = time.monotonic()

    def __len__(self) -> int:
        return len(self._labels)

    def get(self, key: str) -> dict[str, Any] | None:
        """The labels under `key`, as they were put."""
        return self._labels.get(key)

    def put(self, key: str, labels: dict[str, Any]) -> None:
        """Remembers `labels` under `key`, in memory and on disk.

        Raises:
            DataError: full disk.
        """
        self._labels[key] = labels
        with write_errors(self.path):
            self._file.write(json.dumps({"key": key, **labels}).encode() + b"\n")
            self._file.flush()
            if time.monotonic() - self._synced > SECONDS_BETWEEN_SYNCS:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()

    def close(self) -> None:
        """Flushes to disk."""
        if not self._file.closed:
            with write_errors(self.path):
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()

    def _read(self) -> bool:
        """Fills the table; False when the last line is torn."""
        line = b"\n"
        while line := self._file.readline(MAX_LINE):
            last = line
            try:
                values = json.loads(line)
                self._labels[values.pop("key")] = values
            except (ValueError, KeyError, AttributeError, TypeError):
                continue
        return not self._labels or last.endswith(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()
