import os
import resource
import signal
import stat
import subprocess
import sys

import pytest

from adiabat.base import DataError
from adiabat.base.files import atomic_path, atomic_write


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_text_and_bytes_and_makes_parents(tmp_path):
    atomic_write(tmp_path / "a" / "b.txt", "Å")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "Å".encode()
    atomic_write(tmp_path / "a" / "b.txt", b"new")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"new"
    assert names(tmp_path / "a") == ["b.txt"]


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "x.dat"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x.dat"]


def test_temporary_keeps_the_suffix_and_the_folder(tmp_path):
    with atomic_path(tmp_path / "model.safetensors") as temporary:
        assert temporary.suffix == ".safetensors"
        assert temporary.parent == tmp_path
        temporary.touch()


def test_a_link_is_followed_and_the_mode_kept(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    atomic_write(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.fixture
def limited_file_size():
    """No file of this process may grow beyond 1000 bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("limited_file_size")
def test_full_disk_is_a_data_error_and_loses_nothing(tmp_path):
    path = tmp_path / "x.dat"
    atomic_write(path, b"old")
    with pytest.raises(DataError, match="full") as caught:
        atomic_write(path, bytes(5000))
    assert caught.value.hint
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x.dat"]


@pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")
def test_full_file_system_is_a_data_error(tmp_path):
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        atomic_write(tmp_path / "x", b"old")
        with pytest.raises(DataError, match="full"):
            atomic_write(tmp_path / "x", bytes(200_000))
        assert (tmp_path / "x").read_bytes() == b"old"
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for path in [tmp_path / "folder", tmp_path / "file" / "x", tmp_path / ("n" * 300)]:
        with pytest.raises(DataError, match="cannot write"):
            atomic_write(path, "x")


@pytest.mark.skipif(sys.platform != "linux", reason="a read-only place that even root cannot write")
def test_read_only_place():
    with pytest.raises(DataError, match="cannot write"):
        atomic_write("/proc/adiabat/x", "x")
