"""The hills of metadynamics as a file."""

from pathlib import Path

import numpy as np

from adiabat.base import DataError
from adiabat.dynamics import AbstractIntegrator, State
from adiabat.dynamics.joined import replica_folder
from adiabat.io.plumed import HILLS, Column, PlumedTable, PlumedWriter
from adiabat.sampling.biased import Biased
from adiabat.sampling.metadynamics import CENTERS, COUNT, HEIGHTS, Metadynamics
from adiabat.system import Batch

# Pairs of a point and a hill that are looked at together.
_PIECE = 1 << 22


class HillsFiles:
    """Keeps HILLS files in step with a simulation: one, or one for each replica with a bias of its own.

    All hills are in the state. A file is written anew when the first state is seen, and appended to from then
    on, so that an interrupted run leaves no hill out and none twice.

    Args:
        folder: of the run.
        integrator: that moves it; nothing is written unless it has a bias that is `Metadynamics`.
    """

    def __init__(self, folder: Path, integrator: AbstractIntegrator):
        self._folder, self._biased = folder, integrator
        self._writers: dict[Path, PlumedWriter] = {}

    def update(self, state: State) -> None:
        """Writes the hills that are new in a state.

        Raises:
            DataError: the disk is full.
        """
        if not isinstance(self._biased, Biased) or not isinstance(self._biased.bias, Metadynamics):
            return
        bias = self._biased.bias
        memory = {name: np.asarray(values) for name, values in self._biased.memory(state).items()}
        if bias.shared or not isinstance(state.system, Batch):
            walkers = state.system.n_systems if isinstance(state.system, Batch) else 1
            self._write(self._folder / HILLS, bias, memory, walkers)
            return
        for number in range(state.system.n_systems):
            one = {name: values[number] for name, values in memory.items()}
            self._write(replica_folder(self._folder, number) / HILLS, bias, one, 1)

    def _write(self, path: Path, bias: Metadynamics, memory: dict[str, np.ndarray], walkers: int) -> None:
        writer = self._writers.get(path)
        first = 0 if writer is None else writer.n_rows
        number = np.arange(first, int(memory[COUNT]))
        step = (number // walkers + 1) * bias.every
        # PLUMED's convention: heights times gamma / (gamma - 1), so that their sum is minus the free energy.
        heights = memory[HEIGHTS][number] * bias.bias_factor / (bias.bias_factor - 1)
        widths = np.broadcast_to(bias.widths, (len(number), len(bias.widths)))
        factor = np.full(len(number), bias.bias_factor)
        rows = np.column_stack(
            [step * self._biased.timestep, memory[CENTERS].T[number], widths, heights, factor]
        )
        if writer is not None:
            writer.append(rows)
            return
        names = [Column(v.name, v.unit, v.period) for v in bias.variables]
        sigmas = [Column(f"sigma_{v.name}", v.unit) for v in bias.variables]
        columns = [Column("time", "fs"), *names, *sigmas, Column("height", "eV"), Column("biasf")]
        settings = {"multivariate": "false", "kerneltype": "gaussian"}
        self._writers[path] = PlumedWriter(path, columns, settings, rows)


def sum_hills(table: PlumedTable, points: np.ndarray) -> np.ndarray:
    """The bias of a HILLS file at some points, in the file's units (kJ/mol unless it was made with others).

    Minus this times gamma / (gamma - 1) is the free energy but for a constant, which is what PLUMED's
    `sum_hills` gives.

    Args:
        table: of `read_plumed`.
        points: values of the variables in the file's units, shape (n_points, n_variables).

    Raises:
        DataError: the table is not one of hills, or has another number of variables.
    """
    names = [name.removeprefix("sigma_") for name in table.columns if name.startswith("sigma_")]
    points = np.asarray(points, np.float64)
    if not names or points.ndim != 2 or points.shape[1] != len(names):
        raise DataError(f"expected points of {len(names)} variables {names}, got shape {points.shape}")
    factor = table["biasf"] if "biasf" in table.columns else np.ones(len(table))
    heights = table["height"] * np.where(factor > 1, (factor - 1) / np.maximum(factor, 1e-9), 1.0)
    periods = [table.period(name) for name in names]

    def bias(some: np.ndarray) -> np.ndarray:
        exponent = np.zeros((len(some), len(table)))
        for column, (name, period) in enumerate(zip(names, periods, strict=True)):
            apart = some[:, column, None] - table[name]
            if period is not None:
                apart -= period * np.round(apart / period)
            exponent += (apart / table[f"sigma_{name}"]) ** 2
        return np.exp(-0.5 * exponent) @ heights

    pieces = np.array_split(points, max(1, len(points) * len(table) // _PIECE))
    return np.concatenate([bias(piece) for piece in pieces])
