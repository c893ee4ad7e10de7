"""The machine a process runs on."""

import os


def usable_cpus() -> int:
    """Processors this process may use; all of them where the system does not say (macOS, Windows)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
