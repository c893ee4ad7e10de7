"""The numbers of `adiabat free-energy`, as its result has them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base.units import KJ_PER_MOL
from adiabat.tasks.regions import Pair

if TYPE_CHECKING:
    from adiabat.sampling import FreeEnergyDifference, FreeEnergyProfile


def numbers(
    profile: "FreeEnergyProfile", pairs: list[Pair], differences: "list[FreeEnergyDifference]"
) -> dict[str, Any]:
    """What the frames are worth, where it is lowest, the differences and the verdict."""
    found: dict[str, Any] = {"n_effective": profile.n_effective}
    converged, verdict = profile.converged, profile.verdict
    if any(pair.second for pair in pairs):
        found["differences"] = [
            {
                "state": pair.second,
                "compared_with": pair.first,
                **_difference(one),
                "converged": one.converged,
                "verdict": one.verdict,
            }
            for pair, one in zip(pairs, differences, strict=True)
        ]
        bad = [row["state"] for row in found["differences"] if not row["converged"]]
        converged = not bad
        verdict = f"not converged: {', '.join(bad)}" if bad else "all differences converged"
    elif differences:
        [only] = differences
        found |= _difference(only)
        converged, verdict = only.converged, only.verdict
    lowest = np.unravel_index(np.argmin(profile.free_energy), profile.free_energy.shape)
    at = [float(axis[place]) for axis, place in zip(profile.axes, lowest, strict=True)]
    found["lowest_at"] = at[0] if len(at) == 1 else at
    return found | {"converged": converged, "verdict": verdict}


def _difference(found: "FreeEnergyDifference") -> dict[str, Any]:
    return {
        "difference_kj_per_mol": found.value / KJ_PER_MOL,
        "difference_kj_per_mol_error": found.error / KJ_PER_MOL,
        "last_third_kj_per_mol": found.drift / KJ_PER_MOL,
        **({} if found.transitions is None else {"transitions": found.transitions}),
    }


def minima(
    profile: "FreeEnergyProfile", temperature: float, periods: Sequence[float | None]
) -> dict[str, Any]:
    """Those of a surface."""
    from adiabat.sampling import free_energy_minima

    if len(profile.axes) == 1:
        return {}
    rows = [
        {
            "at": one.at.tolist(),
            "free_energy_kj_per_mol": one.free_energy / KJ_PER_MOL,
            "free_energy_kj_per_mol_error": one.error / KJ_PER_MOL,
            "exit_kj_per_mol": one.exit / KJ_PER_MOL if np.isfinite(one.exit) else None,
        }
        for one in free_energy_minima(profile, temperature, periods)
    ]
    return {"minima": rows}


def profile_lists(profile: "FreeEnergyProfile") -> dict[str, Any]:
    axes = [axis.tolist() for axis in profile.axes]
    return {
        "value": axes[0] if len(axes) == 1 else axes,
        "free_energy_kj_per_mol": _finite(profile.free_energy / KJ_PER_MOL),
        "error_kj_per_mol": _finite(profile.error / KJ_PER_MOL),
    }


def _finite(values: np.ndarray) -> list[Any]:
    """As lists, None for what is not finite."""
    found = values.astype(object)
    found[~np.isfinite(values)] = None
    return found.tolist()
