"""Free energies from umbrella windows, by the multistate Bennett acceptance ratio."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from adiabat.base import DataError, MissingDependencyError
from adiabat.base.units import BOLTZMANN
from adiabat.sampling.free_energy import FreeEnergyProfile
from adiabat.sampling.restraint import Restraint

_BLOCKS = 10


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
    """The free energy along the variable of several windows of umbrella sampling, without their bias, by MBAR
    (Shirts and Chodera 2008, doi 10.1063/1.2978177) as in pymbar.

    Errors are by a bootstrap over blocks of frames of each window, with all weights found anew.

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
    series = [np.asarray(one, np.float64).reshape(-1) for one in values]
    if not len(series) == len(windows) > 0 or min(map(len, series)) < _BLOCKS:
        raise DataError(
            f"{len(series)} series for {len(windows)} windows; each needs {_BLOCKS} frames or more"
        )
    thermal = BOLTZMANN * temperature
    reduced = _reduced_energies(np.concatenate(series), windows, thermal)
    low, high = limits or (min(s.min() for s in series), max(s.max() for s in series))
    edges = np.linspace(low, high, bins + 1)
    counts = np.array([len(one) for one in series])
    starts = np.cumsum(counts) - counts
    everything = np.arange(counts.sum())
    free_energies, log_weights = _solve(reduced, counts, None)
    flat = np.concatenate(series)
    weight = np.exp(log_weights - log_weights.max())
    total = np.histogram(flat, edges, weights=weight)[0]
    lowest = int(np.argmax(total))

    def relative(weight: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return -thermal * np.log(weight / weight[lowest])

    random = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        chosen = []
        for start, count in zip(starts, counts, strict=True):
            blocks = np.array_split(everything[start : start + count], _BLOCKS)
            chosen += [blocks[k] for k in random.integers(0, _BLOCKS, _BLOCKS)]
        drawn = np.concatenate(chosen)
        lengths = [sum(map(len, chosen[k * _BLOCKS : (k + 1) * _BLOCKS])) for k in range(len(counts))]
        _, again = _solve(reduced[:, drawn], np.array(lengths), free_energies)
        found.append(relative(np.histogram(flat[drawn], edges, weights=np.exp(again - again.max()))[0]))
    resampled = np.array(found)
    finite = np.isfinite(resampled).all(axis=0)
    spread = np.std(np.where(finite, resampled, 0.0), axis=0, ddof=1)
    return FreeEnergyProfile(
        axes=(0.5 * (edges[1:] + edges[:-1]),),
        free_energy=relative(total),
        error=np.where(finite, spread, np.inf),
        n_effective=float(weight.sum() ** 2 / np.sum(weight**2)),
    )


def _reduced_energies(values: np.ndarray, windows: Sequence[Restraint], thermal: float) -> np.ndarray:
    """The bias of each window at each value over k_B T, shape (n_windows, n_values)."""
    with jax.enable_x64(True):
        points = jnp.asarray(values)[:, None]
        heat = jnp.asarray(thermal)
        rows = [jax.vmap(lambda one, w=w: w.energy(one, w.begin(heat), heat))(points) for w in windows]
        return np.stack([np.asarray(row) for row in rows]) / thermal


def _solve(
    reduced: np.ndarray, counts: np.ndarray, start: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Free energies of the windows over k_B T, and the logarithm of each frame's weight without bias."""
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
    return free_energies, -(highest + np.log(np.sum(np.exp(exponents - highest), axis=0)))
