"""Small made-up proteins and ligands."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom

SMILES = (
    "c1ccccc1O",
    "Cc1ccccc1O",
    "CCc1ccccc1O",
    "Oc1ccc(Cl)cc1",
    "Oc1ccc(F)cc1",
    "Nc1ccc(O)cc1",
    "CC(=O)Nc1ccc(O)cc1",
    "COc1ccc(O)cc1",
    "Oc1ccc2ccccc2c1",
    "Oc1cccnc1",
    "CSc1ccc(O)cc1",
    "OCc1ccc(O)cc1",
)
_ATOMS = {
    "PHE": "N CA C O CB CG CD1 CD2 CE1 CE2 CZ",
    "LYS": "N CA C O CB CG CD CE NZ",
    "ASP": "N CA C O CB CG OD1 OD2",
    "SER": "N CA C O CB OG",
    "MET": "N CA C O CB CG SD CE",
}


def pdb_line(
    name: str,
    residue: str,
    number: int,
    position: Sequence[float],
    *,
    chain: str = "A",
    alternate: str = " ",
    occupancy: float = 1.0,
    element: str | None = None,
    hetero: bool = False,
) -> str:
    """A line of a PDB file."""
    x, y, z = position
    symbol = name[0] if element is None else element
    return (
        f"{'HETATM' if hetero else 'ATOM  '}{1:>5} {name:<4}{alternate}{residue:>3} {chain}{number:>4}    "
        f"{x:8.3f}{y:8.3f}{z:8.3f}{occupancy:6.2f}{0:6.2f}          {symbol:>2}"
    )


def residue_lines(residue: str, number: int, center: Sequence[float], seed: int = 0, **options) -> list[str]:
    """A residue with its atoms at random within 2 Å."""
    random = np.random.default_rng((seed, number))
    names = _ATOMS[residue].split()
    return [pdb_line(n, residue, number, random.normal(center, 1.0), **options) for n in names]


def shell_of_residues(seed: int, radius: float = 7.0, count: int = 12) -> list[str]:
    """Residues around the origin."""
    random = np.random.default_rng(seed)
    ways = random.normal(size=(count, 3))
    ways *= radius / np.linalg.norm(ways, axis=1, keepdims=True)
    kinds = random.choice(list(_ATOMS), count)
    return [line for k in range(count) for line in residue_lines(str(kinds[k]), k + 1, ways[k], seed)]


def posed(smiles: str, name: str, center: Sequence[float] = (0, 0, 0), seed: int = 1) -> Chem.Mol:
    """A molecule with hydrogens and coordinates around a point."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert rdDistGeom.EmbedMolecule(mol, randomSeed=seed) == 0
    conformer = mol.GetConformer()
    positions = np.array(conformer.GetPositions())
    conformer.SetPositions(positions - positions.mean(axis=0) + np.asarray(center, float))
    mol.SetProp("_Name", name)
    return mol


def write_sdf(path: Path, mols: Sequence[Chem.Mol]) -> Path:
    """The molecules in one file."""
    with Chem.SDWriter(str(path)) as writer:
        for mol in mols:
            writer.write(mol)
    return path


def write_target(folder: Path, name: str, seed: int, smiles: Sequence[str] = SMILES) -> tuple[Path, Path]:
    """A protein and ligands in it, `name`.pdb and `name`.sdf."""
    protein = folder / f"{name}.pdb"
    protein.write_text("\n".join([*shell_of_residues(seed), "END"]) + "\n")
    random = np.random.default_rng(seed)
    mols = [
        posed(text, f"{name}-{k}", random.normal(size=3) * 0.7, seed=k + 1) for k, text in enumerate(smiles)
    ]
    return protein, write_sdf(folder / f"{name}.sdf", mols)
