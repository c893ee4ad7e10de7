"""The machine a process runs on."""

import os
from pathlib import Path


def usable_cpus() -> int:
    """Processors this process may use; all of them where the system does not say (macOS, Windows)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_threads() -> int:
    """Threads this process may use: as many as XLA, which `NPROC` tells where processes share a machine."""
    told = os.environ.get("NPROC", "")
    return min(usable_cpus(), max(1, int(told))) if told.isdigit() else usable_cpus()


def available_memory() -> int | None:
    """Bytes of memory that are free for this process; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    except (OSError, StopIteration, ValueError, IndexError):
        return None
