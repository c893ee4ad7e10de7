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


def describe_model(model: str | os.PathLike) -> dict[str, Any]:
    """What a model file says of its model.

    Returns:
        Of a potential file its `terms` and their `cutoff` [Å]. Of a model
        `architecture`, `hyperparameters`, `parameters` (how many numbers), `elements`, `cutoff` [Å],
        `repulsion_ends` [Å] by pair, `dipoles` and `long_range` (whether it has any), and the summary of its
        training: `training`, `errors` by test set.

    Raises:
        DataError: no such file, or a damaged one.
        ConfigError: a potential file has a wrong key or value.
    """
    import ase.data
    import equinox as eqx
    import jax

    from adiabat.networks import load_model
    from adiabat.tasks.potential import described, is_potential_file, load_potential

    enable()
    if is_potential_file(model):
        return {"terms": described(model), "cutoff": load_potential(model).cutoff}
    potential = load_model(model)
    symbols = ase.data.chemical_symbols
    ends = () if potential.repulsion is None else potential.repulsion.ends
    return {
        "architecture": potential.network.kind,
        "hyperparameters": potential.network.hyperparameters(),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(potential.network, eqx.is_array))),
        "elements": [symbols[z] for z in potential.elements],
        "cutoff": potential.cutoff,
        "repulsion_ends": {f"{symbols[a]}-{symbols[b]}": round(end, 3) for a, b, end in ends},
        "dipoles": potential.charges is not None,
        "long_range": potential.long_range is not None,
        **potential.summary,
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
