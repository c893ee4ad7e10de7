"""Numbers from trajectories, with error bars: functions of numpy arrays in border units (fs, K, Å, eV).

Pages and figures belong in `adiabat.report`; free energies in a room of their own.
"""

from adiabat.analysis.correlation import Correlation, time_step, velocity_autocorrelation
from adiabat.analysis.diffusion import (
    diffusion_coefficient,
    finite_size_correction,
    green_kubo_diffusion,
    mean_squared_displacement,
)
from adiabat.analysis.geometry import (
    bond_angles,
    bond_lengths,
    minimum_image,
    torsion_angles,
    unwrapped,
    whole_molecules,
)
from adiabat.analysis.hydrogen_bonds import HydrogenBonds, donor_hydrogens, hydrogen_bonds
from adiabat.analysis.internal import Distribution, bond_statistics, jensen_shannon
from adiabat.analysis.radial import RadialDistribution, radial_distribution
from adiabat.analysis.slow_modes import SlowModes, tica, vamp2_score
from adiabat.analysis.spectra import (
    PER_CM,
    Spectrum,
    infrared_spectrum,
    mean_spectrum,
    vibrational_density_of_states,
)
from adiabat.analysis.statistics import (
    Average,
    autocorrelation,
    block_average,
    block_error,
    bootstrap_rmse,
    equilibrated_average,
    mean_with_error,
    running_mean,
    statistical_inefficiency,
)
from adiabat.analysis.structure_factor import (
    StructureFactor,
    structure_factor,
    structure_factor_from_radial,
)
from adiabat.analysis.thermodynamics import (
    Drift,
    TemperatureStatistics,
    density,
    energy_drift,
    heat_capacity,
    temperature_statistics,
)
from adiabat.analysis.timescales import (
    ImpliedTimescales,
    TimescaleCheck,
    check_timescales,
    implied_timescales,
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
    "PER_CM",
    "Average",
    "Correlation",
    "Distribution",
    "Drift",
    "Fragmentation",
    "HydrogenBonds",
    "ImpliedTimescales",
    "RadialDistribution",
    "SlowModes",
    "Spectrum",
    "StructureFactor",
    "TemperatureStatistics",
    "TimescaleCheck",
    "angles_from_bonds",
    "autocorrelation",
    "block_average",
    "block_error",
    "bond_angles",
    "bond_lengths",
    "bond_statistics",
    "bonded_radii",
    "bootstrap_rmse",
    "check_timescales",
    "common_bonds",
    "density",
    "diffusion_coefficient",
    "donor_hydrogens",
    "energy_drift",
    "equilibrated_average",
    "find_bonds",
    "finite_size_correction",
    "fragmentation",
    "green_kubo_diffusion",
    "heat_capacity",
    "hydrogen_bonds",
    "implied_timescales",
    "infrared_spectrum",
    "jensen_shannon",
    "mean_spectrum",
    "mean_squared_displacement",
    "mean_with_error",
    "minimum_image",
    "molecules",
    "radial_distribution",
    "running_mean",
    "statistical_inefficiency",
    "structure_factor",
    "structure_factor_from_radial",
    "temperature_statistics",
    "tica",
    "time_step",
    "torsion_angles",
    "torsions_from_bonds",
    "unwrapped",
    "vamp2_score",
    "velocity_autocorrelation",
    "vibrational_density_of_states",
    "whole_molecules",
]
