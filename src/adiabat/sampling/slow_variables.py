"""Learns collective variables from trajectories."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adiabat.analysis.slow_modes import folds, tica, vamp2_score
from adiabat.analysis.timescales import check_timescales, two_means
from adiabat.base import ConfigError, DataError, did_you_mean
from adiabat.io.trajectory import Trajectory
from adiabat.sampling.combination import features
from adiabat.sampling.learned import LearnedVariable, members_of
from adiabat.sampling.slow_function import SlowFunction
from adiabat.sampling.variable import AbstractVariable, values_of
from adiabat.sampling.variable_file import save_variables
from adiabat.system import System

KINDS = ("tica", "vamp")
_PIECE = 4096


@dataclass(frozen=True)
class SlowVariables:
    """What was learned from trajectories.

    Attributes:
        variables: what the function sees.
        function: of the features, one output for each mode.
        elements: atomic numbers of the members of the variables.
        lag: between the two times that were compared [fs].
        timescales: of the modes [fs], slowest first.
        errors: their standard errors [fs].
        eigenvalues: the correlation of each mode with itself one lag later.
        widths: what each mode fluctuates by within its clusters, for the kernels of OPES.
        score: the VAMP-2 score on frames that were held out.
        linear_score: that of the best linear functions, which for TICA is the same.
        transitions: how often each mode went from one of its ends to the other.
        converged: whether this can be trusted, see `adiabat.analysis.TimescaleCheck`.
        verdict: the same in a sentence.
    """

    variables: tuple[AbstractVariable, ...]
    function: SlowFunction
    elements: tuple[int, ...]
    lag: float
    timescales: np.ndarray
    errors: np.ndarray
    eigenvalues: np.ndarray
    widths: np.ndarray
    score: float
    linear_score: float
    transitions: np.ndarray
    converged: bool
    verdict: str

    def variable(self, component: int = 0, name: str = "slow") -> LearnedVariable:
        """One of the modes as a variable to put a bias on.

        Args:
            component: which, 0 being the slowest.
            name: under which it is recorded.

        Raises:
            ConfigError: there is no such mode.
        """
        return LearnedVariable(
            variables=self.variables,
            function=self.function,
            component=component,
            elements=self.elements,
            name=name,
        )

    def save(self, path: str | os.PathLike) -> None:
        """Writes a file for `kind = "learned"`; see `adiabat.sampling.load_variable`.

        Raises:
            UnsupportedError: a variable of a kind that no file can hold.
            DataError: the folder cannot be written.
        """
        save_variables(path, self)


def learn_variables(
    variables: Sequence[AbstractVariable],
    trajectories: Sequence[Trajectory],
    lag: float,
    *,
    kind: Literal["tica", "vamp"] = "tica",
    n_modes: int = 1,
    seed: int = 0,
) -> SlowVariables:
    """The slowest modes of the atoms, as far as some variables show them.

    Args:
        variables: what is seen of a structure; those that repeat as cosine and sine.
        trajectories: of the same atoms, their frames equally far apart.
        lag: between the two times that are compared [fs], rounded to frames.
        kind: "tica" for linear combinations of what is seen, "vamp" for a network.
        n_modes: how many of the slowest.
        seed: of the network and the error bars.

    Raises:
        ConfigError: another kind, a lag below the time between frames, or more modes than independent
            features.
        DataError: frames that do not go together, or too few of them.
        UnsupportedError: the structures lack an atom that a variable looks at.
    """
    if kind not in KINDS:
        raise ConfigError(f"unknown kind {kind!r} of learned variables", did_you_mean(kind, KINDS))
    if not variables:
        raise ConfigError("nothing can be learned from no variables", "give torsions, distances, ...")
    template = _common_template(trajectories)
    for variable in variables:
        variable.check(template)
    interval = _interval(trajectories)
    frames = round(lag / interval)
    if frames < 1:
        raise ConfigError(f"a lag of {lag:g} fs is shorter than the {interval:g} fs between two frames")
    seen = [features_along(variables, one) for one in trajectories]
    if kind == "tica":
        function, score, linear_score = _linear(seen, frames, n_modes)
    else:
        from adiabat.sampling.vamp import train_vamp  # optax takes a while to import

        trained = train_vamp(seen, frames, n_modes, seed=seed)
        function, score, linear_score = trained.function, trained.score, trained.linear_score
    modes = [np.asarray(_modes(function, one)) for one in seen]
    check = check_timescales(modes if kind == "vamp" else seen, frames, n_modes, seed, interval)
    at = list(check.implied.lags).index(frames)
    return SlowVariables(
        variables=tuple(variables),
        function=function,
        elements=tuple(int(z) for z in np.asarray(template.numbers)[list(members_of(variables))]),
        lag=frames * interval,
        timescales=check.implied.timescales[at] * interval,
        errors=check.implied.errors[at] * interval,
        eigenvalues=tica(modes, frames, n_modes).eigenvalues,
        widths=np.array([_width(np.concatenate(modes)[:, k]) for k in range(n_modes)]),
        score=score,
        linear_score=linear_score,
        transitions=check.transitions,
        converged=check.converged,
        verdict=check.verdict,
    )


def features_along(
    variables: Sequence[AbstractVariable], trajectory: Trajectory
) -> Float[np.ndarray, "n_frames n_features"]:
    """What is seen of each frame: the values of the variables, of those that repeat cosine and sine."""
    with jax.enable_x64(True):
        return np.asarray(features(variables, jnp.asarray(values_along(variables, trajectory))))


def values_along(
    variables: Sequence[AbstractVariable], trajectory: Trajectory
) -> Float[np.ndarray, "n_frames n_variables"]:
    """The values of variables in each frame."""

    @jax.jit
    def some(positions: Array, cells: Array) -> Array:
        def one(positions: Array, cell: Array) -> Array:
            system = eqx.tree_at(lambda s: (s.positions, s.cell), trajectory.template, (positions, cell))
            return values_of(variables, system)

        return jax.vmap(one)(positions, cells)

    found = []
    with jax.enable_x64(True):
        for start in range(0, len(trajectory), _PIECE):
            part = slice(start, start + _PIECE)
            places = np.asarray(trajectory.positions[part], np.float64)
            found.append(np.asarray(some(places, np.asarray(trajectory.cells[part], np.float64))))
    return np.concatenate(found)


def _linear(seen: list[np.ndarray], lag: int, n_modes: int) -> tuple[SlowFunction, float, float]:
    """The modes of all frames, and the score of those of four fifths on the rest."""
    dealt = folds(seen, lag)
    held_out = tica([piece for fold in dealt[:4] for piece in fold], lag, n_modes)
    score = vamp2_score([held_out(piece) for piece in dealt[4]], lag)
    modes = tica(seen, lag, n_modes)
    n = len(modes.mean)
    function = SlowFunction(
        center=modes.mean, scale=np.ones(n), vectors=modes.vectors, offset=np.zeros(n_modes)
    )
    return function, score, score


def _modes(function: SlowFunction, seen: np.ndarray) -> Array:
    with jax.enable_x64(True):
        return jax.jit(jax.vmap(function))(jnp.asarray(seen))


def _common_template(trajectories: Sequence[Trajectory]) -> System:
    if not trajectories:
        raise DataError("there is no trajectory to learn from")
    first = trajectories[0].template
    for one in trajectories[1:]:
        if not np.array_equal(one.template.numbers, first.numbers) or one.template.pbc != first.pbc:
            raise DataError(
                "the trajectories are of different systems",
                "learn from runs of the same atoms in the same order",
            )
    return first


def _interval(trajectories: Sequence[Trajectory]) -> float:
    """The time between frames [fs]."""
    steps = [np.diff(one.times) for one in trajectories if len(one) > 1]
    if not steps:
        raise DataError("no trajectory has two frames")
    interval = float(np.median(steps[0]))
    if not interval > 0 or any(not np.allclose(step, interval, rtol=1e-6) for step in steps):
        raise DataError(
            "the frames are not equally far apart in time", "learn from runs with the same record_every"
        )
    return interval


def _width(values: np.ndarray) -> float:
    """The smaller of the deviations within the two clusters of a mode."""
    low, high = two_means(values)
    below = values < 0.5 * (low + high)
    spreads = [float(np.std(part)) for part in (values[below], values[~below]) if len(part) > 1]
    return min(spreads, default=float(np.std(values)))
