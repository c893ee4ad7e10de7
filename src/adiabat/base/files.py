"""Files that are either the old one or the new one, never half of one."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from adiabat.base.errors import ConfigError, DataError

TEMPORARY_PREFIX = ".adiabat-tmp-"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NOT_A_PLACE = {errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENOENT}


def write_error(error: OSError, path: str | os.PathLike) -> DataError:
    """The `DataError` that says why `path` could not be written."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return DataError(f"cannot write {path}: disk or quota full ({reason})", hint="free some space")
    if error.errno in _FORBIDDEN:
        return DataError(f"cannot write {path}: {reason}", hint="choose a folder that you may write to")
    if error.errno in _NOT_A_PLACE:
        return DataError(f"cannot write {path}: {reason}", hint="choose another file name")
    if error.errno == errno.EEXIST:
        return DataError(f"cannot write {path}: there is a file of that name", hint="choose another --out")
    return DataError(f"cannot write {path}: {reason}")


@contextlib.contextmanager
def write_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turns the operating system's refusal to write `path` into a `DataError`."""
    try:
        yield
    except OSError as error:
        raise write_error(error, path) from error


def check_out(path: str | os.PathLike, force: bool) -> None:
    """Finds out before long work whether `path` may be written in the end; makes missing parent folders.

    Raises:
        ConfigError: it exists, and `force` is not given.
        DataError: a read-only folder, a folder of that name.
    """
    if Path(path).is_file() and not force:
        raise ConfigError(f"{path} exists", "choose another --out or add --force")
    with write_errors(path):
        if Path(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        folder = Path(os.path.realpath(path)).parent
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}"
        trial.touch()
        trial.unlink()


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path in the folder of `path` to write to; it replaces `path` when the block succeeds.

    Readers and a crash at any moment see either the old file or the complete new one. Missing parent folders
    are made. The temporary name keeps the suffix of `path`.

    Raises:
        DataError: full disk, read-only folder, a folder of that name.
    """
    target = Path(os.path.realpath(path))  # a link is followed, not replaced
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{target.name[-100:]}")
    with write_errors(path):
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        with write_errors(path):
            _sync(temporary)
            if target.exists():
                shutil.copymode(target, temporary)
            os.replace(temporary, target)
            _sync(target.parent)
    except OSError as error:
        if error.errno in _FULL or error.filename in (None, str(temporary)):
            raise write_error(error, path) from error
        raise  # it is about another file, which the block reads
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def atomic_write(path: str | os.PathLike, data: bytes | str) -> None:
    """Writes `data` (text as UTF-8) to `path` through `atomic_path`.

    Raises:
        DataError: as `atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def remove_temporaries(folder: Path) -> None:
    """Removes what a killed writer left behind in `folder`; nobody else may be writing there."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError):
            path.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems cannot sync a folder
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
