"""How far a structure is from others, after the best superposition; progress along a path of them."""

import abc
from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from adiabat.base import ConfigError
from adiabat.dynamics.integrator import check_positive
from adiabat.sampling.variable import AbstractVariable, atom_numbers, checked_name
from adiabat.sampling.whole import Links, check_links, shortest_links, whole
from adiabat.system import System


class _AbstractSuperposed(AbstractVariable):
    """A variable of some atoms that are superposed on references. Where the cell cuts them they are put
    together again, by the nearest images along the links of the shortest tree through the references."""

    atoms: eqx.AbstractVar[tuple[int, ...]]
    links: eqx.AbstractVar[Links]

    @abc.abstractmethod
    def references(self) -> Float[Array, "n_frames n_members 3"]:
        """What the atoms are superposed on [Å]."""

    def members(self) -> tuple[int, ...]:
        return self.atoms

    def check(self, system: System) -> None:
        AbstractVariable.check(self, system)
        check_links(np.asarray(self.references()), self.links, system, f"the variable {self.name!r}")

    def places(self, system: System) -> Float[Array, "n_members 3"]:
        """The atoms in one piece [Å]."""
        return whole(system.positions[jnp.array(self.atoms)], self.links, system)

    def deviations(self, system: System) -> Float[Array, " n_frames"]:
        """The mean squared distance from each reference [Å^2]."""
        return jax.vmap(mean_squared_deviation, in_axes=(None, 0))(
            self.places(system), jnp.asarray(self.references())
        )


class RMSD(_AbstractSuperposed):
    """The root-mean-square distance of atoms from a reference [Å], after the rotation and translation that
    make it smallest. At the reference itself its derivative is taken as zero.

    In a periodic cell the atoms are first put together as the reference is, from the nearest images of those
    next to each other there.

    Args:
        reference: positions of those atoms in one piece, or a structure, which the cell may cut [Å], shape
            (n_members, 3).
        atoms: which of the structure they are, numbered from 0; by default all.
        name: under which it is recorded.

    Raises:
        ConfigError: another number of atoms than of positions.
        UnsupportedError: a structure in a cell in which the atoms fall into parts far from each other.
    """

    reference: Float[Array, "n_members 3"]
    atoms: tuple[int, ...] = eqx.field(static=True)
    links: Links = eqx.field(static=True)
    name: str = eqx.field(static=True)
    unit: ClassVar[str] = "Å"
    period: ClassVar[float | None] = None

    def __init__(
        self, *, reference: ArrayLike | System, atoms: Sequence[int] | None = None, name: str = "rmsd"
    ):
        self.name = checked_name(name)
        self.atoms, self.links, frames = _references([reference], atoms, f"the RMSD {name!r}")
        self.reference = frames[0]  # pyright: ignore[reportAttributeAccessIssue]

    def references(self) -> Float[Array, "1 n_members 3"]:
        return self.reference[None]

    def __call__(self, system: System) -> Float[Array, ""]:
        squared = self.deviations(system)[0]
        some = squared > 1e-16
        return jnp.where(some, jnp.sqrt(jnp.where(some, squared, 1.0)), 0.0)


class PathProgress(_AbstractSuperposed):
    """How far along a path of structures one is: 1 at the first, their number at the last,

        s = sum_i i w_i / sum_i w_i,   w_i = exp(-sharpness d_i^2),

    d_i^2 being the mean squared distance from structure i after superposition (Branduardi, Gervasio and
    Parrinello 2007, doi 10.1063/1.2432340, eq. 8).

    Args:
        frames: positions along the path [Å], shape (n_frames, n_members, 3), or structures; evenly apart.
            In a periodic cell as for `RMSD`.
        atoms: which of the structure they are, numbered from 0; by default all.
        sharpness: [1/Å^2]; by default 2.3 over the mean of d^2 between neighbors.
        name: under which it is recorded.

    Raises:
        ConfigError: fewer than two frames, or of different numbers of atoms.
        UnsupportedError: as `RMSD`.
    """

    frames: Float[Array, "n_frames n_members 3"]
    atoms: tuple[int, ...] = eqx.field(static=True)
    links: Links = eqx.field(static=True)
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
        self.atoms, self.links, self.frames = _path(frames, atoms, name)  # pyright: ignore
        self.sharpness = _sharpness(self.frames) if sharpness is None else float(sharpness)
        check_positive(sharpness=self.sharpness)

    def references(self) -> Float[Array, "n_frames n_members 3"]:
        return self.frames

    def __call__(self, system: System) -> Float[Array, ""]:
        weights = jax.nn.softmax(-self.sharpness * self.deviations(system))
        return jnp.sum(weights * jnp.arange(1, len(self.frames) + 1))


class PathDistance(_AbstractSuperposed):
    """How far away from a path of structures one is [Å^2]:

        z = -ln(sum_i exp(-sharpness d_i^2)) / sharpness,

    see `PathProgress` (eq. 9 there). Slightly negative on the path.

    Args:
        frames: positions along the path [Å], shape (n_frames, n_members, 3), or structures; evenly apart.
            In a periodic cell as for `RMSD`.
        atoms: which of the structure they are, numbered from 0; by default all.
        sharpness: [1/Å^2]; by default 2.3 over the mean of d^2 between neighbors.
        name: under which it is recorded.

    Raises:
        ConfigError: fewer than two frames, or of different numbers of atoms.
        UnsupportedError: as `RMSD`.
    """

    frames: Float[Array, "n_frames n_members 3"]
    atoms: tuple[int, ...] = eqx.field(static=True)
    links: Links = eqx.field(static=True)
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
        self.atoms, self.links, self.frames = _path(frames, atoms, name)  # pyright: ignore
        self.sharpness = _sharpness(self.frames) if sharpness is None else float(sharpness)
        check_positive(sharpness=self.sharpness)

    def references(self) -> Float[Array, "n_frames n_members 3"]:
        return self.frames

    def __call__(self, system: System) -> Float[Array, ""]:
        return -jax.nn.logsumexp(-self.sharpness * self.deviations(system)) / self.sharpness


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


def _path(
    frames: Sequence[ArrayLike | System], atoms: Sequence[int] | None, name: str
) -> tuple[tuple[int, ...], Links, np.ndarray]:
    members, links, places = _references(frames, atoms, f"the path {name!r}")
    if len(places) < 2:
        raise ConfigError(f"the path {name!r} needs two structures or more")
    return members, links, places


def _sharpness(frames: Float[Array, "n_frames n 3"]) -> float:
    """With which a neighbor has a tenth of the weight (Bonomi et al. 2009, PLUMED's manual) [1/Å^2]."""
    apart = jax.jit(jax.vmap(mean_squared_deviation))(frames[1:], frames[:-1])
    return 2.3 / max(1e-12, float(np.mean(apart)))


def _references(
    frames: Sequence[ArrayLike | System], atoms: Sequence[int] | None, what: str
) -> tuple[tuple[int, ...], Links, np.ndarray]:
    """The members, what links them, and their positions in each frame, in one piece, as a host array."""
    places = [np.asarray(f.positions if isinstance(f, System) else f, np.float64) for f in frames]
    members = atom_numbers(range(len(places[0])) if atoms is None else atoms, what=what)
    chosen: list[System] = []
    for frame, one in zip(frames, places, strict=True):
        of_all = isinstance(frame, System) and max(members) < len(one)
        positions = one[list(members)] if of_all else one
        if positions.shape != (len(members), 3) or not np.isfinite(positions).all():
            raise ConfigError(
                f"{what} needs finite positions of {len(members)} atoms, got shape {positions.shape}",
                "give as many positions as atoms",
            )
        cell, pbc = (frame.cell, frame.pbc) if isinstance(frame, System) else (None, False)
        chosen.append(System.create(np.ones(len(members), int), positions, cell, pbc))
    links = shortest_links(chosen)
    with jax.enable_x64(True):
        pieces = [np.asarray(whole(jnp.asarray(one.positions), links, one)) for one in chosen]
    for piece, one in zip(pieces, chosen, strict=True):
        check_links(piece[None], links, one, what)
    return members, links, np.stack(pieces)
