"""Structure files of other programs, read by ASE: only formats that are known to be plain data."""

import re
import warnings
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import DataError
from adiabat.io.frame import Frame, location, make_frame

MAX_BYTES = 2**31
MAX_LINE = 2**16
HEADER_LINES = 40
PLAIN = (str, bool, int, float, list, tuple, dict, np.ndarray, np.generic)
# No databases (they open sockets), no Python or pickle, nothing that starts another program.
FORMATS = (
    *("aims", "aims-output", "castep-castep", "castep-cell", "castep-geom", "castep-md", "cfg", "cif"),
    *("cp2k-restart", "crystal", "dlp4", "espresso-in", "espresso-out", "gaussian-in", "gaussian-out", "gen"),
    *("gromacs", "gromos", "lammps-data", "lammps-dump-text", "magres", "mol", "nwchem-in", "nwchem-out"),
    *("onetep-out", "orca-output", "proteindatabank", "qbox", "res", "sdf", "siesta-xv", "traj", "turbomole"),
    *("turbomole-gradient", "vasp", "vasp-out", "vasp-xdatcar", "vasp-xml", "xsd", "xsf"),
)
# What ASE does not tell from the name or the content.
_SUFFIXES = {".data": "lammps-data", ".lmp": "lammps-data", ".dump": "lammps-dump-text"}
_SUFFIXES |= {".lammpstrj": "lammps-dump-text", ".vasp": "vasp", ".ent": "proteindatabank", ".mdl": "mol"}
_SUFFIXES |= {f".{name}": name for name in ("sdf", "mol", "xsf", "gen", "res", "cfg", "xsd", "magres")}
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".tar", ".tgz", ".7z")
# Of an occupied site.
_ROUNDED_SHARE = 1e-3
# Files round masses [amu].
_MASS_TOLERANCE = 0.1
# These say first how many atoms follow, and ASE takes the memory for them before it looks.
_COUNTED = (
    "cfg",
    "crystal",
    "dlp4",
    "gen",
    "gromacs",
    "lammps-data",
    "lammps-dump-text",
    "siesta-xv",
    "vasp",
)
_COUNTED += ("vasp-xdatcar", "xsf", "sdf", "mol")
# ASE reads one molecule of these; the files may hold many.
_MOLFILE = ("sdf", "mol")


def detect_format(path: Path) -> str:
    """ASE's name of the format of a file, by its name and content.

    Raises:
        DataError: unknown, compressed, or a format that adiabat does not open.
    """
    from ase.io.formats import UnknownFileTypeError, filetype

    if path.suffix.lower() in _COMPRESSED:
        raise DataError(f"{path}: is compressed", "unpack it first, for example with gunzip")
    name = _SUFFIXES.get(path.suffix.lower())
    try:
        name = name or filetype(str(path.resolve()), guess=False)
    except UnknownFileTypeError as error:
        raise DataError(
            f"{path}: unknown format ({error})",
            "give extxyz, npz, a DeePMD folder, or another file that ASE reads",
        ) from error
    except (OSError, ValueError, UnicodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    if name in ("xyz", "extxyz"):
        return "extxyz"
    if name not in FORMATS:
        raise DataError(
            f"{path}: adiabat does not open the format {name!r} (databases and code are left out)",
            "convert it to extxyz with ase.io.write",
        )
    return name


def iterate_structures(path: Path, format: str) -> Iterator[Frame]:
    """The frames of a file in one of `FORMATS`; results of a calculator stand in `info` and `arrays`.

    Raises:
        DataError: ASE cannot parse it, or it holds no structure.
    """
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: is larger than {MAX_BYTES >> 30} GiB", "convert it to extxyz")
    _check_counts(path, format)
    _check_elements(path, format)
    _check_alternates(path, format)
    index = -1
    for index, (atoms, extra) in enumerate(_images(path, format)):
        if format == "lammps-data":
            _check_masses(path, atoms.numbers, atoms.get_masses())
        _check_order(location(path, index), atoms.info.get("occupancy", {}))
        results = atoms.calc.results if atoms.calc is not None else {}
        # Objects of ASE's own, such as the space group of a CIF, stay behind.
        info = {key: value for key, value in (atoms.info | extra).items() if isinstance(value, PLAIN)}
        arrays = dict(atoms.arrays)
        for name in ("numbers", "positions", "masses"):
            arrays.pop(name, None)
        for name, value in results.items():
            per_atom = (
                np.ndim(value) > 0 and np.shape(value)[0] == len(atoms) and name not in ("stress", "dipole")
            )
            (arrays if per_atom else info).setdefault(name, value)
        yield make_frame(
            atoms.numbers,
            atoms.positions,
            cell=atoms.cell.array,
            pbc=tuple(atoms.pbc),
            masses=atoms.get_masses() if atoms.has("masses") else None,
            info=info,
            arrays=arrays,
            source=path,
            index=index,
        )
    if index < 0:
        raise DataError(f"{path}: holds no structure")


def _images(path: Path, format: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """ASE's atoms of each frame, and what ASE leaves out of them."""
    from ase.io.formats import iread

    index = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if format in _MOLFILE:
                for block in _molecules(path):
                    yield next(iread(StringIO(block), format=format)), _molecule_state(block)
                    index += 1
                return
            # The absolute path is never taken for the address of a database.
            images = iread(str(path.resolve()), index=":", format=format, do_not_split_by_at_sign=True)
            for atoms in images:
                yield atoms, {}
                index += 1
    except DataError:
        raise
    except Exception as error:  # what ASE raises for a file it cannot parse may be anything
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError(
            f"{location(path, index)}: cannot be read as {format} ({reason})",
            "is the file complete, and of this kind?",
        ) from error


def _molecules(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [block for block in re.split(r"^\$\$\$\$.*\n?", text, flags=re.M) if block.strip()]


def _molecule_state(block: str) -> dict[str, Any]:
    """The total charge and the radical electrons of a molfile, which ASE leaves out."""
    charge = radicals = 0
    for line in re.findall(r"^M  (?:CHG|RAD).*$", block, flags=re.M):
        values = [int(word) for word in line.split()[3:]]
        charge += sum(values[1::2]) if line.startswith("M  CHG") else 0
        # 1: singlet, 2: doublet, 3: triplet
        radicals += sum(max(value - 1, 0) for value in values[1::2]) if line.startswith("M  RAD") else 0
    return {key: value for key, value in (("charge", charge), ("spin", radicals)) if value}


def _check_counts(path: Path, format: str) -> None:
    """Refuses a file that announces more atoms than it has bytes."""
    if format not in _COUNTED:
        return
    size = path.stat().st_size
    with path.open("rb") as handle:
        handle.readline(MAX_LINE)  # a title, which may hold any number
        for _ in range(HEADER_LINES):
            for word in handle.readline(MAX_LINE).split():
                if word.isdigit() and int(word[:19]) > max(size, 10_000):
                    raise DataError(
                        f"{path}: announces {word[:19].decode()} atoms in {size:,} bytes (truncated?)"
                    )


def _check_order(where: str, occupancy: Any) -> None:
    """Of a site that several elements share, as a CIF may say, ASE takes the most frequent one."""
    for site in occupancy.values() if isinstance(occupancy, dict) else ():
        if any(share < 1 - _ROUNDED_SHARE for share in site.values()):
            shares = ", ".join(f"{symbol} {share:g}" for symbol, share in site.items())
            raise DataError(
                f"{where}: a site is occupied in part ({shares}): the structure is disordered",
                "give one arrangement of the atoms, in a cell large enough for it",
            )


def _check_alternates(path: Path, format: str) -> None:
    """Of an atom that a PDB file has at several places, ASE takes all."""
    if format != "proteindatabank":
        return
    first: dict[str, str] = {}
    with path.open(encoding="utf-8", errors="replace") as handle:
        for line in handle:
            if not line.startswith(("ATOM", "HETATM")) or line[16:17].strip() == "":
                continue
            residue = line[17:27]
            if first.setdefault(residue, line[16]) != line[16]:
                raise DataError(
                    f"{path}: atoms of residue {' '.join(residue.split())} are at alternate places, "
                    f"{first[residue]} and {line[16]}",
                    "keep one of them, for example with pdb_selaltloc of pdb-tools",
                )


def _check_masses(path: Path, numbers: np.ndarray, masses: np.ndarray) -> None:
    """ASE takes the nearest element, helium for heavy hydrogen."""
    from ase.data import atomic_masses

    strange = np.flatnonzero(np.abs(masses - atomic_masses[numbers]) > _MASS_TOLERANCE)
    if len(strange):
        raise DataError(
            f"{path}: the mass {masses[strange[0]]:g} amu of atom {strange[0]} is that of no element",
            "write the structure as extxyz, which names the elements",
        )


def _check_elements(path: Path, format: str) -> None:
    """A LAMMPS file without elements would be read with its atom types as atomic numbers."""
    if format == "lammps-data":
        with path.open(encoding="utf-8", errors="replace") as handle:
            if not any(line.partition("#")[0].split() == ["Masses"] for line in handle):
                raise DataError(
                    f"{path}: has no section Masses, by which the elements of LAMMPS atom types are told",
                    "add it, or write the structure as extxyz",
                )
    if format != "lammps-dump-text":
        return
    with path.open(encoding="utf-8", errors="replace") as handle:
        header = next((line for line in handle if line.startswith("ITEM: ATOMS")), "")
    if "element" not in header.split():
        raise DataError(
            f"{path}: the dump does not name the elements, only LAMMPS atom types",
            "dump with `dump_modify ID element ...` and the column `element`",
        )
