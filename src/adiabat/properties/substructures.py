"""Fingerprints for kernels: substructures of several kinds, in so many places that they hardly collide."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from adiabat.properties.fingerprints import Counts, environments_of, folded

SUBSTRUCTURES = ("environments", "roles", "paths", "pairs")
# Those of which values may be a sum.
SUMMED = ("atoms", "groups")
PLACES = 1 << 16
_RADIUS, _LONGEST = 3, 6


def substructures(kind: str, mols: Iterable[Any]) -> Counts:
    """How often each substructure of a kind occurs.

    Args:
        kind: "environments" are circular, up to three bonds (ECFP6 with counts: Rogers and Hahn 2010,
            doi 10.1021/ci100050t); "roles" the same of atoms that are told apart only by what they do in
            binding, as donor, acceptor, aromatic, halogen, basic or acidic (FCFP6); "paths" have one to six
            bonds and do not branch; "pairs" are two atoms and the number of bonds between them (Carhart et
            al. 1985, doi 10.1021/ci00046a002). Of `SUMMED`, "atoms" are told apart by element, neighbors,
            hydrogens, charge and rings (environments of no bonds), and "groups" are an atom and its
            neighbors, told apart by their roles.
        mols: RDKit's molecules.

    Returns:
        shape (n_molecules, 65536), uint16.
    """
    # Not the sparse ones: those of pairs are numbered by the types of the atoms, and collide when folded.
    return folded(_generator(kind).GetCountFingerprints(list(mols)), PLACES)


def occurrences(kind: str, mol: Any) -> tuple[np.ndarray, np.ndarray]:
    """What these counts are counts of.

    Returns:
        the place of each substructure, shape (n_occurrences,), and the atoms in it, shape (n_occurrences,
        n_atoms).
    """
    if kind not in ("paths", "pairs"):
        return environments_of(_generator(kind), mol)
    from rdkit.Chem import rdFingerprintGenerator

    output = rdFingerprintGenerator.AdditionalOutput()
    if kind == "pairs":
        output.AllocateBitInfoMap()
    else:
        output.AllocateBitPaths()
    _generator(kind).GetCountFingerprint(mol, additionalOutput=output)
    if kind == "pairs":
        found = output.GetBitInfoMap()
    else:
        ends = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()], int)
        found = {
            place: [ends[list(path)].ravel() for path in paths]
            for place, paths in output.GetBitPaths().items()
        }
    places = np.repeat(list(found), [len(some) for some in found.values()])
    inside = np.zeros((len(places), mol.GetNumAtoms()), bool)
    for row, atoms in enumerate(atoms for some in found.values() for atoms in some):
        inside[row, list(atoms)] = True
    return places.astype(int), inside


@cache
def _generator(kind: str) -> Any:
    from rdkit.Chem import rdFingerprintGenerator

    of = rdFingerprintGenerator
    match kind:
        case "environments":
            return of.GetMorganGenerator(_RADIUS, includeChirality=True, fpSize=PLACES)
        case "roles" | "groups":
            roles, radius = of.GetMorganFeatureAtomInvGen(), _RADIUS if kind == "roles" else 1
            return of.GetMorganGenerator(radius, atomInvariantsGenerator=roles, fpSize=PLACES)
        case "atoms":
            return of.GetMorganGenerator(0, fpSize=PLACES)
        case "paths":
            return of.GetRDKitFPGenerator(
                maxPath=_LONGEST,
                useHs=False,
                branchedPaths=False,
                numBitsPerFeature=1,
                countSimulation=False,
                fpSize=PLACES,
            )
        case _:
            return of.GetAtomPairGenerator(countSimulation=False, fpSize=PLACES)
