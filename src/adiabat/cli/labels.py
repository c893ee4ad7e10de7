"""What people read instead of the keys of a result, in the order they are shown."""

METRICS = {
    "n_structures": "structures",
    "energy_mae_mev_per_atom": "energy MAE [meV/atom]",
    "energy_rmse_mev_per_atom": "energy RMSE [meV/atom]",
    "energy_mae_mev": "energy MAE [meV]",
    "energy_rmse_mev": "energy RMSE [meV]",
    "force_mae_mev_per_ang": "force MAE [meV/Å]",
    "force_rmse_mev_per_ang": "force RMSE [meV/Å]",
    "stress_mae_gpa": "stress MAE [GPa]",
    "dipole_mae_debye": "dipole MAE [D]",
    "dipole_rmse_debye": "dipole RMSE [D]",
    "profile_rmse_mev": "energies along the path, RMSE [meV]",
    "barrier_mev": "highest minus lowest energy [meV]",
    "barrier_error_mev": "its error [meV]",
}
DYNAMICS = {
    "steps": "steps",
    "time_ps": "time [ps]",
    "frames": "frames",
    "temperature": "mean temperature [K]",
    "quantum_kinetic_energy_ev": "quantum kinetic energy [eV]",
    "pressure_gpa": "mean pressure [GPa]",
    "density_g_per_cm3": "mean density [g/cm³]",
    "barostat_accepted": "moves of the cell accepted",
    "drift_ev_per_atom_ns": "energy drift [eV/atom/ns]",
    "steps_per_second": "steps per second",
    "out": "out",
}
REPLICAS = {
    "replicas": "replicas",
    "steps": "steps of each",
    "time_ps": "time of each [ps]",
    "frames": "frames of each",
    "temperatures": "mean temperatures [K]",
    "densities": "mean densities [g/cm³]",
    "drifts": "energy drifts [eV/atom/ns]",
    "exchanges_accepted": "swaps with the next temperature accepted",
    "replica_steps_per_second": "steps of a replica per second",
    "out": "out",
}
LAMMPS = {
    "atoms": "atoms",
    "ranks": "processes",
    "ghosts": "ghosts, together",
    "steps": "steps",
    "energy_ev": "energy by the model [eV]",
    "log": "log",
}
SAMPLING = {
    "n_molecules": "molecules",
    "n_structures": "structures",
    "n_skipped": "skipped",
    "skipped": "reasons",
    "out": "out",
}
LABELLING = {
    "n_labelled": "labelled",
    "n_failed": "failed",
    "failures": "reasons",
    "out": "out",
    "failed": "see",
}
FREE_ENERGY = {
    "method": "method",
    "variable": "variable",
    "unit": "unit",
    "temperature_k": "temperature [K]",
    "trajectories": "trajectories",
    "frames": "frames",
    "n_effective": "worth as many of equal weight",
    "lowest_at": "lowest at",
    "difference_kj_per_mol": "difference [kJ/mol]",
    "last_third_kj_per_mol": "changed by the last third [kJ/mol]",
    "transitions": "transitions",
    "verdict": "verdict",
    "note": "this is",
    "out": "out",
}
LEARNED_VARIABLES = {
    "trajectories": "trajectories",
    "frames": "frames",
    "features": "features",
    "lag_ps": "lag [ps]",
    "timescales_ps": "time scales [ps]",
    "timescale_errors_ps": "their errors [ps]",
    "transitions": "transitions",
    "widths": "widths for a bias",
    "vamp2_held_out": "VAMP-2 of frames held out",
    "vamp2_linear_held_out": "that of linear functions",
    "verdict": "verdict",
    "out": "out",
}
