"""The requirement files cover pyproject.toml, and the wheel holds what an installed adiabat needs."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "adiabat"


def pins(name: str) -> set[str]:
    lines = [
        line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith(("#", "-r"))
    ]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*( ; .+)?", line) for line in lines)
    return {line.split("==")[0] for line in lines}


def names(requirements: list) -> set[str]:
    texts = [text for text in requirements if isinstance(text, str)]
    return {re.split(r"[^A-Za-z0-9._-]", text)[0].lower().replace("_", "-") for text in texts}


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run, dev, physics = (pins(f"requirements{name}.txt") for name in ("", "-dev", "-physics"))
    groups = project["dependency-groups"]
    assert names(project["project"]["dependencies"]) <= run
    assert names(groups["test"] + groups["dev"]) <= run | dev
    assert names(groups["physics"]) <= run | dev | physics
    assert not (run & dev)
    assert not ((run | dev) & physics)


def test_the_wheel_is_complete(tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = {
        path.relative_to(SOURCE.parent).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "adiabat/py.typed" in held
    assert tracked <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert not [name for name in held if not name.startswith(("adiabat/", "adiabat-"))]
