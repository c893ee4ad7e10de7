"""One way to write each molecule: without counterions and solvents, neutral where it can be, canonical."""

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from adiabat.base import DataError, UnsupportedError
from adiabat.system.smiles import MAX_SMILES_LENGTH

if TYPE_CHECKING:
    from rdkit.Chem import Mol

# Larger molecules are not what property models are for, and take RDKit minutes.
MAX_HEAVY_ATOMS = 250


@dataclass(frozen=True)
class Standardizer:
    """Turns SMILES strings into canonical ones of the molecule that was measured (RDKit's MolStandardize).

    Ions of alkali and alkaline earth metals are separated, functional groups written in one way, known
    counterions and solvents taken away, charges neutralized by moving protons. A single molecule without
    carbon is kept, as are isotopes and stereochemistry; map numbers are not. Complexes of other metals, and
    mixtures of solvents, would become another molecule: they are refused, as are inorganic salts, and salts
    of two organic ions of which either may be meant.

    Args:
        salts: keep counterions and solvents.
        charges: keep charges that protons could neutralize.
        tautomers: write one tautomer for all of a molecule; takes milliseconds each.
        mixtures: of several different molecules take the largest, instead of refusing them.
    """

    salts: bool = False
    charges: bool = False
    tautomers: bool = False
    mixtures: bool = False

    def molecule(self, smiles: str) -> "Mol":
        """The standardized molecule; what `self(smiles)` means, perhaps with its atoms in another order.

        Most molecules of libraries have nothing that standardizing changes, which takes a fifth of a
        millisecond to see and a millisecond to do.

        Raises:
            DataError, UnsupportedError: as of a call.
        """
        from rdkit import rdBase

        with rdBase.BlockLogs():
            mol = _usual(smiles)
            return mol if self._is_safe(mol, smiles) else self._standardized(mol, smiles)

    def __call__(self, smiles: str) -> str:
        """The canonical SMILES string.

        Raises:
            DataError: not a SMILES string, a molecule that cannot be, nothing, a mixture, or a salt without
            an organic parent or of two.
            UnsupportedError: a wildcard atom, more than 250 heavy atoms, or a metal that would be lost.
        """
        from rdkit import Chem, rdBase

        with rdBase.BlockLogs():
            mol = _usual(smiles)
            mol = _rewritten(mol, smiles) if self._is_safe(mol, smiles) else self._standardized(None, smiles)
            return Chem.MolToSmiles(mol)

    def mapped(self, smiles: str) -> tuple[str, float]:
        """As of reactions: the canonical SMILES string, which is always sure.

        Raises:
            DataError, UnsupportedError: as of a call.
        """
        return self(smiles), 1.0

    def changes(self, written: str, smiles: str) -> bool:
        """Whether the second, what was made of the first, is another molecule: without a salt or a charge."""
        from rdkit import Chem, rdBase

        with rdBase.BlockLogs():
            return Chem.CanonSmiles(written) != smiles

    def _standardized(self, mol: "Mol | None", smiles: str) -> "Mol":
        """The molecule of a string, which may have been read already."""
        from rdkit import Chem

        mol = Chem.RemoveHs(with_known_hands(_unnumbered(parsed(smiles)))) if mol is None else mol
        metals = _metals(mol)
        # The first step is for metals.
        has_metal = any(atom.GetAtomicNum() not in _NONMETALS for atom in mol.GetAtoms())
        for step in self._steps if has_metal else self._steps[1:]:
            mol = step(mol)
        _check_metals(metals, mol, smiles)
        if not self.salts:
            mol = self._one_molecule(mol, smiles)
            _check_metals(metals, mol, smiles)
        if not self.charges:
            mol = self._uncharged(mol)
        if self.tautomers:
            mol = self._tautomers.Canonicalize(mol)
        return _rewritten(mol, smiles)

    def _is_safe(self, mol: "Mol | None", smiles: str) -> "TypeGuard[Mol]":
        """Whether no step changes a molecule that `_usual` has read."""
        return mol is not None and not self.tautomers and not _may_change(mol, smiles)

    def _uncharged(self, mol: "Mol") -> "Mol":
        """Neutral where protons can make it so; as it is where that makes none, as of hexafluorophosphate."""
        from rdkit import Chem

        neutral = self._uncharger.uncharge(Chem.Mol(mol))
        return mol if Chem.DetectChemistryProblems(neutral) else neutral

    @property
    def _tools(self) -> Any:
        from rdkit.Chem.MolStandardize import rdMolStandardize

        return rdMolStandardize

    @cached_property
    def _steps(self) -> tuple[Any, ...]:
        tools = self._tools
        return tools.MetalDisconnector().Disconnect, tools.Normalizer().normalize, tools.Reionizer().reionize

    @cached_property
    def _salts(self) -> Any:
        return self._tools.FragmentRemover("", leave_last=False)

    @cached_property
    def _uncharger(self) -> Any:
        return self._tools.Uncharger()

    @cached_property
    def _tautomers(self) -> Any:
        return self._tools.TautomerEnumerator()

    def _one_molecule(self, mol: "Mol", smiles: str) -> "Mol":
        """Without counterions; one of several copies."""
        from rdkit import Chem

        if len(Chem.GetMolFrags(mol)) == 1 and _has_carbon(mol):
            return mol
        parts = Chem.GetMolFrags(mol, asMols=True)
        names = {Chem.MolToSmiles(self._uncharged(part)): part for part in parts}
        organic = {name: part for name, part in names.items() if _is_organic(part, name)}
        if not organic and (len(names) > 1 or any(atom.GetAtomicNum() in _IONS for atom in mol.GetAtoms())):
            raise DataError(f"{short(smiles)} has no organic parent: it is an inorganic salt or mixture")
        if len(names) == 1:
            return parts[0]
        # Of solvents alone none is what dissolves the other.
        named = {name: part for name, part in organic.items() if not self._is_known(part)} or organic
        if len(named) > 1 and not self.mixtures:
            among = " and ".join(sorted(named))
            if {1, -1} <= {np.sign(Chem.GetFormalCharge(part)) for part in organic.values()}:
                raise DataError(
                    f"{short(smiles)} is a salt of {among}: which of them is meant is not clear",
                    "write the one that was measured",
                )
            raise DataError(f"{short(smiles)} is a mixture of {among}")
        # Of equally large ones the first by name, so that the order in the string does not matter.
        return max(sorted(named.items()), key=lambda item: item[1].GetNumHeavyAtoms())[1]

    def _is_known(self, part: "Mol") -> bool:
        """Whether it is a counterion or a solvent."""
        from rdkit import Chem

        if Chem.MolToSmiles(part) in _SOLVENTS or not self._salts.remove(part).GetNumAtoms():
            return True
        return Chem.MolToSmiles(self._uncharged(part), isomericSmiles=False) in _COUNTERIONS


# Beside those of RDKit; the first is what standardizing makes of dimethyl sulfoxide.
_SOLVENTS = {"C[S+](C)[O-]", "CC1CCCO1", "OCCO", "ClC(Cl)(Cl)Cl", "C[N+](=O)[O-]", "Clc1ccccc1"}
# Acids and bases that drugs are given as salts of, neutral and without handedness, beside those of RDKit.
_COUNTERIONS = {
    # sulfonates and sulfates: besylate, tosylate, esylate, isethionate, edisylate, napsylate, camsylate ...
    "O=S(=O)(O)c1ccccc1",
    "Cc1ccc(S(=O)(=O)O)cc1",
    "CCS(=O)(=O)O",
    "O=S(=O)(O)CCO",
    "O=S(=O)(O)CCS(=O)(=O)O",
    "O=S(=O)(O)c1ccc2ccccc2c1",
    "CC1(C)C2CCC1(CS(=O)(=O)O)C(=O)C2",
    "O=S(=O)(O)NC1CCCCC1",
    "COS(=O)(=O)O",
    # acids: formate, carbonate, propionate, oxalate, malonate, succinate, maleate and fumarate, adipate
    "O=CO",
    "O=C(O)O",
    "CCC(=O)O",
    "O=C(O)C(=O)O",
    "O=C(O)CC(=O)O",
    "O=C(O)CCC(=O)O",
    "O=C(O)C=CC(=O)O",
    "O=C(O)CCCCC(=O)O",
    # hydroxy acids: glycolate, lactate, malate, tartrate, citrate, gluconate, ascorbate, mandelate
    "O=C(O)CO",
    "CC(O)C(=O)O",
    "O=C(O)CC(O)C(=O)O",
    "O=C(O)C(O)C(O)C(=O)O",
    "O=C(O)CC(O)(CC(=O)O)C(=O)O",
    "O=C(O)C(O)C(O)C(O)C(O)CO",
    "O=C1OC(C(O)CO)C(O)=C1O",
    "O=C(O)C(O)c1ccccc1",
    # aromatic acids: benzoate, salicylate, xinafoate, pamoate; hippurate
    "O=C(O)c1ccccc1",
    "O=C(O)c1ccccc1O",
    "O=C(O)c1ccc2ccccc2c1O",
    "O=C(O)c1cc2ccccc2c(Cc2c(O)c(C(=O)O)cc3ccccc23)c1O",
    "O=C(O)CNC(=O)c1ccccc1",
    # amino acids: lysine, arginine, aspartate, glutamate
    "NCCCCC(N)C(=O)O",
    "N=C(N)NCCCC(N)C(=O)O",
    "NC(CC(=O)O)C(=O)O",
    "NC(CCC(=O)O)C(=O)O",
    # amines: meglumine, tromethamine, olamine, diolamine, trolamine, erbumine, benzathine, choline ...
    "CNCC(O)C(O)C(O)C(O)CO",
    "NC(CO)(CO)CO",
    "NCCO",
    "OCCNCCO",
    "OCCN(CCO)CCO",
    "CC(C)(C)N",
    "c1ccc(CNCCNCc2ccccc2)cc1",
    "C[N+](C)(C)CCO",
    "NCCN",
    "CCNCC",
    "CCN(CC)CC",
    "C1CCC(NC2CCCCC2)CC1",
}
# What carbonates, cyanides, cyanates and thiocyanates are salts of, and oxides of carbon.
_INORGANIC = {"O=C(O)O", "C#N", "N#CO", "N=C=O", "N#CS", "N=C=S", "O=C=O", "[C-]#[O+]"}
# Of groups 1 and 2: their ions are taken away as counterions are.
_IONS = {3, 4, 11, 12, 19, 20, 37, 38, 55, 56}
_NONMETALS = {*range(1, 3), *range(5, 11), *range(14, 19), *range(32, 37), *range(52, 55), 85, 86}


def _metals(mol: "Mol") -> set[tuple[str, int]]:
    """Metals that must not be lost, each with the number of its bonds: all but those of groups 1 and 2, and
    these too where more than two bonds hold them."""
    return {
        (atom.GetSymbol(), atom.GetDegree())
        for atom in mol.GetAtoms()
        if (number := atom.GetAtomicNum()) not in _NONMETALS and (number not in _IONS or atom.GetDegree() > 2)
    }


def _rewritten(mol: "Mol | None", smiles: str) -> "Mol":
    """Once more through the parser: what was moved may be written in another order than the canonical one."""
    from rdkit import Chem

    mol = None if mol is None else Chem.MolFromSmiles(Chem.MolToSmiles(mol))
    if mol is None:
        raise DataError(f"{short(smiles)} becomes no possible molecule by standardizing")
    return mol


def _check_metals(metals: set[tuple[str, int]], mol: "Mol", smiles: str) -> None:
    if metals and (lost := metals - _metals(mol)):
        raise UnsupportedError(
            f"{short(smiles)} is a compound of {min(lost)[0]}: without the metal it is another molecule"
        )


# A single molecule without wildcards and map numbers, of which no hydrogen is an atom of its own.
_SINGLE = re.compile(r"(?:[^\s.*\[:]|\[(?!H))+")


def _usual(smiles: str) -> "Mol | None":
    """What `Chem.MolFromSmiles` gives of a single molecule of usual size, in three quarters of the time:
    where handedness would be possible is not looked for. None where there is no such molecule."""
    from rdkit import Chem

    if len(smiles) > MAX_SMILES_LENGTH or not _SINGLE.fullmatch(smiles) or "#0" in smiles:
        return None
    mol = Chem.MolFromSmiles(smiles, _as_written())
    if mol is None or not 1 < mol.GetNumAtoms() <= MAX_HEAVY_ATOMS:
        return None
    if Chem.SanitizeMol(mol, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
        return None
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol


@cache
def _as_written() -> Any:
    from rdkit import Chem

    settings = Chem.SmilesParserParams()
    settings.sanitize = settings.removeHs = False
    return settings


# Letters of usual elements, brackets for nothing but hydrogen and handedness, no sulfur with three neighbors.
_UNCHARGED = re.compile(
    r"(?:[BCNOPFIbcnoplr()=#/\\\-0-9%]|(?<!=)S(?![=#\-/\\]?[\d%(])|(?<!=)s(?!\d*[=(%])|\[(?:nH|C@@?H?)\])+"
)


def _may_change(mol: "Mol", smiles: str) -> bool:
    """Whether some step of standardizing may; three quarters of usual molecules are seen to be safe by their
    letters, in a tenth of the time."""
    return not _UNCHARGED.fullmatch(smiles) and mol.HasSubstructMatch(_changeable())


@cache
def _changeable() -> "Mol":
    """What some step of standardizing may change: metals and other rare elements, charges outside nitro
    groups and nitrates, sulfur of sulfoxides. All other of RDKit's rules ask for a charge, or for nitrogen
    and phosphorus as RDKit's parser leaves none."""
    from rdkit import Chem

    nitro = "!$([N+;X3](=O)([O-])[#6,#8])!$([O-;X1][N+;X3](=O)[#6,#8])"
    return Chem.MolFromSmarts(f"[!#5!#6!#7!#8!#9!#14!#15!#16!#17!#34!#35!#53,!+0{nitro},#16X3]")


def _is_organic(part: "Mol", name: str) -> bool:
    """Whether a part has carbon that is not that of an inorganic acid; `name` is its neutral SMILES."""
    return name not in _INORGANIC and _has_carbon(part)


def _has_carbon(mol: "Mol") -> bool:
    return any(atom.GetAtomicNum() == 6 for atom in mol.GetAtoms())


def _unnumbered(mol: "Mol") -> "Mol":
    """Without the map numbers of a reaction, which would make another string of the same molecule."""
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    return mol


def with_known_hands(mol: "Mol") -> "Mol":
    """Without the handedness of single centers that are said to be a racemate (&1) or of unknown hand (o1):
    drawn is one of two, measured was not that one alone. Of several centers of one group that one stands for
    both, because it says which diastereomer it is."""
    from rdkit import Chem

    groups = [list(one.GetAtoms()) for one in mol.GetStereoGroups() if _is_relative(one)]
    lone = [atoms[0].GetIdx() for atoms in groups if len(atoms) == 1]
    if not lone:
        return mol
    bare = Chem.RWMol(mol)
    bare.SetStereoGroups([])
    for number in lone:
        bare.GetAtomWithIdx(number).SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    found = bare.GetMol()
    Chem.AssignStereochemistry(found, cleanIt=True, force=True)
    return found


def _is_relative(group: Any) -> bool:
    from rdkit import Chem

    return group.GetGroupType() != Chem.StereoGroupType.STEREO_ABSOLUTE


def parsed(smiles: str) -> "Mol":
    """The molecule, hydrogens that are written included.

    Raises:
        DataError: not a SMILES string, a molecule that cannot be, or nothing.
        UnsupportedError: a wildcard atom, or more than 250 heavy atoms.
    """
    from rdkit import Chem

    text = smiles.strip()
    if not text:
        raise DataError("there is no SMILES string")
    if len(text) > MAX_SMILES_LENGTH:
        raise UnsupportedError(f"{short(text)} has {len(text)} characters, at most {MAX_SMILES_LENGTH}")
    mol = Chem.MolFromSmiles(text, sanitize=False)
    if mol is None:
        raise DataError(f"{short(text)} is not a SMILES string")
    # RDKit would take what follows for a name, and lose a second molecule.
    if (rest := text.split(None, 1)[1:]) and not rest[0].startswith("|"):
        raise DataError(f"{short(text)} goes on after a SMILES string")
    problems = Chem.DetectChemistryProblems(mol)
    if problems:
        raise DataError(f"{short(text)} is not a possible molecule: {problems[0].Message()}")
    if mol.GetNumAtoms() == 0:
        raise DataError(f"{short(text)} has no atoms")
    if any(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
        raise UnsupportedError(f"{short(text)} has a wildcard atom")
    if mol.GetNumHeavyAtoms() > MAX_HEAVY_ATOMS:
        raise UnsupportedError(
            f"{short(text)} has {mol.GetNumHeavyAtoms()} heavy atoms, at most {MAX_HEAVY_ATOMS}"
        )
    Chem.SanitizeMol(mol)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol


def short(text: str) -> str:
    """Quoted, cut to 60 characters."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
