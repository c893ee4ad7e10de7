"""`adiabat relax`: the next minimum of the energy."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adiabat.base import ConvergenceError
from adiabat.base.files import check_out
from adiabat.tasks import precision
from adiabat.tasks.structure import as_potential, as_system
from adiabat.tasks.trust import warn_of_unknown

if TYPE_CHECKING:
    import ase

    from adiabat.potentials import AbstractPotential
    from adiabat.system import System


@dataclass(frozen=True)
class Relaxed:
    """A structure at a minimum.

    Attributes:
        system: the structure.
        energy: [eV].
        fmax: the largest force on an atom [eV/Å], or with the cell |virial|/n_atoms [eV] if that is larger.
        steps: how many it took.
        path: the file, or None.
    """

    system: "System"
    energy: float
    fmax: float
    steps: int
    path: Path | None


def relax(
    model: "AbstractPotential | str | os.PathLike",
    structure: "System | ase.Atoms | str | os.PathLike",
    *,
    out: str | os.PathLike | None = None,
    cell: bool = False,
    fmax: float = 0.01,
    max_steps: int = 2000,
    force: bool = False,
) -> Relaxed:
    """Moves the atoms, and the cell if wanted, downhill until the forces are small.

    Args:
        model: a potential, a model file, a run folder or a potential file.
        structure: a file (`FILE@3` for one frame of several) or a structure.
        out: extended XYZ with the relaxed structure and all that the potential says of it.
        cell: relax the cell too, at zero pressure.
        fmax: largest force left [eV/Å].
        max_steps: give up after so many.
        force: replace `out` if it exists.

    Raises:
        ConvergenceError: the forces are still larger; the best structure is in `out`.
        ConfigError: `out` exists.
        UnsupportedError: an element the model does not know, or a cell to relax that is not periodic.
        DataError: a file cannot be read or written.
    """
    path = Path(out) if out is not None else None
    if path is not None:
        check_out(path, force)
    precision.enable()
    from adiabat.dynamics import minimize
    from adiabat.io import write_extxyz

    potential = as_potential(model)
    system = as_system(structure)
    potential.check(system)
    found = minimize(system, potential, fmax=fmax, cell=cell, max_steps=max_steps)
    energy, atom_energies = float(found.prediction.energy), found.prediction.atom_energies
    assert atom_energies is not None
    warn_of_unknown(potential, [found.system], [np.asarray(atom_energies)], "the relaxed structure")
    if path is not None:
        names = ("forces", "stress", "dipole", "charges")
        results = {"energy": energy} | {name: getattr(found.prediction, name) for name in names}
        write_extxyz(path, [found.system], [results])
    if not found.converged:
        where = f"; the best structure is in {path}" if path is not None else ""
        raise ConvergenceError(
            f"after {found.steps} steps the largest force is {found.fmax:.3g} eV/Å, above {fmax:g}{where}",
            "go on from there, allow more --max-steps, or ask for a larger --fmax",
        )
    return Relaxed(found.system, energy, found.fmax, found.steps, path)
