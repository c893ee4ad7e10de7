"""Elements that parameters are of."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import ase.data
import numpy as np

from adiabat.base import UnsupportedError
from adiabat.system.system import System


class Published(NamedTuple):
    """Parameters of one element, which stand for those that are not given.

    Attributes:
        of: what has these parameters, as "Lennard-Jones".
        number: of the element.
        values: by name.
    """

    of: str
    number: int
    values: Mapping[str, float]

    def completed(self, **given: float | None) -> tuple[dict[str, float], tuple[str, ...]]:
        """All values, and the names of those that were not given."""
        known = {name: value for name, value in given.items() if value is not None}
        return {**self.values, **known}, tuple(name for name in self.values if name not in known)

    def check(self, system: System, absent: Sequence[str], otherwise: str = "") -> None:
        """Raise UnsupportedError when parameters were not given, and the system has another element.

        Args:
            system: what is to be computed.
            absent: names of what was not given.
            otherwise: what else can be done, the end of the hint.
        """
        if absent:
            names = " and ".join(filter(None, [", ".join(absent[:-1]), absent[-1]]))
            check_elements(
                system,
                (self.number,),
                f"by default {self.of} has the {names} of",
                f"give {names} for {{}}, from where its parameters were published{otherwise}",
            )


def check_elements(system: System, known: Sequence[int], of_these: str, hint: str | None = None) -> None:
    """Raise UnsupportedError when an atom is of none of the elements that there are parameters of.

    Args:
        system: what is to be computed.
        known: atomic numbers.
        of_these: what the message begins with, as "there are charges of"; the names of the elements follow.
        hint: what to do; {} stands for the first element without parameters.
    """
    others = sorted(set(np.asarray(system.numbers)[np.asarray(system.mask)].tolist()) - set(known))
    if others:
        have, lack = ([ase.data.chemical_symbols[number] for number in each] for each in (known, others))
        raise UnsupportedError(
            f"{of_these} {' '.join(have)} only; the structure also has {' '.join(lack)}",
            hint and hint.format(lack[0]),
        )


# Depth of the well [eV] and length [Å] of argon.
LENNARD_JONES = Published("Lennard-Jones", 18, {"epsilon": 0.0104, "sigma": 3.40})
