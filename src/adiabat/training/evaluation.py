"""Errors of a potential on labelled structures."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np

from adiabat.base.progress import Bar
from adiabat.base.units import DEBYE, GIGAPASCAL
from adiabat.data import Sample, compositions
from adiabat.potentials import AbstractPotential
from adiabat.potentials.potential import Prediction
from adiabat.system import System
from adiabat.training.batches import Batches, Bucket, LabeledBatch, Listed, plan_buckets


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions beside their references, for each structure. What has no label is nan (energies) or None.

    Attributes:
        systems: the structures.
        tags: what the file says of each.
        energies: predicted [eV], shape (n_structures,).
        reference_energies: [eV], shape (n_structures,).
        atom_energies: predicted [eV], one array of shape (n_atoms,) each.
        forces: predicted [eV/Å], one array of shape (n_atoms, 3) each.
        reference_forces: [eV/Å], one array or None each.
        stresses: predicted [eV/Å^3], one array of shape (3, 3) or None each.
        reference_stresses: [eV/Å^3], one array or None each.
        dipoles: predicted [e Å], one array of shape (3,) or None each.
        reference_dipoles: [e Å], one array or None each.
        charges: predicted [e], one array of shape (n_atoms,) or None each.
        is_path: the structures follow a path, such as a torsion: the energies along it are compared as well.
    """

    systems: list[System]
    tags: list[dict[str, Any]]
    energies: np.ndarray
    reference_energies: np.ndarray
    atom_energies: list[np.ndarray]
    forces: list[np.ndarray]
    reference_forces: list[np.ndarray | None]
    stresses: list[np.ndarray | None]
    reference_stresses: list[np.ndarray | None]
    dipoles: list[np.ndarray | None]
    reference_dipoles: list[np.ndarray | None]
    charges: list[np.ndarray | None]
    is_path: bool = False

    @property
    def n_atoms(self) -> np.ndarray:
        """Atoms of each structure, shape (n_structures,)."""
        return np.array([system.n_atoms for system in self.systems])

    @property
    def force_rmse(self) -> np.ndarray:
        """Root mean square force error of each structure [eV/Å], nan without labels."""
        return np.array(
            [
                np.nan if reference is None else np.sqrt(np.mean((forces - reference) ** 2))
                for forces, reference in zip(self.forces, self.reference_forces, strict=True)
            ]
        )

    def predicted(self) -> list[Sample]:
        """The structures, the predictions being their labels."""
        return [
            Sample(
                system,
                energy=float(self.energies[k]),
                forces=np.asarray(self.forces[k], np.float64),
                stress=self.stresses[k],
                dipole=self.dipoles[k],
                charges=self.charges[k],
                info=self.tags[k],
            )
            for k, system in enumerate(self.systems)
        ]

    def energy_error_beside_offset(self) -> float:
        """Root mean square error of the energy per atom [eV] that no shift for each element explains; nan
        where there are too few energies to tell.

        Another level of theory, or energies counted from other zeros, shift every element by a constant.
        """
        known = np.isfinite(self.reference_energies)
        elements = sorted({int(z) for system in self.systems for z in system.numbers})
        shares = compositions([system.numbers for system in self.systems], elements)[known]
        error = ((self.energies - self.reference_energies) / self.n_atoms)[known]
        if len(error) < 5 + 2 * len(elements):
            return float("nan")
        shifts = np.linalg.lstsq(shares, error)[0]
        return _rms(error - shares @ shifts)

    def profile(self) -> tuple[np.ndarray, np.ndarray]:
        """Energies along a path [eV], predicted and those of the labels, each counted from the frame whose
        label is lowest; nan where there is no label."""
        if not np.isfinite(self.reference_energies).any():
            nothing = np.full(len(self.systems), np.nan)
            return nothing, nothing
        lowest = int(np.nanargmin(self.reference_energies))
        known = np.where(np.isfinite(self.reference_energies), 0.0, np.nan)
        references = self.reference_energies - self.reference_energies[lowest]
        return self.energies - self.energies[lowest] + known, references

    def _profile_metrics(self) -> dict[str, float | int]:
        """Errors of the energies along a path and of its barrier, the highest minus the lowest energy."""
        predicted, references = self.profile()
        if not np.isfinite(references).any():
            return {}
        highest = float(np.nanmax(references))
        return {
            "profile_rmse_mev": 1e3 * _rms((predicted - references)[np.isfinite(references)]),
            "barrier_mev": 1e3 * highest,
            "barrier_error_mev": 1e3 * (float(np.nanmax(predicted)) - highest),
        }

    def force_scale(self) -> tuple[float, float]:
        """By which factor the labels' forces are larger than the predicted ones, and how well the two
        correlate; nan without labels."""
        known = [(f, r) for f, r in zip(self.forces, self.reference_forces, strict=True) if r is not None]
        if not known:
            return float("nan"), float("nan")
        predicted, labels = (np.concatenate(forces).ravel() for forces in zip(*known, strict=True))
        sizes = np.linalg.norm(predicted), np.linalg.norm(labels)
        if min(sizes) == 0:
            return float("nan"), float("nan")
        return float(sizes[1] / sizes[0]), float(predicted @ labels / (sizes[0] * sizes[1]))

    @property
    def metrics(self) -> dict[str, float | int]:
        """Errors by the names of the command line; those without labels are left out."""
        found: dict[str, float | int] = {"n_structures": len(self.systems)}
        error = self.energies - self.reference_energies
        # By the labels alone: a prediction that is not a number must show.
        known = np.isfinite(self.reference_energies)
        if known.any():
            error, per_atom = 1e3 * error[known], 1e3 * error[known] / self.n_atoms[known]
            found["energy_rmse_mev"] = _rms(error)
            found["energy_mae_mev"] = _mean_size(error)
            found["energy_rmse_mev_per_atom"] = _rms(per_atom)
            found["energy_mae_mev_per_atom"] = _mean_size(per_atom)
            found["energy_offset_mev_per_atom"] = float(np.mean(per_atom))
        forces = [f - r for f, r in zip(self.forces, self.reference_forces, strict=True) if r is not None]
        if forces:
            error = 1e3 * np.concatenate(forces)
            found["force_rmse_mev_per_ang"] = _rms(error)
            found["force_mae_mev_per_ang"] = _mean_size(error)
        stresses = _differences(self.stresses, self.reference_stresses)
        if len(stresses):
            error = stresses / GIGAPASCAL
            found["stress_rmse_gpa"] = _rms(error)
            found["stress_mae_gpa"] = _mean_size(error)
        dipoles = _differences(self.dipoles, self.reference_dipoles)
        if len(dipoles):
            error = dipoles / DEBYE
            found["dipole_rmse_debye"] = _rms(error)
            found["dipole_mae_debye"] = _mean_size(error)
        return found | (self._profile_metrics() if self.is_path else {})


def evaluate(
    potential: AbstractPotential,
    samples: Sequence[Sample],
    bar: Bar | None = None,
    compiled: Sequence[Bucket] = (),
) -> Evaluation:
    """What the potential says of each sample, beside the sample's labels.

    Args:
        potential: any.
        samples: at least one.
        bar: advanced by one for each structure.
        compiled: shapes used before, which are taken where all samples fit: compiling others takes longer
            than they would save.

    Raises:
        UnsupportedError: an element that the potential does not know.
    """
    for sample in samples:
        potential.check(sample.system)
    listed = Listed(samples, potential.cutoff)
    fit = all(any(bucket.holds(*size) for bucket in compiled) for size in listed.sizes)
    buckets = compiled if fit else plan_buckets(listed.sizes, 256)
    ready = potential.for_systems(sample.system for sample in samples).for_inference()
    return evaluate_batches(ready, Batches(listed, buckets), bar)


def evaluate_batches(potential: AbstractPotential, batches: Batches, bar: Bar | None = None) -> Evaluation:
    """The same for samples that are in batches already."""
    assert isinstance(batches.listed, Listed)
    samples = list(batches.listed.samples)
    with_stress = any(sample.system.is_periodic for sample in samples)
    repeats = {tuple(sample.system.pbc) for sample in samples}
    pbc = repeats.pop() if len(repeats) == 1 else None
    energies = np.full(len(samples), np.nan)
    forces: list[Any] = [None] * len(samples)
    atom_energies: list[Any] = [None] * len(samples)
    stresses: list[Any] = [None] * len(samples)
    dipoles: list[Any] = [None] * len(samples)
    charges: list[Any] = [None] * len(samples)
    for bucket, numbers in batches.in_order():
        data = batches.make(bucket, numbers)
        data = dataclasses.replace(data, batch=dataclasses.replace(data.batch, pbc=pbc))
        prediction = _predict(potential, data, with_stress)
        energy, force = np.asarray(prediction.energy), np.asarray(prediction.forces)
        of_atoms = np.asarray(prediction.atom_energies)
        has_charges = prediction.charges is not None
        start = 0
        for k, number in enumerate(numbers):
            sample = samples[number]
            energies[number] = energy[k]
            forces[number] = force[start : start + sample.n_atoms]
            atom_energies[number] = of_atoms[start : start + sample.n_atoms]
            if prediction.stress is not None and sample.system.is_periodic:
                stresses[number] = np.asarray(prediction.stress)[k]
            if has_charges:
                charges[number] = np.asarray(prediction.charges)[start : start + sample.n_atoms]
                dipoles[number] = None if any(sample.system.pbc) else np.asarray(prediction.dipole)[k]
            start += sample.n_atoms
        if bar is not None:
            bar.advance(len(numbers))
    return Evaluation(
        systems=[sample.system for sample in samples],
        tags=[sample.info for sample in samples],
        energies=energies,
        reference_energies=np.array([np.nan if s.energy is None else s.energy for s in samples], np.float64),
        atom_energies=atom_energies,
        forces=forces,
        reference_forces=[sample.forces for sample in samples],
        stresses=stresses,
        reference_stresses=[sample.stress for sample in samples],
        dipoles=dipoles,
        reference_dipoles=[sample.dipole for sample in samples],
        charges=charges,
    )


@eqx.filter_jit
def _predict(potential: AbstractPotential, data: LabeledBatch, with_stress: bool) -> Prediction:
    # Weights that change from call to call stay arguments: nothing is compiled anew for them.
    return potential.for_training()(data.batch, data.neighbors, stress=with_stress)


def _differences(found: Sequence[Any], labels: Sequence[Any]) -> np.ndarray:
    """What is predicted minus what is known, of the structures that have both; one row each."""
    both = zip(found, labels, strict=True)
    return np.array([value - label for value, label in both if value is not None and label is not None])


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _mean_size(values: np.ndarray) -> float:
    return float(np.mean(np.abs(values)))
