"""Checkpoints of a long loop: the last two, each complete or absent."""

import contextlib
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base.archive import DamagedArchiveError, read_archive, write_archive
from adiabat.base.errors import DataError
from adiabat.base.files import remove_temporaries

KEPT = 2
_NAME = re.compile(r"step-(\d{12,})\.safetensors")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """What a loop needs to go on.

    Attributes:
        step: how many steps were done.
        arrays: the state.
        header: whatever else, as JSON holds it.
    """

    step: int
    arrays: dict[str, np.ndarray]
    header: dict[str, Any]


class CheckpointStore:
    """The checkpoints in one folder.

    Args:
        folder: made at the first `save`.
        kind: what they hold, such as "training"; one of another kind is refused.
    """

    def __init__(self, folder: str | os.PathLike, kind: str):
        self.folder = Path(folder)
        self.kind = kind

    def save(self, step: int, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> Path:
        """Writes a checkpoint and removes all but the last two; a crash at any moment leaves a readable one.

        Raises:
            DataError: the disk is full; the older checkpoints remain.
        """
        path = self.folder / f"step-{step:012d}.safetensors"
        write_archive(path, self.kind, arrays, {"step": int(step), "content": dict(header)})
        for old in self._paths()[KEPT:]:
            old.unlink(missing_ok=True)
        return path

    def latest(self) -> Checkpoint | None:
        """The newest readable checkpoint, or None when nothing was saved.

        A damaged one is set aside under the name `*.damaged`, logged, and the one before it used.

        Raises:
            DataError: there are checkpoints and none is readable, or they are of another kind.
        """
        remove_temporaries(self.folder)
        failure = None
        for path in self._paths():
            try:
                arrays, header = read_archive(path, self.kind)
                return Checkpoint(int(header["step"]), arrays, header["content"])
            except DamagedArchiveError as error:
                failure = error
                logger.warning("%s; the checkpoint before it is used", error.message)
                with contextlib.suppress(OSError):
                    path.rename(path.with_suffix(".damaged"))
        if failure is not None:
            raise DataError(
                f"no checkpoint in {self.folder} is readable: {failure.message}", hint="start over: --force"
            )
        return None

    def clear(self) -> None:
        """Removes all checkpoints."""
        for path in self._paths():
            path.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        """Newest first."""
        found = [p for p in self.folder.glob("step-*.safetensors") if _NAME.fullmatch(p.name)]
        return sorted(found, key=lambda p: int(_NAME.fullmatch(p.name)[1]), reverse=True)  # pyright: ignore
