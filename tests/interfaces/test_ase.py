"""The ASE calculator against ASE's own potential, and in ASE's own programs."""

import ase.build
import jax
import numpy as np
import pytest
from ase import units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.lj import LennardJones as AseLennardJones
from ase.calculators.test import gradient_test
from ase.constraints import FixAtoms
from ase.eos import EquationOfState
from ase.filters import FrechetCellFilter
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from ase.vibrations import Vibrations

from adiabat.base import DataError
from adiabat.interfaces import AdiabatCalculator, calculator
from adiabat.potentials import LennardJones

EPSILON, SIGMA, CUTOFF = 0.0104, 3.4, 8.5


def crystal(repeat=2, lattice=5.3):
    atoms = ase.build.bulk("Ar", "fcc", a=lattice, cubic=True) * (repeat, repeat, repeat)
    atoms.rattle(0.1, seed=1)
    return atoms


def with_ours(atoms, smooth=True):
    atoms.calc = AdiabatCalculator(LennardJones(epsilon=EPSILON, sigma=SIGMA, cutoff=CUTOFF, smooth=smooth))
    return atoms


@pytest.mark.parametrize("first", [True, False])
def test_a_change_of_the_boundaries_is_noticed(first):
    """The list of neighbors of the atoms before does not serve, though they have not moved."""
    atoms = with_ours(crystal())
    atoms.pbc = first
    atoms.get_potential_energy()
    atoms.pbc = not first
    fresh = with_ours(atoms.copy())
    assert atoms.get_potential_energy() == pytest.approx(fresh.get_potential_energy(), abs=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), fresh.get_forces(), atol=1e-12)


@pytest.mark.parametrize("cell", ["large", "skewed", "molecule"])
def test_parity_with_ase(cell):
    """Forces and stress to 1e-12; ASE shifts the energy of each pair to zero at the cut-off."""
    atoms = crystal()
    if cell == "skewed":
        atoms = crystal(1)
        atoms.set_cell(atoms.cell @ [[1, 0, 0], [0.3, 1, 0], [0.1, -0.2, 1]], scale_atoms=True)
    if cell == "molecule":
        atoms.pbc = False
    theirs = atoms.copy()
    theirs.calc = AseLennardJones(epsilon=EPSILON, sigma=SIGMA, rc=CUTOFF, smooth=False)
    ours = with_ours(atoms, smooth=False)
    np.testing.assert_allclose(ours.get_forces(), theirs.get_forces(), atol=1e-12)
    if cell != "molecule":
        np.testing.assert_allclose(ours.get_stress(), theirs.get_stress(), atol=1e-12)
    from ase.neighborlist import neighbor_list

    pairs = len(neighbor_list("i", atoms, CUTOFF)) / 2
    shift = 4 * EPSILON * ((SIGMA / CUTOFF) ** 12 - (SIGMA / CUTOFF) ** 6)
    assert ours.get_potential_energy() == pytest.approx(
        theirs.get_potential_energy() + pairs * shift, abs=1e-12
    )
    energies = ours.get_potential_energies()
    assert energies.shape == (len(atoms),)
    assert energies.sum() == pytest.approx(ours.get_potential_energy(), abs=1e-12)
    assert ours.get_potential_energy(force_consistent=True) == ours.get_potential_energy()


def test_forces_pass_ase_gradient_test():
    numeric, analytic = gradient_test(with_ours(crystal(1)))[:2]
    np.testing.assert_allclose(analytic, numeric, atol=1e-7)


def test_double_precision_without_asking_for_it():
    """Energies keep their digits whatever JAX is set to."""
    expected = with_ours(crystal()).get_potential_energy()
    with jax.enable_x64(False):
        assert with_ours(crystal()).get_potential_energy() == pytest.approx(expected, abs=1e-12)


def test_list_is_kept_and_renewed():
    atoms = with_ours(crystal())
    atoms.get_forces()
    assert atoms.calc.verlet_list.builds == 1
    atoms.positions[0] += 0.05
    atoms.get_forces()
    assert atoms.calc.verlet_list.builds == 1
    for change in (lambda: atoms.translate([1, 0, 0]), lambda: atoms.set_cell(atoms.cell * 1.01)):
        before = atoms.calc.verlet_list.builds
        change()
        fresh = with_ours(atoms.copy())
        np.testing.assert_allclose(atoms.get_forces(), fresh.get_forces(), atol=1e-13)
        assert atoms.calc.verlet_list.builds == before + 1


def test_other_atoms_with_the_same_calculator():
    potential = LennardJones()
    shared = calculator(potential)
    for atoms in (crystal(), crystal(1), ase.Atoms("Ar2", [[0, 0, 0], [0, 0, 3.7]])):
        atoms.calc = shared
        alone = atoms.copy()
        alone.calc = calculator(potential)
        assert atoms.get_potential_energy() == alone.get_potential_energy()


def test_relaxation_of_atoms_and_cell():
    """The lattice constant of this potential's crystal, from any start."""
    atoms = with_ours(crystal(1, lattice=5.6))
    assert BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4, steps=300)
    assert np.abs(atoms.get_stress()).max() < 1e-5
    reference = with_ours(ase.build.bulk("Ar", "fcc", a=5.3, cubic=True))
    volumes, energies = [], []
    for scale in np.linspace(0.97, 1.03, 7):
        strained = reference.copy()
        strained.calc = reference.calc
        strained.set_cell(reference.cell * scale, scale_atoms=True)
        volumes.append(strained.get_volume())
        energies.append(strained.get_potential_energy())
    volume, _, modulus = EquationOfState(volumes, energies, eos="birchmurnaghan").fit()
    assert atoms.get_volume() == pytest.approx(volume, rel=2e-3)
    assert 1.5 < modulus / units.GPa < 4.5


def test_constraints_hold():
    atoms = with_ours(crystal(1))
    atoms.set_constraint(FixAtoms([0, 2]))
    before = atoms.positions.copy()
    BFGS(atoms, logfile=None).run(fmax=1e-3, steps=100)
    assert np.array_equal(atoms.positions[[0, 2]], before[[0, 2]])
    assert not np.array_equal(atoms.positions, before)


def test_ase_dynamics_conserves_energy():
    atoms = with_ours(crystal())
    atoms.set_momenta(np.random.default_rng(0).normal(size=(len(atoms), 3)) * 0.3)
    start = atoms.get_total_energy()
    VelocityVerlet(atoms, timestep=2 * units.fs).run(200)
    assert atoms.get_total_energy() == pytest.approx(start, abs=2e-4)


def test_vibration_of_the_dimer(tmp_path):
    """The harmonic wave number of the well, k = 72 epsilon / (2^(1/3) sigma^2)."""
    potential = LennardJones(epsilon=EPSILON, sigma=SIGMA, cutoff=30.0, smooth=False)
    dimer = ase.Atoms("Ar2", [[0, 0, 0], [0, 0, 2 ** (1 / 6) * SIGMA]])
    dimer.calc = AdiabatCalculator(potential)
    vibrations = Vibrations(dimer, name=str(tmp_path / "vib"), delta=1e-3)
    vibrations.run()
    stiffness = 72 * EPSILON / (2 ** (1 / 3) * SIGMA**2)
    expected = units._hbar * units.J * np.sqrt(2 * stiffness / dimer.get_masses()[0]) * units.s
    assert vibrations.get_energies()[-1].real == pytest.approx(expected, rel=1e-3)


def test_what_cannot_be_done():
    molecule = with_ours(ase.Atoms("Ar2", [[0, 0, 0], [0, 0, 3.7]]))
    molecule.get_forces()
    with pytest.raises(PropertyNotImplementedError):
        molecule.get_stress()
    broken = with_ours(ase.Atoms("Ar2", [[0, 0, 0], [0, 0, np.nan]]))
    with pytest.raises(DataError, match="not finite"):
        broken.get_forces()
    double = with_ours(ase.Atoms("Ar2", [[0, 0, 0], [0, 0, 0]]))
    with pytest.raises(DataError, match="same place"):
        double.get_forces()
