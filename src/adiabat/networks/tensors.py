"""Products of vectors and symmetric traceless matrices in Cartesian components, and harmonics of directions.

A vector has shape (3, ...); a symmetric traceless matrix its components xx, yy, zz, xy, xz, yz in shape
(6, ...). Everything behind the first axis is elementwise.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

Vector = Float[Array, "3 *shape"]
Matrix = Float[Array, "6 *shape"]


def dot(a: Vector, b: Vector) -> Float[Array, "*shape"]:
    """a · b."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def contract(a: Matrix, b: Matrix) -> Float[Array, "*shape"]:
    """a : b, the trace of the matrix product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + 2 * (a[3] * b[3] + a[4] * b[4] + a[5] * b[5])


def matrix_vector(m: Matrix, v: Vector) -> Vector:
    """m v."""
    return jnp.stack(
        [
            m[0] * v[0] + m[3] * v[1] + m[4] * v[2],
            m[3] * v[0] + m[1] * v[1] + m[5] * v[2],
            m[4] * v[0] + m[5] * v[1] + m[2] * v[2],
        ]
    )


def outer(a: Vector, b: Vector) -> Matrix:
    """The symmetric traceless part of the outer product."""
    third = dot(a, b) / 3
    return jnp.stack(
        [
            a[0] * b[0] - third,
            a[1] * b[1] - third,
            a[2] * b[2] - third,
            0.5 * (a[0] * b[1] + a[1] * b[0]),
            0.5 * (a[0] * b[2] + a[2] * b[0]),
            0.5 * (a[1] * b[2] + a[2] * b[1]),
        ]
    )


def matrix_product(a: Matrix, b: Matrix) -> Matrix:
    """The symmetric traceless part of the matrix product."""
    third = contract(a, b) / 3
    return jnp.stack(
        [
            a[0] * b[0] + a[3] * b[3] + a[4] * b[4] - third,
            a[3] * b[3] + a[1] * b[1] + a[5] * b[5] - third,
            a[4] * b[4] + a[5] * b[5] + a[2] * b[2] - third,
            0.5 * (a[0] * b[3] + a[3] * b[1] + a[4] * b[5] + b[0] * a[3] + b[3] * a[1] + b[4] * a[5]),
            0.5 * (a[0] * b[4] + a[3] * b[5] + a[4] * b[2] + b[0] * a[4] + b[3] * a[5] + b[4] * a[2]),
            0.5 * (a[3] * b[4] + a[1] * b[5] + a[5] * b[2] + b[3] * a[4] + b[1] * a[5] + b[5] * a[2]),
        ]
    )


def harmonics(
    directions: Float[Array, "3 *edges"],  # noqa: F821
) -> tuple[Float[Array, "3 *edges"], Float[Array, "6 *edges"], Float[Array, "7 *edges"]]:  # noqa: F821
    """Harmonics of ranks 1, 2 (as a symmetric traceless matrix) and 3 of unit vectors, each of norm 1."""
    x, y, z = directions
    rank2 = [x * x - 1 / 3, y * y - 1 / 3, z * z - 1 / 3, x * y, x * z, y * z]
    rank3 = [
        (5 / 8) ** 0.5 * y * (3 * x * x - y * y),
        15**0.5 * x * y * z,
        (3 / 8) ** 0.5 * y * (5 * z * z - 1),
        0.5 * z * (5 * z * z - 3),
        (3 / 8) ** 0.5 * x * (5 * z * z - 1),
        15**0.5 / 2 * z * (x * x - y * y),
        (5 / 8) ** 0.5 * x * (x * x - 3 * y * y),
    ]
    return directions, 1.5**0.5 * jnp.stack(rank2), jnp.stack(rank3)
