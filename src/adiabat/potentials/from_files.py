"""Potentials as files name them: elements by their symbols, tables by their files."""

from collections.abc import Mapping
from typing import Annotated

import ase.data
import numpy as np

from adiabat.base import ConfigError, did_you_mean
from adiabat.base.schema import Beside
from adiabat.base.units import Unit
from adiabat.potentials.embedded_atom import EmbeddedAtom
from adiabat.potentials.ewald import Ewald
from adiabat.potentials.mesh_ewald import PME
from adiabat.potentials.pair import LennardJonesMixture

Length = Annotated[float, Unit("length")]
Depth = Annotated[float, Unit("energy")]


def mixture_of(
    *,
    kinds: dict[str, tuple[Depth, Length]],
    pairs: dict[str, tuple[Depth, Length]] | None = None,
    cutoff: Length = 10.0,
    smooth: bool = True,
) -> LennardJonesMixture:
    """Several kinds of Lennard-Jones particles, see `LennardJonesMixture`.

    Args:
        kinds: epsilon and sigma of each element, as kinds.Ar = ["0.0104 eV", "3.4 Å"].
        pairs: of pairs that do not follow the rules of Lorentz and Berthelot, as pairs.Ar-Kr = [...].
        cutoff: [Å].
        smooth: multiply by the polynomial envelope; without it the energy jumps at the cut-off.

    Raises:
        ConfigError: no such element, or a pair that is not of two.
        DataError: as `LennardJonesMixture`.
    """
    return LennardJonesMixture(
        kinds={_number(symbol): values for symbol, values in kinds.items()},
        pairs={_pair(names): values for names, values in (pairs or {}).items()},
        cutoff=cutoff,
        smooth=smooth,
    )


def embedded_atom_from_file(*, file: Annotated[str, Beside()]) -> EmbeddedAtom:
    """The embedded-atom method, see `EmbeddedAtom`.

    Args:
        file: of DYNAMO and LAMMPS, setfl (.eam.alloy) or funcfl (.eam), as seen from the potential file.

    Raises:
        DataError: not such a file, or damaged; the message names the line.
    """
    return EmbeddedAtom.read(file)


def ewald_of(
    *, charges: dict[str, float] | list[float], cutoff: Length = 9.0, accuracy: float = 1e-6
) -> Ewald:
    """Coulomb energy by Ewald's sum over waves, see `Ewald`.

    Args:
        charges: [e] of each element, as charges.Na = 1.0, or of each atom in turn.
        cutoff: of the sum over neighbors.
        accuracy: what is left out, relative to the nearest neighbors.

    Raises:
        ConfigError: no such element, or a number that makes no sense.
        DataError: no charges.
    """
    return Ewald(charges=by_number(charges), cutoff=cutoff, accuracy=accuracy)


def pme_of(*, charges: dict[str, float] | list[float], cutoff: Length = 9.0, accuracy: float = 1e-5) -> PME:
    """Coulomb energy by Ewald's sum on a mesh, for many atoms, see `PME`.

    Args:
        charges: [e] of each element, as charges.Na = 1.0, or of each atom in turn.
        cutoff: of the sum over neighbors.
        accuracy: about the relative error of the forces.

    Raises:
        ConfigError: no such element, or a number that makes no sense.
        DataError: no charges.
    """
    return PME(charges=by_number(charges), cutoff=cutoff, accuracy=accuracy)


def by_number(charges: Mapping[str, float] | list[float]) -> dict[int, float] | np.ndarray:
    """Charges of elements by their atomic numbers, or those of atoms as they are [e]."""
    if not isinstance(charges, Mapping):
        return np.array(charges, np.float64)
    return {_number(symbol): charge for symbol, charge in charges.items()}


def _pair(names: str) -> tuple[int, int]:
    first, dash, second = names.partition("-")
    if not dash:
        raise ConfigError(f"{names!r} is no pair of elements", 'write the key of a pair as "Ar-Kr"')
    return _number(first), _number(second)


def _number(symbol: str) -> int:
    if symbol not in ase.data.atomic_numbers or symbol == "X":
        hint = did_you_mean(symbol, ase.data.chemical_symbols[1:])
        raise ConfigError(f"{symbol!r} is no chemical symbol", hint)
    return ase.data.atomic_numbers[symbol]
