"""Numbers that chemists describe whole molecules by."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.properties.crippen import Shares
from adiabat.properties.environments import Side
from adiabat.properties.graphs import (
    Graph,
    charges_of,
    elements_of,
    hydrogens_of,
    is_aromatic,
    is_open_single,
    is_plain,
    unlabeled_graphs,
)
from adiabat.properties.topology import has_small_rings, paths, shapes

if TYPE_CHECKING:
    from rdkit.Chem import Mol

# Sums of atoms' surfaces by their share of logP, of refractivity, of charge (Labute 2000,
# doi 10.1016/S1093-3263(00)00068-1).
_SURFACES = {"SlogP_VSA": 12, "SMR_VSA": 10, "PEOE_VSA": 14}
# Upper ends of RDKit's bins.
_LOGP_BINS = (-0.4, -0.2, 0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)
_REFRACTIVITY_BINS = (1.29, 1.82, 2.24, 2.45, 2.75, 3.05, 3.63, 3.8, 4.0)
# What takes RDKit most of its time, and is computed here for many molecules at once.
_CHI = ("chi2v", "chi3v", "chi4v", "chi2n", "chi3n", "chi4n")
_KAPPA = ("kappa2", "kappa3", "Phi")
_SUMS = (
    "CrippenClogP",
    "CrippenMR",
    "NumHBA",
    "NumHBD",
    "NumAmideBonds",
    "NumHeteroatoms",
    "NumRotatableBonds",
)
# Elements that need four neighbors to be handed, hydrogens among them; nitrogen does not in rings.
_WITHOUT_LONE_CENTERS = (6, 7, 8, 9, 17, 35, 53)
_BLOCK = 512
_LARGEST = 1e5


def descriptors(smiles: Sequence[str]) -> np.ndarray:
    """Sizes, counts of rings and of donors, polar surface, logP, shape and connectivity indices, and surfaces
    by kind of atom.

    Args:
        smiles: standardized.

    Returns:
        shape (n_molecules, n_descriptors), float32, NaN replaced by zero and all within ±1e5.
    """
    from rdkit import Chem

    found = np.empty((len(smiles), len(descriptor_names())), np.float32)
    for start in range(0, len(smiles), _BLOCK):
        mols = [Chem.MolFromSmiles(text) for text in smiles[start : start + _BLOCK]]
        found[start : start + _BLOCK] = descriptors_of(mols, unlabeled_graphs(mols))
    return found


def descriptors_of(mols: "Sequence[Mol]", graphs: Sequence[Graph]) -> np.ndarray:
    """As `descriptors`, of molecules with their graphs."""
    from rdkit import Chem

    found = np.zeros((len(mols), len(descriptor_names())))
    if not len(mols):
        return found.astype(np.float32)
    side = Side.of(graphs)
    regular = side.sizes > 1
    regular[side.molecule[~is_plain(side.atoms)]] = False
    # A graph does not tell a dative bond from a single one, which alone is rotatable.
    dative = Chem.MolFromSmarts("*->*")
    regular &= [not mol.HasSubstructMatch(dative) for mol in mols]
    # Centers that could be handed are counted, and not every way of reading finds them.
    for k in np.flatnonzero(~regular | _may_be_handed(side)).tolist():
        Chem.AssignStereochemistry(mols[k], cleanIt=True, force=True, flagPossibleStereoCenters=True)
    for k in np.flatnonzero(~regular).tolist():
        found[k] = _of(mols[k])
    if regular.any():
        rows = np.flatnonzero(regular).tolist()
        side = side if regular.all() else Side.of([graphs[k] for k in rows])
        found[rows] = _of_regular([mols[k] for k in rows], side)
    found = np.nan_to_num(found, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
    return np.clip(found, -_LARGEST, _LARGEST).astype(np.float32)


@cache
def descriptor_names() -> tuple[str, ...]:
    """What each number is called, in RDKit's words."""
    surfaces = (f"{name}{k + 1}" for name, count in _SURFACES.items() for k in range(count))
    return (*_properties().GetPropertyNames(), "formal_charge", *surfaces)


def _of_regular(mols: "list[Mol]", side: Side) -> np.ndarray:
    """Without rare elements and charges: sums over paths in closed form unless there are rings of three or
    four atoms, sums over atoms from what was learned of their surroundings. Equal to RDKit's to rounding."""
    from rdkit.Chem import rdMolDescriptors

    names = list(descriptor_names())
    found = np.zeros((len(mols), len(names)))

    def put_properties(properties: Any, rows: Sequence[int]) -> None:
        columns = [names.index(name) for name in properties.GetPropertyNames()]
        found[np.ix_(rows, columns)] = [list(properties.ComputeProperties(mols[k])) for k in rows]

    put_properties(_quick(), range(len(mols)))

    def put(columns: Sequence[str], values: Sequence[np.ndarray] | np.ndarray) -> None:
        for name, column in zip(columns, values, strict=True):
            found[:, names.index(name)] = column

    simple, valence = _deltas(side)
    put(_CHI, [*paths(side, valence), *paths(side, simple)])
    kappa1, alpha = (found[:, names.index(name)] for name in ("kappa1", "hallKierAlpha"))
    put(_KAPPA, shapes(side, kappa1, alpha))
    if small := np.flatnonzero(has_small_rings(side)).tolist():
        put_properties(_of_paths(), small)
    shares = _learned().of(mols, side)

    def of_molecules(values: np.ndarray) -> np.ndarray:
        return np.bincount(side.molecule, values, minlength=len(mols))

    ends, strict = (shares[:, k][np.stack([side.source, side.target])] > 0 for k in (6, 7))
    rotatable = is_open_single(side.bonds) & ((ends[0] & strict[1]) | (ends[1] & strict[0]))[::2]
    rotatable = np.bincount(side.molecule[side.source[::2]], rotatable, minlength=len(mols))
    hetero = of_molecules(elements_of(side.atoms) != 6)
    put(_SUMS, [*(of_molecules(shares[:, k]) for k in (0, 1, 5, 8, 9)), hetero, rotatable])
    put(["formal_charge"], [of_molecules(charges_of(side.atoms))])
    for name, bins, share in (("SlogP_VSA", _LOGP_BINS, 2), ("SMR_VSA", _REFRACTIVITY_BINS, 3)):
        place = side.molecule * _SURFACES[name] + np.searchsorted(bins, shares[:, share], side="right")
        sums = np.bincount(place, shares[:, 4], minlength=len(mols) * _SURFACES[name])
        put([f"{name}{k + 1}" for k in range(_SURFACES[name])], sums.reshape(len(mols), -1).T)
    charges = np.array([rdMolDescriptors.PEOE_VSA_(mol) for mol in mols])
    put([f"PEOE_VSA{k + 1}" for k in range(_SURFACES["PEOE_VSA"])], charges.T)
    return found


def _may_be_handed(side: Side) -> np.ndarray:
    """Which molecules have an atom that RDKit may count as a center: with four neighbors, one of which may be
    a hydrogen, a nitrogen within rings, or another element."""
    degree = np.bincount(side.target, minlength=len(side.atoms))
    elements, hydrogens = elements_of(side.atoms), hydrogens_of(side.atoms)
    found = (degree > 3) | ((degree == 3) & ((hydrogens == 1) | ((elements == 7) & ~is_aromatic(side.atoms))))
    found |= ~np.isin(elements, _WITHOUT_LONE_CENTERS) & (degree > 1)
    return np.bincount(side.molecule, found, minlength=len(side.sizes)) > 0


def _deltas(side: Side) -> tuple[np.ndarray, np.ndarray]:
    """Inverse roots of the simple and the valence deltas of atoms (Kier and Hall 1986), as of RDKit."""
    elements, hydrogens = elements_of(side.atoms), hydrogens_of(side.atoms)
    simple = _outer_electrons()[elements] - hydrogens
    valence = np.where(
        elements <= 10, simple, simple / np.maximum(elements - _outer_electrons()[elements] - 1, 1)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = [np.where(delta != 0, 1 / np.sqrt(delta), 0.0) for delta in (simple, valence)]
    return inverse[0], inverse[1]


@cache
def _learned() -> Shares:
    return Shares()


@cache
def _outer_electrons() -> np.ndarray:
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    return np.array([0.0] + [table.GetNOuterElecs(k) for k in range(1, 119)])


@cache
def _properties() -> Any:
    from rdkit.Chem import rdMolDescriptors

    return rdMolDescriptors.Properties()


@cache
def _of_paths() -> Any:
    from rdkit.Chem import rdMolDescriptors

    return rdMolDescriptors.Properties([*_CHI, *_KAPPA])


@cache
def _quick() -> Any:
    from rdkit.Chem import rdMolDescriptors

    own = (*_CHI, *_KAPPA, *_SUMS)
    return rdMolDescriptors.Properties([name for name in _properties().GetPropertyNames() if name not in own])


def _of(mol: "Mol") -> list[float]:
    from rdkit.Chem import rdMolDescriptors, rdmolops

    found = [*_properties().ComputeProperties(mol), rdmolops.GetFormalCharge(mol)]
    for name in _SURFACES:
        found += getattr(rdMolDescriptors, f"{name}_")(mol)
    return found
