"""`adiabat export`: a trajectory in the format of another program."""

import os
from pathlib import Path

from adiabat.base import ConfigError, DataError
from adiabat.base.files import check_out


def export(run: str | os.PathLike, *, out: str | os.PathLike, force: bool = False) -> dict[str, object]:
    """Writes the trajectory of a run as .xtc, .dcd or .xyz; see `adiabat.io.export_trajectory`.

    Args:
        run: the folder of `adiabat md`, or a `trajectory.h5`.
        out: the file; its ending is its format. Beside .xtc and .dcd a .pdb says which atoms they are of.
        force: replace existing files.

    Returns:
        `frames`, `atoms` and the files written, `out` and, if there is one, `topology`.

    Raises:
        ConfigError: a file exists, another ending.
        DataError: no trajectory, or a damaged one.
        MissingDependencyError: .xtc or .dcd without MDAnalysis.
    """
    from adiabat.dynamics import TRAJECTORY_FILE
    from adiabat.io.export import COMPRESSED, TEXT, export_trajectory, topology_path
    from adiabat.io.trajectory import read_trajectory
    from adiabat.sampling.read_run import trajectory_files

    source, target = Path(run), Path(out)
    if target.suffix not in COMPRESSED + TEXT:
        raise ConfigError(
            f"cannot write {target.name!r}", f"choose a name that ends in {', '.join(COMPRESSED + TEXT)}"
        )
    for path in [target, topology_path(target)] if target.suffix in COMPRESSED else [target]:
        check_out(path, force)
    if source.is_dir():
        source = source / TRAJECTORY_FILE
    if not source.is_file():
        first = trajectory_files(Path(run))[0]
        hint = f"choose one of its replicas, as {first.parent}" if first.is_file() else None
        raise DataError(f"{run} has no {TRAJECTORY_FILE}", hint or "give the run folder of adiabat md")
    trajectory = read_trajectory(source)
    if len(trajectory) == 0:
        raise DataError(f"{source} has no frames")
    written = export_trajectory(trajectory, target)
    found: dict[str, object] = {"frames": len(trajectory), "atoms": trajectory.positions.shape[1]}
    return found | dict(zip(("out", "topology"), map(str, written), strict=False))
