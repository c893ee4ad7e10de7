"""Free energies from umbrella windows, by the multistate Bennett acceptance ratio."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.sparse.csgraph import connected_components

from adiabat.base import DataError, MissingDependencyError
from adiabat.base.schema import Supplied
from adiabat.base.units import BOLTZMANN
from adiabat.sampling.bins import Bins
from adiabat.sampling.free_energy import (
    FreeEnergyDifference,
    FreeEnergyProfile,
    judged_difference,
    judged_profile,
    relative_to_lowest,
)
from adiabat.sampling.restraint import Restraint
from adiabat.sampling.variable import AbstractVariable

_BLOCKS = 10
# Klimovich, Shirts and Mobley 2015, doi 10.1007/s10822-015-9840-9: what two neighbors must have in common.
_LEAST_OVERLAP = 0.03


def restraints(
    *,
    variables: Annotated[Sequence[AbstractVariable], Supplied],
    centers: list[float | list[float]],
    stiffness: list[float],
) -> list[Restraint]:
    """Windows of umbrella sampling, each a replica of the run, see `Restraint`.

    Args:
        variables: that the springs are on.
        centers: of each window in turn, in the unit of each variable (Å, rad); a number where there is one
            variable.
        stiffness: of the spring on each variable [eV/unit^2].

    Raises:
        ConfigError: other numbers of centers or springs than of variables.
    """
    each: list[list[float]] = [list(one) if isinstance(one, list) else [one] for one in centers]
    return [Restraint(variables=variables, centers=one, stiffness=stiffness) for one in each]


@dataclass(frozen=True)
class Window:
    """What a window of umbrella sampling adds to the energy: sum_i k_i (s_i - c_i)^2 / 2.

    Attributes:
        centers: c_i of each variable, shape (d,).
        stiffness: k_i [eV/unit^2], shape (d,).
        periods: by which the variables repeat, None for those that do not.
    """

    centers: Sequence[float]
    stiffness: Sequence[float]
    periods: Sequence[float | None]

    @classmethod
    def of(cls, restraint: Restraint) -> "Window":
        """That of a bias."""
        periods = [variable.period for variable in restraint.variables]
        return cls(restraint.centers, restraint.stiffness, periods)

    def energies(self, values: np.ndarray) -> np.ndarray:
        """[eV] at each of several values, shape (n, d)."""
        total = np.zeros(len(values))
        for value, center, spring, period in zip(
            values.T, self.centers, self.stiffness, self.periods, strict=True
        ):
            apart = value - center
            if period is not None:
                apart = apart - period * np.round(apart / period)
            total += 0.5 * spring * apart**2
        return total


class JoinedWindows:
    """Frames of several windows of umbrella sampling, with the weights that they have without any bias: by
    MBAR (Shirts and Chodera 2008, doi 10.1063/1.2978177) as in pymbar.

    Errors are by a bootstrap over blocks of frames of each window, with all weights found anew.

    Args:
        values: of the variables that the windows are on in each frame of each, shapes (n_frames, d) or, of
            one variable, (n_frames,).
        windows: what they were sampled with.
        temperature: [K].
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Attributes:
        weights: of the frames of all windows, one after the other; their sum is 1.
        n_effective: (sum w)^2 / sum w^2.
        gap: the number of the first window that has too little in common with those before it to be joined
            to them; None when all are joined.

    Raises:
        MissingDependencyError: pymbar is not installed.
        DataError: no frames in a window, or other numbers of windows than of values.
    """

    def __init__(
        self,
        values: Sequence[np.ndarray],
        windows: Sequence[Window],
        temperature: float,
        *,
        resamples: int = 20,
        seed: int = 0,
    ):
        series = [np.asarray(one, np.float64).reshape(len(one), -1) for one in values]
        if not len(series) == len(windows) > 0 or min(map(len, series)) < _BLOCKS:
            raise DataError(
                f"{len(series)} series for {len(windows)} windows; each needs {_BLOCKS} frames or more"
            )
        self._thermal = BOLTZMANN * temperature
        everything = np.concatenate(series)
        self._reduced = np.stack([one.energies(everything) for one in windows]) / self._thermal
        counts = np.array([len(one) for one in series])
        numbers = np.split(np.arange(counts.sum()), np.cumsum(counts)[:-1])
        free_energies, self.weights, overlap = _solve(self._reduced, counts, None)
        self.n_effective = float(1 / np.sum(self.weights**2))
        group = connected_components(np.maximum(overlap, overlap.T) > _LEAST_OVERLAP, directed=False)[1]
        self.gap = int(np.argmax(group != group[0])) if np.any(group != group[0]) else None
        self._resampled = []
        random = np.random.default_rng(seed)
        for _ in range(resamples):
            drawn = []
            for rows in numbers:
                # Blocks of one length: pymbar compiles anew for every number of frames.
                blocks = rows[len(rows) % _BLOCKS :].reshape(_BLOCKS, -1)
                drawn.append(blocks[random.integers(0, _BLOCKS, _BLOCKS)].reshape(-1))
            self._resampled.append(self._weighed(drawn, free_energies))
        self._before = self._weighed([rows[: 2 * len(rows) // 3] for rows in numbers], free_energies)

    def profile(
        self,
        values: np.ndarray,
        *,
        bins: int | Sequence[int] = 60,
        limits: Sequence[tuple[float, float]] | None = None,
    ) -> FreeEnergyProfile:
        """The free energy along any variables, without the bias.

        Args:
            values: of them in the frames of all windows, one after the other, shape (n_frames,) or
                (n_frames, d).
            bins: how many along each variable, two or more.
            limits: of each variable; by default those of the values.

        Raises:
            ConfigError: other numbers of bins or limits than of variables, or a single bin.
        """
        columns = np.asarray(values, np.float64).reshape(len(values), -1)
        grid = Bins.of(columns, bins, limits)
        places = grid.places(columns)
        total = grid.sums(places, self.weights)
        lowest = int(np.argmax(total))

        def again(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
            return relative_to_lowest(grid.sums(places[rows], weights), lowest, self._thermal)

        resampled = np.array([again(*one) for one in self._resampled])
        finite = np.isfinite(resampled).all(axis=0)
        spread = np.std(np.where(finite, resampled, 0.0), axis=0, ddof=1)
        found = relative_to_lowest(total, lowest, self._thermal)
        error = np.where(finite, spread, np.inf)
        before = again(*self._before)
        return FreeEnergyProfile(
            grid.middles,
            found.reshape(grid.shape),
            error.reshape(grid.shape),
            self.n_effective,
            *judged_profile(found, error, before, self._thermal, self._problems()),
        )

    def difference(self, first: np.ndarray, second: np.ndarray) -> FreeEnergyDifference:
        """F(second) - F(first) of two states.

        Args:
            first: whether each frame of all windows, one after the other, is in it, shape (n_frames,).
            second: the same of the other.

        Raises:
            DataError: no frame is in one of them.
        """
        for name, state in (("first", first), ("second", second)):
            if not np.any(state):
                raise DataError(f"no frame is in the {name} state", "add windows there")

        def again(rows: np.ndarray, weights: np.ndarray) -> float:
            with np.errstate(divide="ignore", invalid="ignore"):
                return float(-self._thermal * np.log(weights @ second[rows] / (weights @ first[rows])))

        value = again(np.arange(len(self.weights)), self.weights)
        resampled = np.array([again(*one) for one in self._resampled])
        # A state that some resamples do not have is known to no accuracy.
        error = float(np.std(resampled, ddof=1)) if np.isfinite(resampled).all() else np.inf
        drift = value - again(*self._before)
        return judged_difference(value, error, None, drift, self._thermal, self._problems())

    def _problems(self) -> list[str]:
        if self.gap is None:
            return []
        return [f"window {self.gap} does not overlap with those before it: add one between"]

    def _weighed(self, drawn: list[np.ndarray], start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of some frames of each window, together, and their weights."""
        rows = np.concatenate(drawn)
        return rows, _solve(self._reduced[:, rows], np.array(list(map(len, drawn))), start)[1]


def umbrella_profile(
    values: Sequence[np.ndarray],
    windows: Sequence[Restraint],
    temperature: float,
    *,
    bins: int = 60,
    limits: tuple[float, float] | None = None,
    resamples: int = 20,
    seed: int = 0,
) -> FreeEnergyProfile:
    """The free energy along the variable of several windows of umbrella sampling, without their bias, see
    `JoinedWindows`.

    Args:
        values: of the variable in each frame of each window, shapes (n_frames,).
        windows: the restraints they were sampled with, on one variable.
        temperature: [K].
        bins: how many.
        limits: of the variable; by default those of the values.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        MissingDependencyError: pymbar is not installed.
        DataError: no frames in a window, or other numbers of windows than of values.
    """
    joined = JoinedWindows(values, list(map(Window.of, windows)), temperature, resamples=resamples, seed=seed)
    along = np.concatenate([np.ravel(one) for one in values])
    return joined.profile(along, bins=bins, limits=None if limits is None else [limits])


def _solve(
    reduced: np.ndarray, counts: np.ndarray, start: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Free energies of the windows over k_B T, each frame's weight without bias, and how much the windows
    have in common."""
    logging.getLogger("pymbar").setLevel(logging.ERROR)  # it greets with advice about modules not used here
    try:
        import pymbar  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingDependencyError(
            "free energies of umbrella windows are found by pymbar, which is not installed",
            "pip install 'adiabat[kinetics]'",
        ) from error
    solved = pymbar.MBAR(reduced, counts, initial_f_k=start)
    free_energies = np.asarray(solved.f_k)
    exponents = np.log(counts)[:, None] + free_energies[:, None] - reduced
    highest = exponents.max(axis=0)
    logarithms = -(highest + np.log(np.sum(np.exp(exponents - highest), axis=0)))
    weights = np.exp(logarithms - logarithms.max())
    of_windows = np.exp(free_energies[:, None] - reduced + logarithms)
    return free_energies, weights / weights.sum(), (of_windows @ of_windows.T) * counts
