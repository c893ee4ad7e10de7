"""How OpenMM-ML adds the force of a model to a system."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from openmmml.mlpotential import MLPotentialImpl  # pyright: ignore[reportMissingImports]

import adiabat

if TYPE_CHECKING:
    import openmm  # pyright: ignore[reportMissingImports]
    import openmm.app  # pyright: ignore[reportMissingImports]

    from adiabat.potentials import AbstractPotential


class AdiabatImplementation(MLPotentialImpl):
    """Adds the force of a model to systems, also to parts of them in a mixed system.

    `createSystem` and `createMixedSystem` take the `charge` of the model's atoms.
    """

    def __init__(self, model: "AbstractPotential | str | os.PathLike"):
        self.model = model

    def addForces(  # noqa: N802 (OpenMM's name)
        self,
        topology: "openmm.app.Topology",
        system: "openmm.System",  # pyright: ignore[reportAttributeAccessIssue]
        atoms: Iterable[int] | None,
        forceGroup: int,
        charge: int = 0,
        **args: Any,
    ) -> None:
        from adiabat.interfaces.openmm_force import openmm_force

        force = openmm_force(self._potential(), topology, None if atoms is None else list(atoms), charge)
        force.setForceGroup(forceGroup)
        system.addForce(force)

    def getMLLongRange(self) -> bool:  # noqa: N802 (OpenMM's name)
        """Whether energies depend on atoms, and so on images of the part, however far."""
        return self._potential().layers is None

    def _potential(self) -> "AbstractPotential":
        from adiabat.potentials import AbstractPotential

        # As any user of the package: whatever names a model has one reader, which lies above this layer.
        return self.model if isinstance(self.model, AbstractPotential) else adiabat.load(self.model)
