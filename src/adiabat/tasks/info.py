"""`adiabat info`: what runs here."""

import os
import platform
from importlib import metadata
from typing import Any

from adiabat import __version__
from adiabat.base.machine import usable_cpus
from adiabat.tasks.precision import enable

_PACKAGES = ("jax", "jaxlib", "equinox", "optax", "numpy", "scipy", "ase", "vesin", "h5py", "rdkit", "tblite")


def info() -> dict[str, Any]:
    """Versions, devices and precision of this installation.

    Returns:
        `adiabat`, `python`, `platform` (operating system), `cpus` that this process may use, `memory_gib`,
        `packages` with versions (None where one is missing), `backend` and `devices` of JAX,
        `precision` by what.

    Raises:
        MissingDependencyError: no JAX, one that computes wrong numbers, or no device.
    """
    facts = enable()
    return {
        "adiabat": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": usable_cpus(),
        "memory_gib": _memory(),
        "backend": facts["platform"],
        "devices": facts["devices"],
        "precision": {
            "networks": "float32",
            "coordinates": "float64" if facts["x64"] else "float32",
            "energies": "float64" if facts["x64"] else "float32",
            "matmul": facts["matmul_precision"],
        },
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _memory() -> float | None:
    """Of the machine [GiB], where the operating system says it."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
