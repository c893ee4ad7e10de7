"""One structure as it stands in a file: its atoms, and everything the file says about them, by name."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import AdiabatError, DataError
from adiabat.system import System

# The names under which files give the total charge and the number of unpaired electrons.
CHARGE_KEYS = ("charge", "total_charge")
MULTIPLICITY_KEYS = ("multiplicity", "spin_multiplicity")


@dataclass(frozen=True, eq=False)
class Frame:
    """One structure of a file.

    Attributes:
        system: the atoms; charge and spin are taken from `info`, see `electronic_state`.
        info: values for the whole structure, by the name they have in the file.
        arrays: values for each atom, shape (n_atoms, ...), by the name they have in the file.
        source: the file.
        index: number of the frame in its file, from 0.
    """

    system: System
    info: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    source: str = ""
    index: int = 0

    @property
    def where(self) -> str:
        """The file and frame, for messages."""
        return location(self.source, self.index)


def location(source: str | Path, index: int) -> str:
    """How messages name a frame of a file."""
    return f"{source}, frame {index}"


def electronic_state(info: dict[str, Any], numbers: np.ndarray, where: str) -> tuple[int, int]:
    """Takes the total charge and the number of unpaired electrons out of `info`; both are 0 when not given.

    The charge is `charge` or `total_charge`; the spin is `spin` (unpaired electrons), or `multiplicity` or
    `spin_multiplicity`, which is one more.

    Raises:
        DataError: not a whole number, or a spin that the number of electrons cannot have.
    """
    charge = _whole_number(info, CHARGE_KEYS, where)
    multiplicity = _whole_number(info, MULTIPLICITY_KEYS, where)
    spin = _whole_number(info, ("spin",), where)
    if multiplicity is not None:
        if spin is not None and spin != multiplicity - 1:
            raise DataError(
                f"{where}: spin={spin} and multiplicity={multiplicity} contradict each other",
                "spin is the number of unpaired electrons, the multiplicity minus one; give one of them",
            )
        spin = multiplicity - 1
    n_electrons = int(numbers.sum()) - (charge or 0)
    if n_electrons < 0:
        raise DataError(f"{where}: charge={charge} leaves {n_electrons} electrons")
    if spin is not None and (spin < 0 or spin > n_electrons or (n_electrons - spin) % 2):
        raise DataError(
            f"{where}: {n_electrons} electrons cannot have {spin} unpaired (charge={charge or 0})",
            "`spin` is the number of unpaired electrons; a multiplicity is written `multiplicity=...`",
        )
    return charge or 0, spin or 0


def _whole_number(info: dict[str, Any], keys: tuple[str, ...], where: str) -> int | None:
    """The value under the first of `keys` that `info` holds, taken out of it."""
    found = {key: info.pop(key) for key in keys if key in info}
    values = set()
    for key, value in found.items():
        number = np.asarray(value)
        if (
            number.size != 1
            or number.dtype.kind not in "fiu"
            or not math.isclose(float(number.item()) % 1, 0)
        ):
            raise DataError(f"{where}: {key}={value!r} is not a whole number")
        values.add(int(number.item()))
    if len(values) > 1:
        raise DataError(f"{where}: {found} contradict each other")
    return values.pop() if values else None


def make_frame(
    numbers: Any,
    positions: Any,
    *,
    source: str | Path,
    index: int,
    cell: Any = None,
    pbc: Any = False,
    masses: Any = None,
    info: dict[str, Any] | None = None,
    arrays: dict[str, np.ndarray] | None = None,
) -> Frame:
    """A frame with a checked `System`; whatever is wrong with it is reported with its file and frame.

    Raises:
        DataError: see `System.create` and `electronic_state`.
    """
    info = dict(info or {})
    where = location(source, index)
    try:
        charge, spin = electronic_state(info, np.asarray(numbers), where)
        # Copies: the arrays of an `ase.Atoms` change while it moves.
        positions = np.array(positions, dtype=np.float64)
        cell = None if cell is None else np.array(cell, dtype=np.float64)
        system = System.create(
            numbers, positions, cell=cell, pbc=pbc, masses=masses, charge=charge, spin=spin
        )
    except AdiabatError as error:
        if error.message.startswith(where):
            raise
        raise type(error)(f"{where}: {error.message}", error.hint) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{where}: no valid structure ({str(error)[:200]})") from error
    return Frame(system, info, arrays or {}, str(source), index)
