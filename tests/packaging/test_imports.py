"""Importing adiabat: quick, silent, offline; the layers hold."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]

IMPORT_ALL = """
import importlib, pkgutil, sys
def hook(event, args):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise RuntimeError(f"importing adiabat must open no socket: {event} {args}")
sys.addaudithook(hook)
import adiabat
names = [module.name for module in pkgutil.walk_packages(adiabat.__path__, "adiabat.")]
for name in names:
    if not name.endswith("__main__"):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:  # of the module that only OpenMM-ML imports
            assert error.name == "openmmml", error
print(len(names))
"""


def python(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True, timeout=120, cwd=ROOT
    ).stdout


def test_no_module_opens_a_socket_when_imported():
    assert int(python("-c", IMPORT_ALL)) > 10


def test_import_is_quick_and_loads_nothing_heavy():
    """0.3 s is the aim (docs/benchmarks.md has the figure); 2 s is what a busy machine must keep."""
    start = time.perf_counter()
    loaded = python("-c", "import adiabat, sys; print(*sys.modules)").split()
    assert time.perf_counter() - start < 2.0
    assert not {"jax", "ase", "scipy", "rdkit", "matplotlib", "h5py", "pydantic"} & set(loaded)


def test_base_imports_no_jax():
    code = """
import importlib, pkgutil, sys
import adiabat.base
for module in pkgutil.walk_packages(adiabat.base.__path__, "adiabat.base."):
    importlib.import_module(module.name)
assert "jax" not in sys.modules and "ase" not in sys.modules
"""
    python("-c", code)


def test_imports_only_run_downward():
    command = Path(sys.executable).parent / "lint-imports"
    answer = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stdout
