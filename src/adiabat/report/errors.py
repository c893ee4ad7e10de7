"""The errors of a model on one set of structures, as the report states them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from adiabat.analysis import bootstrap_rmse
from adiabat.base.units import DEBYE

MEV = 1000.0  # meV per eV


@dataclass(frozen=True)
class SetErrors:
    """Errors on one labelled set; anything with the attributes of `adiabat.training.Evaluation` will do.

    Attributes:
        name: of the set.
        evaluation: `reference_energies`, `energies`, `n_atoms` of shape (n,); `reference_forces` and
            `forces`, lists of (n_i, 3); `systems` and `tags`, lists; perhaps `reference_dipoles` and
            `dipoles`, lists of (3,) or None. Not finite is not labelled.
    """

    name: str
    evaluation: Any

    @property
    def n_structures(self) -> int:
        """Number of structures."""
        return len(self.evaluation.energies)

    @cached_property
    def n_atoms(self) -> np.ndarray:
        """Atoms of each structure, shape (n,)."""
        return np.asarray(self.evaluation.n_atoms, dtype=np.int64)

    @cached_property
    def energy_errors(self) -> np.ndarray:
        """Predicted minus reference [meV], shape (n,); not a number where there is no label."""
        references = np.asarray(self.evaluation.reference_energies, dtype=np.float64)
        return (np.asarray(self.evaluation.energies, dtype=np.float64) - references) * MEV

    @cached_property
    def force_errors(self) -> list[np.ndarray]:
        """Predicted minus reference of each structure [meV/Å], shape (n_i, 3)."""
        pairs = zip(self.evaluation.forces, self.evaluation.reference_forces, strict=True)
        return [
            np.full(np.shape(predicted), np.nan) if reference is None
            else (np.asarray(predicted, np.float64) - np.asarray(reference, np.float64)) * MEV
            for predicted, reference in pairs
        ]  # fmt: skip

    @cached_property
    def force_rmse_of_structures(self) -> np.ndarray:
        """RMSE of the force components of each structure [meV/Å], shape (n,)."""
        return np.array([np.sqrt(np.mean(errors**2)) for errors in self.force_errors])

    @cached_property
    def has_energies(self) -> np.ndarray:
        """Which structures have an energy, shape (n,)."""
        return np.isfinite(self.energy_errors)

    @cached_property
    def has_forces(self) -> np.ndarray:
        """Which structures have forces, shape (n,)."""
        return np.isfinite(self.force_rmse_of_structures)

    def energy_rmse(self, chosen: np.ndarray | None = None) -> tuple[float, float, float]:
        """RMSE of the energy [meV per structure] and its 95 % interval; of the structures `chosen` (n,)."""
        kept = self.has_energies if chosen is None else self.has_energies & chosen
        return _rmse(self.energy_errors[kept] ** 2, np.ones(int(kept.sum())))

    def energy_rmse_per_atom(self) -> float:
        """RMSE of the energy per atom [meV/atom]."""
        kept = self.has_energies
        return _root(np.mean((self.energy_errors[kept] / self.n_atoms[kept]) ** 2)) if kept.any() else np.nan

    def force_rmse(self, chosen: np.ndarray | None = None) -> tuple[float, float, float]:
        """RMSE of the force components [meV/Å] and its 95 % interval; of the structures `chosen` (n,)."""
        kept = self.has_forces if chosen is None else self.has_forces & chosen
        counts = 3.0 * self.n_atoms[kept]
        return _rmse(self.force_rmse_of_structures[kept] ** 2 * counts, counts)

    def energy_mae(self) -> float:
        """Mean absolute error of the energy [meV per structure]."""
        kept = self.has_energies
        return float(np.mean(np.abs(self.energy_errors[kept]))) if kept.any() else np.nan

    def force_mae(self) -> float:
        """Mean absolute error of the force components [meV/Å]."""
        errors = self.flat_forces()[2]
        return float(np.mean(np.abs(errors))) if len(errors) else np.nan

    def flat_forces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of all labelled atoms: numbers (m,), reference forces [eV/Å] (m, 3), errors [meV/Å] (m, 3)."""
        kept = np.flatnonzero(self.has_forces)
        if len(kept) == 0:
            return np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros((0, 3))
        numbers = np.concatenate([np.asarray(self.evaluation.systems[k].numbers) for k in kept])
        references = np.concatenate(
            [np.asarray(self.evaluation.reference_forces[k], np.float64) for k in kept]
        )
        return numbers, references, np.concatenate([self.force_errors[k] for k in kept])

    def dipoles(self) -> tuple[np.ndarray, np.ndarray]:
        """Reference and predicted dipoles [D] of the structures that have both, shape (m, 3) each."""
        found = (getattr(self.evaluation, name, ()) for name in ("reference_dipoles", "dipoles"))
        pairs = [pair for pair in zip(*found, strict=True) if all(dipole is not None for dipole in pair)]
        reference, predicted = np.array(pairs).reshape(-1, 2, 3).swapaxes(0, 1) / DEBYE
        return reference, predicted

    def groups(self) -> tuple[str, dict[str, np.ndarray]]:
        """What the structures are tagged with, and which ones carry each value, shape (n,) each.

        The first of temperature, origin and config_type that has 2 to 12 values; ("", {}) without one.
        """
        tags = list(getattr(self.evaluation, "tags", None) or [])
        for key in ("temperature", "origin", "config_type"):
            values = [_tag(tag.get(key)) for tag in tags]
            distinct = sorted(set(values) - {""}, key=_natural)
            if len(values) == self.n_structures and 2 <= len(distinct) <= 12:
                found = np.array(values)
                return key.replace("_", " "), {value: found == value for value in distinct}
        return "", {}


def _rmse(squared_sums: np.ndarray, counts: np.ndarray) -> tuple[float, float, float]:
    if len(squared_sums) == 0:
        return np.nan, np.nan, np.nan
    low, high = bootstrap_rmse(squared_sums, counts)
    return _root(squared_sums.sum() / counts.sum()), low, high


def _root(value: Any) -> float:
    return float(np.sqrt(value))


def _tag(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def _natural(text: str) -> tuple[float, str]:
    head = "".join(c for c in text.split("K")[0] if c.isdigit() or c == ".")
    try:
        return float(head), text
    except ValueError:
        return float("inf"), text
