"""How far a structure is from others, after the best superposition; progress along a path of them."""

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from adiabat.base import ConfigError, UnsupportedError
from adiabat.dynamics.integrator import check_positive
from adiabat.sampling.variable import AbstractVariable, atom_numbers, checked_name
from adiabat.system import System


class _AbstractSuperposed(AbstractVariable):
    """A variable of some atoms that are superposed on references, and hence must be in one piece."""

    atoms: eqx.AbstractVar[tuple[int, ...]]

    def members(self) -> tuple[int, ...]:
        return self.atoms

    def check(self, system: System) -> None:
        AbstractVariable.check(self, system)
        if any(system.pbc) and len(self.atoms) > 1:
            # A molecule may leave the cell, as positions are not wrapped; it must only begin in one piece.
            places = np.asarray(system.positions)[list(self.atoms)]
            heights = np.linalg.norm(np.asarray(system.cell), axis=1)[list(system.pbc)]
            if np.ptp(places, axis=0).max() > heights.min():
                raise UnsupportedError(
                    f"the atoms of the variable {self.name!r} are spread over more than the cell",
                    "start from a structure whose molecules are whole",
                )


class RMSD(_AbstractSuperposed):
    """The root-mean-square distance of atoms from a reference [Å], after the rotation and translation that
    make it smallest. At the reference itself its derivative is taken as zero.

    Args:
        reference: positions of those atoms, or a structure [Å], shape (n_members, 3).
        atoms: which of the structure they are, numbered from 0; by default all.
        name: under which it is recorded.

    Raises:
        ConfigError: another number of atoms than of positions.
    """

    reference: Float[Array, "n_members 3"]
    atoms: tuple[int, ...] = eqx.field(static=True)
    name: str = eqx.field(static=True)
    unit: ClassVar[str] = "Å"
    period: ClassVar[float | None] = None

    def __init__(
        self, *, reference: ArrayLike | System, atoms: Sequence[int] | None = None, name: str = "rmsd"
    ):
        self.name = checked_name(name)
        self.atoms, frames = _references([reference], atoms, f"the RMSD {name!r}")
        self.reference = frames[0]  # pyright: ignore[reportAttributeAccessIssue]

    def __call__(self, system: System) -> Float[Array, ""]:
        squared = mean_squared_deviation(system.positions[jnp.array(self.atoms)], self.reference)
        some = squared > 1e-16
        return jnp.where(some, jnp.sqrt(jnp.where(some, squared, 1.0)), 0.0)


class PathProgress(_AbstractSuperposed):
    """How far along a path of structures one is: 1 at the first, their number at the last,

        s = sum_i i w_i / sum_i w_i,   w_i = exp(-sharpness d_i^2),

    d_i^2 being the mean squared distance from structure i after superposition (Branduardi, Gervasio and
    Parrinello 2007, doi 10.1063/1.2432340, eq. 8).

    Args:
        frames: positions along the path [Å], shape (n_frames, n_members, 3), or structures; evenly apart.
        atoms: which of the structure they are, numbered from 0; by default all.
        sharpness: [1/Å^2]; by default 2.3 over the mean of d^2 between neighbors.
        name: under which it is recorded.

    Raises:
        ConfigError: fewer than two frames, or of different numbers of atoms.
    """

    frames: Float[Array, "n_frames n_members 3"]
    atoms: tuple[int, ...] = eqx.field(static=True)
    sharpness: float
    name: str = eqx.field(static=True)
    unit: ClassVar[str] = ""
    period: ClassVar[float | None] = None

    def __init__(
        self,
        *,
        frames: Sequence[ArrayLike | System],
        atoms: Sequence[int] | None = None,
        sharpness: float | None = None,
        name: str = "path",
    ):
        self.name = checked_name(name)
        self.atoms, self.frames, self.sharpness = _path(frames, atoms, sharpness, name)  # pyright: ignore

    def __call__(self, system: System) -> Float[Array, ""]:
        squared = _deviations(system, self.atoms, self.frames)
        weights = jax.nn.softmax(-self.sharpness * squared)
        return jnp.sum(weights * jnp.arange(1, len(self.frames) + 1))


class PathDistance(_AbstractSuperposed):
    """How far away from a path of structures one is [Å^2]:

        z = -ln(sum_i exp(-sharpness d_i^2)) / sharpness,

    see `PathProgress` (eq. 9 there). Slightly negative on the path.

    Args:
        frames: positions along the path [Å], shape (n_frames, n_members, 3), or structures; evenly apart.
        atoms: which of the structure they are, numbered from 0; by default all.
        sharpness: [1/Å^2]; by default 2.3 over the mean of d^2 between neighbors.
        name: under which it is recorded.

    Raises:
        ConfigError: fewer than two frames, or of different numbers of atoms.
    """

    frames: Float[Array, "n_frames n_members 3"]
    atoms: tuple[int, ...] = eqx.field(static=True)
    sharpness: float
    name: str = eqx.field(static=True)
    unit: ClassVar[str] = "Å^2"
    period: ClassVar[float | None] = None

    def __init__(
        self,
        *,
        frames: Sequence[ArrayLike | System],
        atoms: Sequence[int] | None = None,
        sharpness: float | None = None,
        name: str = "off_path",
    ):
        self.name = checked_name(name)
        self.atoms, self.frames, self.sharpness = _path(frames, atoms, sharpness, name)  # pyright: ignore

    def __call__(self, system: System) -> Float[Array, ""]:
        squared = _deviations(system, self.atoms, self.frames)
        return -jax.nn.logsumexp(-self.sharpness * squared) / self.sharpness


def mean_squared_deviation(
    positions: Float[Array, "n 3"], reference: Float[Array, "n 3"]
) -> Float[Array, ""]:
    """The mean squared distance [Å^2] after the best superposition, by quaternions (Horn 1987,
    doi 10.1364/JOSAA.4.000629).

    It is (|x|^2 + |y|^2 - 2 lambda) / n with lambda the largest eigenvalue of a 4 x 4 matrix. The derivative
    of lambda is that of q^T K q with its eigenvector q held fixed, which is a derivative of the minimum also
    where the best rotation is not unique. Second derivatives are not right.
    """
    x, y = positions - jnp.mean(positions, axis=0), reference - jnp.mean(reference, axis=0)
    key = _key_matrix(x.T @ y)
    best = jax.lax.stop_gradient(jnp.linalg.eigh(jax.lax.stop_gradient(key))[1][:, -1])
    squared = jnp.sum(x**2) + jnp.sum(y**2) - 2 * best @ key @ best
    return jnp.maximum(squared, 0.0) / len(x)


def _key_matrix(s: Float[Array, "3 3"]) -> Float[Array, "4 4"]:
    """Of the products s = x^T y, whose quadratic form is the overlap after a rotation by a quaternion."""
    skew = jnp.array([s[1, 2] - s[2, 1], s[2, 0] - s[0, 2], s[0, 1] - s[1, 0]])
    inner = s + s.T - jnp.trace(s) * jnp.eye(3, dtype=s.dtype)
    return jnp.block([[jnp.trace(s)[None, None], skew[None]], [skew[:, None], inner]])


def _deviations(
    system: System, atoms: tuple[int, ...], frames: Float[Array, "n_frames n 3"]
) -> Float[Array, " n_frames"]:
    places = system.positions[jnp.array(atoms)]
    return jax.vmap(mean_squared_deviation, in_axes=(None, 0))(places, jnp.asarray(frames))


def _path(
    frames: Sequence[ArrayLike | System], atoms: Sequence[int] | None, sharpness: float | None, name: str
) -> tuple[tuple[int, ...], np.ndarray, float]:
    members, places = _references(frames, atoms, f"the path {name!r}")
    if len(places) < 2:
        raise ConfigError(f"the path {name!r} needs two structures or more")
    if sharpness is None:
        apart = jax.jit(jax.vmap(mean_squared_deviation))(places[1:], places[:-1])
        # Bonomi et al. 2009 (PLUMED's manual): a neighbor then has a tenth of the weight.
        sharpness = 2.3 / max(1e-12, float(np.mean(apart)))
    check_positive(sharpness=sharpness)
    return members, places, float(sharpness)


def _references(
    frames: Sequence[ArrayLike | System], atoms: Sequence[int] | None, what: str
) -> tuple[tuple[int, ...], np.ndarray]:
    """The members, and their positions in each frame as a host array."""
    places = [np.asarray(f.positions if isinstance(f, System) else f, np.float64) for f in frames]
    members = atom_numbers(range(len(places[0])) if atoms is None else atoms, what=what)
    chosen = [
        one[list(members)] if isinstance(f, System) and max(members) < len(one) else one
        for f, one in zip(frames, places, strict=True)
    ]
    for one in chosen:
        if one.shape != (len(members), 3) or not np.isfinite(one).all():
            raise ConfigError(
                f"{what} needs finite positions of {len(members)} atoms, got shape {one.shape}",
                "give as many positions as atoms",
            )
    return members, np.stack(chosen)
