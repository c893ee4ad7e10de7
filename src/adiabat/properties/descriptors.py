"""Numbers that chemists describe whole molecules by."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

# Sums of atoms' surfaces by their share of logP, of refractivity, of charge (Labute 2000,
# doi 10.1016/S1093-3263(00)00068-1).
_SURFACES = {"SlogP_VSA": 12, "SMR_VSA": 10, "PEOE_VSA": 14}


def descriptors(smiles: Sequence[str]) -> np.ndarray:
    """Sizes, counts of rings and of donors, polar surface, logP, shape and connectivity indices, and surfaces
    by kind of atom: those of RDKit that take well below a millisecond.

    Args:
        smiles: standardized.

    Returns:
        shape (n_molecules, n_descriptors), float32, NaN replaced by zero and all within ±1e5.
    """
    from rdkit import Chem

    found = np.array([_of(Chem.MolFromSmiles(text)) for text in smiles], np.float32)
    found = found.reshape(len(smiles), len(descriptor_names()))
    return np.clip(np.nan_to_num(found, nan=0.0, posinf=1e5, neginf=-1e5), -1e5, 1e5)


@cache
def descriptor_names() -> tuple[str, ...]:
    """What each number is called, in RDKit's words."""
    surfaces = (f"{name}{k + 1}" for name, count in _SURFACES.items() for k in range(count))
    return (*_properties().GetPropertyNames(), "formal_charge", *surfaces)


@cache
def _properties() -> Any:
    from rdkit.Chem import rdMolDescriptors

    return rdMolDescriptors.Properties()


def _of(mol: Any) -> list[float]:
    from rdkit.Chem import rdMolDescriptors, rdmolops

    found = [*_properties().ComputeProperties(mol), rdmolops.GetFormalCharge(mol)]
    for name in _SURFACES:
        found += getattr(rdMolDescriptors, f"{name}_")(mol)
    return found
