"""Trajectories in the formats of other programs: XTC and DCD through MDAnalysis, extended XYZ by ours."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import ConfigError, DataError, MissingDependencyError
from adiabat.base.files import atomic_path
from adiabat.io.trajectory import Trajectory

COMPRESSED = (".xtc", ".dcd")
TEXT = (".xyz", ".extxyz")
_DECIMALS = 4  # of a nanometer: XTC rounds positions to so many, 0.001 Å


def export_trajectory(trajectory: Trajectory, path: str | os.PathLike) -> list[Path]:
    """Writes a trajectory as .xtc, .dcd or .xyz, as the ending says; files appear when they are complete.

    Extended XYZ keeps all there is: velocities, energies, times, cells, every digit. XTC and DCD keep
    positions, times and the cells of a system that is periodic along all directions; XTC rounds to 0.001 Å,
    DCD to single precision. Which atoms these are stands in a PDB file beside it, of the first frame. As
    these formats know a cell by its lengths and angles, frames are turned so that the first vector lies along
    x and the second in the plane of x and y; a left-handed cell has its third vector reversed, which is the
    same lattice.

    Args:
        trajectory: at least one frame; evenly spaced in time for DCD.
        path: what to write; replaced if it exists, as is the PDB file.

    Returns:
        The files written.

    Raises:
        ConfigError: another ending.
        MissingDependencyError: .xtc or .dcd without MDAnalysis.
        DataError: the file cannot be written, or frames that are not evenly spaced in time as .dcd.
    """
    path = Path(path)
    if path.suffix in TEXT:
        trajectory.write_extxyz(path)
        return [path]
    if path.suffix not in COMPRESSED:
        raise ConfigError(
            f"cannot write {path.name!r}", f"choose a name that ends in {', '.join(COMPRESSED + TEXT)}"
        )
    mdanalysis = _mdanalysis(path.suffix)
    positions, cells = _turned(trajectory)
    topology = topology_path(path)
    with atomic_path(topology) as first, atomic_path(path) as temporary:
        _write_pdb(first, trajectory, positions[0], None if cells is None else cells[0])
        _write_frames(mdanalysis, temporary, trajectory.times / 1000, positions, cells)
    return [path, topology]


def topology_path(path: Path) -> Path:
    """The PDB file that goes with an .xtc or .dcd."""
    return path.with_suffix(".pdb")


def _mdanalysis(suffix: str) -> Any:
    try:
        import MDAnalysis  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingDependencyError(
            f"{suffix} files are written by MDAnalysis, which is not installed",
            'pip install "adiabat[trajectories]", or choose a name that ends in .xyz',
        ) from error
    return MDAnalysis


def _turned(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions (n_frames, n_atoms, 3) [Å] in the orientation of PDB, and the cells in it, if periodic."""
    positions = trajectory.positions.astype(np.float64)
    if not trajectory.template.is_periodic:
        return positions, None
    cells = np.array(trajectory.cells, dtype=np.float64)
    cells[np.linalg.det(cells) < 0, 2] *= -1
    # The cell is a lower triangle with a positive diagonal times a rotation.
    rotation, triangle = np.linalg.qr(np.swapaxes(cells, 1, 2))
    signs = np.sign(np.diagonal(triangle, axis1=1, axis2=2))
    rotation = rotation * signs[:, None, :]
    return positions @ rotation, cells @ rotation


def _write_pdb(path: Path, trajectory: Trajectory, positions: np.ndarray, cell: np.ndarray | None) -> None:
    import ase
    import ase.io

    template = trajectory.template
    numbers = np.asarray(template.numbers)[np.asarray(template.mask)]
    atoms = ase.Atoms(numbers, positions, cell=cell, pbc=cell is not None)
    ase.io.write(path, atoms, format="proteindatabank")


def _write_frames(
    mdanalysis: Any, path: Path, picoseconds: np.ndarray, positions: np.ndarray, cells: np.ndarray | None
) -> None:
    from ase.geometry import cell_to_cellpar

    n_frames, n_atoms = positions.shape[:2]
    options: dict[str, Any] = (
        {"precision": _DECIMALS} if path.suffix == ".xtc" else {"dt": _step(picoseconds)}
    )
    universe = mdanalysis.Universe.empty(n_atoms, trajectory=True)
    writing = mdanalysis.Writer(str(path), n_atoms=n_atoms, **options)
    with warnings.catch_warnings(), writing as writer:
        warnings.filterwarnings("ignore", "No dimensions set")  # a molecule has none
        for k in range(n_frames):
            frame = universe.trajectory.ts
            frame.frame, frame.time, frame.positions = k, float(picoseconds[k]), positions[k]
            frame.dimensions = None if cells is None else cell_to_cellpar(cells[k])
            writer.write(universe.atoms)


def _step(picoseconds: np.ndarray) -> float:
    """The time between frames [ps]: DCD has no place for more."""
    steps = np.diff(picoseconds)
    if len(steps) and np.ptp(steps) > 1e-3 * abs(steps.mean()):
        raise DataError(
            "a .dcd file has no place for times that are not evenly spaced", "choose .xtc or .xyz"
        )
    return float(steps.mean()) if len(steps) else 1.0
