"""The atoms of a protein that a ligand can touch, from a PDB file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers

from adiabat.base import DataError, UnsupportedError

MAX_BYTES = 200 * 2**20
KINDS = (
    "aliphatic carbon",
    "aromatic carbon",
    "carbonyl carbon",
    "backbone nitrogen",
    "backbone oxygen",
    "neutral nitrogen",
    "cationic nitrogen",
    "neutral oxygen",
    "anionic oxygen",
    "sulfur",
    "metal",
    "other",
)
WATERS = {"HOH", "WAT", "DOD", "H2O", "TIP", "TIP3", "TP3", "SOL"}
_CAPS = {"ACE", "NME", "NMA", "NH2"}
_METALS = {"LI", "NA", "K", "MG", "CA", "MN", "FE", "CO", "NI", "CU", "ZN", "CD", "HG", "SR", "BA", "CS"}
# Names of standard residues, and of their protonation states in force fields.
# fmt: off
_RESIDUES = {
    "ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE", "LEU", "LYS", "MET", "PHE", "PRO",
    "SER", "THR", "TRP", "TYR", "VAL", "HID", "HIE", "HIP", "HSD", "HSE", "HSP", "CYX", "CYM", "ASH", "GLH",
    "LYN",
}
# fmt: on
_AROMATIC = {
    "PHE": {"CG", "CD1", "CD2", "CE1", "CE2", "CZ"},
    "TYR": {"CG", "CD1", "CD2", "CE1", "CE2", "CZ"},
    "TRP": {"CG", "CD1", "CD2", "CE2", "CE3", "CZ2", "CZ3", "CH2"},
    "HIS": {"CG", "CD2", "CE1"},
}
_CARBONYL = {"ASN": {"CG"}, "ASP": {"CG"}, "GLN": {"CD"}, "GLU": {"CD"}, "ARG": {"CZ"}}
_CATIONS = {"LYS": {"NZ"}, "ARG": {"NE", "NH1", "NH2"}, "HIP": {"ND1", "NE2"}, "HSP": {"ND1", "NE2"}}
_ANIONS = {"ASP": {"OD1", "OD2"}, "GLU": {"OE1", "OE2"}}
_ALIASES = dict.fromkeys(("HID", "HIE", "HIP", "HSD", "HSE", "HSP"), "HIS") | {
    "CYX": "CYS",
    "CYM": "CYS",
    "ASH": "ASP",
    "GLH": "GLU",
    "LYN": "LYS",
}


@dataclass(frozen=True, eq=False)
class Protein:
    """The heavy atoms of a protein.

    Attributes:
        positions: [Å], shape (n_atoms, 3).
        numbers: of the elements, shape (n_atoms,).
        kinds: number of each in `KINDS`, shape (n_atoms,).
        residues: of each atom, such as "A:LYS 33".
        hetero: atoms of groups that are neither residues nor metals: cofactors, or a ligand that was left in;
            shape (n_atoms,).
        notes: what was left out or is unusual, in sentences.
    """

    positions: np.ndarray
    numbers: np.ndarray
    kinds: np.ndarray
    residues: tuple[str, ...]
    hetero: np.ndarray
    notes: tuple[str, ...] = ()

    def without(self, groups: Sequence[str]) -> "Protein":
        """Without these residues, which a note names."""
        kept = np.array([residue not in groups for residue in self.residues])
        note = f"left out, as a ligand lies there: {', '.join(groups)}"
        return Protein(
            self.positions[kept],
            self.numbers[kept],
            self.kinds[kept],
            tuple(np.array(self.residues)[kept].tolist()),
            self.hetero[kept],
            (*self.notes, note),
        )


class _Atom(NamedTuple):
    name: str
    alternate: str
    residue: str
    label: str
    element: str
    position: tuple[float, float, float]
    occupancy: float
    hetero: bool
    line: str


def read_protein(path: str | Path) -> Protein:
    """The heavy atoms of the first model of a PDB file, of all its chains.

    Hydrogens are not needed and not kept, water is left out. Of alternate locations the most occupied of each
    residue is kept. Metal ions are a kind of their own; of residues that are not known the elements are.

    Raises:
        DataError: no such file, a line that cannot be read, or no residue of a protein.
        UnsupportedError: an mmCIF file.
    """
    path = Path(path)
    text = _text(path)
    notes = []
    atoms = list(_atoms(text, path))
    chains = sorted({atom.label.split(":")[0] for atom in atoms if not atom.hetero} - {""})
    if len(chains) > 1:
        notes.append(f"all chains are kept: {', '.join(chains)}")
    if "\nENDMDL" in text and text.count("\nMODEL") > 1:
        notes.append("of several models the first is read")
    waters = sum(atom.residue in WATERS and _is_heavy(atom) for atom in atoms)
    if waters:
        notes.append(f"{waters} waters are left out")
    atoms, several = _one_location([a for a in atoms if _is_heavy(a) and a.residue not in WATERS])
    if several:
        notes.append(f"of alternate locations the most occupied is kept: {', '.join(several[:5])}")
    if not any(atom.residue in _RESIDUES for atom in atoms):
        raise DataError(f"{path} has no residue of a protein", "give the protein as PDB, the ligand as SDF")
    return _protein(atoms, notes)


def protein_lines(path: str | Path) -> list[str]:
    """The lines of the atoms that `read_protein` keeps and of their hydrogens, without alternate locations,
    and those of a residue together, where a program wrote the hydrogens last.

    Raises:
        DataError, UnsupportedError: as `read_protein`.
    """
    path = Path(path)
    atoms, _ = _one_location([atom for atom in _atoms(_text(path), path) if atom.residue not in WATERS])
    place = {label: k for k, label in enumerate(dict.fromkeys(atom.label for atom in atoms))}
    atoms.sort(key=lambda atom: place[atom.label])
    return [f"{atom.line[:16]} {atom.line[17:]}" for atom in atoms]


def _protein(atoms: Sequence[_Atom], notes: list[str]) -> Protein:
    backbone: dict[str, set[str]] = {}
    for atom in atoms:
        backbone.setdefault(atom.label, set()).add(atom.name)
    in_chain = {label for label, names in backbone.items() if {"N", "CA", "C"} <= names}
    residue = np.array([_in_protein(atom, in_chain) for atom in atoms])
    metal = np.array([_is_metal(atom) for atom in atoms])
    unknown = {a.label for a in atoms if a.residue not in _RESIDUES | _CAPS and a.label in in_chain}
    hetero = ~residue & ~metal
    for where, text in (
        (metal, "metal ions"),
        (hetero, "groups that are no residues, kept as cofactors"),
    ):
        labels = list(dict.fromkeys(a.label for a, here in zip(atoms, where, strict=True) if here))
        if labels:
            notes.append(f"{text}: {', '.join(labels[:5])}{' ...' if len(labels) > 5 else ''}")
    if unknown:
        notes.append(f"residues known by their elements only: {', '.join(sorted(unknown)[:5])}")
    return Protein(
        np.array([atom.position for atom in atoms]),
        np.array([atomic_numbers[atom.element] for atom in atoms]),
        np.array([KINDS.index(_kind(atom, known)) for atom, known in zip(atoms, residue, strict=True)]),
        tuple(atom.label for atom in atoms),
        hetero,
        tuple(notes),
    )


def _text(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    if path.suffix.lower() in (".cif", ".mmcif"):
        raise UnsupportedError(f"{path} is an mmCIF file", "save it as PDB")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES >> 20} MiB: it is no PDB file of a protein")
    return path.read_text(encoding="latin-1")


def _atoms(text: str, path: Path) -> Iterator[_Atom]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("ENDMDL"):
            return
        if not line.startswith(("ATOM  ", "HETATM")):
            continue
        name, residue, chain = line[12:16].strip(), line[17:21].strip(), line[21:22].strip()
        try:
            x, y, z = (float(line[start : start + 8]) for start in (30, 38, 46))
            occupancy = float(line[54:60].strip() or 1)
            if not np.isfinite([x, y, z]).all():
                raise ValueError("coordinates that are not finite")
        except ValueError as error:
            raise DataError(
                f"{path}, line {number}: {error}", "atoms are written in fixed columns"
            ) from error
        element = _element(line, name, residue)
        if element not in atomic_numbers:
            raise DataError(f"{path}, line {number}: {element!r} is no element", "it stands in columns 77-78")
        label = f"{chain}:{residue} {line[22:27].strip()}"
        alternate, hetero = line[16:17].strip(), line.startswith("H")
        yield _Atom(name, alternate, residue, label, element, (x, y, z), occupancy, hetero, line)


def _element(line: str, name: str, residue: str) -> str:
    """From columns 77-78, else from the name: in four characters an element of one letter stands second."""
    written = line[76:78].strip()
    if written:
        return written.capitalize()
    letters = name.lstrip("0123456789")
    if residue == name and name in _METALS:
        return name.capitalize()
    return "H" if letters[:1] in ("H", "D") else letters[:1].upper()


def _is_heavy(atom: _Atom) -> bool:
    return atom.element not in ("H", "D")


def _is_metal(atom: _Atom) -> bool:
    return atom.element.upper() in _METALS


def _in_protein(atom: _Atom, in_chain: set[str]) -> bool:
    return atom.residue in _RESIDUES | _CAPS or atom.label in in_chain


def _one_location(atoms: Sequence[_Atom]) -> tuple[list[_Atom], list[str]]:
    """Atoms without alternates, and the residues that had some."""
    weights: dict[str, dict[str, float]] = {}
    for atom in atoms:
        if atom.alternate:
            found = weights.setdefault(atom.label, {})
            found[atom.alternate] = found.get(atom.alternate, 0.0) + atom.occupancy
    best = {label: max(sorted(found), key=found.__getitem__) for label, found in weights.items()}
    kept = [atom for atom in atoms if not atom.alternate or atom.alternate == best[atom.label]]
    return kept, [label for label, found in weights.items() if len(found) > 1]


def _kind(atom: _Atom, in_protein: bool) -> str:
    """What of `KINDS` an atom is."""
    if _is_metal(atom):
        return "metal"
    residue = _ALIASES.get(atom.residue, atom.residue)
    if in_protein and atom.name in ("N", "O", "OXT"):
        return "backbone nitrogen" if atom.name == "N" else "backbone oxygen"
    charged = atom.residue if atom.residue in ("ASH", "GLH", "LYN", "HIP", "HSP") else residue
    if atom.element == "C":
        if atom.name in _AROMATIC.get(residue, ()):
            return "aromatic carbon"
        doubly = atom.name == "C" or atom.name in _CARBONYL.get(residue, ())
        return "carbonyl carbon" if doubly else "aliphatic carbon"
    if atom.element == "N":
        return "cationic nitrogen" if atom.name in _CATIONS.get(charged, ()) else "neutral nitrogen"
    if atom.element == "O":
        return "anionic oxygen" if atom.name in _ANIONS.get(charged, ()) else "neutral oxygen"
    return "sulfur" if atom.element in ("S", "Se") else "other"
