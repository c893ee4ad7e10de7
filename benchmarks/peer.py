"""Programs of others, each in an environment of its own."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

MACE = ("torch==2.13.0", "mace-torch==0.3.16")


def run_mace(venv: Path, script: str, job: Any) -> Any:
    """What a script beside this file prints as JSON in its last line when MACE's Python runs it on a job.

    Args:
        venv: MACE's environment, made on first use (a few hundred MB).
        script: file name.
        job: anything JSON can hold; the script gets it as a file.
    """
    python = venv / "bin" / "python"
    if not (venv / "installed").exists():
        subprocess.run(["python3.11", "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *MACE], check=True)
        (venv / "installed").touch()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(job, file)
        file.flush()
        path = Path(__file__).with_name(script)
        done = subprocess.run([python, path, file.name], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])
