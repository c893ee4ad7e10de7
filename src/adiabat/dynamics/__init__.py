"""How structures move: integrators, minimizers, the simulation loop.

Energies and forces belong in `adiabat.potentials`; what is learned from a trajectory, in `adiabat.analysis`.
"""

from adiabat.base.registry import Registry
from adiabat.dynamics.barostat import AbstractBarostat, CellRescaling, ConstantPressure, MonteCarloBarostat
from adiabat.dynamics.constraints import Constraints
from adiabat.dynamics.evaluate import evaluate
from adiabat.dynamics.exchange import ReplicaExchange, at_temperature
from adiabat.dynamics.guard import Guard, Verdict
from adiabat.dynamics.hydrogens import Constrained, constrain, with_heavy_hydrogen
from adiabat.dynamics.integrator import AbstractIntegrator
from adiabat.dynamics.langevin import Langevin
from adiabat.dynamics.minimize import Minimum, minimize
from adiabat.dynamics.multiple_time_steps import MultipleTimeSteps
from adiabat.dynamics.nose_hoover import NoseHoover
from adiabat.dynamics.path_integral import PathIntegral
from adiabat.dynamics.replicas import run_replicas
from adiabat.dynamics.ring_polymer import run_path_integral
from adiabat.dynamics.simulation import TRAJECTORY_FILE, DynamicsResult, run_dynamics
from adiabat.dynamics.solute_tempering import SoluteTempering
from adiabat.dynamics.state import Info, State
from adiabat.dynamics.velocity_rescaling import VelocityRescaling
from adiabat.dynamics.verlet import VelocityVerlet
from adiabat.dynamics.verlet_list import DEFAULT_SKIN, VerletList

integrators = Registry(
    "integrator",
    {
        "langevin": "adiabat.dynamics.langevin:Langevin",
        "nose_hoover": "adiabat.dynamics.nose_hoover:NoseHoover",
        "path_integral": "adiabat.dynamics.path_integral:PathIntegral",
        "velocity_rescaling": "adiabat.dynamics.velocity_rescaling:VelocityRescaling",
        "velocity_verlet": "adiabat.dynamics.verlet:VelocityVerlet",
    },
    group="adiabat.integrators",
)
barostats = Registry(
    "barostat",
    {
        "cell_rescaling": "adiabat.dynamics.barostat:CellRescaling",
        "monte_carlo": "adiabat.dynamics.barostat:MonteCarloBarostat",
        "none": "adiabat.dynamics.barostat:fixed_cell",
    },
    group="adiabat.barostats",
)

__all__ = [
    "DEFAULT_SKIN",
    "TRAJECTORY_FILE",
    "AbstractBarostat",
    "AbstractIntegrator",
    "CellRescaling",
    "ConstantPressure",
    "Constrained",
    "Constraints",
    "DynamicsResult",
    "Guard",
    "Info",
    "Langevin",
    "Minimum",
    "MonteCarloBarostat",
    "MultipleTimeSteps",
    "NoseHoover",
    "PathIntegral",
    "ReplicaExchange",
    "SoluteTempering",
    "State",
    "VelocityRescaling",
    "VelocityVerlet",
    "Verdict",
    "VerletList",
    "at_temperature",
    "barostats",
    "constrain",
    "evaluate",
    "integrators",
    "minimize",
    "run_dynamics",
    "run_path_integral",
    "run_replicas",
    "with_heavy_hydrogen",
]
