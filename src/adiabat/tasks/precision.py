"""JAX's global configuration: the only place in adiabat that changes it."""

import contextlib
import os
import re
from typing import Any

from adiabat.base import MissingDependencyError
from adiabat.base.cache import compiled_folder

OLDEST_JAX = (0, 11, 2)
_INSTALL = 'pip install "jax>=0.11.2"'


def check_jax() -> str:
    """The version of JAX.

    Raises:
        MissingDependencyError: there is none, or one that is known to compute wrong numbers: 0.10.2 on the
            CPU (https://github.com/jax-ml/jax/issues/39103), 0.11.0 and 0.11.1 on some GPUs (#40633).
    """
    from importlib import metadata

    try:
        version = metadata.version("jax")
    except metadata.PackageNotFoundError as error:
        raise MissingDependencyError("JAX is not installed", hint=_INSTALL) from error
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:3])
    if numbers < OLDEST_JAX:
        message = f"JAX {version} is installed, versions before 0.11.2 compute wrong numbers on some machines"
        raise MissingDependencyError(message, hint=_INSTALL)
    return version


def enable() -> dict[str, Any]:
    """Makes JAX keep float64 (for coordinates and sums of energies) and multiply float32 matrices in float32.

    Networks choose float32 themselves. Every task calls this before its first computation.

    Returns:
        What a run folder records: version, precision, platform and devices.

    Raises:
        MissingDependencyError: as `check_jax`, or JAX finds no device to run on.
    """
    version = check_jax()
    import jax

    jax.config.update("jax_enable_x64", True)
    # without this, GPUs multiply float32 in TF32 (10 bits), which a conserved energy does not survive
    jax.config.update("jax_default_matmul_precision", "highest")
    _repeat_on_accelerators()
    _keep_compiled(jax)
    try:
        devices = jax.devices()
    except RuntimeError as error:
        hint = "set JAX_PLATFORMS=cpu to run without an accelerator"
        raise MissingDependencyError(f"JAX finds no device to run on: {error}", hint=hint) from error
    return {
        "jax": version,
        "x64": True,
        "matmul_precision": "highest",
        "platform": devices[0].platform,
        "devices": [device.device_kind for device in devices],
    }


def _repeat_on_accelerators() -> None:
    """Has XLA keep to operations on a GPU that give the same bits each time, unless XLA_FLAGS says else."""
    from importlib import metadata

    flags = os.environ.get("XLA_FLAGS", "")
    if metadata.entry_points(group="jax_plugins") and "xla_gpu_deterministic_ops" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()


def _keep_compiled(jax: Any) -> None:
    """Lets JAX keep what it compiles (half a minute for a first training) for the next command.

    JAX_COMPILATION_CACHE_DIR says where instead. A folder that cannot be made is missed.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = compiled_folder(jax.__version__)
    if folder is not None:
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_compilation_cache_dir", str(folder))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
