"""Ligands in their poses, from SD files."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.properties.library import record_problem, sd_records
from adiabat.properties.rows import text_lines
from adiabat.properties.table import Rejected

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MAX_HEAVY_ATOMS = 150


@dataclass(frozen=True, eq=False)
class Ligand:
    """One ligand in one pose.

    Attributes:
        name: title of its record.
        mol: RDKit's molecule without explicit hydrogens, with one conformer.
        properties: the data of the record as it is written.
        hydrogens: whether all hydrogens were in the record.
    """

    name: str
    mol: "Mol"
    properties: dict[str, str] = field(default_factory=dict)
    hydrogens: bool = True

    @property
    def positions(self) -> np.ndarray:
        """Of the heavy atoms [Å], shape (n_atoms, 3)."""
        return np.array(self.mol.GetConformer().GetPositions())

    @property
    def smiles(self) -> str:
        """As charged and handed as in the pose."""
        from rdkit import Chem

        return Chem.MolToSmiles(self.mol)


def read_ligands(path: str | Path) -> tuple[list[Ligand], list[Rejected]]:
    """The ligands of an SD file, perhaps compressed by gzip, and the records that are left out with the
    reason: no molecule, a flat one, several molecules in one record, a second pose of one ligand.

    Raises:
        DataError: no such file, one that ends too early, or no ligand in it.
        ConfigError: another kind of file.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    if path.name.lower().removesuffix(".gz").rpartition(".")[2] not in ("sdf", "sd", "mol"):
        raise ConfigError(f"{path} is no SD file of poses", "ligands come with coordinates, as .sdf")
    found: dict[str, Ligand] = {}
    rejected: list[Rejected] = []
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            records = sd_records(text_lines(cast("BinaryIO", file)))
            for row, (lines, size) in enumerate(records, start=1):
                name = (lines[0].strip() if lines else "") or f"ligand {row}"
                try:
                    if problem := record_problem(lines, size):
                        raise ValueError(problem)
                    if name in found:
                        raise ValueError("another pose of it was read before")
                    found[name] = _ligand(name, "\n".join(lines) + "\n$$$$\n")
                except ValueError as error:
                    rejected.append(Rejected(row, name, str(error)))
    except (EOFError, OSError) as error:
        raise DataError(f"{path} cannot be read to its end: {error}") from error
    if not found:
        why = f"{rejected[0].text}: {rejected[0].reason}" if rejected else "it has no records"
        raise DataError(f"{path} has no ligand that can be used; {why}")
    return list(found.values()), rejected


def ligand_of(name: str, mol: "Mol", properties: dict[str, str] | None = None) -> Ligand:
    """A ligand from a molecule of RDKit with a conformer.

    Raises:
        ValueError: it is flat, several molecules, larger than 150 heavy atoms, or not at finite positions.
    """
    from rdkit import Chem

    heavy = Chem.RemoveHs(mol)
    if len(Chem.GetMolFrags(heavy)) > 1:
        raise ValueError("it is several molecules: take salts and solvents away")
    if not 1 <= heavy.GetNumHeavyAtoms() <= MAX_HEAVY_ATOMS:
        raise ValueError(f"it has {heavy.GetNumHeavyAtoms()} heavy atoms, at most {MAX_HEAVY_ATOMS}")
    positions = np.array(heavy.GetConformer().GetPositions())
    if not np.isfinite(positions).all():
        raise ValueError("its coordinates are not finite")
    if len(positions) > 1 and not np.ptp(positions[:, 2]):
        raise ValueError("it is flat: a pose needs coordinates in three dimensions")
    Chem.AssignStereochemistryFrom3D(heavy)
    hydrogens = sum(atom.GetTotalNumHs() for atom in mol.GetAtoms()) == 0
    return Ligand(name, heavy, properties or {}, hydrogens)


def hydrogen_notes(ligands: Sequence[Ligand]) -> tuple[str, ...]:
    """A sentence where ligands came without hydrogens."""
    bare = sum(not ligand.hydrogens for ligand in ligands)
    if not bare:
        return ()
    return (
        f"{bare} ligands have no or not all hydrogens: charges are taken as they are written in the file",
    )


def _ligand(name: str, record: str) -> Ligand:
    from rdkit import Chem, rdBase

    supplier = Chem.SDMolSupplier()
    with rdBase.BlockLogs():
        supplier.SetData(record, removeHs=False)
        mol: Any = supplier[0] if len(supplier) else None
    if mol is None:
        raise ValueError("RDKit cannot read the record")
    if not mol.GetNumConformers():
        raise ValueError("it has no coordinates")
    return ligand_of(name, mol, {key: mol.GetProp(key) for key in mol.GetPropNames()})
