"""Force fields of OpenMM: what is refused; `tests/potentials/test_peers.py` has the energies."""

import sys
from io import StringIO

import pytest

from adiabat.base import MissingDependencyError, UnsupportedError
from adiabat.interfaces import potential_from_openmm
from adiabat.testing import systems


def test_without_openmm_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openmm", None)
    with pytest.raises(MissingDependencyError, match="adiabat\\[openmm\\]"):
        potential_from_openmm(None)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def openmm():
    return pytest.importorskip("openmm")


@pytest.mark.physics
def test_what_has_no_potential_is_refused(openmm):
    import openmm.app as app

    topology = app.PDBFile(StringIO(systems.alanine_dipeptide_pdb())).topology

    def make(**options):
        return app.ForceField("amber14-all.xml").createSystem(topology, **options)

    with pytest.raises(UnsupportedError, match="constraints"):
        potential_from_openmm(make(constraints=app.HBonds))
    with pytest.raises(UnsupportedError, match="cuts its pairs off"):
        potential_from_openmm(make(nonbondedMethod=app.CutoffNonPeriodic))
    system = make()
    system.addForce(openmm.CustomBondForce("r"))
    with pytest.raises(UnsupportedError, match="CustomBondForce"):
        potential_from_openmm(system)
