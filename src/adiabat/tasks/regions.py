"""States as regions of collective variables, which `adiabat free-energy` compares."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adiabat.base import ConfigError, DataError, did_you_mean
from adiabat.tasks.biased_frames import BiasedFrames

type Interval = tuple[float, float]
type Region = Interval | Mapping[str, Interval]
type Regions = Sequence[Region] | Mapping[str, Region]


@dataclass(frozen=True)
class State:
    """A region: each of some variables is in an interval.

    Attributes:
        name: empty where it has none.
        ranges: the intervals, by the names of the variables, their lower ends first.
        inside: whether values are in them, by the same names.
    """

    name: str
    ranges: Mapping[str, Interval]
    inside: Mapping[str, Callable[[np.ndarray], np.ndarray]]

    def members(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Whether each frame is in it, by the values of the variables."""
        return np.logical_and.reduce([inside(values[name]) for name, inside in self.inside.items()])


@dataclass(frozen=True)
class Pair:
    """Two states to compare.

    Attributes:
        first: the name of the one that the other is compared with.
        second: the name of the other.
        members: whether each frame is in the first and in the second, two arrays of one shape.
    """

    first: str
    second: str
    members: tuple[np.ndarray, np.ndarray]


def read_states(states: Regions, along: Sequence[str], frames: Sequence[BiasedFrames]) -> list[State]:
    """Regions with the variables that they are of.

    Args:
        states: each a mapping of intervals by variable, or, where there is one variable, an interval of it;
            by name where they have names.
        along: the variables that were chosen.
        frames: that will be divided.

    Raises:
        ConfigError: a run does not have a variable, or an interval is empty or everything.
    """
    named = isinstance(states, Mapping)
    # More than two are listed, and need something to be called by.
    numbered = [str(n + 1) if len(states) > 2 else "" for n in range(len(states))]
    pairs = states.items() if named else zip(numbered, states, strict=True)
    found = []
    for name, region in pairs:
        ranges = by_variable(region, along, "a state")
        for variable in ranges:
            check_variable(frames, variable)
        periods = frames[0].periods
        ranges = {variable: ascending(ends, periods[variable]) for variable, ends in ranges.items()}
        inside = {variable: _interval(*ends, periods[variable]) for variable, ends in ranges.items()}
        found.append(State(name, ranges, inside))
    return found


def by_variable(region: Region, along: Sequence[str], what: str) -> dict[str, Interval]:
    """Intervals by the names of the variables.

    Raises:
        ConfigError: an interval without a name where there are several variables, or no interval.
    """
    if isinstance(region, Mapping):
        if not region:
            raise ConfigError(f"{what} has no intervals", f"say where it is: {_example(along)}")
        return dict(region)
    if len(along) > 1:
        raise ConfigError(
            f"{what} from {region[0]:g} to {region[1]:g} could be of {' or '.join(along)}",
            f"name the variable: {_example(along)}",
        )
    return {along[0]: region}


def ascending(interval: Interval, period: float | None) -> Interval:
    """An interval that may go through the end of a variable that repeats, with its lower end first: from 2.1
    to -2.1 rad is from 2.1 to 4.18."""
    low, high = interval
    if period is None or low <= high or not np.isfinite([low, high]).all():
        return interval
    return low, low + (high - low) % period


def check_variable(frames: Sequence[BiasedFrames], name: str) -> None:
    """Raises ConfigError where a run does not have a variable."""
    for one in frames:
        if name not in one.values:
            raise ConfigError(f"{one.run} has no variable {name!r}", did_you_mean(name, one.values))


def compared(states: Sequence[State], values: Mapping[str, np.ndarray]) -> list[Pair]:
    """A single state with all else, each of several with the first.

    Raises:
        ConfigError: two have frames in common.
        DataError: no frame is in one that has a name.
    """
    if not states:
        return []
    inside = [one.members(values) for one in states]
    for n, (one, members) in enumerate(zip(states, inside, strict=True)):
        for other, others in zip(states[:n], inside[:n], strict=True):
            if np.any(members & others):
                which = f"states {other.name} and {one.name}" if one.name else "two states"
                raise ConfigError(f"the {which} overlap", "give intervals that have no value in common")
        if one.name and not members.any():
            raise DataError(
                f"no frame is in the state {one.name}",
                "run longer, raise the barrier of the bias, or add windows there",
            )
    if len(states) == 1:
        return [Pair("all else" if states[0].name else "", states[0].name, (~inside[0], inside[0]))]
    return [
        Pair(states[0].name, one.name, (inside[0], members))
        for one, members in zip(states[1:], inside[1:], strict=True)
    ]


def _example(along: Sequence[str]) -> str:
    return f'"{"; ".join(f"{name}=-1.5, 0" for name in along)}"'


def _interval(low: float, high: float, period: float | None) -> Callable[[np.ndarray], np.ndarray]:
    """Whether values are in an interval, of a variable that repeats modulo its period."""
    if low >= high:
        raise ConfigError(
            f"a state from {low:g} to {high:g} is empty", 'write the lower end first, as --state "-1.5, 0"'
        )
    if period is None or not np.isfinite([low, high]).all():
        return lambda values: (values >= low) & (values <= high)
    width = high - low
    if width >= period:
        raise ConfigError(f"a state from {low:g} to {high:g} is everything: it repeats after {period:.4g}")
    return lambda values: (values - low) % period <= width
