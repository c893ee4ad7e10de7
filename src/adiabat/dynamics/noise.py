"""The random numbers of a simulation: each a function of the run's key, the step, and whose number it is.

So they do not depend on what else is simulated beside, on the length of compiled chunks, or on JAX's version.
"""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfinv
from jaxtyping import Array, Float, UInt32

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def threefry(
    key: UInt32[Array, "*shape 2"], first: UInt32[Array, "*shape"], second: UInt32[Array, "*shape"]
) -> tuple[UInt32[Array, "*shape"], UInt32[Array, "*shape"]]:
    """Two random words for a key and a counter of two words: Threefry-2x32 of 20 rounds (Salmon et al. 2011,
    doi 10.1145/2063384.2063405). Shapes broadcast.

    Written out, it is one kernel together with what is made of the words; JAX's own is two nested loops of
    small ones on a CPU.
    """
    keys = (key[..., 0], key[..., 1], key[..., 0] ^ key[..., 1] ^ _PARITY)
    first, second = first + keys[0], second + keys[1]
    for block in range(5):
        for rotation in _ROTATIONS[block % 2]:
            first = first + second
            second = ((second << rotation) | (second >> (32 - rotation))) ^ first
        first = first + keys[(block + 1) % 3]
        second = second + keys[(block + 2) % 3] + np.uint32(block + 1)
    return first, second


def uniform(
    key: UInt32[Array, "*shape 2"], step: UInt32[Array, ""], number: UInt32[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Even between 0 and 1, neither of which is ever met.

    Args:
        key: data of the run's key.
        step: of the simulation.
        number: which of the step's numbers.
    """
    high, low = threefry(key, step.astype(jnp.uint32), number.astype(jnp.uint32))
    # 32 + 20 bits and a half, which float64 holds exactly.
    return (high + (((low >> 12) + 0.5) / 2**20)) / 2**32


def normal(
    key: UInt32[Array, "*shape 2"], step: UInt32[Array, ""], number: UInt32[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Standard normal; the arguments are those of `uniform`."""
    return np.sqrt(2) * erfinv(2 * uniform(key, step, number) - 1)
