"""The hills of metadynamics as a file."""

from pathlib import Path

import numpy as np
from scipy.special import logsumexp

from adiabat.base import DataError
from adiabat.dynamics import AbstractIntegrator, State
from adiabat.dynamics.joined import replica_folder
from adiabat.io.plumed import HILLS, Column, PlumedTable, PlumedWriter
from adiabat.sampling.biased import Biased
from adiabat.sampling.metadynamics import CENTERS, COUNT, HEIGHTS, Metadynamics
from adiabat.system import Batch

# Pairs of a point and a hill that are looked at together.
_PIECE = 1 << 22
# Points of a grid in each direction, by the number of variables.
_POINTS = {1: 256, 2: 64, 3: 24}


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
    names = _variables(table)
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != len(names):
        raise DataError(f"expected points of {len(names)} variables {names}, got shape {points.shape}")
    heights = _heights(table)
    pieces = np.array_split(points, max(1, len(points) * len(table) // _PIECE))
    return np.concatenate([_gaussians(table, names, piece) @ heights for piece in pieces])


def hill_offsets(table: PlumedTable, times: np.ndarray, thermal: float) -> np.ndarray:
    """How much of the bias of metadynamics is the same everywhere, at some times: frames are weighed by the
    bias that they felt less

        c(t) = k_B T ln (int ds exp(gamma V / (gamma - 1) k_B T) / int ds exp(V / (gamma - 1) k_B T)),

    V being the hills until then and s what lies between the outermost of all (Tiwary and Parrinello 2015, doi
    10.1021/jp504920s; `rbias` of PLUMED).

    Args:
        table: of `read_plumed`, of well-tempered metadynamics.
        times: in the unit of the table, shape (n_times,).
        thermal: k_B T, in the unit of the heights.

    Returns:
        In the unit of the heights, shape (n_times,).

    Raises:
        DataError: the table is not one of hills that become lower, or is empty.
    """
    names = _variables(table)
    gamma = table["biasf"][0] if "biasf" in table.columns and len(table) else 1.0
    if not gamma > 1:
        raise DataError(
            "these are no hills of well-tempered metadynamics", "weigh frames by their sum at the end"
        )
    grid = _between(table, names)
    heights = _heights(table)
    # A hill counts from its own step on, however its time was rounded in the file.
    until = np.searchsorted(table["time"], np.asarray(times) * (1 + 1e-9), side="right")
    bias, done = np.zeros(len(grid)), 0
    counts, same = np.unique(until, return_inverse=True)  # many times lie between two hills
    found = np.zeros(len(counts))
    for number, count in enumerate(counts):
        for begin in range(done, count, max(1, _PIECE // len(grid))):
            rows = slice(begin, min(count, begin + max(1, _PIECE // len(grid))))
            bias += _gaussians(table, names, grid, rows) @ heights[rows]
        done = count
        reduced = bias / ((gamma - 1) * thermal)
        found[number] = thermal * (logsumexp(gamma * reduced) - logsumexp(reduced))
    return found[same]


def _variables(table: PlumedTable) -> list[str]:
    names = [name.removeprefix("sigma_") for name in table.columns if name.startswith("sigma_")]
    if not names:
        raise DataError("this is no table of hills: it has no column sigma_...")
    return names


def _heights(table: PlumedTable) -> np.ndarray:
    """Those of the bias; the file has those of the free energy."""
    factor = table["biasf"] if "biasf" in table.columns else np.ones(len(table))
    return table["height"] * np.where(factor > 1, (factor - 1) / np.maximum(factor, 1e-9), 1.0)


def _gaussians(
    table: PlumedTable, names: list[str], points: np.ndarray, rows: slice = slice(None)
) -> np.ndarray:
    """Each hill of height 1 at each point, shape (n_points, n_hills)."""
    exponent = 0.0
    for column, name in enumerate(names):
        apart, period = points[:, column, None] - table[name][rows], table.period(name)
        if period is not None:
            apart -= period * np.round(apart / period)
        exponent = exponent + (apart / table[f"sigma_{name}"][rows]) ** 2
    return np.exp(-0.5 * exponent)


def _between(table: PlumedTable, names: list[str]) -> np.ndarray:
    """Points at equal distances between the outermost hills, or all around."""
    axes = []
    for name in names:
        period, centers = table.period(name), table[name]
        low, high = (0.0, period) if period is not None else (centers.min(), centers.max())
        axes.append(np.linspace(low, high, _POINTS[len(names)], endpoint=period is None))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(names))
