"""The main job on the demo's molecule: errors, time, and long dynamics with its model.

    python -m benchmarks.main_job --out RUN

runs `adiabat demo` into RUN (a finished one is taken as it is), then Langevin and NVE dynamics as long as the
bars ask for.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import adiabat
from adiabat.analysis import energy_drift, mean_with_error
from adiabat.base.runs import RunFolder
from adiabat.tasks.demo import demo
from benchmarks.record import record

COMMAND = "python -m benchmarks.main_job"
TIMESTEP = 0.5  # fs


def errors(out: Path) -> list[dict[str, Any]]:
    """What the demo itself found."""
    results = RunFolder.open(out).results
    bars = iter(["<= 25", None])
    rows = [_row("demo, all in", results["minutes"], "min", bar="about 5")]
    for name, metrics in results["errors"].items():
        rows.append(_row(f"force RMSE, {name}", metrics["force_rmse_mev_per_ang"], "meV/Å", bar=next(bars)))
        rows.append(_row(f"energy RMSE, {name}", metrics["energy_rmse_mev"], "meV"))
    return rows


def dynamics(out: Path, picoseconds: float) -> list[dict[str, Any]]:
    """Drift of the energy and mean temperature, each with its standard error."""
    model = adiabat.load(out)
    start = adiabat.read(out / "test_300K.xyz")[-1].system
    steps = round(picoseconds * 1000 / TIMESTEP)
    warm = adiabat.simulate(
        start,
        model,
        adiabat.Langevin(timestep=TIMESTEP, temperature=300, friction=0.05),
        steps=steps,
        record_every=20,
    )
    temperature = mean_with_error(warm.trajectory.observables["temperature"][50:])
    still = adiabat.simulate(
        warm.system,
        model,
        adiabat.VelocityVerlet(timestep=TIMESTEP, temperature=300),
        steps=2 * steps,
        record_every=20,
        velocities=warm.velocities,
    )
    conserved = still.trajectory.observables["conserved"]
    drift = energy_drift(np.asarray(still.trajectory.times), conserved, start.n_atoms)
    per_step = 1e3 / still.summary["steps_per_second"]
    return [
        _row(
            f"NVE drift over {2 * picoseconds:g} ps",
            drift.slope,
            "eV/atom/ns",
            bar="< 1e-4",
            note=f"standard error {drift.error:.1e}",
        ),
        _row(
            f"mean temperature, Langevin at 300 K, {picoseconds:g} ps",
            temperature.mean,
            "K",
            bar="297 to 303",
            note=f"standard error {temperature.error:.1f} K",
        ),
        _row("a step of dynamics, all in", per_step, "ms"),
    ]


def _row(what: str, value: float, unit: str, **more: str | None) -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit} | {k: v for k, v in more.items() if v is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    parser.add_argument("--picoseconds", type=float, default=50.0)
    options = parser.parse_args()
    if not (options.out / "report.html").exists():
        demo(out=options.out, resume=True)
    record(
        "main-job",
        [*errors(options.out), *dynamics(options.out, options.picoseconds)],
        COMMAND,
        title="The main job",
    )


if __name__ == "__main__":
    main()
