"""What a reference method is: structures in, labelled samples out, failures named."""

import abc
import hashlib
import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from adiabat.base import AdiabatError, DataError
from adiabat.base.machine import usable_cpus
from adiabat.data.labelers.cache import LabelCache
from adiabat.data.labelers.workers import WorkerPool
from adiabat.data.sample import Sample
from adiabat.system import System

# Starting a worker costs about a second (imports): it must save more than that.
SECONDS_WORTH_WORKERS = 3.0
# Nearer than any two nuclei of a molecule come at thermal energies; the methods return nonsense there [Å].
MIN_DISTANCE = 0.25


@dataclass(frozen=True)
class Labels:
    """What a method says about one structure.

    Attributes:
        energy: [eV].
        forces: [eV/Å], shape (n_atoms, 3).
        stress: dE/dstrain / volume [eV/Å^3], shape (3, 3), sign as ASE; None unless periodic.
        error: why there are no labels, else None.
        dipole: about the center of mass [e Å], shape (3,); None in a cell, and where the method has none.
    """

    energy: float | None = None
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None
    error: str | None = None
    dipole: np.ndarray | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which keeps every bit of a float."""
        if self.error is not None:
            return {"error": self.error}
        arrays = {"forces": self.forces, "stress": self.stress, "dipole": self.dipole}
        lists = {name: value.tolist() for name, value in arrays.items() if value is not None}
        return {"energy": self.energy, **lists}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `as_dict`."""
        if "error" in values:
            return cls(error=str(values["error"]))

        def array(name: str, *shape: int) -> np.ndarray | None:
            value = values.get(name)
            return None if value is None else np.array(value, dtype=np.float64).reshape(shape)

        return cls(
            energy=float(values["energy"]),
            forces=array("forces", -1, 3),
            stress=array("stress", 3, 3),
            dipole=array("dipole", 3),
        )


def is_labelled(sample: Sample) -> bool:
    """False for a structure that its method failed on; `sample.info["label_error"]` then says why."""
    return sample.energy is not None and "label_error" not in sample.info


class AbstractLabeler(abc.ABC):
    """A method that computes energies and forces, on as many processes as there are cores.

    Used as a context manager it starts its worker processes at once and keeps them until the end, for many
    calls of few structures; otherwise `label` starts them when they save time. Labels do not depend on the
    number of processes, nor on the order of the structures.
    """

    name: ClassVar[str]
    workers: int | None
    _pool: WorkerPool | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The constructor's arguments that change a label, as JSON."""
        return {}

    @abc.abstractmethod
    def check(self, system: System) -> None:
        """Raises UnsupportedError or DataError for a structure the method cannot treat."""

    @abc.abstractmethod
    def compute(self, system: System) -> Labels:
        """The labels of one structure, in this process; an AdiabatError where there are none."""

    @abc.abstractmethod
    def isolated_atoms(self, numbers: Iterable[int]) -> dict[int, float]:
        """Energy [eV] of each element's free neutral atom in its ground state.

        Raises:
            UnsupportedError: an element outside the method.
        """

    def label(
        self, systems: Sequence[System], progress: Any = None, cache: LabelCache | None = None
    ) -> list[Sample]:
        """One sample for each structure, in order.

        A structure that the method fails on comes back without labels, the reason under
        `info["label_error"]` (see `is_labelled`).

        Args:
            systems: what to label.
            progress: a bar of `adiabat.base.progress`, advanced by every structure.
            cache: labels known already are taken from here and new ones are written to it at once.

        Raises:
            UnsupportedError, DataError: a structure that `check` refuses, before anything is computed.
        """
        for system in systems:
            self.check(system)
        keys = [self.key(system) for system in systems] if cache is not None else []
        known: dict[int, Labels] = {}
        if cache is not None:
            found = ((index, cache.get(key)) for index, key in enumerate(keys))
            known = {index: Labels.from_dict(values) for index, values in found if values is not None}
            if progress is not None and known:
                progress.advance(len(known))
        missing = [index for index in range(len(systems)) if index not in known]
        failed = sum(labels.error is not None for labels in known.values())
        for position, values in self._compute_all([systems[index] for index in missing]):
            index = missing[position]
            known[index] = Labels.from_dict(values)
            failed += known[index].error is not None
            if cache is not None:
                cache.put(keys[index], values)
            if progress is not None:
                progress.advance(1, **({"failed": failed} if failed else {}))
        return [self._sample(system, known[index], index) for index, system in enumerate(systems)]

    def seconds_each(self, systems: Sequence[System]) -> float:
        """How long a structure takes among many like these, by all processes; measured."""
        self.label(systems[:4])  # the processes wake up
        start = time.perf_counter()
        self.label(systems)
        return (time.perf_counter() - start) / len(systems)

    def key(self, system: System) -> str:
        """The name of a structure's labels: a hash of the method and of all that decides its answer."""
        digest = hashlib.sha256(json.dumps([self.name, self.options], sort_keys=True).encode())
        digest.update(f"{system.charge} {system.spin} {system.pbc}".encode())
        for array, kind in ((system.numbers, "<i4"), (system.positions, "<f8"), (system.cell, "<f8")):
            digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
        return digest.hexdigest()

    def safe_compute(self, system: System) -> Labels:
        """As `compute`, but a failure or a value that is not finite becomes the `error` of the labels."""
        try:
            check_distances(system)
            labels = self.compute(system)
        except AdiabatError as error:
            return Labels(error=error.message)
        values = [np.asarray(labels.energy), labels.forces, labels.stress, labels.dipole]
        if not all(np.isfinite(value).all() for value in values if value is not None):
            return Labels(error=f"{self.name} returned values that are not finite")
        return labels

    def close(self) -> None:
        """Ends the worker processes."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def __enter__(self) -> Self:
        if self._pool is None and self._n_workers > 1:
            self._pool = WorkerPool(self._n_workers, self.name, self.options)
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def _n_workers(self) -> int:
        return self.workers if self.workers is not None else min(16, usable_cpus())

    def _compute_all(self, systems: Sequence[System]) -> Iterator[tuple[int, dict[str, Any]]]:
        """(index, labels as JSON) of each structure, in the order in which they are ready."""
        start, done = time.perf_counter(), 0
        while self._pool is None and done < len(systems):
            yield done, self.safe_compute(systems[done]).as_dict()
            done += 1
            expected = (time.perf_counter() - start) / done * (len(systems) - done)
            if self._n_workers > 1 and done > 1 and expected > SECONDS_WORTH_WORKERS:
                with self:
                    yield from ((done + i, values) for i, values in self._compute_all(systems[done:]))
                return
        if self._pool is not None:
            yield from self._pool.run([job_of(system) for system in systems[done:]])

    def _sample(self, system: System, labels: Labels, frame: int) -> Sample:
        info: dict[str, Any] = {"method": self.name}
        if labels.error is not None:
            info["label_error"] = labels.error
        return Sample(
            system=system,
            energy=labels.energy,
            forces=labels.forces,
            stress=labels.stress,
            dipole=labels.dipole,
            info=info,
            source=self.name,
            frame=frame,
        )


def job_of(system: System) -> dict[str, Any]:
    """A structure as JSON, for a worker."""
    return {
        "numbers": np.asarray(system.numbers).tolist(),
        "positions": np.asarray(system.positions).tolist(),
        "cell": np.asarray(system.cell).tolist(),
        "pbc": list(system.pbc),
        "charge": system.charge,
        "spin": system.spin,
    }


def check_distances(system: System) -> None:
    """Raises DataError when two atoms are so near that no method is to be trusted (only without a cell)."""
    if any(system.pbc) or system.n_atoms < 2:
        return
    positions = np.asarray(system.positions)
    squared = ((positions[:, None] - positions[None]) ** 2).sum(-1)
    np.fill_diagonal(squared, math.inf)
    nearest = math.sqrt(squared.min())
    if nearest < MIN_DISTANCE:
        i, j = sorted(int(k) for k in np.unravel_index(squared.argmin(), squared.shape))
        raise DataError(f"atoms {i} and {j} are {nearest:.2g} Å apart", "check the unit of the positions (Å)")
