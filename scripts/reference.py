"""Writes docs/reference from the code: the command line, the configuration keys and the Python API.

`make docs-reference` writes the pages; `python scripts/reference.py --check` says which are out of date.
"""

import sys
from pathlib import Path

from api_pages import python_pages
from command_pages import command_page, configuration_page

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"


def pages() -> dict[str, str]:
    """All pages: file name to text."""
    found = {"command-line.md": command_page(), "configuration.md": configuration_page()}
    return found | python_pages(ROOT / "src" / "adiabat")


def outdated() -> list[str]:
    """The pages that differ from what the code says, and those that nothing stands behind any more."""
    wanted = pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main() -> None:
    """Write the pages, or check them."""
    stale = outdated()
    if "--check" in sys.argv:
        sys.exit(f"out of date, run `make docs-reference`: {', '.join(stale)}" if stale else 0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / name).unlink(missing_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{FOLDER.relative_to(ROOT)}: {len(stale)} pages changed")


if __name__ == "__main__":
    main()
