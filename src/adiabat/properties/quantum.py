"""Numbers of molecules by GFN2-xTB: from the SMILES string over a conformer to energies of solvation."""

import numpy as np

from adiabat.base import AdiabatError
from adiabat.data.labelers.xtb import GFN2
from adiabat.system.smiles import conformers

# Larger ones take seconds each.
MAX_HEAVY_ATOMS = 20
SOLVENTS = ("water", "octanol")
QUANTUM_NAMES = ("dipole", "homo", "lumo", "gap", *SOLVENTS, "donor", "acceptor")


def quantum(smiles: str, embedded: int = 10) -> np.ndarray:
    """Dipole [e Å], frontier orbitals and their gap [eV], free energies of solvation in water and octanol
    [eV], the largest charge of a hydrogen atom and the smallest of any atom [e], by GFN2-xTB.

    Args:
        smiles: standardized.
        embedded: conformers, of which the lowest by MMFF94 is taken.

    Returns:
        shape (len(QUANTUM_NAMES),), float32; all NaN of a molecule that the methods cannot treat.
    """
    try:
        (system,) = conformers(smiles, 1, embedded=embedded)
        found = GFN2().electronic(system, SOLVENTS)
    except AdiabatError:
        return np.full(len(QUANTUM_NAMES), np.nan, np.float32)
    hydrogens = found.charges[np.asarray(system.numbers) == 1]
    donor, acceptor = hydrogens.max(initial=0.0), found.charges.min()
    orbitals = found.homo, found.lumo, found.lumo - found.homo
    values = np.array([found.dipole, *orbitals, *found.solvation, donor, acceptor], np.float32)
    return np.where(np.isfinite(values), values, np.nan)
