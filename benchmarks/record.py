"""The one way a benchmark states what it measured: a JSON file with values, command, machine and date."""

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
ROW_KEYS = ("what", "bar", "value", "unit", "published", "note")
PACKAGES = ("adiabat", "jax", "jaxlib", "numpy", "tblite", "rdkit", "ase")


def record(name: str, rows: Sequence[Mapping[str, Any]], command: str, *, title: str | None = None) -> Path:
    """Write `benchmarks/results/<name>.json`, replacing what an earlier run left there.

    Args:
        name: file name without ending; lower case, words joined by hyphens. What ran on a GPU gets `-gpu`
            behind it, and says so in its title.
        rows: what was measured, one mapping a row, in the order of the table. `what` and `value` are
            required; `unit`, `bar` (what we aim at, e.g. "<= 14"), `published` (what others report, with
            the source in `note`) and `note` are optional. Values are numbers or short strings.
        command: what to type in the repository's root to measure it again.
        title: heading of the table; made from `name` by default.

    Returns:
        The file written.

    Raises:
        ValueError: a row without `what` or `value`, or with a key that the table does not show.
    """
    for row in rows:
        unknown = sorted(set(row) - set(ROW_KEYS))
        if unknown or "what" not in row or "value" not in row:
            raise ValueError(f"a row needs 'what' and 'value' and may have {ROW_KEYS[1:]}; got {dict(row)}")
    machine, title = describe_machine(), title or name.replace("-", " ").capitalize()
    if machine["devices"] != ["cpu"]:
        name, title = f"{name}-gpu", f"{title}, on a GPU"
    content = {
        "name": name,
        "title": title,
        "command": command,
        "machine": machine,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "rows": [dict(row) for row in rows],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)
    return path


def describe_machine() -> dict[str, Any]:
    """What the figures depend on: processor, load, memory, accelerator, versions and the commit measured."""
    import jax

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        # Over the last quarter of an hour; more than one command makes is a busy machine.
        "load": round(os.getloadavg()[2], 1),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(memory),
        "devices": sorted({device.device_kind for device in jax.devices()}),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _commit() -> str:
    """With "-dirty" where anything but results differs from it."""
    found = _git("describe", "--always")
    changed = _git(
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ":/",
        ":!/benchmarks/results",
        ":!/docs/benchmarks.md",
    )
    return f"{found}-dirty" if found and changed else found or "unknown"


def _git(*words: str) -> str:
    answer = subprocess.run(["git", *words], cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return answer.stdout.strip()
