"""Free energies from biased trajectories, with error bars and a verdict on convergence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.base.units import BOLTZMANN
from adiabat.sampling.bins import Bins

_BLOCKS = (5, 10, 20, 40)
_RESAMPLES = 200
_ENOUGH_TRANSITIONS = 10
# Of a profile what lies below is looked at [k_B T].
_LOW = 5.0


@dataclass(frozen=True)
class FreeEnergyProfile:
    """A free energy as a function of one or more variables.

    Attributes:
        axes: the middles of the bins, one array for each variable.
        free_energy: [eV], zero at its minimum, infinite where no frame was; one axis for each variable.
        error: standard errors of the differences from the minimum [eV], of the same shape.
        n_effective: (sum w)^2 / sum w^2 of the frames.
        converged: whether below 5 k_B T the last third of the frames changed it by less than k_B T / 4 (root
            mean square), and the error is less than k_B T / 2 (median of the bins but the lowest).
        verdict: the same in a sentence.
    """

    axes: tuple[np.ndarray, ...]
    free_energy: np.ndarray
    error: np.ndarray
    n_effective: float
    converged: bool
    verdict: str


@dataclass(frozen=True)
class FreeEnergyDifference:
    """How much higher the free energy of one state is than that of another.

    Attributes:
        value: F(second) - F(first) [eV].
        error: standard error [eV].
        transitions: how often the trajectories went from one to the other; None where they need not.
        drift: the value of all frames less that of the first two thirds [eV].
        converged: whether there were ten transitions, the drift is less than k_B T / 4, and the error less
            than k_B T / 2; of umbrella windows and steered runs see `JoinedWindows` and
            `steered_difference`.
        verdict: the same in a sentence.
    """

    value: float
    error: float
    transitions: int | None
    drift: float
    converged: bool
    verdict: str


def free_energy_profile(
    values: np.ndarray,
    bias: np.ndarray,
    temperature: float,
    *,
    bins: int | Sequence[int] = 60,
    limits: Sequence[tuple[float, float]] | None = None,
    skip: float = 0.2,
    seed: int = 0,
) -> FreeEnergyProfile:
    """-k_B T ln p of variables, p being their distribution without the bias: each frame has the weight
    exp(bias / k_B T) (Torrie and Valleau 1977, doi 10.1016/0021-9991(77)90121-8).

    Errors are by a bootstrap over blocks of consecutive frames; of several lengths of blocks the one that
    gives the largest is taken.

    Args:
        values: of the variables in each frame, shape (n_frames,) or (n_frames, d), with an axis of walkers
            in front where there are several.
        bias: in each frame [eV], as felt there; for metadynamics that of the end of the run.
        temperature: [K].
        bins: how many along each variable, two or more.
        limits: of each variable; by default those of the values.
        skip: share of the frames to leave out at the beginning, while the bias is built; for metadynamics
            half, since early frames had not felt the hills they are weighed with.
        seed: of the bootstrap.

    Raises:
        DataError: arrays that do not fit each other, not finite, or too short.
        ConfigError: other numbers of bins or limits than of variables, or a single bin.
    """
    columns, weights = _weighed(values, bias, temperature, skip)
    grid = Bins.of(columns.reshape(-1, columns.shape[-1]), bins, limits)
    places = grid.places(columns)

    def sums(chosen: np.ndarray) -> np.ndarray:
        """The weight in each bin, of some frames."""
        return grid.sums(places.reshape(-1)[chosen], weights.reshape(-1)[chosen])

    thermal = BOLTZMANN * temperature
    numbers = np.arange(places.size).reshape(places.shape)
    total = sums(numbers.reshape(-1))
    lowest = int(np.argmax(total))

    def relative(weight: np.ndarray) -> np.ndarray:
        return relative_to_lowest(weight, lowest, thermal)

    found, error = relative(total), _bootstrap(sums, relative, places.shape, seed)
    before = relative(sums(numbers[:, : places.shape[1] * 2 // 3].reshape(-1)))
    return FreeEnergyProfile(
        grid.middles,
        found.reshape(grid.shape),
        error.reshape(grid.shape),
        float(weights.sum() ** 2 / np.sum(weights**2)),
        *judged_profile(found, error, before, thermal),
    )


def free_energy_difference(
    first: np.ndarray,
    second: np.ndarray,
    bias: np.ndarray,
    temperature: float,
    *,
    skip: float = 0.2,
    seed: int = 0,
) -> FreeEnergyDifference:
    """F(second) - F(first) = -k_B T ln(p(second) / p(first)), with the weights and errors of
    `free_energy_profile`.

    Args:
        first: whether each frame is in the first state, shape (n_frames,) or (n_walkers, n_frames).
        second: the same of the second state.
        bias: in each frame [eV]; for metadynamics that of the end of the run.
        temperature: [K].
        skip: share of the frames to leave out at the beginning, while the bias is built.
        seed: of the bootstrap.

    Raises:
        DataError: arrays that do not fit each other, or a state that was never visited.
    """
    states = np.stack([np.asarray(first, bool), np.asarray(second, bool)], axis=-1)
    members, weights = _weighed(states.astype(np.float64), bias, temperature, skip)
    thermal = BOLTZMANN * temperature
    flat, heavy = members.reshape(-1, 2), weights.reshape(-1)

    def sums(chosen: np.ndarray) -> np.ndarray:
        return heavy[chosen] @ flat[chosen]

    def difference(weight: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return -thermal * np.log(weight[..., 1] / weight[..., 0])

    total = heavy @ flat
    for number, name in enumerate(("first", "second")):
        if not total[number] > 0:
            raise DataError(
                f"no frame is in the {name} state", "run longer, or raise the barrier of the bias"
            )
    value = float(difference(total))
    error = float(_bootstrap(sums, difference, weights.shape, seed))
    two_thirds = weights.shape[-1] * 2 // 3
    before = np.einsum("wn,wnk->k", weights[:, :two_thirds], members[:, :two_thirds])
    drift = value - float(difference(before))
    transitions = sum(_transitions(one) for one in members)
    return judged_difference(value, error, transitions, drift, thermal)


def judged_difference(
    value: float,
    error: float,
    transitions: int | None,
    drift: float,
    thermal: float,
    problems: Sequence[str] = (),
) -> FreeEnergyDifference:
    """A difference with its verdict, k_B T being `thermal` [eV], where nothing else is wrong with it."""
    found = list(problems)
    if transitions is not None and transitions < _ENOUGH_TRANSITIONS:
        found.append(f"only {transitions} transitions")
    if not abs(drift) < thermal / 4:
        found.append(f"the last third changed it by {drift / thermal:+.2f} k_B T")
    if not error < thermal / 2:
        found.append(f"the error is {error / thermal:.2f} k_B T")
    good = "" if transitions is None else f"{transitions} transitions, "
    good = f"converged: {good}error {error / thermal:.2f} k_B T"
    verdict = f"not converged: {'; '.join(found)}" if found else good
    return FreeEnergyDifference(float(value), float(error), transitions, float(drift), not found, verdict)


def judged_profile(
    found: np.ndarray, error: np.ndarray, before: np.ndarray, thermal: float, problems: Sequence[str] = ()
) -> tuple[bool, str]:
    """Whether a profile has converged, and the verdict. The lowest bin, which the others are relative to, is
    zero whatever the frames are: it says nothing.

    Args:
        found: the free energies [eV].
        error: of them [eV].
        before: those of the first two thirds of the frames [eV].
        thermal: k_B T [eV].
        problems: what else is wrong with it.
    """
    wrong = list(problems)
    low = found < _LOW * thermal
    low[np.argmin(found)] = False
    if not low.any():
        wrong.append(f"the lowest bin is the only one below {_LOW:g} k_B T: there is nothing to judge it by")
        return False, f"not converged: {'; '.join(wrong)}"
    both = low & np.isfinite(before)
    # With the lowest bin, where the difference is zero.
    drift = float(np.std(np.append(before[both] - found[both], 0.0))) / thermal if both.any() else np.inf
    if not drift < 0.25:
        wrong.append(f"the last third changed it by {drift:.2f} k_B T")
    typical = float(np.median(error[low])) / thermal
    if not typical < 0.5:
        wrong.append(f"its error is {typical:.2f} k_B T")
    good = f"converged below {_LOW:g} k_B T: error {typical:.2f} k_B T"
    return not wrong, f"not converged: {'; '.join(wrong)}" if wrong else good


def relative_to_lowest(weight: np.ndarray, lowest: int, thermal: float) -> np.ndarray:
    """-k_B T ln of the weights of bins over that of one of them, infinite where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return -thermal * np.log(weight / weight[..., lowest, None])


def _weighed(
    values: np.ndarray, bias: np.ndarray, temperature: float, skip: float
) -> tuple[np.ndarray, np.ndarray]:
    """Values (n_walkers, n_frames, d) and weights (n_walkers, n_frames) without the frames left out."""
    energies = np.atleast_2d(np.asarray(bias, np.float64))
    columns = np.asarray(values, np.float64)
    if columns.shape[: np.ndim(bias)] != np.shape(bias) or columns.ndim > np.ndim(bias) + 1:
        raise DataError(f"values of shape {columns.shape} do not fit a bias of shape {np.shape(bias)}")
    columns = columns.reshape(*energies.shape, -1)
    if not (np.isfinite(columns).all() and np.isfinite(energies).all()):
        raise DataError("values and bias must be finite")
    if not 0 <= skip < 1 or not temperature > 0:
        raise ConfigError(f"a share of {skip} to skip at {temperature} K makes no sense")
    start = int(skip * energies.shape[1])
    columns, energies = columns[:, start:], energies[:, start:]
    if energies.size < 2 * max(_BLOCKS):
        raise DataError(
            f"{energies.size} frames are too few for error bars", "record more often, or run longer"
        )
    return columns, np.exp((energies - energies.max()) / (BOLTZMANN * temperature))


def _bootstrap(
    sums: Callable[[np.ndarray], np.ndarray],
    statistic: Callable[[np.ndarray], np.ndarray],
    shape: tuple[int, ...],
    seed: int,
) -> np.ndarray:
    """The standard error of a statistic of sums over frames, the largest of several lengths of blocks."""
    walkers, frames = shape
    numbers = np.arange(walkers * frames).reshape(walkers, frames)
    random = np.random.default_rng(seed)
    errors = []
    for count in _BLOCKS:
        per_walker = max(1, -(-count // walkers))
        blocks = [block for row in numbers for block in np.array_split(row, per_walker)]
        table = np.array([sums(block) for block in blocks])
        drawn = random.integers(0, len(blocks), (_RESAMPLES, len(blocks)))
        # One by one: of the bins of a surface all together would fill the memory.
        resampled = statistic(np.array([table[rows].sum(axis=0) for rows in drawn]))
        with np.errstate(invalid="ignore"):
            finite = np.isfinite(resampled)
            # A bin that many resamples do not have is known to no accuracy.
            spread = np.std(np.where(finite, resampled, 0.0), axis=0, ddof=1)
            errors.append(np.where(np.all(finite, axis=0), spread, np.inf))
    return np.max(errors, axis=0)


def _transitions(members: np.ndarray) -> int:
    """How often a trajectory went from one of two states to the other, shape (n_frames, 2)."""
    inside = members[members.any(axis=1)]
    return int(np.count_nonzero(np.diff(inside[:, 0])))
