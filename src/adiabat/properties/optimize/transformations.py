"""Changes that medicinal chemists make to a series, as reactions: the table of matched pairs."""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rdkit.Chem import Mol

TRIES = 8
_MOST_PRODUCTS = 64

# What is put in the place of an aromatic hydrogen, and of each other.
_SUBSTITUENTS = {
    "F": "F",
    "Cl": "Cl",
    "Br": "Br",
    "methyl": "[CH3]",
    "ethyl": "[CH2][CH3]",
    "isopropyl": "[CH]([CH3])[CH3]",
    "cyclopropyl": "[CH]1[CH2][CH2]1",
    "trifluoromethyl": "C(F)(F)F",
    "cyano": "C#N",
    "hydroxy": "[OH]",
    "methoxy": "O[CH3]",
    "trifluoromethoxy": "OC(F)(F)F",
    "amino": "[NH2]",
    "dimethylamino": "N([CH3])[CH3]",
    "acetyl": "C(=O)[CH3]",
    "carboxamide": "C(=O)[NH2]",
    "carboxy": "C(=O)[OH]",
    "sulfonamide": "S(=O)(=O)[NH2]",
    "methylsulfonyl": "S(=O)(=O)[CH3]",
    "acetamido": "[NH]C(=O)[CH3]",
}
_EXCHANGES = {
    "acid to tetrazole": "[#6:1]-C(=O)[OH]>>[#6:1]-c1nnn[nH]1",
    "tetrazole to acid": "[#6:1]-c1nn[nH]n1>>[#6:1]-C(=O)O",
    "acid to acylsulfonamide": "[#6:1]-C(=O)[OH]>>[#6:1]-C(=O)NS(C)(=O)=O",
    "acid to methyl ester": "[#6:1]-C(=O)[OH]>>[#6:1]-C(=O)OC",
    "ester to acid": "[#6:1]-C(=O)O[CX4;H2,H3]>>[#6:1]-C(=O)O",
    "ester to amide": "[#6:1]-C(=O)-[OX2;!R]-[#6:2]>>[#6:1]-C(=O)-N-[#6:2]",
    "amide to ester": "[#6:1]-C(=O)-[NX3;H1;!R]-[#6:2]>>[#6:1]-C(=O)-O-[#6:2]",
    "amide reversed": "[#6:1]-C(=O)-[NX3;H1;!R]-[#6:2]>>[#6:1]-N-C(=O)-[#6:2]",
    "amide to sulfonamide": "[#6:1]-[C;!R](=O)-[NX3:2]>>[#6:1]-S(=O)(=O)-[N:2]",
    "sulfonamide to amide": "[#6:1]-[S;!R](=O)(=O)-[NX3:2]>>[#6:1]-C(=O)-[N:2]",
    "amide to amine": "[#6:1]-[C;!R](=O)-[NX3:2]>>[#6:1]-C-[N:2]",
    "amide to ketone": "[#6:1]-C(=O)-[NX3;H1;!R]-[#6:2]>>[#6:1]-C(=O)-C-[#6:2]",
    "amide to oxadiazole": "[#6:1]-[C;!R](=O)-[NX3;H1;!R]-[#6:2]>>[#6:1]-c1nc(-[#6:2])no1",
    "oxadiazole to amide": "[#6:1]-c1nc(-[#6:2])no1>>[#6:1]-C(=O)-N-[#6:2]",
    "amide N-methylated": "[C:1](=[O:2])-[NX3;H1:3]>>[C:1](=[O:2])-[N:3]C",
    "urea to carbamate": "[N:1]-C(=O)-[NX3;H1;!R]-[#6:2]>>[N:1]-C(=O)-O-[#6:2]",
    "carbamate to urea": "[N:1]-C(=O)-[OX2;!R]-[#6:2]>>[N:1]-C(=O)-N-[#6:2]",
    "nitrile to amide": "[#6:1]-C#N>>[#6:1]-C(N)=O",
    "amide to nitrile": "[#6:1]-C(=O)[NH2]>>[#6:1]-C#N",
    "nitro to nitrile": "[c:1]-[N+](=O)[O-]>>[c:1]-C#N",
    "ketone to alcohol": "[#6:1]-[C;!R](=O)-[#6:2]>>[#6:1]-C(O)-[#6:2]",
    "alcohol to ketone": "[#6:1]-[CH1:3](-[OH])-[#6:2]>>[#6:1]-[C:3](=O)-[#6:2]",
    "carbonyl to CH2": "[#6:1]-[C:3](=O)-[#6:2]>>[#6:1]-[C:3]-[#6:2]",
    "CH2 to carbonyl": "[#6:1]-[CX4;H2:3]-[#6,#7:2]>>[*:1]-[C:3](=O)-[*:2]",
    "sulfide to sulfone": "[#6:1]-[SX2:3]-[#6:2]>>[#6:1]-[S:3](=O)(=O)-[#6:2]",
    "sulfone to sulfide": "[#6:1]-[S:3](=O)(=O)-[#6:2]>>[#6:1]-[S:3]-[#6:2]",
    "aromatic CH to N": "[cH:1]>>[n:1]",
    "aromatic N to CH": "[n;X2;+0:1]>>[cH:1]",
    "ring N moved": "[n;X2;+0:1]:[cH:2]>>[cH:1]:[n:2]",
    "ring substituent moved": "[c:1](-!@[*:3]):[cH:2]>>[cH:1]:[c:2]-[*:3]",
    "phenyl to thiophene": "[c:1]1:[cH]:[cH]:[c:2]:[c:3]:[c:4]:1>>[c:1]1:s:[c:2]:[c:3]:[c:4]:1",
    "thiophene to phenyl": "[c:1]1:[s]:[c:2]:[c:3]:[c:4]:1>>[c:1]1:[cH]:[cH]:[c:2]:[c:3]:[c:4]:1",
    "thiophene to furan": "[s;X2:1]>>[o:1]",
    "furan to thiophene": "[o;X2:1]>>[s:1]",
    "furan to pyrrole": "[o;X2:1]>>[nH:1]",
    "pyrrole to furan": "[nH:1]>>[o:1]",
    "pyrrole to thiophene": "[nH:1]>>[s:1]",
    "phenyl to cyclohexyl": "[*:1]-c1[cH][cH][cH][cH][cH]1>>[*:1]-C1CCCCC1",
    "cyclohexyl to phenyl": "[*:1]-[CH]1[CH2][CH2][CH2][CH2][CH2]1>>[*:1]-c1ccccc1",
    "phenyl to pyridyl": "[*:1]-c1[cH][cH][cH][cH][cH]1>>[*:1]-c1ccncc1",
    "phenylene to bicyclopentane": "[*:1]-c1[cH][cH]c(-[*:2])[cH][cH]1>>[*:1]-C12CC(-[*:2])(C1)C2",
    "bicyclopentane to phenylene": "[*:1]-C12[CH2]C(-[*:2])([CH2]1)[CH2]2>>[*:1]-c1ccc(-[*:2])cc1",
    "CH2 to O": "[#6:1]-[CX4;H2]-[#6:2]>>[#6:1]-O-[#6:2]",
    "CH2 to NH": "[#6:1]-[CX4;H2]-[#6:2]>>[#6:1]-N-[#6:2]",
    "CH2 to S": "[#6:1]-[CX4;H2]-[#6:2]>>[#6:1]-S-[#6:2]",
    "O to CH2": "[#6:1]-[OX2]-[#6:2]>>[#6:1]-C-[#6:2]",
    "O to NH": "[#6:1]-[OX2]-[#6:2]>>[#6:1]-N-[#6:2]",
    "O to S": "[#6:1]-[OX2]-[#6:2]>>[#6:1]-S-[#6:2]",
    "NH to CH2": "[#6:1]-[NX3;H1]-[#6:2]>>[#6:1]-C-[#6:2]",
    "NH to O": "[#6:1]-[NX3;H1]-[#6:2]>>[#6:1]-O-[#6:2]",
    "S to O": "[#6:1]-[SX2]-[#6:2]>>[#6:1]-O-[#6:2]",
    "S to CH2": "[#6:1]-[SX2]-[#6:2]>>[#6:1]-C-[#6:2]",
    "CH to N": "[#6:1]-[CX4;H1](-[#6:2])-[#6:3]>>[#6:1]-N(-[#6:2])-[#6:3]",
    "N to CH": "[#6;!$([#6]=[O,S,N]):1]-[NX3](-[CX4:2])-[CX4:3]>>[#6:1]-C(-[*:2])-[*:3]",
    "chain lengthened": "[#6:1]-!@[#6,#7,#8:2]>>[*:1]-C-[*:2]",
    "chain shortened": "[*:1]-!@[CX4;H2;!R]-!@[*:2]>>[*:1]-[*:2]",
    "aromatic rings bonded directly": "[c:1]-!@[CH2,NH,O,S;X2,X3,X4;!R]-!@[c:2]>>[c:1]-[c:2]",
    "O between aromatic rings": "[c:1]-!@[c:2]>>[c:1]-O-[c:2]",
    "NH between aromatic rings": "[c:1]-!@[c:2]>>[c:1]-N-[c:2]",
    "saturated ring enlarged": "[CX4;R:1]-@[CX4,NX3;R:2]>>[*:1]-C-[*:2]",
    "saturated ring reduced": "[*;R:1]-@[CX4;H2;R]-@[*;R:2]>>[*:1]-[*:2]",
    "methyl added": "[CX4;H1,H2:1]>>[C:1]C",
    "two methyls added": "[CX4;H2:1]>>[C:1](C)C",
    "methyl to ethyl": "[*:1]-[CH3]>>[*:1]-CC",
    "methyl to isopropyl": "[*:1]-[CH3]>>[*:1]-C(C)C",
    "methyl to cyclopropyl": "[*:1]-[CH3]>>[*:1]-C1CC1",
    "methyl to tert-butyl": "[*:1]-[CH3]>>[*:1]-C(C)(C)C",
    "methyl to trifluoromethyl": "[#6:1]-[CH3]>>[#6:1]-C(F)(F)F",
    "trifluoromethyl to methyl": "[#6:1]-C(F)(F)F>>[#6:1]-C",
    "ethyl to methyl": "[*:1]-[CH2][CH3]>>[*:1]-C",
    "isopropyl to methyl": "[*:1]-[CH]([CH3])[CH3]>>[*:1]-C",
    "tert-butyl to isopropyl": "[*:1]-C([CH3])([CH3])[CH3]>>[*:1]-C(C)C",
    "methyl removed": "[#6,#7,#8:1]-[CH3]>>[*:1]",
    "aliphatic H to F": "[CX4;H1,H2:1]>>[C:1]F",
    "aliphatic H to hydroxy": "[CX4;H1,H2;!$(C-[#7,#8,#16]):1]>>[C:1]O",
    "hydroxy removed": "[CX4:1]-[OH]>>[C:1]",
    "hydroxy to methoxy": "[#6;!$(C=O):1]-[OH]>>[#6:1]-OC",
    "hydroxy to amino": "[#6;!$(C=O):1]-[OH]>>[#6:1]-N",
    "amino to hydroxy": "[#6;!$(C=[O,N]):1]-[NH2]>>[#6:1]-O",
    "amine methylated": "[NX3;H1,H2;!$(N-C=[O,N,S]);!$(N-S=O):1]>>[N:1]C",
    "amine acetylated": "[NX3;H1,H2;!$(N-C=[O,N,S]);!$(N-S=O):1]>>[N:1]C(C)=O",
    "amine mesylated": "[NX3;H1,H2;!$(N-C=[O,N,S]);!$(N-S=O):1]>>[N:1]S(C)(=O)=O",
    "ring NH methylated": "[nH:1]>>[n:1]C",
    "ring NH arylated": "[nH:1]>>[n:1]-c1ccccc1",
    "aromatic H to phenyl": "[cH:1]>>[c:1]-c1ccccc1",
    "dimethylamino to pyrrolidine": "[#6:1]-N([CH3])[CH3]>>[#6:1]-N1CCCC1",
    "dimethylamino to morpholine": "[#6:1]-N([CH3])[CH3]>>[#6:1]-N1CCOCC1",
    "dimethylamino to piperazine": "[#6:1]-N([CH3])[CH3]>>[#6:1]-N1CCN(C)CC1",
    "phenol to sulfonamide": "[c:1]-[OH]>>[c:1]-NS(C)(=O)=O",
}


@cache
def table() -> dict[str, str]:
    """All transformations: name to reaction SMARTS."""
    found = dict(_EXCHANGES)
    for name, group in _SUBSTITUENTS.items():
        found[f"aromatic H to {name}"] = f"[cH:1]>>[c:1]-{group}"
        found[f"aromatic {name} removed"] = f"[c:1]-{group}>>[cH:1]"
    for name, group in _SUBSTITUENTS.items():
        for other, new in _SUBSTITUENTS.items():
            if name != other:
                found[f"{name} to {other} on an aromatic ring"] = f"[c:1]-{group}>>[c:1]-{new}"
    return found


def transform(mol: "Mol", random: np.random.Generator) -> tuple["Mol", str] | None:
    """One transformation of the table, at one of the places where it fits.

    Returns:
        the child, not yet checked, and the transformation's name; None where none of those tried fits.
    """
    for _ in range(TRIES):
        name = _draw(random)
        reactant, reaction = _reaction(name)
        if not mol.HasSubstructMatch(reactant):
            continue
        products = reaction.RunReactants((mol,), maxProducts=_MOST_PRODUCTS)
        if products:
            return _released(products[random.integers(len(products))][0]), name
    return None


def _released(product: "Mol") -> "Mol":
    """Carbon atoms that the reaction names may have other numbers of hydrogens than before."""
    for atom in product.GetAtoms():
        if atom.HasProp("old_mapno") and atom.GetAtomicNum() == 6 and not atom.GetIsAromatic():
            atom.SetNoImplicit(False)
            atom.SetNumExplicitHs(0)
    return product


def _draw(random: np.random.Generator) -> str:
    """The exchanges of one aromatic substituent by another, which are most of the table, are drawn as often
    as the additions and removals are."""
    names, weights = _weights()
    return names[int(np.searchsorted(weights, random.random() * weights[-1], side="right"))]


@cache
def _weights() -> tuple[tuple[str, ...], np.ndarray]:
    names = tuple(table())
    weights = [1 / len(_SUBSTITUENTS) if name.endswith("on an aromatic ring") else 1.0 for name in names]
    return names, np.cumsum(weights)


@cache
def _reaction(name: str) -> tuple[Any, Any]:
    """What it starts from, as a pattern, and the reaction."""
    from rdkit.Chem import rdChemReactions

    reaction = rdChemReactions.ReactionFromSmarts(table()[name])
    reaction.Initialize()
    return reaction.GetReactantTemplate(0), reaction
