"""A lock on a folder that the operating system lets go when its holder dies, however it dies."""

import errno
import fcntl
import os
from pathlib import Path

from adiabat.base.errors import ConfigError
from adiabat.base.files import write_errors

_BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class FolderLock:
    """Lets one process write to a folder.

    Args:
        folder: an existing folder.
    """

    NAME = ".lock"

    def __init__(self, folder: Path):
        self.path = folder / self.NAME
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """True while this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Takes the lock.

        Raises:
            ConfigError: another process (or this one, elsewhere) holds it.
            DataError: the folder cannot be written.
        """
        with write_errors(self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            if error.errno not in _BUSY:
                with write_errors(self.path):
                    raise
            message = f"{self.path.parent} is being written by another process (pid {holder})"
            raise ConfigError(message, hint="wait for it, stop it, or choose another --out") from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives the lock back; the file stays, since removing it could let two writers in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_held(self) -> bool:
        """True while any process holds the lock."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False
