"""From a SMILES string, or one geometry, to three-dimensional conformers, by RDKit."""

import re
from typing import TYPE_CHECKING

import numpy as np

from adiabat.base import DataError, UnsupportedError
from adiabat.system.system import System

if TYPE_CHECKING:
    from rdkit.Chem import Mol

# Longer strings are not molecules one simulates, and RDKit's embedding would not come back.
MAX_SMILES_LENGTH = 2000
MAX_ATOMS = 500
# Tries for each conformer; most molecules need one or two.
EMBEDDING_TRIES = 10
# Two conformers closer than this, all atoms counted, are the same minimum [Å].
DISTINCT_RMSD = 0.1
_STRUCTURE_FILE = "give a structure file (for example .xyz) with its coordinates instead of a SMILES string"


def system_from_smiles(smiles: str, seed: int = 0) -> System:
    """The lowest of a few force-field conformers of a molecule.

    Formal charges add up to `charge`, radical electrons to `spin` (high spin: `[O][O]` is triplet oxygen).
    Isotopes such as `[2H]` get their own mass.

    Args:
        smiles: one molecule; hydrogens are added.
        seed: of the embedding.

    Raises:
        DataError: not a SMILES string, a valence that cannot be, several molecules, or no geometry found.
        UnsupportedError: a wildcard atom or an element without force-field parameters.
    """
    return conformers(smiles, 10, seed)[0]


def conformers(molecule: str | System, n: int, seed: int = 0, *, embedded: int | None = None) -> list[System]:
    """Up to `n` distinct conformers, the lowest force-field energy first.

    Distance geometry with torsion preferences (ETKDGv3, doi:10.1021/acs.jcim.0c00025), relaxed by MMFF94 or,
    where that lacks parameters, by UFF.

    Args:
        molecule: a SMILES string, or a structure, which then comes first. Bonds of a structure are found from
            its distances; where they cannot be (a metal complex, a periodic cell, several molecules) the
            structure itself is the only one returned.
        n: at most this many.
        seed: of the embedding.
        embedded: among how many they are found; by default twice as many, and ten or more.

    Raises:
        DataError, UnsupportedError: as `system_from_smiles`.
    """
    count = max(2 * n, 10) if embedded is None else embedded
    if isinstance(molecule, str):
        mol = parse_smiles(molecule)
        found = _embed(mol, n, seed, count)
        if not found:
            raise DataError(f"RDKit found no three-dimensional structure for {molecule!r}", _STRUCTURE_FILE)
        return [_system(mol, positions) for positions in found]
    mol = _perceive(molecule)
    if mol is None:
        return [molecule]
    others = [molecule.moved(positions) for positions in _embed(mol, n, seed, count)]
    return [molecule, *others][:n]


def parse_smiles(smiles: str) -> "Mol":
    """The molecule with its hydrogens, or an error that says where the string is wrong."""
    from rdkit import Chem, rdBase

    smiles = smiles.strip()
    if not smiles:
        raise DataError("the SMILES string is empty", "for example 'CCO' is ethanol")
    if len(smiles) > MAX_SMILES_LENGTH or not smiles.isascii() or any(c.isspace() for c in smiles):
        raise DataError(
            f"{smiles[:40]!r}{'...' if len(smiles) > 40 else ''} is not a SMILES string of one molecule",
            f"at most {MAX_SMILES_LENGTH} ASCII characters without spaces; for example 'CCO' is ethanol",
        )
    parameters = Chem.SmilesParserParams()
    parameters.sanitize = False
    parameters.removeHs = False
    with rdBase.CaptureErrorLog() as captured:
        mol = Chem.MolFromSmiles(smiles, parameters)
        problems = [] if mol is None else list(Chem.DetectChemistryProblems(mol))
    if mol is None:
        raise DataError(_parse_message(smiles, captured.messages))
    if problems:
        raise DataError(
            f"{smiles!r} is not a possible molecule: {problems[0].Message()}", "count charges and bonds"
        )
    fragments = smiles.split(".")
    if len(Chem.GetMolFrags(mol)) > 1:
        raise DataError(
            f"{smiles!r} holds several molecules: {', '.join(fragments)}",
            "give one of them, or a structure file in which they are placed",
        )
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 0:
            raise UnsupportedError(f"atom {atom.GetIdx()} of {smiles!r} is a wildcard", "name an element")
    Chem.SanitizeMol(mol)
    mol = Chem.AddHs(mol)
    if mol.GetNumAtoms() > MAX_ATOMS:
        raise UnsupportedError(
            f"{smiles[:40]!r} has {mol.GetNumAtoms()} atoms, at most {MAX_ATOMS}", _STRUCTURE_FILE
        )
    return mol


def _parse_message(smiles: str, log: str) -> str:
    """RDKit's complaint in one line, with the string and a caret under the place where it stopped reading."""
    reason = re.search(r"SMILES Parse Error: (.*?)(?: while parsing| for input|:|$)", log, re.MULTILINE)
    place = re.search(r"around position (\d+)", log)
    message = f"not a SMILES string: {reason.group(1) if reason else 'cannot be read'}"
    if place is None:
        return f"{message}: {smiles!r}"
    position = int(place.group(1))
    return f"{message}, at character {position}\n  {smiles}\n  {' ' * (position - 1)}^"


def _perceive(system: System) -> "Mol | None":
    """The molecule of a structure with bonds from its distances; None where there is no covalent one."""
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDetermineBonds
    from rdkit.Geometry import Point3D

    if any(system.pbc) or system.n_atoms > MAX_ATOMS:
        return None
    mol = Chem.RWMol()
    conformer = Chem.Conformer(system.n_atoms)
    for index, (number, position) in enumerate(zip(system.numbers, system.positions, strict=True)):
        mol.AddAtom(Chem.Atom(int(number)))
        conformer.SetAtomPosition(index, Point3D(*(float(x) for x in position)))
    mol.AddConformer(conformer)
    with rdBase.CaptureErrorLog(), rdBase.BlockLogs():
        try:
            rdDetermineBonds.DetermineConnectivity(mol)
            rdDetermineBonds.DetermineBondOrders(
                mol, charge=system.charge, allowChargedFragments=not system.spin, maxIterations=1000
            )
            Chem.SanitizeMol(mol)
        except (ValueError, RuntimeError):
            return None
    return mol if len(Chem.GetMolFrags(mol)) == 1 else None


def _embed(mol: "Mol", n: int, seed: int, count: int) -> list[np.ndarray]:
    """Relaxed coordinates (n_atoms, 3) [Å] of distinct conformers, the lowest first; maybe none."""
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdMolAlign

    if mol.GetNumAtoms() == 1:
        return [np.zeros((1, 3))]
    mol = Chem.Mol(mol)
    mol.RemoveAllConformers()
    with rdBase.CaptureErrorLog() as captured:
        has_mmff = mol.GetNumAtoms() > 2 and rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol)
        if not has_mmff and not rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
            untyped = re.findall(r"atom type: ([A-Z][a-z]?)", captured.messages)
            raise UnsupportedError(
                f"RDKit has no force field for {', '.join(sorted(set(untyped))) or 'this molecule'}",
                _STRUCTURE_FILE,
            )
    with rdBase.BlockLogs():
        parameters = rdDistGeom.ETKDGv3()
        # RDKit multiplies its seed by the number of the conformer: small seeds would share conformers, zero
        # repeats one.
        parameters.randomSeed = int(np.random.SeedSequence(int(seed)).generate_state(1)[0] >> 1) or 1
        # A cage such as C60 never embeds; by default it would be tried for minutes.
        parameters.maxIterations = EMBEDDING_TRIES
        found = list(rdDistGeom.EmbedMultipleConfs(mol, count, parameters))
        if not found:
            parameters.useRandomCoords = True
            found = list(rdDistGeom.EmbedMultipleConfs(mol, count, parameters))
        if not found:
            return []
        optimize = (
            rdForceFieldHelpers.MMFFOptimizeMoleculeConfs
            if has_mmff
            else rdForceFieldHelpers.UFFOptimizeMoleculeConfs
        )
        energies = [energy for _, energy in optimize(mol, numThreads=1, maxIters=2000)]
    kept: list[int] = []
    for index in np.argsort(energies, kind="stable"):
        # Same order of atoms on purpose: a permuted methyl hydrogen is another point for the trajectory to
        # visit, but the same minimum; GetBestRMS would try every permutation, too many for a large molecule.
        near = [rdMolAlign.AlignMol(mol, mol, found[int(index)], found[k]) for k in kept]
        if not near or min(near) > DISTINCT_RMSD:
            kept.append(int(index))
        if len(kept) == n:
            break
    return [np.array(mol.GetConformer(found[k]).GetPositions()) for k in kept]


def _system(mol: "Mol", positions: np.ndarray) -> System:
    """The structure of an embedded molecule, with its charge, its unpaired electrons and its isotopes."""
    import ase.data

    atoms = list(mol.GetAtoms())
    numbers = np.array([atom.GetAtomicNum() for atom in atoms])
    charge = sum(atom.GetFormalCharge() for atom in atoms)
    spin = sum(atom.GetNumRadicalElectrons() for atom in atoms)
    if (int(numbers.sum()) - charge - spin) % 2:  # RDKit counts no radicals on metals
        spin += 1
    masses = [
        atom.GetMass() if atom.GetIsotope() else ase.data.atomic_masses[atom.GetAtomicNum()] for atom in atoms
    ]
    return System.create(numbers, positions, masses=masses, charge=charge, spin=spin)
