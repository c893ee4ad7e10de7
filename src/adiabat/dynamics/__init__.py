"""How structures move: integrators, minimizers, the simulation loop.

Energies and forces belong in `adiabat.potentials`; what is learned from a trajectory, in `adiabat.analysis`.
"""

from adiabat.base.registry import Registry
from adiabat.dynamics.evaluate import evaluate
from adiabat.dynamics.guard import Guard, Verdict
from adiabat.dynamics.integrator import AbstractIntegrator
from adiabat.dynamics.langevin import Langevin
from adiabat.dynamics.minimize import Minimum, minimize
from adiabat.dynamics.simulation import TRAJECTORY_FILE, DynamicsResult, run_dynamics
from adiabat.dynamics.state import Info, State
from adiabat.dynamics.verlet import VelocityVerlet
from adiabat.dynamics.verlet_list import DEFAULT_SKIN, VerletList

integrators = Registry(
    "integrator",
    {
        "langevin": "adiabat.dynamics.langevin:Langevin",
        "velocity_verlet": "adiabat.dynamics.verlet:VelocityVerlet",
    },
    group="adiabat.integrators",
)

__all__ = [
    "DEFAULT_SKIN",
    "TRAJECTORY_FILE",
    "AbstractIntegrator",
    "DynamicsResult",
    "Guard",
    "Info",
    "Langevin",
    "Minimum",
    "State",
    "VelocityVerlet",
    "Verdict",
    "VerletList",
    "evaluate",
    "integrators",
    "minimize",
    "run_dynamics",
]
