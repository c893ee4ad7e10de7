"""Conformance kits and small ready structures, for our tests and for those of plug-ins.

A test subclasses a kit and says what it tests:

    class TestMyPotential(PotentialChecks):
        def potential(self):
            return MyPotential(cutoff=5.0)
"""

from adiabat.testing import systems
from adiabat.testing.integrators import IntegratorChecks
from adiabat.testing.potentials import NumberedPotentialChecks, PotentialChecks
from adiabat.testing.springs import EinsteinCrystal

__all__ = ["EinsteinCrystal", "IntegratorChecks", "NumberedPotentialChecks", "PotentialChecks", "systems"]
