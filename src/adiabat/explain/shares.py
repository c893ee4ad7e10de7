"""Which part of a number of a molecule each of its atoms has."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.properties.descriptors import descriptor_names

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol

_ACIDIC = (7, 8, 16)
_AMIDE = "[CX3](=[OX1])[NX3]"
_TURNING = "[!$([D1]);!#1]-&!@[!$([D1]);!#1]"


def descriptor_shares(mol: "Mol", values: np.ndarray) -> np.ndarray:
    """Numbers of a molecule as sums over its heavy atoms.

    Masses, surfaces, polar surface, refractivity, logP (Wildman and Crippen 1999, doi 10.1021/ci990307l),
    charges, donors and acceptors are sums over atoms, hydrogens counted with the atom that has them. A ring,
    a bond and a path of an index of connectivity belong to their atoms in equal parts. Indices of shape,
    which are of the molecule as a whole, are divided by Hall and Kier's sizes of atoms.

    Args:
        mol: of a standardized SMILES string.
        values: its `descriptors`, shape (n_descriptors,).

    Returns:
        shape (n_atoms, n_descriptors); columns add up to `values`.
    """
    weights, count = _weights(mol), mol.GetNumAtoms()
    columns = [
        _shared(weights.get(name), float(value), count)
        for name, value in zip(descriptor_names(), values, strict=True)
    ]
    return np.stack(columns, axis=1)


def _shared(weights: np.ndarray | None, value: float, count: int) -> np.ndarray:
    """Parts that add up to a value, shape (count,)."""
    found = np.zeros(count) if weights is None else weights
    total = float(found.sum())
    if not np.isclose(total, value, rtol=0.02, atol=0.02):
        # Of another definition, but of the same atoms.
        alike = total > 0 and (found >= 0).all()
        found = found * (value / total) if alike else np.zeros(count)
    return found + (value - found.sum()) / count


def _weights(mol: "Mol") -> dict[str, np.ndarray]:
    """For each number that belongs to atoms what it has of each; the sum may be another than the number."""
    return _of_counts(mol) | _of_rings(mol) | _of_surfaces(mol) | _of_paths(mol) | _of_shape(mol)


def _of_counts(mol: "Mol") -> dict[str, np.ndarray]:
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    hydrogen = table.GetAtomicWeight(1)

    def each(way: Callable[["Atom"], float]) -> np.ndarray:
        return np.array([way(atom) for atom in mol.GetAtoms()], float)

    mass = each(lambda a: a.GetMass() + hydrogen * a.GetTotalNumHs())
    polar = each(lambda a: a.GetAtomicNum() in _ACIDIC)
    giving = polar * each(lambda a: a.GetTotalNumHs())
    sp3 = Chem.HybridizationType.SP3
    matches = mol.GetSubstructMatches
    centers = dict(Chem.FindMolChiralCenters(mol, includeUnassigned=True, useLegacyImplementation=False))
    stereo = each(lambda a: a.GetIdx() in centers)
    return {
        "exactmw": mass,
        "amw": mass,
        "lipinskiHBA": each(lambda a: a.GetAtomicNum() in (7, 8)),
        "lipinskiHBD": giving,
        "NumHBD": np.minimum(giving, 1),
        "NumHBA": polar,
        "NumAtoms": each(lambda a: 1 + a.GetTotalNumHs()),
        "NumHeteroatoms": each(lambda a: a.GetAtomicNum() not in (1, 6)),
        "FractionCSP3": each(lambda a: a.GetAtomicNum() == 6 and a.GetHybridization() == sp3),
        "NumAtomStereoCenters": stereo,
        "formal_charge": each(lambda a: a.GetFormalCharge()),
        "NumRotatableBonds": _tallied(mol, matches(Chem.MolFromSmarts(_TURNING))),
        "NumAmideBonds": _tallied(mol, matches(Chem.MolFromSmarts(_AMIDE))),
    }  # fmt: skip


def _of_rings(mol: "Mol") -> dict[str, np.ndarray]:
    from rdkit import Chem

    rings = [tuple(ring) for ring in mol.GetRingInfo().AtomRings()]
    flags = [atom.GetIsAromatic() for atom in mol.GetAtoms()]
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    flat = {ring for ring in rings if all(flags[k] for k in ring)}
    mixed = {ring for ring in rings if any(numbers[k] != 6 for k in ring)}
    single = Chem.BondType.SINGLE
    saturated = {
        ring
        for ring in rings
        if all(
            mol.GetBondBetweenAtoms(one, other).GetBondType() == single
            for one, other in zip(ring, ring[1:] + ring[:1], strict=True)
        )
    }

    def of(some: Sequence[tuple[int, ...]]) -> np.ndarray:
        return _tallied(mol, some)

    return {
        "NumRings": of(rings),
        "NumAromaticRings": of([r for r in rings if r in flat]),
        "NumAliphaticRings": of([r for r in rings if r not in flat]),
        "NumSaturatedRings": of([r for r in rings if r in saturated]),
        "NumHeterocycles": of([r for r in rings if r in mixed]),
        "NumAromaticHeterocycles": of([r for r in rings if r in mixed and r in flat]),
        "NumSaturatedHeterocycles": of([r for r in rings if r in mixed and r in saturated]),
        "NumAliphaticHeterocycles": of([r for r in rings if r in mixed and r not in flat]),
    }


def _of_paths(mol: "Mol") -> dict[str, np.ndarray]:
    """Indices of connectivity (Hall and Kier 1991, doi 10.1002/9780470125793.ch9): sums over paths of the
    products of 1 / sqrt(delta) of their atoms."""
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])
    outer = np.array([table.GetNOuterElecs(int(number)) for number in numbers])
    plain = outer - np.array([atom.GetTotalNumHs() for atom in mol.GetAtoms()], float)
    inner = np.where(numbers > 10, numbers - outer - 1, 1)
    paths = [[tuple(path) for path in Chem.FindAllPathsOfLengthN(mol, n + 1, False)] for n in range(1, 5)]
    paths.insert(0, [(atom,) for atom in range(len(numbers))])
    found = {}
    for letter, deltas in (("n", plain), ("v", plain / inner)):
        root = np.where(deltas > 0, 1 / np.sqrt(np.maximum(deltas, 1e-9)), 0.0)
        for order, some in enumerate(paths):
            each = np.array(some, int).reshape(-1, order + 1)
            worth = root[each].prod(axis=1) / (order + 1)
            found[f"chi{order}{letter}"] = np.bincount(each.ravel(), np.repeat(worth, order + 1), len(root))
    return found


def _of_shape(mol: "Mol") -> dict[str, np.ndarray]:
    from rdkit import Chem
    from rdkit.Chem import GraphDescriptors

    radius = Chem.GetPeriodicTable().GetRb0

    def alpha(atom: "Atom") -> float:
        known = GraphDescriptors.hallKierAlphas.get(atom.GetSymbol())
        if known is None:
            return radius(atom.GetAtomicNum()) / radius(6) - 1
        place = int(atom.GetHybridization()) - 2
        value = known[place] if 0 <= place < len(known) else None
        return known[-1] if value is None else value

    alphas = np.array([alpha(atom) for atom in mol.GetAtoms()])
    return {"hallKierAlpha": alphas} | dict.fromkeys(("kappa1", "kappa2", "kappa3", "Phi"), 1 + alphas)


def _of_surfaces(mol: "Mol") -> dict[str, np.ndarray]:
    from rdkit import Chem
    from rdkit.Chem import MolSurf, rdMolDescriptors, rdPartialCharges

    surface = np.array(rdMolDescriptors._CalcLabuteASAContribs(mol)[0])  # pyright: ignore[reportAttributeAccessIssue]
    bare = np.array(rdMolDescriptors._CalcCrippenContribs(mol))  # pyright: ignore[reportAttributeAccessIssue]
    # Hydrogens count as atoms of their own.
    full = Chem.AddHs(mol)
    every = np.array(rdMolDescriptors._CalcCrippenContribs(full))  # pyright: ignore[reportAttributeAccessIssue]
    owner = [a.GetIdx() if a.GetIdx() < len(bare) else a.GetNeighbors()[0].GetIdx() for a in full.GetAtoms()]
    logp, refractivity = (np.bincount(owner, every[:, k], len(bare)) for k in (0, 1))
    rdPartialCharges.ComputeGasteigerCharges(mol)
    charges = np.array([atom.GetDoubleProp("_GasteigerCharge") for atom in mol.GetAtoms()])
    found = {
        "labuteASA": surface,
        "tpsa": np.array(rdMolDescriptors._CalcTPSAContribs(mol)),  # pyright: ignore[reportAttributeAccessIssue]
        "CrippenClogP": logp,
        "CrippenMR": refractivity,
    }
    for name, bins, values in (
        ("SlogP_VSA", MolSurf.logpBins, bare[:, 0]),
        ("SMR_VSA", MolSurf.mrBins, bare[:, 1]),
        ("PEOE_VSA", MolSurf.chgBins, np.nan_to_num(charges)),
    ):
        found |= _binned(name, bins, values, surface)
    return found


def _binned(name: str, bins: Any, values: np.ndarray, surface: np.ndarray) -> dict[str, np.ndarray]:
    """The surface of each atom in the bin that it belongs to."""
    place = np.array([bisect_right(bins, value) for value in values])
    return {f"{name}{k + 1}": np.where(place == k, surface, 0.0) for k in range(len(bins) + 1)}


def _tallied(mol: "Mol", groups: Sequence[Sequence[int]]) -> np.ndarray:
    """In how many groups each atom is, each divided among its atoms."""
    found = np.zeros(mol.GetNumAtoms())
    for group in groups:
        found[list(group)] += 1 / len(group)
    return found
