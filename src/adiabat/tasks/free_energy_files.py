"""The files of `adiabat free-energy`: a table, arrays, a page with drawings."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base import ConfigError
from adiabat.base.files import atomic_write, check_out
from adiabat.base.units import KJ_PER_MOL
from adiabat.tasks.regions import State

if TYPE_CHECKING:
    from adiabat.sampling import FreeEnergyProfile

_KINDS = {".csv": "a table", ".npz": "arrays", ".html": "a page with drawings"}


def check_files(files: Sequence[str | os.PathLike], force: bool) -> None:
    """Finds out before long work whether files may be written, see `check_out`.

    Raises:
        ConfigError: one exists, is there twice, or has another ending.
        DataError: it cannot be written.
    """
    for file in files:
        if Path(file).suffix not in _KINDS:
            kinds = ", ".join(f"{ending} ({what})" for ending, what in _KINDS.items())
            raise ConfigError(f"cannot write {Path(file).name!r}", f"choose a name that ends in {kinds}")
        if [Path(one) for one in files].count(Path(file)) > 1:
            raise ConfigError(f"{file} is given twice", "give each --out a name of its own")
        check_out(file, force)


def write_files(
    files: Sequence[str | os.PathLike],
    found: Mapping[str, Any],
    profile: "FreeEnergyProfile",
    states: Sequence[State],
    periods: Sequence[float | None],
) -> None:
    """Writes a free energy.

    Args:
        files: each of a kind by its ending.
        found: the result of the task.
        profile: along one or two variables.
        states: for the drawing.
        periods: of the variables.

    Raises:
        DataError: a file cannot be written.
    """
    for file in files:
        match Path(file).suffix:
            case ".csv":
                atomic_write(file, _table(found, profile))
            case ".npz":
                atomic_write(file, _arrays(found, profile))
            case _:
                _page(file, found, profile, states, periods)


def labels(found: Mapping[str, Any]) -> list[str]:
    """The variables with their units."""
    names, units = found["variable"], found["unit"]
    both = [(names, units)] if isinstance(names, str) else zip(names, units, strict=True)
    return [f"{name} [{unit}]" if unit else name for name, unit in both]


def _table(found: Mapping[str, Any], profile: "FreeEnergyProfile") -> str:
    """A row for each bin, the last variable running fastest."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*labels(found), "free energy [kJ/mol]", "error [kJ/mol]"])
    columns = [*np.meshgrid(*profile.axes, indexing="ij"), *_energies(profile)]
    for row in zip(*(column.reshape(-1) for column in columns), strict=True):
        writer.writerow([f"{value:.6g}" for value in row])
    return text.getvalue()


def _arrays(found: Mapping[str, Any], profile: "FreeEnergyProfile") -> bytes:
    """`variables` with their units, the middles of the bins along each as `axis_0` and so on."""
    free_energy, error = _energies(profile)
    axes: dict[str, Any] = {f"axis_{number}": axis for number, axis in enumerate(profile.axes)}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        variables=np.array(labels(found)),
        free_energy_kj_per_mol=free_energy,
        error_kj_per_mol=error,
        **axes,
    )
    return buffer.getvalue()


def _energies(profile: "FreeEnergyProfile") -> tuple[np.ndarray, np.ndarray]:
    return profile.free_energy / KJ_PER_MOL, profile.error / KJ_PER_MOL


def _page(
    file: str | os.PathLike,
    found: Mapping[str, Any],
    profile: "FreeEnergyProfile",
    states: Sequence[State],
    periods: Sequence[float | None],
) -> None:
    from adiabat.report import Page
    from adiabat.report.free_energies import free_energy_section

    page = Page(f"Free energy along {' and '.join(labels(found))}", f"{found['frames']:,} frames")
    page.add(
        free_energy_section(
            found,
            profile.axes,
            *_energies(profile),
            labels=labels(found),
            periods=periods,
            states=[(one.name, one.ranges) for one in states],
        )
    )
    page.write(Path(file))
