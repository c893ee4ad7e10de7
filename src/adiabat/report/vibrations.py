"""Cards on vibrations: the density of states, the velocity autocorrelation, the infrared spectrum."""

from typing import Any

import numpy as np

from adiabat import analysis
from adiabat.report.cards import Chart, Columns, Series, Status, Text, Verdict
from adiabat.report.formatting import number
from adiabat.report.measurements import WIDENED_BAR, Measurements


def vibration_cards(title: str, measured: Measurements) -> tuple[list[Any], list[Verdict]]:
    """Spectra of a run with velocities or dipoles, and whether its frames lie close enough for them."""
    if measured.velocities is None and measured.dipoles is None:
        return [], []
    if measured.velocities is not None and not measured.velocities.any():
        return [], []
    if not measured.is_long_for_spectra:
        length = number(np.ptp(measured.time) / 1000)
        return [
            Text(f"No vibrational spectrum: {length} ps are too short; 20 ps show lines 8 1/cm wide.")
        ], []
    if measured.highest < measured.fastest / 2:
        needed = 0.5 * analysis.PER_CM / measured.fastest
        text = (
            f"No vibrational spectrum: frames so far apart show what is slower than "
            f"{number(measured.highest)} 1/cm, and fold the rest back. The fastest motion of such a system "
            f"needs a frame every {number(needed, 2)} fs (--record-every)."
        )
        return [Text(text)], []
    charts: list[Any] = []
    if measured.vibrations:
        charts = [_states(measured), _autocorrelation(measured)]
    cards: list[Any] = [Columns(charts)] if charts else []
    if measured.infrared is not None:
        cards.append(_infrared(measured.infrared))
    return cards, [_verdict(title, measured)] if cards else []


def _verdict(title: str, measured: Measurements) -> Verdict:
    spectra = [*measured.vibrations.values(), *([measured.infrared] if measured.infrared else [])]
    width = spectra[0].resolution
    value = f"up to {number(measured.highest)} 1/cm, {number(width, 2)} 1/cm wide"
    bar = (
        f"good when frames show {number(measured.fastest)} 1/cm, and lines at most {WIDENED_BAR:g} 1/cm wide"
    )
    status: Status = "good"
    remarks = []
    if measured.highest < measured.fastest:
        status = "fair"
        needed = 0.5 * analysis.PER_CM / measured.fastest
        remarks.append(f"what is faster is folded back below: record a frame every {number(needed, 2)} fs")
    if width > WIDENED_BAR:
        status = "fair"
        remarks.append(f"the run is too short for sharper lines: {number(np.ptp(measured.time) / 1000)} ps")
    if measured.widened > WIDENED_BAR:
        status = "fair"
        cause = f"the thermostat's friction of {measured.motion.friction:g} 1/fs"
        remarks.append(f"{cause} widens lines by {measured.widened:.0f} 1/cm")
    if measured.keeps_energies:
        remarks.append("heights need several runs: without friction the modes keep their energies")
    remarks = remarks or ["nuclei are classical, and stiff bonds as anharmonic as at this temperature"]
    return Verdict(f"Vibrations, {title}", value, status, bar, "; ".join(remarks))


def _states(measured: Measurements) -> Chart:
    spectra = measured.vibrations
    whole = spectra["all"]
    shown = whole.wavenumber <= 1.1 * measured.fastest
    lines = []
    for k, (name, spectrum) in enumerate(spectra.items()):
        low, high = spectrum.density - 2 * spectrum.error, spectrum.density + 2 * spectrum.error
        band = (np.maximum(low, 0)[shown], high[shown])
        lines.append(Series(name, spectrum.density[shown], k % 7, band=band))
    return Chart(
        {"wavenumber [1/cm]": whole.wavenumber[shown]},
        lines,
        "states per 1/cm",
        f"Vibrational density of states; maxima at {_peaks(whole)} 1/cm",
        title="Vibrational density of states",
        caption="From the velocities; its integral is the number of degrees of freedom, "
        f"{measured.motion.degrees_of_freedom}. Lines are at least {number(whole.resolution, 2)} 1/cm wide, "
        f"bands are two standard errors. {_energies(measured)}",
    )


def _energies(measured: Measurements) -> str:
    """What the heights of lines say of a single run."""
    if measured.keeps_energies:
        return (
            "Without friction energy passes slowly between the modes of a molecule: heights say how much "
            "each had in this run, which the bands do not count. Average over replicas."
        )
    return "In a run shorter than a few picoseconds heights say how much energy each motion had."


def _autocorrelation(measured: Measurements) -> Chart:
    correlation = measured.velocity_autocorrelation
    assert correlation is not None
    low, high = (correlation.value + 2 * side * correlation.error for side in (-1, 1))
    return Chart(
        {"time [ps]": correlation.lag / 1000},
        [Series("all atoms", correlation.value, 0, band=(low, high))],
        "normalized",
        "Velocity autocorrelation, weighted by mass",
        title="Velocity autocorrelation",
        caption="Weighted by mass, 1 at the start. Its Fourier transform is the density of states. "
        "The band is two standard errors from five blocks.",
    )


def _infrared(spectrum: analysis.Spectrum) -> Chart:
    shown = spectrum.wavenumber <= 4500
    low, high = spectrum.density - 2 * spectrum.error, spectrum.density + 2 * spectrum.error
    return Chart(
        {"wavenumber [1/cm]": spectrum.wavenumber[shown]},
        [Series("infrared", spectrum.density[shown], 1, band=(np.maximum(low, 0)[shown], high[shown]))],
        "km/mol per 1/cm",
        f"Infrared spectrum; maxima at {_peaks(spectrum)} 1/cm",
        title="Infrared spectrum",
        caption=f"From the dipoles along the run; maxima at {_peaks(spectrum)} 1/cm, lines at least "
        f"{number(spectrum.resolution, 2)} 1/cm wide, the band is two standard errors. It is as good as the "
        "dipoles of the model. Nuclei are classical: stretches of hydrogen lie too high.",
    )


def _peaks(spectrum: analysis.Spectrum, limit: int = 12) -> str:
    return ", ".join(f"{peak:.0f}" for peak in spectrum.peaks()[:limit]) or "–"
