"""Numbers of molecules by GFN2-xTB: from the SMILES string over a conformer to energies of solvation."""

from functools import lru_cache

import numpy as np

from adiabat.base import DataError
from adiabat.system.smiles import conformers

# Larger ones take seconds each.
MAX_HEAVY_ATOMS = 20
SOLVENTS = ("water", "octanol")
QUANTUM_NAMES = ("dipole", "homo", "lumo", "gap", *SOLVENTS, "donor", "acceptor")


@lru_cache(maxsize=100_000)
def quantum(smiles: str, embedded: int = 10) -> tuple[float, ...]:
    """What GFN2-xTB says of a molecule, in the order of `QUANTUM_NAMES`.

    Dipole [e Å], highest occupied and lowest empty orbital and their gap [eV], free energies of solvation in
    water and octanol [eV], the largest charge of a hydrogen atom and the smallest of any atom [e]: how well
    it gives and takes hydrogen bonds.

    Args:
        smiles: standardized.
        embedded: conformers, of which the lowest by MMFF94 is taken.

    Raises:
        DataError, UnsupportedError, ConvergenceError: a molecule that one of the methods cannot treat.
    """
    from adiabat.data.labelers.xtb import GFN2

    (system,) = conformers(smiles, 1, embedded=embedded)
    found = GFN2().electronic(system, SOLVENTS)
    hydrogens = found.charges[np.asarray(system.numbers) == 1]
    orbitals = found.homo, found.lumo, found.lumo - found.homo
    charges = hydrogens.max(initial=0.0), found.charges.min()
    values = tuple(float(one) for one in (found.dipole, *orbitals, *found.solvation, *charges))
    if not np.isfinite(values).all():
        raise DataError(f"GFN2-xTB finds no empty orbital of {smiles!r}")
    return values
