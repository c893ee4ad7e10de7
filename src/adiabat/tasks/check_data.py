"""`adiabat check DATA`: what should be known of a data set before a training."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adiabat.data import Preflight


def check_data(
    path: str | os.PathLike,
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    dipole_key: str | None = None,
    cutoff: float = 5.0,
) -> "Preflight":
    """The checks that `adiabat train` does first, alone.

    Args:
        path: a file or folder with energies and forces.
        energy_key: where the energies are, when that is not clear.
        forces_key: likewise.
        stress_key: likewise.
        dipole_key: likewise.
        cutoff: of the model to be trained [Å].

    Raises:
        DataError: a file that cannot be read, or a label is missing.
    """
    from adiabat.data import open_samples, preflight

    keys = {"energy_key": energy_key, "forces_key": forces_key}
    keys |= {"stress_key": stress_key, "dipole_key": dipole_key}
    return preflight(open_samples(path, cutoff=cutoff, **keys), cutoff=cutoff)
