"""Ensembles of learned water under each thermostat and barostat, judged by `physical_validation`.

    pip install physical-validation
    python -m benchmarks.ensembles --data ../shared/data --model RUN

runs 64 molecules for `--picoseconds` at two temperatures, at constant pressure also at two pressures, both at
once as replicas. The potential is a model of the data set `water`, such as `benchmarks.water` names.
"""

import argparse
from pathlib import Path
from typing import Any

from adiabat.data import read_samples
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    MonteCarloBarostat,
    NoseHoover,
    VelocityRescaling,
    with_heavy_hydrogen,
)
from adiabat.networks import load_model
from adiabat.tasks.precision import enable
from adiabat.testing.ensembles import largest_deviations, simulated
from benchmarks.record import record

# With hydrogen of 1 u the stretching of O-H bonds has 3 % less kinetic energy in steps of 0.5 fs than it
# should, which 40 ps show; ensembles do not depend on masses.
HYDROGEN = 3.0  # u
TIMESTEP, FRAME = 0.5, 20.0  # fs
# Hot, so that what is measured is soon forgotten: at 300 K the energy of this water takes 3 to 17 ps, and of
# 40 ps the package keeps too few samples to compare. Under pressure, so that it does not boil.
KELVIN, PRESSURE = (500.0, 513.0), (0.2, 0.28)  # K, GPa
FORGOTTEN = 0.2  # of each run
THERMOSTATS = {
    "Langevin": lambda kelvin: Langevin(timestep=TIMESTEP, temperature=kelvin, friction=0.02),
    "velocity rescaling": lambda kelvin: VelocityRescaling(timestep=TIMESTEP, temperature=kelvin),
    "Nosé-Hoover": lambda kelvin: NoseHoover(timestep=TIMESTEP, temperature=kelvin),
}
BAROSTATS = {
    "none": None,
    "cell rescaling": lambda pressure: CellRescaling(pressure=pressure, relaxation_time=300.0),
    "Monte Carlo": lambda pressure: MonteCarloBarostat(pressure=pressure, every=10),
}


def deviations(
    model: Any, system: Any, thermostat: str, barostat: str, picoseconds: float
) -> dict[str, float | str]:
    """The largest of the kinetic energy, of its halves, and of the slopes, in standard errors."""
    make = BAROSTATS[barostat]
    chosen: list[Any] = [THERMOSTATS[thermostat](kelvin) for kelvin in KELVIN]
    if make is not None:
        chosen = [
            ConstantPressure(thermostat=one, barostat=make(p))
            for one, p in zip(chosen, PRESSURE, strict=True)
        ]
    data = simulated(
        system,
        model,
        chosen,
        steps=round(1000 * picoseconds / TIMESTEP),
        record_every=round(FRAME / TIMESTEP),
        temperatures=KELVIN,
        pressures=None if make is None else PRESSURE,
        forgotten=FORGOTTEN,
    )
    return largest_deviations(data)


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--model", type=Path, required=True, help="a run folder")
    parser.add_argument("--picoseconds", type=float, default=40.0, help="of each run")
    options = parser.parse_args()
    enable()
    model = load_model(options.model)
    water = read_samples(options.data / "water" / "data" / "data_3")[0].system
    system = with_heavy_hydrogen(water, HYDROGEN)
    command = "python -m benchmarks.ensembles --data ../shared/data --model RUN"
    command += f" --picoseconds {options.picoseconds:g}"
    rows: list[dict[str, Any]] = []
    for thermostat in THERMOSTATS:
        for barostat in BAROSTATS:
            for what, value in deviations(model, system, thermostat, barostat, options.picoseconds).items():
                name = f"{thermostat}, barostat {barostat}: {what}"
                # Of eight figures together the bar is as unlikely as three standard errors of one.
                bar = "< 3.6" if what == "equipartition" else "< 3"
                shown = value if isinstance(value, str) else round(value, 2)
                rows.append({"what": name, "value": shown, "unit": "standard errors", "bar": bar})
                print(f"{name:60s} {shown}", flush=True)
            record("ensembles", rows, command, title="Ensembles of learned water")


if __name__ == "__main__":
    main()
