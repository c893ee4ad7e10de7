"""Functions that switch an interaction off with continuous derivatives."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def polynomial_cutoff(
    distances: Float[Array, "*edges"], cutoff: Float[Array, "*#edges"] | float, p: int = 6
) -> Float[Array, "*edges"]:
    """1 at zero, 0 from `cutoff` on, with p - 1 vanishing derivatives at 0 and two at the cut-off.

    u(x) = 1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2), x = r / cutoff
    (Gasteiger et al., DimeNet, arXiv:2003.03123, eq. 8).

    Args:
        distances: [Å], any shape.
        cutoff: [Å].
        p: order of the polynomial.
    """
    x = jnp.minimum(distances / cutoff, 1.0)
    value = 1.0 - x**p * ((p + 1) * (p + 2) / 2 - p * (p + 2) * x + p * (p + 1) / 2 * x * x)
    return jnp.where(x < 1.0, value, 0.0)


def smooth_step(
    distances: Float[Array, "*edges"],
    begin: Float[Array, "*#edges"] | float,
    end: Float[Array, "*#edges"] | float,
) -> Float[Array, "*edges"]:
    """1 up to `begin`, 0 from `end` on, with two vanishing derivatives at both.

    1 - 10 t^3 + 15 t^4 - 6 t^5, t = (r - begin) / (end - begin).

    Args:
        distances: [Å], any shape.
        begin: [Å].
        end: [Å], more than `begin`.
    """
    t = jnp.clip((distances - begin) / (end - begin), 0.0, 1.0)
    return 1.0 - t**3 * (10.0 - t * (15.0 - 6.0 * t))
