"""C++ that comes with the package, compiled once on each machine."""

import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from adiabat.base.cache import compiled_folder
from adiabat.base.digest import digest
from adiabat.base.errors import AdiabatError
from adiabat.base.files import atomic_path

logger = logging.getLogger(__name__)

# No -ffast-math: an atom's numbers must not depend on how the loop over its block was vectorized.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fPIC", "-shared", "-pthread", "-w")
SECONDS = 120  # after which a compiler is given up
FAILURES = (OSError, AdiabatError, subprocess.SubprocessError, RuntimeError)
"""What `compiled_library` raises where it cannot serve."""


def compiled_library(
    package: str, name: str, version: str, *, include: Sequence[str] = (), flags: Sequence[str] = FLAGS
) -> tuple[Path, str]:
    """The library made of NAME.cpp and the headers of a package, for this processor.

    Args:
        package: where the sources are.
        name: of the source without its ending, and of the library.
        version: of what it is compiled against.
        include: folders of other headers.
        flags: of the compiler.

    Returns:
        The library, in the user's cache, and a name for what it was made from.

    Raises:
        one of `FAILURES`: no C++ compiler, one that fails, no folder to keep the library in.
    """
    sources = {
        file.name: file.read_bytes()
        for file in resources.files(package).iterdir()
        if file.name == f"{name}.cpp" or file.name.endswith(".h")
    }
    compiler = _compiler()
    told = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=SECONDS).stdout
    named = [part for source in sorted(sources) for part in (source, sources[source].decode())]
    key = digest(*named, " ".join(flags), compiler, told.decode(errors="replace"))
    folder = compiled_folder(version)
    if folder is None:
        raise RuntimeError("there is no folder to keep it in")
    for found in folder.glob(f"{name}-{key}-*.so"):
        # A damaged library would end the process when it is loaded.
        if found.stem.endswith(_hash(found)):
            return found, key
        found.unlink(missing_ok=True)
    logger.info("compiling %s.cpp for this machine, once", name)
    with tempfile.TemporaryDirectory() as work:
        for source, content in sources.items():
            (Path(work) / source).write_bytes(content)
        built = Path(work) / f"{name}.so"
        folders = [part for one in include for part in ("-isystem", one)]
        command = [compiler, *flags, *folders, str(Path(work) / f"{name}.cpp"), "-o", str(built)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no reason given"]
            raise RuntimeError(f"{compiler} failed: {lines[0]}")
        kept = folder / f"{name}-{key}-{_hash(built)}.so"
        with atomic_path(kept) as temporary:
            shutil.copyfile(built, temporary)
            temporary.chmod(0o700)
    return kept, key


def reason(error: BaseException) -> str:
    """Why there is no library, in one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _compiler() -> str:
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        path = shutil.which(name) if name else None
        if path is not None:
            return path
    raise RuntimeError("there is no C++ compiler (c++, g++ or clang++)")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
