"""`adiabat variables`: collective variables learned from simulations."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.base.config import load_config
from adiabat.base.files import check_out
from adiabat.tasks import precision

if TYPE_CHECKING:
    from adiabat.io.trajectory import Trajectory
    from adiabat.sampling import AbstractVariable

logger = logging.getLogger(__name__)


def variables(
    runs: Sequence[str | os.PathLike],
    *,
    lag: float,
    out: str | os.PathLike,
    seen: str | os.PathLike | None = None,
    kind: str = "tica",
    modes: int = 1,
    seed: int = 0,
    force: bool = False,
) -> dict[str, Any]:
    """Learns the slowest motions of some runs, and writes them to a file for a bias.

    Args:
        runs: folders of `adiabat md`, with or without replicas, or files `trajectory.h5`; of the same atoms.
        lag: between the two times that are compared [fs], rounded to frames.
        out: the file to write, for `kind = "learned"` in the settings of `adiabat md`.
        seen: a TOML file with tables `[[variables]]`, what is seen of a structure; by default the torsions,
            one about each bond.
        kind: "tica" or "vamp", see `adiabat.sampling.learn_variables`.
        modes: how many of the slowest.
        seed: of the network and the error bars.
        force: replace an existing file.

    Returns:
        `trajectories`, `frames`, `features`, `lag_ps`; of each mode `timescales_ps`, `timescale_errors_ps`,
        `eigenvalues`, `transitions` and `widths` (for the kernels of OPES); `vamp2_held_out` and
        `vamp2_linear_held_out`, scores on frames that were held out; `converged`, `verdict` and `out`.

    Raises:
        ConfigError: `out` exists, or a setting makes no sense.
        DataError: a run cannot be read, or there are too few frames.
        UnsupportedError: the structures lack an atom, or a variable is of a kind that no file can hold.
    """
    from adiabat.sampling import learn_variables

    check_out(out, force)
    precision.enable()
    trajectories = [trajectory for run in runs for trajectory in read_run(run)]
    chosen = torsions_of(trajectories) if seen is None else read_variables(seen)
    learned = learn_variables(chosen, trajectories, lag, kind=cast(Any, kind), n_modes=modes, seed=seed)
    learned.save(out)
    if not learned.converged:
        logger.warning("%s", learned.verdict)
    return {
        "trajectories": len(trajectories),
        "frames": sum(map(len, trajectories)),
        "features": len(learned.function.center),
        "lag_ps": learned.lag / 1000,
        "timescales_ps": _finite(learned.timescales / 1000),
        "timescale_errors_ps": _finite(learned.errors / 1000),
        "eigenvalues": learned.eigenvalues.tolist(),
        "transitions": learned.transitions.tolist(),
        "widths": learned.widths.tolist(),
        "vamp2_held_out": learned.score,
        "vamp2_linear_held_out": learned.linear_score,
        "converged": learned.converged,
        "verdict": learned.verdict,
        "out": str(out),
    }


def read_run(run: str | os.PathLike) -> "list[Trajectory]":
    """The trajectories of a run folder, one for each replica, or that of a file.

    Raises:
        DataError: it cannot be read.
    """
    from adiabat.io.trajectory import read_trajectory
    from adiabat.sampling.bias import BIAS
    from adiabat.sampling.read_run import trajectory_files

    path = Path(run)
    found = [read_trajectory(file) for file in (trajectory_files(path) if path.is_dir() else [path])]
    if any(np.ptp(one.observables.get(BIAS, np.zeros(1))) > 0 for one in found):
        logger.warning("%s was simulated under a bias: what is slow there need not be slow without it", path)
    if any(np.ptp(one.observables.get("target_temperature", np.zeros(1))) > 0 for one in found):
        logger.warning("the replicas of %s swap temperatures: time scales are those of no temperature", path)
    return found


def read_variables(path: str | os.PathLike) -> "list[AbstractVariable]":
    """The variables that a TOML file describes, in tables `[[variables]]`, whose own files are seen from
    its folder.

    Raises:
        ConfigError: there are none, or one is described wrongly.
    """
    from adiabat.base.schema import build_kind, placed
    from adiabat.sampling import variables as kinds

    tables = load_config(path).get("variables")
    if not isinstance(tables, list) or not tables:
        hint = 'write [[variables]] with kind = "torsion" and atoms = [4, 6, 8, 14], say'
        raise ConfigError(f"{path} has no tables [[variables]]", hint)
    folder = os.path.dirname(path)
    seen = [placed(kinds, table, folder) if isinstance(table, dict) else table for table in tables]
    return [build_kind(kinds, table, "variables") for table in seen]


def torsions_of(trajectories: "Sequence[Trajectory]") -> "list[AbstractVariable]":
    """A torsion about each bond along which heavy atoms, or the only hydrogen of one, stand on both sides.

    Raises:
        DataError: there is none.
    """
    from adiabat.analysis import common_bonds, torsions_from_bonds
    from adiabat.sampling import Torsion
    from adiabat.system import repeating_cell

    if not trajectories:
        raise DataError("there is no trajectory to learn from")
    first = trajectories[0]
    numbers = np.asarray(first.template.numbers)
    cell = repeating_cell(first.cells[0], first.template.pbc)
    bonds = common_bonds(numbers, first.positions, cell)
    hydrogens = np.zeros(len(numbers), int)
    for i, j in bonds:
        hydrogens[i] += numbers[j] == 1
        hydrogens[j] += numbers[i] == 1
    chosen: dict[tuple[int, int], tuple[int, ...]] = {}
    for i, j, k, m in torsions_from_bonds(bonds).tolist():
        # Three hydrogens on a carbon atom are the same after a third of a turn, which is no slow motion.
        if all(numbers[end] > 1 or hydrogens[next_to] == 1 for end, next_to in ((i, j), (m, k))):
            kept = chosen.get((j, k), (i, j, k, m))
            heavier = numbers[i] + numbers[m] > numbers[kept[0]] + numbers[kept[3]]
            chosen[j, k] = (i, j, k, m) if heavier else kept
    if not chosen:
        raise DataError(
            "the structure has no torsions to learn from", "say what is seen of it in --variables FILE.toml"
        )
    return [Torsion(atoms=atoms, name="torsion_" + "_".join(map(str, atoms))) for atoms in chosen.values()]


def _finite(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
