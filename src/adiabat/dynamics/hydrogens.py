"""What lets hydrogen take longer steps: bonds of fixed length, and mass from its neighbor."""

from collections import defaultdict
from typing import Literal, get_args

import equinox as eqx
import numpy as np

from adiabat.analysis.topology import BOND_SCALE, bonded_radii
from adiabat.base import ConfigError, UnsupportedError, did_you_mean
from adiabat.dynamics.constraints import Constraints, nearest
from adiabat.system import System, neighbor_list

Constrained = Literal["none", "hydrogens", "water", "hydrogens+water"]
"""Which distances are fixed: none, bonds to hydrogen, all three of each water molecule, or both."""

_HYDROGEN, _OXYGEN = 1, 8
_NOTHING = {
    "hydrogens": "bond to hydrogen",
    "water": "water molecule",
    "hydrogens+water": "bond to hydrogen, of water or of anything else",
}


def constrain(system: System, which: Constrained) -> Constraints | None:
    """The constraints of that name; None for "none".

    Bonds are found in the structure by their lengths. The bonds of hydrogen to one element get one length,
    the mean of those in the structure; likewise those of water, and the distances between its hydrogen atoms.

    Raises:
        ConfigError: another name.
        UnsupportedError: a hydrogen atom with two bonds, or nothing to constrain.
        DataError: two atoms at one place.
    """
    names = get_args(Constrained)
    if which not in names:
        raise ConfigError(f"unknown constraints {which!r}", did_you_mean(str(which), names))
    if which == "none":
        return None
    bonds, numbers = _bonds(system), np.asarray(system.numbers)
    pairs: dict[tuple[int, int], str] = {}
    if which.startswith("hydrogens"):
        for hydrogen in np.flatnonzero(numbers == _HYDROGEN).tolist():
            for other in bonds[hydrogen]:
                pairs[_ordered(hydrogen, other)] = f"bond to {numbers[other]}"
    if which.endswith("water"):
        for oxygen in np.flatnonzero(numbers == _OXYGEN).tolist():
            ends = bonds[oxygen]
            if len(ends) == 2 and all(numbers[end] == _HYDROGEN for end in ends):
                pairs |= {_ordered(oxygen, end): "bond of water" for end in ends}
                pairs[_ordered(*ends)] = "base of water"
    if not pairs:
        raise UnsupportedError(
            f"nothing to constrain: the structure has no {_NOTHING[which]}, as its distances show",
            "leave the constraints out, or check that the structure is complete and in Å",
        )
    atoms, kinds = np.array(list(pairs)), np.array(list(pairs.values()))
    lengths = np.linalg.norm(nearest(system, atoms)[0], axis=1)
    for kind in set(pairs.values()):
        lengths[kinds == kind] = lengths[kinds == kind].mean()
    return Constraints.create(system, atoms, lengths)


def with_heavy_hydrogen(system: System, mass: float) -> System:
    """The system with hydrogen atoms of this mass [amu], taken from the atoms they are bonded to.

    The mass of each molecule, and all that follows from energies alone, stay what they are; hydrogen moves
    more slowly and takes longer steps (Feenstra, Hess and Berendsen 1999, J. Comput. Chem. 20, 786).

    Raises:
        ConfigError: no hydrogen atom; a mass below that of hydrogen, or more than a neighbor has to give: it
            must stay as heavy as its hydrogen atoms.
        UnsupportedError: a hydrogen atom without a heavier atom that it is bonded to, or with two bonds.
        DataError: two atoms at one place.
    """
    numbers, masses = np.asarray(system.numbers), np.array(system.masses, np.float64)
    hydrogens = np.flatnonzero(numbers == _HYDROGEN)
    if not len(hydrogens):
        raise ConfigError("the structure has no hydrogen to make heavier", "leave the mass of hydrogen out")
    if not np.isfinite(mass) or np.any(mass < masses[hydrogens]):
        raise ConfigError(
            f"hydrogen cannot be made as light as {mass:g} amu", 'as "3 amu", three times its own'
        )
    bonds = _bonds(system)
    for hydrogen in hydrogens.tolist():
        if not bonds[hydrogen] or numbers[bonds[hydrogen][0]] == _HYDROGEN:
            raise UnsupportedError(
                f"hydrogen atom {hydrogen} is bonded to no heavier atom that could give it mass",
                "leave the mass of hydrogen as it is",
            )
        masses[bonds[hydrogen][0]] -= mass - masses[hydrogen]
        masses[hydrogen] = mass
    if len(light := np.flatnonzero((numbers != _HYDROGEN) & (masses < mass) & (masses < system.masses))):
        raise ConfigError(
            f"hydrogen of {mass:g} amu would leave atom {light[0]} a mass of {masses[light[0]]:.3g} amu",
            'take less: "3 amu" and less suit all organic molecules',
        )
    return eqx.tree_at(lambda s: s.masses, system, masses)


def _bonds(system: System) -> dict[int, list[int]]:
    """What each atom is bonded to.

    Raises:
        UnsupportedError: a hydrogen atom with two bonds.
    """
    numbers, radii = np.asarray(system.numbers), bonded_radii(np.asarray(system.numbers))
    near = neighbor_list(system, 2 * BOND_SCALE * float(radii.max()))
    longest = BOND_SCALE * (radii[:, None] + radii[near.index])
    found: dict[int, list[int]] = defaultdict(list)
    for atom, column in np.argwhere(near.mask & (near.distances() < longest)).tolist():
        found[atom].append(int(near.index[atom, column]))
    for atom, others in found.items():
        if numbers[atom] == _HYDROGEN and len(others) > 1:
            raise UnsupportedError(
                f"hydrogen atom {atom} is bonded to several atoms, {others}: it may be on its way",
                "run without constraints and with the mass of hydrogen as it is, or start from a structure "
                "where each hydrogen atom has one bond",
            )
    return found


def _ordered(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)
