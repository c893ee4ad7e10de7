"""Elastic constants of copper by a learned potential, against those of its data's own method (PBE).

    python -m benchmarks.copper --data ../shared/data --models FOLDER

takes the model in FOLDER/copper-0, as `benchmarks.accuracy` leaves it. The training set has crystals strained
along one axis or sheared in one plane, with energies and stresses of the method; the model is asked for the
same crystals, and both give the constants by the same polynomials in the strain. The method's energies and
stresses disagree by more than the model errs: where the stress is zero the energy falls by 2 GPa, because
plane waves were cut off at one energy for all cells. The model learned the energies. They hold C11 and C44;
C12 only the stresses do, which it was not shown.
"""

import argparse
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from numpy.polynomial import Polynomial

import adiabat
from adiabat.base.units import GIGAPASCAL
from adiabat.system import System
from adiabat.tasks.precision import enable
from benchmarks.record import record

LARGEST = 0.045
KILOBAR = 0.1  # [GPa]


def constants(strains: np.ndarray, energies: np.ndarray, stresses: np.ndarray) -> dict[str, float]:
    """The elastic constants [GPa] of strained cubic crystals.

    Args:
        strains: the deformation gradients less one, shape (n, 3, 3); those above `LARGEST` are left out.
        energies: for the volume of the crystal without strain [GPa], shape (n,).
        stresses: [GPa], tension positive, shape (n, 3, 3); of those off the diagonal only the largest is
            looked at, whose place depends on the program.
    """
    axial, sheared = [], []
    for strain, energy, stress in zip(strains, energies, stresses, strict=True):
        row, column = np.unravel_index(np.argmax(np.abs(strain)), (3, 3))
        size = strain[row, column]
        if abs(size) > LARGEST:
            continue
        if row == column:
            along = stress[row, row]
            axial.append((size, energy, along, (np.trace(stress) - along) / 2))
        else:
            off = stress[np.triu_indices(3, 1)]
            sheared.append((size, energy, off[np.argmax(np.abs(off))]))
    axes, of_axes, along, across = np.transpose(axial)
    shears, of_shears, shear = np.transpose(sheared)
    return {
        "C11, from energies": 2 * _coefficient(axes, of_axes, 2),
        "C44, from energies": 2 * _coefficient(shears, of_shears, 2),
        "C11, from stresses": _coefficient(axes, along, 1),
        "C12, from stresses": _coefficient(axes, across, 1),
        "C44, from stresses": _coefficient(shears, shear, 1),
    }


def _coefficient(x: np.ndarray, y: np.ndarray, power: int) -> float:
    return float(Polynomial.fit(x, y, 3).convert().coef[power])


def rows(data: Path, models: Path) -> list[dict[str, Any]]:
    """Each constant, with that of the method as the published figure."""
    frames: Any = ase.io.read(data / "mlearn" / "Cu_training.extxyz", ":")
    crystals = [atoms for atoms in frames if atoms.info["group"] == "Elastic"]
    cells = np.array([atoms.cell.array for atoms in crystals])
    edge = np.median(np.diagonal(cells, axis1=1, axis2=2))
    model = adiabat.load(models / "copper-0")
    ours = [model.predict(System.from_ase(atoms)) for atoms in crystals]

    def found(energies: list[float], stresses: list[Any]) -> dict[str, float]:
        return constants(
            cells / edge - np.eye(3), np.array(energies) / (edge**3 * GIGAPASCAL), np.array(stresses)
        )

    learned = found([float(one.energy) for one in ours], [one.stress / GIGAPASCAL for one in ours])
    expected = found(
        [atoms.get_potential_energy() for atoms in crystals],
        [-KILOBAR * atoms.info["fitsnap_stress"] for atoms in crystals],
    )
    return [
        {"what": name, "value": value, "unit": "GPa", "published": f"PBE {expected[name]:.1f}"}
        for name, value in learned.items()
    ]


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--models", type=Path, required=True, help="folder of run folders")
    options = parser.parse_args()
    enable()
    made = rows(options.data, options.models)
    for row in made:
        print(f"{row['what']:20s} {row['value']:7.1f} GPa, {row['published']}")
    command = "python -m benchmarks.copper --data ../shared/data --models FOLDER"
    record("copper", made, command, title="Elastic constants of copper")


if __name__ == "__main__":
    main()
