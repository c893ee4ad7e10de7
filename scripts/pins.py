"""Writes requirements*.txt: the exact versions, in this environment, of what pyproject.toml asks for.

To take newer versions: `make .venv/physics.stamp`, install them into .venv, run the tests, then
`python scripts/pins.py`.
"""

import re
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILD = ["hatchling", "editables"]  # what `pip install --no-build-isolation -e .` needs
HEADER = "# {what}. Written by scripts/pins.py; works with Python 3.12 and 3.13.\n"


def canonical(name: str) -> str:
    """A distribution's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(requirements: list[str]) -> dict[str, str]:
    """All that `requirements` need, directly or not: canonical name to installed version, with the marker
    that a requirement itself has: not everything has wheels for every Python."""
    pins: dict[str, str] = {}
    queue = [(requirement, "") for requirement in requirements]
    while queue:
        text, extra = queue.pop()
        requirement, _, marker = text.partition(";")
        if marker and not applies(marker, extra):
            continue
        match = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:\[([^]]*)\])?", requirement)
        assert match, text
        name, extras = canonical(match[1]), match[2] or ""
        distribution = metadata.distribution(name)
        new = name not in pins
        if new:
            pins[name] = distribution.version + (f" ;{marker}" if marker and text in requirements else "")
        for option in ["", *extras.split(",")] if new else extras.split(","):
            queue += [(needed, option.strip()) for needed in distribution.requires or ()]
    return pins


def applies(marker: str, extra: str) -> bool:
    """Whether a dependency's marker holds here, for one extra of the package that asks for it."""
    from packaging.markers import Marker

    return Marker(marker).evaluate({"extra": extra})


def write(path: Path, what: str, pins: dict[str, str], first: str = "") -> None:
    """One pin a line, sorted."""
    lines = [f"{name}=={version}\n" for name, version in sorted(pins.items())]
    path.write_text(HEADER.format(what=what) + first + "".join(lines), encoding="utf-8")


def main() -> None:
    """Write all files, each with what those before it do not have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    pinned, first = {}, ""
    for name, what, asked in (
        ("", "To run adiabat from a checkout", project["project"]["dependencies"] + BUILD),
        ("-dev", "To test, check and build it as well", groups["test"] + groups["dev"]),
        ("-physics", "To run the slower tests as well", groups["physics"]),
    ):
        pins = closure([requirement for requirement in asked if isinstance(requirement, str)])
        new = {name: version for name, version in pins.items() if name not in pinned}
        file = f"requirements{name}.txt"
        write(ROOT / file, what, new, first)
        pinned, first = pinned | pins, f"-r {file}\n"


if __name__ == "__main__":
    main()
