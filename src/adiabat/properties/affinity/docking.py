"""Poses of ligands by AutoDock Vina, prepared by Meeko (extra `docking`)."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from adiabat.base import ConfigError, DataError, MissingDependencyError
from adiabat.base.archive import read_archive, write_archive
from adiabat.properties.affinity.ligands import Ligand, ligand_of
from adiabat.properties.affinity.protein import protein_lines

MARGIN = 5.0
"""Of a box around a ligand [Å]."""
VINA = "Vina"
VINA_ERROR = 2.85
"""Standard error of Vina's score as a free energy of binding, in complexes of many targets [kcal/mol] (Trott
and Olson 2010, doi 10.1002/jcc.21334)."""
_LARGEST = 60.0
_TRIES = 10
_KIND = "docked-ligand"


@dataclass(frozen=True)
class Box:
    """Where ligands are docked.

    Attributes:
        center: [Å].
        size: lengths of the edges [Å].

    Raises:
        ConfigError: not three numbers each, edges that are not positive or longer than 60 Å.
    """

    center: tuple[float, ...]
    size: tuple[float, ...]

    def __post_init__(self):
        if len(self.center) != 3 or len(self.size) != 3 or not np.isfinite([*self.center, *self.size]).all():
            raise ConfigError("a box has a center and three edges", "say --center 1,2,3 --size 20,20,20")
        if min(self.size) <= 0 or max(self.size) > _LARGEST:
            raise ConfigError(
                f"edges of a box are positive and at most {_LARGEST:g} Å, got {self.size}",
                "dock into a pocket, not onto a whole protein",
            )

    @classmethod
    def around(cls, positions: np.ndarray, margin: float = MARGIN) -> "Box":
        """With a margin around the atoms of a ligand [Å], shape (n_atoms, 3)."""
        low, high = positions.min(axis=0) - margin, positions.max(axis=0) + margin
        return cls(tuple(((low + high) / 2).tolist()), tuple((high - low).tolist()))

    @property
    def corners(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest [Å]."""
        center, half = np.array(self.center), np.array(self.size) / 2
        return center - half, center + half


class Docked(NamedTuple):
    """Poses of one ligand.

    Attributes:
        poses: the best first.
        energies: Vina's scores [kcal/mol], shape (n_poses,).
    """

    poses: list[Ligand]
    energies: np.ndarray


def prepare_receptor(path: str | Path) -> str:
    """A rigid protein as PDBQT text, with the atoms that `read_protein` keeps. Hydrogens that are missing are
    added, in the states of protonation that Meeko takes for usual.

    Raises:
        MissingDependencyError: the extra `docking` is not installed.
        DataError: residues that Meeko does not know, or whose atoms are missing.
    """
    meeko = _needed()[0]
    lines = protein_lines(path)
    templates = meeko.ResidueChemTemplates.create_from_defaults()
    # Meeko would ask a server on the network about residues that it does not know.
    known = templates.residue_templates.keys() | templates.ambiguous.keys()
    groups = dict.fromkeys((line[17:20].strip(), line[22:27].strip()) for line in lines)
    unknown = [" ".join(group) for group in groups if group[0] not in known]
    if unknown:
        raise DataError(
            f"{path} has groups that docking does not know: {', '.join(unknown[:10])}",
            "take ligands and buffer out, and name modified residues as what they were made from",
        )
    try:
        polymer = meeko.Polymer.from_pdb_string("\n".join(lines), templates, meeko.MoleculePreparation())
        rigid, _ = meeko.PDBQTWriterLegacy.write_from_polymer(polymer)
    except Exception as error:  # Meeko raises errors of many kinds
        first = (str(error).strip().splitlines() or [repr(error)])[0]
        raise DataError(
            f"{path} cannot be prepared for docking: {first[:300]}",
            "it needs whole residues (as PDB2PQR or PDBFixer make them), and no ligand",
        ) from error
    return rigid


class Docker:
    """Docks ligands into one box of one protein.

    Args:
        receptor: PDBQT text, see `prepare_receptor`.
        box: where.
        n_poses: of each ligand at most.
        exhaustiveness: how long Vina searches.
        cores: to work on.
        seed: of the search and of the conformers it starts from; the same on one core gives the same poses.

    Raises:
        MissingDependencyError: the extra `docking` is not installed.
    """

    def __init__(
        self,
        receptor: str,
        box: Box,
        *,
        n_poses: int = 5,
        exhaustiveness: int = 8,
        cores: int = 1,
        seed: int = 0,
    ):
        self._meeko, vina = _needed()
        self.box, self.n_poses, self.exhaustiveness, self.seed = box, n_poses, exhaustiveness, seed
        # Vina takes zero for a seed of its own choice.
        self._vina: Any = vina.Vina(sf_name="vina", cpu=cores, seed=seed + 1, verbosity=0)
        with TemporaryDirectory() as folder:
            file = Path(folder) / "receptor.pdbqt"
            file.write_text(receptor, encoding="utf-8")
            self._vina.set_receptor(str(file))
        self._vina.compute_vina_maps(center=list(box.center), box_size=list(box.size))

    def __call__(self, name: str, smiles: str) -> Docked:
        """The poses of a ligand, protonated as its SMILES string says (Eberhardt et al. 2021,
        doi 10.1021/acs.jcim.1c00203).

        Raises:
            DataError: a string that cannot be read or embedded, or of several molecules; atoms without
                parameters.
        """
        mol = _embedded(smiles, self.seed)
        try:
            setup = self._meeko.MoleculePreparation()(mol)[0]
            text, fine, why = self._meeko.PDBQTWriterLegacy.write_string(setup)
            if not fine:
                raise ValueError(why)
            self._vina.set_ligand_from_string(text)
            self._vina.dock(exhaustiveness=self.exhaustiveness, n_poses=self.n_poses)
            energies = self._vina.energies(n_poses=self.n_poses)[:, 0]
            written = self._meeko.PDBQTMolecule(self._vina.poses(n_poses=self.n_poses), skip_typing=True)
            found = self._meeko.RDKitMolCreate.from_pdbqt_mol(written)[0]
        except (ValueError, RuntimeError, TypeError, IndexError) as error:
            first = (str(error).strip().splitlines() or [repr(error)])[0]
            raise DataError(f"{name} cannot be docked: {first[:200]}") from error
        return Docked(_separate(name, found), np.asarray(energies, float))


def handedness_open(smiles: str) -> bool:
    """Whether a SMILES string leaves open which stereoisomer it is: it stands for several, of which a
    conformer is one. False of what cannot be read."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        return False
    return any(one.specified == Chem.StereoSpecified.Unspecified for one in Chem.FindPotentialStereo(mol))


def write_docked(path: str | Path, docked: Docked) -> None:
    """Keeps the poses of a ligand in a file.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    from rdkit import Chem

    first = docked.poses[0]
    arrays = {"positions": np.array([pose.positions for pose in docked.poses]), "energies": docked.energies}
    write_archive(path, _KIND, arrays, {"name": first.name, "mol": Chem.MolToMolBlock(first.mol)})


def read_docked(path: str | Path) -> Docked:
    """The poses in a file of `write_docked`.

    Raises:
        DataError: no such file, or a damaged one.
    """
    from rdkit import Chem

    arrays, header = read_archive(path, _KIND)
    mol = Chem.MolFromMolBlock(header["mol"])
    poses = []
    for positions in arrays["positions"]:
        one = Chem.Mol(mol)
        one.GetConformer().SetPositions(positions)
        poses.append(ligand_of(header["name"], one))
    return Docked(poses, arrays["energies"])


def _needed() -> tuple[Any, Any]:
    try:
        import meeko  # pyright: ignore[reportMissingImports]
        import vina  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingDependencyError(
            f"docking needs {error.name or 'Vina and Meeko'}", 'pip install "adiabat[docking]"'
        ) from error
    return meeko, vina


def _embedded(smiles: str, seed: int) -> Any:
    """With hydrogens and a conformer."""
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            raise DataError(f"RDKit cannot read {smiles[:80]!r}")
        if len(Chem.GetMolFrags(mol)) > 1:
            raise DataError(f"{smiles[:80]!r} is several molecules: take salts and solvents away")
        mol = Chem.AddHs(mol)
        if rdDistGeom.EmbedMolecule(mol, randomSeed=seed + 1, maxAttempts=_TRIES) != 0:
            raise DataError(f"{smiles[:80]!r} has no conformer that RDKit finds")
        rdForceFieldHelpers.MMFFOptimizeMolecule(mol)  # of what MMFF does not know the conformer stays
    return mol


def _separate(name: str, mol: Any) -> list[Ligand]:
    from rdkit import Chem

    found = []
    for conformer in mol.GetConformers():
        one = Chem.Mol(mol, confId=conformer.GetId())
        found.append(ligand_of(name, one))
    return found
