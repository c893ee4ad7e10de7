"""Structure files of other programs, through ASE: what is read, and what is refused."""

import re
import time
import warnings

import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from hypothesis import given, settings
from hypothesis import strategies as st

from adiabat.base import AdiabatError
from adiabat.data import read_samples, write_samples
from adiabat.io import read_frames, read_systems

SALT, ETHANOL = bulk("NaCl", "rocksalt", a=5.64, cubic=True), molecule("CH3CH2OH", vacuum=4)
FORMATS = {
    "salt.cif": "cif",
    "POSCAR": "vasp",
    "XDATCAR": "vasp-xdatcar",
    "ethanol.pdb": "proteindatabank",
    "salt.traj": "traj",
    "salt.xsf": "xsf",
    "ethanol.gro": "gromacs",
    "salt.data": "lammps-data",
    "salt.gen": "gen",
    "geometry.in": "aims",
    "coord": "turbomole",
    "salt.res": "res",
    "salt.cell": "castep-cell",
    "ethanol.gjf": "gaussian-in",
    "ethanol.nwi": "nwchem-in",
    "salt.magres": "magres",
}
MOLFILE = """
  hand-made

  2  1  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 O   0  0
    0.0000    0.0000    0.9700 H   0  0
  1  2  1  0
M  CHG  1   1  -1
M  END
$$$$
"""


def atoms_of(name):
    return ETHANOL if name.startswith(("ethanol", "coord")) else SALT


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("structures")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, format in FORMATS.items():
            extra = {"masses": True} if format == "lammps-data" else {}
            ase.io.write(folder / name, atoms_of(name), format=format, **extra)
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_formats_ase_reads(folder, name):
    (system,) = read_systems(folder / name)
    atoms = atoms_of(name)
    order, theirs = np.lexsort(system.positions.T), np.lexsort(atoms.positions.T)
    assert sorted(system.numbers) == sorted(atoms.numbers)
    distances = np.linalg.norm(system.positions[:, None] - system.positions[None], axis=2)
    if not name.endswith(".cell"):  # its fractions carry six digits
        np.testing.assert_allclose(
            np.sort(distances.ravel()), np.sort(atoms.get_all_distances().ravel()), atol=0.02
        )
    assert len(order) == len(theirs)


def test_labels_of_a_calculator_come_through_a_traj(tmp_path):
    images = []
    for seed in range(3):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        atoms.get_stress()
        images.append(atoms)
    ase.io.write(tmp_path / "cu.traj", images)
    samples = read_samples(tmp_path / "cu.traj", require=("energy", "forces", "stress"))
    for sample, atoms in zip(samples, images, strict=True):
        assert sample.energy == pytest.approx(atoms.get_potential_energy(), rel=1e-14)
        np.testing.assert_allclose(sample.forces, atoms.get_forces(), atol=1e-14)
        np.testing.assert_allclose(sample.stress, atoms.get_stress(voigt=False), atol=1e-14)


def test_a_cif_can_be_written_as_extxyz(folder, tmp_path):
    (sample,) = read_samples(folder / "salt.cif", require=())
    write_samples(tmp_path / "salt.xyz", [sample])
    assert read_systems(tmp_path / "salt.xyz")[0].is_periodic


def test_a_disordered_crystal_is_refused(tmp_path):
    """Half copper, half gold was read as gold."""
    text = """data_alloy
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P 1'
loop_
_space_group_symop_operation_xyz
'x, y, z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0.5 0.5 0.5 1.0
"""
    path = tmp_path / "alloy.cif"
    path.write_text(text)
    assert read_systems(path)[0].numbers.tolist() == [29]
    path.write_text(f"{text}Cu2 Cu 0 0 0 0.5\nAu2 Au 0 0 0 0.5\n")
    with pytest.raises(AdiabatError, match=r"occupied in part \(Cu 0.5, Au 0.5\)"):
        read_systems(path)


def test_alternate_places_are_refused(tmp_path):
    atom = "HETATM{:5d}  {:3s}{}HOH A   1    {:8.3f}{:8.3f}{:8.3f}  0.50  0.00           {}  \n"
    rows = [("O", "A", 0.0, 0.0), ("O", "B", 0.0, 0.1), ("H1", " ", 0.96, 0.0), ("H2", " ", -0.24, 0.93)]
    lines = [atom.format(k, name, place, x, y, 0.0, name[0]) for k, (name, place, x, y) in enumerate(rows, 1)]
    path = tmp_path / "water.pdb"
    path.write_text("".join(lines))
    with pytest.raises(AdiabatError, match="HOH A 1 are at alternate places, A and B"):
        read_systems(path)
    path.write_text("".join([lines[0], *lines[2:]]))
    assert read_systems(path)[0].n_atoms == 3


def test_all_molecules_of_an_sdf_with_their_charges(tmp_path):
    (tmp_path / "two.sdf").write_text(MOLFILE * 2)
    systems = read_systems(tmp_path / "two.sdf")
    assert [(s.n_atoms, s.charge) for s in systems] == [(2, -1), (2, -1)]


def test_lammps_data_needs_the_masses_of_elements(tmp_path):
    """Without them sodium chloride was read as hydrogen and helium, and heavy hydrogen as helium."""
    ase.io.write(tmp_path / "no.data", SALT, format="lammps-data")
    with pytest.raises(AdiabatError, match="no section Masses"):
        read_systems(tmp_path / "no.data")
    heavy = ETHANOL.copy()
    heavy.set_masses(np.where(heavy.numbers == 1, 3.024, heavy.get_masses()))
    ase.io.write(tmp_path / "heavy.data", heavy, format="lammps-data", masses=True)
    with pytest.raises(AdiabatError, match=r"the mass 3.024 amu of atom \d is that of no element"):
        read_systems(tmp_path / "heavy.data")


def test_lammps_dump_needs_elements(tmp_path):
    head = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 5\n0 5\n0 5\n"
    (tmp_path / "a.dump").write_text(f"{head}ITEM: ATOMS id type x y z\n1 1 0 0 0\n")
    with pytest.raises(AdiabatError, match="does not name the elements"):
        read_systems(tmp_path / "a.dump")
    (tmp_path / "a.dump").write_text(f"{head}ITEM: ATOMS id element x y z\n1 Cu 0 0 0\n")
    assert read_systems(tmp_path / "a.dump")[0].numbers.tolist() == [29]


@pytest.mark.parametrize(
    "name",
    [
        "postgresql://user@host/db",
        "https://example.org/a.xyz",
        "missing.xyz",
        "-",
        "a\0b.xyz",
        "mysql://x",
        "x" * 5000,
    ],
)
def test_what_is_not_a_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AdiabatError):
        read_systems(name)


@pytest.mark.parametrize(
    "name", ["a.db", "a.json", "a.py", "a.gpw", "a.xyz.gz", "a.nc", "a.aselmdb", "a.unknown", "postgresql.db"]
)
def test_refused_formats(tmp_path, name):
    (tmp_path / name).write_bytes(b"import os\nos.abort()\n" * 20)
    with pytest.raises(AdiabatError, match=name.replace(".", r"\.")):
        read_systems(tmp_path / name)


def test_names_that_look_like_something_else_are_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("postgres.xyz", "a@1.xyz", "b*.xyz"):
        (tmp_path / name).write_text("1\n\nHe 0 0 0\n")
        assert read_frames(name)[0].system.n_atoms == 1


def test_billion_atoms_announced(folder, tmp_path):
    for name in FORMATS:
        text = (folder / name).read_bytes()
        for count in (b"9", b"8", b"4", b"1"):
            big = re.sub(rb"(?<![\d.])" + count + rb"(?![\d.])", b"1000000000", text)
            if big != text:
                (tmp_path / name).write_bytes(big)
                start = time.perf_counter()
                attempt(tmp_path / name)
                assert time.perf_counter() - start < 2, name


def attempt(path):
    try:
        read_systems(path)
    except AdiabatError as error:
        return str(error)
    return path.name


@settings(max_examples=200)
@given(data=st.data())
def test_mutated_files_raise_only_our_errors(folder, tmp_path_factory, data):
    name = data.draw(st.sampled_from(sorted(FORMATS)))
    content = bytearray((folder / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        position = data.draw(st.integers(0, len(content) - 1))
        stop = position + data.draw(st.integers(0, 6))
        content[position:stop] = data.draw(
            st.binary(max_size=5) | st.sampled_from([b"nan", b'"', b"\n", b"1e999", b"9" * 9, b"-", b"\0"])
        )
    path = tmp_path_factory.getbasetemp() / "mutated" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    assert name in attempt(path)
