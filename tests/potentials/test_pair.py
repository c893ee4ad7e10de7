"""Pair potentials: conformance, and answers known in closed form."""

import equinox as eqx
import numpy as np
import pytest

from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.dynamics import evaluate
from adiabat.potentials import LennardJones, LennardJonesMixture, Morse
from adiabat.system import System, neighbor_list
from adiabat.testing import PotentialChecks, lennard_jones, systems

KINDS = {18: (0.0104, 3.40), 36: (0.0141, 3.65)}


@pytest.mark.device
class TestMixture(PotentialChecks):
    def potential(self):
        return LennardJonesMixture(kinds=KINDS, pairs={(36, 18): (0.02, 3.3)}, cutoff=6.0)

    def structures(self):
        return [systems.random_gas([18, 36, 18, 18, 36], size=8.0, pbc=pbc, seed=2) for pbc in (True, False)]


@pytest.mark.device
class TestMorse(PotentialChecks):
    def potential(self):
        return Morse()

    def structures(self):
        return [systems.copper(1, displacement=0.1), systems.random_gas([29] * 4, pbc=False, seed=2)]


def dimer(numbers, distance: float) -> System:
    return System.create(numbers, [[0, 0, 0], [0, 0, distance]])


def energy(potential, system) -> float:
    return float(eqx.filter_jit(potential.energy)(system, neighbor_list(system, potential.cutoff)))


def test_lorentz_and_berthelot():
    mixture = LennardJonesMixture(kinds=KINDS, smooth=False)
    epsilon, sigma = (0.0104 * 0.0141) ** 0.5, 0.5 * (3.40 + 3.65)
    assert energy(mixture, dimer([18, 36], 2 ** (1 / 6) * sigma)) == pytest.approx(-epsilon, rel=1e-14)
    assert energy(mixture, dimer([18, 36], sigma)) == pytest.approx(0.0, abs=1e-15)
    explicit = LennardJonesMixture(kinds=KINDS, pairs={(36, 18): (0.5, 3.0)}, smooth=False)
    assert energy(explicit, dimer([18, 36], 2 ** (1 / 6) * 3.0)) == pytest.approx(-0.5, rel=1e-14)


def test_what_lammps_gave():
    """Energies of LAMMPS (22 Jul 2025, update 4; `adiabat.testing.comparisons` has the commands)."""
    mixture = LennardJonesMixture(kinds=KINDS, pairs={(36, 18): (0.02, 3.3)}, cutoff=6.0, smooth=False)
    gas = systems.random_gas([18, 36, 18, 18, 36], size=8.0, seed=2)
    assert energy(mixture, gas) == pytest.approx(1850.9614109370657, rel=1e-12)
    copper = systems.copper(1, displacement=0.1)
    assert energy(Morse(smooth=False), copper) == pytest.approx(-13.1167646155665, rel=1e-12)
    argon = systems.argon(108, displacement=0.1)
    assert energy(LennardJones(smooth=False), argon) == pytest.approx(-7.221108770176855, rel=1e-12)


@pytest.mark.device
@pytest.mark.parametrize("cutoff", lennard_jones.CONFIGURATION)
def test_the_configuration_of_nist(cutoff):
    """To the five digits that NIST gives."""
    found, expected = lennard_jones.configuration(cutoff), lennard_jones.CONFIGURATION[cutoff]
    assert found == pytest.approx(expected, rel=4e-5)


@pytest.mark.physics
@pytest.mark.parametrize("lattice", lennard_jones.LATTICES)
def test_the_sums_over_crystals(lattice):
    sixth, twelfth = lennard_jones.LATTICES[lattice]
    assert lennard_jones.lattice_energy(lattice) == pytest.approx(twelfth / 2 - sixth, rel=5e-5)


@pytest.mark.physics
@pytest.mark.parametrize("density", lennard_jones.LIQUID)
def test_the_liquid_of_nist(density):
    """Energy and pressure are those of NIST's simulations within three errors of both."""
    energy, its_error, pressure, error = lennard_jones.LIQUID[density]
    found = lennard_jones.liquid(density)
    print(found)
    assert abs(found.energy.mean - energy) < 3 * np.hypot(found.energy.error, its_error)
    assert abs(found.pressure.mean - pressure) < 3 * np.hypot(found.pressure.error, error)
    assert found.energy.error < 0.006
    assert found.pressure.error < 0.04


def test_a_mixture_of_one_kind_is_lennard_jones():
    system = systems.argon(32, displacement=0.1)
    near = neighbor_list(system, 6.0)
    mixture = evaluate(LennardJonesMixture(kinds={18: (0.0104, 3.40)}, cutoff=6.0), system, near)
    single = evaluate(LennardJones(cutoff=6.0), system, near)
    np.testing.assert_allclose(mixture.forces, single.forces, atol=1e-15)


def test_the_well_of_morse():
    assert energy(Morse(smooth=False), dimer([29, 29], 2.866)) == pytest.approx(-0.3429, rel=1e-14)


def test_the_defaults_are_of_one_element():
    """Argon's well is not taken for krypton, nor copper's for nickel; with parameters of their own,
    Bernardes's and those of Girifalco and Weizer, a pair is as deep as they say."""
    krypton, nickel = dimer([36, 36], 4.5), dimer([28, 28], 2.78)
    for default, system, message in (
        (
            LennardJones(cutoff=6.0),
            krypton,
            r"(?s)of Ar only; the structure also has Kr.*give epsilon and sigma",
        ),
        (
            Morse(smooth=False),
            nickel,
            r"(?s)of Cu only; the structure also has Ni.*give depth, steepness and",
        ),
    ):
        with pytest.raises(UnsupportedError, match=message):
            default.check(system)
        with pytest.raises(UnsupportedError, match=message):
            default.calculator().calculate(system.to_ase())
    LennardJones().check(systems.argon_cluster(2))
    Morse().check(systems.copper(1))
    for half, system, message in (
        (LennardJones(epsilon=0.0140), krypton, "has the sigma of Ar only.*give sigma for Kr"),
        (LennardJones(sigma=3.65), krypton, "has the epsilon of Ar only.*give epsilon for Kr"),
        (Morse(depth=0.4205), nickel, "has the steepness and distance of Cu only.*give steepness and"),
    ):
        with pytest.raises(UnsupportedError, match="(?s)" + message):
            half.check(system)
    # Carbon is as wide as argon: what is given is not by default.
    LennardJones(epsilon=0.0024, sigma=3.40).check(dimer([6, 6], 3.4))
    LennardJones(sigma=3.0).check(systems.argon_cluster(2))
    own = (
        LennardJones(epsilon=0.0140, sigma=3.65, smooth=False),
        Morse(depth=0.4205, steepness=1.4199, distance=2.78, smooth=False),
    )
    own[0].check(krypton)
    own[1].check(nickel)
    assert energy(own[0], dimer([36, 36], 3.65 * 2 ** (1 / 6))) == pytest.approx(-0.0140, rel=1e-12)
    assert energy(own[1], nickel) == pytest.approx(-0.4205, rel=1e-12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match="none of the kinds"):
        LennardJonesMixture(kinds=KINDS, pairs={(18, 54): (0.1, 3.0)})
    with pytest.raises(DataError, match="positive sigma"):
        LennardJonesMixture(kinds={18: (0.1, 0.0)})
    # Two kinds of negative depths made wells of pairs: the root of their product is positive.
    for kinds, pairs in (({18: (-0.1, 3.4)}, {}), (KINDS, {(18, 36): (-0.1, 3.4)})):
        with pytest.raises(DataError, match=r"epsilon that is not negative.* Ar.* has -0.1 eV"):
            LennardJonesMixture(kinds=kinds, pairs=pairs)
    with pytest.raises(DataError, match="one kind"):
        LennardJonesMixture(kinds={})
    for kind, wrong in (
        (LennardJones, {"epsilon": -0.01}),
        (LennardJones, {"sigma": 0.0}),
        (Morse, {"depth": -0.3}),
        (Morse, {"steepness": 0.0}),
        (Morse, {"distance": -2.8}),
        (LennardJonesMixture, {"kinds": KINDS, "cutoff": -1.0}),
    ):
        with pytest.raises(ConfigError, match=f"^{list(wrong)[-1]} "):
            kind(**wrong)
    with pytest.raises(UnsupportedError, match="the structure also has Cu"):
        LennardJonesMixture(kinds=KINDS).check(systems.copper(1))
