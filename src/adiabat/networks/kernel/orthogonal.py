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
    usable = jax.default_backend() == "cpu" and matrices.dtype == np.float32
    found = kernel() if usable else None
    if found is None:
        return None
    call = jax.ffi.ffi_call(f"{found.name}_orthogonal", jax.ShapeDtypeStruct(matrices.shape, np.float32))
    return call(matrices, quintic=np.array(quintic, np.float32), iterations=np.int64(iterations))
