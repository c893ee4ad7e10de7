"""Orthogonal factors by the kernel, for the optimizer."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float

from adiabat.networks.kernel.build import kernel


def orthogonal_factors(
    matrices: Float[Array, " n"], shapes: Sequence[tuple[int, int]], quintic: Sequence[float], iterations: int
) -> Float[Array, " n"] | None:
    """The factors by an odd quintic iteration; None where there is no kernel for the device or the precision.

    Args:
        matrices: one after the other.
        shapes: rows and columns of each.
        quintic: coefficients of the iteration.
        iterations: how many.
    """
    found = kernel()
    if found is None or matrices.dtype != np.float32:
        return None
    call = jax.ffi.ffi_call(f"{found.name}_orthogonal", jax.ShapeDtypeStruct(matrices.shape, np.float32))
    table = np.array(shapes, np.int64).ravel()
    return call(
        matrices, shapes=table, quintic=np.array(quintic, np.float32), iterations=np.int64(iterations)
    )
