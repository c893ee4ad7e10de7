"""adiabat: learn the forces between atoms from quantum mechanics and run molecular dynamics with them.

The public names below are loaded on first use, so that `import adiabat` stays fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what editors and type checkers see
    from adiabat.base import AdiabatError as AdiabatError
    from adiabat.base import ConfigError as ConfigError
    from adiabat.base import ConvergenceError as ConvergenceError
    from adiabat.base import DataError as DataError
    from adiabat.base import MissingDependencyError as MissingDependencyError
    from adiabat.base import SimulationError as SimulationError
    from adiabat.base import UnsupportedError as UnsupportedError
    from adiabat.system import System as System

__version__ = "0.1.0"

_PUBLIC: dict[str, str] = {
    "System": "adiabat.system:System",
    "read": "adiabat.data:read_samples",
    "load": "adiabat.tasks.load:load",
    "sample": "adiabat.tasks.sample:sample",
    "label": "adiabat.tasks.label:label",
    "learn": "adiabat.tasks.learn:learn",
    "train": "adiabat.tasks.train:train",
    "distill": "adiabat.tasks.distill:distill",
    "evaluate": "adiabat.tasks.evaluate:evaluate",
    "predict": "adiabat.tasks.predict:predict",
    "relax": "adiabat.tasks.relax:relax",
    "simulate_replicas": "adiabat.tasks.replicas:simulate_replicas",
    "at_temperature": "adiabat.dynamics:at_temperature",
    "simulate": "adiabat.tasks.simulate:simulate",
    "Langevin": "adiabat.dynamics:Langevin",
    "Constraints": "adiabat.dynamics:Constraints",
    "MultipleTimeSteps": "adiabat.dynamics:MultipleTimeSteps",
    "NoseHoover": "adiabat.dynamics:NoseHoover",
    "PathIntegral": "adiabat.dynamics:PathIntegral",
    "VelocityRescaling": "adiabat.dynamics:VelocityRescaling",
    "VelocityVerlet": "adiabat.dynamics:VelocityVerlet",
    "CellRescaling": "adiabat.dynamics:CellRescaling",
    "MonteCarloBarostat": "adiabat.dynamics:MonteCarloBarostat",
    "AdiabatError": "adiabat.base:AdiabatError",
    "ConfigError": "adiabat.base:ConfigError",
    "ConvergenceError": "adiabat.base:ConvergenceError",
    "DataError": "adiabat.base:DataError",
    "MissingDependencyError": "adiabat.base:MissingDependencyError",
    "SimulationError": "adiabat.base:SimulationError",
    "UnsupportedError": "adiabat.base:UnsupportedError",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'adiabat' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
