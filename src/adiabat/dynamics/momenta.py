"""Momenta: drawn from the Maxwell-Boltzmann distribution, and what follows from them."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from adiabat.base.units import BOLTZMANN
from adiabat.dynamics.noise import normal
from adiabat.system import Batch, System

# Atoms so near to a line, by its length, do not turn about it.
_ON_LINE = 1e-3
# Of the kinetic energy: what rounding leaves, of velocities that were stored in single precision too.
_AT_REST = 1e-10


def kinetic_energy(momenta: Float[Array, "n_atoms 3"], system: System | Batch) -> Float[Array, "*n_systems"]:
    """The sum of p^2 / 2m of each system [eV]."""
    # Rounded before they are summed, as in `drifted`.
    squares = jax.lax.optimization_barrier(momenta**2)
    return system.sum_atoms(0.5 * jnp.sum(squares, axis=1) / system.masses)


def maxwell_boltzmann(
    system: System, temperature: float | Float[Array, ""], key: PRNGKeyArray
) -> Float[Array, "n_atoms 3"]:
    """Momenta at a temperature [K], each component normal with variance m k_B T; padding stays at rest."""
    scale = jnp.sqrt(jnp.asarray(system.masses) * BOLTZMANN * temperature)
    number = 3 * system.numbering()[:, None] + jnp.arange(3)
    # The steps use 0, 1, 2, ...: the last number is left for the start.
    drawn = normal(system.spread(jax.random.key_data(key))[:, None], jnp.uint32(2**32 - 1), number)
    return jnp.where(jnp.asarray(system.mask)[:, None], drawn * scale[:, None], 0.0)


def without_translation(
    momenta: Float[Array, "n_atoms 3"], masses: Float[Array, " n_atoms"]
) -> Float[Array, "n_atoms 3"]:
    """The momenta seen from the center of mass, so that they sum to zero."""
    return momenta - masses[:, None] * (jnp.sum(momenta, axis=0) / jnp.sum(masses))


def without_rotation(
    momenta: Float[Array, "n_atoms 3"], positions: Float[Array, "n_atoms 3"], masses: Float[Array, " n_atoms"]
) -> Float[Array, "n_atoms 3"]:
    """The momenta without the rigid rotation about the center of mass, p_i - m_i w x r_i with I w = L.

    The inertia tensor of a linear molecule is singular along its axis, where no atom moves: the
    pseudo-inverse leaves that direction out.
    """
    center = jnp.sum(masses[:, None] * positions, axis=0) / jnp.sum(masses)
    r = positions - center
    angular = jnp.sum(jnp.cross(r, momenta), axis=0)
    inertia = jnp.sum(masses * jnp.sum(r**2, axis=1)) * jnp.eye(3) - jnp.einsum("n,na,nb->ab", masses, r, r)
    rotation = jnp.linalg.pinv(inertia, rtol=1e-8, hermitian=True) @ angular
    return momenta - masses[:, None] * jnp.cross(rotation[None, :], r)


def without_turning(
    momenta: Float[Array, "n_atoms 3"], system: System, positions: Float[Array, "n_atoms 3"]
) -> Float[Array, "n_atoms 3"]:
    """The momenta without the rotations that forces between atoms conserve: all without a periodic direction,
    that about the direction, through the center of mass, with a single one."""
    masses = jnp.asarray(system.masses)
    if not any(system.pbc):
        return without_rotation(momenta, positions, masses)
    if sum(system.pbc) > 1:
        return momenta
    direction, r, inertia = _about_axis(system, positions)
    angular = jnp.sum(jnp.cross(r, momenta), axis=0) @ direction
    rotation = jnp.where(inertia > 0, angular / jnp.where(inertia > 0, inertia, 1.0), 0.0) * direction
    return momenta - masses[:, None] * jnp.cross(rotation[None, :], r)


def _about_axis(
    system: System, positions: Float[Array, "n_atoms 3"]
) -> tuple[Float[Array, "3"], Float[Array, "n_atoms 3"], Float[Array, ""]]:
    """The one periodic direction, how far atoms are from the line along it through the center of mass, and
    their moment of inertia about it, zero where they are all on it."""
    masses, along = jnp.asarray(system.masses), jnp.asarray(system.cell)[system.pbc.index(True)]
    length = jnp.linalg.norm(along)
    direction = along / length
    r = positions - jnp.sum(masses[:, None] * positions, axis=0) / jnp.sum(masses)
    r = r - (r @ direction)[:, None] * direction
    inertia = jnp.sum(masses * jnp.sum(r**2, axis=1))
    return direction, r, jnp.where(inertia > jnp.sum(masses) * (_ON_LINE * length) ** 2, inertia, 0.0)


def moving_rigidly(system: System, momenta: Float[Array, "n_atoms 3"]) -> int:
    """How many of `rigid_motions` a structure is in, by its momenta."""
    motions, masses = rigid_motions(system), jnp.asarray(system.masses)
    if not motions:
        return 0
    still = without_translation(momenta, masses)
    parts = [(3, momenta - still)]
    turning = still - without_turning(still, system, jnp.asarray(system.positions))
    parts.append((motions - 3, turning))
    least = _AT_REST * kinetic_energy(momenta, system)
    return sum(count for count, part in parts if kinetic_energy(part, system) > least)


def rigid_motions(system: System) -> int:
    """How many momenta forces between atoms conserve: 3 of translation, and rotation.

    A molecule has 3 rotations, a linear one 2, and what is periodic in one direction turns about it. An atom
    alone has none that could be taken from it, so it counts 0.
    """
    real = np.asarray(system.mask)
    if real.sum() < 2:
        return 0
    if sum(system.pbc) > 1:
        return 3
    if any(system.pbc):
        *_, inertia = _about_axis(system, jnp.asarray(system.positions))
        return 4 if inertia > 0 else 3
    positions = np.asarray(system.positions)[real]
    masses = np.asarray(system.masses)[real]
    r = positions - np.average(positions, axis=0, weights=masses)
    spread = np.linalg.svd(r * np.sqrt(masses)[:, None], compute_uv=False)
    linear = spread[1] < 1e-3 * spread[0]
    return 5 if linear else 6
