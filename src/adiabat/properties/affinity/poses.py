"""Whether a pose can be: its geometry, its distances to the protein, and how far it is from another one."""

from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import covalent_radii, vdw_radii

from adiabat.base import DataError
from adiabat.properties.affinity.complexes import Complex
from adiabat.properties.affinity.protein import KINDS

if TYPE_CHECKING:
    from rdkit.Chem import Mol

# Of PoseBusters (Buttenschoen et al. 2024, doi 10.1039/D3SC04185A, table 4).
_STRETCHED = 0.25
_CLOSE = 0.6
_FLAT = 0.25
_APART = 0.75
CHECKS = ("bond lengths", "bond angles", "internal clash", "flat rings", "protein clash", "box")


def failed_checks(one: Complex, box: "tuple[np.ndarray, np.ndarray] | None" = None) -> list[str]:
    """The checks that a pose does not pass, of `CHECKS`, as PoseBusters makes them on heavy atoms: bonds and
    angles within a quarter of the bounds of distance geometry, other pairs not nearer than 60 % of theirs,
    aromatic rings flat to 0.25 Å, the protein not nearer than 75 % of the sum of the van der Waals radii (of
    metals: of the covalent ones), and in the box.

    Args:
        one: the pose in its protein.
        box: lowest and highest corner [Å], shape (3,) each.
    """
    failed = _geometry(one.ligand.mol)
    if not _rings_flat(one.ligand.mol):
        failed.append("flat rings")
    if _clashes(one):
        failed.append("protein clash")
    positions = one.ligand.positions
    if box is not None and ((positions < box[0]) | (positions > box[1])).any():
        failed.append("box")
    return failed


def pose_rmsd(pose: "Mol", reference: "Mol") -> float:
    """The root mean square distance of heavy atoms where they are [Å]: nothing is laid over another. Of all
    ways to map one molecule onto the other the smallest is taken; bond orders and charges do not matter, so
    that both oxygens of a carboxylate are alike.

    Raises:
        DataError: the two are different molecules.
    """
    from rdkit.Chem import rdMolAlign

    try:
        return float(rdMolAlign.CalcRMS(_skeleton(pose), _skeleton(reference), maxMatches=100_000))
    except RuntimeError as error:
        raise DataError("the poses are of different molecules: they have no distance") from error


def same_skeleton(smiles: str, mol: "Mol") -> bool:
    """Whether elements and bonds are those of a molecule, whatever charges and bond orders are."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        other = Chem.MolFromSmiles(smiles)
    return other is not None and Chem.MolToSmiles(_skeleton(other)) == Chem.MolToSmiles(_skeleton(mol))


def _skeleton(mol: "Mol") -> "Mol":
    """Elements and bonds of one kind."""
    from rdkit import Chem

    bare = Chem.RWMol()
    heavy = Chem.RemoveHs(mol)
    for atom in heavy.GetAtoms():
        plain = Chem.Atom(atom.GetAtomicNum())
        plain.SetNoImplicit(True)
        bare.AddAtom(plain)
    for bond in heavy.GetBonds():
        bare.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), Chem.BondType.SINGLE)
    for conformer in heavy.GetConformers():
        bare.AddConformer(conformer)
    made: Any = bare.GetMol()
    made.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(made)
    return made


def _geometry(mol: "Mol") -> list[str]:
    """Bonds, angles and pairs further apart, by the bounds of distance geometry."""
    from rdkit import Chem
    from rdkit.Chem import rdDistGeom

    if mol.GetNumAtoms() < 2:
        return []
    bounds = np.asarray(rdDistGeom.GetMoleculeBoundsMatrix(mol))
    positions = np.array(mol.GetConformer().GetPositions())
    upper = np.triu_indices(len(positions), 1)
    distances = np.linalg.norm(positions[upper[0]] - positions[upper[1]], axis=1)
    most, least = bounds[upper], bounds.T[upper]
    bonds = np.asarray(Chem.GetDistanceMatrix(mol))[upper]
    off = (distances < (1 - _STRETCHED) * least) | (distances > (1 + _STRETCHED) * most)
    failed = {
        "bond lengths": off & (bonds == 1),
        "bond angles": off & (bonds == 2),
        "internal clash": (distances < _CLOSE * least) & (bonds > 2),
    }
    return [name for name, where in failed.items() if where.any()]


def _rings_flat(mol: "Mol") -> bool:
    positions = np.array(mol.GetConformer().GetPositions())
    for ring in mol.GetRingInfo().AtomRings():
        if len(ring) in (5, 6) and all(mol.GetAtomWithIdx(k).GetIsAromatic() for k in ring):
            apart = positions[list(ring)] - positions[list(ring)].mean(axis=0)
            normal = np.linalg.svd(apart)[2][-1]
            if np.abs(apart @ normal).max() > _FLAT:
                return False
    return True


def _clashes(one: Complex) -> bool:
    numbers = np.array([atom.GetAtomicNum() for atom in one.ligand.mol.GetAtoms()])[one.pairs[:, 0]]
    others = one.protein.numbers[one.pairs[:, 1]]
    metal = one.protein.kinds[one.pairs[:, 1]] == KINDS.index("metal")
    radii = np.where(np.isnan(vdw_radii), 2.0, vdw_radii)
    far = radii[numbers] + radii[others]
    bound = covalent_radii[numbers] + covalent_radii[others]
    return bool((one.distances < _APART * np.where(metal, bound, far)).any())
