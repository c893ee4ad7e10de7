"""The numbers in a pytree as named arrays, and back: what model files and checkpoints store."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np

from adiabat.base import DataError


def to_arrays(tree: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """The arrays of a pytree by their path, as host arrays."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(eqx.filter(tree, eqx.is_array))
    return {prefix + jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def from_arrays[T](
    template: T, arrays: Mapping[str, np.ndarray], prefix: str = "", source: str = "file"
) -> T:
    """A copy of `template` (arrays, or `jax.ShapeDtypeStruct`s in their place) with the stored arrays.

    Raises:
        DataError: an array is missing, left over, or of another shape or type.
    """
    is_slot = lambda leaf: eqx.is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)  # noqa: E731
    dynamic, static = eqx.partition(template, is_slot)
    leaves, structure = jax.tree_util.tree_flatten_with_path(dynamic)
    names = [prefix + jax.tree_util.keystr(path) for path, _ in leaves]
    stored = {name for name in arrays if name.startswith(prefix)}
    if stored != set(names):
        raise DataError(
            f"{source} does not fit this version's architecture: missing {sorted(set(names) - stored)[:3]}, "
            f"unknown {sorted(stored - set(names))[:3]}"
        )
    for name, (_, leaf) in zip(names, leaves, strict=True):
        if arrays[name].shape != leaf.shape or arrays[name].dtype != leaf.dtype:
            raise DataError(
                f"{source}: array {name} is {arrays[name].dtype}{list(arrays[name].shape)}, "
                f"expected {leaf.dtype}{list(leaf.shape)}"
            )
    filled = jax.tree_util.tree_unflatten(structure, [arrays[name] for name in names])
    return eqx.combine(filled, static)
