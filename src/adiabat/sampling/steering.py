"""Free energies from the work of steered trajectories."""

import math

import numpy as np

from adiabat.base import DataError
from adiabat.base.units import BOLTZMANN
from adiabat.sampling.free_energy import FreeEnergyDifference, FreeEnergyProfile, judged_difference

_RESAMPLES = 200
_FEWEST = 10


def steered_difference(work: np.ndarray, temperature: float, *, seed: int = 0) -> FreeEnergyDifference:
    """F(end) - F(start) = -k_B T ln <exp(-W / k_B T)> of steered trajectories (Jarzynski 1997, doi
    10.1103/PhysRevLett.78.2690), by a bootstrap over trajectories.

    It is the difference with the springs in place: of stiff ones that of the variable at the two centers. It
    holds for trajectories that began in equilibrium at the first center. The few with the least work decide:
    from too few it comes out too high, by more than its error bar says. The verdict therefore asks for ten
    trajectories, and for exp(d) of them where d k_B T is what the mean work is above the difference
    (Jarzynski 2006, doi 10.1103/PhysRevE.73.046105).

    Args:
        work: of each trajectory, from start to end [eV], shape (n_trajectories,).
        temperature: [K].
        seed: of the bootstrap.

    Raises:
        DataError: fewer than two trajectories, or work that is not finite.
    """
    work, thermal = np.asarray(work, np.float64), BOLTZMANN * temperature
    n = len(work)
    if n < 2 or not np.isfinite(work).all():
        raise DataError(f"{n} steered trajectories have no error bar", "steer more, as with --replicas 20")
    value = _mean(work[:, None], thermal)[0]
    resampled = [_mean(work[rows, None], thermal)[0] for rows in _drawn(n, seed)]
    problems = [f"only {n} trajectories"] if n < _FEWEST else []
    dissipated = (float(np.mean(work)) - value) / thermal
    if n < math.exp(min(dissipated, 50.0)):
        problems.append(f"{dissipated:.1f} k_B T of work are lost, too many for {n} trajectories: go slower")
    drift = value - _mean(work[: max(1, 2 * n // 3), None], thermal)[0]
    return judged_difference(value, float(np.std(resampled, ddof=1)), None, drift, thermal, problems)


def steered_profile(
    centers: np.ndarray, work: np.ndarray, temperature: float, *, seed: int = 0
) -> FreeEnergyProfile:
    """The free energy with the springs at each center on the way, as `steered_difference`.

    Args:
        centers: of the variable, shape (n_frames,).
        work: until then [eV], shape (n_trajectories, n_frames).
        temperature: [K].
        seed: of the bootstrap.

    Raises:
        DataError: as `steered_difference`.
    """
    thermal = BOLTZMANN * temperature
    end = steered_difference(work[:, -1], temperature, seed=seed)
    found = _mean(work, thermal)
    lowest = int(np.argmin(found))
    resampled = np.array([_mean(work[rows], thermal) for rows in _drawn(len(work), seed)])
    error = np.std(resampled - resampled[:, lowest, None], axis=0, ddof=1)
    weights = np.exp((work[:, -1].min() - work[:, -1]) / thermal)
    return FreeEnergyProfile(
        (np.asarray(centers),),
        found - found[lowest],
        error,
        float(weights.sum() ** 2 / np.sum(weights**2)),
        end.converged,
        end.verdict,
    )


def _mean(work: np.ndarray, thermal: float) -> np.ndarray:
    """-k_B T ln <exp(-W / k_B T)> over trajectories, the first axis."""
    least = work.min(axis=0)
    return least - thermal * np.log(np.mean(np.exp((least - work) / thermal), axis=0))


def _drawn(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, n, (_RESAMPLES, n))
