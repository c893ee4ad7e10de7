"""The classical potentials against LAMMPS and OpenMM, where those have the same formula: cells are skewed.

`IN_LAMMPS` and `IN_OPENMM` name what is compared and hold a function that gives the relative errors.
"""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import ase.build
import ase.data
import numpy as np

from adiabat.base.units import COULOMB, KJ_PER_MOL
from adiabat.interfaces import potential_from_openmm
from adiabat.potentials import (
    PME,
    AbstractPotential,
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
from adiabat.system import System
from adiabat.testing import systems
from adiabat.testing.peers import Errors, errors, lammps_forces, lammps_module, openmm_forces

_KINDS = {18: (0.0104, 3.40), 36: (0.0141, 3.65), 54: (0.0190, 3.98)}
_UNLIKE = {(54, 18): (0.02, 3.5)}
_CHARGES = np.array([1.0, -1.0, 0.5, -0.5, 0.7, -0.7])
# LAMMPS' unit of charge has seven digits.
_LAMMPS_COULOMB = 14.399645
_BRANCH = [[0.1, 0.9, 1.1], [0.0, 0.0, 0.2], [1.5, 0.1, 0.0], [2.1, 1.3, -0.3], [2.3, -0.7, 0.4]]
_BONDS = np.array([[0, 1], [1, 2], [2, 3], [2, 4]])
_ANGLES = np.array([[0, 1, 2], [1, 2, 3]])
_TORSIONS = np.array([[0, 1, 2, 3], [0, 1, 2, 4]])
_IMPROPERS = np.array([[2, 1, 3, 4]])
_LENGTH, _ANGLE, _PHASE = 1.2, np.deg2rad(110.0), np.deg2rad(30.0)
_SKEWED = [[11.0, 0, 0], [1.5, 12.0, 0], [-2.0, 1.0, 13.0]]


def _gas(numbers: list[int], size: float = 8.0) -> System:
    return systems.random_gas(numbers, size=size, seed=3)


def _branch(cell: list | None) -> System:
    """Five bonded atoms; in a cell, two of them across its faces."""
    if cell is None:
        return System.create([6] * 5, _BRANCH)
    there = np.array(_BRANCH)
    there[3] += cell[1]
    there[4] -= np.array(cell[0]) + cell[2]
    return System.create([6] * 5, there, cell=cell, pbc=True)


def _bonded(impropers: bool) -> SumPotential:
    terms: tuple[AbstractPotential, ...] = (
        HarmonicBonds(atoms=_BONDS, stiffness=20.0, length=_LENGTH),
        HarmonicAngles(atoms=_ANGLES, stiffness=2.0, angle=_ANGLE),
        PeriodicTorsions(atoms=_TORSIONS, barrier=0.3, periodicity=3, phase=_PHASE),
    )
    if impropers:
        terms += (HarmonicImpropers(atoms=_IMPROPERS, stiffness=1.0, angle=0.0),)
    return SumPotential(terms=terms)


def _lennard_jones() -> Errors:
    system = systems.argon(108, displacement=0.1)
    expected = lammps_forces(system, ["pair_style lj/cut 8.5", "pair_coeff 1 1 0.0104 3.40"])
    return errors(LennardJones(smooth=False), system, expected)


def _mixture() -> Errors:
    mixture = LennardJonesMixture(kinds=_KINDS, pairs=_UNLIKE, cutoff=9.0, smooth=False)
    commands = [
        *("pair_style lj/cut 9.0", "pair_modify mix arithmetic"),
        *(f"pair_coeff {k} {k} {e!r} {s!r}" for k, (e, s) in enumerate(_KINDS.values(), start=1)),
        "pair_coeff 1 3 0.02 3.5",
    ]
    system = _gas([18, 36, 54, 18, 36, 54])
    return errors(mixture, system, lammps_forces(system, commands))


def _morse() -> Errors:
    system = systems.copper(2, displacement=0.1)
    commands = ["pair_style morse 6.0", "pair_coeff 1 1 0.3429 1.3588 2.866"]
    return errors(Morse(smooth=False), system, lammps_forces(system, commands))


def _tables() -> Path:
    return Path(lammps_module().__file__).parent / "share/lammps/potentials"


def _stillinger_weber() -> Errors:
    cube = ase.build.bulk("Si", "diamond", a=5.431, cubic=True) * (2, 2, 2)
    cube.positions += np.random.default_rng(0).normal(scale=0.15, size=cube.positions.shape)
    system = System.from_ase(cube)
    commands = ["pair_style sw", f"pair_coeff * * {_tables()}/Si.sw Si"]
    # The file writes a third with twelve digits.
    return errors(StillingerWeber(cosine=-0.333333333333), system, lammps_forces(system, commands))


def _embedded_atom(file: str, symbols: str) -> Errors:
    path, names = _tables() / file, symbols.split()
    crystal = systems.copper(2, displacement=0.15)
    numbers = [ase.data.atomic_numbers[name] for name in names]
    mixed = System.create(np.resize(numbers, crystal.n_atoms), crystal.positions, crystal.cell, True)
    alloy = file.endswith("alloy")
    which = f"* * {path} {symbols}" if alloy else f"1 1 {path}"
    commands = [f"pair_style eam{'/alloy' if alloy else ''}", f"pair_coeff {which}"]
    return errors(EmbeddedAtom.read(path), mixed, lammps_forces(mixed, commands))


def _bonded_in_lammps(cell: list | None) -> Errors:
    kinds = ("bond", "angle", "dihedral", "improper")
    room = " ".join([f"{kind}/types 1 extra/{kind}/per/atom 8" for kind in kinds])
    commands = [
        *("pair_style zero 5.0", "pair_coeff * *"),
        *("bond_style harmonic", "bond_coeff 1 10.0 1.2", "angle_style harmonic", "angle_coeff 1 1.0 110.0"),
        *("dihedral_style fourier", "dihedral_coeff 1 1 0.3 3 30.0"),
        *("improper_style harmonic", "improper_coeff 1 0.5 0.0"),
        *(
            f"create_bonds single/{kind} 1 {' '.join(str(atom + 1) for atom in term)}"
            for kind, terms in zip(kinds, (_BONDS, _ANGLES, _TORSIONS, _IMPROPERS), strict=True)
            for term in terms
        ),
    ]
    system = _branch(cell)
    expected = lammps_forces(system, commands, style="full", more=f"{room} extra/special/per/atom 10")
    return errors(_bonded(True), system, expected)


def _all_pairs() -> Errors:
    charges, ones = np.array([0.3, -0.2, -0.4, 0.1, 0.2]), np.ones((5, 5))
    molecule = systems.random_gas([18] * 5, size=6.0, pbc=False, seed=4)
    products = np.outer(charges, charges) * _LAMMPS_COULOMB / COULOMB
    potential = AllPairs(epsilon=0.0104 * ones, sigma=3.4 * ones, charges=products)
    commands = [
        *("pair_style hybrid/overlay lj/cut 100.0 coul/cut 100.0", "pair_coeff 1 1 lj/cut 0.0104 3.4"),
        *("pair_coeff 1 1 coul/cut", "neighbor 1.0 bin", "comm_modify cutoff 110.0"),
    ]
    expected = lammps_forces(molecule, commands, style="charge", charges=charges.tolist())
    return errors(potential, molecule, expected)


def _ewald_in_lammps() -> Errors:
    """LAMMPS takes a polynomial for the complementary error function, good to 1e-7: screened so strongly that
    neighbors 1.2 Å apart do not see each other, all is in its waves."""
    system = _gas([11] * 6)
    potential = Ewald(
        charges=_CHARGES * np.sqrt(_LAMMPS_COULOMB / COULOMB),
        cell=system.cell,
        cutoff=7.0,
        accuracy=1e-14,
    )
    commands = [
        *("pair_style coul/long 3.0", "pair_coeff * *", "kspace_style ewald 1e-10"),
        "kspace_modify gewald 4.5 kmax/ewald 70 70 70",
    ]
    return errors(
        potential, system, lammps_forces(system, commands, style="charge", charges=_CHARGES.tolist())
    )


def _openmm_system(system: System, *forces: Any) -> Any:
    import openmm  # pyright: ignore[reportMissingImports]

    made_of: Any = openmm
    made = made_of.System()
    for mass in np.asarray(system.masses).tolist():
        made.addParticle(mass)
    if system.is_periodic:
        made.setDefaultPeriodicBoxVectors(*(np.asarray(system.cell) / 10).tolist())
    for force in forces:
        made.addForce(force)
    return made


def _nonbonded(method: str, cutoff: float, particles: list[tuple[float, ...]]) -> Any:
    """A force of pairs within a cut-off [Å]; particles by charge [e], sigma [Å] and epsilon [eV]."""
    import openmm  # pyright: ignore[reportMissingImports]

    made_of: Any = openmm
    force = made_of.NonbondedForce()
    for charge, sigma, epsilon in particles:
        force.addParticle(charge, sigma / 10, epsilon / KJ_PER_MOL)
    force.setNonbondedMethod(getattr(made_of.NonbondedForce, method))
    force.setCutoffDistance(cutoff / 10)
    force.setUseDispersionCorrection(False)
    return force


def _mixture_in_openmm() -> Errors:
    system = _gas([18, 36, 54, 18, 36, 54], size=20.0)
    mixture = LennardJonesMixture(kinds=_KINDS, cutoff=9.0, smooth=False)
    particles = [(0.0, sigma, epsilon) for epsilon, sigma in (_KINDS[z] for z in system.numbers.tolist())]
    force = _nonbonded("CutoffPeriodic", 9.0, particles)
    return errors(mixture, system, openmm_forces(_openmm_system(system, force), system))


def _bonded_in_openmm(cell: list | None) -> Errors:
    import openmm  # pyright: ignore[reportMissingImports]

    made_of: Any = openmm
    system = _branch(cell)
    bonds, angles, torsions = (
        made_of.HarmonicBondForce(),
        made_of.HarmonicAngleForce(),
        made_of.PeriodicTorsionForce(),
    )
    for two in _BONDS.tolist():
        bonds.addBond(*two, _LENGTH / 10, 20.0 / KJ_PER_MOL * 100)
    for three in _ANGLES.tolist():
        angles.addAngle(*three, _ANGLE, 2.0 / KJ_PER_MOL)
    for four in _TORSIONS.tolist():
        torsions.addTorsion(*four, 3, _PHASE, 0.3 / KJ_PER_MOL)
    for force in (bonds, angles, torsions):
        force.setUsesPeriodicBoundaryConditions(cell is not None)
    made = _openmm_system(system, bonds, angles, torsions)
    return errors(_bonded(False), system, openmm_forces(made, system))


def _dipeptide() -> Errors:
    import openmm  # pyright: ignore[reportMissingImports]
    import openmm.app  # pyright: ignore[reportMissingImports]

    molecule: Any = openmm.app.PDBFile(StringIO(systems.alanine_dipeptide_pdb()))
    positions = np.array(molecule.positions.value_in_unit(molecule.positions.unit)) * 10
    positions += np.random.default_rng(0).normal(scale=0.05, size=positions.shape)
    made = openmm.app.ForceField("amber14-all.xml").createSystem(molecule.topology)
    system = System.create([atom.element.atomic_number for atom in molecule.topology.atoms()], positions)
    return errors(potential_from_openmm(made), system, openmm_forces(made, system))


def _coulomb_in_openmm(potential: type[Ewald] | type[PME], accuracy: float, method: str) -> Errors:
    """OpenMM sums waves in rectangular cells only; its mesh takes skewed ones."""
    system = _gas([11] * 6, size=12.0)
    if method == "Ewald":
        box = np.diag(np.diag(np.asarray(system.cell)))
        system = System.create(system.numbers, system.positions, box, True)
    force = _nonbonded(method, 5.5, [(charge, 1.0, 0.0) for charge in _CHARGES.tolist()])
    force.setEwaldErrorTolerance(1e-9)
    if method == "PME":
        force.setPMEParameters(8.5, 128, 128, 128)  # screening [1/nm] and mesh
    ours = potential(charges=_CHARGES, cell=system.cell, cutoff=9.0, accuracy=accuracy)
    return errors(ours, system, openmm_forces(_openmm_system(system, force), system))


IN_LAMMPS: dict[str, Callable[[], Errors]] = {
    "Lennard-Jones": _lennard_jones,
    "Lennard-Jones mixture": _mixture,
    "Morse": _morse,
    "Stillinger-Weber": _stillinger_weber,
    "embedded atom, Cu_u3": lambda: _embedded_atom("Cu_u3.eam", "Cu"),
    "embedded atom, Cu_mishin1": lambda: _embedded_atom("Cu_mishin1.eam.alloy", "Cu"),
    "embedded atom, AlCu": lambda: _embedded_atom("AlCu.eam.alloy", "Al Cu"),
    "embedded atom, NiAlH": lambda: _embedded_atom("NiAlH_jea.eam.alloy", "H Al Ni"),
    "bonds, angles, torsions, impropers": lambda: _bonded_in_lammps(None),
    "bonds, angles, torsions, impropers across a skewed cell": lambda: _bonded_in_lammps(_SKEWED),
    "Lennard-Jones and Coulomb of all pairs": _all_pairs,
    "Ewald in a skewed cell": _ewald_in_lammps,
}
IN_OPENMM: dict[str, Callable[[], Errors]] = {
    "Lennard-Jones mixture": _mixture_in_openmm,
    "bonds, angles, torsions": lambda: _bonded_in_openmm(None),
    "bonds, angles, torsions across a skewed cell": lambda: _bonded_in_openmm(_SKEWED),
    "alanine dipeptide by amber14": _dipeptide,
    "Ewald": lambda: _coulomb_in_openmm(Ewald, 1e-12, "Ewald"),
    "Ewald in a skewed cell, OpenMM's PME": lambda: _coulomb_in_openmm(Ewald, 1e-12, "PME"),
    "PME in a skewed cell": lambda: _coulomb_in_openmm(PME, 1e-6, "PME"),
}
