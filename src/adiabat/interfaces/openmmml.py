"""What OpenMM-ML (doi 10.1021/acs.jpcb.3c06662) finds under the name `adiabat`, by an entry point.

OpenMM-ML imports this module before it has all of its own, so this one does without it: all else is imported
when it is asked for.
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adiabat.interfaces.openmmml_implementation import AdiabatImplementation
    from adiabat.potentials import AbstractPotential


class AdiabatFactory:
    """Makes what `openmmml.MLPotential("adiabat", model=...)` stands for."""

    def createImpl(  # noqa: N802 (OpenMM's name)
        self, name: str, model: "AbstractPotential | str | os.PathLike | None" = None, **args: Any
    ) -> "AdiabatImplementation":
        """With a potential, a model file, a run folder or a potential file; with the general model if nothing
        is given."""
        from adiabat.interfaces.openmmml_implementation import AdiabatImplementation

        return AdiabatImplementation("general" if model is None else model)
