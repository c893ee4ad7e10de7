"""Compiles the kernel, once on each machine, and tells XLA of it."""

import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import jax

from adiabat.base import AdiabatError
from adiabat.base.cache import compiled_folder
from adiabat.base.digest import digest
from adiabat.base.files import atomic_path

logger = logging.getLogger(__name__)

# No -ffast-math: an atom's numbers must not depend on how the loop over its block was vectorized.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fPIC", "-shared", "-w")
# What the library has for XLA, named adiabat_...
FUNCTIONS = (
    *("forward", "backward", "changes", "weights"),
    *("orthogonal", "environments", "environments_back"),
)
SECONDS = 120  # after which a compiler is given up


class Kernel(NamedTuple):
    """A kernel that XLA knows.

    Attributes:
        name: begins the names of its functions: `NAME_forward` and so on.
        tape_width: floats that one atom leaves for the backward pass, by interactions, channels, hidden.
        space_width: floats of one atom that the backward pass works with, likewise.
        change_space: floats that the changes of the energies work with, by atoms, interactions, channels,
            hidden, elements, knots.
        slope_space: floats that the derivative by the weights works with, by atoms, interactions, channels,
            hidden, elements, knots.
    """

    name: str
    tape_width: Callable[[int, int, int], int]
    space_width: Callable[[int, int, int], int]
    change_space: Callable[[int, int, int, int, int, int], int]
    slope_space: Callable[[int, int, int, int, int, int], int]


def kernel() -> Kernel | None:
    """The kernel by which networks in single precision run here; None where there is another device than the
    CPU, or no kernel for this processor."""
    return _kernel() if jax.default_backend() == "cpu" else None


@cache
def _kernel() -> Kernel | None:
    """The kernel for this processor, compiled when it has not been; None, and a sentence in the log, when
    there is no C++ compiler or it fails."""
    try:
        return _register(*_library())
    except (OSError, AdiabatError, subprocess.SubprocessError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        logger.warning(
            "forces are computed by XLA, about ten times slower than by the C++ kernel: %s", reason
        )
        return None


def _library() -> tuple[Path, str]:
    """The compiled library and a name for what it was made from."""
    sources = {
        file.name: file.read_bytes()
        for file in resources.files(__package__).iterdir()
        if _is_source(file.name)
    }
    compiler = _compiler()
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=SECONDS).stdout
    named = [part for name in sorted(sources) for part in (name, sources[name].decode())]
    key = digest(*named, " ".join(FLAGS), compiler, version.decode(errors="replace"))
    folder = compiled_folder(jax.__version__)
    if folder is None:
        raise RuntimeError("there is no folder to keep it in")
    for found in folder.glob(f"kernel-{key}-*.so"):
        # A damaged library would end the process when it is loaded.
        if found.stem.endswith(_hash(found)):
            return found, key
        found.unlink(missing_ok=True)
    logger.info("compiling the C++ kernel for this machine, once")
    return _compile(compiler, sources, folder, key), key


def _compile(compiler: str, sources: dict[str, bytes], folder: Path, key: str) -> Path:
    with tempfile.TemporaryDirectory() as work:
        for name, content in sources.items():
            (Path(work) / name).write_bytes(content)
        built = Path(work) / "kernel.so"
        command = [
            compiler,
            *FLAGS,
            "-isystem",
            jax.ffi.include_dir(),
            str(Path(work) / "kernel.cpp"),
            "-o",
            str(built),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no reason given"]
            raise RuntimeError(f"{compiler} failed: {lines[0]}")
        kept = folder / f"kernel-{key}-{_hash(built)}.so"
        with atomic_path(kept) as temporary:
            shutil.copyfile(built, temporary)
            temporary.chmod(0o700)
    return kept


def _register(path: Path, key: str) -> Kernel:
    library = ctypes.CDLL(str(path))
    name = f"adiabat_{key}"
    for function in FUNCTIONS:
        handler = jax.ffi.pycapsule(getattr(library, f"adiabat_{function}"))
        jax.ffi.register_ffi_target(f"{name}_{function}", handler, platform="cpu")
    sizes = {"tape_width": 3, "space_width": 3, "change_space": 6, "slope_space": 6}
    found = {name: getattr(library, f"adiabat_{name}") for name in sizes}
    for size, function in found.items():
        function.argtypes, function.restype = [ctypes.c_int64] * sizes[size], ctypes.c_int64
    return Kernel(name, **found)


def _compiler() -> str:
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        path = shutil.which(name) if name else None
        if path is not None:
            return path
    raise RuntimeError("there is no C++ compiler (c++, g++ or clang++)")


def _is_source(name: str) -> bool:
    return name.endswith((".h", ".cpp"))


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
