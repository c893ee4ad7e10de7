"""`adiabat lammps`: molecular dynamics by LAMMPS with a model, on one process or on many."""

import os
import re
import shutil
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adiabat.base import ConfigError, DataError, MissingDependencyError
from adiabat.base.errors import AdiabatError
from adiabat.base.machine import usable_cpus
from adiabat.tasks import precision

if TYPE_CHECKING:
    from adiabat.potentials import AbstractPotential

# What decides how far ghosts reach, and would have it changed behind the potential's back.
_OURS = ("comm_modify", "neighbor", "neigh_modify")


def lammps(
    model: "AbstractPotential | str | os.PathLike",
    data: str | os.PathLike,
    script: str | os.PathLike,
    *,
    elements: Sequence[str] | None = None,
    log: str | os.PathLike = "log.lammps",
    screen: bool = False,
) -> dict[str, Any] | None:
    """Has LAMMPS read a data file and run a script, with the forces of a model.

    Started by `mpirun`, each process takes a domain. What the script writes lies where it says.

    Args:
        model: a potential, a model file, a run folder or a potential file.
        data: a data file of LAMMPS in metal units; what stands behind "Atoms #" is its atom style.
        script: the commands from there on: groups, velocities, fixes, output, `run`. Other forces add up.
        elements: symbols of the atom types in their order; by default the masses tell.
        log: where LAMMPS writes its log.
        screen: show it, too.

    Returns:
        `atoms`, `ranks`, `ghosts` of all ranks together, the number of the last of the `steps`, its
        `energy_ev`, and `log`; None on all processes but the first.

    Raises:
        MissingDependencyError: LAMMPS or mpi4py is not installed.
        ConfigError: LAMMPS refuses the script; other units; a script that changes what the ghosts depend on.
        DataError: a file cannot be read; two atoms at the same place.
        UnsupportedError: an element that the model does not know.
        SimulationError: an energy or force is not finite.
    """
    from adiabat.interfaces.lammps import import_lammps

    _, mpi = import_lammps()
    world = mpi.COMM_WORLD
    _share_cores(world.Split_type(mpi.COMM_TYPE_SHARED).size)
    try:
        found = _run(model, Path(data), Path(script), elements, log, screen)
        return None if world.rank else found
    except AdiabatError as error:  # the same on all processes; one tells
        if world.rank:
            raise SystemExit(error.exit_code) from error
        raise
    except Exception:
        if world.size > 1:  # the others would wait for ever
            traceback.print_exc()
            world.Abort(1)
        raise


def lammps_on_ranks(ranks: int, arguments: Sequence[str]) -> int:
    """Starts `adiabat lammps` with these arguments on so many processes of this machine.

    Returns:
        The exit code.

    Raises:
        MissingDependencyError: there is no mpiexec.
    """
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise MissingDependencyError("there is no mpiexec", "pip install 'adiabat[lammps]'")
    command = [found, "-n", str(ranks), sys.executable, "-m", "adiabat", "lammps", *arguments]
    return subprocess.run(command, check=False).returncode


def _run(
    model: "AbstractPotential | str | os.PathLike",
    data: Path,
    script: Path,
    elements: Sequence[str] | None,
    log: str | os.PathLike,
    screen: bool,
) -> dict[str, Any]:
    style = _atom_style(data)
    _check_script(script)
    precision.enable()
    from adiabat.interfaces.lammps import LammpsForce, import_lammps
    from adiabat.tasks.structure import as_potential

    potential = as_potential(model)
    module, mpi = import_lammps()
    program = module.lammps(cmdargs=["-log", os.fspath(log), *(() if screen else ("-screen", "none"))])
    try:
        hint = "check the file by itself with `lmp`; it has to be in metal units"
        with _told(module, DataError, f"LAMMPS cannot read {data}", hint):
            program.commands_list(["units metal", f"atom_style {style}", f'read_data "{data}"'])
        force = LammpsForce(program, potential, elements)
        hint = "the script goes on after units, atom_style and read_data, which adiabat has given"
        with _told(module, ConfigError, f"LAMMPS refuses {script}", hint):
            program.file(os.fspath(script))
        force.raise_error()
        return {
            "atoms": program.get_natoms(),
            "ranks": mpi.COMM_WORLD.size,
            "ghosts": mpi.COMM_WORLD.allreduce(force.n_ghosts),
            "steps": program.extract_global("ntimestep"),
            "energy_ev": force.energy,
            "log": os.fspath(log),
        }
    finally:
        program.close()


class _told:  # noqa: N801 (reads as a function)
    """Turns an error that LAMMPS has on all processes into one of ours."""

    def __init__(self, module: Any, kind: type[AdiabatError], message: str, hint: str):
        self.abort, self.kind, self.message, self.hint = module.core.MPIAbortException, kind, message, hint

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, (self.abort, AdiabatError)):
            said = str(error).replace("ERROR: ", "").partition("\nFor more information")[0]
            raise self.kind(f"{self.message}: {said}", self.hint) from error


def _atom_style(data: Path) -> str:
    """What a data file says of its atoms' columns: `Atoms # charge`."""
    try:
        with data.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                match = re.match(r"\s*Atoms\s*(?:#\s*(\w+))?\s*$", line)
                if match:
                    return match[1] or "atomic"
    except OSError as error:
        raise DataError(f"cannot read {data}: {error.strerror}") from error
    hint = (
        "give a data file of LAMMPS, as ase.io.write(name, atoms, format='lammps-data', masses=True) writes"
    )
    raise DataError(f"{data} has no section Atoms", hint)


def _check_script(script: Path) -> None:
    try:
        lines = script.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"cannot read {script}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words[:1] == ["units"] and words[1:2] != ["metal"]:
            raise ConfigError(
                f"{script}:{number} sets {' '.join(words[:2])}; energies here are in eV",
                "convert data file and script to metal units (eV, Å, ps, bar), and leave the line out",
            )
        if words[:1] and words[0] in _OURS:
            raise ConfigError(
                f"{script}:{number} has {words[0]}, by which the ghosts reach as far as the model sees",
                "leave the line out",
            )


def _share_cores(here: int) -> None:
    """Lets XLA have this process's share of the cores; as long as it has not started."""
    os.environ.setdefault("NPROC", str(max(1, min(usable_cpus(), (os.cpu_count() or 1) // here))))
