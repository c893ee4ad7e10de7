"""The numbers and curves of one simulation, by the names of the command line."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base.units import BOLTZMANN

if TYPE_CHECKING:
    from adiabat.analysis import Average, Correlation, Spectrum
    from adiabat.report.measurements import Measurements


TOO_FEW = "too few frames to judge"


def dynamics_numbers(measured: "Measurements") -> dict[str, Any]:
    """The numbers of one simulation; see `analyze`."""
    from adiabat import analysis
    from adiabat.report.elements import is_metal

    motion = measured.motion
    found: dict[str, Any] = {
        **({"length_ps": float(np.ptp(motion.picoseconds))} if motion.has_times else {}),
        "frames": motion.n_frames,
        "n_atoms": motion.n_atoms,
    }
    if motion.conserved is not None:
        found |= drift_numbers(motion.time, motion.conserved, motion.n_atoms)
    if motion.temperature is not None and motion.n_frames >= 8 and np.isfinite(motion.temperature).all():
        warm = analysis.temperature_statistics(motion.temperature, motion.degrees_of_freedom)
        found |= {"temperature_k": warm.mean, "temperature_k_error": warm.error}
    if motion.quantum_kinetic is not None and motion.n_frames >= 8:
        kinetic = analysis.equilibrated_average(motion.quantum_kinetic)
        found |= _with_error("quantum_kinetic_energy_ev", kinetic)
    if not is_metal(motion.numbers).all() and np.isfinite(motion.positions).all():
        whole = analysis.fragmentation(motion.numbers, motion.positions, motion.cell)
        found["fragments"] = [int(whole.n_fragments[0]), int(whole.n_fragments[-1])]
        if whole.changed is not None and motion.has_times:
            found["fragmented_at_ps"] = float(motion.picoseconds[whole.changed])
    if measured.density is not None:
        found["density_g_per_cm3"] = measured.density.mean
        if measured.density.error > 1e-9 * measured.density.mean:
            found["density_g_per_cm3_error"] = measured.density.error
    found |= _with_error(
        "heat_capacity_kb_per_atom", measured.heat_capacity, 1 / (BOLTZMANN * motion.n_atoms)
    )
    found |= _structure(measured) | _motion(measured)
    return found | ({"warnings": measured.warnings} if measured.warnings else {})


def drift_numbers(times: np.ndarray, conserved: np.ndarray, n_atoms: int) -> dict[str, Any]:
    """The drift of the conserved energy [eV], with its error or why it has none; nothing of two frames."""
    from adiabat.analysis import energy_drift

    if len(times) < 3 or not np.isfinite(conserved).all():
        return {}
    drift = energy_drift(times, conserved, n_atoms)
    known = np.isfinite(drift.error)
    judged = {"drift_ev_per_atom_ns_error": drift.error} if known else {"drift_note": TOO_FEW}
    return {"drift_ev_per_atom_ns": drift.slope, **judged}


def _structure(measured: "Measurements") -> dict[str, Any]:
    from adiabat.report.structure import first_peak

    found: dict[str, Any] = {}
    for kind, name in (("bond", "bond_lengths_ang"), ("angle", "bond_angles_deg")):
        rows = [one for one in measured.internals if one.kind == kind and measured.motion.n_frames >= 10]
        if rows:
            found[name] = {}
            for one in rows:
                found[name] |= _with_error(one.label, one.average)
    found_peaks = ((pair.label, first_peak(pair)) for pair in measured.radial)
    peaks = {label: peak for label, peak in found_peaks if peak is not None}
    if peaks:
        found["radial_peaks_ang"] = {label: peak[0] for label, peak in peaks.items()}
        found["coordination"] = {label: peak[3] for label, peak in peaks.items()}
    bonds = measured.hydrogen_bonds
    if bonds is not None:
        found |= _with_error("hydrogen_bonds_per_molecule", bonds.per_molecule)
        found |= _with_error("hydrogen_bond_lifetime_ps", bonds.lifetime, 1e-3)
    return found


def _motion(measured: "Measurements") -> dict[str, Any]:
    found: dict[str, Any] = {}
    more = measured.finite_size
    sources = {
        "diffusion_cm2_per_s": measured.diffusion,
        "diffusion_from_velocities_cm2_per_s": measured.diffusion_from_velocities,
    }
    for name, averages in sources.items():
        if averages:
            found[name] = {}
            for element, average in averages.items():
                found[name] |= _with_error(element, average)
    if measured.slowed:
        found["diffusion_slowed_by_thermostat"] = measured.slowed
    if more is not None and measured.diffusion:
        found["finite_size_correction_cm2_per_s"] = more
        found["viscosity_mpa_s"] = measured.viscosity
    return found | peaks(spectra_of(measured))


def spectra_of(measured: "Measurements") -> "dict[str, Spectrum]":
    """Those that there are, by the names of their peaks."""
    found = {"vibrational": measured.vibrations.get("all"), "infrared": measured.infrared}
    return {name: spectrum for name, spectrum in found.items() if spectrum is not None}


def mean_spectra(each: "Sequence[Mapping[str, Spectrum]]") -> "dict[str, Spectrum]":
    """Of replicas: the means of spectra that all have, on the same wavenumbers."""
    from adiabat.analysis import mean_spectrum

    shared = [name for name in each[0] if all(name in one for one in each)]
    found = {name: mean_spectrum([one[name] for one in each]) for name in shared}
    return {name: spectrum for name, spectrum in found.items() if spectrum is not None}


def peaks(spectra: "Mapping[str, Spectrum]") -> dict[str, Any]:
    """Where the lines of spectra are, and how well they can be told apart [1/cm]."""
    found: dict[str, Any] = {}
    for name, spectrum in spectra.items():
        found[f"{name}_peaks_per_cm"] = [round(float(peak), 1) for peak in spectrum.peaks()]
        found["highest_wavenumber_per_cm"] = spectrum.highest
        found["line_width_per_cm"] = spectrum.resolution
    return found


def curves(measured: "Measurements") -> dict[str, Any]:
    """What the report draws, as lists: for other programs.

    Returns:
        Where the data allow: `radial_distribution` and `distributions` by label, `structure_factor`,
        `mean_squared_displacement` and `vibrational_density_of_states` by element,
        `velocity_autocorrelation`, `infrared_km_per_mol_cm`, `hydrogen_bond_correlation`. Keys carry units;
        what has a standard error has it beside it under `..._error`.
    """
    from adiabat import analysis

    found: dict[str, Any] = {}
    for pair in measured.radial:
        row = {"distance_ang": pair.distance, "g": pair.g, "g_error": pair.error}
        found.setdefault("radial_distribution", {})[pair.label] = row
    if measured.structure_factor is not None:
        s = measured.structure_factor
        found["structure_factor"] = {"q_per_ang": s.wavevector, "s": s.s, "s_error": s.error}
    for one in measured.internals:
        edges, density, _ = one.histograms()
        unit = "ang" if one.kind == "bond" else "deg"
        error = one.histogram_error()
        row = {f"edges_{unit}": edges, f"density_per_{unit}": density, f"density_per_{unit}_error": error}
        found.setdefault("distributions", {})[f"{one.kind} {one.label}"] = row
    spectra = {("vibrational_density_of_states", name): one for name, one in measured.vibrations.items()}
    if measured.infrared is not None:
        spectra[("infrared_km_per_mol_cm", "molecule")] = measured.infrared
    for (name, part), one in spectra.items():
        row = {"wavenumber_per_cm": one.wavenumber, "density": one.density, "density_error": one.error}
        found.setdefault(name, {})[part] = row
    if measured.velocity_autocorrelation is not None:
        found["velocity_autocorrelation"] = _correlation("correlation", measured.velocity_autocorrelation)
    for name, one in measured.displacements.items():
        row = _correlation("displacement_ang2", one)
        found.setdefault("mean_squared_displacement", {})[name] = row
    if measured.hydrogen_bonds is not None and len(measured.hydrogen_bonds.lag):
        bonds = measured.hydrogen_bonds
        whole = analysis.Correlation(bonds.lag, bonds.correlation, bonds.correlation_error)
        found["hydrogen_bond_correlation"] = _correlation("correlation", whole)
    return _as_lists(found)


def _correlation(name: str, found: "Correlation") -> dict[str, np.ndarray]:
    return {"time_fs": found.lag, name: found.value, f"{name}_error": found.error}


def _as_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_lists(entry) for name, entry in value.items()}
    return [float(f"{x:.6g}") for x in value]


def _with_error(name: str, average: "Average | None", factor: float = 1.0) -> dict[str, float]:
    if average is None:
        return {}
    return {name: average.mean * factor, f"{name}_error": average.error * factor}
