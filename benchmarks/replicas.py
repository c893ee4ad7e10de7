"""Throughput of many replicas of one molecule, against one after the other.

    python -m benchmarks.replicas --data ../shared/data

measures steps of dynamics a second of aspirin (21 atoms) alone and of 32 replicas in one program, in turn.
"""

import argparse
from pathlib import Path

import equinox as eqx
import numpy as np

from adiabat.dynamics import Langevin, run_dynamics, run_replicas
from adiabat.tasks.precision import enable
from benchmarks.record import record
from benchmarks.speed import on_gpu, potential

REPLICAS = 32
STEPS, GPU_STEPS = 300, 1200


def main() -> None:
    from adiabat.data import read_samples

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    enable()
    aspirin = read_samples(options.data / "rmd17" / "rmd17_aspirin_train_01.npz")[:8]
    system, rows = aspirin[0].system, []
    # Random weights, so weak that the molecule flies along unbound; the work is the same.
    thermostat = Langevin(timestep=0.5, temperature=1.0, friction=0.1)
    steps = GPU_STEPS if on_gpu() else STEPS
    for size in ("accurate", "fast"):
        model = eqx.tree_at(lambda p: p.scale, potential(aspirin, size), np.asarray(1e-4))
        alone, together = [], []
        for _ in range(options.rounds):
            one = run_dynamics(system, model, thermostat, steps=8 * steps)
            alone.append(one.steps_per_second)
            many = run_replicas(
                [system] * REPLICAS, model, [thermostat] * REPLICAS, steps=steps, seeds=range(REPLICAS)
            )
            together.append(REPLICAS * many[0].steps_per_second)
        what = f"aspirin, {size}"
        rows += [
            {"what": f"{what}, alone", "value": max(alone), "unit": "steps/s"},
            {"what": f"{what}, {REPLICAS} replicas", "value": max(together), "unit": "steps/s of all"},
            {
                "what": f"{what}, throughput of {REPLICAS} replicas over that of one",
                "value": max(together) / max(alone),
                "bar": ">= 20" if on_gpu() else ">= 1.6",
            },
        ]
    for row in rows:
        print(f"{row['what']:60s} {row['value']:.2f} {row.get('unit', '')}")
    record("replicas", rows, "python -m benchmarks.replicas --data ../shared/data", title="Replicas")


if __name__ == "__main__":
    main()
