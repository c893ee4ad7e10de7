"""The limited-memory BFGS method, as compiled steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

MEMORY = 30
# Until the first curvature is known: a stiff bond's inverse force constant [Å^2/eV], as in ASE.
_INVERSE_STIFFNESS = 1.0 / 70.0
LONGEST_STEP = 0.2
"""[Å]."""


class History(eqx.Module):
    """The last displacements and changes of the gradient, newest at `count - 1` modulo the memory.

    Attributes:
        steps: shape (memory, rows, 3).
        changes: shape (memory, rows, 3).
        count: how many pairs were taken.
    """

    steps: Float[Array, "memory rows 3"]
    changes: Float[Array, "memory rows 3"]
    count: Int[Array, ""]

    @classmethod
    def empty(cls, like: Float[Array, "rows 3"]) -> "History":
        """No pairs yet."""
        zeros = jnp.zeros((MEMORY, *like.shape), like.dtype)
        return cls(zeros, zeros, jnp.zeros((), jnp.int32))

    def with_pair(self, step: Float[Array, "rows 3"], change: Float[Array, "rows 3"]) -> "History":
        """The history with one more pair, unless the energy curves down along it."""
        useful = jnp.vdot(step, change) > 1e-8 * jnp.linalg.norm(step) * jnp.linalg.norm(change)
        slot = self.count % MEMORY
        grown = History(self.steps.at[slot].set(step), self.changes.at[slot].set(change), self.count + 1)
        return jax.tree.map(lambda new, old: jnp.where(useful, new, old), grown, self)

    def direction(self, gradient: Float[Array, "rows 3"]) -> Float[Array, "rows 3"]:
        """-H g by the two-loop recursion (Nocedal 1980, doi 10.1090/S0025-5718-1980-0572855-7)."""
        order = (self.count - 1 - jnp.arange(MEMORY)) % MEMORY  # newest first
        known = jnp.arange(MEMORY) < self.count
        products = jnp.einsum("mra,mra->m", self.steps, self.changes)
        inverse = jnp.where(products > 0, 1.0 / jnp.where(products > 0, products, 1.0), 0.0)

        def down(residual, item):
            slot, use = item
            weight = jnp.where(use, inverse[slot] * jnp.vdot(self.steps[slot], residual), 0.0)
            return residual - weight * self.changes[slot], weight

        def up(result, item):
            slot, use, weight = item
            back = jnp.where(use, inverse[slot] * jnp.vdot(self.changes[slot], result), 0.0)
            return result + jnp.where(use, weight - back, 0.0) * self.steps[slot], None

        residual, weights = jax.lax.scan(down, gradient, (order, known))
        newest = (self.count - 1) % MEMORY
        square = jnp.vdot(self.changes[newest], self.changes[newest])
        scale = jnp.where(
            self.count > 0, products[newest] / jnp.where(square > 0, square, 1.0), _INVERSE_STIFFNESS
        )
        result, _ = jax.lax.scan(up, scale * residual, (order, known, weights), reverse=True)
        downhill = jnp.vdot(result, gradient) > 0
        return jnp.where(downhill, -result, -_INVERSE_STIFFNESS * gradient)


def limited(step: Float[Array, "rows 3"], longest: Float[Array, ""] | float) -> Float[Array, "rows 3"]:
    """The step, shortened as a whole so that no row is longer than `longest`."""
    length = jnp.sqrt(jnp.max(jnp.sum(step**2, axis=1)))
    return step * jnp.minimum(1.0, longest / jnp.where(length > 0, length, 1.0))


def is_not_higher(new: Float[Array, ""], old: Float[Array, ""], n_atoms: int) -> Bool[Array, ""]:
    """Whether an energy has not risen by more than the rounding of a network in single precision."""
    return new <= old + 1e-5 + 1e-6 * n_atoms
