"""Orthogonal factors by the kernel, for the optimizer."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float

from adiabat.networks.kernel.build import kernel


def orthogonal_factors(
    matrices: Float[Array, "n rows columns"], quintic: Sequence[float], iterations: int
) -> Float[Array, "n rows columns"] | None:
    """The factors by an odd quintic iteration; None where there is no kernel for the device or the
    precision."""
    found = kernel()
    if found is None or matrices.dtype != np.float32:
        return None
    call = jax.ffi.ffi_call(f"{found.name}_orthogonal", jax.ShapeDtypeStruct(matrices.shape, np.float32))
    return call(matrices, quintic=np.array(quintic, np.float32), iterations=np.int64(iterations))
