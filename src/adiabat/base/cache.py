"""Where compiled code is kept between commands."""

import contextlib
import hashlib
import os
import platform
from pathlib import Path


def compiled_folder(version: str) -> Path | None:
    """A folder for code compiled by this user for this kind of processor; made when missing.

    It is this user's alone, for what is in it is run, and one for each kind of processor: a home may be
    shared between machines.

    Args:
        version: of what compiles.

    Returns:
        The folder, or None when it cannot be made or belongs to another user.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "adiabat" / f"compiled-{version}-{processor()}"
    with contextlib.suppress(OSError, RuntimeError):
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
        if not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid():
            return folder
    return None


def processor() -> str:
    """A short name of this kind of processor and what it can do."""
    facts = platform.machine() + platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        facts += "".join(line for line in lines if line.startswith(("model name", "flags")))[:10000]
    return hashlib.sha256(facts.encode()).hexdigest()[:12]
