"""Numbers from trajectories, with error bars: functions of numpy arrays in border units (fs, K, Å, eV).

Pages and figures belong in `adiabat.report`; free energies in a room of their own.
"""

from adiabat.analysis.diffusion import diffusion_coefficient, mean_squared_displacement
from adiabat.analysis.geometry import (
    bond_angles,
    bond_lengths,
    minimum_image,
    torsion_angles,
    whole_molecules,
)
from adiabat.analysis.internal import Distribution, bond_statistics, jensen_shannon
from adiabat.analysis.radial import RadialDistribution, radial_distribution
from adiabat.analysis.statistics import (
    Average,
    autocorrelation,
    block_average,
    bootstrap_rmse,
    equilibrated_average,
    mean_with_error,
    running_mean,
    statistical_inefficiency,
)
from adiabat.analysis.thermodynamics import (
    Drift,
    TemperatureStatistics,
    density,
    energy_drift,
    temperature_statistics,
)
from adiabat.analysis.topology import (
    BOND_SCALE,
    Fragmentation,
    angles_from_bonds,
    bonded_radii,
    common_bonds,
    find_bonds,
    fragmentation,
    molecules,
    torsions_from_bonds,
)

__all__ = [
    "BOND_SCALE",
    "Average",
    "Distribution",
    "Drift",
    "Fragmentation",
    "RadialDistribution",
    "TemperatureStatistics",
    "angles_from_bonds",
    "autocorrelation",
    "block_average",
    "bond_angles",
    "bond_lengths",
    "bond_statistics",
    "bonded_radii",
    "bootstrap_rmse",
    "common_bonds",
    "density",
    "diffusion_coefficient",
    "energy_drift",
    "equilibrated_average",
    "find_bonds",
    "fragmentation",
    "jensen_shannon",
    "mean_squared_displacement",
    "mean_with_error",
    "minimum_image",
    "molecules",
    "radial_distribution",
    "running_mean",
    "statistical_inefficiency",
    "temperature_statistics",
    "torsion_angles",
    "torsions_from_bonds",
    "whole_molecules",
]
