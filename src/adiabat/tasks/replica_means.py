"""Numbers of several replicas: what goes together, and means over it with an error from its spread."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base.runs import RunFolder
from adiabat.tasks.motions import relaxation_time, settings_of, title_of, variables_of

if TYPE_CHECKING:
    from adiabat.report.cards import Section
    from adiabat.report.motion import Motion


def alike(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Trajectories of a run by what they are of: the same settings and the same atoms."""
    from adiabat.io.trajectory import TrajectoryReader

    found: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        with TrajectoryReader(file) as reader:
            atoms = np.asarray(reader.template.numbers).tobytes().hex()
        settings = settings_of(file)
        kind = (title_of(settings), *(str(settings.get(key)) for key in ("integrator", "barostat", "bias")))
        found.setdefault((*kind, atoms), []).append(file)
    titles = [key[0] for key in found]
    return {
        key[0] if titles.count(key[0]) == 1 else f"{key[0]}, {files[0].parent.name}": files
        for key, files in found.items()
    }


def rungs(folder: RunFolder, files: Sequence[Path]) -> "Iterator[tuple[str, Motion]]":
    """The frames of exchanging replicas at each temperature of the ladder; of solute tempering at the first
    alone, where the potential is the true one."""
    from adiabat.dynamics import at_temperature
    from adiabat.io.trajectory import read_trajectory
    from adiabat.report.motion import Motion

    trajectories = [read_trajectory(file) for file in files]
    integrators = [settings_of(file)["integrator"] for file in files]
    for integrator in integrators[: 1 if folder.config.get("solute") else None]:
        kelvin = integrator["temperature"]
        frames = at_temperature(trajectories, kelvin)
        motion = Motion.of(frames, frames.template.numbers, kelvin, relaxation_time(integrator))
        motion = dataclasses.replace(motion, variables=variables_of(files[0], frames))
        # What is conserved is an energy of each replica.
        yield f"{kelvin:g} K", dataclasses.replace(motion, conserved=None, is_collected=True)


def means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means of numbers and curves that all of several replicas have, each with the standard error from their
    spread under `..._error`; as it is what is the same in all. Curves on different axes are left out."""
    found: dict[str, Any] = {}
    for name in rows[0]:
        if not all(name in row for row in rows) or name.endswith(("_error", "_note")):
            continue
        values = [row[name] for row in rows]
        if isinstance(values[0], Mapping):
            found[name] = means(values)
        elif all(value == values[0] for value in values):
            found[name] = values[0]
        elif isinstance(values[0], (int, float)) or f"{name}_error" in rows[0]:
            if len({np.shape(value) for value in values}) > 1:
                return {}
            array = np.array(values, dtype=np.float64)
            found[name] = array.mean(axis=0).tolist()
            found[f"{name}_error"] = (array.std(axis=0, ddof=1) / np.sqrt(len(rows))).tolist()
        elif isinstance(values[0], list) and _is_axis(rows[0], name):
            return {}
    return {name: value for name, value in found.items() if value != {}}


def _is_axis(row: Mapping[str, Any], name: str) -> bool:
    """Whether a list is what the curves beside it are drawn over."""
    return any(other.endswith("_error") and isinstance(row[other], list) for other in row if other != name)


def section(groups: Mapping[str, Sequence[Mapping[str, Any]]]) -> "Section":
    """A table of the means over the replicas of each group, beside the errors that they state themselves."""
    from adiabat.report.cards import Section, Table
    from adiabat.report.formatting import number, with_error

    columns, cells = ["quantity"], {}
    for title, rows in groups.items():
        several = len(rows) > 1
        columns += [f"{title} ({len(rows)})", "error by their own"] if several else [title]
        flat = [dict(_flat(row)) for row in rows]
        for name, (value, error) in dict(_flat(means(rows) if several else rows[0])).items():
            if error is None:
                continue  # such as the length
            own = [error for one in flat if name in one for error in one[name][1:] if error is not None]
            line = cells.setdefault(name, {})
            line[columns[-1 - several]] = with_error(value, error)
            if several:
                rms = np.sqrt(np.mean(np.square(own)) / len(rows)) if len(own) == len(rows) else None
                line[columns[-1]] = number(rms, 2)
    body = [[name, *(line.get(column, "–") for column in columns[1:])] for name, line in cells.items()]
    lead = (
        "Means over replicas with the standard error from their spread, and what that error would be by the "
        "errors that the replicas state themselves. Where these are much smaller, a single run does not know "
        "its error: it is shorter than its slowest motion. Names as with --json."
    )
    return Section("Replicas", [Table(columns, body)], lead=lead)


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, tuple[float, float | None]]]:
    """Names, values and errors of numbers, also of nested ones."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} ")
        elif isinstance(value, float) and not name.endswith("_error"):
            yield f"{prefix}{name}", (value, row.get(f"{name}_error"))
