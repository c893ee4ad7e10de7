"""What all tests share: float64, no network, a compile cache, and hypothesis without deadlines."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest

# XLA keeps what it compiled, for the commands that tests start as well: code only this user may write.
CACHE = Path(__file__).parent.parent / ".jax_cache"
CACHE.mkdir(mode=0o700, exist_ok=True)
CACHE.chmod(0o700)
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# On a GPU (make test-gpu): JAX_PLATFORMS=cuda,cpu pytest -m "gpu or device"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402  (it reads the variables above)

from adiabat.tasks.precision import enable  # noqa: E402

jax.config.update("jax_enable_x64", True)

hypothesis.settings.register_profile(
    "adiabat",
    deadline=None,  # the first example compiles
    max_examples=25,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("adiabat")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """On a GPU, JAX is set up as every command sets it up; a test of the GPU does not pass on a CPU."""
    marked = {mark.name for mark in item.iter_markers()}
    if not marked & {"gpu", "device"}:
        return
    if os.environ["JAX_PLATFORMS"] != "cpu":
        enable()
    if "gpu" in marked and jax.default_backend() != "gpu":
        pytest.skip(f"JAX runs on a {jax.default_backend()}; with a GPU: JAX_PLATFORMS=cuda,cpu")


@pytest.fixture(autouse=True, scope="module")
def _few_programs() -> Iterator[None]:
    """What XLA compiled goes when it is much: each program keeps maps of memory, Linux allows 65,530 of them
    to a process, and XLA crashes at the next."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 25_000:
        jax.clear_caches()


def _refuse(*args: Any) -> NoReturn:
    raise AssertionError(f"tests must not use the network: {args}")


def _only_local(connect: Any) -> Any:
    def checked(self: socket.socket, address: Any) -> Any:
        return connect(self, address) if self.family == socket.AF_UNIX else _refuse(self, address)

    return checked


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections between processes of this machine through AF_UNIX are allowed, all others are refused."""
    monkeypatch.setattr(socket.socket, "connect", _only_local(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", _only_local(socket.socket.connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", _refuse)
