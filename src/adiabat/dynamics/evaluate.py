"""One call of a potential, compiled once for each shape and shared by all who need a single prediction."""

import equinox as eqx

from adiabat.potentials import AbstractPotential, Prediction
from adiabat.system import Batch, Neighbors, System


@eqx.filter_jit
def evaluate(
    potential: AbstractPotential, system: System | Batch, neighbors: Neighbors, stress: bool | None = None
) -> Prediction:
    """Energy, forces, atom energies, and the stress of a system periodic along all three directions; of a
    batch where it is asked for."""
    return potential(system, neighbors, stress)
