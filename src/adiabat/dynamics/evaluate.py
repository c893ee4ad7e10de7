"""One call of a potential, compiled once for each shape and shared by all who need a single prediction."""

import equinox as eqx

from adiabat.potentials import AbstractPotential, Prediction
from adiabat.system import Batch, Neighbors, System


@eqx.filter_jit
def evaluate(potential: AbstractPotential, system: System | Batch, neighbors: Neighbors) -> Prediction:
    """Energy, forces, atom energies, and the stress of one system periodic along all three directions."""
    return potential(system, neighbors)
