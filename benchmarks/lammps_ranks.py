"""How well LAMMPS spreads water over two processes, each with one thread on a core of its own.

    python -m benchmarks.lammps_ranks --data ../shared/data --models FOLDER

takes the models in FOLDER/water-fast and FOLDER/water-accurate, in an environment with `adiabat[lammps]`.
Constant energy in steps of 0.5 fs, neighbor lists included, compilation left out. A process on a machine with
an idle core is faster than one on a busy machine (clock, caches, two threads of one core), so that
one process is timed with a second copy of the same simulation on the other core.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ase.io

import adiabat
from adiabat.data import read_samples
from adiabat.interfaces.lammps import LammpsForce, import_lammps
from adiabat.tasks.precision import enable
from benchmarks.record import record

BAR = ">= 0.8"
# Times the cell of 192 atoms is repeated, and the steps timed.
BOXES = {
    "fast": {(4, 4, 4): 40, (8, 4, 4): 20, (8, 8, 4): 10, (8, 8, 8): 6},
    "accurate": {(4, 4, 4): 20},
}


def worker(model: str, data: str, steps: int, core: int) -> None:
    """One process of MPI: prints seconds a step and its ghosts."""
    module, mpi = import_lammps()
    world = mpi.COMM_WORLD
    os.sched_setaffinity(0, {core + world.rank})
    enable()
    program = module.lammps(cmdargs=["-log", "none", "-screen", "none"])
    program.commands_list(["units metal", "processors * 1 1", f'read_data "{data}"'])
    force = LammpsForce(program, adiabat.load(model))
    program.commands_list(["timestep 0.0005", "velocity all create 300 1 loop geom", "fix move all nve"])
    force.run(2)
    world.Barrier()
    start = time.perf_counter()
    program.command(f"run {steps} pre no")
    force.raise_error()
    world.Barrier()
    seconds = (time.perf_counter() - start) / steps
    ghosts = world.allreduce(force.n_ghosts)
    if world.rank == 0:
        print(seconds, ghosts, flush=True)


def start(ranks: int, model: Path, data: Path, steps: int, core: int) -> subprocess.Popen[str]:
    """Processes on the cores from this one on."""
    here = Path(sys.executable).parent / "mpiexec"
    program = [
        sys.executable,
        "-m",
        "benchmarks.lammps_ranks",
        "--worker",
        str(model),
        str(data),
        str(steps),
        str(core),
    ]
    return subprocess.Popen(
        [str(here), "-n", str(ranks), *program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NPROC": "1"},
    )


def ended(process: subprocess.Popen[str]) -> tuple[float, int]:
    """Seconds a step, and ghosts."""
    said, _ = process.communicate()
    if process.returncode:
        sys.exit("a process failed; see above")
    seconds, ghosts = said.split()[-2:]
    return float(seconds), int(ghosts)


def rows(data: Path, models: Path) -> list[dict[str, Any]]:
    """Both sizes: the speed of a core in two processes by that of a core in one."""
    cell = read_samples(data / "water" / "data" / "data_3")[0].system
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size, boxes in BOXES.items():
            model = models / f"water-{size}"
            for repeats, steps in boxes.items():
                box, file = cell.to_ase() * repeats, Path(folder) / "water.data"
                ase.io.write(file, box, format="lammps-data", masses=True, specorder=["O", "H"])
                both = [start(1, model, file, steps, core) for core in (0, 1)]
                single = max(ended(process)[0] for process in both)
                double, ghosts = ended(start(2, model, file, steps, 0))
                what = f"{size}, {len(box)} atoms: speed of a core in two processes to that in one"
                note = f"{1e6 * single / len(box):.1f} µs of a core for an atom and a step in one, "
                note += f"{2e6 * double / len(box):.1f} in two; {ghosts / len(box):.2f} ghosts an atom"
                found.append({"what": what, "value": single / (2 * double), "unit": "", "note": note})
                found[-1] |= {"bar": BAR} if size == "fast" else {}
                print(f"{what}: {found[-1]['value']:.2f}, {note}", file=sys.stderr)
    return found


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--models", type=Path, help="folder of run folders")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        model, data, steps, core = options.worker
        worker(model, data, int(steps), int(core))
        return
    made = rows(options.data, options.models)
    record(
        "lammps-ranks",
        made,
        "python -m benchmarks.lammps_ranks --data ../shared/data --models FOLDER",
        title="LAMMPS on two processes",
    )


if __name__ == "__main__":
    main()
