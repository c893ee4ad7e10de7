"""Whether memory grows, or anything is compiled again, in a simulation of two hours.

    python -m benchmarks.soak --data ../shared/data --minutes 120

starts `adiabat md` on 64 molecules of water in a process of its own, reads its resident memory from /proc
every ten seconds, counts what JAX compiles after the first tenth of the time, and ends it by SIGTERM, on
which it has to save and exit with 143.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ase.io

from adiabat.data import read_samples
from benchmarks.record import record

EVERY = 10.0  # s
WARM_UP = 0.1  # of the time
STEPS_WITHOUT_END = 10**9


def resident(pid: int) -> float:
    """Resident memory of a process [MiB]."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def soak(
    model: str, structure: Path, minutes: float, out: Path
) -> tuple[list[float], list[str], list[str], int]:
    """Memory [MiB] at each reading, what was compiled in the warm-up and after it, and the exit code."""
    command = [sys.executable, "-m", "adiabat", "md", model, str(structure), "--out", str(out)]
    command += ["--steps", str(STEPS_WITHOUT_END), "--record-every", "50"]
    environment = {**os.environ, "JAX_LOG_COMPILES": "1"}
    memory: list[float] = []
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)

        def compiled() -> list[str]:
            return re.findall(r"Finished XLA compilation of (\S+)", _text(said))

        start, warm = time.monotonic(), None
        while (elapsed := time.monotonic() - start) < 60 * minutes and process.poll() is None:
            time.sleep(EVERY)
            if warm is None and elapsed > WARM_UP * 60 * minutes:
                warm = compiled()
            if process.poll() is None:
                memory.append(resident(process.pid))
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=120)
        warm = warm or []
        return memory, warm, compiled()[len(warm) :], code


def _text(file) -> str:
    # The process writes to the same file with an offset of its own.
    return Path(f"/proc/self/fd/{file.fileno()}").read_text()


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the data sets are")
    parser.add_argument("--model", default="general", help="of H and O")
    parser.add_argument("--minutes", type=float, default=120.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        structure = Path(folder) / "water.xyz"
        ase.io.write(structure, read_samples(options.data / "water" / "data" / "data_3")[0].system.to_ase())
        memory, before, after, code = soak(options.model, structure, options.minutes, Path(folder) / "run")
    start = memory[int(WARM_UP * len(memory))]
    growth = 100 * (memory[-1] / start - 1)
    quarters = ", ".join(f"{memory[k * (len(memory) - 1) // 4]:.0f}" for k in range(1, 5))
    note = (
        f"{start:.0f} MiB after the warm-up, {quarters} after each quarter of {options.minutes:.0f} minutes"
    )
    rows = [
        {"what": "resident memory grows", "value": growth, "unit": "%", "bar": "< 2", "note": note},
        {
            "what": "compilations after warm-up",
            "value": len(after),
            "unit": "",
            "bar": "0",
            "note": f"{len(before)} before" + "".join(f", {name}" for name in after),
        },
        {"what": "exit code after SIGTERM", "value": code, "unit": "", "bar": "143"},
    ]
    for row in rows:
        print(f"{row['what']:30s} {row['value']:8.4g} {row['unit']}  {row.get('note', '')}")
    record("soak", rows, "python -m benchmarks.soak --data ../shared/data", title="Two hours of dynamics")


if __name__ == "__main__":
    main()
