"""Compiles the kernel, once on each machine, and tells XLA of it."""

import ctypes
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax

from adiabat.base.native import FAILURES, FLAGS, compiled_library, reason

logger = logging.getLogger(__name__)

# What the library has for XLA, named adiabat_...
FUNCTIONS = (
    *("forward", "backward", "changes", "weights"),
    *("orthogonal", "environments", "environments_back"),
)


class Kernel(NamedTuple):
    """A kernel that XLA knows.

    Attributes:
        name: begins the names of its functions: `NAME_forward` and so on.
        tape_width: floats that one atom leaves for the backward pass, by interactions, channels, hidden.
        change_space: floats that the changes of the energies work with, by atoms, interactions, channels,
            hidden, elements, knots.
        slope_space: floats that the derivative by the weights works with, by atoms, interactions, channels,
            hidden, elements, knots.
    """

    name: str
    tape_width: Callable[[int, int, int], int]
    change_space: Callable[[int, int, int, int, int, int], int]
    slope_space: Callable[[int, int, int, int, int, int], int]


def call(
    name: str,
    function: str,
    results: Sequence[jax.ShapeDtypeStruct],
    *arguments: Any,
    in_place: Mapping[int, int] | None = None,
    **attributes: Any,
) -> Any:
    """What a function of a kernel gives, within XLA.

    Args:
        name: begins the names of the kernel's functions.
        function: which.
        results: their shapes.
        arguments: arrays.
        in_place: results that take the place of an argument, by their numbers.
        attributes: what is fixed when the call is compiled.
    """
    aliases = None if in_place is None else dict(in_place)
    target = jax.ffi.ffi_call(
        f"{name}_{function}", tuple(results), vmap_method="sequential", input_output_aliases=aliases
    )
    return target(*arguments, **attributes)


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
    except FAILURES as error:
        logger.warning(
            "forces are computed by XLA, about ten times slower than by the C++ kernel: %s", reason(error)
        )
        return None


def _library() -> tuple[Path, str]:
    """The compiled library and a name for what it was made from."""
    assert __package__
    include = [jax.ffi.include_dir()]
    return compiled_library(__package__, "kernel", jax.__version__, include=include, flags=FLAGS)


def _register(path: Path, key: str) -> Kernel:
    library = ctypes.CDLL(str(path))
    name = f"adiabat_{key}"
    for function in FUNCTIONS:
        handler = jax.ffi.pycapsule(getattr(library, f"adiabat_{function}"))
        jax.ffi.register_ffi_target(f"{name}_{function}", handler, platform="cpu")
    sizes = {"tape_width": 3, "change_space": 6, "slope_space": 6}
    found = {name: getattr(library, f"adiabat_{name}") for name in sizes}
    for size, function in found.items():
        function.argtypes, function.restype = [ctypes.c_int64] * sizes[size], ctypes.c_int64
    return Kernel(name, **found)
