"""Minima of free energies along variables."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from adiabat.base.units import BOLTZMANN
from adiabat.sampling.bins import goes_around
from adiabat.sampling.free_energy import FreeEnergyProfile

# Standard errors.
_CERTAIN = 3.0


@dataclass(frozen=True)
class FreeEnergyMinimum:
    """The lowest bin of a basin.

    Attributes:
        at: its middle, shape (d,).
        free_energy: above that of the lowest minimum [eV].
        error: standard error of it [eV].
        exit: the free energy of the lowest pass to a deeper minimum [eV]; infinite of the lowest minimum, and
            where no bins that were visited lead to a deeper one.
    """

    at: np.ndarray
    free_energy: float
    error: float
    exit: float


def free_energy_minima(
    profile: FreeEnergyProfile, temperature: float, periods: Sequence[float | None]
) -> list[FreeEnergyMinimum]:
    """The minima of a free energy, the deepest first.

    A dip counts where the lowest pass out of it into a deeper one is above its bottom by more than k_B T and
    than three standard errors of bottom and pass together; others hold nothing, or are noise. The height of
    that pass is the topological persistence of the dip (Edelsbrunner, Letscher and Zomorodian 2002,
    doi 10.1007/s00454-002-2885-2). A pass of unknown error was seen once or so, which leaves k_B T (one count
    is uncertain by one). Bins that were not visited are no lower than the highest that was.

    Args:
        profile: along one or more variables.
        temperature: [K].
        periods: by which the variables repeat, None for those that do not; where the bins go all the way
            around, the last is next to the first.
    """
    shape = profile.free_energy.shape
    around = [goes_around(axis, period) for axis, period in zip(profile.axes, periods, strict=True)]
    free_energy, error = profile.free_energy.reshape(-1), profile.error.reshape(-1)
    thermal = BOLTZMANN * temperature
    highest = int(np.argmax(np.where(np.isfinite(free_energy), free_energy, -np.inf)))
    lowest = int(np.argmin(free_energy))
    found = []
    for place, way in _exits(free_energy, shape, around).items():
        over = np.inf if way is None else float(free_energy[way])
        height = free_energy[highest if way is None else way] - free_energy[place]
        unsure = thermal if way is None or not np.isfinite(error[way]) else error[way]
        if place == lowest or height > max(thermal, _CERTAIN * np.hypot(error[place], unsure)):
            at = [axis[i] for axis, i in zip(profile.axes, np.unravel_index(place, shape), strict=True)]
            # The lowest bin has -0.
            height = float(free_energy[place]) + 0.0
            found.append(FreeEnergyMinimum(np.array(at), height, float(error[place]), over))
    return found


def _exits(free_energy: np.ndarray, shape: tuple[int, ...], around: Sequence[bool]) -> dict[int, int | None]:
    """Each bin that is lower than those about it, the lowest first, with the bin through which water that
    rises from it runs over into a deeper basin."""
    basin = np.full(len(free_energy), -1)  # the lowest bin of each that is under water
    exits: dict[int, int | None] = {}
    order = np.argsort(free_energy, kind="stable")
    for place in order[np.isfinite(free_energy[order])].tolist():
        beside = {_lowest(basin, one) for one in _beside(place, shape, around) if basin[one] >= 0}
        deepest = min(beside, key=lambda one: free_energy[one], default=place)
        basin[place] = deepest
        if not beside:
            exits[place] = None
        for one in beside - {deepest}:
            basin[one] = deepest
            exits[one] = place
    return exits


def _lowest(basin: np.ndarray, place: int) -> int:
    """The lowest bin of the basin that a bin belongs to by now."""
    while basin[place] != place:
        place = int(basin[place])
    return place


def _beside(place: int, shape: tuple[int, ...], around: Sequence[bool]) -> Iterator[int]:
    """The bins next to one, also across corners."""
    here = np.unravel_index(place, shape)
    for steps in itertools.product((-1, 0, 1), repeat=len(shape)):
        there = [i + step for i, step in zip(here, steps, strict=True)]
        there = [i % n if wraps else i for i, n, wraps in zip(there, shape, around, strict=True)]
        if any(steps) and all(0 <= i < n for i, n in zip(there, shape, strict=True)):
            yield int(np.ravel_multi_index(there, shape))
