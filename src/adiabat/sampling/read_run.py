"""What a biased run has left in its folder."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adiabat.base import DataError
from adiabat.base.units import BOLTZMANN, KJ_PER_MOL
from adiabat.dynamics import TRAJECTORY_FILE
from adiabat.dynamics.joined import REPLICA
from adiabat.dynamics.recorder import UNITS
from adiabat.io.plumed import HILLS, plumed_unit, read_plumed
from adiabat.io.trajectory import TrajectoryReader
from adiabat.sampling.bias import BIAS, WORK
from adiabat.sampling.hills import hill_offsets, sum_hills


@dataclass(frozen=True)
class BiasedRun:
    """Values of variables, and the bias to reweight them with; one row for each replica.

    Attributes:
        times: [fs], shape (n_frames,).
        values: of each variable by name, shape (n_walkers, n_frames).
        bias: to weigh frames by [eV], shape (n_walkers, n_frames): as it was felt; for metadynamics see
            `read_biased_run`.
        work: done so far by changing the bias [eV], shape (n_walkers, n_frames).
    """

    times: np.ndarray
    values: dict[str, np.ndarray]
    bias: np.ndarray
    work: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.values:
            raise DataError(f"the run has no variable {name!r}", f"it has {', '.join(self.values)}")
        return self.values[name]


def trajectory_files(folder: Path) -> list[Path]:
    """Where the frames of a run are kept: a file for each of its replicas, or one."""
    return sorted(folder.glob(f"{REPLICA}-*/{TRAJECTORY_FILE}")) or [folder / TRAJECTORY_FILE]


def read_biased_run(folder: str | os.PathLike, temperature: float | None = None) -> BiasedRun:
    """What a biased run, with or without replicas, has recorded in its folder.

    Args:
        folder: of the run.
        temperature: of a run of well-tempered metadynamics [K]. With it frames have the bias that they felt,
            less what is the same everywhere (`hill_offsets`), so that early ones count as well; without it
            that of the end of the run.

    Raises:
        DataError: there is no trajectory, or it was recorded without a bias.
    """
    place = Path(folder)
    paths = trajectory_files(place)
    rows: list[dict[str, np.ndarray]] = []
    times = np.zeros(0)
    for path in paths:
        with TrajectoryReader(path) as reader:
            frames, units = reader.read(), reader.units
        if BIAS not in units:
            raise DataError(f"{path} was recorded without a bias", "give the run one, see adiabat new md")
        times = frames.times
        recorded = {name: values for name, values in frames.observables.items() if name not in UNITS}
        hills = next((p for p in (path.with_name(HILLS), place / HILLS) if p.exists()), None)
        if hills is not None:
            table = read_plumed(hills)
            variables = [name.removeprefix("sigma_") for name in table.columns if name.startswith("sigma_")]
            if temperature is None:
                points = np.stack([recorded[name] * plumed_unit(units[name]) for name in variables], axis=1)
                recorded[BIAS] = KJ_PER_MOL * sum_hills(table, points)
            else:
                thermal = BOLTZMANN * temperature / KJ_PER_MOL
                offsets = hill_offsets(table, times * plumed_unit("fs"), thermal)
                recorded[BIAS] = recorded[BIAS] - KJ_PER_MOL * offsets
        rows.append(recorded)
    length = min(len(row[BIAS]) for row in rows)  # a killed run may have written more of one replica
    stacked = {name: np.stack([row[name][:length] for row in rows]) for name in rows[0]}
    bias, work = stacked.pop(BIAS), stacked.pop(WORK)
    return BiasedRun(times=times[:length], values=stacked, bias=bias, work=work)
