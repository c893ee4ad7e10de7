"""What knows nothing of atoms: units, errors, registry, schema, config, runs, archives. Imports no JAX."""

from adiabat.base.errors import (
    AdiabatError,
    ConfigError,
    ConvergenceError,
    DataError,
    MissingDependencyError,
    SimulationError,
    UnsupportedError,
    did_you_mean,
)

__all__ = [
    "AdiabatError",
    "ConfigError",
    "ConvergenceError",
    "DataError",
    "MissingDependencyError",
    "SimulationError",
    "UnsupportedError",
    "did_you_mean",
]
